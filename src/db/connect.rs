//! Opening the database: connect, migrate, and prove that isolation and durability hold.

use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{Db, Engine, OpenError, isolation, migrate};

/// Where the database is and how this process may use it.
#[derive(Debug, Clone)]
pub enum DbConfig {
    Sqlite {
        path: PathBuf,
        /// Refuse a second process (a server), or share the file with one (a command beside it).
        exclusive: bool,
    },
    Postgres {
        url: String,
        /// Another login for migrating, where the server's own may not.
        owner_url: Option<String>,
        connections: u32,
    },
}

impl Db {
    /// Opens the database for use: migrates it where this login may, and refuses it where promises would not hold.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what helps.
    pub async fn open(config: &DbConfig) -> Result<Self, OpenError> {
        match config {
            DbConfig::Sqlite { path, exclusive } => {
                let db = Self(Engine::Sqlite(Sqlite::open(path, *exclusive).await?).into());
                migrate::sqlite(&db).await?;
                Ok(db)
            }
            DbConfig::Postgres { url, owner_url, connections } => {
                let place = place(url);
                let engine = Postgres::open(options(url)?, *connections)
                    .await
                    .map_err(|cause| OpenError::Connect { place, cause })?;
                // Before all else: through a transaction pooler everything fails, each thing in its own words.
                isolation::sessions_are_real(&engine).await?;
                engine.check_durability().await?;
                let owner = owner_url.as_ref().unwrap_or(url);
                migrate::postgres_where_allowed(&options(owner)?, owner_url.is_some()).await?;
                isolation::check(&engine).await?;
                Ok(Self(Engine::Postgres(engine).into()))
            }
        }
    }

    /// Migrates with the owner's login and says which versions were applied.
    ///
    /// # Errors
    /// [`OpenError::Migrate`] names the step that failed.
    pub async fn migrate(config: &DbConfig) -> Result<Vec<i64>, OpenError> {
        match config {
            DbConfig::Sqlite { path, exclusive } => {
                let db = Self(Engine::Sqlite(Sqlite::open(path, *exclusive).await?).into());
                let applied = migrate::sqlite(&db).await;
                db.close().await;
                applied
            }
            DbConfig::Postgres { url, owner_url, .. } => {
                migrate::postgres(&options(owner_url.as_ref().unwrap_or(url))?).await
            }
        }
    }
}

/// The address without user and password, for messages.
fn place(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else { return "the given address".to_owned() };
    format!("{}:{}{}", url.host_str().unwrap_or("localhost"), url.port().unwrap_or(5432), url.path())
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    PgConnectOptions::from_str(url).map_err(|cause| OpenError::Connect { place: place(url), cause })
}
