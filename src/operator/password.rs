//! Passwords as argon2id hashes: 64 MiB, three passes (RFC 9106 §4, the second recommended option).

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

use crate::error::{AppError, AppResult, Code};
use crate::random;
use crate::telemetry::Secret;

const KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// So many at once, whoever asks: each takes its memory and a core for a good part of a second.
static PERMITS: Semaphore = Semaphore::const_new(2);
/// What no password matches, at the cost of one that might.
const NOBODY: &str =
    "$argon2id$v=19$m=65536,t=3,p=1$c2FudHJhbC1ub2JvZHk$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon2() -> AppResult<Argon2<'static>> {
    let params = Params::new(KIB, PASSES, 1, None).map_err(|_| AppError::new(Code::Internal))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Runs it on a thread that nothing else waits for.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> AppResult<T> + Send + 'static) -> AppResult<T> {
    let _permit = PERMITS.acquire().await.map_err(|_| AppError::new(Code::Unavailable))?;
    tokio::task::spawn_blocking(work).await.map_err(|_| AppError::new(Code::Internal))?
}

/// The hash of a password, in the PHC string format.
///
/// # Errors
/// `internal` when there is no memory for it.
pub(super) async fn hash(password: Secret) -> AppResult<String> {
    let salt = random::bytes::<16>();
    apart(move || {
        let hash = argon2()?.hash_password_with_salt(password.expose().as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(|_| AppError::new(Code::Internal))
    })
    .await
}

/// Whether a password is the one of a hash; without a hash it is not, after as much work.
///
/// # Errors
/// `internal` when the work could not be done.
pub(super) async fn verify(password: Secret, hash: Option<String>) -> AppResult<bool> {
    apart(move || {
        let known = hash.as_deref().unwrap_or(NOBODY);
        let matches = argon2()?.verify_password(password.expose().as_bytes(), known).is_ok();
        Ok(matches && hash.is_some())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_opens_its_hash() {
        let known = hash(Secret::new("doğru at pil zımba")).await.expect("a hash");
        assert!(known.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{known}");
        assert!(verify(Secret::new("doğru at pil zımba"), Some(known.clone())).await.expect("an answer"));
        assert!(!verify(Secret::new("dogru at pil zimba"), Some(known)).await.expect("an answer"));
        for hostile in ["", "x", "$argon2id$", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAA"] {
            assert!(
                !verify(Secret::new("x"), Some(hostile.to_owned())).await.expect("an answer"),
                "{hostile}"
            );
        }
    }

    #[test]
    fn nobodys_hash_costs_what_a_real_one_does() {
        // What cannot be read would be refused at once.
        let parsed = argon2::password_hash::phc::PasswordHash::new(NOBODY).expect("it is a hash");
        let params = Params::try_from(&parsed).expect("its cost");
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (KIB, PASSES, 1));
        assert!(parsed.hash.is_some() && parsed.salt.is_some());
    }
}
