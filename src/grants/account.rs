//! The end of a grant at the vendor: only when nobody else, of any company, stands on the same account of the same app.
//!
//! Revoking one of Google's grants ends all that the account has granted to the project. Who stands on what is kept as
//! keyed hashes, apart from the companies' own rows: added before a grant is stored and taken away after it is gone, so
//! that a crash in between leaves one too many, and a living grant is never revoked.

use std::time::Duration;

use santral_connectors::http::Http as _;
use santral_connectors::idp::{self, Idp, Revocation};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::secret::Secret;
use super::servers::App;
use crate::delivery::Services;
use crate::error::{AppError, AppResult, Code};
use crate::ids::CredentialId;
use crate::store::grants;

const REVOKE_WITHIN: Duration = Duration::from_secs(10);

/// What became of the grant at the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It is revoked.
    Revoked,
    /// Other connections of this company stand on it, so it stays.
    StillUsed,
    /// Others stand on the same account of the same app: revoking would end theirs too.
    SharedElsewhere,
    /// The vendor has no call for it; the account's owner ends it by hand.
    ByHand,
    /// The operator switched revoking off.
    SwitchedOff,
    /// The vendor did not confirm it; the tokens are forgotten here all the same.
    NotConfirmed,
}

/// Keyed hashes of the account and of the grant that stands on it.
async fn hashes(
    services: &Services,
    (idp, client, subject): (&str, &str, &str),
    (company, credential): (Uuid, Uuid),
) -> AppResult<([u8; 32], [u8; 32])> {
    let platform = services.setups.platform().await?.ok_or_else(|| AppError::new(Code::Internal))?;
    let key = platform.key(&services.keyring)?;
    let account = serde_json::json!([idp, client, subject]).to_string();
    let mut holder = company.as_bytes().to_vec();
    holder.extend_from_slice(credential.as_bytes());
    Ok((key.mac("oauth: account", account.as_bytes())?, key.mac("oauth: holder", &holder)?))
}

/// Notes that a grant is about to stand on an account.
///
/// # Errors
/// When the database cannot be written.
pub async fn hold(services: &Services, account: (&str, &str, &str), grant: (Uuid, Uuid)) -> AppResult<()> {
    let (account, holder) = hashes(services, account, grant).await?;
    let mut tx = services.db.system("note who stands on an account").write().await?;
    grants::hold(&mut tx, &account, &holder).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a grant whose row is gone already, at the vendor too if nobody else stands on it.
///
/// # Errors
/// When the database cannot be written; the grant is forgotten all the same.
pub async fn end(
    services: &Services,
    gone: &grants::Stored,
    app: Option<&App>,
    secret: Option<&Secret>,
) -> AppResult<Ended> {
    let account = (gone.idp.as_str(), gone.client_id.as_str(), gone.subject.as_str());
    let (account, holder) = hashes(services, account, (gone.company, gone.credential)).await?;
    let mut tx = services.db.system("who else stands on this account").write().await?;
    let others = grants::let_go(&mut tx, &account, &holder).await?;
    tx.commit().await?;
    let Some(idp) = idp::find(&gone.idp) else { return Ok(Ended::NotConfirmed) };
    Ok(match idp.revocation {
        Revocation::ByHand { .. } => Ended::ByHand,
        Revocation::At { .. } if !services.tokens.servers().revokes(idp.id) => Ended::SwitchedOff,
        Revocation::At { ends_whole_grant: true, .. } if others > 0 => Ended::SharedElsewhere,
        Revocation::At { .. } => match (app, secret) {
            (Some(app), Some(secret)) => revoke(services, idp, app, secret, gone.credential).await,
            _ => Ended::NotConfirmed,
        },
    })
}

async fn revoke(
    services: &Services,
    idp: &'static Idp,
    app: &App,
    secret: &Secret,
    credential: Uuid,
) -> Ended {
    let servers = services.tokens.servers();
    let server = servers.server(idp);
    let request = secret.revocable().and_then(|token| idp::revoke(&server, &app.client(), token));
    let Some(request) = request else { return Ended::NotConfirmed };
    let port = services.outbound.http(servers.trust(idp.id), REVOKE_WITHIN, None);
    match port.send(request).await {
        Ok(answer) if answer.status().is_success() => Ended::Revoked,
        // Google answers so to a token that is over already, which is what was wanted.
        Ok(answer) if answer.status().as_u16() == 400 && is_over(answer.body()) => Ended::Revoked,
        Ok(answer) => {
            let (credential, status) = (CredentialId(credential), answer.status().as_u16());
            tracing::warn!(%credential, idp = idp.id, status, "a grant could not be revoked");
            Ended::NotConfirmed
        }
        Err(failure) => {
            let credential = CredentialId(credential);
            tracing::warn!(%credential, idp = idp.id, code = %failure.code, "a grant could not be revoked");
            Ended::NotConfirmed
        }
    }
}

fn is_over(body: &[u8]) -> bool {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    matches!(body.get("error").and_then(serde_json::Value::as_str), Some("invalid_token" | "invalid_grant"))
}
