//! Connecting by consent: a person says yes at an identity provider and comes back with working connections.
//!
//! `begin` sends the browser to the consent page and remembers one state for its way back; `callback` takes it back,
//! once and only from the browser that began; `store` makes connections of what was granted. A `ticket` begins the
//! same for a browser that holds no key. Whatever goes wrong on the way stores nothing.

pub mod ahead;
pub mod apps;
pub mod begin;
pub mod callback;
pub mod disconnect;
mod exchange;
pub mod refusal;
mod store;
pub mod tickets;
mod token;
mod wish;

use santral_connectors::idp::{self, Idp};

pub use refusal::{Refusal, Refused};
pub use wish::{Asked, Wish};

use crate::app::App;
use crate::clock::Micros;
use crate::error::{AppError, AppResult, Code};

/// How long a consent, or a link that begins one, may take.
const LASTS: Micros = 600_000_000;
/// Whoever comes later than that is told so for a day.
const REMEMBERED: Micros = 24 * 3600 * 1_000_000;

/// The idp of a path.
///
/// # Errors
/// `not_found`.
pub fn find_idp(id: &str) -> AppResult<&'static Idp> {
    idp::find(id).ok_or_else(AppError::not_found)
}

/// Where the vendor sends the browser back to; registered there letter by letter.
pub fn redirect_uri(app: &App, idp: &Idp) -> String {
    app.config.public_url.to(&format!("/api/integrations/oauth/{}/callback", idp.id))
}

fn not_configured(idp: &Idp) -> AppError {
    AppError::new(Code::NotConfigured).detail(
        format!(
            "Bu sunucuda {} uygulaması tanımlı değil. Sunucuyu işleten kişi SANTRAL_OAUTH_{}_CLIENT_ID ve _CLIENT_SECRET \
             değerlerini girmeli ya da şirket kendi uygulamasını tanımlamalıdır.",
            idp.name,
            idp.id.to_ascii_uppercase()
        ),
        format!(
            "This server has no {} app. Its operator has to set SANTRAL_OAUTH_{}_CLIENT_ID and _CLIENT_SECRET, or the \
             company brings its own app.",
            idp.name,
            idp.id.to_ascii_uppercase()
        ),
    )
}
