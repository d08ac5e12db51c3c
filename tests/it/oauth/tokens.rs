//! Tokens over time: outages, ends, and coming back.

use santral_sandbox::vendors::oauth::{OauthAction, OauthFault, OauthPlace};

use super::*;

#[rstest]
#[tokio::test]
async fn a_dead_grant_shows_its_mail_waits_and_leaves_after_reconnecting(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = place.gmail().await;
    let label = json!({"integrations": [{"provider": "gmail", "connection": id, "label": "Satış", "settings": {"from_name": "Örnek"}}]});
    place.api.put("/api/integrations", label).await.expect(200);
    place.sandbox.oauth().revoke_account(Choice::SALES);
    let waiting = place.mail("a@b.example").await;
    let broken = place.connection("gmail", &id, |connection| connection["status"] == "error").await;
    assert_eq!(broken["reason"], "needs_reauth", "{broken:#}");
    assert!(broken["detail"].as_str().unwrap().starts_with("Google izni sona erdi"), "{broken:#}");
    let held = place.api.wait_for_delivery(&waiting, |delivery| delivery["state"] == "scheduled").await;
    assert_eq!(held["reason"], "needs_reauth");

    let page = place.consent("google", json!({"connection": id}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let mended = place.connection("gmail", &id, |connection| connection["status"] == "active").await;
    assert_eq!((&mended["label"], &mended["settings"]["from_name"]), (&json!("Satış"), &json!("Örnek")));
    place.in_state(&waiting, "sent").await;
    assert!(place.sandbox.mailbox().mails()[0].view().from.contains("Örnek"));
}

#[rstest]
#[case::answers_503(OauthAction::Answer { status: 503, body: "<html>".to_owned(), retry_after: None })]
#[case::says_server_error(OauthAction::Answer { status: 500, body: r#"{"error":"server_error"}"#.to_owned(), retry_after: None })]
#[case::hangs_up(OauthAction::HangUp)]
#[case::loses_the_answer(OauthAction::LoseAnswer)]
#[case::answers_nonsense(OauthAction::Answer { status: 200, body: "<html>".to_owned(), retry_after: None })]
#[case::a_proxy_refuses(OauthAction::Answer { status: 403, body: "<html>".to_owned(), retry_after: None })]
#[tokio::test]
async fn an_outage_of_the_identity_provider_costs_no_connection(#[case] action: OauthAction) {
    let place = Place::start(Engine::Sqlite).await;
    let id = place.gmail().await;
    place.sandbox.oauth().expire_access();
    place.sandbox.oauth().add_fault(OauthFault::once(OauthPlace::Refresh, action));
    let delivery = place.mail("a@b.example").await;
    let tried = place.api.wait_for_delivery(&delivery, |delivery| {
        delivery["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
    });
    let tried = tried.await;
    assert_eq!(tried["state"], "queued", "{tried:#}");
    assert_eq!(tried["attempts"][0]["code"], "token_unavailable", "{tried:#}");
    assert_eq!(place.connections("gmail").await[0]["status"], "active");
    let checked =
        async || place.api.post("/api/integrations/test/gmail", json!({})).await.expect(200)["ok"] == true;
    assert!(crate::support::within(crate::support::PATIENCE, checked).await, "it works again by itself");
    assert_eq!(place.connections("gmail").await[0]["id"], id);
}

#[rstest]
#[tokio::test]
async fn many_sends_on_an_expired_token_ask_for_one_new_one(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    place.gmail().await;
    place.sandbox.oauth().expire_access();
    place.sandbox.oauth().add_fault(OauthFault::once(OauthPlace::Refresh, OauthAction::Delay(300)));
    let mut sent = Vec::new();
    for number in 0..40 {
        sent.push(place.mail(&format!("a{number}@b.example")).await);
    }
    for id in sent {
        place.in_state(&id, "sent").await;
    }
    let report = place.sandbox.oauth().report();
    assert_eq!((report.refreshes, report.refused, report.at_once), (1, 0, 1), "{report:?}");
}

#[tokio::test]
async fn a_rotating_refresh_token_is_kept_from_generation_to_generation() {
    let place = Place::start(Engine::Sqlite).await;
    place.gmail().await;
    place.sandbox.oauth().set_rotation(Some(0));
    for generation in 1..=5 {
        place.sandbox.oauth().expire_access();
        let id = place.mail("a@b.example").await;
        place.in_state(&id, "sent").await;
        assert_eq!(place.sandbox.oauth().report().refreshes, generation);
    }
    assert_eq!(place.sandbox.oauth().report().refused, 0);
}

#[tokio::test]
async fn a_token_that_ends_soon_is_replaced_before_it_is_needed() {
    let place = Place::start(Engine::Sqlite).await;
    place.sandbox.oauth().set_lifetime(4);
    place.gmail().await;
    let ahead = async || place.sandbox.oauth().report().refreshes > 0;
    assert!(crate::support::within(crate::support::PATIENCE, ahead).await, "it was replaced by itself");
    assert_eq!(place.sandbox.oauth().report().unauthorized, 0);
}

#[tokio::test]
async fn a_vendor_that_hangs_holds_up_no_other_vendors_tokens() {
    let place = Place::start(Engine::Sqlite).await;
    let oauth = place.sandbox.oauth();
    oauth.set_lifetime(4);
    oauth.add_fault(OauthFault::once(OauthPlace::Refresh, OauthAction::Hold));
    place.consent("microsoft", json!({"services": ["outlook"]}), allow(Choice::SALES)).await;
    let hangs = async || oauth.report().at_once > 0;
    assert!(
        crate::support::within(crate::support::PATIENCE, hangs).await,
        "Microsoft is asked for a new token"
    );
    place.gmail().await;
    let goes_on = async || oauth.report().refreshes > 0;
    assert!(crate::support::within(crate::support::PATIENCE, goes_on).await, "Google is asked meanwhile");
}

/// Gives the table of grants another name, as if it were gone, or its own again.
async fn rename_grants(place: &Place, from: &str, to: &str) {
    crate::support::sqlite::open(&place.server)
        .execute_batch(&format!("alter table {from} rename to {to}"))
        .unwrap();
}

/// On SQLite, where no late word of another node can make it forget what it knows.
#[tokio::test]
async fn a_fresh_token_is_had_without_asking_the_database() {
    let place = Place::start(Engine::Sqlite).await;
    place.gmail().await;
    let first = place.mail("a@b.example").await;
    place.in_state(&first, "sent").await;
    rename_grants(&place, "grants", "grants_away").await;
    for number in 0..3 {
        let id = place.mail(&format!("a{number}@b.example")).await;
        let sent = place.in_state(&id, "sent").await;
        assert_eq!(sent["attempts"].as_array().unwrap().len(), 1, "{sent:#}");
    }
    // The test could fail: a token that is over has to be looked up.
    place.sandbox.oauth().expire_access();
    let waits = place.mail("b@b.example").await;
    let refused = async || place.sandbox.oauth().report().unauthorized == 1;
    assert!(crate::support::within(crate::support::PATIENCE, refused).await, "the old token is tried");
    assert_eq!((place.sandbox.mailbox().total(), place.sandbox.oauth().report().refreshes), (4, 0));
    rename_grants(&place, "grants_away", "grants").await;
    place.in_state(&waits, "sent").await;
}

#[tokio::test]
async fn no_token_is_shown_or_logged() {
    let place = Place::start_with(Engine::Sqlite, |env| env.set("SANTRAL_LOG", "trace")).await;
    place.gmail().await;
    place.sandbox.oauth().expire_access();
    let id = place.mail("a@b.example").await;
    place.in_state(&id, "sent").await;
    let shown =
        format!("{} {}", place.api.get("/api/integrations").await.json, place.server.log().join("\n"));
    for secret in ["ya29.", "1//", CLIENT_SECRET] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}
