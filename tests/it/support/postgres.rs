//! A PostgreSQL server that belongs to the test process: started on first use, one empty database per test.
//!
//! `postgres.sh` guards it: when the test process ends, even by `kill -9`, the guardian's standard input ends, and it
//! stops the server and removes its directory.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

const GUARDIAN: &str = include_str!("postgres.sh");
const REMEDY: &str = "no PostgreSQL server found in /usr/lib/postgresql/*/bin: run `apt-get install postgresql`, \
                      or scripts/test, which does";

/// One running server on 127.0.0.1.
pub struct Postgres {
    port: u16,
    folder: PathBuf,
    guardian: Mutex<Guardian>,
    databases: AtomicU32,
}

/// An empty database, and the two ways into it.
#[derive(Debug, Clone)]
pub struct Database {
    /// As the operator's role, which owns the database and may create roles, but is no superuser.
    pub url: String,
    /// As the superuser, for what no operator would do.
    pub superuser_url: String,
}

struct Guardian {
    process: Child,
    /// Closing it is the order to clean up.
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Postgres {
    /// The server all tests share; its first user waits for it to start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::own)
    }

    /// A server for one test alone, to be stopped and started under what runs on it. Dropping it removes it.
    pub fn own() -> Self {
        let port = free_port();
        let mut guardian = Guardian::spawn(&binaries().expect(REMEDY), port);
        let folder = guardian.answer();
        let folder = PathBuf::from(folder.strip_prefix("folder ").unwrap_or_else(|| panic!("{folder}")));
        guardian.order("start", "started");
        Self { port, folder, guardian: Mutex::new(guardian), databases: AtomicU32::new(0) }
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> Database {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut superuser = PgConnection::connect(&self.superuser_url("postgres")).await.unwrap();
        let create = format!("CREATE DATABASE {name} OWNER operator");
        superuser.execute(AssertSqlSafe(create)).await.unwrap();
        superuser.close().await.unwrap();
        Database {
            url: format!("postgres://operator:operator@127.0.0.1:{}/{name}", self.port),
            superuser_url: self.superuser_url(&name),
        }
    }

    /// Stops as a crash would: connections break, the log is replayed at the next start.
    pub fn stop_immediate(&self) {
        self.guardian.lock().unwrap().order("stop", "stopped");
    }

    /// Starts again on the same port, and returns when it takes connections.
    pub fn start(&self) {
        self.guardian.lock().unwrap().order("start", "started");
    }

    /// Where its files are, while it lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn superuser_url(&self, database: &str) -> String {
        format!("postgres://postgres:superuser@127.0.0.1:{}/{database}", self.port)
    }
}

impl Guardian {
    fn spawn(binaries: &Path, port: u16) -> Self {
        // The script is also its own `$0`, so that it can hand itself to another user without a file.
        let mut process = Command::new("sh")
            .args(["-c", GUARDIAN, GUARDIAN])
            .arg(binaries)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, commands, answers }
    }

    fn order(&mut self, command: &str, expected: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        assert_eq!(self.answer(), expected);
    }

    fn answer(&mut self) -> String {
        self.answers.next().expect("PostgreSQL's guardian ended without an answer").unwrap()
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.commands = None;
        // Nothing more can be done if it is already gone.
        let _ = self.process.wait();
    }
}

/// The folder of the newest installed version's binaries.
fn binaries() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = installed.map(|entry| entry.path()).max_by_key(|path| version(path))?;
    let folder = newest.join("bin");
    folder.join("initdb").exists().then_some(folder)
}

/// A port that was free a moment ago; PostgreSQL cannot be asked to choose one itself.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
