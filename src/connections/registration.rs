//! Our address at vendors that keep one per account: registered when a person agrees, and given back.
//!
//! Registering takes the place of whatever stands there, so what was there before is kept, sealed, where the vendor
//! or the person tells it, and registered again when the connection goes. The row is written before the vendor is
//! told, and goes when the vendor refused outright.

use std::sync::Arc;
use std::time::Duration;

use santral_connectors::capability::{Addresses, RegisterCallback};
use santral_connectors::{Connector, Credentials, Failure, FailureKind, Settings};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ask::{Account, Line};
use super::connect::find;
use super::words;
use crate::app::App;
use crate::automation::Problem;
use crate::clock::rfc3339;
use crate::companies::setup::{Setup, settings};
use crate::delivery::{Services, callback_url};
use crate::error::{AppError, AppResult, Code};
use crate::i18n::{Bilingual, Lang};
use crate::ids::ConnectionId;
use crate::store::connections::Stored;
use crate::store::registrations;
use crate::vault::{Place, VaultError};

/// A person waits for the answer.
const WITHIN: Duration = Duration::from_secs(15);
/// No vendor takes longer ones.
const ADDRESS_MAX: usize = 2_000;

/// What a vendor calls.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CallbackAddresses)]
pub struct AddressesView {
    /// Where delivery reports go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports: Option<String>,
    /// Where the messages go that people send to the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<String>,
}

/// What registering needs to hear.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrationRequest {
    /// That somebody has read `effect` and agrees.
    #[serde(default)]
    pub confirm: bool,
    /// What the vendor calls now, where it does not tell: registered again when the connection goes.
    pub previous: Option<AddressesView>,
}

/// Whether the vendor calls us, and what registering would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegistrationView {
    #[schema(value_type = String)]
    pub connection: ConnectionId,
    /// `none`, `registered`, or `unconfirmed`: the vendor was told and has not said that it is done.
    pub state: &'static str,
    pub registered_at: Option<String>,
    /// The address that is registered.
    pub webhook_url: String,
    /// What the vendor calls now; null where it has no way to ask.
    pub at_vendor: Option<AddressesView>,
    /// What was known of the time before and is registered again: `reports`, `inbound`.
    pub restores: Vec<&'static str>,
    /// What registering does, in the reader's language.
    pub effect: String,
}

/// What became of a registration that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GivenBack {
    /// What was there before is registered again.
    Restored,
    /// Nothing was known of before: the vendor calls nobody now.
    Removed,
    /// By now the vendor calls somebody else, and that stays.
    LeftAlone,
    /// The vendor did not confirm that anything was changed.
    NotConfirmed,
}

/// A connection whose vendor takes an address.
struct Subject<'a> {
    setup: &'a Setup,
    connector: &'static Connector,
    vendor: &'static dyn RegisterCallback,
    connection: &'a Stored,
    credentials: Credentials,
    settings: Settings,
    ours: String,
}

impl<'a> Subject<'a> {
    /// `None` where the vendor takes no address from us.
    fn new(services: &Services, setup: &'a Setup, connection: &'a Stored) -> AppResult<Option<Self>> {
        let connector = santral_connectors::find(&connection.provider).ok_or_else(AppError::not_found)?;
        let ours = callback_url(services, setup, connector, connection.id)?;
        let (Some(vendor), Some(ours)) = (connector.capabilities.registration, ours) else { return Ok(None) };
        Ok(Some(Self {
            setup,
            connector,
            vendor,
            connection,
            credentials: setup.credentials(&services.keyring, connection)?,
            settings: settings(connection),
            ours,
        }))
    }

