//! The running server: what every handler and background task shares, and how it comes up and goes down.

mod background;
mod master_key;
mod platform;

use std::sync::{Arc, Weak};

use crate::api::auth::Auth;
use crate::automation::Renderer;
use crate::clock::Clock;
use crate::companies::setup::Setups;
use crate::config::{Config, Database};
use crate::connections::templates::Templates;
use crate::db::{Db, DbConfig};
use crate::delivery::inbox::Inbox;
use crate::delivery::{Engine, Services};
use crate::grants::{Servers, Tokens};
use crate::ids::NodeId;
use crate::ingest::Ingest;
use crate::live::Live;
use crate::outbound::{Outbound, OutboundConfig};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

pub use master_key::rotate;
pub use platform::{first_platform_key, hint};

/// Connections to PostgreSQL: enough for the writers, the readers of a busy API and the listener.
const POSTGRES_CONNECTIONS: u32 = 16;

/// What handlers get as their state.
pub type AppState = Arc<App>;

/// Everything that is shared.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub engine: Engine,
    pub ingest: Ingest,
    pub inbox: Inbox,
    pub auth: Auth,
    pub metrics: Metrics,
    pub tasks: Arc<Tasks>,
    this: Weak<Self>,
    pub live: Live,
    pub templates: Templates,
}

impl App {
    /// Opens the database and the keys, proves that promises hold, and starts the background work.
    ///
    /// # Errors
    /// Whatever keeps the server from keeping its promises, with the remedy.
    pub async fn start(config: Config, metrics: Metrics) -> anyhow::Result<AppState> {
        let db = Db::open(&database(&config, true)).await?;
        let clock = Clock;
        let keyring = Arc::new(master_key::open(&db, &config, clock).await?);
        platform::ensure(&db, &keyring, clock).await?;
        let outbound = Outbound::new(&outbound(&config)?)?;
        let setups = Setups::new(db.clone(), keyring.clone(), config.notice_mail.clone());
        let servers = Servers::new(&config);
        let tokens = Tokens::new(db.clone(), keyring.clone(), outbound.clone(), servers);
        let services = Services {
            db,
            clock,
            setups,
            keyring,
            outbound,
            renderer: Renderer::shared(),
            overrides: Arc::new(config.provider_urls.clone()),
            tokens,
            public_url: config.public_url.clone(),
        };
        let workers = usize::try_from(config.workers.get()).unwrap_or(usize::MAX);
        let engine = Engine::start(services, NodeId::new().0, config.role.delivers(), workers).await?;
        let app = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            auth: Auth::new(config.platform_key.as_ref()),
            ingest: Ingest::start(engine.clone()),
            inbox: Inbox::start(engine.clone()),
            engine,
            config,
            metrics,
            tasks: Arc::default(),
            live: Live::default(),
            templates: Templates::default(),
        });
        background::start(&app);
        Ok(app)
    }

    /// Ends in order: no new work, calls under way finish, the database is closed.
    pub async fn stop(&self) {
        self.engine.stop().await;
        self.auth.write_uses(self.db()).await;
        crate::connections::uses::write(self).await;
        self.db().close().await;
    }

    /// Itself, for work that goes on after a request; none once the server ends.
    pub fn shared(&self) -> Option<AppState> {
        self.this.upgrade()
    }

    pub fn services(&self) -> &Services {
        self.engine.services()
    }

    pub fn db(&self) -> &Db {
        &self.services().db
    }

    pub fn clock(&self) -> Clock {
        self.services().clock
    }

    pub fn setups(&self) -> &Setups {
        &self.services().setups
    }
}

/// Where the database is; `exclusive` for a server, shared for a command beside it.
pub fn database(config: &Config, exclusive: bool) -> DbConfig {
    match &config.database {
        Database::Sqlite(path) => DbConfig::Sqlite { path: path.clone(), exclusive },
        Database::Postgres(url) => DbConfig::Postgres {
            url: url.expose().to_owned(),
            owner_url: config.database_owner_url.as_ref().map(|url| url.expose().to_owned()),
            connections: POSTGRES_CONNECTIONS,
        },
    }
}

fn outbound(config: &Config) -> anyhow::Result<OutboundConfig> {
    Ok(OutboundConfig {
        allow_networks: config.allow_networks.clone(),
        smtp_allow_plaintext: config.smtp_allow_plaintext,
        extra_ca_pem: config.ca_file.as_ref().map(std::fs::read).transpose()?,
        hello_name: None,
    })
}
