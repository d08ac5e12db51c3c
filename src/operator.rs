//! The operator of this server: who they are, how they become it, and how they sign in to the console.
//!
//! There is one at most. A one-time link makes whoever opens it the operator, with a name and a password; until there
//! is one, every start of the server prints such a link, later `santral operator reset-link` does.

mod attempts;
mod password;

use crate::app::App;
use crate::audit::{self, Author};
use crate::automation::Problem;
use crate::clock::{Clock, Micros};
use crate::companies::name::Name;
use crate::config::PublicUrl;
use crate::db::{self, Db};
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::ids::{CompanyId, new_uuid};
use crate::sessions::{self, Opening, Role, Session};
use crate::store::operators::{self, Stored};
use crate::store::sessions::User;
use crate::telemetry::Secret;
use crate::tokens::{Pass, PassKind};

pub use attempts::Blocked;

/// The operator as sessions and audit logs name them.
pub const ID: &str = "operator";
/// Where a console session and the console's own log belong: to no company.
pub const PLATFORM: CompanyId = CompanyId(uuid::Uuid::nil());
/// A link may have to wait in a log until somebody reads it.
const LINK_LASTS: Micros = 24 * 3600 * 1_000_000;
const SHORTEST_PASSWORD: usize = 12;
const LONGEST_PASSWORD: usize = 200;
const LONGEST_REASON: usize = 250;

/// What a person types to become the operator.
#[derive(Debug)]
pub struct SetUp<'a> {
    pub name: &'a str,
    pub password: Secret,
    /// Typed again.
    pub repeated: Secret,
}

/// What came of an attempt to sign in.
#[derive(Debug)]
pub enum SignedIn {
    Yes(Secret),
    /// Name or password is not right; which of them is not said.
    No,
    Blocked(Blocked),
}

/// A link to set the console up, for a server that has no operator yet.
///
/// # Errors
/// When the database cannot be written.
pub async fn first_link(app: &App) -> db::Result<Option<Secret>> {
    let mut tx = app.db().system("is there an operator").read().await?;
    let known = operators::find(&mut tx).await?;
    drop(tx);
    if known.is_some() {
        return Ok(None);
    }
    link(app.db(), app.clock(), &app.config.public_url).await.map(Some)
}

/// A one-time link that makes whoever opens it the operator. Those before it stay good until one is used.
///
/// # Errors
/// When the database cannot be written.
pub async fn link(db: &Db, clock: Clock, public_url: &PublicUrl) -> db::Result<Secret> {
    let (secret, hash) = Pass::mint(PassKind::Link, PLATFORM);
    let now = clock.micros();
    let mut tx = db.system("a link for the operator").write().await?;
    operators::insert_link(&mut tx, hash.as_bytes(), (now, now + LINK_LASTS)).await?;
    tx.commit().await?;
    Ok(Secret::new(public_url.to(&format!("/console/set-up/{}", secret.expose()))))
}

fn read_link(link: &str) -> AppResult<Pass> {
    Pass::parse(PassKind::Link, link).ok_or_else(|| AppError::new(Code::LinkExpired))
}

/// Whether a link may still be used.
///
/// # Errors
/// `link_expired` when it may not.
pub async fn check_link(app: &App, link: &str) -> AppResult<()> {
    let link = read_link(link)?;
    let mut tx = app.db().system("look at a link for the operator").read().await?;
    let is_good = operators::has_link(&mut tx, link.hash.as_bytes(), app.clock().micros()).await?;
    if is_good { Ok(()) } else { Err(AppError::new(Code::LinkExpired)) }
}

/// Makes whoever holds the link the operator, in place of one before them: with the link go all other links and all
/// console sessions. Gives the secret of a first session.
///
/// # Errors
/// What is wrong with name or password, field by field; `link_expired`.
pub async fn set_up(
    app: &App,
    link: &str,
    wish: SetUp<'_>,
    (lang, address): (Lang, &str),
) -> AppResult<Secret> {
    let pass = read_link(link)?;
    check_link(app, link).await?;
    let name = vet(&wish)?;
    let hash = password::hash(wish.password).await?;
    let now = app.clock().micros();
    let operator =
        Stored { id: new_uuid(), name: name.into_string(), password: hash, created_at: now, updated_at: now };
    let mut tx = app.db().system("a person becomes the operator").write().await?;
    // Of two that use the same link one comes first.
    if !operators::take_link(&mut tx, pass.hash.as_bytes(), now).await? {
        return Err(AppError::new(Code::LinkExpired));
    }
    operators::replace(&mut tx, &operator).await?;
    tx.commit().await?;
    sessions::end_all(app, PLATFORM).await?;
    audit::record(app, PLATFORM, &author(&operator.name), ("/console/set-up/{link}", "", address)).await?;
    begin(app, operator.name, lang).await
}

fn vet(wish: &SetUp<'_>) -> AppResult<Name> {
    let mut problems = Vec::new();
    let name = Name::parse(wish.name).map_err(|problem| problems.push(problem)).ok();
    let password = wish.password.expose();
    let length = password.chars().count();
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
        problems.push(Problem::new(
            "/password",
            "invalid",
            format!("{SHORTEST_PASSWORD} ile {LONGEST_PASSWORD} karakter arasında olmalı."),
            format!("Must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."),
        ));
    } else if name.as_ref().is_some_and(|name| password.contains(name.as_str())) {
        problems.push(Problem::new(
            "/password",
            "invalid",
            "Parola adınızı içermemeli.",
            "The password must not contain your name.",
        ));
    }
    if password != wish.repeated.expose() {
        problems.push(Problem::new(
            "/repeated",
            "mismatch",
            "İki parola aynı değil.",
            "The two passwords are not the same.",
        ));
    }
    match name {
        Some(name) if problems.is_empty() => Ok(name),
        _ => Err(AppError::fields(problems)),
    }
}

