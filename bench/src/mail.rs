//! A mail server that takes everything at once and notes which event each mail is; no more of SMTP (RFC 5321) than a
//! polite client needs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::ledger::Ledger;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct MailSink {
    pub address: SocketAddr,
    open: Arc<Open>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl MailSink {
    pub async fn start(ledger: Arc<Ledger>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let open = Arc::new(Open::default());
        let counted = open.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ledger, open) = (ledger.clone(), counted.clone());
                tokio::spawn(async move {
                    let now = open.now.fetch_add(1, Ordering::Relaxed) + 1;
                    open.most.fetch_max(now, Ordering::Relaxed);
                    // A client may hang up when it likes.
                    let _ = session(stream, &ledger).await;
                    open.now.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(Self { address, open, serving })
    }

    /// The most connections that were open at once.
    pub fn most_connections(&self) -> usize {
        self.open.most.load(Ordering::Relaxed)
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn session(stream: TcpStream, ledger: &Ledger) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink ESMTP\r\n").await?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let verb: Vec<u8> = line.iter().take(4).map(u8::to_ascii_uppercase).collect();
        let answer: &[u8] = match verb.as_slice() {
            b"EHLO" => b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n",
            b"AUTH" => b"235 welcome\r\n",
            b"DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                mail(&mut stream, ledger).await?;
                b"250 taken\r\n"
            }
            b"QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await?;
    }
}

/// Reads up to the lone dot. The number stands in the subject, so the header is enough.
async fn mail(stream: &mut BufReader<TcpStream>, ledger: &Ledger) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" {
            return Ok(());
        }
        if line.starts_with(b"Subject:") {
            ledger.arrived(&line);
        }
    }
}
