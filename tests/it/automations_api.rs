//! Automations: checked as they are saved, made from presets, tried out without sending.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Engine, Server};

fn path(automation: &Value) -> String {
    format!("/api/automations/{}", automation["id"].as_str().unwrap())
}

async fn company(server: &Server, body: Value) -> Client {
    let platform = server.platform();
    let company = platform.post("/api/companies", body).await.expect(201);
    let keys = format!("/api/companies/{}/keys", company["id"].as_str().unwrap());
    let key = platform.post(&keys, json!({"name": "tests"})).await.expect(201);
    platform.with_key(key["key"].as_str().unwrap())
}

async fn start(engine: Engine) -> (Server, Client) {
    let server = Server::start(engine, |_| {}).await;
    let client = company(&server, json!({"name": "Örnek A.Ş."})).await;
    (server, client)
}

fn reminder() -> Value {
    json!({
        "name": "Toplantı hatırlatması", "enabled": true,
        "trigger": {"type": "meeting.scheduled"},
        "when": "data.customer.email",
        "timing": {"relative_to": "data.meeting.starts_at", "offset": "-PT1H",
                   "reschedule_on": ["meeting.updated"], "cancel_on": ["meeting.cancelled"]},
        "actions": [{"operation": "send_email", "channel": "email", "to": "{{ data.customer.email }}",
                     "subject": "{{ data.meeting.title }}", "text": "{{ data.meeting.starts_at|time }}",
                     "html": "<b>{{ data.customer.name }}</b>",
                     "attachments": [{"name": "davet.ics", "url": "{{ data.meeting.url }}"}],
                     "kind": "informational"}],
    })
}

