//! Google Sheets and as much of Drive as making and finding spreadsheets takes, for the scope `drive.file`.
//!
//! <https://developers.google.com/workspace/sheets/api/reference/rest>

mod a1;

use std::collections::HashMap;
use std::sync::Mutex;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::a1::Range;
use super::oauth::{Denied, OauthPlace, Person, Vendor, bearer};
use crate::http::App;
use crate::queue::locked;

const SCOPE: &str = "https://www.googleapis.com/auth/drive.file";
const KIND: &str = "application/vnd.google-apps.spreadsheet";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/drive/v3/files", get(find).post(make))
        .route("/v4/spreadsheets/{id}", get(show).post(change))
        .route("/v4/spreadsheets/{id}/values:batchGet", get(batch_get))
        .route("/v4/spreadsheets/{id}/values/{range}", post(append).put(update))
        .route("/sheets.json", get(all))
}

/// All spreadsheets.
#[derive(Debug, Default)]
pub struct Sheets(Mutex<Vec<Spreadsheet>>);

/// A spreadsheet as it is stored.
#[derive(Debug, Clone, Serialize)]
pub struct Spreadsheet {
    pub id: String,
    pub name: String,
    pub owner: &'static str,
    #[serde(skip)]
    properties: HashMap<String, String>,
    pub sheets: Vec<Sheet>,
}

/// One sheet of it, with the cells that are filled.
#[derive(Debug, Clone, Serialize)]
pub struct Sheet {
    pub title: String,
    rows: u64,
    columns: u64,
    pub cells: Vec<Vec<Value>>,
}

impl Sheets {
    /// All spreadsheets, oldest first.
    pub fn all(&self) -> Vec<Spreadsheet> {
        locked(&self.0).clone()
    }
}

impl Sheet {
    fn new(title: &str) -> Self {
        Self { title: title.to_owned(), rows: 1_000, columns: 26, cells: Vec::new() }
    }

    fn set(&mut self, (column, row): (usize, usize), value: Value) {
        // Null leaves a cell as it is.
        if value.is_null() {
            return;
        }
        if self.cells.len() <= row {
            self.cells.resize(row + 1, Vec::new());
        }
        let Some(cells) = self.cells.get_mut(row) else { return };
        if cells.len() <= column {
            cells.resize(column + 1, json!(""));
        }
        if let Some(cell) = cells.get_mut(column) {
            *cell = value;
        }
    }

    fn shown(&self, id: usize) -> Value {
        json!({"properties": {"sheetId": id, "title": self.title,
            "gridProperties": {"rowCount": self.rows, "columnCount": self.columns}}})
    }

    /// Rows up to the last filled one.
    fn filled(&self) -> usize {
        let is_filled = |row: &Vec<Value>| row.iter().any(|cell| cell != "");
        self.cells.iter().rposition(is_filled).map_or(0, |last| last + 1)
    }
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Person, Response> {
    if let Some(trouble) = app.oauth.strike(OauthPlace::Api).await {
        return Err(trouble);
    }
    match app.oauth.access(Vendor::Google, bearer(headers), &[SCOPE]) {
        Ok(access) => Ok(access.person()),
        Err(Denied::Token) => Err(error(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        )),
        Err(Denied::Scope) => {
            let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED",
                "message": "Request had insufficient authentication scopes.",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}});
            Err((StatusCode::FORBIDDEN, Json(body)).into_response())
        }
    }
}

async fn all(State(app): State<App>) -> Response {
    Json(app.sheets.all()).into_response()
}

type Parameters = HashMap<String, String>;

/// Finds by a mark that the app put on a file, which is the one query that is understood here.
async fn find(State(app): State<App>, headers: HeaderMap, Query(query): Query<Parameters>) -> Response {
    let person = match caller(&app, &headers).await {
        Ok(person) => person,
        Err(refused) => return refused,
    };
    let q = query.get("q").map(String::as_str).unwrap_or_default();
    let wanted = q
        .strip_prefix("appProperties has { key='")
        .and_then(|rest| rest.split_once("' and value='"))
        .and_then(|(key, rest)| {
            let (value, rest) = rest.split_once("' } and mimeType='")?;
            (rest == format!("{KIND}' and trashed=false")).then_some((key, value))
        });
    let Some((key, value)) = wanted else {
        return error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "Invalid Value: q");
    };
    let files: Vec<Value> = locked(&app.sheets.0)
        .iter()
        .filter(|file| {
            file.owner == person.email && file.properties.get(key).is_some_and(|found| found == value)
        })
        .map(|file| json!({"id": file.id}))
        .collect();
    Json(json!({"files": files})).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewFile {
    name: String,
    mime_type: String,
    app_properties: HashMap<String, String>,
}

