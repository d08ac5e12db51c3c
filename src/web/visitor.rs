//! Who looks at a page, what they may do, and what they have sent.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::format::Dates;
use crate::api::extract::{BODY, read_body};
use crate::app::AppState;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::sessions::{Right, Session, look};

/// Somebody signed in, with the company whose pages they see.
#[derive(Debug, Clone)]
pub(super) struct Visitor(Arc<Known>);

/// What a page knows of its visitor.
#[derive(Debug)]
pub(super) struct Known {
    pub app: AppState,
    pub session: Session,
    pub setup: Arc<Setup>,
    pub lang: Lang,
    /// Shown inside a page of the CRM: without side bar.
    pub framed: bool,
    /// `light`, `dark`, or as the system has it.
    pub theme: Option<&'static str>,
}

impl Deref for Visitor {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}

impl Visitor {
    /// The visitor whom a request's cookie names, if their session still runs; `counts` says whether this is their
    /// own doing.
    pub async fn of(app: &AppState, headers: &HeaderMap, counts: bool) -> AppResult<Option<Self>> {
        let Some(session) = look(app, headers, counts).await? else { return Ok(None) };
        let setup = app.setups().get(session.company).await?;
        let Some(setup) = setup.filter(|setup| setup.active) else { return Ok(None) };
        let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
        let framed = match destination {
            Some("iframe" | "frame") => true,
            Some("document") => false,
            _ => session.framed,
        };
        let theme = theme(headers);
        Ok(Some(Self(Arc::new(Known {
            app: app.clone(),
            lang: session.lang,
            framed,
            theme,
            session,
            setup,
        }))))
    }

    pub fn may(&self, right: Right) -> bool {
        self.session.role.may(right)
    }

    /// # Errors
    /// `forbidden`, with whom to ask.
    pub fn require(&self, right: Right) -> AppResult<()> {
        if self.may(right) {
            return Ok(());
        }
        Err(AppError::new(Code::Forbidden).detail(
            "Bu bölümü yalnızca yetkisi olanlar kullanabilir. Şirketinizin yöneticisine başvurun.",
            "Only those with the right to it can use this part. Ask your company's administrator.",
        ))
    }

    /// A route as the browser has to ask for it: the CRM's own site may proxy below a path.
    pub fn to(&self, route: &str) -> String {
        format!("{}{route}", self.app.config.public_url.prefix())
    }

    pub fn dates(&self) -> Dates<'_> {
        Dates { lang: self.lang, zone: self.setup.context.zone(), now: self.app.clock().now() }
    }
}

pub(super) const THEME_COOKIE: &str = "santral-theme";

pub(super) fn theme(headers: &HeaderMap) -> Option<&'static str> {
    let cookie = headers.get(axum::http::header::COOKIE)?.to_str().ok()?;
    let value = cookie
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == THEME_COOKIE);
    match value?.1 {
        "light" => Some("light"),
        "dark" => Some("dark"),
        _ => None,
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> AppResult<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| AppError::new(Code::Unauthenticated))
    }
}

/// Names and values of a query or a form, in order; the first of a name counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// As a browser would send these, for tests.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
    }

    /// The value; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// As it was typed, also empty; `None` when the form had no such field.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every name with its value as it was typed.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The query string of an address.
#[derive(Debug)]
pub(super) struct Asked(pub Fields);

impl FromRequestParts<AppState> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// A form that a visitor sent from one of their own pages.
#[derive(Debug)]
pub(super) struct Posted(pub Fields);

impl FromRequest<AppState> for Posted {
    type Rejection = AppError;

    async fn from_request(request: Request, app: &AppState) -> AppResult<Self> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let fields = Fields::parse(&read_body(body, BODY).await?);
        holds_token(&fields, &visitor.session)?;
        Ok(Self(fields))
    }
}

/// Whether a form was opened in this session.
///
/// # Errors
/// `forbidden` when it was not.
pub(super) fn holds_token(fields: &Fields, session: &Session) -> AppResult<()> {
    let token = fields.raw("csrf").unwrap_or_default();
    if token.as_bytes().ct_eq(session.csrf.expose().as_bytes()).into() {
        return Ok(());
    }
    Err(AppError::new(Code::Forbidden).detail(
        "Form bu oturumda açılmamış. Sayfayı yenileyip yeniden gönderin.",
        "The form was not opened in this session. Reload the page and send it again.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_forms_are_read_without_harm() {
        let fields = Fields::parse(b"a=+x+&b=&a=2&%00=%ff&=&c=%3Cscript%3E");
        assert_eq!((fields.get("a"), fields.get("b"), fields.raw("b")), (Some("x"), None, Some("")));
        assert_eq!(fields.get("c"), Some("<script>"));
        assert_eq!(fields.all("a").count(), 2);
        assert!(Fields::parse(&[0xff; 100]).get("x").is_none());
    }
}
