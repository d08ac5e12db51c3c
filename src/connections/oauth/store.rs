//! Connections made of a grant: new ones, and old ones that work again. One transaction, which every node hears of.

use std::sync::Arc;

use santral_connectors::Connector;
use santral_connectors::idp::Idp;
use uuid::Uuid;

use super::callback::{ConnectedView, internal};
use super::exchange::{Granted, missing};
use super::refusal::{Refusal, Refused};
use super::wish::{Wish, service};
use crate::app::App;
use crate::companies::change::Change;
use crate::companies::setup::Setup;
use crate::connections::let_go_on;
use crate::connections::plan::MOST_CONNECTIONS;
use crate::db::{self, Tx};
use crate::delivery::lanes::Lane;
use crate::delivery::{Notice, notices, store_notices};
use crate::error::AppError;
use crate::grants::{GrantSecret, hold, refresh_at};
use crate::ids::{ConnectionId, CredentialId};
use crate::store::connections::{self, Put, Stored};
use crate::store::grants;

/// How often it is tried again because somebody else connects the same account at the same moment.
const TRIES: usize = 3;

/// Stores what was granted and connects the services that were wished for.
pub(super) async fn store(
    app: &App,
    setup: &Arc<Setup>,
    idp: &'static Idp,
    wish: &Wish,
    granted: Granted,
) -> Result<Vec<ConnectedView>, Refused> {
    for _ in 0..TRIES {
        let account = (idp.id, granted.app.id.as_str(), granted.account.subject.as_str());
        let known = known(app, setup, account).await.map_err(|error| internal(error.into()))?;
        let credential = known.unwrap_or_else(|| CredentialId::new().0);
        let grant = (setup.id.0, credential);
        // Before it is stored and again after: whoever ends another grant of this account must see this one.
        hold(app.services(), account, grant).await.map_err(internal)?;
        let plan = Plan { app, setup, idp, wish, granted: &granted, credential };
        match plan.store().await {
            Ok(Some(connected)) => {
                hold(app.services(), account, grant).await.map_err(internal)?;
                return Ok(connected);
            }
            Ok(None) => {}
            Err(refused) => return Err(refused),
        }
    }
    Err(Refusal::Internal.into())
}

async fn known(app: &App, setup: &Setup, account: (&str, &str, &str)) -> db::Result<Option<Uuid>> {
    let mut tx = app.db().company(setup.id).read().await?;
    Ok(grants::of_account(&mut tx, setup.id.0, account).await?.map(|grant| grant.credential))
}

struct Plan<'a> {
    app: &'a App,
    setup: &'a Arc<Setup>,
    idp: &'static Idp,
    wish: &'a Wish,
    granted: &'a Granted,
    credential: Uuid,
}

/// What a transaction did, for what follows its commit.
#[derive(Default)]
struct Made {
    connected: Vec<ConnectedView>,
    /// Connections that began to work again.
    mended: Vec<Uuid>,
    told: Vec<Notice>,
}

