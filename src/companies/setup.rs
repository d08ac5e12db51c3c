//! What a company has configured, loaded once and shared until it changes.
//!
//! Every change of it raises the company's version in the same transaction; this node forgets its copy after the
//! commit, others hear of it by NOTIFY, and ingest compares versions inside its own transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use santral_connectors::manifest::Part;
use santral_connectors::{Channel, Connector, Credentials, Settings};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::automation::{CompanyContext, Definition, MessageTemplate};
use crate::config::NoticeMail;
use crate::db::{self, Db};
use crate::ids::{AutomationId, CompanyId, TemplateId};
use crate::messaging::limits::Limits;
use crate::messaging::quiet::Quiet;
use crate::store;
use crate::vault::{CompanyKey, Keyring, Place, VaultError};

/// More than this many companies' setups are not kept in memory.
const CAPACITY: usize = 20_000;

/// All that deciding and delivering needs to know of a company. Secrets stay sealed in it.
#[derive(Debug)]
pub struct Setup {
    pub id: CompanyId,
    pub external_id: Option<String>,
    pub version: i64,
    pub active: bool,
    /// Where its people want to hear that a connection broke.
    pub notice_email: Option<String>,
    /// What it sends stays here instead of going to the vendor.
    pub test_mode: bool,
    /// The operator's own mail account; only the platform's setup has it.
    pub notice_mail: Option<Arc<NoticeMail>>,
    /// What templates see of the company.
    pub context: Arc<CompanyContext>,
    pub automations: Vec<Automation>,
    pub templates: HashMap<TemplateId, MessageTemplate>,
    pub connections: Vec<store::connections::Stored>,
    defaults: HashMap<Channel, Default>,
    /// The company's own webhook endpoints.
    pub webhooks: Vec<Webhook>,
    /// How many messages may leave a day, and what is stopped.
    pub limits: Limits,
    /// When commercial messages wait.
    pub quiet: Option<Quiet>,
    data_key: Option<Vec<u8>>,
}

/// An automation that is switched on or off.
#[derive(Debug)]
pub struct Automation {
    pub id: AutomationId,
    pub enabled: bool,
    pub definition: Definition,
}

/// The connections a channel uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Default {
    pub connection: Option<Uuid>,
    pub fallback: Option<Uuid>,
}

/// A webhook endpoint and what it wants to hear.
#[derive(Debug)]
pub struct Webhook {
    pub owner: Uuid,
    pub id: Uuid,
    pub url: String,
    pub types: Vec<String>,
    pub active: bool,
    secret: Vec<u8>,
}

impl Webhook {
    /// Whether it wants to hear of `event_type`; `*` stands for any rest.
    pub fn wants(&self, event_type: &str) -> bool {
        self.active
            && self.types.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => event_type.starts_with(start),
                None => pattern == event_type,
            })
    }
}

impl Setup {
    /// Whether its deliveries are to be carried out: of a company in use, and of the platform to its own endpoints.
    pub fn delivers(&self) -> bool {
        self.active || self.id.0.is_nil()
    }

    pub fn connection(&self, id: Uuid) -> Option<&store::connections::Stored> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    pub fn default_of(&self, channel: Channel) -> Default {
        self.defaults.get(&channel).copied().unwrap_or_default()
    }

    pub fn defaults(&self) -> impl Iterator<Item = (Channel, Default)> {
        Channel::ALL.into_iter().filter_map(|channel| Some((channel, *self.defaults.get(&channel)?)))
    }

    pub fn automation(&self, id: AutomationId) -> Option<&Automation> {
        self.automations.iter().find(|automation| automation.id == id)
    }

    pub fn webhook(&self, id: Uuid) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }

    /// The company's data key, opened.
    ///
    /// # Errors
    /// When the master key is not the one that wrapped it, or the company is erased.
    pub fn key(&self, keyring: &Keyring) -> Result<CompanyKey, VaultError> {
        let wrapped = self.data_key.as_deref().ok_or(VaultError::Malformed("the company is erased"))?;
        keyring.unwrap(wrapped, self.id.0)
    }

    /// A connection's credentials, opened.
    ///
    /// # Errors
    /// As [`Self::key`], and when the ciphertext was changed or moved.
    pub fn credentials(
        &self,
        keyring: &Keyring,
        connection: &store::connections::Stored,
    ) -> Result<Credentials, VaultError> {
        let plain = self
            .key(keyring)?
            .open(&credential_place(self.id.0, connection.credential), &connection.secret)?;
        serde_json::from_slice(&plain).map_err(|_| VaultError::Malformed("the credential is not readable"))
    }

    /// A webhook endpoint's signing secret, opened.
    ///
    /// # Errors
    /// As [`Self::credentials`].
    pub fn webhook_secret(&self, keyring: &Keyring, webhook: &Webhook) -> Result<String, VaultError> {
        let plain = self.key(keyring)?.open(&webhook_place(webhook.owner, webhook.id), &webhook.secret)?;
        String::from_utf8(plain.to_vec()).map_err(|_| VaultError::Malformed("the secret is not readable"))
    }
}

/// Where a credential's ciphertext belongs.
pub fn credential_place(company: Uuid, credential: Uuid) -> Place<'static> {
    Place { table: "credentials", company, row: credential, field: "secret" }
}

/// Where a webhook endpoint's ciphertext belongs.
pub fn webhook_place(owner: Uuid, webhook: Uuid) -> Place<'static> {
    Place { table: "webhooks", company: owner, row: webhook, field: "secret" }
}

