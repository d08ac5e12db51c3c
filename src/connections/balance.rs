//! Accounts that are nearly empty: told once, before messages stop. One that was empty and is filled again goes on.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use santral_connectors::Reason;
use santral_connectors::capability::Balance;
use uuid::Uuid;

use super::{ask, health, lists};
use crate::app::App;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db;
use crate::delivery::lanes::Lane;
use crate::delivery::notices::{self, Low};
use crate::delivery::store_notices;
use crate::error::AppResult;
use crate::ids::{CompanyId, ConnectionId};
use crate::store::connections::Stored;
use crate::store::{companies, connections};

/// Fewer messages than this are few.
const FEW_MESSAGES: u64 = 200;
/// Less money than this is little: a day's messages of a small company.
const LITTLE_LIRA: f64 = 100.0;
const LITTLE_ELSE: f64 = 5.0;
/// Soon after a start those that were empty are looked at: they may have been filled meanwhile.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Accounts that were used are looked at this often.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// Companies that are looked at in one statement.
const PAGE: i64 = 500;

/// Whether an account will soon be empty; a vendor tells money, messages, or both.
fn is_low(balance: &Balance) -> bool {
    let few = balance.messages.is_some_and(|messages| messages < FEW_MESSAGES);
    let little = balance.money.as_ref().is_some_and(|money| {
        let line = if money.currency == "TRY" { LITTLE_LIRA } else { LITTLE_ELSE };
        money.amount.parse::<f64>().is_ok_and(|amount| amount < line)
    });
    // Where both are told, the messages are what the money buys.
    if balance.messages.is_some() { few } else { little }
}

/// Whether an account that was empty has something again. One that tells nothing is left to a check by hand.
fn is_filled(balance: &Balance) -> bool {
    let money = balance.money.as_ref().and_then(|money| money.amount.parse::<f64>().ok());
    balance.messages.map_or_else(|| money.is_some_and(|amount| amount > 0.0), |messages| messages > 0)
}

/// Looks at accounts that were used since the last look, for as long as the server runs.
pub async fn run(app: Weak<App>) {
    let mut seen = None;
    loop {
        tokio::time::sleep(if seen.is_none() { FIRST_LOOK } else { LOOK_EVERY }).await;
        let Some(app) = app.upgrade() else { return };
        if let Err(error) = look(&app, seen.as_mut()).await {
            tracing::warn!(%error, "balances could not be looked at");
        }
        seen.get_or_insert_default();
    }
}

/// Looks at accounts that were empty and, with what was `seen` of the others before, at those that were used since.
async fn look(app: &App, mut seen: Option<&mut HashMap<Lane, Micros>>) -> db::Result<()> {
    let mut after = Uuid::nil();
    loop {
        let mut tx = app.db().system("which companies have accounts with a balance").read().await?;
        let page = companies::list(&mut tx, after, Some("active"), PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for company in &page {
            let Some(setup) = app.setups().get(CompanyId(company.id)).await? else { continue };
            for connection in &setup.connections {
                let lane = Lane { company: company.id, id: connection.id };
                let has_balance = santral_connectors::find(&connection.provider)
                    .is_some_and(|connector| connector.capabilities.balance.is_some());
                if !has_balance || !app.engine.serves(lane) {
                    continue;
                }
                if connection.reason.as_deref() == Some(Reason::InsufficientBalance.as_str()) {
                    let _ = refilled(app, &setup, connection).await;
                    continue;
                }
                let Some(seen) = seen.as_deref_mut().filter(|_| connection.status == "active") else {
                    continue;
                };
                let mut tx = app.db().company(setup.id).read().await?;
                let stored = connections::find(&mut tx, company.id, connection.id).await?;
                drop(tx);
                let used_at = stored.and_then(|stored| stored.last_ok_at).unwrap_or(0);
                if seen.insert(lane, used_at) != Some(used_at) {
                    // A vendor that does not answer is another look's business.
                    let _ = check(app, &setup, ConnectionId(connection.id)).await;
                }
            }
        }
    }
}

/// Checks a connection that had no money, once its account has some: what waits for it goes on by itself.
async fn refilled(app: &App, setup: &Arc<Setup>, connection: &Stored) -> AppResult<()> {
    let Some(connector) = santral_connectors::find(&connection.provider) else { return Ok(()) };
    if connection.status == "error"
        && ask::balance(app.services(), setup, connector, connection)
            .await?
            .is_some_and(|now| is_filled(&now))
    {
        health::check(app, setup, connector, connection).await?;
    }
    Ok(())
}

/// Asks for a connection's balance and tells once when it is low. What has no balance to tell is passed by.
///
/// # Errors
/// When the vendor gives no answer or the database cannot be written.
pub async fn check(app: &App, setup: &Arc<Setup>, id: ConnectionId) -> AppResult<()> {
    let connector = setup.connection(id.0).and_then(|found| santral_connectors::find(&found.provider));
    let Some(connector) = connector.filter(|connector| connector.capabilities.balance.is_some()) else {
        return Ok(());
    };
    let lists::BalanceView { money, messages } = lists::balance(app, setup, id).await?;
    let balance = Balance { money, messages };
    let platform = app.setups().platform().await?;
    let now = app.clock().micros();
    let mut tx = app.db().company(setup.id).write().await?;
    let news = connections::note_balance(&mut tx, (setup.id.0, id.0), is_low(&balance), now).await?;
    let mut waiting = Vec::new();
    if news {
        let low = Low { connection: id.0, provider: connector.id, balance: &balance };
        let told = notices::of_low_balance(setup, platform.as_ref(), &low, now);
        waiting = store_notices(&mut tx, &told).await?;
    }
    tx.commit().await?;
    app.engine.announce(&waiting);
    Ok(())
}

#[cfg(test)]
mod tests {
    use santral_connectors::operation::Price;

    use super::*;

    fn balance(money: Option<(&str, &str)>, messages: Option<u64>) -> Balance {
        let money = money
            .map(|(amount, currency)| Price { amount: amount.to_owned(), currency: currency.to_owned() });
        Balance { money, messages }
    }

    #[test]
    fn few_messages_or_little_money_are_low() {
        for low in [
            balance(None, Some(0)),
            balance(Some(("500", "TRY")), Some(199)),
            balance(Some(("99.99", "TRY")), None),
            balance(Some(("-3", "USD")), None),
        ] {
            assert!(is_low(&low), "{low:?}");
        }
        for enough in [
            balance(None, None),
            balance(None, Some(200)),
            balance(Some(("1", "TRY")), Some(1_000)),
            balance(Some(("100", "TRY")), None),
            balance(Some(("nonsense", "TRY")), None),
        ] {
            assert!(!is_low(&enough), "{enough:?}");
        }
    }

    #[test]
    fn an_account_with_anything_in_it_is_filled() {
        for filled in [
            balance(None, Some(1)),
            balance(Some(("0.5", "TRY")), None),
            balance(Some(("0", "TRY")), Some(9)),
        ] {
            assert!(is_filled(&filled), "{filled:?}");
        }
        for empty in [
            balance(None, None),
            balance(None, Some(0)),
            balance(Some(("0", "TRY")), None),
            balance(Some(("-3", "USD")), None),
        ] {
            assert!(!is_filled(&empty), "{empty:?}");
        }
    }
}
