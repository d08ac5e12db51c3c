//! The whole flow against a certified OpenID provider that is not ours.

use std::time::Duration;

use super::*;
use crate::support::certified::Certified;

#[rstest]
#[tokio::test]
async fn an_account_is_connected_renewed_ended_and_connected_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut place = Certified::start(engine, 3_600).await;
    let page = place.connect(json!({"services": ["gmail"]})).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let connection = place.connection().await;
    assert_eq!(connection["account"], "satis@firma.example");
    assert_eq!(place.check().await["ok"], true);
    let gone = place.api.post("/api/integrations/oauth/google/disconnect", json!({})).await.expect(200);
    assert_eq!(gone["grant"], "revoked", "{gone:#}");
    assert_eq!(place.connect(json!({"services": ["gmail"]})).await.status, 200);
    assert_eq!(place.check().await["ok"], true);
    let report = place.report().await;
    assert_eq!(report["refused"], 0, "{report}");
}

#[rstest]
#[tokio::test]
async fn fifty_generations_of_rotating_tokens_survive_kills_or_end_with_a_notice(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    // Less than what counts as fresh, so that every check takes a new one.
    let mut place = Certified::start(engine, 30).await;
    assert_eq!(place.connect(json!({"services": ["gmail"]})).await.status, 200);
    let id = place.connection().await["id"].clone();
    let (mut generations, mut ends) = (0, 0);
    for round in 0_u64.. {
        if generations >= 50 {
            break;
        }
        if round % 7 == 6 {
            // Somewhere between the request and the commit.
            let _ = tokio::time::timeout(Duration::from_millis(round % 40), place.check()).await;
            place.server.kill9();
            place.server.restart().await;
            // A lease of the killed one may still stand; nobody asks the vendor before it has ended.
            let again = async || match place.check().await {
                checked if checked["ok"] == true => true,
                checked => checked["status"] == "error",
            };
            assert!(crate::support::within(Duration::from_secs(30), again).await, "it comes back");
        }
        let checked = place.check().await;
        if checked["ok"] == true {
            generations += 1;
            continue;
        }
        let connection = place.connection().await;
        assert_eq!(
            (&connection["status"], &connection["reason"]),
            (&json!("error"), &json!("needs_reauth")),
            "{checked:#}"
        );
        ends += 1;
        assert_eq!(place.connect(json!({"connection": id})).await.status, 200);
        assert_eq!(place.connection().await["id"], id);
    }
    let report = place.report().await;
    assert!(report["refreshed"].as_u64().unwrap() >= 50, "{report}");
    assert!(ends <= 7, "only a kill may cost a grant: {ends} ends, {report}");
}
