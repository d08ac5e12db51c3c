//! What a text takes is told before it is sent, by the counting of the account that would carry it.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_text_is_counted_as_its_provider_counts(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let estimate = async |body: Value| place.company.post("/api/messages/estimate", body).await;
    let text = "Siparişiniz hazır";
    let usual = estimate(json!({"text": text})).await.expect(200);
    assert_eq!(usual["provider"], Value::Null);
    assert_eq!(
        (&usual["encoding"], &usual["used"], &usual["left"]),
        (&json!("turkish"), &json!(19), &json!(131))
    );
    assert_eq!(usual["plain"]["text"], "Siparisiniz hazir");
    assert_eq!((&usual["plain"]["encoding"], &usual["plain"]["left"]), (&json!("gsm"), &json!(138)));

    let saved = place.save(form("twilio")).await.expect(200);
    let international = estimate(json!({"text": text})).await.expect(200);
    assert_eq!((&international["provider"], &international["encoding"]), (&json!("twilio"), &json!("ucs2")));
    assert_eq!((&international["parts"], &international["left"]), (&json!(1), &json!(53)));

    let item = saved["items"].as_array().unwrap().iter().find(|item| item["provider"] == "twilio").unwrap();
    let id = item["connections"][0]["id"].clone();
    let change = json!({"provider": "twilio", "connection": id, "settings": {"letters": "simplify"}});
    place.save(change).await.expect(200);
    let plain = estimate(json!({"text": text, "connection": id})).await.expect(200);
    assert_eq!(
        (&plain["simplified"], &plain["encoding"], &plain["plain"]),
        (&json!(true), &json!("gsm"), &Value::Null)
    );

    assert_eq!(estimate(json!({"text": "ö".repeat(20_000)})).await.code(), "invalid_fields");
    let foreign = json!({"text": "a", "connection": "con_01kb2q6y4se3f8n0m5v7t9x1az"});
    assert_eq!(estimate(foreign).await.expect(422)["errors"][0]["pointer"], "/connection");
}
