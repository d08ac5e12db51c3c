//! A grant's tokens as they are sealed.

use std::collections::BTreeMap;

use santral_connectors::Credentials;
use santral_connectors::idp::Tokens;
use uuid::Uuid;

use crate::companies::setup::credential_place;
use crate::vault::{CompanyKey, VaultError};

const ACCESS: &str = "access_token";
const REFRESH: &str = "refresh_token";
const API_URL: &str = "api_url";

/// Access token, refresh token and what else comes with them; its `Debug` shows names only.
#[derive(Debug, Clone)]
pub struct Secret(Credentials);

impl Secret {
    /// What a first answer brought.
    pub fn new(tokens: &Tokens) -> Self {
        Self(Credentials(BTreeMap::new())).after(tokens)
    }

    /// What is there after a further answer: what it does not bring stays.
    pub fn after(&self, tokens: &Tokens) -> Self {
        let mut values = self.0.0.clone();
        let brought = [
            (ACCESS, Some(&tokens.access_token)),
            (REFRESH, tokens.refresh_token.as_ref()),
            (API_URL, tokens.api_url.as_ref()),
        ];
        for (key, value) in brought {
            if let Some(value) = value {
                values.insert(key.to_owned(), value.clone());
            }
        }
        Self(Credentials(values))
    }

    pub fn access_token(&self) -> Option<&str> {
        self.0.get(ACCESS)
    }

    pub fn refresh_token(&self) -> Option<&str> {
        self.0.get(REFRESH)
    }

    /// What ends the grant when it is revoked: the refresh token where there is one (RFC 7009 §2.1).
    pub fn revocable(&self) -> Option<&str> {
        self.refresh_token().or_else(|| self.access_token())
    }

    /// What a connector gets: no refresh token, and what people call the account.
    pub fn for_connector(&self, account: &str) -> Credentials {
        let mut values = self.0.0.clone();
        values.remove(REFRESH);
        values.insert("account".to_owned(), account.to_owned());
        Credentials(values)
    }

    /// Everything that must not be seen in a vendor's words.
    pub fn values(&self) -> Vec<String> {
        [self.access_token(), self.refresh_token()].into_iter().flatten().map(str::to_owned).collect()
    }

    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal(&self, key: &CompanyKey, company: Uuid, credential: Uuid) -> Result<Vec<u8>, VaultError> {
        let json = serde_json::to_vec(&self.0).map_err(|_| VaultError::Malformed("tokens are not JSON"))?;
        key.seal(&credential_place(company, credential), &json)
    }

    /// # Errors
    /// When it was changed or moved.
    pub fn open(
        key: &CompanyKey,
        (company, credential): (Uuid, Uuid),
        sealed: &[u8],
    ) -> Result<Self, VaultError> {
        let plain = key.open(&credential_place(company, credential), sealed)?;
        let values = serde_json::from_slice(&plain);
        values.map(Self).map_err(|_| VaultError::Malformed("the tokens are not readable"))
    }
}
