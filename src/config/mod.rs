//! Everything the operator can decide, read once at start from flags, environment and secret files.
//!
//! A variable is one row in [`variables`]; its flag, its place in the reference and its recognition follow from that.

mod environment;
mod notice_mail;
mod parse;
mod reader;
mod reference;
mod settings;
mod types;
pub mod variables;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

pub use environment::{Environment, Known};
pub use notice_mail::NoticeMail;
pub use parse::colour;
pub use reader::{Effective, Invalid, Origin, Problem};
pub use reference::reference;
pub use settings::Settings;
pub use types::{Database, OauthClient, PublicUrl, Role};

use crate::telemetry::Secret;
use crate::tokens::{LONGEST_FOREIGN, SHORTEST_FOREIGN, Token};
use reader::Reader;
use variables as var;

/// The configuration of one process. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// `SANTRAL_LISTEN`: where the server answers.
    pub listen: SocketAddr,
    /// `SANTRAL_PUBLIC_URL`: where browsers and vendors reach it; may have a path.
    pub public_url: PublicUrl,
    /// `SANTRAL_FRAME_ANCESTORS`: CSP sources that may embed the pages; none when empty.
    pub frame_ancestors: Vec<String>,
    /// `SANTRAL_RETURN_ORIGINS`: where a browser may return to after consent.
    pub return_origins: Vec<Url>,
    /// `SANTRAL_ACCENT`: the accent colour of all pages whose host names none, six hexadecimal digits.
    pub accent: Option<String>,
    /// `SANTRAL_CONSOLE`: whether the operator's pages are there.
    pub console: bool,
    /// `SANTRAL_DATA_DIR`: what Santral keeps on this machine.
    pub data_dir: PathBuf,
    /// `SANTRAL_DATABASE_URL`.
    pub database: Database,
    /// `SANTRAL_DATABASE_OWNER_URL`: PostgreSQL's owner role, for `migrate`, when it is another than the app's.
    pub database_owner_url: Option<Secret>,
    /// `SANTRAL_PLATFORM_KEY`: the CRM back end's key, 32 characters or more.
    pub platform_key: Option<Secret>,
    /// `SANTRAL_MASTER_KEY_FILE`.
    pub master_key_file: PathBuf,
    /// `SANTRAL_ROLE`: what this process does.
    pub role: Role,
    /// `SANTRAL_WORKERS`: deliveries under way at once, 1 to 10,000.
    pub workers: NonZeroU32,
    /// `SANTRAL_RETENTION_DAYS`: days that events and message bodies are kept; `None` is for ever.
    pub retention_days: Option<NonZeroU32>,
    /// `SANTRAL_ALLOW_NETWORKS`: what the outbound guard lets through although private.
    pub allow_networks: Vec<IpNet>,
    /// `SANTRAL_SMTP_ALLOW_PLAINTEXT`: whether mail may go out unencrypted.
    pub smtp_allow_plaintext: bool,
    /// `SANTRAL_NOTICE_SMTP_URL`: the operator's own mail account, for news to companies that have no other.
    pub notice_mail: Option<NoticeMail>,
    /// `SANTRAL_CA_FILE`: further root certificates (PEM) that vendors' servers may show.
    pub ca_file: Option<PathBuf>,
    /// `SANTRAL_EGRESS_IPS`: shown where a vendor wants an allow-list.
    pub egress_ips: Vec<IpAddr>,
    /// `SANTRAL_LOG`: a valid log filter.
    pub log: String,
    /// `SANTRAL_OAUTH_<IDP>_CLIENT_ID` and `…_CLIENT_SECRET`, by idp.
    pub oauth_clients: BTreeMap<&'static str, OauthClient>,
    /// `SANTRAL_OAUTH_<IDP>_REVOKE`: whether the last use of a grant ends it at the vendor, by idp; true where absent.
    pub oauth_revoke: BTreeMap<&'static str, bool>,
    /// `SANTRAL_OAUTH_<IDP>_TENANT`: who may consent, by idp.
    pub oauth_tenants: BTreeMap<&'static str, String>,
    /// `SANTRAL_OAUTH_<IDP>_URL`: another origin for an idp, by idp.
    pub oauth_urls: BTreeMap<&'static str, Url>,
    /// `SANTRAL_PROVIDER_<ID>_URL`: another origin for a vendor, by provider.
    pub provider_urls: BTreeMap<&'static str, Url>,
    /// Each variable's value and where it came from, secrets left out; what `config check` prints.
    pub effective: Vec<Effective>,
    /// What is probably not meant: unknown variables, an address that only this machine can reach.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the whole configuration.
    ///
    /// # Errors
    /// [`Invalid`] with every problem found, each naming its variable and the remedy.
    pub fn read(settings: &Settings, environment: &Environment, known: &Known) -> Result<Self, Invalid> {
        let mut reader = Reader::new(settings, environment);
        let config = Self::collect(&mut reader, known);
        let (effective, problems) = reader.finish();
        if !problems.is_empty() {
            return Err(Invalid(problems));
        }
        let mut warnings = environment.unknown(known);
        warnings.extend(config.unreachable_url(&effective));
        Ok(Self { effective, warnings, ..config })
    }

    /// Values stand in for faulty ones here, so that all problems are found in one go; the caller then drops them.
    fn collect(reader: &mut Reader<'_>, known: &Known) -> Self {
        let listen = reader.or(&var::LISTEN, SocketAddr::from(([127, 0, 0, 1], 8080)), parse::listen);
        let data_dir = reader.or(&var::DATA_DIR, PathBuf::from("./data"), parse::path);
        let database =
            reader.or(&var::DATABASE_URL, Database::Sqlite(data_dir.join("santral.db")), Database::parse);
        let config = Self {
            public_url: reader.or(&var::PUBLIC_URL, PublicUrl::of_listener(listen), PublicUrl::parse),
            frame_ancestors: reader.or(&var::FRAME_ANCESTORS, Vec::new(), parse::frame_ancestors),
            return_origins: reader.or(&var::RETURN_ORIGINS, Vec::new(), parse::origins),
            accent: reader.optional(&var::ACCENT, parse::colour),
            console: reader.or(&var::CONSOLE, true, parse::boolean),
            database_owner_url: reader.optional(&var::DATABASE_OWNER_URL, parse::postgres_url),
            platform_key: reader.optional(&var::PLATFORM_KEY, platform_key),
            master_key_file: reader.or(&var::MASTER_KEY_FILE, data_dir.join("master.key"), parse::path),
            role: reader.or(&var::ROLE, Role::All, Role::parse),
            workers: reader.or(&var::WORKERS, var::DEFAULT_WORKERS, parse::workers),
            retention_days: reader.or(&var::RETENTION_DAYS, var::DEFAULT_RETENTION, parse::retention),
            allow_networks: reader.or(&var::ALLOW_NETWORKS, Vec::new(), parse::networks),
            smtp_allow_plaintext: reader.or(&var::SMTP_ALLOW_PLAINTEXT, false, parse::boolean),
            notice_mail: reader.optional(&var::NOTICE_SMTP_URL, NoticeMail::parse),
            ca_file: reader.optional(&var::CA_FILE, parse::existing_file),
            egress_ips: reader.or(&var::EGRESS_IPS, Vec::new(), parse::addresses),
            log: reader.or(&var::LOG, "info".to_owned(), parse::log_filter),
            oauth_clients: reader.oauth_clients(known),
            oauth_revoke: reader.per_vendor(&known.idps, "REVOKE", parse::boolean),
            oauth_tenants: reader.per_vendor(&known.idps, "TENANT", parse::tenant),
            oauth_urls: reader.origins("OAUTH", &known.idps),
            provider_urls: reader.origins("PROVIDER", &known.providers),
            effective: Vec::new(),
            warnings: Vec::new(),
            listen,
            data_dir,
            database,
        };
        config.check_together(reader);
        config
    }

    /// What is wrong only in combination.
    fn check_together(&self, reader: &mut Reader<'_>) {
        let sqlite = matches!(self.database, Database::Sqlite(_));
        if sqlite && self.role != Role::All {
            reader.problem(
                &var::ROLE,
                "one process alone works on an SQLite file: use `all`, or set SANTRAL_DATABASE_URL to PostgreSQL",
            );
        }
        if sqlite && self.database_owner_url.is_some() {
            reader.problem(&var::DATABASE_OWNER_URL, "SQLite has no owner role: unset it, or use PostgreSQL");
        }
    }

    /// The server listens here: a free port that was asked for (0) has become one that browsers can go to.
    pub fn listens_at(&mut self, address: SocketAddr) {
        if is_derived(&self.effective) {
            self.public_url = PublicUrl::of_listener(address);
        }
    }

    fn unreachable_url(&self, effective: &[Effective]) -> Option<String> {
        (is_derived(effective) && !self.listen.ip().is_loopback()).then(|| {
            format!(
                "SANTRAL_PUBLIC_URL is not set: links, consent pages and vendors' callbacks will use {}, which others \
                 may not reach",
                self.public_url
            )
        })
    }
}

fn platform_key(text: &str) -> Result<Secret, String> {
    match Token::parse(text) {
        _ if text.chars().any(char::is_control) => Err("a key holds no control characters".to_owned()),
        Ok(Token::Foreign { .. } | Token::Platform { .. }) => Ok(Secret::new(text)),
        Ok(Token::Company { .. }) => Err("this is a company's key: choose another text".to_owned()),
        Err(_) => Err(format!(
            "use {SHORTEST_FOREIGN} characters or more, {LONGEST_FOREIGN} bytes at most, not beginning like a minted key"
        )),
    }
}

/// Whether nobody has said what the public address is.
fn is_derived(effective: &[Effective]) -> bool {
    effective.iter().any(|e| e.name == var::PUBLIC_URL.full_name() && e.origin == Origin::Default)
}

#[cfg(test)]
mod tests;
