//! Actions that cannot be carried out: each says why, and stands in nobody else's way.

use rstest::rstest;

use super::*;
use crate::support::server::Engine;

#[rstest]
#[tokio::test]
async fn a_template_that_fails_names_its_variable_and_the_other_action_goes_out(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut automation = posting("deal.created", "{{ data.customer.nickname }}");
    let mut good = automation["actions"][0].clone();
    good["text"] = json!("{{ data.customer.name }}");
    automation["actions"].as_array_mut().unwrap().push(good);
    automate(&it.api, automation).await;
    let ids =
        fire(&it.api, event("d-1", "deal.created", "deal/1", json!({"customer": {"name": "Ayşe"}}))).await;
    let [bad, good] = &ids[..] else { panic!("{ids:?}") };
    let failed = it.in_state(bad, "failed").await;
    assert_eq!(
        (&failed["reason"], &failed["attempts"][0]["code"]),
        (&json!("unknown_variable"), &json!("unknown_variable"))
    );
    let detail = text(&failed["attempts"][0]["detail"]);
    assert!(detail.contains("nickname") && detail.starts_with("/text"), "{detail}");
    assert!(failed["finished_at"].is_string());
    it.in_state(good, "sent").await;
    assert_eq!((posted(&it, good), it.sandbox.webhook("crm").unwrap().requests()), (vec!["Ayşe".into()], 1));
}

#[rstest]
#[tokio::test]
async fn an_action_without_a_connection_fails_and_says_so(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut automation = posting("deal.created", "{{ data.customer.name }}");
    automation["actions"].as_array_mut().unwrap().push(json!({
        "operation": "send_sms", "channel": "sms", "to": "{{ data.customer.phone }}", "text": "Merhaba",
        "kind": "informational",
    }));
    automate(&it.api, automation).await;
    let data = json!({"customer": {"name": "Ayşe", "phone": "0532 111 22 33"}});
    let ids = fire(&it.api, event("d-1", "deal.created", "deal/1", data)).await;
    let [post, sms] = &ids[..] else { panic!("{ids:?}") };
    let failed = it.in_state(sms, "failed").await;
    assert_eq!((&failed["reason"], &failed["channel"]), (&json!("no_connection"), &json!("sms")));
    assert_eq!((&failed["connection"], &failed["provider"]), (&Value::Null, &Value::Null));
    assert_eq!(failed["attempts"][0]["code"], "no_connection");
    it.in_state(post, "sent").await;
}

#[rstest]
#[tokio::test]
async fn a_condition_that_cannot_be_evaluated_fails_once_for_all_actions(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let mut automation = posting("deal.created", "x");
    automation["when"] = json!("1 in data.deal.amount");
    let action = automation["actions"][0].clone();
    automation["actions"].as_array_mut().unwrap().push(action);
    automate(&it.api, automation).await;
    let id = fire_one(&it.api, event("d-1", "deal.created", "deal/1", json!({"deal": {"amount": 5}}))).await;
    let failed = it.in_state(&id, "failed").await;
    assert!(text(&failed["attempts"][0]["detail"]).starts_with("/when"), "{failed:#}");
    assert_eq!(it.sandbox.webhook("crm").unwrap().requests(), 0);
}