/// Reads a connection's stored settings; what is not readable counts as empty and fails its check.
pub fn settings(connection: &store::connections::Stored) -> Settings {
    serde_json::from_str(&connection.settings).unwrap_or_default()
}

/// Whether a manifest field is one of the credentials.
pub fn is_credential(connector: &Connector, key: &str) -> bool {
    connector.fields.iter().any(|field| field.key == key && field.part == Part::Credentials)
}

type Entry = Arc<OnceCell<Option<Arc<Setup>>>>;

/// The setups in memory.
#[derive(Debug, Clone)]
pub struct Setups {
    db: Db,
    keyring: Arc<Keyring>,
    notice_mail: Option<Arc<NoticeMail>>,
    entries: Arc<Mutex<HashMap<Uuid, Entry>>>,
}

impl Setups {
    pub fn new(db: Db, keyring: Arc<Keyring>, notice_mail: Option<NoticeMail>) -> Self {
        Self { db, keyring, notice_mail: notice_mail.map(Arc::new), entries: Arc::default() }
    }

    /// The company's setup; `None` when there is no such company. Concurrent callers share one load.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, company: CompanyId) -> db::Result<Option<Arc<Setup>>> {
        let setup = self.cached(company).await?;
        let opens = |setup: &Arc<Setup>| {
            setup.data_key.as_ref().is_none_or(|wrapped| self.keyring.has_key_of(wrapped))
        };
        if setup.as_ref().is_none_or(opens) {
            return Ok(setup);
        }
        // A rotation has rewrapped the data key meanwhile, and the old master key is gone.
        self.forget(company.0);
        self.cached(company).await
    }

    async fn cached(&self, company: CompanyId) -> db::Result<Option<Arc<Setup>>> {
        let entry = self.entry(company.0);
        let notice_mail = self.notice_mail.clone().filter(|_| company.0.is_nil());
        let setup = entry.get_or_try_init(|| load(&self.db, company, notice_mail)).await?.clone();
        if setup.is_none() {
            self.forget(company.0);
        }
        Ok(setup)
    }

    /// What the platform itself has: its webhook endpoints, the operator's mail account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn platform(&self) -> db::Result<Option<Arc<Setup>>> {
        self.get(CompanyId(Uuid::nil())).await
    }

    /// Drops the copy of a company that changed.
    pub fn forget(&self, company: Uuid) {
        self.lock().remove(&company);
    }

    /// Drops all copies, after changes may have been missed.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    fn entry(&self, company: Uuid) -> Entry {
        let mut entries = self.lock();
        if entries.len() >= CAPACITY && !entries.contains_key(&company) {
            // Which ones go matters little: they are loaded again in a millisecond when needed.
            let victims: Vec<_> = entries.keys().take(CAPACITY / 10).copied().collect();
            for victim in victims {
                entries.remove(&victim);
            }
        }
        entries.entry(company).or_default().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn load(
    db: &Db,
    id: CompanyId,
    notice_mail: Option<Arc<NoticeMail>>,
) -> db::Result<Option<Arc<Setup>>> {
    let mut tx = db.company(id).read().await?;
    let Some(company) = store::companies::find(&mut tx, id.0).await? else { return Ok(None) };
    let Some(context) = context(&company) else { return Ok(None) };
    let automations = store::automations::of_company(&mut tx, id.0).await?;
    let setup = Setup {
        id,
        external_id: company.external_id,
        notice_email: company.notice_email,
        test_mode: company.test_mode,
        notice_mail,
        version: company.version,
        active: company.status == "active",
        context: Arc::new(context),
        automations: automations.into_iter().filter_map(automation).collect(),
        templates: store::templates::of_company(&mut tx, id.0)
            .await?
            .into_iter()
            .map(|template| (TemplateId(template.id), template.into_message()))
            .collect(),
        connections: store::connections::of_company(&mut tx, id.0).await?,
        defaults: store::connections::defaults(&mut tx, id.0)
            .await?
            .into_iter()
            .filter_map(|row| {
                let default = Default { connection: row.connection, fallback: row.fallback };
                Some((Channel::parse(&row.channel)?, default))
            })
            .collect(),
        webhooks: store::webhooks::of_company(&mut tx, id.0).await?.into_iter().map(webhook).collect(),
        limits: Limits::of_stored(&store::limits::of(&mut tx, vec![id.0]).await?),
        quiet: store::limits::quiet_hours(&mut tx, id.0)
            .await?
            .and_then(|(from, until)| Quiet::of_minutes(from, until)),
        data_key: company.data_key,
    };
    Ok(Some(Arc::new(setup)))
}

/// Names and zones are checked when they are set; a zone this build no longer knows reads as UTC.
fn context(company: &store::companies::Company) -> Option<CompanyContext> {
    let context = |zone| CompanyContext::new(&company.name, &company.locale, zone);
    context(&company.timezone)
        .or_else(|error| {
            tracing::error!(company = %CompanyId(company.id), timezone = company.timezone, %error, "UTC instead");
            context("UTC")
        })
        .ok()
}

fn automation(row: store::automations::Stored) -> Option<Automation> {
    match serde_json::from_str(&row.definition) {
        Ok(definition) => Some(Automation { id: AutomationId(row.id), enabled: row.enabled, definition }),
        Err(error) => {
            tracing::error!(automation = %AutomationId(row.id), %error, "a stored automation is not readable");
            None
        }
    }
}

fn webhook(row: store::webhooks::Stored) -> Webhook {
    Webhook {
        owner: row.company,
        id: row.id,
        url: row.url,
        types: serde_json::from_str(&row.types).unwrap_or_default(),
        active: row.status == "active",
        secret: row.secret,
    }
}
