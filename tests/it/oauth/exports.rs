//! Reports to Google Sheets.

use santral_sandbox::vendors::oauth::{OauthAction, OauthFault, OauthPlace};

use super::*;

const PATH: &str = "/api/exports/google-sheets";

async fn sheets(place: &Place) {
    let page = place.consent("google", json!({"services": ["google_sheets"]}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

fn report(rows: usize) -> Value {
    let rows: Vec<Value> = (0..rows).map(|n| json!([format!("F-{n}"), n, n % 2 == 0, null])).collect();
    json!({"title": "Aylık rapor", "columns": ["No", "Tutar", "Ödendi", "Not"], "rows": rows})
}

async fn finished(place: &Place, task: &Value) -> Value {
    let path = format!("/api/tasks/{}", task["id"].as_str().unwrap());
    place.api.wait_for(&path, |task| task["state"] != "running").await
}

#[rstest]
#[tokio::test]
async fn a_report_becomes_a_spreadsheet_in_pieces_whatever_is_lost_on_the_way(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    sheets(&place).await;
    let lose = OauthFault {
        times: std::num::NonZeroU32::new(2),
        ..OauthFault::once(OauthPlace::Api, OauthAction::LoseAnswer)
    };
    place.sandbox.oauth().add_fault(lose);
    let task = place.api.post(PATH, report(4_500)).await.expect(202);
    assert_eq!((&task["kind"], &task["total"]), (&json!("export_rows"), &json!(4_500)));
    let done = finished(&place, &task).await;
    assert_eq!(
        (&done["state"], &done["done"], &done["failed"]),
        (&json!("done"), &json!(4_500), &json!(0)),
        "{done:#}"
    );
    let files = place.sandbox.sheets().all();
    let file = files.iter().find(|file| !file.sheets[0].cells.is_empty()).unwrap();
    assert!(done["detail"].as_str().unwrap().contains(&file.id), "{done:#}");
    let cells = &file.sheets[0].cells;
    assert_eq!((file.name.as_str(), cells.len()), ("Aylık rapor", 4_501));
    assert_eq!(cells[0][..3], [json!("No"), json!("Tutar"), json!("Ödendi")]);
    for (n, row) in cells[1..].iter().enumerate() {
        assert_eq!(row[..3], [json!(format!("F-{n}")), json!(n), json!(n % 2 == 0)]);
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_is_refused_or_says_why_it_failed() {
    let place = Place::start(Engine::Sqlite).await;
    let refused = place.api.post(PATH, report(1)).await;
    assert_eq!((refused.status, refused.code()), (422, "no_connection"));
    sheets(&place).await;
    let wrong = json!({"title": " ", "columns": [], "rows": [[1], [{"a": 1}]]});
    let pointers: Vec<_> =
        place.api.post(PATH, wrong).await.refused().into_iter().map(|(at, _)| at).collect();
    assert_eq!(pointers, ["/title", "/columns", "/rows/0"]);
    let empty = place.api.post(PATH, report(0)).await.expect(202);
    assert_eq!(finished(&place, &empty).await["state"], "done");
    place.sandbox.oauth().revoke_account(Choice::SALES);
    let dead = place.api.post(PATH, report(1)).await.expect(202);
    let failed = finished(&place, &dead).await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["detail"].as_str().unwrap().starts_with("grant_ended_google"), "{failed:#}");
}
