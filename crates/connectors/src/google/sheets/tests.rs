use http::Request;
use proptest::prelude::*;
use rstest::rstest;
use url::Url;

use super::*;
use crate::failure::FailureKind;
use crate::testing::{FakeHttp, FakeSmtp};
use crate::values::{Credentials, Settings};

const ID: &str = "1aBcDeFgHiJkLmNoPqRs";

fn rows() -> AppendRows {
    AppendRows {
        spreadsheet: None,
        title: "Faturalar".to_owned(),
        sheet: None,
        columns: vec!["No".to_owned(), "Tutar".to_owned()],
        rows: vec![vec![json!("=HYPERLINK(\"x\")"), json!(12.5)]],
    }
}

fn sheet(rows: u64) -> String {
    json!({"spreadsheetUrl": format!("https://docs.google.com/spreadsheets/d/{ID}/edit"), "sheets": [{"properties":
        {"sheetId": 0, "title": "Sayfa1", "gridProperties": {"rowCount": rows, "columnCount": 26}}}]})
    .to_string()
}

fn values(header: Value, keys: Value) -> String {
    json!({"valueRanges": [{"values": header}, {"values": keys}]}).to_string()
}

async fn perform<O: crate::operation::Op>(http: &FakeHttp, op: &O) -> Result<O::Output, Failure>
where
    Sheets: Perform<O>,
{
    let credentials = Credentials([("access_token".to_owned(), "ya29.canary".to_owned())].into());
    let cx = Cx {
        http,
        smtp: &FakeSmtp::new(),
        credentials: &credentials,
        settings: &Settings::default(),
        idempotency_key: "dlv_1",
        files: &[],
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    Sheets.perform(&cx, op).await
}

fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

#[tokio::test]
async fn the_first_row_makes_spreadsheet_and_header() {
    let http = FakeHttp::new()
        .answer(200, r#"{"files":[]}"#)
        .answer(200, format!(r#"{{"id":"{ID}"}}"#))
        .answer(200, sheet(1000))
        .answer(200, json!({"valueRanges": [{"range": "a"}, {"range": "b"}]}).to_string())
        .answer(200, "{}")
        .answer(200, r#"{"updates":{"updatedRange":"'Sayfa1'!A2:C2","updatedRows":1}}"#);
    let written = perform(&http, &rows()).await.unwrap();
    assert_eq!((written.spreadsheet.as_str(), written.range.as_deref()), (ID, Some("'Sayfa1'!A2:C2")));
    let requests = http.requests();
    let find = Url::parse(&requests[0].uri().to_string()).unwrap();
    let query = find.query_pairs().find(|(name, _)| name == "q").unwrap().1.into_owned();
    assert!(query.starts_with("appProperties has { key='santral' and value='"), "{query}");
    let made = body(&requests[1]);
    assert_eq!(
        (&made["name"], made["appProperties"]["santral"].as_str().unwrap().len()),
        (&json!("Faturalar"), 32)
    );
    assert!(query.contains(made["appProperties"]["santral"].as_str().unwrap()));
    assert_eq!(body(&requests[4])["values"], json!([["No", "Tutar", KEY_COLUMN]]));
    let appended = requests[5].uri().to_string();
    assert!(appended.contains(":append?valueInputOption=RAW&insertDataOption=INSERT_ROWS"), "{appended}");
    assert_eq!(body(&requests[5])["values"], json!([["=HYPERLINK(\"x\")", 12.5, "dlv_1"]]));
}

#[tokio::test]
async fn a_row_that_is_there_is_not_written_again() {
    let http = FakeHttp::new()
        .answer(200, format!(r#"{{"files":[{{"id":"{ID}"}}]}}"#))
        .answer(200, sheet(1000))
        .answer(
            200,
            values(json!([["No"], ["Tutar"], [KEY_COLUMN]]), json!([[KEY_COLUMN, "dlv_0", "dlv_1"]])),
        );
    let written = perform(&http, &rows()).await.unwrap();
    assert_eq!(written.range, None);
    assert_eq!(http.requests().len(), 3);
}

#[tokio::test]
async fn of_several_rows_only_those_are_written_that_are_not_there() {
    let several = AppendRows {
        rows: vec![vec![json!("a")], vec![json!("b"), Value::Null]],
        spreadsheet: Some(ID.to_owned()),
        ..rows()
    };
    let http = FakeHttp::new()
        .answer(200, sheet(9_000))
        .answer(200, values(json!([["No"]]), json!([["dlv_1"]])))
        .answer(200, "{}");
    perform(&http, &several).await.unwrap();
    let requests = http.requests();
    assert!(requests[1].uri().to_string().contains("C5001%3AC"), "{}", requests[1].uri());
    assert_eq!(body(&requests[2])["values"], json!([["b", "", "dlv_1-2"]]));
}

#[tokio::test]
async fn a_lost_answer_of_the_append_is_in_doubt_and_one_before_it_is_not() {
    let lost = || Failure::unconfirmed("answer_lost", "");
    let known = AppendRows { spreadsheet: Some(ID.to_owned()), ..rows() };
    let http =
        FakeHttp::new().answer(200, sheet(10)).answer(200, values(json!([["No"]]), json!([]))).fail(lost());
    assert_eq!(perform(&http, &known).await.unwrap_err().kind, FailureKind::Unconfirmed);
    let made = FakeHttp::new().answer(200, r#"{"files":[]}"#).fail(lost());
    assert_eq!(perform(&made, &rows()).await.unwrap_err().kind, FailureKind::Retryable { after: None });
}

#[tokio::test]
async fn an_export_goes_to_fixed_places_of_a_sheet_that_is_large_enough() {
    let export = WriteRows {
        key: "tsk_1".to_owned(),
        title: "Rapor".to_owned(),
        columns: vec!["A".to_owned(), "B".to_owned()],
        offset: 0,
        total: 5_000,
        rows: vec![vec![json!(1), json!(true)]],
    };
    let found = format!(r#"{{"files":[{{"id":"{ID}"}}]}}"#);
    let http = FakeHttp::new()
        .answer(200, found.clone())
        .answer(200, sheet(1000))
        .answer(200, "{}")
        .answer(200, "{}");
    perform(&http, &export).await.unwrap();
    let requests = http.requests();
    let grid =
        body(&requests[2]).pointer("/requests/0/updateSheetProperties/properties/gridProperties").cloned();
    assert_eq!(grid, Some(json!({"rowCount": 5_001, "columnCount": 26})));
    assert_eq!(
        body(&requests[3]),
        json!({"range": "'Sayfa1'!A1:B2", "majorDimension": "ROWS", "values": [["A", "B"], [1, true]]})
    );
    let http = FakeHttp::new().answer(200, found).answer(200, sheet(6000)).answer(200, "{}");
    perform(&http, &WriteRows { offset: 2_000, ..export }).await.unwrap();
    assert_eq!(body(&http.requests()[2])["range"], "'Sayfa1'!A2002:B2002");
}

#[rstest]
#[case(AppendRows { columns: vec![], ..rows() })]
#[case(AppendRows { rows: vec![vec![json!(1), json!(2), json!(3)]], ..rows() })]
#[case(AppendRows { rows: vec![vec![json!({"a": 1})]], ..rows() })]
#[case(AppendRows { rows: vec![vec![json!("x".repeat(50_001))]], ..rows() })]
#[case(AppendRows { spreadsheet: Some("../../x".to_owned()), ..rows() })]
#[case(AppendRows { title: " ".to_owned(), ..rows() })]
#[tokio::test]
async fn what_no_sheet_can_hold_is_refused_before_anybody_is_asked(#[case] op: AppendRows) {
    let http = FakeHttp::new();
    assert_eq!(perform(&http, &op).await.unwrap_err().kind, FailureKind::Rejected);
    assert!(http.requests().is_empty());
}

proptest! {
    #[test]
    fn no_answer_breaks_it(bodies in proptest::collection::vec(any::<Vec<u8>>(), 0..5), status in 100_u16..1000) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut http = FakeHttp::new();
        for body in bodies {
            http = http.answer(200, body);
        }
        http = http.answer(status, "{}");
        let _ = runtime.block_on(perform(&http, &rows()));
    }
}