/// Signs the operator in. An attempt counts before the password is looked at, so that attempts at the same time count
/// like those one after the other; success forgets it.
///
/// # Errors
/// When the database cannot be read or written.
pub async fn sign_in(
    app: &App,
    (name, password): (&str, Secret),
    (lang, address): (Lang, &str),
) -> AppResult<SignedIn> {
    let attempt = match attempts::begin(app, name, address).await? {
        Ok(attempt) => attempt,
        Err(blocked) => return Ok(SignedIn::Blocked(blocked)),
    };
    let mut tx = app.db().system("who signs in").read().await?;
    let operator = operators::find(&mut tx).await?.filter(|operator| operator.name == name.trim());
    drop(tx);
    // An unknown name takes as long as a known one.
    let is_right =
        password::verify(password, operator.as_ref().map(|operator| operator.password.clone())).await?;
    let Some(operator) = operator.filter(|_| is_right) else {
        tracing::warn!(address, "an attempt to sign in to the console failed");
        return Ok(SignedIn::No);
    };
    attempt.forget(app).await?;
    audit::record(app, PLATFORM, &author(&operator.name), ("/console/sign-in", "", address)).await?;
    Ok(SignedIn::Yes(begin(app, operator.name, lang).await?))
}

fn author(name: &str) -> Author {
    Author { id: ID.to_owned(), name: name.to_owned(), role: Role::Operator.as_str().to_owned() }
}

fn user(name: String, role: Role) -> User {
    User { id: ID.to_owned(), name, role: role.as_str().to_owned(), email: None, phone: None }
}

async fn begin(app: &App, name: String, lang: Lang) -> AppResult<Secret> {
    let opening = Opening { user: user(name, Role::Operator), lang, return_url: None };
    sessions::begin(app, PLATFORM, opening).await
}

/// How the operator looks at a company's pages.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// As its administrator, where there is no CRM that could make a link.
    Admin,
    /// Read-only, with masked recipients, for a reason that the company can read.
    Support { reason: &'a str },
}

/// Opens a company's pages for the operator and says so in the company's audit log. Gives the session's secret.
///
/// # Errors
/// `not_found`; `invalid_fields` without a reason where one is needed.
pub async fn enter(
    app: &App,
    operator: &Session,
    company: CompanyId,
    (entry, address): (Entry<'_>, &str),
) -> AppResult<Secret> {
    let setup = app.setups().get(company).await?;
    setup.filter(|setup| setup.active && company != PLATFORM).ok_or_else(AppError::not_found)?;
    let (role, action, reason) = match entry {
        Entry::Admin => (Role::Admin, "/console/companies/{id}/open", ""),
        Entry::Support { reason } => (Role::Support, "/console/companies/{id}/support", vet_reason(reason)?),
    };
    // Before the pages open: nobody looks unseen.
    audit::record(app, company, &Author::of(&operator.actor()), (action, reason, address)).await?;
    let opening = Opening {
        user: user(operator.user_name.clone(), role),
        lang: operator.lang,
        return_url: Some(app.config.public_url.to(&format!("/console/companies/{company}"))),
    };
    sessions::begin(app, company, opening).await
}

fn vet_reason(reason: &str) -> AppResult<&str> {
    let reason = reason.trim();
    let is_text = !reason.is_empty()
        && reason.chars().count() <= LONGEST_REASON
        && !reason.chars().any(char::is_control);
    if is_text {
        return Ok(reason);
    }
    Err(AppError::field(
        "/reason",
        "required",
        format!("Neden baktığınızı yazın: 1 ile {LONGEST_REASON} karakter arasında düz metin."),
        format!("Say why you look: plain text of 1 to {LONGEST_REASON} characters."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish<'a>(name: &'a str, password: &str, repeated: &str) -> SetUp<'a> {
        SetUp { name, password: Secret::new(password), repeated: Secret::new(repeated) }
    }

    #[test]
    fn names_and_passwords_are_vetted_whole() {
        let pointers = |name: &str, password: &str, repeated: &str| -> Vec<String> {
            let error = vet(&wish(name, password, repeated)).map(drop).expect_err("it is wrong");
            error.errors.into_iter().map(|problem| problem.pointer).collect()
        };
        assert_eq!(pointers(" ", "short", "other"), ["/name", "/password", "/repeated"]);
        assert_eq!(pointers("ayse", "my-name-is-ayse", "my-name-is-ayse"), ["/password"]);
        let long = "x".repeat(LONGEST_PASSWORD + 1);
        assert_eq!(pointers("ayse", &long, &long), ["/password"]);
        assert_eq!(
            vet(&wish(" Ayşe ", "doğru at pil zımba", "doğru at pil zımba")).expect("good").as_str(),
            "Ayşe"
        );
    }

    #[test]
    fn a_reason_is_one_line_of_text() {
        assert_eq!(vet_reason(" Destek kaydı 114 ").expect("good"), "Destek kaydı 114");
        for bad in ["", "  ", "a\nb", "\u{0}", "x".repeat(LONGEST_REASON + 1).as_str()] {
            assert!(vet_reason(bad).is_err(), "{bad:?}");
        }
    }
}
