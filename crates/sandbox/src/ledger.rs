//! The file that remembers what vendors took, across crashes: on disk before the vendor answers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use crate::clock;

/// How many lines may wait for the disk; more senders wait for their turn.
const WAITING: usize = 4_096;

/// The open ledger. One thread writes; whatever waits when it comes round is written and synced together.
#[derive(Debug, Clone)]
pub struct Ledger {
    lines: mpsc::Sender<(String, oneshot::Sender<bool>)>,
}

/// The line is not safely on disk, so the vendor must not say it took anything.
#[derive(Debug, thiserror::Error)]
#[error("the ledger could not be written")]
pub struct LedgerError;

impl Ledger {
    /// Opens or makes the file; lines are appended.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, waiting) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("sandbox-ledger".into()).spawn(move || write_all(file, waiting))?;
        Ok(Self { lines })
    }

    /// Writes `<unix micros> <kind> <id>` and returns when it is on disk.
    ///
    /// # Errors
    /// When that is not sure.
    pub async fn record(&self, kind: &str, id: &str) -> Result<(), LedgerError> {
        let line = format!("{} {kind} {}\n", clock::micros(), one_word(id));
        let (done, written) = oneshot::channel();
        self.lines.send((line, done)).await.map_err(|_| LedgerError)?;
        if written.await.unwrap_or(false) { Ok(()) } else { Err(LedgerError) }
    }
}

fn write_all(mut file: File, mut waiting: mpsc::Receiver<(String, oneshot::Sender<bool>)>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        let text: String = group.iter().map(|(line, _)| line.as_str()).collect();
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = &written {
            tracing::error!(%error, "the ledger could not be written");
        }
        for (_, done) in group {
            // A vendor that no longer waits has lost its connection; the line stays.
            let _gone = done.send(written.is_ok());
        }
    }
}

/// Ids come from outside: whatever would break the line becomes `_`, nothing becomes `-`.
fn one_word(id: &str) -> String {
    if id.is_empty() {
        return "-".to_owned();
    }
    id.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::one_word;

    #[test]
    fn an_id_can_not_forge_a_line() {
        assert_eq!(one_word("a\n1 mail b"), "a_1_mail_b");
        assert_eq!(one_word(""), "-");
    }
}
