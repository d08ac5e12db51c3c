//! Consent to commercial messages: recorded with source and time, asked for by the CRM and at the moment of sending.

use std::collections::HashMap;

use jiff::Timestamp;
use santral_connectors::Channel;
use santral_connectors::operation::RecipientType;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{PERSONAL, recipient};
use crate::api::extract::{List, Page};
use crate::app::App;
use crate::automation::Problem;
use crate::clock::{Micros, rfc3339};
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::ids::new_uuid;
use crate::store::consents::{self, GRANTED, REFUSED, Statement, Who};

/// Statements of one request.
const MOST: usize = 5_000;
/// Recipients of one question.
const MOST_ASKED: usize = 1_000;
/// A statement's time may be so far ahead of ours: clocks differ.
const AHEAD: Micros = 5 * 60 * 1_000_000;
const LONGEST_SOURCE: usize = 100;

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Granted,
    Refused,
}

impl Answer {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => GRANTED,
            Self::Refused => REFUSED,
        }
    }
}

/// `PUT /api/consents`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentsRequest {
    /// At most 5,000.
    pub consents: Vec<ConsentRequest>,
}

/// One statement of one person about one channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// A phone number in any usual form, or an e-mail address.
    pub recipient: String,
    /// `email`, `sms` or `whatsapp`.
    #[schema(value_type = String)]
    pub channel: Channel,
    pub status: Answer,
    /// When it was made, RFC 3339. Of several statements the latest counts.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How it was made, such as `HS_WEB` or `paper`.
    pub source: String,
}

/// What was written down.
#[derive(Debug, Serialize, ToSchema)]
pub struct Recorded {
    pub recorded: usize,
}

/// A statement as it is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentView {
    pub recipient: String,
    pub channel: String,
    /// `granted` or `refused`.
    pub status: String,
    pub source: String,
    pub at: String,
    pub recorded_at: String,
}

impl From<Statement> for ConsentView {
    fn from(statement: Statement) -> Self {
        Self {
            recipient: statement.recipient,
            channel: statement.channel,
            status: statement.status,
            source: statement.source,
            at: rfc3339(statement.given_at),
            recorded_at: rfc3339(statement.recorded_at),
        }
    }
}

/// `POST /api/consents/check`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// `email`, `sms` or `whatsapp`.
    #[schema(value_type = String)]
    pub channel: Channel,
    /// At most 1,000.
    pub recipients: Vec<String>,
    /// `individual` or `merchant`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub recipient_type: RecipientType,
}

/// Whether commercial messages may go to these recipients, in the order they were asked about.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    pub items: Vec<CheckedView>,
}

/// One recipient's consent.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckedView {
    /// As it was asked for.
    pub recipient: String,
    /// `granted`, `refused` or `missing`; `invalid` when it is no recipient of the channel.
    pub status: String,
    /// Whether a commercial message may go out.
    pub allowed: bool,
    pub source: Option<String>,
    pub at: Option<String>,
}

/// Which statements are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConsentQuery {
    recipient: Option<String>,
    /// `email`, `sms` or `whatsapp`.
    channel: Option<String>,
}

/// What must be on record before a commercial message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A consent.
    Consented,
    /// A merchant's silence is enough; only a refusal counts.
    NotRefused,
}

impl Rule {
    pub const fn of(recipient_type: RecipientType) -> Self {
        match recipient_type {
            RecipientType::Individual => Self::Consented,
            RecipientType::Merchant => Self::NotRefused,
        }
    }

    /// Whether the latest statement, if there is one, lets a commercial message out.
    pub fn allows(self, status: Option<&str>) -> bool {
        match status {
            Some(status) => status == GRANTED,
            None => self == Self::NotRefused,
        }
    }
}

/// Writes statements down, all or none.
///
/// # Errors
/// What is wrong, item by item.
pub async fn record(app: &App, setup: &Setup, request: &ConsentsRequest) -> AppResult<Recorded> {
    if request.consents.len() > MOST {
        return Err(too_many("/consents", MOST));
    }
    let now = app.clock().micros();
    let mut statements = Vec::with_capacity(request.consents.len());
    let mut problems = Vec::new();
    for (index, consent) in request.consents.iter().enumerate() {
        let at = format!("/consents/{index}");
        match statement(setup, consent, now) {
            Ok(statement) => statements.push(statement),
            Err(problem) => problems.push(problem.under(&at)),
        }
        if problems.len() >= 50 {
            break;
        }
    }
    if !problems.is_empty() {
        return Err(AppError::fields(problems));
    }
    store(app, setup, &statements).await?;
    Ok(Recorded { recorded: statements.len() })
}

