//! The way in to a company's pages: the CRM asks for a one-time link for one of its users, the link becomes a session.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::app::App;
use crate::automation::Problem;
use crate::automation::problem::join;
use crate::clock::{Micros, rfc3339};
use crate::config::{Config, colour};
use crate::db::{self, Tx};
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::ids::{CompanyId, SessionId};
use crate::store::sessions::{self, NewLink, Stored};
use crate::telemetry::Secret;
use crate::tokens::{Pass, PassKind};

const SECOND: Micros = 1_000_000;
/// A link is opened at once by the browser it was made for.
const LINK_LASTS: Micros = 60 * SECOND;
/// A link that was printed for a person.
const PRINTED_LINK_LASTS: Micros = 600 * SECOND;
/// Without a request for this long, the user has to come from the CRM again.
const IDLE: Micros = 30 * 60 * SECOND;
/// However busy it is, a session ends after this.
const LONGEST: Micros = 12 * 3600 * SECOND;
/// That a session was used is written down once in this time.
const NOTED_EVERY: Micros = 60 * SECOND;
const LONGEST_TEXT: usize = 200;
const LONGEST_URL: usize = 2000;

/// `POST /api/companies/{id}/sessions`: for whom the pages are opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    pub user: UserRequest,
    /// `tr` or `en`, or a tag such as `tr-TR`; the company's own when absent.
    pub locale: Option<String>,
    /// Where "back to the CRM" leads.
    pub return_url: Option<String>,
    /// The accent colour of the CRM's page that frames these, such as `#0a7d4f`; shades that are hard to read are
    /// adjusted.
    pub accent: Option<String>,
}

/// One user of the CRM.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// As the CRM knows them; it stands in the audit log.
    pub id: String,
    pub name: String,
    pub role: Role,
    /// Where test e-mails to oneself go.
    pub email: Option<String>,
    /// Where test text messages to oneself go.
    pub phone: Option<String>,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Looks, and tries failed deliveries again; recipients are masked.
    Member,
    /// Keys, webhooks and events; looks at the rest.
    Developer,
    /// The operator who looks at a company's pages for a reason: changes nothing, and sees no people.
    #[serde(skip)]
    Support,
    /// The operator in the console; in no company's pages.
    #[serde(skip)]
    Operator,
}

/// What may not be done by everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Connections, automations, templates, settings.
    Configure,
    /// Keys, webhooks, the event log.
    Develop,
    /// Retrying and cancelling deliveries.
    Steer,
    /// Recipients and contents in full.
    SeePeople,
    /// The audit log.
    Audit,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Admin, Self::Member, Self::Developer, Self::Support, Self::Operator];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Developer => "developer",
            Self::Support => "support",
            Self::Operator => "operator",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    pub const fn may(self, right: Right) -> bool {
        match self {
            Self::Admin => true,
            Self::Member => matches!(right, Right::Steer),
            Self::Developer => matches!(right, Right::Develop | Right::Steer | Right::SeePeople),
            Self::Support => matches!(right, Right::Audit),
            Self::Operator => false,
        }
    }
}

/// A one-time link.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Opens the pages once, within a minute; `?to=/app/deliveries` chooses where.
    pub url: String,
    pub expires_at: String,
}

/// Somebody in front of a company's pages.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub company: CompanyId,
    pub user_id: String,
    pub user_name: String,
    pub role: Role,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub lang: Lang,
    pub return_url: Option<String>,
    /// Opened inside a page of the CRM.
    pub framed: bool,
    /// Six hexadecimal digits.
    pub accent: Option<String>,
    /// What every form of this session carries, so that no other site can post one.
    pub csrf: Secret,
}

/// Who does something in a company's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub company: CompanyId,
    pub user_id: String,
    pub user_name: String,
    pub role: Role,
}

impl Session {
    pub fn actor(&self) -> Actor {
        Actor {
            company: self.company,
            user_id: self.user_id.clone(),
            user_name: self.user_name.clone(),
            role: self.role,
        }
    }

    fn new(stored: Stored, token: &str) -> Option<Self> {
        Some(Self {
            id: SessionId(stored.id),
            company: CompanyId(stored.company),
            role: Role::parse(&stored.user.role)?,
            user_id: stored.user.id,
            user_name: stored.user.name,
            email: stored.user.email,
            phone: stored.user.phone,
            lang: Lang::from_tag(&stored.locale).unwrap_or_default(),
            return_url: stored.return_url,
            framed: stored.framed,
            accent: stored.accent,
            csrf: csrf_of(token),
        })
    }
}

