//! Outlook: the same flow at Microsoft, mails small and large.

use super::*;

async fn outlook(place: &Place) -> String {
    let page = place.consent("microsoft", json!({"services": ["outlook"]}), allow(Choice::SALES)).await;
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

#[tokio::test]
async fn a_large_mail_goes_by_upload_session_with_all_its_files() {
    let place = Place::start(Engine::Sqlite).await;
    outlook(&place).await;
    let url = |name: &str, size: usize| json!({"name": name, "url": format!("{}/files/{name}?size={size}", place.sandbox.http_url())});
    let message = json!({"channel": "email", "to": "a@b.example", "bcc": ["gizli@b.example"], "kind": "informational",
        "subject": "Dosyalar", "html": "<p>Ekte</p>", "attachments": [url("buyuk.pdf", 5_000_000), url("kucuk.pdf", 1_000)]});
    let delivery = place.api.post("/api/messages", message).await.expect(202);
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