#[rstest]
#[tokio::test]
async fn an_automation_is_made_found_replaced_and_deleted(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_server, client) = start(engine).await;
    let made = client.post("/api/automations", reminder()).await.expect(201);
    for field in ["name", "enabled", "trigger", "when", "timing", "actions"] {
        assert_eq!(made[field], reminder()[field], "{field}");
    }
    let empty = (&json!([]), &Value::Null, &Value::Null);
    assert_eq!((&made["warnings"], &made["preset"], &made["paused_reason"]), empty);
    assert_eq!(client.get(&path(&made)).await.expect(200), made);

    // What GET answers may be sent back, changed or not.
    let mut changed = made.clone();
    changed["enabled"] = json!(false);
    changed["timing"] = Value::Null;
    let replaced = client.put(&path(&made), changed).await.expect(200);
    assert_eq!((&replaced["enabled"], &replaced["timing"]), (&json!(false), &Value::Null));
    assert_eq!((&replaced["id"], &replaced["created_at"]), (&made["id"], &made["created_at"]));

    let other = client.post("/api/automations", reminder()).await.expect(201);
    let page = client.get("/api/automations?limit=1").await.expect(200);
    assert_eq!(page["items"], json!([replaced]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = client.get(&format!("/api/automations?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&rest["items"], &rest["next_cursor"]), (&json!([other]), &Value::Null));

    client.delete(&path(&made)).await.expect(204);
    client.delete(&path(&made)).await.expect(404);
    client.get(&path(&made)).await.expect(404);
    client.put(&path(&made), reminder()).await.expect(404);
    client.post(&format!("{}/preview", path(&made)), json!({})).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn another_companys_automation_does_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (server, owner) = start(engine).await;
    let other = company(&server, json!({"name": "Öteki"})).await;
    let automation = owner.post("/api/automations", reminder()).await.expect(201);
    other.get(&path(&automation)).await.expect(404);
    other.put(&path(&automation), reminder()).await.expect(404);
    other.delete(&path(&automation)).await.expect(404);
    other.post(&format!("{}/preview", path(&automation)), json!({})).await.expect(404);
    assert_eq!(other.get("/api/automations").await.expect(200)["items"], json!([]));
    assert_eq!(owner.get(&path(&automation)).await.expect(200), automation);
    owner.get("/api/automations/nonsense").await.expect(404);
    server.platform().get("/api/automations").await.expect(400);
}

#[rstest]
#[tokio::test]
async fn a_reference_must_be_the_companys_own(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (server, client) = start(engine).await;
    let other = company(&server, json!({"name": "Öteki"})).await;
    let template = other.post("/api/templates", json!({"name": "x", "text": "x"})).await.expect(201);
    let mut body = reminder();
    body["actions"][0]["connection"] = json!("con_01h00000000000000000000000");
    body["actions"][0]["template"] = template["id"].clone();
    let expected = [
        ("/actions/0/template".to_owned(), "unknown_template".to_owned()),
        ("/actions/0/connection".to_owned(), "unknown_connection".to_owned()),
    ];
    assert_eq!(client.post("/api/automations", body.clone()).await.refused(), expected);
    let good = client.post("/api/automations", reminder()).await.expect(201);
    assert_eq!(client.put(&path(&good), body).await.refused(), expected);
    assert_eq!(client.get(&path(&good)).await.expect(200), good);

    let own = client.post("/api/templates", json!({"name": "x", "text": "x"})).await.expect(201);
    let mut body = reminder();
    body["actions"][0]["template"] = own["id"].clone();
    client.post("/api/automations", body).await.expect(201);
}

#[tokio::test]
async fn every_mistake_is_told_at_its_place_and_nothing_is_stored() {
    let (_server, client) = start(Engine::Sqlite).await;
    let body = json!({
        "name": "", "trigger": {}, "when": "data ==", "timing": {"delay": "soon"}, "colour": "red",
        "actions": [{"operation": "send_email", "to": "{{", "subject": "x", "text": "x", "kind": "reklam"}],
    });
    let refused = client.post("/api/automations", body).await.refused();
    let places: Vec<_> = refused.iter().map(|(at, _)| at.as_str()).collect();
    for place in
        ["/name", "/trigger/type", "/when", "/timing/delay", "/colour", "/actions/0/to", "/actions/0/kind"]
    {
        assert!(places.contains(&place), "{place} is not among {places:?}");
    }
    client.post("/api/automations", json!([])).await.expect(422);
    assert_eq!(client.get("/api/automations").await.expect(200)["items"], json!([]));
}

#[rstest]
#[tokio::test]
async fn what_may_be_wrong_is_said_in_the_language_asked_for(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_server, client) = start(engine).await;
    let mut body = reminder();
    body["actions"][0]["subject"] = json!("{{ data.meeting.topic }}");
    let made = client.post("/api/automations", body).await.expect(201);
    let [warning] = &made["warnings"].as_array().unwrap()[..] else { panic!("{made:#}") };
    assert_eq!(warning["pointer"], "/actions/0/subject");
    assert_eq!(warning["code"], "unknown_variable");
    let request = client.request(reqwest::Method::GET, &path(&made)).header("accept-language", "en");
    let english = client.send(request).await.expect(200);
    assert_eq!(english["warnings"][0]["code"], "unknown_variable");
    assert_ne!(english["warnings"][0]["detail"], warning["detail"]);
    let mended = client.put(&path(&made), reminder()).await.expect(200);
    assert_eq!(mended["warnings"], json!([]));
}

#[rstest]
#[tokio::test]
async fn a_preset_without_its_connections_is_made_but_switched_off(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (server, client) = start(engine).await;
    let presets = client.get("/api/automations/presets").await.expect(200);
    let presets = presets["items"].as_array().unwrap().clone();
    assert!(!presets.is_empty());
    for preset in &presets {
        let made = client.post("/api/automations", json!({"preset": preset["id"]})).await.expect(201);
        assert_eq!((&made["preset"], &made["enabled"]), (&preset["id"], &json!(false)));
        assert_eq!((&made["name"], &made["warnings"]), (&preset["name"]["tr"], &json!([])));
        assert_eq!(made["actions"], preset["definition"]["actions"]);
        assert_eq!(made["paused_reason"]["code"], "no_connection");
        assert_eq!(client.get(&path(&made)).await.expect(200), made);
    }
    let quote = client.post("/api/automations", json!({"preset": "quote_sent", "locale": "en"})).await;
    let quote = quote.expect(201);
    assert_eq!(quote["paused_reason"]["channels"], json!(["email", "sms"]));
    let by_id = |id: &str| presets.iter().find(|preset| preset["id"] == id).unwrap();
    assert_eq!(quote["name"], by_id("quote_sent")["name"]["en"]);

    let english = company(&server, json!({"name": "Acme", "locale": "en-GB"})).await;
    let made = english.post("/api/automations", json!({"preset": "deal_created"})).await.expect(201);
    assert_eq!(made["name"], by_id("deal_created")["name"]["en"]);

    let mut switched_on = made.clone();
    switched_on["enabled"] = json!(true);
    let saved = english.put(&path(&made), switched_on).await.expect(200);
    assert_eq!((&saved["enabled"], &saved["paused_reason"]), (&json!(true), &Value::Null));
    assert_eq!(saved["preset"], "deal_created");
}

#[tokio::test]
async fn an_unknown_preset_or_language_is_refused() {
    let (_server, client) = start(Engine::Sqlite).await;
    let refused = client.post("/api/automations", json!({"preset": "x", "locale": "fr"})).await.refused();
    let expected = [("/preset", "unknown_preset"), ("/locale", "unknown_locale")];
    assert_eq!(refused, expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    client.post("/api/automations", json!({"preset": null})).await.expect(422);
    client.post("/api/automations", json!({"preset": "quote_sent", "name": "x"})).await.expect(422);
}

#[rstest]
#[tokio::test]
async fn a_preview_renders_the_sample_and_sends_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_server, client) = start(engine).await;
    let automation = client.post("/api/automations", reminder()).await.expect(201);
    let preview = client.post(&format!("{}/preview", path(&automation)), json!({})).await.expect(200);
    let expected = json!({
        "matches": true, "error": null, "due_at": "2026-12-01T10:00:00Z", "timing": "scheduled",
        "timing_detail": null,
        "actions": [{
            "operation": "send_email", "channel": "email", "to": "ayse.yilmaz@example.com",
            "subject": "Proje başlangıç toplantısı", "text": "14:00", "html": "<b>Ayşe Yılmaz</b>",
            "attachments": [{"name": "davet.ics", "url": "https://meet.example.com/proje-baslangic"}],
            "sms": null, "connection": null, "error": null,
        }],
    });
    assert_eq!(preview, expected);

    let draft = client.post("/api/automations/preview", json!({"definition": reminder()})).await.expect(200);
    assert_eq!(draft, expected);
    // A body may be left out altogether.
    let request = client.request(reqwest::Method::POST, &format!("{}/preview", path(&automation)));
    assert_eq!(client.send(request).await.expect(200), expected);
}

fn meeting(event_type: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": "m-1", "source": "crm", "type": event_type, "data": data})
}

#[rstest]
#[case::another_type(meeting("meeting.cancelled", json!({
    "customer": {"name": "Ali", "email": "ali@example.com"},
    "meeting": {"title": "T", "starts_at": "2999-01-01T10:00:00Z", "url": "https://x.example/"}})),
    false, "scheduled", None)]
