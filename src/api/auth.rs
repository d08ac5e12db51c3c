//! Who is asking: keys become a platform or a company caller, and a caller becomes a company to act for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tokio::time::Instant;
use uuid::Uuid;

use super::deeds::Asking;
use crate::app::{App, AppState};
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db::{self, Db};
use crate::error::{AppError, AppResult, Code};
use crate::ids::CompanyId;
use crate::store::{companies, keys};
use crate::telemetry::Secret;
use crate::tokens::{Token, TokenHash};

/// The header by which the platform key says for which company it acts: an id, or `ext:` and an external id.
pub const COMPANY_HEADER: &str = "santral-company";
/// A key that was revoked elsewhere is refused after this long at the latest; mostly the news comes sooner.
const TRUSTED_FOR: Duration = Duration::from_secs(2);
/// More remembered keys than this are forgotten together.
const REMEMBERED: usize = 50_000;

/// A caller with a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Platform,
    Company(CompanyId),
}

/// A caller with the platform key.
#[derive(Debug, Clone, Copy)]
pub struct PlatformCaller;

/// The company a request acts for, with its setup.
#[derive(Debug, Clone)]
pub struct Tenant(pub Arc<Setup>);

#[derive(Debug, Clone, Copy)]
struct Known {
    caller: Caller,
    key: Option<Uuid>,
    until: Instant,
}

/// Keys that were found valid a moment ago, and uses that are not written down yet.
#[derive(Debug)]
pub struct Auth {
    operator_key: Option<TokenHash>,
    known: Mutex<HashMap<[u8; 32], Known>>,
    external: Mutex<HashMap<String, CompanyId>>,
    uses: Mutex<HashMap<(UsedBy, Uuid), Micros>>,
}

/// A company, or the platform.
type UsedBy = Option<Uuid>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Auth {
    pub fn new(operator_key: Option<&Secret>) -> Self {
        Self {
            operator_key: operator_key.map(|key| TokenHash::of(key.expose())),
            known: Mutex::default(),
            external: Mutex::default(),
            uses: Mutex::default(),
        }
    }

    /// Forgets what is known of a company's keys.
    pub fn forget(&self, company: Uuid) {
        lock(&self.known).retain(|_, known| known.caller != Caller::Company(CompanyId(company)));
    }

    pub fn forget_all(&self) {
        lock(&self.known).clear();
    }

    /// Writes down when keys were last used.
    pub async fn write_uses(&self, db: &Db) {
        let uses = std::mem::take(&mut *lock(&self.uses));
        if uses.is_empty() {
            return;
        }
        if let Err(error) = write_uses(db, uses).await {
            tracing::warn!(%error, "the last use of some keys could not be written down");
        }
    }

    /// Who asks, which what goes around the API may hear of.
    async fn caller(&self, app: &App, parts: &Parts) -> AppResult<Caller> {
        let (caller, key) = self.identify(app, &parts.headers).await?;
        if let Some(asking) = parts.extensions.get::<Asking>() {
            asking.is(caller, key);
        }
        Ok(caller)
    }

    /// The caller and the id of their key, if we have minted it.
    async fn identify(&self, app: &App, headers: &HeaderMap) -> AppResult<(Caller, Option<Uuid>)> {
        let refused = |tr: &str, en: &str| AppError::new(Code::Unauthenticated).detail(tr, en);
        let missing = "Authorization: Bearer <anahtar> başlığı gerekli.";
        let token = bearer(headers)
            .ok_or_else(|| refused(missing, "The header Authorization: Bearer <key> is needed."))?;
        let parsed = Token::parse(token).map_err(|error| {
            refused(
                "Anahtar okunamadı: eksik, hatalı ya da değişmiş.",
                &format!("The key cannot be read: {error}."),
            )
        })?;
        let hash = match &parsed {
            Token::Company { hash, .. } | Token::Platform { hash } | Token::Foreign { hash } => *hash,
        };
        if self.operator_key.as_ref() == Some(&hash) {
            return Ok((Caller::Platform, None));
        }
        let now = Instant::now();
        if let Some(known) = lock(&self.known).get(hash.as_bytes()).filter(|known| known.until > now).copied()
        {
            self.note_use(known, app);
            return Ok((known.caller, known.key));
        }
        let found = look_up(app, &parsed, &hash).await?;
        let (caller, key) = found.ok_or_else(|| {
            refused("Anahtar tanınmıyor ya da iptal edilmiş.", "The key is unknown or was revoked.")
        })?;
        let known = Known { caller, key: Some(key), until: now + TRUSTED_FOR };
        let mut all = lock(&self.known);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(*hash.as_bytes(), known);
        drop(all);
        self.note_use(known, app);
        Ok((caller, known.key))
    }

    fn note_use(&self, known: Known, app: &App) {
        let Some(key) = known.key else { return };
        let company = if let Caller::Company(id) = known.caller { Some(id.0) } else { None };
        lock(&self.uses).insert((company, key), app.clock().micros());
    }

    /// The company an external id stands for. What is remembered is held against the company's own setup.
    async fn by_external_id(&self, app: &App, external_id: &str) -> AppResult<Option<Arc<Setup>>> {
        let remembered = lock(&self.external).get(external_id).copied();
        if let Some(id) = remembered
            && let Some(setup) = app.setups().get(id).await?
            && setup.external_id.as_deref() == Some(external_id)
        {
            return Ok(Some(setup));
        }
        let mut tx = app.db().system("find a company by its external id").read().await?;
        let Some(company) = companies::find_external(&mut tx, external_id).await? else { return Ok(None) };
        drop(tx);
        let id = CompanyId(company.id);
        self.remember_external(external_id, id);
        Ok(app.setups().get(id).await?)
    }

    fn remember_external(&self, external_id: &str, id: CompanyId) {
        let mut external = lock(&self.external);
        if external.len() >= REMEMBERED {
            external.clear();
        }
        external.insert(external_id.to_owned(), id);
    }
}

