//! Connecting and changing: nothing is stored that the vendor refuses, and nothing secret ever comes back.

use rstest::rstest;
use santral_sandbox::smtp::{Action, SmtpFault, Stage};

use super::*;

#[rstest]
#[tokio::test]
async fn an_account_is_connected_shown_and_used(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let place = Place::start(engine).await;
    let saved = place.save(place.smtp()).await.expect(200);
    let connection = &connections(&saved, "smtp")[0];
    assert_eq!(connection["label"], "SMTP");
    assert_eq!(connection["status"], "active");
    assert_eq!(connection["account"], "satis@firma.example");
    assert_eq!(connection["settings"]["host"], "127.0.0.1");
    assert_eq!(connection["credentials_set"], json!(["password", "user"]));
    assert_eq!(connection["reason"], Value::Null);
    assert_eq!(saved["company"], place.id.as_str());
    assert_eq!(saved["defaults"]["email"], json!({"connection": connection["id"], "fallback": null}));
    assert_eq!(place.all().await, saved);

    place.send_mail().await;
    assert_eq!(place.mails(1).await, ["satis@firma.example"]);
    let connected_at = connection["connected_at"].clone();
    place.wait_for(&text(&connection["id"]), |c| c["last_ok_at"] != connected_at).await;
}

#[rstest]
#[tokio::test]
async fn a_refused_password_stores_nothing_of_the_whole_request(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let mut wrong = place.labelled("Yanlış");
    wrong["credentials"]["password"] = "not-the-password".into();
    let body = json!({"integrations": [place.labelled("Doğru"), wrong]});

    let turkish = in_language(&place.company, "tr", &body).await;
    assert_eq!(turkish["code"], "credentials_refused");
    assert_eq!(errors(&turkish), [("/integrations/1/credentials".into(), "credentials_rejected".into())]);
    let detail = text(&turkish["errors"][0]["detail"]);
    assert!(
        detail.starts_with("Kullanıcı adı veya parola kabul edilmedi.") && detail.contains("535"),
        "{detail}"
    );
    let english = in_language(&place.company, "en", &body).await;
    let detail = text(&english["errors"][0]["detail"]);
    assert!(detail.starts_with("The user name or the password was not accepted."), "{detail}");
    assert!(!turkish.to_string().contains("not-the-password"));
    assert!(connections(&place.all().await, "smtp").is_empty());
}

#[rstest]
#[case::name("/settings/host", &["host_not_found", "dns_timeout"], json!({"host": "no-such-host.invalid"}))]
#[case::private("/settings/host", &["address_forbidden"], json!({"host": "10.0.0.7"}))]
#[case::closed("/settings/host", &["connect_failed"], json!({"port": 1}))]
#[case::plain("/settings/security", &["plaintext_not_allowed"], json!({"security": "none"}))]
#[case::tls("/settings/security", &["tls_failed"], json!({"security": "tls"}))]
#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_at_its_field(
    #[case] pointer: &str,
    #[case] codes: &[&str],
    #[case] settings: Value,
) {
    let place =
        Place::start_with(Engine::Sqlite, |env| env.set("SANTRAL_SMTP_ALLOW_PLAINTEXT", "false")).await;
    let mut item = place.smtp();
    for (key, value) in settings.as_object().unwrap() {
        item["settings"][key] = value.clone();
    }
    let refused = place.save(item).await;
    assert_eq!(refused.code(), "credentials_refused");
    let found = errors(&refused.expect(422));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, format!("/integrations/0{pointer}"));
    assert!(codes.contains(&found[0].1.as_str()), "{found:?}");
}

#[tokio::test]
async fn a_server_without_starttls_is_named_and_not_signed_in_to() {
    let place = Place::start(Engine::Sqlite).await;
    let hidden = Action::Hide { keyword: "STARTTLS".into() };
    place.sandbox.smtp_faults().add(SmtpFault::once(Stage::Ehlo, hidden)).unwrap();
    let refused = place.save(place.smtp()).await.expect(422);
    assert_eq!(
        errors(&refused),
        [("/integrations/0/settings/security".into(), "starttls_not_offered".into())]
    );
}

#[tokio::test]
async fn a_webhook_is_connected_without_a_call_but_not_to_a_private_address() {
    let place = Place::start(Engine::Sqlite).await;
    let hook = place.sandbox.webhook("crm").unwrap();
    let form = |url: String| json!({"provider": "webhook", "settings": {"url": url}, "credentials": {"secret": "a-secret-of-the-crm"}});
    let saved = place.save(form(format!("{}/webhook/crm", place.sandbox.http_url()))).await.expect(200);
    assert_eq!(connections(&saved, "webhook")[0]["status"], "active");
    assert_eq!(saved["defaults"]["webhook"]["connection"], connections(&saved, "webhook")[0]["id"]);
    assert_eq!(hook.requests(), 0);
    let refused = place.save(form("http://169.254.169.254/latest".to_owned())).await.expect(422);
    assert_eq!(errors(&refused), [("/integrations/0/settings/url".into(), "address_forbidden".into())]);
}

