//! All rows of a company, table by table, on their way out.

use uuid::Uuid;

use crate::db::{Result, Sql, Tx, args, sql};

/// A table with a company's rows, and how to take some away.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    delete: &'static Sql,
    count: &'static Sql,
    /// Rows that are deleted at once; fewer where they are big.
    pub batch: i64,
}

macro_rules! tables {
    ($($delete:ident $count:ident $name:literal $key:literal $batch:literal;)+) => {
        sql! {$(
            $delete = concat!("delete from ", $name, " where company_id = $1 and ", $key, " in (select ", $key, " from ",
                $name, " where company_id = $1 limit $2)");
            $count = concat!("select count(*) as found from ", $name, " where company_id = $1");
        )+}

        /// Every table that holds companies' rows. Jobs that are being sent end by themselves, so they are left.
        pub static TABLES: &[Table] =
            &[$(Table { name: $name, delete: &$delete, count: &$count, batch: $batch }),+];
    };
}

// Credentials and connections first: what is dangerous goes before what is large.
tables! {
    DELETE_CREDENTIALS COUNT_CREDENTIALS "credentials" "id" 500;
    DELETE_GRANTS COUNT_GRANTS "grants" "credential_id" 500;
    DELETE_OAUTH_FLOWS COUNT_OAUTH_FLOWS "oauth_flows" "hash" 500;
    DELETE_OAUTH_APPS COUNT_OAUTH_APPS "oauth_apps" "idp" 500;
    DELETE_CONNECTIONS COUNT_CONNECTIONS "connections" "id" 500;
    DELETE_DEFAULTS COUNT_DEFAULTS "channel_defaults" "channel" 500;
    DELETE_KEYS COUNT_KEYS "api_keys" "id" 500;
    DELETE_SESSIONS COUNT_SESSIONS "sessions" "id" 500;
    DELETE_AUDIT_LOG COUNT_AUDIT_LOG "audit_log" "seq" 500;
    DELETE_WEBHOOKS COUNT_WEBHOOKS "webhooks" "id" 500;
    DELETE_AUTOMATIONS COUNT_AUTOMATIONS "automations" "id" 500;
    DELETE_TEMPLATES COUNT_TEMPLATES "templates" "id" 500;
    DELETE_BLOBS COUNT_BLOBS "blobs" "id" 25;
    DELETE_DELIVERIES COUNT_DELIVERIES "deliveries" "id" 500;
    DELETE_EVENTS COUNT_EVENTS "events" "id" 500;
    DELETE_IDEMPOTENCY_KEYS COUNT_IDEMPOTENCY_KEYS "idempotency_keys" "key" 500;
    DELETE_TASKS COUNT_TASKS "tasks" "id" 500;
    DELETE_RETENTION COUNT_RETENTION "retention" "company_id" 500;
    DELETE_RETENTION_LATER COUNT_RETENTION_LATER "retention_later" "id" 500;
    DELETE_CONSENTS COUNT_CONSENTS "consents" "id" 500;
    DELETE_LIMITS COUNT_LIMITS "limits" "channel" 500;
    DELETE_CHANNEL_DAYS COUNT_CHANNEL_DAYS "channel_days" "day" 500;
    DELETE_QUIET_HOURS COUNT_QUIET_HOURS "quiet_hours" "company_id" 500;
    DELETE_VENDOR_MESSAGES COUNT_VENDOR_MESSAGES "vendor_messages" "vendor_id" 500;
    DELETE_EARLY_RECEIPTS COUNT_EARLY_RECEIPTS "early_receipts" "id" 500;
    DELETE_INBOUND_MESSAGES COUNT_INBOUND_MESSAGES "inbound_messages" "vendor_id" 500;
    DELETE_CONVERSATIONS COUNT_CONVERSATIONS "conversations" "recipient" 500;
    DELETE_CHAINS COUNT_CHAINS "chains" "id" 500;
    DELETE_VENDOR_ACCOUNTS COUNT_VENDOR_ACCOUNTS "vendor_accounts" "connection_id" 500;
    DELETE_REGISTRATIONS COUNT_REGISTRATIONS "registrations" "connection_id" 500;
    DELETE_LOW_BALANCES COUNT_LOW_BALANCES "low_balances" "connection_id" 500;
    DELETE_BATCH_MEMBERS COUNT_BATCH_MEMBERS "batch_members" "id" 500;
}

sql! {
    STOP = "delete from jobs where company_id = $1 and phase <> 2";
    ANY_JOB = "select count(*) as found from (select 1 from jobs where company_id = $1 limit 1) j";
}

impl Table {
    /// Deletes some rows of a company; says how many.
    pub async fn delete_some(&self, tx: &mut Tx, company: Uuid) -> Result<i64> {
        let deleted = tx.execute(self.delete, args![company, self.batch]).await?;
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
    }

    pub async fn count(&self, tx: &mut Tx, company: Uuid) -> Result<i64> {
        tx.fetch_one(self.count, args![company]).await?.i64("found")
    }
}

/// Takes away a company's jobs whose intent is not committed: none of them is sent any more.
pub async fn stop_jobs(tx: &mut Tx, company: Uuid) -> Result<u64> {
    tx.execute(&STOP, args![company]).await
}

/// Whether something of the company is still under way.
pub async fn has_jobs(tx: &mut Tx, company: Uuid) -> Result<bool> {
    Ok(tx.fetch_one(&ANY_JOB, args![company]).await?.i64("found")? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that is added later and forgotten here would outlive its company.
    #[test]
    fn every_table_with_companies_rows_is_erased() {
        let schema = crate::db::sqlite_schema();
        let mut found = 0;
        for table in schema.split("create table ").skip(1) {
            let (name, rest) = table.split_once(" (").expect("a table has columns");
            let columns = rest.split(") strict").next().expect("a table ends");
            if columns.contains("company_id") && name != "jobs" {
                assert!(TABLES.iter().any(|table| table.name == name), "{name} is not erased");
                found += 1;
            }
        }
        assert_eq!(found, TABLES.len());
    }
}
