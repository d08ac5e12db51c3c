//! Fetching the next access token: one caller of all nodes asks the vendor, under a lease; its answer is committed
//! before anybody uses it. No lock and no transaction is held while the vendor is asked.

use std::sync::Arc;
use std::time::Duration;

use santral_connectors::http::Http as _;
use santral_connectors::idp::{self, Idp, Refusal, RefusalKind, read_tokens};
use santral_connectors::{Failure, FailureKind};
use uuid::Uuid;

use super::lease::{EXTEND_EVERY, Lease};
use super::secret::Secret;
use super::servers::{App, Servers};
use super::tokens::{Token, Trouble};
use super::{TOO_LATE, refresh_at};
use crate::clock::{Clock, Micros};
use crate::companies::setup::Setup;
use crate::db::{self, Db};
use crate::faults::{Point, reach};
use crate::ids::{CompanyId, CredentialId};
use crate::outbound::Outbound;
use crate::random;
use crate::store::grants::{self, Stored};
use crate::store::oauth;
use crate::vault::{Keyring, Place};

/// A vendor that answers slower than this is given up. Within a minute every answer is taken: whoever gives up has lost
/// the tokens that a vendor which rotates will not give twice.
pub const DEADLINE: Duration = Duration::from_secs(75);
/// New tokens are not given up for so long although the database is away.
const KEEP_TRYING: Micros = 30_000_000;
/// Who waits for another's answer looks again after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// The wait after a failed try, doubled with each, up to the longest.
const FIRST_WAIT: Micros = 15_000_000;
const LONGEST_WAIT: Micros = 600_000_000;
const DAY: Micros = 24 * 3600 * 1_000_000;

/// What fetching works with.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub db: Db,
    pub clock: Clock,
    pub keyring: Arc<Keyring>,
    pub outbound: Outbound,
    pub servers: Servers,
}

/// A grant opened, on its way to new tokens.
struct Opened {
    idp: &'static Idp,
    stored: Stored,
    secret: Secret,
}

/// A token of a version after `than`: the one that somebody else has stored meanwhile, or the next one.
pub(super) async fn fetch(
    fetcher: &Fetcher,
    setup: &Arc<Setup>,
    credential: Uuid,
    than: i64,
) -> Result<Token, Trouble> {
    loop {
        let opened = open(fetcher, setup, credential).await?;
        let now = fetcher.clock.micros();
        if opened.stored.version > than && opened.stored.expires_at - TOO_LATE > now {
            return Ok(opened.token());
        }
        if let Some(why) = &opened.stored.dead {
            return Err(Trouble::Vendor(over(why)));
        }
        if let Some(lease) = Lease::take(fetcher, &opened.stored).await? {
            reach(Point::TokenLeased);
            if let Some(token) = ask(fetcher, setup, opened, &lease).await? {
                return Ok(token);
            }
        }
        let jitter = LOOK_AGAIN.mul_f64(0.5 + random::fraction());
        tokio::time::sleep(jitter).await;
    }
}

async fn open(fetcher: &Fetcher, setup: &Arc<Setup>, credential: Uuid) -> Result<Opened, Trouble> {
    let mut tx = fetcher.db.company(setup.id).read().await?;
    let stored = grants::find(&mut tx, setup.id.0, credential).await?;
    drop(tx);
    let stored = stored.ok_or_else(|| Trouble::Vendor(over("grant_missing")))?;
    let idp = idp::find(&stored.idp).ok_or_else(|| {
        Trouble::Vendor(Failure::retryable(
            "token_unavailable",
            "this server does not know the identity provider",
        ))
    })?;
    let secret = setup
        .key(&fetcher.keyring)
        .and_then(|key| Secret::open(&key, (setup.id.0, credential), &stored.secret))
        .map_err(|error| {
            tracing::error!(credential = %CredentialId(credential), %error, "a grant's tokens do not open");
            Trouble::Vendor(Failure::retryable("credential_unreadable", "the stored tokens do not open"))
        })?;
    Ok(Opened { idp, stored, secret })
}

impl Opened {
    fn token(&self) -> Token {
        Token {
            credentials: self.secret.for_connector(&self.stored.label),
            version: self.stored.version,
            expires_at: self.stored.expires_at,
        }
    }

    const fn key(&self) -> (Uuid, Uuid) {
        (self.stored.company, self.stored.credential)
    }

    const fn generation(&self) -> (Uuid, Uuid, i64) {
        (self.stored.company, self.stored.credential, self.stored.version)
    }
}

/// A failure that ends the grant: only a person's consent helps.
fn over(why: &str) -> Failure {
    let (code, words) = why.split_once(": ").unwrap_or((why, ""));
    Failure::auth_expired(code.to_owned(), words)
}