#[rstest]
#[tokio::test]
async fn a_change_keeps_the_id_the_secret_and_the_defaults(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = place.connect(place.smtp()).await;
    let change = json!({
        "provider": "smtp", "connection": id, "label": "Satış",
        "settings": {"from_name": "Firma Satış"}, "credentials": {"password": ""},
    });
    let saved = place.save(change).await.expect(200);
    let all = connections(&saved, "smtp");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["id"], id.as_str());
    assert_eq!(all[0]["label"], "Satış");
    assert_eq!(all[0]["settings"]["from_name"], "Firma Satış");
    assert_eq!(all[0]["settings"]["host"], "127.0.0.1");
    assert_eq!(saved["defaults"]["email"]["connection"], id.as_str());
    // The same label means the same connection, and a label alone asks no vendor.
    let (logins, label) =
        (place.labelled("Satış"), json!({"provider": "smtp", "connection": id, "label": "Destek"}));
    assert_eq!(connections(&place.save(logins).await.expect(200), "smtp").len(), 1);
    place.change_password("another");
    assert_eq!(connections(&place.save(label).await.expect(200), "smtp")[0]["label"], "Destek");
}

#[rstest]
#[tokio::test]
async fn the_same_form_sent_twice_at_once_makes_one_connection(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let (one, other) = tokio::join!(place.save(place.smtp()), place.save(place.smtp()));
    one.expect(200);
    other.expect(200);
    assert_eq!(connections(&place.all().await, "smtp").len(), 1);
}

#[tokio::test]
async fn a_stored_password_is_not_led_to_another_server() {
    let place = Place::start(Engine::Sqlite).await;
    let id = place.connect(place.smtp()).await;
    for settings in [json!({"host": "localhost"}), json!({"port": 2525}), json!({"security": "none"})] {
        let moved = json!({"provider": "smtp", "connection": id, "settings": settings});
        let refused = place.save(moved).await;
        assert_eq!(refused.code(), "invalid_fields");
        let pointer = "/integrations/0/credentials/password";
        assert_eq!(errors(&refused.expect(422)), [(pointer.into(), "credentials_required_again".into())]);
    }
    assert_eq!(place.connection(&id).await["settings"]["host"], "127.0.0.1");
    let mut again = place.smtp();
    again["settings"]["host"] = "localhost".into();
    let saved = place.save(again).await.expect(200);
    assert_eq!(find(&saved, &id)["settings"]["host"], "localhost");
}

#[tokio::test]
async fn mistakes_are_placed_in_both_languages_and_nothing_is_repeated() {
    let place = Place::start(Engine::Sqlite).await;
    let body = json!({"integrations": [
        {"provider": "fax"},
        {"provider": "smtp", "settings": {"port": 0, "colour": "red"}, "credentials": {"password": "hunter2"}},
        {"provider": "smtp", "label": " ", "connection": "con_1"},
    ], "defaults": {"pigeon": {"connection": null}}});
    let (turkish, english) =
        (in_language(&place.company, "tr", &body).await, in_language(&place.company, "en", &body).await);
    let found = errors(&turkish);
    for (pointer, code) in [
        ("/integrations/0/provider", "unknown_provider"),
        ("/integrations/1/settings/host", "required"),
        ("/integrations/1/settings/port", "invalid_port"),
        ("/integrations/1/settings/colour", "unknown_field"),
        ("/integrations/2/label", "invalid"),
        ("/defaults/pigeon", "unknown_channel"),
    ] {
        assert!(found.contains(&(pointer.to_owned(), code.to_owned())), "{pointer} {code} in {found:?}");
    }
    assert_eq!(errors(&english), found);
    for (one, other) in
        turkish["errors"].as_array().unwrap().iter().zip(english["errors"].as_array().unwrap())
    {
        assert_ne!(one["detail"], other["detail"]);
    }
    assert!(!turkish.to_string().contains("hunter2"));
    let twice = json!({"integrations": [place.smtp(), place.smtp()]});
    let twice = place.company.put("/api/integrations", twice).await.expect(422);
    assert_eq!(errors(&twice), [("/integrations/1".into(), "duplicate".into())]);
}

