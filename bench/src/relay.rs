//! The yardstick: a durable relay that does nothing else. It appends what comes in to a file, syncs by group commit,
//! answers 202, and posts it on. No queries, no templates, no companies, no retries by schedule, no log of attempts.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use hyper::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::http::{Call, Connection, serve};

/// The most requests that share one sync.
const GROUP: usize = 256;
/// Requests that may wait for a sync; more wait at their sockets.
const WAITING_ROOM: usize = 4_096;
/// Before a sink that does not answer is tried again.
const REST: Duration = Duration::from_millis(20);

/// How the relay runs.
#[derive(Debug, Args)]
pub struct Relay {
    #[arg(long)]
    pub listen: SocketAddr,
    /// Where everything is posted on.
    #[arg(long)]
    pub sink: SocketAddr,
    /// The file that is appended to.
    #[arg(long)]
    pub file: PathBuf,
    /// Connections to the sink, each with one request at a time.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
}

type Waiting = (Bytes, oneshot::Sender<()>);

/// Runs until it is killed.
pub async fn run(relay: Relay) -> anyhow::Result<()> {
    let file = File::options().create(true).append(true).open(&relay.file);
    let file = file.with_context(|| format!("cannot write {}", relay.file.display()))?;
    let (append, to_append) = mpsc::channel::<Waiting>(WAITING_ROOM);
    let (deliver, to_deliver) = mpsc::unbounded_channel();
    std::thread::spawn(move || append_all(file, to_append, &deliver));

    let to_deliver = Arc::new(Mutex::new(to_deliver));
    for _ in 0..relay.connections {
        tokio::spawn(deliver_all(relay.sink, to_deliver.clone()));
    }
    let listener = TcpListener::bind(relay.listen).await?;
    serve(listener, move |body| {
        let append = append.clone();
        async move {
            if body.is_empty() {
                return StatusCode::OK;
            }
            let (synced, is_synced) = oneshot::channel();
            let taken = append.send((body, synced)).await.is_ok() && is_synced.await.is_ok();
            if taken { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE }
        }
    })
    .await;
    Ok(())
}

fn append_all(mut file: File, mut waiting: mpsc::Receiver<Waiting>, deliver: &mpsc::UnboundedSender<Bytes>) {
    let mut group = Vec::with_capacity(GROUP);
    let mut lines = Vec::new();
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        lines.clear();
        for (body, _) in &group {
            lines.extend_from_slice(body);
            lines.push(b'\n');
        }
        if let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data()) {
            eprintln!("the relay cannot write its file: {error}");
            return;
        }
        for (body, synced) in group.drain(..) {
            let _ = synced.send(());
            let _ = deliver.send(body);
        }
    }
}

async fn deliver_all(sink: SocketAddr, waiting: Arc<Mutex<mpsc::UnboundedReceiver<Bytes>>>) {
    let mut connection = None;
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(body) = next else { return };
        // Not delivered is not done: it is tried until it is.
        loop {
            let mut open = match connection.take() {
                Some(open) => open,
                None => match Connection::open(sink).await {
                    Ok(open) => open,
                    Err(_) => {
                        tokio::time::sleep(REST).await;
                        continue;
                    }
                },
            };
            let sent = open.send(Call::post("/", body.clone())).await;
            if matches!(sent, Ok((status, _)) if status.is_success()) {
                connection = Some(open);
                break;
            }
        }
    }
}
