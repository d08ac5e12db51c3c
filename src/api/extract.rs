//! What comes in: bodies with a size and a time, JSON with the place of every mistake, pages of lists.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;

/// The usual most of a body.
pub const BODY: usize = 1024 * 1024;
/// A client that sends slower than this is not served.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Reads a body of at most `limit` bytes within the time that is given to bodies.
///
/// # Errors
/// `too_large`; `invalid_request` when it breaks off or takes too long.
pub async fn read_body(body: Body, limit: usize) -> AppResult<Bytes> {
    let collected = tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(AppError::new(Code::TooLarge).detail(
            format!("En çok {limit} bayt gönderilebilir."),
            format!("At most {limit} bytes can be sent."),
        )),
        Ok(Err(_)) => Err(AppError::new(Code::InvalidRequest)
            .detail("İstek gövdesi yarıda kesildi.", "The request's body broke off.")),
        Err(_) => Err(AppError::new(Code::InvalidRequest)
            .detail("İstek gövdesi çok yavaş geldi.", "The request's body came too slowly.")),
    }
}

/// A JSON body of at most [`BODY`] bytes.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, _: &AppState) -> AppResult<Self> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        parse(&read_body(body, BODY).await?).map(Self)
    }
}

/// Refuses what does not call itself JSON.
///
/// # Errors
/// `unsupported_media_type`.
pub fn require_json(headers: &HeaderMap) -> AppResult<()> {
    let essence = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = essence.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    Err(AppError::new(Code::UnsupportedMediaType)
        .detail("Content-Type: application/json bekleniyor.", "Content-Type: application/json is expected."))
}

/// Reads JSON and names the place of the first mistake. What was sent is never repeated: it may hold a secret.
///
/// # Errors
/// `invalid_request` when it is no JSON, `invalid_fields` when it has another shape.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> AppResult<T> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| {
        let place = format!("{}:{}", error.line(), error.column());
        AppError::new(Code::InvalidRequest).detail(
            format!("Gövde geçerli bir JSON değil (satır:sütun {place})."),
            format!("The body is not valid JSON (line:column {place})."),
        )
    })?;
    shape(value)
}

/// Gives JSON its shape and names the place of the first mistake, as [`parse`] does.
///
/// # Errors
/// `invalid_fields`.
pub fn shape<T: DeserializeOwned>(value: serde_json::Value) -> AppResult<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer = pointer(error.path());
        let what = without_values(&error.into_inner().to_string());
        AppError::field(
            pointer,
            "invalid",
            format!("Beklenen biçimde değil: {what}."),
            format!("Not of the expected form: {what}."),
        )
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut pointer, segment| {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Segment::Unknown => {}
        }
        pointer
    })
}

/// serde says `invalid type: string "hunter2", expected …`: the value goes, the rest stays.
fn without_values(message: &str) -> String {
    let mut kept = String::new();
    for (index, part) in message.split('"').enumerate() {
        if index % 2 == 0 {
            kept.push_str(part.trim_end());
        }
    }
    let kept = kept.replace(" ,", ",");
    kept.chars().take(200).collect()
}

/// Which part of a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1 to 100; 50 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-f]{32}$")]
    cursor: Option<String>,
}

/// A part of a list, in the order of creation: where it begins and how long it may be.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub after: Option<Uuid>,
    pub limit: i64,
}

impl PageQuery {
    /// # Errors
    /// `invalid_fields` for a limit out of range or a cursor that is none.
    pub fn page(&self) -> AppResult<Page> {
        let limit = self.limit.unwrap_or(50);
        if !(1..=100).contains(&limit) {
            return Err(AppError::field(
                "/limit",
                "out_of_range",
                "1 ile 100 arasında olmalı.",
                "Must be from 1 to 100.",
            ));
        }
        let after = self.cursor.as_deref().map(Uuid::try_parse).transpose().map_err(|_| {
            AppError::field("/cursor", "invalid", "Geçerli bir imleç değil.", "Not a valid cursor.")
        })?;
        Ok(Page { after, limit })
    }
}

/// A part of a list, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Give it as `cursor` to go on; null at the end, and only there: a part can have few items, or none, when its
    /// filter matches few.
    pub next_cursor: Option<String>,
}

impl Page {
    /// Makes the answer from one row more than asked for; `id` tells a row's place.
    pub fn list<R, T>(self, mut rows: Vec<R>, id: impl Fn(&R) -> Uuid, show: impl FnMut(R) -> T) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more { rows.last().map(|row| cursor(id(row))) } else { None };
        List { items: rows.into_iter().map(show).collect(), next_cursor }
    }

    /// How many rows to ask the database for: one more than shown, to know whether there are more.
    pub const fn fetch(self) -> i64 {
        self.limit + 1
    }
}

/// A place in a list, as clients give it back.
pub fn cursor(place: Uuid) -> String {
    place.simple().to_string()
}

/// The query string, with the place of a mistake.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, app).await;
        query.map(|query| Self(query.0)).map_err(|_| {
            AppError::field(
                "",
                "invalid_query",
                "Sorgu parametreleri okunamadı.",
                "The query parameters cannot be read.",
            )
        })
    }
}

/// The language of the answer, by `Accept-Language`.
#[derive(Debug)]
pub struct Language(pub Lang);

impl FromRequestParts<AppState> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        let header = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(Lang::from_accept_language(header)))
    }
}

/// One id from the path. What is no id of the kind does not exist.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<T: std::str::FromStr + Send> FromRequestParts<AppState> for Id<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, app).await;
        path.ok().and_then(|path| path.0.parse().ok()).map(Self).ok_or_else(AppError::not_found)
    }
}

/// Two ids from the path, such as a company and one of its keys.
#[derive(Debug)]
pub struct Ids<A, B>(pub A, pub B);

impl<A: std::str::FromStr + Send, B: std::str::FromStr + Send> FromRequestParts<AppState> for Ids<A, B> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        let path = axum::extract::Path::<(String, String)>::from_request_parts(parts, app).await;
        let ids = path.ok().and_then(|path| Some(Self(path.0.0.parse().ok()?, path.0.1.parse().ok()?)));
        ids.ok_or_else(AppError::not_found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        #[expect(dead_code, reason = "only its type matters")]
        secret: u32,
    }

    #[test]
    fn a_mistake_is_placed_and_the_value_not_repeated() {
        let error = parse::<Sample>(br#"{"secret":"hunter2"}"#).expect_err("a text is no number");
        assert_eq!(error.errors[0].pointer, "/secret");
        assert!(!error.errors[0].detail.en.contains("hunter2"), "{}", error.errors[0].detail.en);
    }

    #[test]
    fn a_page_says_whether_there_are_more() {
        let page = Page { after: None, limit: 2 };
        let ids: Vec<_> = (1..=3).map(Uuid::from_u128).collect();
        let list = page.list(ids.clone(), |id| *id, |id| id);
        assert_eq!(list.items, ids[..2]);
        assert_eq!(list.next_cursor, Some(ids[1].simple().to_string()));
        assert_eq!(page.list(ids[..2].to_vec(), |id| *id, |id| id).next_cursor, None);
    }
}
