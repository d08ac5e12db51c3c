//! Google Sheets: rows for a spreadsheet of the company's own.
//!
//! <https://developers.google.com/workspace/sheets/api/reference/rest>
//!
//! With `drive.file` only spreadsheets are seen that were made here (or picked by the person). Values go `RAW`: nothing
//! that comes from a customer is ever taken for a formula. Appending has no idempotency of its own, so every row carries
//! a key in a column after the others, and what is there already is not written again.

mod a1;
mod place;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use self::a1::{column, range};
use self::place::{Place, Sheet};
use crate::capability::Capabilities;
use crate::connector::{Action, Category, Connector, Cx, Perform};
use crate::failure::Failure;
use crate::google::{self, Call};
use crate::manifest::{Auth, Limits, OAuth, Rate};
use crate::operation::{AppendRows, Cell, Check, Checked, RowsWritten, WriteRows};

#[derive(Debug)]
pub struct Sheets;

pub static CONNECTOR: Connector = Connector {
    id: "google_sheets",
    name: "Google Sheets",
    category: Category::Google,
    channel: None,
    auth: Auth::OAuth(OAuth {
        idp: &crate::idp::google::IDP,
        scopes: &["https://www.googleapis.com/auth/drive.file"],
        optional_scopes: &[],
        check_asks_idp: true,
    }),
    fields: &[],
    complete: None,
    presets: &[],
    limits: Limits {
        // 60 reads and 60 writes a minute and user; an append reads up to three times.
        rates: &[Rate { count: 20, window: Duration::from_secs(60) }],
        // Appends to one sheet come one after the other.
        concurrency: 1,
        deadline: Duration::from_secs(120),
        // The key column tells repeats.
        idempotent: true,
        receipts: false,
    },
    docs_url: "https://developers.google.com/workspace/sheets/api/reference/rest",
    actions: &[Action::Check(&Sheets), Action::AppendRows(&Sheets), Action::WriteRows(&Sheets)],
    capabilities: Capabilities::NONE,
};

const SPREADSHEETS: &str = "https://sheets.googleapis.com/v4/spreadsheets";
/// The header of the column that tells repeats.
pub const KEY_COLUMN: &str = "Santral No";
/// An attempt whose answer was lost is looked up soon after: its row is among the last so many.
const TAIL: u64 = 4_000;
/// Characters of a cell.
const CELL_MAX: usize = 50_000;
const COLUMNS_MAX: usize = 200;

#[async_trait]
impl Perform<Check> for Sheets {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        google::check(cx).await
    }
}

#[async_trait]
impl Perform<AppendRows> for Sheets {
    async fn perform(&self, cx: &Cx<'_>, op: &AppendRows) -> Result<RowsWritten, Failure> {
        let columns = vet(&op.columns, &op.rows)?;
        let place = match &op.spreadsheet {
            Some(id) => place::of_id(cx, id).await?,
            None => place::of_title(cx, &op.title).await?,
        };
        let sheet = place.sheet(cx, op.sheet.as_deref()).await?;
        let seen = look(cx, &place, &sheet, columns).await?;
        let keyed: Vec<Vec<Cell>> = op
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| keyed(row, columns, key(cx, index)))
            .filter(|row| {
                !row.last().and_then(Value::as_str).is_some_and(|key| seen.keys.iter().any(|k| k == key))
            })
            .collect();
        let written = |range| RowsWritten { spreadsheet: place.id.clone(), url: place.url.clone(), range };
        if keyed.is_empty() {
            return Ok(written(None));
        }
        if seen.is_empty {
            let mut header: Vec<Cell> = op.columns.iter().map(|column| json!(column)).collect();
            header.push(json!(KEY_COLUMN));
            put(cx, &place.id, &range(&sheet.title, (0, 0), (columns, 0)), &[header]).await?;
        }
        let at = range(&sheet.title, (0, 0), (columns, 0));
        let answer = append(cx, &place.id, &at, &keyed).await?;
        let range = answer.pointer("/updates/updatedRange").and_then(Value::as_str);
        Ok(written(range.map(|range| range.chars().take(200).collect())))
    }
}

#[async_trait]
impl Perform<WriteRows> for Sheets {
    async fn perform(&self, cx: &Cx<'_>, op: &WriteRows) -> Result<RowsWritten, Failure> {
        let columns = vet(&op.columns, &op.rows)?;
        let place = place::of_key(cx, &op.key, &op.title).await?;
        let sheet = place.sheet(cx, None).await?;
        sheet.make_room(cx, &place, u64::from(op.total) + 1, columns as u64).await?;
        let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(op.rows.len() + 1);
        let mut first = u64::from(op.offset) + 1;
        if op.offset == 0 {
            rows.push(op.columns.iter().map(|column| json!(column)).collect());
            first = 0;
        }
        rows.extend(op.rows.iter().cloned());
        let last = first + (rows.len() as u64).saturating_sub(1);
        let at = range(&sheet.title, (0, first), (columns.saturating_sub(1), last));
        put(cx, &place.id, &at, &rows).await?;
        Ok(RowsWritten { spreadsheet: place.id, url: place.url, range: Some(at) })
    }
}

