//! Where the measured programs and their files are.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::percentiles::Percentiles;

/// The programs, and a folder that goes when this does.
#[derive(Debug)]
pub struct Place {
    /// This program, which is also the relay.
    pub bench: PathBuf,
    /// `santral`, a release build.
    pub santral: PathBuf,
    root: TempDir,
}

impl Place {
    /// `folder` must be on a real disk, or nothing that is measured is durable.
    pub fn new(santral: Option<PathBuf>, folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let bench = std::env::current_exe().context("this program's own file is not known")?;
        let santral = santral.unwrap_or_else(|| bench.with_file_name("santral"));
        let parent = folder.unwrap_or_else(std::env::temp_dir);
        let root = tempfile::Builder::new().prefix("santral-bench.").tempdir_in(&parent)?;
        // PostgreSQL may run as another user, who must be able to make a folder here.
        fs::set_permissions(root.path(), Permissions::from_mode(0o1777))?;
        Ok(Self { bench, santral, root })
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// A new folder for one program.
    pub fn folder(&self, name: &str) -> anyhow::Result<TempDir> {
        Ok(tempfile::Builder::new().prefix(name).tempdir_in(self.root.path())?)
    }

    /// How long this disk takes to make 4 KiB durable: the floor under every acknowledgement.
    pub fn sync_times(&self) -> anyhow::Result<Percentiles> {
        let mut file = File::create(self.root.path().join("sync"))?;
        let mut times = Vec::new();
        for _ in 0..200 {
            file.write_all(&[0x5a; 4096])?;
            let begun = Instant::now();
            file.sync_data()?;
            times.push(begun.elapsed());
        }
        Ok(Percentiles::of_durations(&times))
    }
}

/// A short rest, in which what the last measurement left behind is written out.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}
