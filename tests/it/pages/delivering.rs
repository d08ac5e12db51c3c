//! Deliveries as people follow and steer them.

use rstest::rstest;
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::connected::{Connected, connect, in_days};
use crate::support::server::Engine;

#[rstest]
#[tokio::test]
async fn a_delivery_is_found_followed_and_tried_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let good = vendors.mail("ayse@example.com", None).await;
    vendors.in_state(&good, "sent").await;
    let later = vendors.mail("mert@example.com", Some(in_days(1))).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;

    let list = browser.get("/app/deliveries").await.expect(200);
    assert!(list.contains("ayse@example.com") && list.contains("mert@example.com"));
    assert!(list.find(&later).unwrap() < list.find(&good).unwrap(), "newest first");
    let sent = browser.get("/app/deliveries?state=sent").await.expect(200);
    assert!(sent.contains("ayse@example.com") && !sent.contains("mert@example.com"));
    let searched = browser.get("/app/deliveries?q=Mert%40Example.com").await.expect(200);
    assert!(searched.contains(&later) && !searched.contains(&good));
    assert_eq!(
        browser.get(&format!("/app/deliveries?q={good}")).await.to(),
        format!("/app/deliveries/{good}")
    );
    assert!(
        browser.get("/app/deliveries?q=nobody@example.com").await.expect(200).contains("uyan gönderim yok")
    );
    browser.get("/app/deliveries?state=lost").await.expect(404);

    let page = browser.get(&format!("/app/deliveries/{good}")).await.expect(200);
    assert!(page.contains("1. deneme: servis kabul etti") && page.contains("Sayın ayse@example.com"));
    browser.get(&format!("/app/deliveries/{later}")).await.expect(200);
    browser.post(&format!("/app/deliveries/{later}/cancel"), &[]).await.to();
    vendors.in_state(&later, "cancelled").await;
    let again = browser.post(&format!("/app/deliveries/{good}/cancel"), &[]).await.expect(409);
    assert!(again.contains("Gönderim sonuçlanmış"));
    browser.post(&format!("/app/deliveries/{later}/retry"), &[]).await.to();
    vendors.in_state(&later, "sent").await;
}

#[rstest]
#[tokio::test]
async fn pages_go_on_from_a_cursor_and_a_file_holds_them_all(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    for index in 0..30 {
        vendors.mail(&format!("k{index}@example.com"), Some(in_days(2))).await;
    }
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let first = browser.get("/app/deliveries").await.expect(200);
    assert!(first.contains("k29@example.com") && !first.contains("k4@example.com"));
    let (_, rest) = first.split_once("/app/deliveries?cursor=").unwrap();
    let cursor = rest.split('"').next().unwrap();
    let second = browser.get(&format!("/app/deliveries?cursor={cursor}")).await.expect(200);
    assert!(second.contains("k4@example.com") && !second.contains("k5@example.com"));

    let seen = browser.get("/app/deliveries.csv?state=scheduled").await;
    assert!(seen.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let file = seen.expect(200);
    assert_eq!(file.lines().count(), 31);
    assert!(file.starts_with("\u{feff}\"Zaman\";\"Alıcı\""));
}

#[rstest]
#[tokio::test]
async fn a_whole_filter_is_tried_again_with_progress(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut ids = Vec::new();
    for index in 0..3 {
        let id = vendors.mail(&format!("k{index}@example.com"), Some(in_days(2))).await;
        vendors.api.post(&format!("/api/deliveries/{id}/cancel"), json!({})).await.expect(200);
        ids.push(id);
    }
    let mut browser = Browser::of(&vendors.server, &vendors.company, "member").await;
    let asked = browser.get("/app/deliveries/retry?state=cancelled").await.expect(200);
    assert!(asked.contains("yeniden denensin mi?"));
    let to = browser.post("/app/deliveries/retry", &[("state", "cancelled")]).await.to();
    for id in &ids {
        vendors.in_state(id, "sent").await;
    }
    let task = to.trim_start_matches("/app/tasks/");
    vendors.api.wait_for(&format!("/api/tasks/{task}"), |task| task["state"] == "done").await;
    assert!(browser.get(&to).await.expect(200).contains("3 gönderim sıraya alındı"));
}

#[tokio::test]
async fn a_member_sees_no_recipient_and_no_message() {
    let vendors = Connected::start(Engine::Sqlite).await;
    let id = vendors.mail("ayse.demir@example.com", None).await;
    vendors.in_state(&id, "sent").await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "member").await;
    for path in
        ["/app/deliveries".to_owned(), format!("/app/deliveries/{id}"), "/app/deliveries.csv".to_owned()]
    {
        let page = browser.get(&path).await.expect(200);
        assert!(page.contains("a•••@example.com") && !page.contains("ayse.demir"), "{path}");
    }
    browser.post(&format!("/app/deliveries/{id}/settle"), &[("state", "failed")]).await.expect(403);
    let mut developer = Browser::of(&vendors.server, &vendors.company, "developer").await;
    assert!(developer.get("/app/deliveries").await.expect(200).contains("ayse.demir@example.com"));
}