#[case::condition_fails(meeting("meeting.scheduled", json!({
    "customer": {"name": "Ali", "email": null},
    "meeting": {"title": "T", "starts_at": "2999-01-01T10:00:00Z", "url": "https://x.example/"}})),
    false, "scheduled", Some(("/actions/0/to", "recipient_missing")))]
#[case::past(meeting("meeting.scheduled", json!({
    "customer": {"name": "Ali", "email": "ali@example.com"},
    "meeting": {"title": "T", "starts_at": "2001-01-01T10:00:00Z", "url": "https://x.example/"}})),
    true, "too_late", None)]
#[case::no_time(meeting("meeting.scheduled", json!({
    "customer": {"name": "Ali", "email": "ali@example.com"}, "meeting": {"title": "T"}})),
    true, "invalid", Some(("/actions/0/text", "unknown_variable")))]
#[case::no_data(json!({"specversion": "1.0", "id": "m-1", "source": "crm", "type": "meeting.scheduled"}),
    false, "invalid", Some(("/actions/0/to", "unknown_variable")))]
#[tokio::test]
async fn a_preview_tells_what_an_event_would_lead_to(
    #[case] event: Value,
    #[case] matches: bool,
    #[case] timing: &str,
    #[case] error: Option<(&str, &str)>,
) {
    let (_server, client) = start(Engine::Sqlite).await;
    let draft = json!({"definition": reminder(), "event": event});
    let preview = client.post("/api/automations/preview", draft).await.expect(200);
    assert_eq!((&preview["matches"], &preview["timing"]), (&json!(matches), &json!(timing)), "{preview:#}");
    let found = &preview["actions"][0]["error"];
    let found = found["pointer"].as_str().zip(found["code"].as_str());
    assert_eq!(found, error, "{preview:#}");
    assert_eq!(preview["actions"][0]["subject"].is_null(), error.is_some());
}