async fn make(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let person = match caller(&app, &headers).await {
        Ok(person) => person,
        Err(refused) => return refused,
    };
    let file = serde_json::from_slice::<NewFile>(&body).ok().filter(|file| file.mime_type == KIND);
    let Some(file) = file else {
        return error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "Only spreadsheets are made here.");
    };
    let mut files = locked(&app.sheets.0);
    let id = format!("1SandboxSpreadsheet{:05}", files.len() + 1);
    files.push(Spreadsheet {
        id: id.clone(),
        name: file.name,
        owner: person.email,
        properties: file.app_properties,
        sheets: vec![Sheet::new("Sayfa1")],
    });
    drop(files);
    app.oauth.answer(OauthPlace::Api, Json(json!({"id": id})).into_response())
}

/// Does something with the spreadsheet of this id, if it is the caller's.
async fn with(
    app: &App,
    headers: &HeaderMap,
    id: &str,
    what: impl FnOnce(&mut Spreadsheet) -> Result<Value, String>,
) -> Response {
    let person = match caller(app, headers).await {
        Ok(person) => person,
        Err(refused) => return refused,
    };
    let mut files = locked(&app.sheets.0);
    let Some(file) = files.iter_mut().find(|file| file.id == id && file.owner == person.email) else {
        return error(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.");
    };
    let done = what(file);
    drop(files);
    match done {
        Ok(answer) => app.oauth.answer(OauthPlace::Api, Json(answer).into_response()),
        Err(why) => error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", &why),
    }
}

async fn show(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    with(&app, &headers, &id, |file| {
        let sheets: Vec<Value> = file.sheets.iter().enumerate().map(|(id, sheet)| sheet.shown(id)).collect();
        let url = format!("https://docs.google.com/spreadsheets/d/{}/edit", file.id);
        Ok(json!({"spreadsheetUrl": url, "sheets": sheets}))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    requests: Vec<Value>,
}

async fn change(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>, body: Bytes) -> Response {
    let Some(id) = id.strip_suffix(":batchUpdate") else {
        return error(StatusCode::NOT_FOUND, "NOT_FOUND", "There is no such method.");
    };
    with(&app, &headers, id, |file| {
        let changes: Changes = serde_json::from_slice(&body).map_err(|why| why.to_string())?;
        let replies: Result<Vec<_>, _> =
            changes.requests.iter().map(|request| file.change(request)).collect();
        Ok(json!({"spreadsheetId": file.id, "replies": replies?}))
    })
    .await
}

impl Spreadsheet {
    fn change(&mut self, request: &Value) -> Result<Value, String> {
        if let Some(title) = request.pointer("/addSheet/properties/title").and_then(Value::as_str) {
            if self.sheets.iter().any(|sheet| sheet.title == title) {
                return Err(format!("A sheet with the name \"{title}\" already exists."));
            }
            self.sheets.push(Sheet::new(title));
            let id = self.sheets.len() - 1;
            let added = self.sheets.last().map(|sheet| sheet.shown(id)).unwrap_or_default();
            return Ok(json!({"addSheet": added}));
        }
        let update = request.get("updateSheetProperties").ok_or("Unknown request")?;
        let number = |pointer: &str| update.pointer(pointer).and_then(Value::as_u64).ok_or("Missing number");
        let id = usize::try_from(number("/properties/sheetId")?).unwrap_or(usize::MAX);
        let sheet = self.sheets.get_mut(id).ok_or("No such sheet")?;
        if update.get("fields").and_then(Value::as_str)
            != Some("gridProperties.rowCount,gridProperties.columnCount")
        {
            return Err("Unknown fields".to_owned());
        }
        sheet.rows = number("/properties/gridProperties/rowCount")?;
        sheet.columns = number("/properties/gridProperties/columnCount")?;
        Ok(json!({}))
    }

    fn sheet(&mut self, range: &Range) -> Result<&mut Sheet, String> {
        let found = self.sheets.iter_mut().find(|sheet| sheet.title == range.sheet);
        found.ok_or_else(|| format!("Unable to parse range: {}", range.text))
    }
}

async fn batch_get(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    with(&app, &headers, &id, |file| {
        let by_columns = query.iter().any(|(name, value)| name == "majorDimension" && value == "COLUMNS");
        let mut values = Vec::new();
        for (_, text) in query.iter().filter(|(name, _)| name == "ranges") {
            let range = Range::parse(text)?;
            let sheet = file.sheet(&range)?;
            let cells = range.cells(&sheet.cells);
            let cells = if by_columns { transposed(&cells) } else { cells };
            let mut shown =
                json!({"range": text, "majorDimension": if by_columns { "COLUMNS" } else { "ROWS" }});
            if !cells.is_empty() {
                shown["values"] = json!(cells);
            }
            values.push(shown);
        }
        Ok(json!({"spreadsheetId": file.id, "valueRanges": values}))
    })
    .await
}

fn transposed(rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<Value>, column: usize| row.get(column).cloned().unwrap_or_else(|| json!(""));
    (0..width).map(|column| rows.iter().map(|row| cell(row, column)).collect()).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValueRange {
    range: Option<String>,
    major_dimension: Option<String>,
    values: Vec<Vec<Value>>,
}

fn values(query: &Parameters, body: &Bytes) -> Result<ValueRange, String> {
    if query.get("valueInputOption").map(String::as_str) != Some("RAW") {
        return Err("'valueInputOption' is required; only RAW is taken here".to_owned());
    }
    let values: ValueRange = serde_json::from_slice(body).map_err(|why| why.to_string())?;
    if values.major_dimension.as_deref().is_some_and(|dimension| dimension != "ROWS") {
        return Err("Invalid majorDimension".to_owned());
    }
    if values.values.iter().flatten().any(|cell| cell.is_array() || cell.is_object()) {
        return Err("Invalid values: struct_value".to_owned());
    }
    Ok(values)
}

async fn append(
    State(app): State<App>,
    headers: HeaderMap,
    Path((id, range)): Path<(String, String)>,
    Query(query): Query<Parameters>,
    body: Bytes,
) -> Response {
    let appended = with(&app, &headers, &id, |file| {
        let range = range.strip_suffix(":append").ok_or("There is no such method.")?;
        let range = Range::parse(range)?;
        let new = values(&query, &body)?.values;
        let sheet = file.sheet(&range)?;
        let first = sheet.filled();
        for (row, cells) in new.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                sheet.set((range.first.0 + column, first + row), cell.clone());
            }
        }
        sheet.rows += new.len() as u64;
        let at = format!("'{}'!A{}", range.sheet, first + 1);
        Ok(json!({"spreadsheetId": id, "updates": {"updatedRange": at, "updatedRows": new.len()}}))
    })
    .await;
    app.oauth.answer(OauthPlace::Append, appended)
}

async fn update(
    State(app): State<App>,
    headers: HeaderMap,
    Path((id, range)): Path<(String, String)>,
    Query(query): Query<Parameters>,
    body: Bytes,
) -> Response {
    with(&app, &headers, &id, |file| {
        let parsed = Range::parse(&range)?;
        let new = values(&query, &body)?;
        if new.range.is_some_and(|named| named != range) {
            return Err("Requested writing within another range than named".to_owned());
        }
        let sheet = file.sheet(&parsed)?;
        for (row, cells) in new.values.iter().enumerate() {
            let at = parsed.first.1 + row;
            if at as u64 >= sheet.rows || (parsed.first.0 + cells.len()) as u64 > sheet.columns {
                return Err(format!("Range ({range}) exceeds grid limits."));
            }
            for (column, cell) in cells.iter().enumerate() {
                sheet.set((parsed.first.0 + column, at), cell.clone());
            }
        }
        Ok(json!({"spreadsheetId": id, "updatedRange": range, "updatedRows": new.values.len()}))
    })
    .await
}

/// An error in Google's newer shape.
fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"error": {"code": status.as_u16(), "message": message, "status": kind}});
    (status, Json(body)).into_response()
}