async fn look_up(app: &App, token: &Token, hash: &TokenHash) -> db::Result<Option<(Caller, Uuid)>> {
    Ok(match token {
        Token::Company { company, .. } => {
            let mut tx = app.db().company(*company).read().await?;
            keys::by_hash(&mut tx, company.0, hash.as_bytes())
                .await?
                .map(|id| (Caller::Company(*company), id))
        }
        Token::Platform { .. } => {
            let mut tx = app.db().system("check a platform key").read().await?;
            keys::platform_by_hash(&mut tx, hash.as_bytes()).await?.map(|id| (Caller::Platform, id))
        }
        Token::Foreign { .. } => None,
    })
}

async fn write_uses(db: &Db, uses: HashMap<(UsedBy, Uuid), Micros>) -> db::Result<()> {
    let (platform, company): (Vec<_>, Vec<_>) =
        uses.into_iter().partition(|((company, _), _)| company.is_none());
    if !platform.is_empty() {
        let mut tx = db.system("write down the use of platform keys").write().await?;
        for ((_, key), at) in platform {
            keys::platform_used(&mut tx, key, at).await?;
        }
        tx.commit().await?;
    }
    let company: Vec<_> = company.into_iter().filter_map(|((c, key), at)| Some((c?, key, at))).collect();
    for some in company.chunks(500) {
        let ids: Vec<_> = some.iter().map(|(company, ..)| CompanyId(*company)).collect();
        let mut tx = db.companies(&ids).write().await?;
        keys::used(&mut tx, some).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The bearer token as it was sent; an operator's key may hold spaces and any letters.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = std::str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        app.auth.caller(app, parts).await
    }
}

impl FromRequestParts<AppState> for PlatformCaller {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        match app.auth.caller(app, parts).await? {
            Caller::Platform => Ok(Self),
            Caller::Company(_) => Err(AppError::new(Code::Forbidden)
                .detail("Bunun için platform anahtarı gerekli.", "This takes the platform key.")),
        }
    }
}

impl FromRequestParts<AppState> for Tenant {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> AppResult<Self> {
        let caller = app.auth.caller(app, parts).await?;
        let named = parts.headers.get(COMPANY_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let setup = match (caller, named.as_deref()) {
            (Caller::Company(own), None) => app.setups().get(own).await?,
            (Caller::Company(own), Some(named)) => {
                // For a company's key there is no other company.
                let setup = named_company(app, named).await?;
                setup.filter(|setup| setup.id == own)
            }
            (Caller::Platform, Some(named)) => named_company(app, named).await?,
            (Caller::Platform, None) => {
                return Err(AppError::new(Code::CompanyRequired).detail(
                    "Platform anahtarı, Santral-Company başlığıyla hangi şirket için çalıştığını söylemelidir.",
                    "The platform key must say by the header Santral-Company for which company it acts.",
                ));
            }
        };
        let setup = setup.filter(|setup| setup.active).ok_or_else(|| {
            AppError::not_found().detail("Böyle bir şirket yok.", "There is no such company.")
        })?;
        if let Some(asking) = parts.extensions.get::<Asking>() {
            asking.concerns(setup.id);
        }
        Ok(Self(setup))
    }
}

async fn named_company(app: &App, named: &str) -> AppResult<Option<Arc<Setup>>> {
    if let Some(external_id) = named.strip_prefix("ext:") {
        return app.auth.by_external_id(app, external_id).await;
    }
    match named.parse::<CompanyId>() {
        Ok(id) => Ok(app.setups().get(id).await?),
        Err(_) => Ok(None),
    }
}
