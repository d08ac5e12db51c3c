//! The flow as people go through it.

use super::*;

#[rstest]
#[tokio::test]
async fn gmail_is_connected_by_clicking_sends_renews_itself_and_is_disconnected(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let before = place.provider("gmail").await;
    assert_eq!(
        (&before["auth"], &before["available"], &before["idp"]),
        (&json!("oauth"), &json!(true), &json!("google"))
    );
    assert_eq!(before["connections"], json!([]));

    let page = place.consent("google", json!({"services": ["gmail"]}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Hesap bağlandı") && page.text.contains(Choice::SALES), "{}", page.text);
    assert!(page.policy.unwrap().contains("default-src 'none'"));
    let connections = place.connections("gmail").await;
    let [connection] = &connections[..] else { panic!("{connections:#?}") };
    assert_eq!((&connection["status"], &connection["account"]), (&json!("active"), &json!(Choice::SALES)));
    let id = connection["id"].as_str().unwrap();
    let defaults = place.api.get("/api/integrations").await.expect(200)["defaults"]["email"].clone();
    assert_eq!(defaults["connection"], id);

    let automation = json!({"name": "Anlaşma", "trigger": {"type": "deal.created"}, "actions": [{"operation": "send_email",
        "to": "{{ data.customer.email }}", "subject": "Anlaşma {{ data.deal.number }}", "text": "Merhaba", "kind": "informational"}]});
    place.api.post("/api/automations", automation).await.expect(201);
    let event = |id: &str| {
        json!({"specversion": "1.0", "id": id, "source": "crm", "type": "deal.created",
        "data": {"customer": {"email": "ayse@musteri.example"}, "deal": {"number": "F-1"}}})
    };
    place.api.post("/api/events", event("1")).await.expect(202);
    place.sandbox.mailbox().wait_for(1).await;
    let mails = place.sandbox.mailbox().mails();
    assert_eq!(mails[0].envelope.from, Choice::SALES);
    assert_eq!(
        (mails[0].view().subject.as_str(), mails[0].view().to.as_str()),
        ("Anlaşma F-1", "ayse@musteri.example")
    );
    assert!(mails[0].view().from.contains(Choice::SALES));

    place.sandbox.oauth().expire_access();
    place.api.post("/api/events", event("2")).await.expect(202);
    place.sandbox.mailbox().wait_for(2).await;
    let report = place.sandbox.oauth().report();
    assert_eq!((report.refreshes, report.unauthorized), (1, 1), "{report:?}");

    let checked = place.api.post("/api/integrations/test/gmail", json!({})).await.expect(200);
    assert_eq!((&checked["ok"], &checked["account"]), (&json!(true), &json!(Choice::SALES)));

    let gone = place.api.post("/api/integrations/oauth/google/disconnect", json!({})).await.expect(200);
    assert_eq!((&gone["id"], &gone["grant"]), (&json!(id), &json!("revoked")), "{gone:#}");
    assert_eq!(place.connections("gmail").await, Vec::<Value>::new());
    assert_eq!(place.sandbox.oauth().report().revocations, 1);
    place.api.post("/api/integrations/oauth/google/disconnect", json!({})).await.expect(404);
}

#[tokio::test]
async fn a_key_begins_the_flow_too_and_the_browser_returns_to_the_page_it_came_from() {
    let place =
        Place::start_with(Engine::Sqlite, |env| env.set("SANTRAL_RETURN_ORIGINS", "https://crm.example"))
            .await;
    let path = "/api/integrations/oauth/google/authorize?services=gmail&return_url=https%3A%2F%2Fcrm.example%2Fayarlar%3Fa%3Db";
    let begun = place.api.get(path).await;
    assert_eq!(begun.status, 302);
    let consent = begun.headers["location"].to_str().unwrap();
    let cookie = begun.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let back = Browser::new().decide(consent, allow(Choice::SALES)).await;
    let path = back.strip_prefix(&place.server.url()).unwrap();
    let request = place.api.request(reqwest::Method::GET, path).header("cookie", cookie);
    let done = place.api.send(request).await;
    assert_eq!(done.status, 303);
    let id = place.connections("gmail").await[0]["id"].as_str().unwrap().to_owned();
    let location = done.headers["location"].to_str().unwrap();
    assert_eq!(location, format!("https://crm.example/ayarlar?a=b&oauth=connected&connections={id}"));
    assert!(done.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn saying_no_and_unticking_store_nothing_and_say_what_to_do() {
    let place = Place::start(Engine::Sqlite).await;
    let no = Choice { allows: false, ..allow(Choice::SALES) };
    let denied = place.consent("google", json!({"services": ["gmail"], "return_url": "/ayarlar"}), no).await;
    assert_eq!(denied.status, 403);
    assert!(denied.text.contains("İzin verilmedi"), "{}", denied.text);
    assert!(
        denied.text.contains(&format!("{}/ayarlar?oauth=consent_denied", place.server.url())),
        "{}",
        denied.text
    );

    let unticked = Choice { unticks: Some("gmail.send"), ..allow(Choice::SALES) };
    let missing = place.consent("google", json!({"services": ["gmail"]}), unticked).await;
    assert_eq!(missing.status, 403);
    assert!(missing.text.contains("gmail.send") && missing.text.contains("işaretli"), "{}", missing.text);
    assert_eq!(place.connections("gmail").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_field_by_field() {
    let place = Place::start(Engine::Sqlite).await;
    let path = "/api/integrations/oauth/google/tickets";
    let refused = async |wish| place.api.post(path, wish).await.refused();
    let one = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    assert_eq!(refused(json!({})).await, one("/services", "required"));
    assert_eq!(refused(json!({"services": ["gmail", "outlook"]})).await, one("/services", "unknown_service"));
    assert_eq!(refused(json!({"services": ["smtp"]})).await, one("/services", "unknown_service"));
    let wish = json!({"services": ["gmail"], "connection": "con_01jd0000000000000000000000"});
    assert_eq!(refused(wish).await, one("/connection", "unknown_connection"));
    place.api.post("/api/integrations/oauth/nobody/tickets", json!({})).await.expect(404);
    let typed = json!({"integrations": [{"provider": "gmail"}]});
    assert_eq!(
        place.api.put("/api/integrations", typed).await.refused(),
        one("/integrations/0/provider", "connect_by_consent")
    );
}

#[tokio::test]
async fn a_provider_without_an_app_is_shown_as_not_set_up_until_the_company_brings_its_own() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let url = sandbox.http_url();
    let server = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_OAUTH_GOOGLE_URL", &url);
        env.set("SANTRAL_PROVIDER_GMAIL_URL", &url);
    })
    .await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let api = server.platform().with_key(&company.key);
    let place = Place { api, sandbox, company: company.id, server };
    let shown = place.provider("gmail").await;
    assert_eq!(
        (&shown["available"], &shown["unavailable_reason"]),
        (&json!(false), &json!("not_configured"))
    );
    let tickets = "/api/integrations/oauth/google/tickets";
    let refused = place.api.post(tickets, json!({"services": ["gmail"]})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_configured"));

    let app = "/api/integrations/oauth/google/app";
    let empty = place.api.get(app).await.expect(200);
    assert_eq!(empty["owner"], Value::Null);
    let secret = json!({"client_id": "own-app", "client_secret": CLIENT_SECRET});
    let own = place.api.put(app, secret).await.expect(200);
    assert_eq!((&own["owner"], &own["client_id"]), (&json!("company"), &json!("own-app")));
    assert!(!own.to_string().contains(CLIENT_SECRET));
    assert_eq!(own["redirect_uri"], format!("{}/api/integrations/oauth/google/callback", place.server.url()));
    place.gmail().await;
    place.sandbox.oauth().expire_access();
    let id = place.mail("a@b.example").await;
    place.in_state(&id, "sent").await;
    assert_eq!(place.sandbox.oauth().report().refreshes, 1);
    place.api.delete(app).await.expect(204);
    place.api.delete(app).await.expect(404);
}
