//! The audit log: who changed what of a company, or of the platform (nil id). Entries are only added, and chained by hashes.

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::app::App;
use crate::db::{self, Db};
use crate::error::AppResult;
use crate::ids::CompanyId;
use crate::sessions::Actor;
use crate::store::audit::{self, Entry};
use crate::store::companies;

/// How often an entry is tried again because another took its number.
const TRIES: usize = 8;
const LONGEST_TARGET: usize = 300;
/// Entries that are verified at once.
const BATCH: i64 = 500;

/// What is said of a company's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Whole {
        entries: i64,
    },
    /// This entry, or the one before it, is not as it was written.
    Broken {
        seq: i64,
    },
}

/// Who did something.
#[derive(Debug, Clone)]
pub struct Author {
    /// As the CRM knows them, or a key's id.
    pub id: String,
    pub name: String,
    /// A session's role, `company_key` or `platform_key`.
    pub role: String,
}

impl Author {
    pub fn of(actor: &Actor) -> Self {
        Self {
            id: actor.user_id.clone(),
            name: actor.user_name.clone(),
            role: actor.role.as_str().to_owned(),
        }
    }
}

/// Adds an entry about what somebody has done: the route as `action`, what it was done to, and from where.
///
/// # Errors
/// When the database cannot be written.
pub async fn record(
    app: &App,
    company: CompanyId,
    author: &Author,
    (action, target, address): (&str, &str, &str),
) -> db::Result<()> {
    let mut tried = 0;
    loop {
        let mut tx = app.db().company(company).write().await?;
        let company = company.0;
        let last = audit::last(&mut tx, company).await?;
        let mut entry = Entry {
            company,
            seq: last.as_ref().map_or(1, |last| last.seq + 1),
            at: app.clock().micros(),
            actor: author.id.clone(),
            actor_name: author.name.clone(),
            role: author.role.clone(),
            address: address.to_owned(),
            action: action.to_owned(),
            target: target.chars().take(LONGEST_TARGET).collect(),
            hash: Vec::new(),
        };
        entry.hash = chained(last.as_ref().map_or(&[], |last| &last.hash), &entry);
        match audit::insert(&mut tx, &entry).await {
            Ok(()) => return tx.commit().await,
            Err(error) if db::is_unique_violation(&error) && tried < TRIES => tried += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The hash of an entry after the one before it. Lengths go in, so that no two entries read alike.
fn chained(before: &[u8], entry: &Entry) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(entry.company.as_bytes());
    for number in [entry.seq, entry.at] {
        context.update(&number.to_be_bytes());
    }
    let texts = [&entry.actor, &entry.actor_name, &entry.role, &entry.address, &entry.action, &entry.target];
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    context.finish().as_ref().to_vec()
}

/// A company's entries, newest first; `after` is the number of the last one seen.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(app: &App, company: CompanyId, after: Option<i64>, limit: i64) -> AppResult<Vec<Entry>> {
    let mut tx = app.db().company(company).read().await?;
    Ok(audit::newest(&mut tx, company.0, after.unwrap_or(i64::MAX), limit).await?)
}

/// Holds a company's entries against their chain.
///
/// # Errors
/// When the database cannot be read.
pub async fn verify(db: &Db, company: CompanyId) -> db::Result<Verdict> {
    let (mut seq, mut hash) = (0, Vec::new());
    loop {
        let mut tx = db.company(company).read().await?;
        let entries = audit::walk(&mut tx, company.0, seq, BATCH).await?;
        if entries.is_empty() {
            return Ok(Verdict::Whole { entries: seq });
        }
        for entry in entries {
            if entry.seq != seq + 1 || chained(&hash, &entry) != entry.hash {
                return Ok(Verdict::Broken { seq: entry.seq });
            }
            (seq, hash) = (entry.seq, entry.hash);
        }
    }
}

/// Holds every company's entries, and those of the platform, against their chain.
///
/// # Errors
/// When the database cannot be read.
pub async fn verify_all(db: &Db) -> db::Result<Vec<(CompanyId, Verdict)>> {
    let platform = CompanyId(Uuid::nil());
    let mut verdicts = vec![(platform, verify(db, platform).await?)];
    let mut after = Uuid::nil();
    loop {
        let mut tx = db.system("list companies whose audit log is verified").read().await?;
        let companies = companies::list(&mut tx, after, None, BATCH).await?;
        drop(tx);
        let Some(last) = companies.last() else { return Ok(verdicts) };
        after = last.id;
        for company in companies.iter().map(|company| CompanyId(company.id)) {
            verdicts.push((company, verify(db, company).await?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_and_the_entry_before_count() {
        let entry = Entry {
            company: Uuid::from_u128(1),
            seq: 2,
            at: 3,
            actor: "a".to_owned(),
            actor_name: "b".to_owned(),
            role: "admin".to_owned(),
            address: "1.2.3.4".to_owned(),
            action: "c".to_owned(),
            target: "d".to_owned(),
            hash: Vec::new(),
        };
        let hash = chained(b"before", &entry);
        let others = [
            chained(b"", &entry),
            chained(b"before", &Entry { seq: 3, ..entry.clone() }),
            chained(b"before", &Entry { at: 4, ..entry.clone() }),
            chained(b"before", &Entry { actor: "ab".to_owned(), actor_name: String::new(), ..entry.clone() }),
            chained(b"before", &Entry { target: "e".to_owned(), ..entry.clone() }),
        ];
        assert!(others.iter().all(|other| *other != hash));
    }
}