#[rstest]
#[tokio::test]
async fn an_open_page_hears_of_a_change_and_of_what_is_new(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let id = vendors.mail("ayse@example.com", Some(in_days(1))).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let page = browser.get("/app/deliveries").await.expect(200);
    let (_, rest) = page.split_once("hx-sse:connect=\"").unwrap();
    let stream = rest.split('"').next().unwrap().replace("&amp;", "&");
    assert!(stream.contains(&id));

    let mut answer = browser.request(reqwest::Method::GET, &stream).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    vendors.api.post(&format!("/api/deliveries/{id}/cancel"), json!({})).await.expect(200);
    vendors.mail("mert@example.com", Some(in_days(1))).await;
    let mut heard = String::new();
    let hear = async {
        while !(heard.contains("İptal edildi") && heard.contains("1 yeni gönderim göster")) {
            heard.push_str(&String::from_utf8_lossy(&answer.chunk().await.unwrap().unwrap()));
        }
    };
    let in_time = tokio::time::timeout(crate::support::PATIENCE, hear).await;
    assert!(in_time.is_ok(), "{heard}");
    assert!(heard.contains(&format!("hx-target=\"#row-{id}\"")) && heard.contains("hx-target=\"#news\""));
    Browser::new(&vendors.server).get(&stream).await.expect(401);
}

#[rstest]
#[tokio::test]
async fn another_companys_delivery_does_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let id = vendors.mail("ayse@example.com", Some(in_days(1))).await;
    let (other, _) = connect(&vendors.server, &vendors.sandbox, "Öteki").await;
    let mut browser = Browser::of(&vendors.server, &other, "admin").await;
    let page = format!("/app/deliveries/{id}");
    browser.get(&page).await.expect(404);
    for act in ["retry", "cancel"] {
        browser.post(&format!("{page}/{act}"), &[]).await.expect(404);
    }
    browser.post(&format!("{page}/settle"), &[("state", "failed")]).await.expect(404);
    vendors.in_state(&id, "scheduled").await;
}

#[tokio::test]
async fn hostile_recipients_subjects_and_texts_are_shown_as_text() {
    let vendors = Connected::start(Engine::Sqlite).await;
    let hostile = "<script>alert(1)</script>\u{202e}'\"&😀";
    let message = json!({"channel": "webhook", "to": hostile, "kind": "informational", "subject": hostile,
        "text": format!("{hostile}{}", "x".repeat(10_000)), "html": "<img src=x onerror=alert(1)>"});
    let id = vendors.api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    for path in ["/app/deliveries".to_owned(), format!("/app/deliveries/{id}")] {
        let page = browser.get(&path).await.expect(200);
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script>alert") && !page.contains("<img"),
            "{path}"
        );
        assert!(page.len() <= 60_000, "{path}: {}", page.len());
    }
    for query in ["q=%00", "q=%ff%fe", "cursor=%00", "cursor=x", "period=%3Cscript%3E", "channel=sms"] {
        let seen = browser.get(&format!("/app/deliveries?{query}")).await;
        assert!(matches!(seen.status, 200 | 404), "{query}: {}", seen.status);
    }
}
