//! What the HTTP API answers when it cannot do what was asked: RFC 9457 problems with a closed set of codes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::automation::Problem;
use crate::db;
use crate::i18n::{Bilingual, Lang};
use crate::ingest::Refused;
use crate::vault::VaultError;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:ident $tr:literal $en:literal;)+) => {
        /// Every code an answer can carry. Published: a code is never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),+ }
            }

            pub const fn title(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$name, Lang::Tr) => $tr, (Self::$name, Lang::En) => $en),+
                }
            }
        }
    };
}

/// utoipa's derive does not see names that come through a macro.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build().into()
    }
}

impl ToSchema for Code {}

codes! {
    InvalidRequest = "invalid_request" BAD_REQUEST "İstek okunamadı" "The request cannot be read";
    CompanyRequired = "company_required" BAD_REQUEST "Şirket belirtilmedi" "No company named";
    Unauthenticated = "unauthenticated" UNAUTHORIZED "Geçerli bir anahtar gerekli" "A valid key is needed";
    Forbidden = "forbidden" FORBIDDEN "Bu anahtar buna yetkili değil" "This key may not do that";
    NotFound = "not_found" NOT_FOUND "Bulunamadı" "Not found";
    MethodNotAllowed = "method_not_allowed" METHOD_NOT_ALLOWED "Bu adres bu yöntemi kabul etmiyor" "This address does not take this method";
    LinkExpired = "link_expired" GONE "Bu bağlantının süresi doldu" "This link is used up";
    Conflict = "conflict" CONFLICT "Mevcut durumla çelişiyor" "It conflicts with what is there";
    InFlight = "in_flight" CONFLICT "Gönderim sürüyor" "It is being sent right now";
    NotRetryable = "not_retryable" CONFLICT "Bu gönderim yeniden denenemez" "This delivery cannot be retried";
    AlreadyFinal = "already_final" CONFLICT "Gönderim sonuçlanmış" "The delivery is already over";
    TooLarge = "too_large" PAYLOAD_TOO_LARGE "İstek çok büyük" "The request is too large";
    UnsupportedMediaType = "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "Bu içerik türü kabul edilmiyor" "This content type is not accepted";
    InvalidFields = "invalid_fields" UNPROCESSABLE_ENTITY "Bazı alanlar hatalı" "Some fields are not right";
    IdempotencyKeyReused = "idempotency_key_reused" UNPROCESSABLE_ENTITY "Bu anahtar başka bir istekte kullanıldı" "This idempotency key was used for another request";
    CredentialsRefused = "credentials_refused" UNPROCESSABLE_ENTITY "Servis bağlantıyı kabul etmedi" "The service did not accept the connection";
    NoConnection = "no_connection" UNPROCESSABLE_ENTITY "Bu kanala bağlı bir hesap yok" "No account is connected for this channel";
    /// The channel's emergency stop is on.
    ChannelStopped = "channel_stopped" CONFLICT "Bu kanal durduruldu" "This channel is stopped";
    LimitReached = "limit_reached" TOO_MANY_REQUESTS "Günlük sınıra ulaşıldı" "The day's limit is reached";
    /// A vendor that was asked on somebody's behalf gave no usable answer.
    VendorFailed = "vendor_failed" BAD_GATEWAY "Servis isteği yerine getirmedi" "The service did not do what was asked";
    Busy = "busy" SERVICE_UNAVAILABLE "Sunucu şu anda çok meşgul" "The server is too busy right now";
    Unavailable = "unavailable" SERVICE_UNAVAILABLE "Veritabanına ulaşılamıyor" "The database cannot be reached";
    Internal = "internal" INTERNAL_SERVER_ERROR "Beklenmeyen bir hata oluştu" "Something unexpected went wrong";
}

/// Everything a handler can fail with. The cause is logged once, here at the edge, and never sent.
#[derive(Debug, Clone)]
pub struct AppError {
    pub code: Code,
    pub detail: Option<Bilingual>,
    /// What is wrong where, for [`Code::InvalidFields`].
    pub errors: Vec<Problem>,
    retry_after: Option<u32>,
}

/// The result of a handler.
pub type AppResult<T> = Result<T, AppError>;

/// RFC 9457, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A page that explains the code.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// One field that is not right.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into what was sent.
    pointer: String,
    code: &'static str,
    detail: String,
}

impl AppError {
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, errors: Vec::new(), retry_after: None }
    }

    #[must_use]
    pub fn detail(mut self, tr: impl Into<String>, en: impl Into<String>) -> Self {
        self.detail = Some(Bilingual::new(tr, en));
        self
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// Fields that are not right, each with its place.
    pub fn fields(errors: Vec<Problem>) -> Self {
        Self::with(Code::InvalidFields, errors)
    }

    /// A code with the places that led to it.
    pub fn with(code: Code, errors: Vec<Problem>) -> Self {
        Self { errors, ..Self::new(code) }
    }

    /// One field that is not right.
    pub fn field(
        pointer: impl Into<String>,
        code: &'static str,
        tr: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self::fields(vec![Problem::new(pointer, code, tr, en)])
    }

    /// The problem as it is sent, in `lang`.
    pub fn body(&self, lang: Lang) -> ProblemBody {
        let detail = self.detail.as_ref().map(|detail| detail.get(lang).to_owned());
        let first = self.errors.first().map(|error| format!("{}: {}", error.pointer, error.detail.get(lang)));
        ProblemBody {
            kind: format!("/docs/problems#{}", self.code.as_str()),
            title: self.code.title(lang),
            status: self.code.status().as_u16(),
            code: self.code,
            detail: detail.or(first),
            errors: self
                .errors
                .iter()
                .map(|error| FieldError {
                    pointer: error.pointer.clone(),
                    code: error.code,
                    detail: error.detail.get(lang).to_owned(),
                })
                .collect(),
        }
    }

    /// The whole answer in `lang`.
    pub fn response(&self, lang: Lang) -> Response {
        let body = serde_json::to_vec(&self.body(lang)).unwrap_or_default();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(lang.as_str()));
        let passing = self.code.status() == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(seconds) = self.retry_after.or(passing.then_some(1)) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The language is known further out, so the error travels there with the response.
impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<db::Error> for AppError {
    fn from(error: db::Error) -> Self {
        if db::is_unavailable(&error) {
            tracing::warn!(%error, "a request failed: the database is away");
            return Self { retry_after: Some(2), ..Self::new(Code::Unavailable) };
        }
        tracing::error!(%error, "a request failed in the database");
        Self::new(Code::Internal)
    }
}

impl From<Refused> for AppError {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Busy => Code::Busy,
            Refused::Unavailable => Code::Unavailable,
            Refused::Failed => return Self::new(Code::Internal),
        };
        Self { retry_after: Some(1), ..Self::new(code) }
    }
}

impl From<VaultError> for AppError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a secret could not be sealed or opened");
        Self::new(Code::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_say_something_in_both_languages() {
        let codes: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_ne!(code.title(Lang::Tr), code.title(Lang::En));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }
}