/// Asks under the lease and stores what comes. None if the lease ended before the request could leave.
async fn ask(
    fetcher: &Fetcher,
    setup: &Arc<Setup>,
    opened: Opened,
    lease: &Lease,
) -> Result<Option<Token>, Trouble> {
    let began = fetcher.clock.micros();
    let answered = match app(fetcher, setup, &opened.stored).await? {
        Some(app) => {
            let asked = answer(fetcher, &app, &opened, lease);
            tokio::pin!(asked);
            loop {
                tokio::select! {
                    answered = &mut asked => break answered,
                    () = tokio::time::sleep(EXTEND_EVERY) => lease.extend(fetcher, &opened.stored).await,
                }
            }
        }
        None => Err(Refusal {
            kind: RefusalKind::Client,
            code: "app_missing".to_owned(),
            words: "the app that the account was granted to is not configured any more".to_owned(),
        }),
    };
    let token = match answered {
        Ok(tokens) => {
            reach(Point::TokenAnswered);
            let expires_at = began + i64::try_from(tokens.expires_in.as_micros()).unwrap_or(i64::MAX / 2);
            let secret = opened.secret.after(&tokens);
            store(fetcher, setup, &opened, (secret, expires_at)).await
        }
        Err(_) if lease.kept_back() => return Ok(None),
        Err(refusal) if refusal.kind == RefusalKind::Grant => ended(fetcher, setup, &opened, &refusal).await,
        Err(refusal) => postponed(fetcher, &opened, lease, &refusal).await,
    };
    token.map(Some)
}

/// The app that the grant was given to.
async fn app(fetcher: &Fetcher, setup: &Arc<Setup>, stored: &Stored) -> Result<Option<App>, Trouble> {
    let app = if stored.own_app {
        own_app(fetcher, setup, &stored.idp).await?
    } else {
        fetcher.servers.app(&stored.idp)
    };
    Ok(app.filter(|app| app.id == stored.client_id))
}

async fn own_app(fetcher: &Fetcher, setup: &Arc<Setup>, idp: &str) -> Result<Option<App>, Trouble> {
    let mut tx = fetcher.db.company(setup.id).read().await?;
    let apps = oauth::apps(&mut tx, setup.id.0).await?;
    drop(tx);
    let Some(own) = apps.into_iter().find(|app| app.idp == idp) else { return Ok(None) };
    let place = Place { table: "oauth_apps", company: setup.id.0, row: own.id, field: "secret" };
    let secret = setup.key(&fetcher.keyring).and_then(|key| key.open(&place, &own.secret));
    Ok(secret.ok().and_then(|secret| String::from_utf8(secret.to_vec()).ok()).map(|secret| App {
        id: own.client_id,
        secret: secret.into(),
        is_own: true,
    }))
}

/// Asks the vendor. What cannot be read or did not come is trouble, never the end of a grant.
async fn answer(
    fetcher: &Fetcher,
    app: &App,
    opened: &Opened,
    lease: &Lease,
) -> Result<idp::Tokens, Refusal> {
    let trouble = |code: &str, words: &str| Refusal {
        kind: RefusalKind::Unavailable,
        code: code.to_owned(),
        words: words.to_owned(),
    };
    let Some(refresh_token) = opened.secret.refresh_token() else {
        return Err(Refusal {
            kind: RefusalKind::Grant,
            code: "no_refresh_token".to_owned(),
            words: String::new(),
        });
    };
    let server = fetcher.servers.server(opened.idp);
    let granted: Vec<String> = opened.stored.scopes.split(' ').map(str::to_owned).collect();
    let request = idp::refresh(&server, &app.client(), refresh_token, &granted)
        .ok_or_else(|| trouble("url_invalid", "the token address cannot be called"))?;
    let port = fetcher.outbound.http(fetcher.servers.trust(opened.idp.id), DEADLINE, Some(lease.permit()));
    let answer = port.send(request).await.map_err(|failure| {
        let words = if failure.kind == FailureKind::Unconfirmed { "no answer came" } else { "no connection" };
        trouble(&failure.code, words)
    })?;
    let mut secrets = opened.secret.values();
    secrets.push(app.secret.expose().to_owned());
    read_tokens(opened.idp, answer.status(), answer.body(), &secrets)
}

