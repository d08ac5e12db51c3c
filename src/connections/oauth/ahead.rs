//! Tokens are fetched ahead of need, and a grant that is over is told to all connections that stand on it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use santral_connectors::{Failure, FailureKind};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::App;
use crate::connections::health;
use crate::db;
use crate::delivery::lanes::Lane;
use crate::error::AppResult;
use crate::grants::Trouble;
use crate::ids::{CompanyId, CredentialId};
use crate::random;
use crate::store::companies;
use crate::store::grants::{self, Due};

/// Far less than the time that is left when a token's turn comes.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Companies that are looked at in one statement.
const PAGE: i64 = 500;
/// Tokens that one vendor is asked for at a time.
const AT_ONCE: usize = 8;

/// Vendors that are being asked for tokens. One that hangs keeps no other waiting: each goes at its own pace, and what
/// is due at one is looked for again when it has given all that was asked of it.
type Asked = HashMap<String, JoinHandle<()>>;

/// Runs for as long as the server.
pub async fn run(app: Weak<App>) {
    let mut asked = Asked::new();
    loop {
        tokio::time::sleep(LOOK_EVERY.mul_f64(0.8 + 0.4 * random::fraction())).await;
        let Some(app) = app.upgrade() else { return };
        match due(&app).await {
            Ok(due) => ask(&app, due, &mut asked),
            Err(error) => tracing::warn!(%error, "grants could not be looked through"),
        }
    }
}

/// Begins with those vendors that are not being asked already.
fn ask(app: &Arc<App>, due: HashMap<String, Vec<Due>>, asked: &mut Asked) {
    asked.retain(|_, task| !task.is_finished());
    for (idp, due) in due {
        if asked.contains_key(&idp) {
            continue;
        }
        let app = Arc::clone(app);
        let task = async move {
            stream::iter(due).for_each_concurrent(AT_ONCE, |due| tend(&app, due)).await;
        };
        asked.insert(idp, tokio::spawn(task));
    }
}

/// What is due at each vendor.
async fn due(app: &App) -> db::Result<HashMap<String, Vec<Due>>> {
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    let mut after = Uuid::nil();
    loop {
        let mut tx = app.db().system("which companies may have grants").read().await?;
        let page = companies::list(&mut tx, after, Some("active"), PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        let ids: Vec<_> = page.iter().map(|company| CompanyId(company.id)).collect();
        let mut tx = app.db().companies(&ids).read().await?;
        let now = app.clock().micros();
        for due in grants::due(&mut tx, ids.iter().map(|id| id.0).collect(), now).await? {
            found.entry(due.idp.clone()).or_default().push(due);
        }
    }
}

async fn tend(app: &App, due: Due) {
    // One node looks after each; where they disagree for a moment, the lease decides.
    if !app.engine.serves(Lane { company: due.company, id: due.credential }) {
        return;
    }
    if let Err(error) = tend_one(app, &due).await {
        let (credential, code) = (CredentialId(due.credential), error.code.as_str());
        tracing::warn!(%credential, code, "a grant could not be looked after");
    }
}

async fn tend_one(app: &App, due: &Due) -> AppResult<()> {
    let Some(setup) = app.setups().get(CompanyId(due.company)).await? else { return Ok(()) };
    // A dead one answers why without asking anybody.
    let than = if due.is_dead { i64::MAX } else { due.version };
    match app.services().tokens.ahead(&setup, due.credential, than).await {
        Ok(_) => Ok(()),
        Err(Trouble::Db(error)) => Err(error.into()),
        Err(Trouble::Vendor(failure)) if failure.kind == FailureKind::AuthExpired => {
            tell(app, CompanyId(due.company), due.credential, &failure).await
        }
        Err(Trouble::Vendor(_)) => Ok(()),
    }
}

/// Every connection on the grant is in error from now on, and whoever must know is told, once.
async fn tell(app: &App, company: CompanyId, credential: Uuid, failure: &Failure) -> AppResult<()> {
    let Some(setup) = app.setups().get(company).await? else { return Ok(()) };
    let standing = setup.connections.iter().filter(|stored| stored.credential == credential);
    for connection in standing.filter(|stored| stored.status == "active") {
        health::write_down(app, &setup, connection, &Err(failure.clone())).await?;
    }
    Ok(())
}