impl Plan<'_> {
    /// Nothing when the account was connected by somebody else meanwhile.
    async fn store(&self) -> Result<Option<Vec<ConnectedView>>, Refused> {
        let failed = |error: db::Error| internal(error.into());
        let mut change = Change::of_company(self.app, self.setup.id).await.map_err(internal)?;
        let company = self.setup.id.0;
        let tx = &mut change.tx;
        let account = (self.idp.id, self.granted.app.id.as_str(), self.granted.account.subject.as_str());
        let known = grants::of_account(tx, company, account).await.map_err(failed)?;
        if known.as_ref().is_some_and(|known| known.credential != self.credential) {
            return Ok(None);
        }
        let all = connections::of_company(tx, company).await.map_err(failed)?;
        let again = self.again(tx, &all).await?;
        let scopes = self.scopes(known.as_ref(), &all)?;
        match self.put_grant(tx, known.as_ref(), &scopes).await {
            Ok(()) => {}
            Err(error) if error.code == crate::error::Code::Conflict => return Ok(None),
            Err(error) => return Err(internal(error)),
        }
        let mut made = Made::default();
        for connector in self.wish.connectors(self.idp) {
            let stored = self.target(connector, &all, again.as_ref());
            if stored.is_none() && all.len() + made.connected.len() >= MOST_CONNECTIONS {
                return Err(Refusal::TooMany.into());
            }
            self.connect(tx, connector, (stored, &all), &mut made).await.map_err(failed)?;
        }
        self.mend_others(tx, &all, &mut made).await.map_err(failed)?;
        let platform = self.app.setups().platform().await.map_err(failed)?;
        let now = self.app.clock().micros();
        for id in &made.mended {
            let provider = all.iter().find(|stored| stored.id == *id).map(|stored| stored.provider.as_str());
            let mended = notices::Change {
                connection: *id,
                provider: provider.unwrap_or_default(),
                status: "active",
                why: None,
            };
            made.told.extend(notices::of_connection(self.setup, platform.as_ref(), &mended, now));
        }
        let waiting = store_notices(tx, &made.told).await.map_err(failed)?;
        change.commit(self.app).await.map_err(internal)?;
        self.app.services().tokens.forget(company);
        self.app.engine.announce(&waiting);
        let touched = made.connected.iter().map(|view| view.id.0).chain(made.mended);
        touched.for_each(|id| let_go_on(self.app, Lane { company, id }));
        tracing::info!(company = %self.setup.id, idp = self.idp.id, services = ?self.wish.services, "an account was connected");
        Ok(Some(made.connected))
    }

    /// The connection that is to work again, if it is this account's.
    async fn again(&self, tx: &mut Tx, all: &[Stored]) -> Result<Option<Stored>, Refused> {
        let Some(id) = self.wish.connection else { return Ok(None) };
        let stored = all.iter().find(|stored| stored.id == id.0).ok_or(Refusal::ConnectionGone)?;
        let grant = grants::find(tx, self.setup.id.0, stored.credential).await;
        let grant = grant.map_err(|error| internal(error.into()))?;
        if grant.is_some_and(|grant| grant.subject != self.granted.account.subject) {
            let detail = stored.account.clone();
            return Err(Refused { refusal: Refusal::OtherAccount, detail, back: None });
        }
        Ok(Some(stored.clone()))
    }

    /// The scopes the grant has now; they must be enough for every connection that stands on it.
    fn scopes(&self, known: Option<&grants::Stored>, all: &[Stored]) -> Result<Vec<String>, Refused> {
        let mut scopes = self.granted.scopes.clone();
        if let Some(known) = known.filter(|known| self.idp.remembers_grants && known.dead.is_none()) {
            let earlier = known.scopes.split(' ').filter(|scope| !self.idp.has_scope(&scopes, scope));
            let earlier: Vec<String> = earlier.map(str::to_owned).collect();
            scopes.extend(earlier);
        }
        let standing = all.iter().filter(|stored| stored.credential == self.credential);
        let needed = standing
            .filter_map(|stored| service(self.idp, &stored.provider)?.auth.oauth())
            .flat_map(|oauth| oauth.scopes.iter().copied());
        missing(self.idp, &scopes, needed)?;
        Ok(scopes)
    }

    async fn put_grant(
        &self,
        tx: &mut Tx,
        known: Option<&grants::Stored>,
        scopes: &[String],
    ) -> Result<(), AppError> {
        let company = self.setup.id.0;
        let key = self.setup.key(&self.app.services().keyring)?;
        let secret = match known {
            // A vendor that gives no second refresh token means the first one to be kept.
            Some(known) => GrantSecret::open(&key, (company, self.credential), &known.secret).map_or_else(
                |_| GrantSecret::new(&self.granted.tokens),
                |kept| kept.after(&self.granted.tokens),
            ),
            None => GrantSecret::new(&self.granted.tokens),
        };
        let now = self.app.clock().micros();
        let put = grants::Put {
            company,
            credential: self.credential,
            idp: self.idp.id,
            client_id: self.granted.app.id.clone(),
            own_app: self.granted.app.is_own,
            subject: self.granted.account.subject.clone(),
            label: self.granted.account.label.clone(),
            name: self.granted.account.name.clone(),
            scopes: scopes.join(" "),
            expires_at: self.granted.expires_at,
            refresh_at: refresh_at(now, self.granted.expires_at),
            secret: secret.seal(&key, company, self.credential)?,
        };
        match grants::put(tx, &put, now).await {
            Err(error) if db::is_unique_violation(&error) => Err(AppError::new(crate::error::Code::Conflict)),
            other => Ok(other?),
        }
    }

    /// The connection that a service means: the one to work again, or the one this account has already.
    fn target<'s>(
        &self,
        connector: &Connector,
        all: &'s [Stored],
        again: Option<&'s Stored>,
    ) -> Option<&'s Stored> {
        again
            .filter(|stored| stored.provider == connector.id)
            .or_else(|| all.iter().find(|s| s.provider == connector.id && s.credential == self.credential))
    }

    async fn connect(
        &self,
        tx: &mut Tx,
        connector: &'static Connector,
        (stored, all): (Option<&Stored>, &[Stored]),
        made: &mut Made,
    ) -> db::Result<()> {
        let company = self.setup.id.0;
        let now = self.app.clock().micros();
        let account = self.granted.account.label.clone();
        let put = Put {
            company,
            id: stored.map_or_else(|| ConnectionId::new().0, |stored| stored.id),
            provider: connector.id,
            label: stored.map_or_else(|| label(connector, all, &account), |stored| stored.label.clone()),
            account: account.clone(),
            status: "active",
            settings: stored.map_or_else(|| "{}".to_owned(), |stored| stored.settings.clone()),
            credential: self.credential,
            secret: None,
        };
        connections::put(tx, &put, now).await?;
        if let Some(stored) = stored {
            connections::moved(tx, (company, put.id), self.credential, now).await?;
            connections::forget_secret(tx, company, stored.credential).await?;
            if stored.status == "error" {
                made.mended.push(put.id);
            }
        }
        if let Some(channel) = connector.channel {
            connections::default_if_none(tx, company, channel.as_str(), put.id).await?;
        }
        made.connected.push(ConnectedView { id: ConnectionId(put.id), provider: connector.id, account });
        Ok(())
    }

    /// Other connections on this grant that waited for a consent work again too.
    async fn mend_others(&self, tx: &mut Tx, all: &[Stored], made: &mut Made) -> db::Result<()> {
        for stored in all.iter().filter(|stored| stored.credential == self.credential) {
            let is_done = made.connected.iter().any(|view| view.id.0 == stored.id);
            if is_done || stored.status != "error" || stored.reason.as_deref() != Some("needs_reauth") {
                continue;
            }
            connections::set_status(tx, self.setup.id.0, stored.id, "active", (None, None)).await?;
            made.mended.push(stored.id);
        }
        Ok(())
    }
}

/// The account's address, with a number where another connection has it already.
fn label(connector: &Connector, all: &[Stored], account: &str) -> String {
    let is_free =
        |label: &str| !all.iter().any(|stored| stored.provider == connector.id && stored.label == label);
    let numbered = (2..).map(|number| format!("{account} ({number})"));
    let mut labels = std::iter::once(account.to_owned()).chain(numbered);
    labels.find(|label| is_free(label)).unwrap_or_else(|| account.to_owned())
}
