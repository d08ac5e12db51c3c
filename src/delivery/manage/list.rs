//! Which deliveries are listed.

use jiff::Timestamp;
use santral_connectors::Channel;
use serde::Deserialize;
use utoipa::IntoParams;

use super::DeliveryView;
use crate::api::extract::{List, Page, cursor};
use crate::app::App;
use crate::automation::Problem;
use crate::automation::render::e164;
use crate::companies::setup::Setup;
use crate::delivery::model::{Origin, State};
use crate::error::{AppError, AppResult};
use crate::ids::{AutomationId, DeliveryId, EventId, WebhookId};
use crate::store::deliveries::bare_recipient;
use crate::store::delivery_lists::{self, Filter};
use crate::store::events;

/// The filter of a list; what is left out matches all, except that news for webhooks has to be asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    pub state: Option<String>,
    /// Why it is in that state, as deliveries name it: `sandbox` for what test mode kept.
    pub reason: Option<String>,
    pub channel: Option<String>,
    pub provider: Option<String>,
    pub subject: Option<String>,
    /// The recipient: an e-mail address, a phone number, a chat.
    pub to: Option<String>,
    pub automation: Option<String>,
    pub event: Option<String>,
    /// Created at or after, RFC 3339.
    pub from: Option<String>,
    /// Created before, RFC 3339.
    pub until: Option<String>,
    /// `event`, `message`, or `notice` for news to webhooks.
    pub origin: Option<String>,
    /// News to this webhook endpoint.
    pub webhook: Option<String>,
}

/// The company's deliveries, newest first.
///
/// # Errors
/// What is wrong with the filter, field by field.
pub async fn list(app: &App, setup: &Setup, query: ListQuery, page: Page) -> AppResult<List<DeliveryView>> {
    let event = query.event.clone();
    let filter = filter(setup, query)?;
    let company = setup.id.0;
    let mut tx = app.db().company(setup.id).read().await?;
    let rows = match event {
        None => {
            let walked = delivery_lists::list(&mut tx, company, &filter, page.after, page.fetch()).await?;
            let mut list = page.list(walked.rows, |row| row.id, Into::into);
            list.next_cursor = list.next_cursor.or(walked.stopped_at.map(cursor));
            return Ok(list);
        }
        Some(event) => {
            let Ok(EventId(event)) = event.parse() else { return Err(unknown("event")) };
            let ids = events::deliveries(&mut tx, company, event).await?.unwrap_or_default();
            let ids: Vec<DeliveryId> = serde_json::from_str(&ids).unwrap_or_default();
            let ids = ids.into_iter().map(|id| id.0).collect();
            delivery_lists::list_of(&mut tx, company, &filter, ids, (page.after, page.fetch())).await?
        }
    };
    Ok(page.list(rows, |row| row.id, Into::into))
}

/// These deliveries as they are now, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn of_ids(app: &App, setup: &Setup, ids: Vec<DeliveryId>) -> AppResult<Vec<DeliveryView>> {
    let limit = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let ids = ids.into_iter().map(|id| id.0).collect();
    let mut tx = app.db().company(setup.id).read().await?;
    let rows = delivery_lists::list_of(&mut tx, setup.id.0, &Filter::default(), ids, (None, limit)).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// What a person typed into the search field, as a filter: a record's name such as `quote/114`, or a recipient.
pub fn search(text: &str, query: &mut ListQuery) {
    let place = if text.contains('/') && !text.contains('@') { &mut query.subject } else { &mut query.to };
    *place = Some(text.to_owned());
}

fn unknown(field: &str) -> AppError {
    AppError::fields(vec![problem(field)])
}

fn problem(field: &str) -> Problem {
    Problem::new(format!("/{field}"), "unknown", "Böyle bir değer yok.", "There is no such value.")
}

