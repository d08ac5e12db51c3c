//! The spreadsheet that rows go to: the one named by its id, or the one made here and marked so that it is found again.
//!
//! Made by Drive, because only there a file can be marked (`appProperties`): a second attempt finds the first one's.

use aws_lc_rs::digest::{SHA256, digest};
use http::Method;
use serde_json::{Value, json};

use super::{SPREADSHEETS, call, encoded};
use crate::connector::Cx;
use crate::failure::Failure;
use crate::google::Call;

const FILES: &str = "https://www.googleapis.com/drive/v3/files";
const KIND: &str = "application/vnd.google-apps.spreadsheet";
const TITLE_MAX: usize = 200;

/// A spreadsheet with its sheets.
pub(super) struct Place {
    pub id: String,
    pub url: String,
    sheets: Vec<Sheet>,
}

/// A sheet and its size.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub id: i64,
    pub title: String,
    pub rows: u64,
    columns: u64,
}

/// The spreadsheet of this id.
pub(super) async fn of_id(cx: &Cx<'_>, id: &str) -> Result<Place, Failure> {
    if !is_id(id) {
        return Err(Failure::rejected("spreadsheet_invalid", "this is no spreadsheet's id"));
    }
    let fields = "spreadsheetUrl,sheets.properties(sheetId,title,gridProperties(rowCount,columnCount))";
    let address = format!("{SPREADSHEETS}/{id}?fields={}", encoded(fields));
    let body = call(cx, Method::GET, &address, None, Call::Repeatable).await?;
    let sheets: Vec<Sheet> = body
        .get("sheets")
        .and_then(Value::as_array)
        .map(|sheets| sheets.iter().filter_map(|sheet| Sheet::read(sheet.get("properties")?)).collect())
        .unwrap_or_default();
    let url = body.get("spreadsheetUrl").and_then(Value::as_str).filter(|url| url.starts_with("http"));
    if sheets.is_empty() {
        return Err(Failure::retryable("answer_unreadable", "Google's answer has no sheets"));
    }
    let usual = || format!("https://docs.google.com/spreadsheets/d/{id}/edit");
    Ok(Place { id: id.to_owned(), url: url.map_or_else(usual, str::to_owned), sheets })
}

/// The one that was made here under this title.
pub(super) async fn of_title(cx: &Cx<'_>, title: &str) -> Result<Place, Failure> {
    of_key(cx, title, title).await
}

/// The one that was made here for this key, or a new one.
pub(super) async fn of_key(cx: &Cx<'_>, key: &str, title: &str) -> Result<Place, Failure> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > TITLE_MAX || title.chars().any(char::is_control) {
        return Err(Failure::rejected("title_invalid", format!("a title has 1 to {TITLE_MAX} characters")));
    }
    let mark = mark(key);
    let query = format!(
        "appProperties has {{ key='santral' and value='{mark}' }} and mimeType='{KIND}' and trashed=false"
    );
    let address = format!(
        "{FILES}?q={}&orderBy=createdTime&pageSize=1&fields={}",
        encoded(&query),
        encoded("files(id)")
    );
    let found = call(cx, Method::GET, &address, None, Call::Repeatable).await?;
    let files = found.get("files").and_then(Value::as_array);
    let files = files.ok_or_else(|| Failure::retryable("answer_unreadable", "Google lists no files"))?;
    let id = match files.first() {
        Some(file) => id_of(file)?,
        None => {
            let body = json!({"name": title, "mimeType": KIND, "appProperties": {"santral": mark}});
            let address = format!("{FILES}?fields=id");
            // Made twice in doubt, the older one is used: nothing is lost by another empty file.
            id_of(&call(cx, Method::POST, &address, Some(body), Call::Repeatable).await.map_err(once_more)?)?
        }
    };
    of_id(cx, &id).await
}

/// An empty file more is no harm, so making one may be repeated.
fn once_more(failure: Failure) -> Failure {
    match failure.kind {
        crate::failure::FailureKind::Unconfirmed => Failure::retryable(failure.code, failure.detail),
        _ => failure,
    }
}

fn id_of(file: &Value) -> Result<String, Failure> {
    let id = file.get("id").and_then(Value::as_str).filter(|id| is_id(id));
    id.map(str::to_owned).ok_or_else(|| Failure::retryable("answer_unreadable", "Google names no file"))
}

fn is_id(id: &str) -> bool {
    (10..=120).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Short and plain, whatever the key is: a property holds 124 bytes.
fn mark(key: &str) -> String {
    let hash = digest(&SHA256, key.trim().as_bytes());
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Sheet {
    fn read(properties: &Value) -> Option<Self> {
        let size = |key: &str| properties.pointer(key).and_then(Value::as_u64).unwrap_or(0);
        Some(Self {
            id: properties.get("sheetId")?.as_i64()?,
            title: properties.get("title")?.as_str()?.to_owned(),
            rows: size("/gridProperties/rowCount"),
            columns: size("/gridProperties/columnCount"),
        })
    }

    /// Makes the sheet at least this large.
    pub(super) async fn make_room(
        &self,
        cx: &Cx<'_>,
        place: &Place,
        rows: u64,
        columns: u64,
    ) -> Result<(), Failure> {
        if self.rows >= rows && self.columns >= columns {
            return Ok(());
        }
        let grid = json!({"rowCount": self.rows.max(rows), "columnCount": self.columns.max(columns)});
        let request = json!({"updateSheetProperties": {
            "properties": {"sheetId": self.id, "gridProperties": grid},
            "fields": "gridProperties.rowCount,gridProperties.columnCount",
        }});
        place.change(cx, request).await.map(drop)
    }
}

impl Place {
    /// The sheet of this name, made where there is none; without a name the first one.
    pub(super) async fn sheet(&self, cx: &Cx<'_>, title: Option<&str>) -> Result<Sheet, Failure> {
        let title = title.map(str::trim).filter(|title| !title.is_empty());
        let found = match title {
            None => self.sheets.first(),
            Some(title) => self.sheets.iter().find(|sheet| sheet.title == title),
        };
        if let Some(found) = found {
            return Ok(found.clone());
        }
        let title = title.unwrap_or_default();
        if title.chars().count() > 100 || title.chars().any(char::is_control) {
            return Err(Failure::rejected("title_invalid", "a sheet's name has at most 100 characters"));
        }
        let answer = self.change(cx, json!({"addSheet": {"properties": {"title": title}}})).await?;
        let added = answer.pointer("/replies/0/addSheet/properties").and_then(Sheet::read);
        added.ok_or_else(|| Failure::retryable("answer_unreadable", "Google names no sheet"))
    }

    /// One change of the structure; made again, it changes nothing more or is refused.
    async fn change(&self, cx: &Cx<'_>, request: Value) -> Result<Value, Failure> {
        let address = format!("{SPREADSHEETS}/{}:batchUpdate", self.id);
        let changed =
            call(cx, Method::POST, &address, Some(json!({"requests": [request]})), Call::Repeatable).await;
        changed.map_err(once_more)
    }
}