/// Derived from the cookie's secret, which no script can read: it needs no place of its own, and tells nothing.
fn csrf_of(token: &str) -> Secret {
    let hash = crate::tokens::TokenHash::of(&format!("csrf:{token}"));
    Secret::new(hash.as_bytes().iter().take(20).map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Makes a one-time link for a user of an active company.
///
/// # Errors
/// `not_found`; what is wrong with the request, field by field.
pub async fn invite(app: &App, company: CompanyId, request: SessionRequest) -> AppResult<LinkView> {
    link(app, company, request, LINK_LASTS).await
}

/// As [`invite`], for a link that a person copies from a terminal.
///
/// # Errors
/// As [`invite`].
pub async fn invite_for_long(app: &App, company: CompanyId, request: SessionRequest) -> AppResult<LinkView> {
    link(app, company, request, PRINTED_LINK_LASTS).await
}

async fn link(app: &App, company: CompanyId, request: SessionRequest, lasts: Micros) -> AppResult<LinkView> {
    let setup = app.setups().get(company).await?;
    let setup = setup.filter(|setup| setup.active && !setup.id.0.is_nil()).ok_or_else(AppError::not_found)?;
    check(&app.config, &request)?;
    let lang = request.locale.as_deref().and_then(Lang::from_tag).unwrap_or(setup.context.lang());
    let (secret, hash) = Pass::mint(PassKind::Link, company);
    let now = app.clock().micros();
    let link = NewLink {
        company: company.0,
        id: SessionId::new().0,
        hash: hash.as_bytes().to_vec(),
        user: sessions::User {
            id: request.user.id,
            name: request.user.name.trim().to_owned(),
            role: request.user.role.as_str().to_owned(),
            email: request.user.email,
            phone: request.user.phone,
        },
        locale: lang.as_str().to_owned(),
        return_url: request.return_url,
        accent: request.accent.as_deref().and_then(|text| colour(text).ok()),
        created_at: now,
        expires_at: now + lasts,
    };
    let mut tx = app.db().company(company).write().await?;
    sessions::delete_over(&mut tx, company.0, now, now - IDLE).await?;
    sessions::insert(&mut tx, &link).await?;
    tx.commit().await?;
    Ok(LinkView {
        url: app.config.public_url.to(&format!("/app/enter/{}", secret.expose())),
        expires_at: rfc3339(link.expires_at),
    })
}

/// What a session that needs no link begins with.
#[derive(Debug)]
pub struct Opening {
    pub user: sessions::User,
    pub lang: Lang,
    pub return_url: Option<String>,
}

/// Begins a session of somebody who has proven themselves; gives its secret, for the browser's cookie.
///
/// # Errors
/// When the database cannot be written.
pub async fn begin(app: &App, company: CompanyId, opening: Opening) -> AppResult<Secret> {
    let (_, link) = Pass::mint(PassKind::Link, company);
    let (secret, hash) = Pass::mint(PassKind::Session, company);
    let now = app.clock().micros();
    let row = NewLink {
        company: company.0,
        id: SessionId::new().0,
        hash: link.as_bytes().to_vec(),
        user: opening.user,
        locale: opening.lang.as_str().to_owned(),
        return_url: opening.return_url,
        created_at: now,
        expires_at: now + LINK_LASTS,
        accent: None,
    };
    let mut tx = app.db().company(company).write().await?;
    sessions::delete_over(&mut tx, company.0, now, now - IDLE).await?;
    sessions::insert(&mut tx, &row).await?;
    let (link, session): ((_, &[u8]), (&[u8], _)) = ((company.0, link.as_bytes()), (hash.as_bytes(), false));
    sessions::open(&mut tx, link, session, (now, now + LONGEST)).await?;
    tx.commit().await?;
    Ok(secret)
}

fn check(config: &Config, request: &SessionRequest) -> AppResult<()> {
    let mut problems = Vec::new();
    let mut refuse = |pointer: &str, is_right: bool, tr: &str, en: &str| {
        if !is_right {
            problems.push(Problem::new(pointer, "invalid", tr, en));
        }
    };
    let user = &request.user;
    let is_line = |text: &str| {
        let text = text.trim();
        !text.is_empty() && text.chars().count() <= LONGEST_TEXT && !text.chars().any(char::is_control)
    };
    for (key, text) in [("id", &user.id), ("name", &user.name)] {
        refuse(
            &join("/user", key),
            is_line(text),
            "1 ile 200 karakter arasında düz metin olmalı.",
            "Must be plain text of 1 to 200 characters.",
        );
    }
    let is_address = |text: &String| text.parse::<santral_connectors::EmailAddress>().is_ok();
    refuse(
        "/user/email",
        user.email.as_ref().is_none_or(is_address),
        "Geçerli bir e-posta adresi değil.",
        "Not a valid e-mail address.",
    );
    let is_phone = |text: &String| crate::automation::render::e164(text, "TR").is_some();
    refuse(
        "/user/phone",
        user.phone.as_ref().is_none_or(is_phone),
        "Geçerli bir telefon numarası değil.",
        "Not a valid phone number.",
    );
    let is_locale = |text: &String| text.len() <= 35 && Lang::from_tag(text).is_some();
    refuse(
        "/locale",
        request.locale.as_ref().is_none_or(is_locale),
        "Diller: tr, en (ör. tr-TR, en-GB).",
        "Languages: tr, en (such as tr-TR, en-GB).",
    );
    refuse(
        "/return_url",
        request.return_url.as_ref().is_none_or(|url| is_return_url(config, url)),
        "Bu sunucunun ya da SANTRAL_FRAME_ANCESTORS içindeki bir sitenin http(s) adresi olmalı.",
        "Must be an http(s) address of this server or of a site in SANTRAL_FRAME_ANCESTORS.",
    );
    refuse(
        "/accent",
        request.accent.as_deref().is_none_or(|text| colour(text).is_ok()),
        "#0a7d4f gibi bir renk olmalı.",
        "Must be a colour such as #0a7d4f.",
    );
    if problems.is_empty() { Ok(()) } else { Err(AppError::fields(problems)) }
}

/// Whether a browser may be sent there: to this server, or to a site that may embed the pages. Where none is
/// configured, the word of the platform key's holder, who alone can name an address, is enough.
pub fn is_return_url(config: &Config, text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && text.len() <= LONGEST_URL
        && !text.chars().any(char::is_control);
    let origin = url.origin().ascii_serialization();
    let sources: Vec<_> = config.frame_ancestors.iter().filter(|source| *source != "'self'").collect();
    is_plain
        && (sources.is_empty()
            || origin == config.public_url.origin()
            || sources.iter().any(|source| covers(source, &origin)))
}

/// Whether a source such as `https://*.example.org:8443` covers an origin.
fn covers(source: &str, origin: &str) -> bool {
    match source.split_once("*.") {
        None => source == origin,
        Some((scheme, rest)) => origin
            .strip_prefix(scheme)
            .and_then(|host| host.strip_suffix(rest))
            .is_some_and(|label| label.len() > 1 && label.ends_with('.')),
    }
}

/// Opens a link: the session's secret, for the browser's cookie, and the session.
///
/// # Errors
/// `link_expired` when it was opened before, its minute is over, or it never was one.
pub async fn open(app: &App, link: &str, framed: bool) -> AppResult<(Secret, Session)> {
    let gone = || AppError::new(Code::LinkExpired);
    let link = Pass::parse(PassKind::Link, link).ok_or_else(gone)?;
    let setup = app.setups().get(link.company).await?;
    setup.filter(|setup| setup.active).ok_or_else(gone)?;
    let (secret, hash) = Pass::mint(PassKind::Session, link.company);
    let now = app.clock().micros();
    let mut tx = app.db().company(link.company).write().await?;
    let stored = sessions::open(
        &mut tx,
        (link.company.0, link.hash.as_bytes()),
        (hash.as_bytes(), framed),
        (now, now + LONGEST),
    )
    .await?;
    let session = stored.and_then(|stored| Session::new(stored, secret.expose())).ok_or_else(gone)?;
    tx.commit().await?;
    Ok((secret, session))
}

/// The names of the session cookie: the one of a page in another site's frame, and the usual one.
pub const fn cookie_names(is_https: bool) -> [&'static str; 2] {
    if is_https { ["__Host-santral-frame", "__Host-santral"] } else { ["santral-frame", "santral"] }
}

/// The name of the console's cookie.
pub const fn operator_cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-santral-console" } else { "santral-console" }
}

/// Who is in front of the browser that sent these headers and may do something there: the one question that the API's
/// ways in ask, too.
///
/// # Errors
/// When the database cannot be read.
pub async fn of_headers(app: &App, headers: &HeaderMap) -> AppResult<Option<Session>> {
    Ok(look(app, headers, true).await?.filter(|session| session.role != Role::Support))
}

/// Who looks at a company's pages; what a page asks for by itself (`counts` is false) does not keep a session alive.
///
/// # Errors
/// As [`of_headers`].
pub async fn look(app: &App, headers: &HeaderMap, counts: bool) -> AppResult<Option<Session>> {
    for name in cookie_names(app.config.public_url.is_https()) {
        for token in cookies(headers, name) {
            let found = find(app, token, counts).await?.filter(|session| session.role != Role::Operator);
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// Who is in front of the console.
///
/// # Errors
/// As [`of_headers`].
pub async fn look_operator(app: &App, headers: &HeaderMap) -> AppResult<Option<Session>> {
    for token in cookies(headers, operator_cookie_name(app.config.public_url.is_https())) {
        let found = find(app, token, true).await?.filter(|session| session.role == Role::Operator);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

/// The session of a cookie's secret, unless it is over; notes that it is used.
async fn find(app: &App, token: &str, counts: bool) -> AppResult<Option<Session>> {
    let Some(pass) = Pass::parse(PassKind::Session, token) else { return Ok(None) };
    let now = app.clock().micros();
    let company = pass.company;
    let mut tx = app.db().company(company).read().await?;
    let stored = sessions::find(&mut tx, company.0, pass.hash.as_bytes()).await?;
    drop(tx);
    let Some(stored) = stored.filter(|stored| is_running(stored, now)) else { return Ok(None) };
    if counts && now > stored.used_at + NOTED_EVERY {
        let mut tx = app.db().company(company).write().await?;
        sessions::used(&mut tx, company.0, stored.id, now).await?;
        tx.commit().await?;
    }
    Ok(Session::new(stored, token))
}

/// Whose session it is, unless it is over; for what was begun in it and ends elsewhere.
///
/// # Errors
/// When the database cannot be read.
pub async fn actor_of(
    tx: &mut Tx,
    (company, id): (CompanyId, SessionId),
    now: Micros,
) -> db::Result<Option<Actor>> {
    let stored = sessions::of_id(tx, company.0, id.0).await?;
    let stored = stored.filter(|stored| is_running(stored, now));
    Ok(stored.and_then(|stored| {
        let role = Role::parse(&stored.user.role)?;
        Some(Actor { company, user_id: stored.user.id, user_name: stored.user.name, role })
    }))
}

fn is_running(stored: &Stored, now: Micros) -> bool {
    now < stored.expires_at && now < stored.used_at + IDLE
}

/// Ends a session.
///
/// # Errors
/// When the database cannot be written.
pub async fn end(app: &App, session: &Session) -> AppResult<()> {
    let mut tx = app.db().company(session.company).write().await?;
    sessions::delete(&mut tx, session.company.0, session.id.0).await?;
    Ok(tx.commit().await?)
}

/// Ends all sessions of a company, or of the console.
///
/// # Errors
/// When the database cannot be written.
pub async fn end_all(app: &App, company: CompanyId) -> AppResult<()> {
    let mut tx = app.db().company(company).write().await?;
    sessions::delete_all(&mut tx, company.0).await?;
    Ok(tx.commit().await?)
}

/// Lets a session go on in another language.
///
/// # Errors
/// When the database cannot be written.
pub async fn speak(app: &App, session: &Session, lang: Lang) -> AppResult<()> {
    let mut tx = app.db().company(session.company).write().await?;
    sessions::set_locale(&mut tx, session.company.0, session.id.0, lang.as_str()).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_source_covers_one_or_more_labels_and_no_other_site() {
        assert!(covers("https://crm.example.com", "https://crm.example.com"));
        assert!(covers("https://*.example.org:8443", "https://a.b.example.org:8443"));
        for other in [
            "https://example.org:8443",
            "https://.example.org:8443",
            "https://evilexample.org:8443",
            "http://a.example.org:8443",
            "https://a.example.org",
        ] {
            assert!(!covers("https://*.example.org:8443", other), "{other}");
        }
    }

    #[test]
    fn cookies_are_found_among_others_and_in_hostile_company() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; santral=x; b".parse().expect("a header"));
        headers.append(COOKIE, ";;=;santral=y;santral2=z".parse().expect("a header"));
        assert_eq!(cookies(&headers, "santral").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn only_an_admin_configures_and_neither_members_nor_support_see_people() {
        let may = |right: Right| Role::ALL.map(|role| role.may(right));
        assert_eq!(may(Right::Configure), [true, false, false, false, false]);
        assert_eq!(may(Right::Develop), [true, false, true, false, false]);
        assert_eq!(may(Right::Steer), [true, true, true, false, false]);
        assert_eq!(may(Right::SeePeople), [true, false, true, false, false]);
        assert_eq!(may(Right::Audit), [true, false, false, true, false]);
    }
}
