//! One grant, several connections and companies; what becomes of it at the vendor.

use super::*;

#[rstest]
#[tokio::test]
async fn connecting_the_same_account_again_is_the_same_connection(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let first = place.gmail().await;
    let again = place.gmail().await;
    assert_eq!(first, again);
    let ayse = place.consent("google", json!({"services": ["gmail"]}), allow(Choice::AYSE)).await;
    assert_eq!(ayse.status, 200);
    let connections = place.connections("gmail").await;
    let labels: Vec<_> = connections.iter().map(|connection| connection["label"].as_str().unwrap()).collect();
    assert_eq!(labels, [Choice::SALES, Choice::AYSE]);
    let several = place.api.post("/api/integrations/oauth/google/disconnect", json!({})).await.refused();
    assert_eq!(several, [("/connection".to_owned(), "required".to_owned())]);
}

#[tokio::test]
async fn a_connection_is_only_made_to_work_again_by_its_own_account() {
    let place = Place::start(Engine::Sqlite).await;
    let id = place.gmail().await;
    let wrong = place.consent("google", json!({"connection": id}), allow(Choice::AYSE)).await;
    assert_eq!(wrong.status, 409);
    assert!(wrong.text.contains("Başka bir hesap") && wrong.text.contains(Choice::SALES), "{}", wrong.text);
    let connections = place.connections("gmail").await;
    assert_eq!((connections.len(), &connections[0]["account"]), (1, &json!(Choice::SALES)));
    assert_eq!(place.consent("google", json!({"connection": id}), allow(Choice::SALES)).await.status, 200);
    assert_eq!(place.connections("gmail").await[0]["id"], id);
}

#[rstest]
#[tokio::test]
async fn a_grant_that_another_company_stands_on_is_not_revoked(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.gmail().await;
    let other = place.server.platform().create_company("Başka A.Ş.").await;
    let api = place.server.platform().with_key(&other.key);
    let link =
        api.post("/api/integrations/oauth/google/tickets", json!({"services": ["gmail"]})).await.expect(201);
    let page = Browser::new().connect(link["url"].as_str().unwrap(), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200);

    let path = "/api/integrations/oauth/google/disconnect";
    let shared = place.api.post(path, json!({})).await.expect(200);
    assert_eq!(shared["grant"], "shared_elsewhere", "{shared:#}");
    assert_eq!(place.sandbox.oauth().report().revocations, 0);
    let message = json!({"channel": "email", "to": "a@b.example", "kind": "informational", "subject": "x", "text": "y"});
    let sent = api.post("/api/messages", message).await.expect(202);
    api.wait_for_delivery(sent["id"].as_str().unwrap(), |delivery| delivery["state"] == "sent").await;
    assert_eq!(api.post(path, json!({})).await.expect(200)["grant"], "revoked");
    assert_eq!(place.sandbox.oauth().report().revocations, 1);
}

#[tokio::test]
async fn an_operator_may_switch_revoking_off() {
    let place =
        Place::start_with(Engine::Sqlite, |env| env.set("SANTRAL_OAUTH_GOOGLE_REVOKE", "false")).await;
    let id = place.gmail().await;
    let gone = place.api.delete(&format!("/api/integrations/{id}")).await.expect(200);
    assert_eq!(gone["grant"], "switched_off");
    assert!(gone["detail"].as_str().unwrap().contains("kapalı"), "{gone:#}");
    assert_eq!(place.sandbox.oauth().report().revocations, 0);
}

#[rstest]
#[tokio::test]
async fn a_company_that_is_deleted_revokes_its_grants(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.gmail().await;
    place.server.platform().delete(&format!("/api/companies/{}", place.company)).await.expect(202);
    let revoked = async || place.sandbox.oauth().report().revocations == 1;
    assert!(crate::support::within(crate::support::PATIENCE, revoked).await, "the grant is revoked");
}
