//! Outlook: the same flow at Microsoft, mails small and large.

use super::*;

async fn outlook(place: &Place) -> String {
    connected(place, json!({"services": ["outlook"]})).await
}

async fn connected(place: &Place, wish: Value) -> String {
    let page = place.consent("microsoft", wish, allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    place.connections("outlook").await[0]["id"].as_str().unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn outlook_is_connected_sends_renews_itself_and_is_disconnected(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = outlook(&place).await;
    let checked = place.api.post("/api/integrations/test/outlook", json!({})).await.expect(200);
    assert_eq!((&checked["ok"], &checked["account"]), (&json!(true), &json!(Choice::SALES)));
    for generation in 0..3 {
        let delivery = place.mail("ayse@musteri.example").await;
        place.in_state(&delivery, "sent").await;
        assert_eq!(place.sandbox.oauth().report().refreshes, generation);
        place.sandbox.oauth().expire_access();
    }
    assert_eq!(place.sandbox.mailbox().total(), 3);
    let gone = place.api.post("/api/integrations/oauth/microsoft/disconnect", json!({})).await.expect(200);
    assert_eq!((&gone["id"], &gone["grant"]), (&json!(id), &json!("by_hand")));
    assert!(gone["detail"].as_str().unwrap().contains("myapps.microsoft.com"), "{gone:#}");
}

fn large(place: &Place) -> Value {
    let url = |name: &str, size: usize| json!({"name": name, "url": format!("{}/files/{name}?size={size}", place.sandbox.http_url())});
    json!({"channel": "email", "to": "a@b.example", "bcc": ["gizli@b.example"], "kind": "informational",
        "subject": "Dosyalar", "html": "<p>Ekte</p>", "attachments": [url("buyuk.pdf", 5_000_000), url("kucuk.pdf", 1_000)]})
}

/// The scopes that a consent page is asked for.
async fn asked(place: &Place, wish: Value) -> String {
    let consent = Browser::new().open(&place.link("microsoft", wish).await).await.location.unwrap();
    let consent = url::Url::parse(&consent).unwrap();
    consent.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned()
}

#[rstest]
#[tokio::test]
async fn the_permission_to_make_drafts_is_asked_for_only_when_it_is_wanted_and_kept_then(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    assert!(!asked(&place, json!({"services": ["outlook"]})).await.contains("Mail.ReadWrite"));
    let id = outlook(&place).await;
    let delivery = place.api.post("/api/messages", large(&place)).await.expect(202);
    let failed = place.in_state(delivery["id"].as_str().unwrap(), "failed").await;
    assert_eq!(failed["reason"], "large_mail_not_permitted", "{failed:#}");
    let small = place.mail("a@b.example").await;
    place.in_state(&small, "sent").await;

    assert_eq!(connected(&place, json!({"connection": id, "optional": true})).await, id);
    let delivery = place.api.post("/api/messages", large(&place)).await.expect(202);
    place.in_state(delivery["id"].as_str().unwrap(), "sent").await;
    // Connecting it again, for whatever reason, does not lose it.
    assert!(asked(&place, json!({"connection": id})).await.contains("Mail.ReadWrite"));
}

#[tokio::test]
async fn a_large_mail_goes_by_upload_session_with_all_its_files() {
    let place = Place::start(Engine::Sqlite).await;
    connected(&place, json!({"services": ["outlook"], "optional": true})).await;
    let delivery = place.api.post("/api/messages", large(&place)).await.expect(202);
    place.in_state(delivery["id"].as_str().unwrap(), "sent").await;
    let mail = place.sandbox.mailbox().mails()[0].clone();
    assert_eq!(mail.envelope.to, ["a@b.example", "gizli@b.example"]);
    let sizes: Vec<_> = mail.view().attachments.iter().map(|file| (file.name.clone(), file.size)).collect();
    assert_eq!(sizes, [("buyuk.pdf".to_owned(), 5_000_000), ("kucuk.pdf".to_owned(), 1_000)]);
    assert_eq!(mail.view().html.as_deref(), Some("<p>Ekte</p>"));
}

#[tokio::test]
async fn two_services_of_two_idps_stand_side_by_side() {
    let place = Place::start(Engine::Sqlite).await;
    outlook(&place).await;
    place.gmail().await;
    let defaults = place.api.get("/api/integrations").await.expect(200)["defaults"]["email"].clone();
    assert_eq!(defaults["connection"], place.connections("outlook").await[0]["id"]);
    let wrong = json!({"connection": place.connections("gmail").await[0]["id"]});
    place.api.post("/api/integrations/oauth/microsoft/disconnect", wrong).await.expect(404);
}
