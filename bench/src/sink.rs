//! The vendor at the far end: takes every POST, notes which event it is, answers 200.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http::serve;
use crate::ledger::Ledger;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Sink {
    pub address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Sink {
    /// Answers `delay_ms` milliseconds after a message has come and been noted.
    pub async fn start(ledger: Arc<Ledger>, delay_ms: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let delay_ms = Arc::new(AtomicU64::new(delay_ms));
        let delay = delay_ms.clone();
        let serving = tokio::spawn(serve(listener, move |body| {
            ledger.arrived(&body);
            let delay = delay.load(Ordering::Relaxed);
            async move {
                if delay > 0 {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                }
                StatusCode::OK
            }
        }));
        Ok(Self { address, delay_ms, serving })
    }

    /// From now on it answers after so many milliseconds.
    pub fn set_delay(&self, delay_ms: u64) {
        self.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