/// Stores statements in transactions of bearable size.
pub(super) async fn store(app: &App, setup: &Setup, statements: &[Statement]) -> AppResult<()> {
    let mut tx = app.db().company(setup.id).write().await?;
    for some in statements.chunks(1_000) {
        consents::record(&mut tx, some).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A statement in the form in which it is kept.
///
/// # Errors
/// What is wrong with it; the pointer is into the statement.
pub(super) fn statement(setup: &Setup, consent: &ConsentRequest, now: Micros) -> Result<Statement, Problem> {
    let channel = consent.channel;
    if !PERSONAL.contains(&channel) {
        let (tr, en) = ("“email”, “sms” ya da “whatsapp” olmalı.", "Must be “email”, “sms” or “whatsapp”.");
        return Err(Problem::new("/channel", "unknown_channel", tr, en));
    }
    let recipient = recipient(channel, &consent.recipient, setup.context.region()).ok_or_else(|| {
        let (tr, en) = match channel {
            Channel::Email => ("Geçerli bir e-posta adresi değil.", "Not a valid e-mail address."),
            _ => ("Geçerli bir telefon numarası değil.", "Not a valid phone number."),
        };
        Problem::new("/recipient", "recipient_invalid", tr, en)
    })?;
    let source = consent.source.trim();
    if source.is_empty() || source.chars().count() > LONGEST_SOURCE || source.chars().any(char::is_control) {
        return Err(Problem::new(
            "/source",
            "invalid",
            format!("İznin nasıl alındığı yazılmalı (en çok {LONGEST_SOURCE} karakter)."),
            format!("Say how it was given, in at most {LONGEST_SOURCE} characters."),
        ));
    }
    let given_at = consent.at.as_microsecond();
    if given_at > now + AHEAD {
        let (tr, en) = ("Gelecekte bir zaman olamaz.", "It cannot be in the future.");
        return Err(Problem::new("/at", "in_the_future", tr, en));
    }
    Ok(Statement {
        company: setup.id.0,
        id: new_uuid(),
        recipient,
        channel: channel.as_str().to_owned(),
        status: consent.status.as_str().to_owned(),
        source: source.to_owned(),
        given_at: given_at.min(now),
        recorded_at: now,
    })
}

/// A refusal that came by a channel itself: a reply, a vendor's error, a click.
pub fn refusal(
    company: Uuid,
    (channel, recipient): (&str, String),
    source: impl Into<String>,
    now: Micros,
) -> Statement {
    Statement {
        company,
        id: new_uuid(),
        recipient,
        channel: channel.to_owned(),
        status: REFUSED.to_owned(),
        source: source.into(),
        given_at: now,
        recorded_at: now,
    }
}

fn too_many(pointer: &str, most: usize) -> AppError {
    AppError::field(
        pointer,
        "too_many",
        format!("Bir istekte en çok {most} kayıt olabilir."),
        format!("At most {most} in one request."),
    )
}

/// Whether commercial messages may go to these recipients now.
///
/// # Errors
/// `/channel` or `/recipients` when they cannot be asked about.
pub async fn check(app: &App, setup: &Setup, request: CheckRequest) -> AppResult<CheckView> {
    if !PERSONAL.contains(&request.channel) {
        let (tr, en) = ("“email”, “sms” ya da “whatsapp” olmalı.", "Must be “email”, “sms” or “whatsapp”.");
        return Err(AppError::field("/channel", "unknown_channel", tr, en));
    }
    if request.recipients.len() > MOST_ASKED {
        return Err(too_many("/recipients", MOST_ASKED));
    }
    let (channel, company) = (request.channel, setup.id.0);
    let known: Vec<_> =
        request.recipients.iter().map(|text| recipient(channel, text, setup.context.region())).collect();
    let who = |recipient: &String| Who { company, recipient: recipient.clone(), channel: channel.as_str() };
    let asked: Vec<_> = known.iter().flatten().map(who).collect();
    let mut tx = app.db().company(setup.id).read().await?;
    let found = consents::current(&mut tx, &asked).await?;
    let found: HashMap<_, _> = found.iter().map(|s| (s.recipient.as_str(), s)).collect();
    let rule = Rule::of(request.recipient_type);
    let items = request.recipients.into_iter().zip(&known).map(|(text, known)| {
        let statement = known.as_deref().and_then(|recipient| found.get(recipient));
        let status = statement.map(|s| s.status.as_str());
        let shown = match (known, status) {
            (None, _) => "invalid",
            (Some(_), status) => status.unwrap_or("missing"),
        };
        CheckedView {
            recipient: text,
            status: shown.to_owned(),
            allowed: known.is_some() && rule.allows(status),
            source: statement.map(|s| s.source.clone()),
            at: statement.map(|s| rfc3339(s.given_at)),
        }
    });
    Ok(CheckView { items: items.collect() })
}

/// The ledger, newest record first.
///
/// # Errors
/// `/recipient` when it is neither address nor number.
pub async fn list(
    app: &App,
    setup: &Setup,
    query: &ConsentQuery,
    page: Page,
) -> AppResult<List<ConsentView>> {
    let region = setup.context.region();
    let wanted = query.recipient.as_deref().map(|text| {
        let found = PERSONAL.into_iter().find_map(|channel| recipient(channel, text, region));
        found.ok_or_else(|| {
            let (tr, en) = (
                "Bir e-posta adresi ya da telefon numarası olmalı.",
                "Must be an e-mail address or a phone number.",
            );
            AppError::field("/recipient", "recipient_invalid", tr, en)
        })
    });
    let wanted = wanted.transpose()?;
    let mut tx = app.db().company(setup.id).read().await?;
    let which = (wanted.as_deref(), query.channel.as_deref().unwrap_or_default());
    let part = (page.after.unwrap_or(Uuid::max()), page.fetch());
    let rows = consents::list(&mut tx, setup.id.0, which, part).await?;
    Ok(page.list(rows, |row| row.id, Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_consent_of_merchants_only_and_a_refusal_counts_for_all() {
        let (person, merchant) = (Rule::of(RecipientType::Individual), Rule::of(RecipientType::Merchant));
        assert!(!person.allows(None) && merchant.allows(None));
        assert!(person.allows(Some(GRANTED)) && merchant.allows(Some(GRANTED)));
        assert!(!person.allows(Some(REFUSED)) && !merchant.allows(Some(REFUSED)));
    }
}
