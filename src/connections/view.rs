//! All providers with a company's connections, as `GET /api/integrations` shows them. Never a secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use santral_connectors::manifest::{Field, FieldKind, Preset, Text};
use santral_connectors::{Category, Channel, Connector, REGISTRY};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::nightly::next_check;
use super::words;
use crate::app::App;
use crate::clock::rfc3339;
use crate::companies::setup::{Setup, settings};
use crate::delivery::callback_url;
use crate::error::AppResult;
use crate::faults::{Bug, planted};
use crate::i18n::Lang;
use crate::ids::{CompanyId, ConnectionId};
use crate::store::connections::{self, ChannelDefault, Stored};
use crate::store::{grants, oauth};

/// All providers, the company's connections, and which of them its channels use.
#[derive(Debug, Serialize, ToSchema)]
pub struct IntegrationsView {
    #[schema(value_type = String)]
    pub company: CompanyId,
    pub items: Vec<ProviderView>,
    /// By channel: `email`, `sms`, `whatsapp`, `chat`, `webhook`.
    pub defaults: BTreeMap<String, DefaultView>,
}

/// A provider, how it is connected, and the company's connections to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderView {
    pub provider: &'static str,
    pub name: &'static str,
    #[schema(value_type = String)]
    pub category: Category,
    /// The channel it serves, if messages go through it.
    #[schema(value_type = Option<String>)]
    pub channel: Option<Channel>,
    /// How an account is connected: `fields`, or `oauth` by consent at an identity provider.
    pub auth: &'static str,
    /// Whether this server can connect it as it is configured.
    pub available: bool,
    /// Why it cannot: `not_configured` when the server has no app at the identity provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable_reason: Option<&'static str>,
    /// The identity provider, as it stands in the paths of `/api/integrations/oauth/{idp}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp: Option<&'static str>,
    pub fields: Vec<FieldView>,
    pub presets: Vec<PresetView>,
    pub connections: Vec<ConnectionView>,
}

/// A field of the form, in the reader's language.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldView {
    pub key: &'static str,
    /// `settings` or `credentials`.
    pub part: &'static str,
    /// `text`, `secret`, `host`, `port`, `email`, `url` or `select`.
    pub kind: &'static str,
    pub required: bool,
    pub label: &'static str,
    pub help: &'static str,
    /// An example of a good value.
    pub sample: &'static str,
    pub default: Option<&'static str>,
    /// The values of a `select`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceView>,
}

/// One value of a `select`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceView {
    pub value: &'static str,
    pub label: &'static str,
}

/// Ready-made values for a well-known service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderPreset)]
pub struct PresetView {
    pub id: &'static str,
    pub name: &'static str,
    pub values: BTreeMap<&'static str, &'static str>,
    pub help: &'static str,
}

/// A connection and how it is doing.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionView {
    #[schema(value_type = String)]
    pub id: ConnectionId,
    pub label: String,
    /// The account as people know it.
    pub account: Option<String>,
    /// Its owner's name, where the vendor tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// `active`, `inactive` or `error`.
    pub status: String,
    /// Why it is in `error`: `needs_reauth`, `rejected_credentials`, `insufficient_balance`, `misconfigured`.
    pub reason: Option<String>,
    /// What went wrong last: stable, snake_case; null where only the vendor's words are known.
    pub code: Option<String>,
    /// What went wrong last, in the reader's language.
    pub detail: Option<String>,
    pub connected_at: String,
    pub last_ok_at: Option<String>,
    pub last_error_at: Option<String>,
    pub checked_at: Option<String>,
    /// When it is looked after next, without being used; null while it is switched off.
    pub next_check_at: Option<String>,
    /// Where the vendor calls back with receipts and inbound messages, if it does; to be entered in its panel.
    pub webhook_url: Option<String>,
    pub settings: BTreeMap<String, String>,
    /// The names of the credentials that are stored; never their values.
    pub credentials_set: Vec<String>,
}

/// The connections a channel uses.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct DefaultView {
    #[schema(value_type = Option<String>)]
    pub connection: Option<ConnectionId>,
    /// Takes over when the other one does not work.
    #[schema(value_type = Option<String>)]
    pub fallback: Option<ConnectionId>,
}

/// Shows them as they are in the database now: uses and checks are newer there than in memory.
///
/// # Errors
/// When the database cannot be read.
pub async fn integrations(app: &App, setup: &Arc<Setup>, lang: Lang) -> AppResult<IntegrationsView> {
    let mut tx = app.db().company(setup.id).read().await?;
    let stored = connections::of_company(&mut tx, setup.id.0).await?;
    let defaults = connections::defaults(&mut tx, setup.id.0).await?;
    let apps = oauth::apps(&mut tx, setup.id.0).await?;
    let names = grants::names(&mut tx, setup.id.0).await?;
    drop(tx);
    let is_available = |connector: &Connector| {
        connector.auth.oauth().is_none_or(|oauth| {
            let id = oauth.idp.id;
            app.services().tokens.servers().app(id).is_some() || apps.iter().any(|app| app.idp == id)
        })
    };
    let items = REGISTRY.iter().map(|connector| {
        let own = stored.iter().filter(|connection| connection.provider == connector.id);
        let connections = own.map(|connection| {
            let webhook_url = callback_url(app.services(), setup, connector, connection.id).ok().flatten();
            let mut view = show(connection, (webhook_url, set(app, setup, connection)), lang);
            view.account_name = names.get(&connection.credential).cloned();
            if planted(Bug::ShowSecret)
                && let Ok(secrets) = setup.credentials(&app.services().keyring, connection)
            {
                view.settings.extend(secrets.0);
            }
            view
        });
        let connections = connections.collect();
        provider(connector, is_available(connector), connections, lang)
    });
    Ok(IntegrationsView { company: setup.id, items: items.collect(), defaults: by_channel(&defaults) })
}

