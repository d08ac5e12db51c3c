//! A PostgreSQL server that belongs to the process that starts it.
//!
//! `postgres.sh` guards it: when this process ends, even by `kill -9`, the guardian's standard input ends, and it stops
//! the server and removes its directory.

use std::fs;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

const GUARDIAN: &str = include_str!("postgres.sh");
const REMEDY: &str = "no PostgreSQL server found in /usr/lib/postgresql/*/bin: run `apt-get install postgresql`, \
                      or scripts/test, which does";

/// One running server on 127.0.0.1, with `fsync` on. Dropping it stops it and removes its files.
#[derive(Debug)]
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

#[derive(Debug)]
struct Guardian {
    process: Child,
    /// Closing it is the order to clean up.
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Postgres {
    /// Starts a server with `settings`, lines for the end of `postgresql.conf`, and returns when it takes connections.
    /// Its files are in a new directory inside `folder`, or where temporary files go.
    ///
    /// # Errors
    /// With the remedy when PostgreSQL is not installed, else with the end of its log.
    pub fn start(settings: &str, folder: Option<&Path>) -> io::Result<Self> {
        Self::start_under(Command::new("sh"), settings, folder)
    }

    /// As [`Self::start`], on a file system of its own with so many MB, which ends with the server. It is made in a
    /// namespace of its own, in which the server runs as a user that is not root.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on_disk_of(megabytes: u32) -> io::Result<Self> {
        let mut shell = Command::new("unshare");
        shell.args(["--user", "--map-root-user", "--mount", "sh", "-c"]).arg(format!(
            "mount -t tmpfs -o size={megabytes}m,mode=1777 tmpfs /mnt && \
             exec unshare --user --map-user=nobody --map-group=nogroup sh \"$@\""
        ));
        shell.arg("sh");
        Self::start_under(shell, "min_wal_size = 32MB\nmax_wal_size = 32MB", Some(Path::new("/mnt")))
    }

    fn start_under(shell: Command, settings: &str, folder: Option<&Path>) -> io::Result<Self> {
        let port = free_port()?;
        let binaries = binaries().ok_or_else(|| io::Error::other(REMEDY))?;
        let mut guardian = Guardian::spawn(shell, &binaries, port, settings, folder)?;
        let answer = guardian.answer()?;
        let folder = answer.strip_prefix("folder ").map(PathBuf::from);
        let folder = folder.ok_or_else(|| io::Error::other(answer))?;
        guardian.order("start", "started")?;
        Ok(Self { port, folder, guardian: Mutex::new(guardian), databases: AtomicU32::new(0) })
    }

    /// Makes a fresh, empty database.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn database(&self) -> io::Result<Database> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.order(&format!("database {name}"), "made")?;
        Ok(Database {
            url: format!("postgres://operator:operator@127.0.0.1:{}/{name}", self.port),
            superuser_url: format!("postgres://postgres:superuser@127.0.0.1:{}/{name}", self.port),
        })
    }

    /// Stops as a crash would: connections break, the log is replayed at the next start.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop_immediate(&self) -> io::Result<()> {
        self.order("stop", "stopped")
    }

    /// Starts again on the same port, and returns when it takes connections.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn start_again(&self) -> io::Result<()> {
        self.order("start", "started")
    }

    /// Where its files are, while it lives, as it sees them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of the server's file system as this process sees it.
    pub fn seen_from_outside(&self, path: &Path) -> PathBuf {
        let guardian = self.guardian.lock().unwrap_or_else(PoisonError::into_inner);
        let root = PathBuf::from(format!("/proc/{}/root", guardian.process.id()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn order(&self, command: &str, expected: &str) -> io::Result<()> {
        self.guardian.lock().unwrap_or_else(PoisonError::into_inner).order(command, expected)
    }
}

impl Guardian {
    fn spawn(
        mut command: Command,
        binaries: &Path,
        port: u16,
        settings: &str,
        folder: Option<&Path>,
    ) -> io::Result<Self> {
        // The script is also its own `$0`, so that it can hand itself to another user without a file.
        command.args(["-c", GUARDIAN, GUARDIAN]).arg(binaries).args([&port.to_string(), settings]);
        if let Some(folder) = folder {
            command.env("TMPDIR", folder);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let commands = process.stdin.take();
        Ok(Self { process, commands, answers: BufReader::new(output).lines() })
    }

    fn order(&mut self, command: &str, expected: &str) -> io::Result<()> {
        let commands = self.commands.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(commands, "{command}")?;
        let answer = self.answer()?;
        if answer == expected { Ok(()) } else { Err(io::Error::other(answer)) }
    }

    fn answer(&mut self) -> io::Result<String> {
        let ended = || io::Error::other("PostgreSQL's guardian ended without an answer");
        self.answers.next().ok_or_else(ended)?
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

/// A port that was free a moment ago, for programs that cannot be asked to choose one themselves.
///
/// # Errors
/// When there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
