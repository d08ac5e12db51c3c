//! The templates and connections that an automation names: they must be the company's own, and fit.

use santral_connectors::Connector;

use crate::automation::{Action, Definition, Problem};
use crate::db::Tx;
use crate::error::{AppError, AppResult};
use crate::ids::CompanyId;
use crate::store::connections::{self, Stored};
use crate::store::templates;

/// # Errors
/// `invalid_fields` with the place of every reference that leads nowhere.
pub(super) async fn check(tx: &mut Tx, company: CompanyId, definition: &Definition) -> AppResult<()> {
    let actions = ways(definition);
    let names_connection = actions.iter().any(|(_, action)| action.connection.is_some());
    let connections =
        if names_connection { connections::of_company(tx, company.0).await? } else { Vec::new() };
    let mut problems = Vec::new();
    for (at, action) in actions {
        if let Some(template) = action.template
            && templates::find(tx, company.0, template.0).await?.is_none()
        {
            problems.push(Problem::new(
                format!("{at}/template"),
                "unknown_template",
                "Böyle bir şablon yok.",
                "There is no such template.",
            ));
        }
        problems.extend(connection(&connections, action).map(|problem| problem.under(&at)));
    }
    if problems.is_empty() { Ok(()) } else { Err(AppError::fields(problems)) }
}

/// Every action and every further way of one, with its place.
pub(super) fn ways(definition: &Definition) -> Vec<(String, &Action)> {
    let mut ways = Vec::new();
    for (index, action) in definition.actions.iter().enumerate() {
        ways.push((format!("/actions/{index}"), action));
        let steps = action.chain.iter().enumerate();
        ways.extend(steps.map(|(step, s)| (format!("/actions/{index}/chain/{step}"), &s.action)));
    }
    ways
}

fn connection(connections: &[Stored], action: &Action) -> Option<Problem> {
    let id = action.connection?;
    let Some(found) = connections.iter().find(|connection| connection.id == id.0) else {
        return Some(Problem::new(
            "/connection",
            "unknown_connection",
            "Böyle bir bağlantı yok.",
            "There is no such connection.",
        ));
    };
    let connector = santral_connectors::find(&found.provider);
    if connector.is_some_and(|connector| fits(connector, action)) {
        return None;
    }
    Some(Problem::new(
        "/connection",
        "channel_mismatch",
        format!("Bu bağlantı “{}” kanalına hizmet etmiyor.", action.channel.as_str()),
        format!("This connection does not serve the channel “{}”.", action.channel.as_str()),
    ))
}

fn fits(connector: &Connector, action: &Action) -> bool {
    connector.channel == Some(action.channel) && connector.can(action.operation)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::ids::ConnectionId;

    fn stored(id: Uuid, provider: &str) -> Stored {
        Stored {
            company: Uuid::from_u128(1),
            id,
            provider: provider.to_owned(),
            label: String::new(),
            account: None,
            status: "active".to_owned(),
            reason: None,
            detail: None,
            settings: "{}".to_owned(),
            credential: Uuid::from_u128(2),
            secret: Vec::new(),
            secret_version: 1,
            connected_at: 0,
            last_ok_at: None,
            last_error_at: None,
            checked_at: None,
        }
    }

    #[rstest]
    #[case("smtp", 7, None)]
    #[case("webhook", 7, Some("channel_mismatch"))]
    #[case("retired", 7, Some("channel_mismatch"))]
    #[case("smtp", 8, Some("unknown_connection"))]
    fn a_named_connection_must_be_there_and_fit(
        #[case] provider: &str,
        #[case] id: u128,
        #[case] expected: Option<&str>,
    ) {
        let action: Action = serde_json::from_value(json!({
            "operation": "send_email", "channel": "email", "kind": "informational",
            "connection": ConnectionId(Uuid::from_u128(7)),
        }))
        .unwrap();
        let found = connection(&[stored(Uuid::from_u128(id), provider)], &action);
        assert_eq!(found.map(|problem| problem.code), expected);
    }
}