/// Every channel that a provider serves, with or without connections.
fn by_channel(defaults: &[ChannelDefault]) -> BTreeMap<String, DefaultView> {
    let channels = Channel::ALL
        .into_iter()
        .filter(|channel| REGISTRY.iter().any(|connector| connector.channel == Some(*channel)));
    let shown = channels.map(|channel| {
        let row = defaults.iter().find(|row| row.channel == channel.as_str());
        let id = |id: Option<Uuid>| id.map(ConnectionId);
        let view = row.map(|row| DefaultView { connection: id(row.connection), fallback: id(row.fallback) });
        (channel.as_str().to_owned(), view.unwrap_or_default())
    });
    shown.collect()
}

fn provider(
    connector: &'static Connector,
    available: bool,
    connections: Vec<ConnectionView>,
    lang: Lang,
) -> ProviderView {
    ProviderView {
        provider: connector.id,
        name: connector.name,
        category: connector.category,
        channel: connector.channel,
        auth: connector.auth.as_str(),
        available,
        unavailable_reason: (!available).then_some("not_configured"),
        idp: connector.auth.oauth().map(|oauth| oauth.idp.id),
        fields: connector.fields.iter().map(|shown| field(shown, lang)).collect(),
        presets: connector.presets.iter().map(|shown| preset(shown, lang)).collect(),
        connections,
    }
}

/// One provider with its form and no connections; `None` when there is no such one.
pub fn provider_of(id: &str, lang: Lang) -> Option<ProviderView> {
    santral_connectors::find(id).map(|connector| provider(connector, true, Vec::new(), lang))
}

const fn say(text: Text, lang: Lang) -> &'static str {
    match lang {
        Lang::Tr => text.tr,
        Lang::En => text.en,
    }
}

fn field(field: &'static Field, lang: Lang) -> FieldView {
    let choices = match field.kind {
        FieldKind::Select(choices) => choices,
        _ => &[],
    };
    FieldView {
        key: field.key,
        part: field.part.as_str(),
        kind: match field.kind {
            FieldKind::Text => "text",
            FieldKind::Secret => "secret",
            FieldKind::Host => "host",
            FieldKind::Port => "port",
            FieldKind::Email => "email",
            FieldKind::Url => "url",
            FieldKind::Select(_) => "select",
        },
        required: field.required,
        label: say(field.label, lang),
        help: say(field.help, lang),
        sample: field.sample,
        default: field.default,
        choices: choices
            .iter()
            .map(|choice| ChoiceView { value: choice.value, label: say(choice.label, lang) })
            .collect(),
    }
}

fn preset(preset: &'static Preset, lang: Lang) -> PresetView {
    PresetView {
        id: preset.id,
        name: preset.name,
        values: preset.values.iter().copied().collect(),
        help: say(preset.help, lang),
    }
}

/// The names of what is stored. A credential that does not open shows none, and its deliveries say why.
fn set(app: &App, setup: &Setup, connection: &Stored) -> Vec<String> {
    let by_consent =
        santral_connectors::find(&connection.provider).and_then(|connector| connector.auth.oauth());
    if by_consent.is_some() {
        return Vec::new();
    }
    match setup.credentials(&app.services().keyring, connection) {
        Ok(credentials) => credentials.0.into_keys().collect(),
        Err(error) => {
            tracing::error!(connection = %ConnectionId(connection.id), %error, "a credential does not open");
            Vec::new()
        }
    }
}

fn show(
    connection: &Stored,
    (webhook_url, credentials_set): (Option<String>, Vec<String>),
    lang: Lang,
) -> ConnectionView {
    ConnectionView {
        id: ConnectionId(connection.id),
        label: connection.label.clone(),
        account: connection.account.clone(),
        account_name: None,
        status: connection.status.clone(),
        reason: connection.reason.clone(),
        code: connection.detail.as_deref().and_then(words::code_of_stored).map(ToOwned::to_owned),
        detail: connection.detail.as_deref().map(|detail| words::of_stored(detail, lang)),
        connected_at: rfc3339(connection.connected_at),
        last_ok_at: connection.last_ok_at.map(rfc3339),
        last_error_at: connection.last_error_at.map(rfc3339),
        checked_at: connection.checked_at.map(rfc3339),
        next_check_at: connection
            .checked_at
            .filter(|_| connection.status != "inactive")
            .map(|checked_at| rfc3339(next_check(connection.id, checked_at))),
        webhook_url,
        settings: settings(connection).0,
        credentials_set,
    }
}