    fn account(&self) -> Account<'_> {
        Account {
            connector: self.connector,
            connection: self.connection.id,
            settings: &self.settings,
            credentials: &self.credentials,
        }
    }

    async fn at_vendor(&self, services: &Services) -> Result<Option<Addresses>, Failure> {
        let account = self.account();
        let line = Line::new(services, &account, services.overrides.get(self.connector.id), WITHIN);
        bounded(self.vendor.registered(&line.cx("registration"))).await
    }

    async fn tell(&self, services: &Services, addresses: &Addresses) -> Result<(), Failure> {
        let account = self.account();
        let line = Line::new(services, &account, services.overrides.get(self.connector.id), WITHIN);
        bounded(self.vendor.register(&line.cx("registration"), addresses)).await
    }

    fn place(&self) -> Place<'static> {
        let (company, row) = (self.setup.id.0, self.connection.id);
        Place { table: "registrations", company, row, field: "previous" }
    }

    fn seal(&self, services: &Services, previous: &Addresses) -> Result<Option<Vec<u8>>, VaultError> {
        if *previous == Addresses::default() {
            return Ok(None);
        }
        let json =
            serde_json::to_vec(previous).map_err(|_| VaultError::Malformed("addresses are not JSON"))?;
        self.setup.key(&services.keyring)?.seal(&self.place(), &json).map(Some)
    }

    fn open(&self, services: &Services, sealed: Option<&[u8]>) -> Result<Addresses, VaultError> {
        let Some(sealed) = sealed else { return Ok(Addresses::default()) };
        let json = self.setup.key(&services.keyring)?.open(&self.place(), sealed)?;
        serde_json::from_slice(&json).map_err(|_| VaultError::Malformed("the addresses are not readable"))
    }

    fn is_ours(&self, addresses: &Addresses) -> bool {
        [&addresses.reports, &addresses.inbound].into_iter().flatten().any(|address| *address == self.ours)
    }

    fn effect(&self, at_vendor: Option<&Addresses>) -> Bilingual {
        let name = self.connector.name;
        let standing = at_vendor.and_then(|now| now.reports.as_deref().or(now.inbound.as_deref()));
        match (at_vendor, standing) {
            (None, _) => Bilingual::new(
                format!(
                    "{name} hesap başına tek bir adrese bildirim gönderir ve şu anda hangi adresin kayıtlı olduğunu \
                     söylemez. Bu adres kaydedilince kayıtlı olanın yerine geçer; onu kullanan sistem artık bildirim \
                     almaz. Önceki adresi yazarsanız bağlantı kesildiğinde yeniden kaydedilir, yazmazsanız kayıt silinir."
                ),
                format!(
                    "{name} calls one address per account and does not tell which one is registered now. Registering \
                     this address takes the place of that one; the system behind it hears no more. If you enter the \
                     previous address, it is registered again when the connection goes; if not, the registration is \
                     removed."
                ),
            ),
            (Some(_), Some(standing)) if standing == self.ours => Bilingual::new(
                format!("{name} bildirimleri bu adrese gönderiyor."),
                format!("{name} calls this address."),
            ),
            (Some(_), Some(standing)) => Bilingual::new(
                format!(
                    "{name} bildirimleri şu anda {standing} adresine gönderiyor. Bu adres kaydedilince onun yerine \
                     geçer; bağlantı kesildiğinde o adres yeniden kaydedilir."
                ),
                format!(
                    "{name} calls {standing} now. Registering this address takes its place; when the connection goes, \
                     that one is registered again."
                ),
            ),
            (Some(_), None) => Bilingual::new(
                format!("{name} hesabında kayıtlı bir adres yok. Bağlantı kesildiğinde kayıt silinir."),
                format!(
                    "{name} has no address registered. When the connection goes, the registration is removed."
                ),
            ),
        }
    }
}

/// Whether the vendor calls us for a connection, what it calls now where it tells, and what registering would do.
///
/// # Errors
/// `not_found` where there is no such connection or its vendor takes no address; `vendor_failed`.
pub async fn show(
    app: &App,
    setup: &Arc<Setup>,
    id: ConnectionId,
    lang: Lang,
) -> AppResult<RegistrationView> {
    let subject = subject(app, setup, id)?;
    let at_vendor = subject.at_vendor(app.services()).await.map_err(|failure| failed(&failure))?;
    view(app, &subject, at_vendor, lang).await
}