/// The number of columns, when columns and rows are ones that a sheet can hold.
fn vet(columns: &[String], rows: &[Vec<Cell>]) -> Result<usize, Failure> {
    let bad = |code: &'static str, detail: String| Err(Failure::rejected(code, detail));
    if columns.is_empty() || columns.len() > COLUMNS_MAX {
        return bad("columns_invalid", format!("1 to {COLUMNS_MAX} columns are possible"));
    }
    for row in rows {
        if row.len() > columns.len() {
            return bad("row_invalid", "a row has more cells than there are columns".to_owned());
        }
        for cell in row {
            match cell {
                Value::Array(_) | Value::Object(_) => {
                    return bad("row_invalid", "a cell is neither text, number nor truth value".to_owned());
                }
                Value::String(text) if text.chars().count() > CELL_MAX => {
                    return bad("row_invalid", format!("a cell has more than {CELL_MAX} characters"));
                }
                _ => {}
            }
        }
    }
    Ok(columns.len())
}

/// Tells a row's repeats: the delivery, and which of its rows it is.
fn key(cx: &Cx<'_>, index: usize) -> String {
    match index {
        0 => cx.idempotency_key.to_owned(),
        _ => format!("{}-{}", cx.idempotency_key, index + 1),
    }
}

/// A row as wide as the header, with its key at the end. An empty text clears a cell, where null would skip it.
fn keyed(row: &[Cell], columns: usize, key: String) -> Vec<Cell> {
    let mut row = row.to_vec();
    row.resize(columns, Value::Null);
    row.iter_mut().filter(|cell| cell.is_null()).for_each(|cell| *cell = json!(""));
    row.push(json!(key));
    row
}

/// What the sheet has: whether it is empty, and the keys of its last rows.
struct Seen {
    is_empty: bool,
    keys: Vec<String>,
}

async fn look(cx: &Cx<'_>, place: &Place, sheet: &Sheet, columns: usize) -> Result<Seen, Failure> {
    let header = range(&sheet.title, (0, 0), (columns, 0));
    let from = sheet.rows.saturating_sub(TAIL);
    let keys = format!("{}{}:{}", a1::prefix(&sheet.title), a1::cell(columns, from), column(columns));
    let query = [header, keys].map(|range| format!("ranges={}", encoded(&range))).join("&");
    let address = format!("{SPREADSHEETS}/{}/values:batchGet?{query}&majorDimension=COLUMNS", place.id);
    let body = call(cx, Method::GET, &address, None, Call::Repeatable).await?;
    let ranges = body.get("valueRanges").and_then(Value::as_array);
    let values = |index: usize| {
        let range = ranges.and_then(|ranges| ranges.get(index))?;
        Some(range.get("values").and_then(Value::as_array).cloned().unwrap_or_default())
    };
    let (Some(header), Some(keys)) = (values(0), values(1)) else {
        return Err(Failure::retryable("answer_unreadable", "Google's answer has no values"));
    };
    let texts = |column: &Value| -> Vec<String> {
        column.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(Seen { is_empty: header.is_empty(), keys: keys.iter().flat_map(texts).collect() })
}

async fn put(cx: &Cx<'_>, spreadsheet: &str, at: &str, rows: &[Vec<Cell>]) -> Result<Value, Failure> {
    let address = format!("{SPREADSHEETS}/{spreadsheet}/values/{}?valueInputOption=RAW", encoded(at));
    let body = json!({"range": at, "majorDimension": "ROWS", "values": rows});
    call(cx, Method::PUT, &address, Some(body), Call::Repeatable).await
}

async fn append(cx: &Cx<'_>, spreadsheet: &str, at: &str, rows: &[Vec<Cell>]) -> Result<Value, Failure> {
    let address = format!(
        "{SPREADSHEETS}/{spreadsheet}/values/{}:append?valueInputOption=RAW&insertDataOption=INSERT_ROWS\
         &includeValuesInResponse=false",
        encoded(at)
    );
    let body = json!({"majorDimension": "ROWS", "values": rows});
    call(cx, Method::POST, &address, Some(body), Call::NotRepeatable).await
}

/// Calls Google and reads what it answers.
async fn call(
    cx: &Cx<'_>,
    method: Method,
    address: &str,
    body: Option<Value>,
    repeat: Call,
) -> Result<Value, Failure> {
    let mut request = google::request(cx, method, address)?;
    if let Some(body) = body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Bytes::from(body.to_string());
    }
    let answer = cx.http.send(request).await?;
    if !answer.status().is_success() {
        return Err(google::classify(cx, &answer, repeat));
    }
    serde_json::from_slice(answer.body()).map_err(|_| match repeat {
        Call::Repeatable => Failure::retryable("answer_unreadable", "Google's answer cannot be read"),
        Call::NotRepeatable => Failure::unconfirmed("answer_unreadable", "Google's answer cannot be read"),
    })
}

/// Safe in a path segment and in a query alike.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests;
