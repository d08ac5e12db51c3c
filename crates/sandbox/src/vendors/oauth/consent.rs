//! The consent pages: choose an account, untick what you like, allow or deny.

use std::fmt::Write as _;

use axum::Form;
use axum::extract::{Query, RawQuery, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, HOST, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use url::Url;

use super::state::{ACCOUNTS, Code, Vendor};
use crate::http::App;
use crate::pages::Lang;
use crate::pages::html::Safe;
use crate::pages::layout::Page;

/// What the client asks for; both vendors refuse what they do not know of these.
#[derive(Debug, Clone, Deserialize)]
struct Request {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    scope: String,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    access_type: Option<String>,
    login_hint: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Language {
    #[serde(default)]
    lang: Lang,
}

pub(super) async fn google(RawQuery(query): RawQuery, Query(language): Query<Language>) -> Response {
    page(Vendor::Google, &query.unwrap_or_default(), language.lang)
}

pub(super) async fn microsoft(RawQuery(query): RawQuery, Query(language): Query<Language>) -> Response {
    page(Vendor::Microsoft, &query.unwrap_or_default(), language.lang)
}

pub(super) async fn google_decides(
    State(app): State<App>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    decide(&app, Vendor::Google, &headers, &Decision::read(form))
}

pub(super) async fn microsoft_decides(
    State(app): State<App>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    decide(&app, Vendor::Microsoft, &headers, &Decision::read(form))
}

/// What the person at the page says.
#[derive(Debug, Default)]
struct Decision {
    /// The query the page was opened with.
    request: String,
    account: String,
    scopes: Vec<String>,
    allows: bool,
}

impl Decision {
    fn read(form: Vec<(String, String)>) -> Self {
        let mut decision = Self::default();
        for (name, value) in form {
            match name.as_str() {
                "request" => decision.request = value,
                "account" => decision.account = value,
                "scope" => decision.scopes.push(value),
                "decision" => decision.allows = value == "allow",
                _ => {}
            }
        }
        decision
    }
}

/// Reads a request as strictly as the vendors do.
fn read(vendor: Vendor, query: &str) -> Result<(Request, Url), String> {
    let mut seen = std::collections::HashSet::new();
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        if !seen.insert(name.to_string()) {
            return Err(format!("invalid_request: {name} is there twice"));
        }
    }
    let uri =
        format!("http://x/?{query}").parse().map_err(|_| "invalid_request: the query cannot be read")?;
    let Query(request) =
        Query::<Request>::try_from_uri(&uri).map_err(|error| format!("invalid_request: {error}"))?;
    let redirect =
        Url::parse(&request.redirect_uri).map_err(|_| "redirect_uri_mismatch: it is no address")?;
    if !matches!(redirect.scheme(), "http" | "https") || redirect.fragment().is_some() {
        return Err("redirect_uri_mismatch: it is no web address without fragment".to_owned());
    }
    if request.response_type != "code" {
        return Err("unsupported_response_type: only code is".to_owned());
    }
    if request.code_challenge_method.as_deref() != Some("S256")
        || request.code_challenge.as_deref().is_none_or(|challenge| challenge.len() != 43)
    {
        return Err("invalid_request: code_challenge with S256 is required".to_owned());
    }
    if let Some(unknown) = request.scope.split(' ').find(|scope| !is_known(vendor, scope)) {
        return Err(format!("invalid_scope: {unknown}"));
    }
    Ok((request, redirect))
}

fn is_known(vendor: Vendor, scope: &str) -> bool {
    if is_identity(scope) {
        return true;
    }
    match vendor {
        Vendor::Google => scope.starts_with("https://www.googleapis.com/auth/"),
        Vendor::Microsoft => {
            matches!(
                scope,
                "Mail.Send" | "Mail.ReadWrite" | "Calendars.ReadWrite" | "OnlineMeetings.ReadWrite"
            )
        }
    }
}

/// Scopes that nobody can untick.
fn is_identity(scope: &str) -> bool {
    matches!(scope, "openid" | "email" | "profile" | "offline_access" | "User.Read")
}

fn page(vendor: Vendor, query: &str, lang: Lang) -> Response {
    let (request, redirect) = match read(vendor, query) {
        Ok(read) => read,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let name = match vendor {
        Vendor::Google => "Google",
        Vendor::Microsoft => "Microsoft",
    };
    let mut body = format!(
        "<h1>{}</h1><p><b>{}</b> {}</p><form method=\"post\"><input type=\"hidden\" name=\"request\" value=\"{}\">",
        lang.pick("Hesabınıza erişim isteniyor", "An app asks for access to your account"),
        Safe(&request.client_id),
        lang.pick("şu izinleri istiyor:", "asks for these permissions:"),
        Safe(query),
    );
    for scope in request.scope.split(' ').filter(|scope| !is_identity(scope)) {
        // Writing to a string does not fail.
        let _ = write!(
            body,
            "<p><label><input type=\"checkbox\" name=\"scope\" value=\"{0}\" checked> {0}</label></p>",
            Safe(scope)
        );
    }
    let _ = write!(body, "<fieldset><legend>{}</legend>", lang.pick("Hesap", "Account"));
    let hinted = ACCOUNTS.iter().position(|person| Some(person.email) == request.login_hint.as_deref());
    for (index, person) in ACCOUNTS.iter().enumerate() {
        let checked = if index == hinted.unwrap_or(0) { " checked" } else { "" };
        let _ = write!(
            body,
            "<p><label><input type=\"radio\" name=\"account\" value=\"{0}\"{checked}> {1} ({0})</label></p>",
            person.email,
            Safe(person.name)
        );
    }
    let _ = write!(
        body,
        "</fieldset><p><button name=\"decision\" value=\"allow\">{}</button> \
         <button name=\"decision\" value=\"deny\">{}</button></p></form>",
        lang.pick("İzin ver", "Allow"),
        lang.pick("Reddet", "Deny"),
    );
    let mut response = Page { lang, title: name, here: "/", refresh: None, body }.into_response();
    // Browsers hold the place that a form's answer leads to against `form-action` too.
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {}; base-uri 'none'; \
         frame-ancestors 'none'",
        redirect.origin().ascii_serialization()
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn decide(app: &App, vendor: Vendor, headers: &HeaderMap, decision: &Decision) -> Response {
    let (request, mut back) = match read(vendor, &decision.request) {
        Ok(read) => read,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let Some(person) = ACCOUNTS.into_iter().find(|person| person.email == decision.account) else {
        return (StatusCode::BAD_REQUEST, "no such account\n").into_response();
    };
    let own = headers.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    let issuer = app.oauth.issuer().or(own).filter(|issuer| !issuer.is_empty());
    let mut query = back.query_pairs_mut();
    if let Some(state) = &request.state {
        query.append_pair("state", state);
    }
    // Microsoft sends none.
    if let Some(issuer) = issuer.filter(|_| vendor == Vendor::Google) {
        query.append_pair("iss", &issuer);
    }
    if decision.allows {
        let asked: Vec<&str> = request.scope.split(' ').collect();
        let scopes: Vec<String> = asked
            .iter()
            .filter(|scope| is_identity(scope) || decision.scopes.iter().any(|ticked| ticked == *scope))
            .map(|scope| (*scope).to_owned())
            .collect();
        query.append_pair("scope", &scopes.join(" "));
        let is_offline = match vendor {
            Vendor::Google => request.access_type.as_deref() == Some("offline"),
            Vendor::Microsoft => asked.contains(&"offline_access"),
        };
        let scopes = if is_offline { scopes } else { [scopes, vec!["online".to_owned()]].concat() };
        let code = app.oauth.consent(Code {
            vendor,
            client: request.client_id.clone(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.code_challenge.clone().unwrap_or_default(),
            scopes,
            person,
        });
        query.append_pair("code", &code);
    } else {
        query.append_pair("error", "access_denied");
    }
    drop(query);
    match HeaderValue::try_from(String::from(back)) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
