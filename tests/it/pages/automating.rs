//! Automations as people make and change them.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::connected::{Connected, connect};
use crate::support::server::Engine;

async fn stored(vendors: &Connected, id: &str) -> Value {
    vendors.api.get(&format!("/api/automations/{id}")).await.expect(200)
}

fn id_of(to: &str) -> String {
    to.trim_start_matches("/app/automations/").split(['?', '#', '/']).next().unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn a_step_that_writes_rows_is_added_filled_in_and_published(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let id = id_of(&browser.post("/app/automations/presets", &[("preset", "invoice_paid")]).await.to());
    let page = format!("/app/automations/{id}");
    let mail = [
        ("name", "Ödeme"),
        ("trigger", "invoice.paid"),
        ("timing", "now"),
        ("action", "0"),
        ("actions.0.operation", "send_email"),
        ("actions.0.to", "{{ data.customer.email }}"),
        ("actions.0.subject", "Ödemeniz ulaştı"),
        ("actions.0.text", "Teşekkürler"),
        ("actions.0.kind", "informational"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&mail[..], more].concat();
    browser.post(&page, &with(&[("do", "add-append_rows")])).await.to();
    let shown = browser.get(&page).await.expect(200);
    assert!(
        shown.contains("actions.1.rows.spreadsheet") && shown.contains("actions.1.rows.0.value"),
        "{shown}"
    );
    assert!(shown.contains("{{ data.invoice.number }}"), "the event's fields are offered");

    let rows = [
        ("action", "1"),
        ("actions.1.operation", "append_rows"),
        ("actions.1.rows.spreadsheet", "Tahsilatlar"),
        ("actions.1.rows.sheet", "2026"),
        ("actions.1.rows.0.name", "Fatura"),
        ("actions.1.rows.0.value", "{{ data.invoice.number }}"),
        ("actions.1.rows.1.name", "Tutar"),
        ("actions.1.rows.1.value", "{{ data.invoice.amount }}"),
        ("actions.1.rows.1.number", "true"),
        ("actions.1.rows.2.name", ""),
        ("actions.1.rows.2.value", ""),
    ];
    let half = [&rows[..6], &[("do", "publish")]].concat();
    let refused =
        browser.post(&page, &with(&half[..3].iter().chain(&half[6..]).copied().collect::<Vec<_>>())).await;
    assert!(refused.status == 422 || refused.html.contains("step-action-1"), "{}", refused.status);

    let whole = [&rows[..], &[("do", "publish")]].concat();
    assert!(browser.post(&page, &with(&whole)).await.to().ends_with("done=published"));
    let after = stored(&vendors, &id).await;
    assert_eq!(
        after["actions"][1]["rows"],
        json!({"spreadsheet": "Tahsilatlar", "sheet": "2026", "columns": [
            {"name": "Fatura", "value": "{{ data.invoice.number }}"},
            {"name": "Tutar", "value": "{{ data.invoice.amount }}", "number": true},
        ]})
    );
    let shown = browser.get(&page).await.expect(200);
    assert!(shown.contains("value=\"Tahsilatlar\"") && shown.contains("checked"), "{shown}");
}

fn fields<'a>(subject: &'a str, what: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("name", "Karşılama"),
        ("trigger", "deal.created"),
        ("timing", "delay"),
        ("delay.count", "2"),
        ("delay.unit", "H"),
        ("action", "0"),
        ("actions.0.operation", "send_email"),
        ("actions.0.to", "{{ data.customer.email }}"),
        ("actions.0.subject", subject),
        ("actions.0.text", "Merhaba {{ data.customer.name }}"),
        ("actions.0.kind", "informational"),
        ("do", what),
    ]
}