async fn view(
    app: &App,
    subject: &Subject<'_>,
    at_vendor: Option<Addresses>,
    lang: Lang,
) -> AppResult<RegistrationView> {
    let company = subject.setup.id;
    let mut tx = app.db().company(company).read().await?;
    let stored = registrations::find(&mut tx, company.0, subject.connection.id).await?;
    drop(tx);
    let previous = stored.as_ref().and_then(|stored| stored.previous.as_deref());
    let previous = subject.open(app.services(), previous)?;
    let kinds = [("reports", previous.reports.is_some()), ("inbound", previous.inbound.is_some())];
    let effect = subject.effect(at_vendor.as_ref()).get(lang).to_owned();
    Ok(RegistrationView {
        connection: ConnectionId(subject.connection.id),
        state: match &stored {
            None => "none",
            Some(stored) if stored.confirmed_at.is_none() => "unconfirmed",
            Some(_) => "registered",
        },
        registered_at: stored.and_then(|stored| stored.confirmed_at).map(rfc3339),
        webhook_url: subject.ours.clone(),
        at_vendor: at_vendor.map(|Addresses { reports, inbound }| AddressesView { reports, inbound }),
        restores: kinds.into_iter().filter_map(|(kind, is_known)| is_known.then_some(kind)).collect(),
        effect,
    })
}

/// Registers our address at the vendor, once somebody has agreed, and keeps what was there before.
///
/// # Errors
/// As [`show`]; `invalid_fields` without `confirm`, saying what it would replace; `conflict` while the connection does
/// not work.
pub async fn register(
    app: &App,
    setup: &Arc<Setup>,
    id: ConnectionId,
    request: &RegistrationRequest,
    lang: Lang,
) -> AppResult<RegistrationView> {
    let (services, subject) = (app.services(), subject(app, setup, id)?);
    if subject.connection.status != "active" {
        return Err(AppError::new(Code::Conflict).detail(
            "Bağlantı şu anda çalışmıyor; önce onu düzeltin.",
            "The connection does not work at the moment; mend it first.",
        ));
    }
    let at_vendor = subject.at_vendor(services).await.map_err(|failure| failed(&failure))?;
    if !request.confirm {
        let effect = subject.effect(at_vendor.as_ref());
        let (tr, en) = (effect.get(Lang::Tr).to_owned(), effect.get(Lang::En).to_owned());
        return Err(AppError::field("/confirm", "required", tr, en));
    }
    let named = named(request.previous.as_ref(), &subject.ours)?;
    let previous = at_vendor.filter(|now| !subject.is_ours(now)).unwrap_or(named);
    let sealed = subject.seal(services, &previous)?;
    let (company, now) = (setup.id, app.clock().micros());
    let mut tx = app.db().company(company).write().await?;
    registrations::begin(&mut tx, (company.0, id.0), sealed, now).await?;
    tx.commit().await?;
    let ours = Addresses { reports: Some(subject.ours.clone()), inbound: Some(subject.ours.clone()) };
    let told = subject.tell(services, &ours).await;
    let mut tx = app.db().company(company).write().await?;
    match &told {
        Ok(()) => registrations::confirm(&mut tx, company.0, id.0, app.clock().micros()).await?,
        Err(failure) if failure.kind == FailureKind::Unconfirmed => {}
        Err(_) => registrations::abandon(&mut tx, company.0, id.0, now).await?,
    }
    tx.commit().await?;
    told.map_err(|failure| failed(&failure))?;
    tracing::info!(connection = %id, provider = subject.connector.id, "an address was registered at the vendor");
    show(app, setup, id, lang).await
}

/// Gives the vendor back what it called before, or nothing.
///
/// # Errors
/// As [`show`]; the registration stays where the vendor does not confirm.
pub async fn withdraw(
    app: &App,
    setup: &Arc<Setup>,
    id: ConnectionId,
    lang: Lang,
) -> AppResult<RegistrationView> {
    let subject = subject(app, setup, id)?;
    let mut tx = app.db().company(setup.id).read().await?;
    let stored = registrations::find(&mut tx, setup.id.0, id.0).await?;
    drop(tx);
    if let Some(stored) = stored {
        give_back(app.services(), &subject, stored.previous.as_deref())
            .await
            .map_err(|failure| failed(&failure))?;
        let mut tx = app.db().company(setup.id).write().await?;
        registrations::take(&mut tx, setup.id.0, id.0).await?;
        tx.commit().await?;
    }
    show(app, setup, id, lang).await
}

/// After a connection was forgotten, its vendor calls whom it called before. `connection` is as it was.
pub(crate) async fn end(
    services: &Services,
    setup: &Setup,
    connection: &Stored,
    previous: Option<&[u8]>,
) -> GivenBack {
    let subject = match Subject::new(services, setup, connection) {
        Ok(Some(subject)) => subject,
        Ok(None) | Err(_) => return GivenBack::NotConfirmed,
    };
    give_back(services, &subject, previous).await.unwrap_or_else(|failure| {
        tracing::warn!(
            connection = %ConnectionId(connection.id), code = %failure.code, "a vendor may still call an address of ours"
        );
        GivenBack::NotConfirmed
    })
}