#[rstest]
#[tokio::test]
async fn the_first_is_the_default_and_others_are_chosen(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let first = place.connect(place.labelled("Bir")).await;
    let second = place.connect(place.labelled("İki")).await;
    let email = |all: Value| all["defaults"]["email"].clone();
    assert_eq!(email(place.all().await), json!({"connection": first, "fallback": null}));

    let choose = async |email: Value| {
        place.company.put("/api/integrations", json!({"defaults": {"email": email}})).await
    };
    let chosen = choose(json!({"connection": second, "fallback": first})).await.expect(200);
    assert_eq!(email(chosen), json!({"connection": second, "fallback": first}));
    let same = choose(json!({"fallback": second})).await.expect(422);
    assert_eq!(errors(&same), [("/defaults/email/fallback".into(), "same_connection".into())]);
    // A fallback that becomes the default is no fallback any more.
    let swapped = choose(json!({"connection": first})).await.expect(200);
    assert_eq!(email(swapped), json!({"connection": first, "fallback": null}));
    let unset = choose(Value::Null).await.expect(200);
    assert_eq!(email(unset), json!({"connection": null, "fallback": null}));
    let other_channel = json!({"defaults": {"sms": {"connection": first}}});
    let refused = place.company.put("/api/integrations", other_channel).await.expect(422);
    assert_eq!(errors(&refused), [("/defaults/sms/connection".into(), "wrong_channel".into())]);
}

#[rstest]
#[tokio::test]
async fn another_companys_connections_do_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let id = place.connect(place.smtp()).await;
    let (stranger, _) = company(&place.server, "Başka").await;
    assert!(connections(&stranger.get("/api/integrations").await.expect(200), "smtp").is_empty());

    let unknown = "con_00000000000000000000000000";
    for path in
        [|id: &str| format!("/api/integrations/{id}"), |id: &str| format!("/api/integrations/no-id-{id}")]
    {
        let (foreign, none) = (stranger.delete(&path(&id)).await, stranger.delete(&path(unknown)).await);
        assert_eq!(foreign.json, none.json);
        foreign.expect(404);
    }
    for named in [id.as_str(), unknown] {
        stranger
            .post(&format!("/api/integrations/test/smtp?connection={named}"), json!({}))
            .await
            .expect(404);
        let item = json!({"provider": "smtp", "connection": named, "enabled": false});
        let body = json!({"integrations": [item], "defaults": {"email": {"connection": named}}});
        let refused = stranger.put("/api/integrations", body).await.expect(422);
        let unknown = "unknown_connection".to_owned();
        let pointers = ["/integrations/0/connection", "/defaults/email/connection"];
        assert_eq!(errors(&refused), pointers.map(|pointer| (pointer.to_owned(), unknown.clone())));
    }
    assert_eq!(place.connection(&id).await["status"], "active");
}

#[tokio::test]
async fn no_answer_and_no_log_holds_a_secret() {
    let mut place = Place::start_with(Engine::Sqlite, |env| env.set("SANTRAL_LOG", "debug")).await;
    place.change_password("correct-horse-battery");
    let mut item = place.smtp();
    item["credentials"]["password"] = "correct-horse-battery".into();
    let id = place.connect(item).await;
    let test = place.company.post("/api/integrations/test/smtp", json!({})).await.expect(200);
    place.change_password("changed");
    let failed = place.company.post("/api/integrations/test/smtp", json!({})).await.expect(200);
    let all = place.all().await;
    let removed = place.company.delete(&format!("/api/integrations/{id}")).await.expect(200);
    for answer in [test, failed, all, removed] {
        assert!(!answer.to_string().contains("correct-horse"), "{answer:#}");
    }
    place.server.terminate().await;
    assert!(!place.server.log().join("\n").contains("correct-horse"));
}

#[tokio::test]
async fn labels_and_help_are_in_the_readers_language() {
    let place = Place::start(Engine::Sqlite).await;
    let list = async |lang: &str| {
        let request = place.company.request(Method::GET, "/api/integrations").header("accept-language", lang);
        let all = place.company.send(request).await.expect(200);
        let smtp = all["items"].as_array().unwrap().iter().find(|item| item["provider"] == "smtp");
        smtp.unwrap()["fields"][0].clone()
    };
    let (turkish, english) = (list("tr").await, list("en").await);
    assert_eq!(
        (&turkish["key"], &turkish["part"], &turkish["kind"]),
        (&json!("host"), &json!("settings"), &json!("host"))
    );
    assert_eq!(turkish["label"], "Posta sunucusu");
    assert_eq!(english["label"], "Mail server");
    assert_ne!(turkish["help"], english["help"]);
}