#[rstest]
#[tokio::test]
async fn a_preset_is_added_worked_on_as_a_draft_and_published(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    assert!(browser.get("/app/automations").await.expect(200).contains("Henüz otomasyon yok"));
    let id = id_of(&browser.post("/app/automations/presets", &[("preset", "deal_created")]).await.to());
    let page = format!("/app/automations/{id}");
    let before = stored(&vendors, &id).await;
    assert!(browser.get(&page).await.expect(200).contains("Önizleme"));

    browser.post(&page, &fields("Yeni konu", "keep")).await.to();
    assert_eq!(stored(&vendors, &id).await["actions"], before["actions"], "a draft changes nothing yet");
    let draft = browser.get(&page).await.expect(200);
    assert!(draft.contains("Taslak var") && draft.contains("Yeni konu") && draft.contains("2 saat sonra"));

    assert!(browser.post(&page, &fields("Yeni konu", "publish")).await.to().ends_with("done=published"));
    let after = stored(&vendors, &id).await;
    assert_eq!(
        (&after["actions"][0]["subject"], &after["timing"]["delay"]),
        (&json!("Yeni konu"), &json!("PT2H"))
    );
    assert_eq!(after["enabled"], before["enabled"]);
    assert!(!browser.get(&page).await.expect(200).contains("Taslak var"));

    browser.post(&format!("{page}/switch/off"), &[]).await.to();
    assert_eq!(stored(&vendors, &id).await["enabled"], false);
    browser.post(&format!("{page}/delete"), &[]).await.to();
    browser.get(&page).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_blocks_publishing_and_points_at_its_step(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let id = id_of(&browser.post("/app/automations", &[("trigger", "deal.created")]).await.to());
    let page = format!("/app/automations/{id}");
    let before = stored(&vendors, &id).await;

    let blocked = browser.post(&page, &fields("{{ data.deal.title", "publish")).await.expect(422);
    assert!(blocked.contains("href=\"#step-action-0\"") && blocked.contains("node wrong"));
    assert!(blocked.contains("{{ data.deal.title"), "what was typed stays");
    assert_eq!(stored(&vendors, &id).await["actions"], before["actions"]);
    browser.post(&format!("{page}/discard"), &[]).await.to();
    assert!(!browser.get(&page).await.expect(200).contains("value=\"{{ data.deal.title\""));
}

#[rstest]
#[tokio::test]
async fn the_preview_is_what_a_test_to_oneself_brings(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let id = id_of(&browser.post("/app/automations", &[("trigger", "deal.created")]).await.to());
    let page = format!("/app/automations/{id}");
    browser.get(&page).await.expect(200);
    let preview = browser
        .post(&format!("{page}/preview"), &fields("Konu: {{ data.deal.title }}", ""))
        .await
        .expect(200);
    let (_, rest) = preview.split_once("Konu: ").unwrap();
    let title = rest.split('<').next().unwrap().to_owned();
    assert!(preview.contains("Merhaba Ayşe Yılmaz"), "{preview}");

    assert!(
        browser.post(&page, &fields("Konu: {{ data.deal.title }}", "test")).await.to().ends_with("done=sent")
    );
    let list = vendors.api.wait_for("/api/deliveries?to=selin@ornek.example&state=sent", |list| {
        list["items"].as_array().is_some_and(|items| items.len() == 1)
    });
    let delivery = list.await["items"][0]["id"].as_str().unwrap().to_owned();
    let sent = vendors.api.get(&format!("/api/deliveries/{delivery}")).await.expect(200);
    assert_eq!(sent["message"]["subject"], format!("Konu: {title}"));
    assert_eq!(sent["message"]["text"], "Merhaba Ayşe Yılmaz");
}

#[tokio::test]
async fn steps_are_added_moved_and_removed_without_a_script() {
    let vendors = Connected::start(Engine::Sqlite).await;
    let mut browser = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let id = id_of(&browser.post("/app/automations", &[("trigger", "deal.created")]).await.to());
    let page = format!("/app/automations/{id}");
    browser.post(&page, &fields("İlk", "add-post_webhook")).await.to();
    let with_two = browser.get(&page).await.expect(200);
    assert!(with_two.contains("2. eylem") && with_two.contains("value=\"up-1\""));
    let mut both = fields("İlk", "up-1");
    both.extend([("action", "1"), ("actions.1.operation", "post_webhook"), ("actions.1.text", "x")]);
    browser.post(&page, &both).await.to();
    let moved = browser.get(&page).await.expect(200);
    assert!(moved.find("value=\"post_webhook\"").unwrap() < moved.find("value=\"send_email\"").unwrap());
}

#[rstest]
#[tokio::test]
async fn automations_are_the_admins_and_each_companys_own(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let mut admin = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let id = id_of(&admin.post("/app/automations/presets", &[("preset", "deal_created")]).await.to());
    let page = format!("/app/automations/{id}");
    let paths = [
        page.clone(),
        format!("{page}/preview"),
        format!("{page}/switch/off"),
        format!("{page}/discard"),
        format!("{page}/delete"),
    ];
    let mut member = Browser::of(&vendors.server, &vendors.company, "member").await;
    assert!(!member.get(&page).await.expect(200).contains("value=\"publish\""));
    for path in &paths {
        member.post(path, &fields("x", "publish")).await.expect(403);
    }
    member.post("/app/automations/presets", &[("preset", "deal_created")]).await.expect(403);
    let (other, _) = connect(&vendors.server, &vendors.sandbox, "Öteki").await;
    let mut stranger = Browser::of(&vendors.server, &other, "admin").await;
    stranger.get(&page).await.expect(404);
    for path in &paths {
        stranger.post(path, &fields("x", "publish")).await.expect(404);
    }
    assert_eq!(stored(&vendors, &id).await["enabled"], true);
}