async fn give_back(
    services: &Services,
    subject: &Subject<'_>,
    previous: Option<&[u8]>,
) -> Result<GivenBack, Failure> {
    if subject.at_vendor(services).await?.is_some_and(|now| !subject.is_ours(&now)) {
        return Ok(GivenBack::LeftAlone);
    }
    // What does not open any more is as good as unknown.
    let previous = subject.open(services, previous).unwrap_or_default();
    subject.tell(services, &previous).await?;
    Ok(if previous == Addresses::default() { GivenBack::Removed } else { GivenBack::Restored })
}

/// What a person is told of it, with what is left to do by hand.
pub(super) fn said(connection: &Stored, given: GivenBack) -> Bilingual {
    let name = santral_connectors::find(&connection.provider).map_or("", |connector| connector.name);
    match given {
        GivenBack::Restored => Bilingual::new(
            format!("Bağlantı kaldırıldı ve {name} hesabınızda önceki bildirim adresi yeniden kaydedildi."),
            format!("The connection is gone, and {name} calls the previous address again."),
        ),
        GivenBack::Removed => Bilingual::new(
            format!("Bağlantı kaldırıldı ve {name} hesabınızdaki bildirim adresi silindi."),
            format!("The connection is gone, and the address that {name} called is removed."),
        ),
        GivenBack::LeftAlone => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı. {name} artık başka bir adrese bildirim gönderdiği için ona dokunulmadı."
            ),
            format!("The connection is gone. {name} calls another address by now, which was left alone."),
        ),
        GivenBack::NotConfirmed => Bilingual::new(
            format!(
                "Bağlantı kaldırıldı, ama {name} bildirim adresinin değiştiğini onaylamadı. {name} panelinden kontrol edin."
            ),
            format!(
                "The connection is gone, but {name} did not confirm that it calls us no more. Have a look in its panel."
            ),
        ),
    }
}

fn subject<'a>(app: &App, setup: &'a Setup, id: ConnectionId) -> AppResult<Subject<'a>> {
    let (connection, _) = find(setup, id)?;
    Subject::new(app.services(), setup, connection)?.ok_or_else(AppError::not_found)
}

/// What a person says was there before.
fn named(previous: Option<&AddressesView>, ours: &str) -> AppResult<Addresses> {
    let Some(previous) = previous else { return Ok(Addresses::default()) };
    let mut problems = Vec::new();
    let mut read = |pointer: &'static str, given: Option<&String>| {
        let given = given.map(|given| given.trim()).filter(|given| !given.is_empty() && *given != ours)?;
        let url =
            Url::parse(given).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() || given.len() > ADDRESS_MAX {
            let (tr, en) =
                ("https:// ile başlayan bir adres olmalı.", "must be an address that begins with https://.");
            problems.push(Problem::new(pointer, "invalid_url", tr, en));
            return None;
        }
        // As it was written: the vendor compares nothing, and neither do we.
        Some(given.to_owned())
    };
    let addresses = Addresses {
        reports: read("/previous/reports", previous.reports.as_ref()),
        inbound: read("/previous/inbound", previous.inbound.as_ref()),
    };
    if problems.is_empty() { Ok(addresses) } else { Err(AppError::fields(problems)) }
}

async fn bounded<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Err(Failure::unconfirmed("check_timeout", "no answer in time"));
    tokio::time::timeout(WITHIN, call).await.unwrap_or_else(|_| late())
}

fn failed(failure: &Failure) -> AppError {
    let text = words::of_failure(failure);
    AppError::new(Code::VendorFailed).detail(text.tr, text.en)
}

/// The registrations of a company that is about to be closed, with their connections.
pub(crate) async fn of_company(app: &App, setup: &Setup) -> AppResult<Vec<(Stored, Option<Vec<u8>>)>> {
    let mut tx = app.db().company(setup.id).read().await?;
    let stored = registrations::of_company(&mut tx, setup.id.0).await?;
    let of = |id: Uuid| setup.connection(id).cloned();
    Ok(stored.into_iter().filter_map(|row| Some((of(row.connection)?, row.previous))).collect())
}