/// Commits the new tokens, and does not give up while the database is away for a moment: a vendor that rotates will
/// not give them twice.
async fn store(
    fetcher: &Fetcher,
    setup: &Arc<Setup>,
    opened: &Opened,
    (secret, expires_at): (Secret, Micros),
) -> Result<Token, Trouble> {
    let (company, credential) = opened.key();
    let sealed = setup.key(&fetcher.keyring).and_then(|key| secret.seal(&key, company, credential));
    let sealed = sealed.map_err(|error| {
        tracing::error!(credential = %CredentialId(credential), %error, "new tokens cannot be sealed");
        Trouble::Vendor(Failure::retryable("token_unavailable", "the new tokens cannot be stored"))
    })?;
    let give_up = fetcher.clock.micros() + KEEP_TRYING;
    loop {
        let now = fetcher.clock.micros();
        let stored = async {
            let mut tx = fetcher.db.company(CompanyId(company)).write().await?;
            let times = (expires_at, refresh_at(now, expires_at));
            let is_next = grants::renew(&mut tx, opened.generation(), &sealed, times, now).await?;
            tx.commit().await?;
            Ok::<_, db::Error>(is_next)
        };
        match stored.await {
            Ok(true) => {
                reach(Point::TokenStored);
                return Ok(Token {
                    credentials: secret.for_connector(&opened.stored.label),
                    version: opened.stored.version + 1,
                    expires_at,
                });
            }
            // Reconnected meanwhile, or an earlier commit went through although nobody said so.
            Ok(false) => return Ok(open(fetcher, setup, credential).await?.token()),
            Err(error) if now >= give_up => return Err(Trouble::Db(error)),
            Err(error) => {
                tracing::warn!(credential = %CredentialId(credential), %error, "new tokens are not stored yet");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// The vendor says that the grant is over: true only if nobody has newer tokens.
async fn ended(
    fetcher: &Fetcher,
    setup: &Arc<Setup>,
    opened: &Opened,
    refusal: &Refusal,
) -> Result<Token, Trouble> {
    let now = fetcher.clock.micros();
    let cause = cause(opened.idp.id, &refusal.code, now - opened.stored.granted_at);
    let why = format!("{cause}: {} {}", refusal.code, refusal.words);
    let why = why.trim_end();
    let mut tx = fetcher.db.company(CompanyId(opened.stored.company)).write().await?;
    let died = grants::died(&mut tx, opened.generation(), why).await?;
    tx.commit().await?;
    if died {
        tracing::info!(
            credential = %CredentialId(opened.stored.credential), idp = opened.idp.id, code = refusal.code, "a grant is over"
        );
        return Err(Trouble::Vendor(over(why)));
    }
    let newer = open(fetcher, setup, opened.stored.credential).await?;
    match &newer.stored.dead {
        Some(why) => Err(Trouble::Vendor(over(why))),
        None => Ok(newer.token()),
    }
}

/// The likeliest cause: an app that Google knows as being tested loses every grant after a week.
fn cause(idp: &str, code: &str, age: Micros) -> &'static str {
    match (idp, code) {
        (_, "no_refresh_token") => "grant_not_renewable",
        ("google", "invalid_grant") if (7 * DAY..8 * DAY).contains(&age) => "grant_ended_after_a_week",
        ("google", _) => "grant_ended_google",
        ("microsoft", _) => "grant_ended_microsoft",
        _ => "grant_ended",
    }
}

/// No token for the moment. The one there is goes on being used while it lasts.
async fn postponed(
    fetcher: &Fetcher,
    opened: &Opened,
    lease: &Lease,
    refusal: &Refusal,
) -> Result<Token, Trouble> {
    let tries = u32::try_from(opened.stored.tries).unwrap_or(0).min(10);
    let wait = (FIRST_WAIT << tries).min(LONGEST_WAIT);
    let now = fetcher.clock.micros();
    let next = now + (wait as f64 * (0.8 + 0.4 * random::fraction())) as Micros;
    let mut tx = fetcher.db.company(CompanyId(opened.stored.company)).write().await?;
    grants::release(&mut tx, opened.key(), lease.owner, next).await?;
    tx.commit().await?;
    let credential = CredentialId(opened.stored.credential);
    let (idp, code, words) = (opened.idp.id, &refusal.code, &refusal.words);
    let failure = if refusal.kind == RefusalKind::Client {
        tracing::error!(%credential, idp, code, words, "the app at the identity provider is not accepted");
        Failure::retryable("oauth_app_refused", format!("{code} {words}").trim_end().to_owned())
    } else {
        tracing::warn!(%credential, idp, code, words, "no new token could be had");
        Failure::retryable("token_unavailable", format!("{code} {words}").trim_end().to_owned())
    };
    Err(Trouble::Vendor(failure))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::connections::words;
    use crate::i18n::Lang;

    #[rstest]
    #[case::revoked_or_password_changed("google", "invalid_grant", 30, "grant_ended_google")]
    #[case::an_app_in_testing("google", "invalid_grant", 7, "grant_ended_after_a_week")]
    #[case::a_day_short_of_a_week("google", "invalid_grant", 6, "grant_ended_google")]
    #[case::a_week_and_a_day("google", "invalid_grant", 8, "grant_ended_google")]
    #[case::microsoft_has_no_week("microsoft", "invalid_grant", 7, "grant_ended_microsoft")]
    #[case::anybody_else("zoom", "invalid_grant", 7, "grant_ended")]
    #[case::nothing_to_renew_with("google", "no_refresh_token", 7, "grant_not_renewable")]
    fn the_end_of_a_grant_has_its_likeliest_cause_and_a_remedy(
        #[case] idp: &str,
        #[case] code: &str,
        #[case] days: i64,
        #[case] expected: &str,
    ) {
        let cause = cause(idp, code, days * DAY + 1);
        assert_eq!(cause, expected);
        for lang in [Lang::Tr, Lang::En] {
            let words = words::plain(cause, lang).unwrap_or_default();
            assert!(words.contains("bağla") || words.contains("onnect"), "{cause}: {words}");
        }
    }
}
