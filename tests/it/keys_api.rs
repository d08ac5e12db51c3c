//! Keys of companies: made and revoked by the platform, shown once.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::server::{Engine, Server};

#[rstest]
#[tokio::test]
async fn a_minted_key_acts_for_its_company_and_is_never_shown_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let company = platform.create_company("Örnek A.Ş.").await;
    let keys = format!("/api/companies/{}/keys", company.id);

    let minted = platform.post(&keys, json!({"name": " CRM üretim "})).await.expect(201);
    let key = minted["key"].as_str().unwrap();
    platform.with_key(key).get("/api/templates").await.expect(200);

    let list = platform.get(&keys).await.expect(200);
    let [_, shown] = &list["items"].as_array().unwrap()[..] else { panic!("{list:#}") };
    assert_eq!((&shown["id"], &shown["name"]), (&minted["id"], &json!("CRM üretim")));
    assert_eq!(shown["hint"], key[key.len() - 4..]);
    assert!(!list.to_string().contains(key));

    let first = platform.get(&format!("{keys}?limit=1")).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = platform.get(&format!("{keys}?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&rest["items"][0]["id"], &rest["next_cursor"]), (&minted["id"], &Value::Null));
}

#[rstest]
#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_the_others_work_on(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let company = platform.create_company("Örnek A.Ş.").await;
    let keys = format!("/api/companies/{}/keys", company.id);
    let minted = platform.post(&keys, json!({"name": "CRM"})).await.expect(201);
    let client = platform.with_key(minted["key"].as_str().unwrap());
    client.get("/api/templates").await.expect(200);

    let path = format!("{keys}/{}", minted["id"].as_str().unwrap());
    platform.delete(&path).await.expect(204);
    client.get("/api/templates").await.expect(401);
    platform.with_key(&company.key).get("/api/templates").await.expect(200);
    assert_eq!(platform.delete(&path).await.code(), "not_found");
}

#[rstest]
#[tokio::test]
async fn keys_are_the_platforms_business_and_each_companys_own(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let (one, other) = (platform.create_company("Bir").await, platform.create_company("Öteki").await);
    let keys = format!("/api/companies/{}/keys", one.id);
    let key = platform.get(&keys).await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();

    let client = platform.with_key(&one.key);
    client.get(&keys).await.expect(403);
    client.post(&keys, json!({"name": "x"})).await.expect(403);
    client.delete(&format!("{keys}/{key}")).await.expect(403);

    platform.delete(&format!("/api/companies/{}/keys/{key}", other.id)).await.expect(404);
    client.get("/api/templates").await.expect(200);
    for nobody in ["co_00000000000000000000000000", "co_7zzzzzzzzzzzzzzzzzzzzzzzzz", "nonsense"] {
        let keys = format!("/api/companies/{nobody}/keys");
        platform.get(&keys).await.expect(404);
        platform.post(&keys, json!({"name": "x"})).await.expect(404);
        platform.delete(&format!("{keys}/{key}")).await.expect(404);
    }
    platform.delete(&format!("{keys}/nonsense")).await.expect(404);
}

#[tokio::test]
async fn a_key_needs_a_name_of_one_line() {
    let server = Server::start(Engine::Sqlite, |_| {}).await;
    let platform = server.platform();
    let company = platform.create_company("Örnek A.Ş.").await;
    let keys = format!("/api/companies/{}/keys", company.id);
    for body in [json!({"name": ""}), json!({"name": "a\u{0}b"}), json!({"name": "ş".repeat(201)})] {
        assert_eq!(platform.post(&keys, body).await.refused(), [("/name".into(), "invalid".into())]);
    }
    platform.post(&keys, json!({})).await.expect(422);
    platform.post(&keys, json!({"name": "x", "role": "admin"})).await.expect(422);
}
