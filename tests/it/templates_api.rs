//! Message templates: checked as they are saved, unique by name, kept while something uses them.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Engine, Server};

fn path(template: &Value) -> String {
    format!("/api/templates/{}", template["id"].as_str().unwrap())
}

async fn template(client: &Client, name: &str) -> Value {
    client.post("/api/templates", json!({"name": name, "text": "Merhaba {{ data.x }}"})).await.expect(201)
}

#[rstest]
#[tokio::test]
async fn a_template_is_made_found_replaced_and_deleted(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let client = platform.with_key(&platform.create_company("Örnek A.Ş.").await.key);
    let body = json!({
        "name": "Teklif", "subject": "Teklif {{ data.quote.number }}",
        "text": "Sayın {{ data.customer.name }},", "html": "<p>{{ data.customer.name|upper }}</p>",
    });
    let made = client.post("/api/templates", body.clone()).await.expect(201);
    for field in ["name", "subject", "text", "html"] {
        assert_eq!(made[field], body[field]);
    }
    assert_eq!(client.get(&path(&made)).await.expect(200), made);

    let replaced = client.put(&path(&made), json!({"name": "Kısa", "text": "ok"})).await.expect(200);
    assert_eq!(replaced["created_at"], made["created_at"]);
    assert_eq!((&replaced["text"], &replaced["html"]), (&json!("ok"), &Value::Null));

    let other = template(&client, "Başka").await;
    let page = client.get("/api/templates?limit=1").await.expect(200);
    assert_eq!(page["items"], json!([replaced]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = client.get(&format!("/api/templates?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&rest["items"], &rest["next_cursor"]), (&json!([other]), &Value::Null));

    client.delete(&path(&made)).await.expect(204);
    for gone in [client.get(&path(&made)).await, client.delete(&path(&made)).await] {
        assert_eq!(gone.code(), "not_found");
    }
    client.put(&path(&made), json!({"name": "x", "text": "x"})).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn a_name_stands_for_one_template(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let client = platform.with_key(&platform.create_company("Bir").await.key);
    let (one, two) = (template(&client, "Bir").await, template(&client, "İki").await);
    client.post("/api/templates", json!({"name": " Bir ", "text": "x"})).await.expect(409);
    client.put(&path(&two), json!({"name": "Bir", "text": "x"})).await.expect(409);
    client.put(&path(&one), json!({"name": "Bir", "text": "y"})).await.expect(200);
    assert_eq!(client.get(&path(&two)).await.expect(200), two);

    let other = platform.with_key(&platform.create_company("Öteki").await.key);
    template(&other, "Bir").await;
}

#[rstest]
#[tokio::test]
async fn a_template_that_an_automation_uses_stays(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let client = platform.with_key(&platform.create_company("Bir").await.key);
    let template = template(&client, "Ortak").await;
    let automation = json!({
        "name": "Hoş geldiniz", "trigger": {"type": "customer.created"},
        "actions": [{"operation": "post_webhook", "template": template["id"]}],
    });
    let automation = client.post("/api/automations", automation).await.expect(201);

    let refused = client.delete(&path(&template)).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("“Hoş geldiniz”"), "{refused:#}");
    client.get(&path(&template)).await.expect(200);

    client.delete(&format!("/api/automations/{}", automation["id"].as_str().unwrap())).await.expect(204);
    client.delete(&path(&template)).await.expect(204);
}

#[rstest]
#[case::syntax(json!({"name": "x", "subject": "{{ data.x", "text": "{% if %}", "html": "{{ x|nosuch }}"}),
    &[("/subject", "template_syntax"), ("/text", "template_syntax"), ("/html", "unknown_filter")])]
#[case::no_text(json!({"name": "x"}), &[("", "required")])]
#[case::no_name(json!({"name": " ", "text": "{{"}), &[("/name", "invalid"), ("/text", "template_syntax")])]
#[case::nul(json!({"name": "x", "text": "a\u{0}b"}), &[("/text", "invalid")])]
#[case::long(json!({"name": "x", "text": "a".repeat(100 * 1024 + 1)}), &[("/text", "source_too_long")])]
#[case::unknown(json!({"name": "x", "text": "x", "body": "x"}), &[("/body", "invalid")])]
#[tokio::test]
async fn what_is_wrong_is_told_at_its_place(#[case] body: Value, #[case] expected: &[(&str, &str)]) {
    let server = Server::start(Engine::Sqlite, |_| {}).await;
    let platform = server.platform();
    let client = platform.with_key(&platform.create_company("Bir").await.key);
    let refused = client.post("/api/templates", body.clone()).await.refused();
    let refused: Vec<_> = refused.iter().map(|(at, code)| (at.as_str(), code.as_str())).collect();
    assert_eq!(refused, expected);

    let good = template(&client, "iyi").await;
    client.put(&path(&good), body).await.expect(422);
    assert_eq!(client.get(&path(&good)).await.expect(200), good);
}

#[rstest]
#[tokio::test]
async fn another_companys_template_does_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let owner = platform.with_key(&platform.create_company("Bir").await.key);
    let other = platform.with_key(&platform.create_company("Öteki").await.key);
    let template = template(&owner, "Bizim").await;

    other.get(&path(&template)).await.expect(404);
    other.put(&path(&template), json!({"name": "x", "text": "x"})).await.expect(404);
    other.delete(&path(&template)).await.expect(404);
    assert_eq!(other.get("/api/templates").await.expect(200)["items"], json!([]));
    assert_eq!(owner.get(&path(&template)).await.expect(200), template);
    owner.get("/api/templates/nonsense").await.expect(404);
    platform.get("/api/templates").await.expect(400);
}
