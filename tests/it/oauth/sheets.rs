//! Google Sheets: a second service on one grant, rows by automation.

use santral_sandbox::vendors::oauth::{OauthAction, OauthFault, OauthPlace};

use super::*;

async fn both(place: &Place) {
    let page =
        place.consent("google", json!({"services": ["gmail", "google_sheets"]}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

fn paid(id: &str, amount: f64, customer: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "crm", "type": "invoice.paid", "subject": format!("invoice/{id}"),
        "data": {"customer": {"name": customer, "email": "ayse@musteri.example"}, "invoice": {"number": id, "total": amount}}})
}

async fn automate(place: &Place) {
    let rows = json!({"spreadsheet": "Tahsilatlar", "sheet": "2026", "columns": [
        {"name": "Fatura", "value": "{{ data.invoice.number }}"},
        {"name": "Müşteri", "value": "{{ data.customer.name }}"},
        {"name": "Tutar", "value": "{{ data.invoice.total }}", "number": true},
    ]});
    let automation = json!({"name": "Fatura ödendi", "trigger": {"type": "invoice.paid"}, "actions": [
        {"operation": "send_email", "to": "{{ data.customer.email }}", "subject": "Teşekkürler", "text": "Ödemeniz ulaştı", "kind": "informational"},
        {"operation": "append_rows", "rows": rows},
    ]});
    place.api.post("/api/automations", automation).await.expect(201);
}

async fn post(place: &Place, event: Value) -> Vec<String> {
    let taken = place.api.post("/api/events", event).await.expect(202);
    taken["deliveries"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn a_paid_invoice_sends_an_email_and_adds_a_row(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    both(&place).await;
    automate(&place).await;
    for event in [paid("F-1", 12.5, "Ayşe"), paid("F-2", 100.0, "=HYPERLINK(\"http://attacker.example\")")] {
        let deliveries = post(&place, event).await;
        assert_eq!(deliveries.len(), 2);
        for id in deliveries {
            place.in_state(&id, "sent").await;
        }
    }
    assert_eq!(place.sandbox.mailbox().total(), 2);
    let files = place.sandbox.sheets().all();
    let [file] = &files[..] else { panic!("{files:#?}") };
    assert_eq!((file.name.as_str(), file.owner), ("Tahsilatlar", Choice::SALES));
    let cells = &file.sheets.iter().find(|sheet| sheet.title == "2026").unwrap().cells;
    assert_eq!(cells[0], [json!("Fatura"), json!("Müşteri"), json!("Tutar"), json!("Santral No")]);
    assert_eq!(cells[1][..3], [json!("F-1"), json!("Ayşe"), json!(12.5)]);
    assert_eq!(cells[2][1], "=HYPERLINK(\"http://attacker.example\")");
    assert_eq!(cells.len(), 3);
}

#[tokio::test]
async fn a_row_whose_answer_was_lost_is_there_once() {
    let place = Place::start(Engine::Sqlite).await;
    both(&place).await;
    automate(&place).await;
    for id in post(&place, paid("F-1", 1.0, "Ayşe")).await {
        place.in_state(&id, "sent").await;
    }
    let lose = OauthFault {
        times: std::num::NonZeroU32::new(1),
        ..OauthFault::once(OauthPlace::Append, OauthAction::LoseAnswer)
    };
    place.sandbox.oauth().add_fault(lose);
    for id in post(&place, paid("F-2", 2.0, "Mehmet")).await {
        place.in_state(&id, "sent").await;
    }
    let files = place.sandbox.sheets().all();
    let cells = &files[0].sheets.iter().find(|sheet| sheet.title == "2026").unwrap().cells;
    let invoices: Vec<_> = cells.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(invoices, ["Fatura", "F-1", "F-2"]);
}

#[rstest]
#[tokio::test]
async fn a_service_is_added_to_the_grant_and_the_grant_stays_until_the_last_one_goes(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let gmail = place.gmail().await;
    let added = place.consent("google", json!({"services": ["google_sheets"]}), allow(Choice::SALES)).await;
    assert_eq!(added.status, 200, "{}", added.text);
    automate(&place).await;
    for id in post(&place, paid("F-1", 1.0, "Ayşe")).await {
        place.in_state(&id, "sent").await;
    }
    let path = "/api/integrations/oauth/google/disconnect";
    let first = place.api.post(path, json!({"connection": gmail})).await.expect(200);
    assert_eq!(first["grant"], "still_used");
    let sheets = place.api.post("/api/integrations/test/google_sheets", json!({})).await.expect(200);
    assert_eq!(sheets["ok"], true);
    assert_eq!(place.api.post(path, json!({})).await.expect(200)["grant"], "revoked");
}

#[tokio::test]
async fn what_a_row_needs_is_said_field_by_field() {
    let place = Place::start(Engine::Sqlite).await;
    let with = async |action: Value| {
        let automation = json!({"name": "x", "trigger": {"type": "invoice.paid"}, "actions": [action]});
        place.api.post("/api/automations", automation).await.refused()
    };
    let one = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    assert_eq!(with(json!({"operation": "append_rows"})).await, one("/actions/0/rows", "field_required"));
    let empty = json!({"operation": "append_rows", "rows": {"spreadsheet": "x", "columns": []}});
    assert_eq!(with(empty).await, one("/actions/0/rows/columns", "field_required"));
    let broken = json!({"operation": "append_rows", "rows": {"spreadsheet": "x", "columns": [{"name": "a", "value": "{{"}]}});
    assert_eq!(with(broken).await[0].0, "/actions/0/rows/columns/0/value");

    let rows = json!({"spreadsheet": "x", "columns": [{"name": "a", "value": "{{ data.invoice.number }}"}]});
    let automation = json!({"name": "x", "trigger": {"type": "invoice.paid"}, "actions": [{"operation": "append_rows", "rows": rows}]});
    place.api.post("/api/automations", automation).await.expect(201);
    let ids = post(&place, paid("F-1", 1.0, "Ayşe")).await;
    let failed = place.in_state(&ids[0], "failed").await;
    assert_eq!(failed["reason"], "no_connection");
}
