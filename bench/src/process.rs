//! A measured program: a child process with an address, a log, and what Linux knows of its memory and time.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hyper::StatusCode;

use crate::http::{Call, Connection};

/// The longest a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// `USER_HZ`, in which /proc counts; it is 100 on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command that will listen on `address`; what it says goes to the file `log`.
    pub fn spawn(mut command: Command, address: SocketAddr, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { address, child, log: log.to_owned() })
    }

    /// Waits until `path` answers 200.
    pub async fn ready(&mut self, path: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(mut connection) = Connection::open(self.address).await
                && let Ok((StatusCode::OK, _)) = connection.send(Call::get(path)).await
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}:\n{}", self.end_of_log());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("it was not ready in time:\n{}", self.end_of_log())
    }

    /// The most memory it has held so far (`VmHWM`), in MB of 1,000,000 bytes.
    pub fn peak_memory(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        Ok(kibibytes.context("/proc tells no VmHWM")? * 1024.0 / 1e6)
    }

    /// Processor time it has used so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        Ok(Times::of(self.child.id())?.own)
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "it cannot be stopped");
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "it did not stop:\n{}", self.end_of_log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process and its children so far, those included that have ended, in seconds.
pub fn cpu_of_tree(pid: u32) -> anyhow::Result<f64> {
    let root = Times::of(pid)?;
    let others = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // Any of them may end while it is looked at; then it is among the ended ones next time.
    let children = others.filter_map(|other| Times::of(other).ok()).filter(|other| other.parent == pid);
    Ok(root.own + root.of_ended_children + children.map(|child| child.own).sum::<f64>())
}

/// What `/proc/<pid>/stat` tells of a process (proc(5)).
struct Times {
    parent: u32,
    own: f64,
    of_ended_children: f64,
}

impl Times {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, in parentheses, may hold spaces. After it: state, parent; user, system time, and the children's.
        let (_, after) = stat.rsplit_once(") ").context("/proc/…/stat is not as expected")?;
        let fields: Vec<&str> = after.split(' ').collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        let seconds = |index| anyhow::Ok(field(index).parse::<f64>()? / TICKS_PER_SECOND);
        Ok(Self {
            parent: field(1).parse()?,
            own: seconds(11)? + seconds(12)?,
            of_ended_children: seconds(13)? + seconds(14)?,
        })
    }
}
