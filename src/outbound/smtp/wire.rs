//! Bytes of a mail session: lines in, commands out, each with a size cap.

use std::fmt;
use std::io;

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reply::{Garbage, MAX_LINE, MAX_LINES, Reply, parse_line};

/// A socket, plain or under TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

pub(super) struct Wire {
    io: Box<dyn Io>,
    buffer: BytesMut,
}

/// Why no reply was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Garbage(#[from] Garbage),
}

impl Wire {
    pub(super) fn new(io: Box<dyn Io>) -> Self {
        Self { io, buffer: BytesMut::with_capacity(1024) }
    }

    /// Gives the socket back for TLS.
    ///
    /// Plain text that is already here would otherwise be read as if it had come under TLS (RFC 3207 §6).
    pub(super) fn into_io(self) -> Option<Box<dyn Io>> {
        self.buffer.is_empty().then_some(self.io)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Reads one whole reply.
    pub(super) async fn reply(&mut self) -> Result<Reply, WireError> {
        let mut lines = Vec::new();
        loop {
            let line = parse_line(&self.line().await?)?;
            lines.push(line.text);
            if line.last {
                return Ok(Reply { code: line.code, lines });
            }
            if lines.len() >= MAX_LINES {
                return Err(Garbage::TooLong.into());
            }
        }
    }

    async fn line(&mut self) -> Result<BytesMut, WireError> {
        let mut searched = 0;
        loop {
            let end = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let mut line = self.buffer.split_to(searched + end);
                self.buffer.advance(1);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                return Ok(line);
            }
            searched = self.buffer.len();
            if searched > MAX_LINE {
                return Err(Garbage::TooLong.into());
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err(WireError::Closed);
            }
        }
    }

    /// Whether the connection stands and the server has said nothing unasked (such as 421 or goodbye).
    pub(super) fn is_quiet(&mut self) -> bool {
        self.buffer.is_empty() && self.io.read_buf(&mut self.buffer).now_or_never().is_none()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}
