//! `santral serve` as a child, on a database of its own, with every setting at its default but where it listens, what
//! it stores in, its platform key, and leave to call this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use santral_testkit::{Database, Postgres, free_port};
use serde::Serialize;
use tempfile::TempDir;

use crate::place::Place;
use crate::process::{Process, cpu_of_tree};

/// The platform key of every measured server.
pub const PLATFORM_KEY: &str = "platform-key-of-the-load-harness";
/// PostgreSQL as it is installed; the harness's other users make do with less memory.
const POSTGRES: &str = "shared_buffers = 128MB";

/// Which database Santral stores in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "Santral on SQLite",
            Self::Postgres => "Santral on PostgreSQL",
        }
    }
}

/// Variables beside the usual ones.
pub type Environment = Vec<(&'static str, String)>;

/// A running server and all that is its own; dropping it removes everything.
#[derive(Debug)]
pub struct Santral {
    pub process: Process,
    program: PathBuf,
    database: Option<Database>,
    /// Further variables.
    environment: Environment,
    folder: TempDir,
    // After the process: a server is stopped before its database.
    postgres: Option<Postgres>,
}

impl Santral {
    /// Starts on a new, empty database, and returns when it is ready.
    pub async fn start(place: &Place, engine: Engine) -> anyhow::Result<Self> {
        Self::start_with(place, engine, Vec::new()).await
    }

    /// As [`Self::start`], with further variables.
    pub async fn start_with(place: &Place, engine: Engine, environment: Environment) -> anyhow::Result<Self> {
        let folder = place.folder("santral")?;
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::start(POSTGRES, Some(place.path()))?),
        };
        let database = postgres.as_ref().map(Postgres::database).transpose()?;
        let program = place.santral.clone();
        let process =
            launch((program.as_path(), &environment), folder.path(), database.as_ref(), "data").await?;
        Ok(Self { process, program, database, environment, folder, postgres })
    }

    /// Stops it in order, starts it again on what it has stored, and tells how long that took until it was ready.
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        self.process.terminate().await?;
        let begun = Instant::now();
        let program = (self.program.as_path(), &self.environment);
        self.process = launch(program, self.folder.path(), self.database.as_ref(), "data").await?;
        Ok(begun.elapsed())
    }

    /// A second node on the same PostgreSQL.
    pub async fn second_node(&self) -> anyhow::Result<Process> {
        let program = (self.program.as_path(), &self.environment);
        launch(program, self.folder.path(), self.database.as_ref(), "second").await
    }

    /// Processor time that it and its database have used so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let database = match &self.postgres {
            None => 0.0,
            Some(postgres) => {
                let file = fs::read_to_string(postgres.folder().join("data/postmaster.pid"))?;
                let pid = file.lines().next().unwrap_or_default().trim();
                cpu_of_tree(pid.parse().context("PostgreSQL's process is not known")?)?
            }
        };
        Ok(self.process.cpu()? + database)
    }

    pub const fn address(&self) -> SocketAddr {
        self.process.address
    }
}

async fn launch(
    (program, environment): (&Path, &Environment),
    folder: &Path,
    database: Option<&Database>,
    data: &str,
) -> anyhow::Result<Process> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = Command::new(program);
    command
        .arg("serve")
        .env_clear()
        .env("SANTRAL_LISTEN", address.to_string())
        .env("SANTRAL_DATA_DIR", folder.join(data))
        .env("SANTRAL_MASTER_KEY_FILE", folder.join("master.key"))
        .env("SANTRAL_PLATFORM_KEY", PLATFORM_KEY)
        .env("SANTRAL_ALLOW_NETWORKS", "127.0.0.0/8")
        .env("SANTRAL_SMTP_ALLOW_PLAINTEXT", "true");
    if let Some(database) = database {
        command.env("SANTRAL_DATABASE_URL", &database.url);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut process = Process::spawn(command, address, &folder.join(format!("{data}.log")))?;
    process.ready("/readyz").await?;
    Ok(process)
}