#[rstest]
#[case::draft(json!({"definition": {"name": "x"}}), "/definition/trigger")]
#[case::event(json!({"definition": reminder(), "event": {"id": "x"}}), "/event/specversion")]
#[case::no_sample(json!({"definition": {"name": "x", "trigger": {"type": "stock.low"},
    "actions": [{"operation": "post_webhook", "text": "x"}]}}), "/event")]
#[case::unknown(json!({"definition": reminder(), "events": []}), "/events")]
#[tokio::test]
async fn a_preview_of_nothing_sensible_is_refused(#[case] body: Value, #[case] place: &str) {
    let (_server, client) = start(Engine::Sqlite).await;
    let refused = client.post("/api/automations/preview", body).await.refused();
    assert!(refused.iter().any(|(at, _)| at == place), "{place} is not among {refused:?}");
}

#[tokio::test]
async fn a_preview_uses_the_companys_template_and_tells_of_a_missing_one() {
    let (_server, client) = start(Engine::Sqlite).await;
    let template =
        client.post("/api/templates", json!({"name": "x", "text": "Merhaba {{ data.customer.name }}"}));
    let template = template.await.expect(201)["id"].clone();
    let definition = |template: Value| {
        json!({"definition": {"name": "x", "trigger": {"type": "customer.created"},
                              "actions": [{"operation": "post_webhook", "template": template}]}})
    };
    let shown = client.post("/api/automations/preview", definition(template)).await.expect(200);
    assert_eq!(shown["actions"][0]["text"], "Merhaba Ayşe Yılmaz");
    let unknown = definition(json!("tpl_01h00000000000000000000000"));
    let shown = client.post("/api/automations/preview", unknown).await.expect(200);
    assert_eq!(shown["actions"][0]["error"]["code"], "template_missing");
}

#[rstest]
#[tokio::test]
async fn a_saved_automation_answers_events_and_a_deleted_one_does_not(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (_server, client) = start(engine).await;
    let event = |id: &str| json!({"specversion": "1.0", "id": id, "source": "crm", "type": "deal.created"});
    let body = json!({"name": "x", "trigger": {"type": "deal.created"},
                      "actions": [{"operation": "post_webhook", "text": "x"}]});
    let made = client.post("/api/automations", body).await.expect(201);
    let answer = client.post("/api/events", event("1")).await.expect(202);
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 1);
    client.delete(&path(&made)).await.expect(204);
    let answer = client.post("/api/events", event("2")).await.expect(202);
    assert_eq!(answer["deliveries"], json!([]));
}

#[tokio::test]
async fn a_company_has_at_most_five_hundred_automations() {
    let (_server, client) = start(Engine::Sqlite).await;
    let body = json!({"name": "x", "trigger": {"type": "deal.created"},
                      "actions": [{"operation": "post_webhook", "text": "x"}]});
    for _ in 0..500 {
        client.post("/api/automations", body.clone()).await.expect(201);
    }
    assert_eq!(client.post("/api/automations", body.clone()).await.code(), "conflict");
    let first = client.get("/api/automations?limit=1").await.expect(200);
    client.put(&path(&first["items"][0]), body).await.expect(200);
}

#[tokio::test]
async fn the_catalogue_is_open_to_any_valid_key() {
    let (server, client) = start(Engine::Sqlite).await;
    let catalogue = client.get("/api/event-types").await.expect(200);
    assert_eq!(server.platform().get("/api/event-types").await.expect(200), catalogue);
    let quote = catalogue["items"].as_array().unwrap().iter().find(|item| item["type"] == "quote.sent");
    let quote = quote.unwrap();
    assert_eq!(quote["label"]["tr"], "Teklif gönderildi");
    assert_eq!(
        (&quote["sample"]["type"], &quote["schema"]["type"]),
        (&json!("quote.sent"), &json!("object"))
    );
    for path in ["/api/event-types", "/api/automations/presets"] {
        client.with_key("a-key-that-nobody-was-ever-given-it").get(path).await.expect(401);
    }
}
