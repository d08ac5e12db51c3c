//! The real binary as a process, on a database of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::PATIENCE;
use super::client::Client;
use super::postgres::{Database, Postgres};

/// The platform key every test server is started with.
pub const PLATFORM_KEY: &str = "platform-key-of-the-integration-tests";

/// Which database a test runs on: `#[values(Engine::Sqlite, Engine::Postgres)]` runs it on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The environment a server is started with; it inherits nothing.
#[derive(Debug, Clone, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
    /// A program that starts the server as its last arguments say.
    under: Vec<String>,
}

/// One running server. Dropping it kills it.
pub struct Server {
    process: Child,
    log: watch::Receiver<Vec<String>>,
    address: SocketAddr,
    env: Env,
    database: Option<Database>,
    folder: TempDir,
}

impl Env {
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Starts the server by another program, which becomes it: what follows these arguments is the server's command.
    pub fn start_under(&mut self, program: &[&str]) {
        self.under = program.iter().map(|part| (*part).to_owned()).collect();
    }

    /// Leaves nothing but the address, which must be free: as an operator who sets nothing.
    pub fn forget_all_but_the_address(&mut self) {
        self.variables.retain(|name, _| name == "SANTRAL_LISTEN");
    }

    fn for_tests(folder: &TempDir, database: Option<&Database>) -> Self {
        let mut env = Self::default();
        env.set("SANTRAL_LISTEN", "127.0.0.1:0");
        env.set("SANTRAL_DATA_DIR", folder.path().join("data").to_string_lossy());
        env.set("SANTRAL_PLATFORM_KEY", PLATFORM_KEY);
        env.set("SANTRAL_ALLOW_NETWORKS", "127.0.0.0/8,::1/128");
        env.set("SANTRAL_SMTP_ALLOW_PLAINTEXT", "true");
        if let Some(database) = database {
            env.set("SANTRAL_DATABASE_URL", &database.url);
        }
        env
    }
}

impl Server {
    /// Starts on a fresh database; `customise` has the last word on the environment.
    pub async fn start(engine: Engine, customise: impl FnOnce(&mut Env)) -> Self {
        Self::try_start(engine, customise)
            .await
            .unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// As [`Self::start`], for a server that may refuse to start: then its log.
    pub async fn try_start(engine: Engine, customise: impl FnOnce(&mut Env)) -> Result<Self, String> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Postgres::shared().database().await),
        };
        Self::launch(database, customise).await
    }

    /// Starts on a database that the test holds, such as one of its own PostgreSQL or another server's.
    pub async fn start_on(database: &Database, customise: impl FnOnce(&mut Env)) -> Self {
        let started = Self::launch(Some(database.clone()), customise).await;
        started.unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    async fn launch(database: Option<Database>, customise: impl FnOnce(&mut Env)) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut env = Env::for_tests(&folder, database.as_ref());
        customise(&mut env);
        let (process, log, address) = spawn(&env, folder.path()).await?;
        Ok(Self { process, log, address, env, database, folder })
    }

    /// Its base address, which a restart keeps.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client that holds the platform key.
    pub fn platform(&self) -> Client {
        Client::new(self.url(), PLATFORM_KEY)
    }

    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Another command with this server's environment, beside the server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.args(arguments).envs(&self.env.variables);
        command
    }

    /// Every line it has logged since it was last started.
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Ends it as a crash would.
    pub fn kill9(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Changes a variable of its next start.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.set(name, value);
    }

    /// Waits until it has died of itself, such as at a point where it was told to.
    pub async fn died(&mut self, within: Duration) -> ExitStatus {
        let ended = timeout(within, async { while self.log.changed().await.is_ok() {} }).await;
        assert!(ended.is_ok(), "the server goes on living:\n{}", self.log().join("\n"));
        self.process.wait().unwrap()
    }

    /// Waits until its log has such a line, and gives it.
    pub async fn says(&self, wanted: &str) -> String {
        let mut log = self.log.clone();
        let found =
            timeout(PATIENCE, log.wait_for(|lines| lines.iter().any(|line| line.contains(wanted)))).await;
        let Ok(Ok(lines)) = found else { panic!("it never says {wanted}:\n{}", self.log().join("\n")) };
        lines.iter().find(|line| line.contains(wanted)).cloned().unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.unwrap().success(), "the signal {name} cannot be sent");
    }

    /// Whether it is stopped by a signal right now.
    pub fn is_frozen(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        // Its standard error ends when it does.
        let ended = timeout(PATIENCE, async { while self.log.changed().await.is_ok() {} }).await;
        assert!(ended.is_ok(), "the server ignored SIGTERM:\n{}", self.log().join("\n"));
        self.process.wait().unwrap()
    }

    /// Starts it again after [`Self::kill9`] or [`Self::terminate`], at the same address with the same data.
    pub async fn restart(&mut self) {
        let started = self.try_restart().await;
        started.unwrap_or_else(|log| panic!("the server did not start again:\n{log}"));
    }

    /// As [`Self::restart`], for a server that may end before it listens: then its log and how it ended.
    pub async fn try_restart(&mut self) -> Result<(), String> {
        self.env.set("SANTRAL_LISTEN", self.address.to_string());
        (self.process, self.log, self.address) = spawn(&self.env, self.folder.path()).await?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "the server's last words:\n{}",
                self.log().iter().rev().take(12).rev().cloned().collect::<Vec<_>>().join("\n")
            );
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary, in a folder and with no environment.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_santral"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// Another program that starts the server.
fn wrapped(under: &[String], folder: &Path) -> Option<Command> {
    let (first, rest) = under.split_first()?;
    let mut command = Command::new(first);
    command.args(rest).arg(env!("CARGO_BIN_EXE_santral")).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").current_dir(folder);
    Some(command)
}

/// Runs a command to its end, while what else the test has set up goes on.
pub async fn run(mut command: Command) -> Output {
    let output = spawn_blocking(move || command.output().unwrap());
    timeout(PATIENCE, output).await.expect("the command ends in time").unwrap()
}

type Started = (Child, watch::Receiver<Vec<String>>, SocketAddr);

/// Starts the binary and waits until it says where it listens; the error is the log of one that ended instead.
async fn spawn(env: &Env, folder: &Path) -> Result<Started, String> {
    let mut command = wrapped(&env.under, folder).unwrap_or_else(|| program(folder));
    let mut process = command
        .arg("serve")
        .envs(&env.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = follow(process.stderr.take().unwrap());
    let listening = log.wait_for(|lines| lines.iter().any(|line| address(line).is_some()));
    let found = timeout(PATIENCE, listening)
        .await
        .map(|ended| ended.ok().and_then(|lines| lines.iter().find_map(|line| address(line))));
    let said = || log.borrow().join("\n");
    match found {
        Ok(Some(address)) => Ok((process, log, address)),
        Ok(None) => Err(format!("{}\n{}", said(), process.wait().unwrap())),
        Err(_) => {
            process.kill().unwrap();
            panic!("it neither listens nor ends:\n{}", said())
        }
    }
}

/// Collects the lines of the log as they come; the channel closes when the process does.
fn follow(stderr: ChildStderr) -> watch::Receiver<Vec<String>> {
    let (collect, log) = watch::channel(Vec::new());
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            collect.send_modify(|lines| lines.push(line));
        }
    });
    log
}

/// The address in the log line `{"fields":{"message":"listening","address":"http://127.0.0.1:…"}}`.
fn address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    let listening = fields.get("message")? == "listening";
    let address = fields.get("address")?.as_str()?.strip_prefix("http://")?;
    address.parse().ok().filter(|_| listening)
}