/// Reads a filter; every field that is not right is named.
fn filter(setup: &Setup, query: ListQuery) -> AppResult<Filter> {
    let mut problems = Vec::new();
    let mut filter = shared(
        (query.state.as_deref(), query.channel, query.provider),
        (query.automation.as_deref(), query.from.as_deref(), query.until.as_deref()),
        &mut problems,
    );
    filter.subject = query.subject;
    filter.reason = query.reason;
    filter.recipient = query.to.map(|to| recipient(&to, setup.context.region()));
    if let Some(origin) = query.origin {
        filter.origin = [Origin::Event, Origin::Message, Origin::Notice]
            .map(Origin::as_str)
            .into_iter()
            .find(|o| *o == origin);
        if filter.origin.is_none() {
            problems.push(problem("origin"));
        }
    }
    if let Some(webhook) = query.webhook {
        match webhook.parse::<WebhookId>() {
            // News has its endpoint as recipient.
            Ok(id) => {
                (filter.recipient, filter.origin) = (Some(id.to_string()), Some(Origin::Notice.as_str()))
            }
            Err(_) => problems.push(problem("webhook")),
        }
    }
    if problems.is_empty() { Ok(filter) } else { Err(AppError::fields(problems)) }
}

/// The recipient as deliveries store it.
fn recipient(to: &str, region: &str) -> String {
    let is_number = |c: char| c.is_ascii_digit() || "+-() .".contains(c);
    let number = if to.chars().all(is_number) { e164(to, region) } else { None };
    number.unwrap_or_else(|| bare_recipient(to))
}

/// What lists and bulk work filter by alike: state, channel, provider; automation, from, until.
pub(super) fn shared(
    (state, channel, provider): (Option<&str>, Option<String>, Option<String>),
    (automation, from, until): (Option<&str>, Option<&str>, Option<&str>),
    problems: &mut Vec<Problem>,
) -> Filter {
    let mut check = |field: &str, right: bool| {
        if !right {
            problems.push(problem(field));
        }
    };
    let parsed_state = state.and_then(State::parse);
    check("state", state.is_none() || parsed_state.is_some());
    check("channel", channel.as_deref().is_none_or(|channel| Channel::parse(channel).is_some()));
    check(
        "provider",
        provider.as_deref().is_none_or(|provider| santral_connectors::find(provider).is_some()),
    );
    let parsed_automation = automation.map(str::parse::<AutomationId>);
    check("automation", !matches!(parsed_automation, Some(Err(_))));
    let moment =
        |text: Option<&str>| text.map(|text| text.parse::<Timestamp>().map(Timestamp::as_microsecond));
    let (from, until) = (moment(from), moment(until));
    for (field, moment) in [("from", &from), ("until", &until)] {
        if matches!(moment, Some(Err(_))) {
            problems.push(Problem::new(
                format!("/{field}"),
                "invalid",
                "RFC 3339 biçiminde bir zaman olmalı; örnek: 2026-11-24T10:00:00Z.",
                "Must be an RFC 3339 time, such as 2026-11-24T10:00:00Z.",
            ));
        }
    }
    Filter {
        state: parsed_state,
        channel,
        provider,
        automation: parsed_automation.and_then(Result::ok).map(|id| id.0),
        from: from.and_then(Result::ok),
        until: until.and_then(Result::ok),
        ..Filter::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_looked_for_as_they_are_stored() {
        assert_eq!(recipient("0532 123 45 67", "TR"), "+905321234567");
        assert_eq!(recipient("Ali <Ali@Firma.com>", "TR"), "ali@firma.com");
        assert_eq!(recipient("123", "TR"), "123");
    }

    #[test]
    fn every_wrong_field_of_a_filter_is_named() {
        let mut problems = Vec::new();
        shared(
            (Some("lost"), Some("pigeon".to_owned()), Some("none".to_owned())),
            (Some("con_1"), Some("yesterday"), Some("\u{0}")),
            &mut problems,
        );
        let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/state", "/channel", "/provider", "/automation", "/from", "/until"]);
    }
}
