//! The last question before a byte leaves: may this call still be made?
//!
//! A worker can freeze after it took a delivery and thaw when another worker already has it. So the lease is asked for
//! at the last possible moment, and whether that moment was reached tells "certainly not sent" from "perhaps sent"
//! (`latch.rs`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::latch::Gate;
use crate::faults::{BUILT_IN, Point, reach};

/// A request body behind a gate.
///
/// Over HTTP/1 hyper asks a body whether it is empty exactly when it is about to encode the request, and writes nothing
/// to the socket before it has polled a body that is not. So that question is the gate; behind a closed gate the body
/// claims to have content and then fails, which ends the connection with an empty wire. The tests hold hyper to it.
pub(super) struct Gated {
    content: Option<Bytes>,
    gate: Arc<Gate>,
    /// Where tests may strike in the middle of a body: in how many pieces it still goes.
    pieces: Pieces,
}

/// A normal build sends a body whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pieces {
    Whole,
    Halves,
    /// The first half was handed over; it leaves when this body is asked for more and has none yet.
    HalfLeft,
}

/// The gate was closed.
#[derive(Debug, thiserror::Error)]
#[error("the permit to send is gone")]
pub(super) struct Closed;

impl Gated {
    pub(super) fn new(content: Bytes, gate: Arc<Gate>) -> Self {
        let pieces = if BUILT_IN { Pieces::Halves } else { Pieces::Whole };
        Self { content: Some(content).filter(|content| !content.is_empty()), gate, pieces }
    }
}

impl Body for Gated {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if !self.gate.pass() {
            return Poll::Ready(Some(Err(Closed)));
        }
        match (self.pieces, &mut self.content) {
            (Pieces::Halves, Some(content)) if content.len() > 1 => {
                let half = content.split_to(content.len() / 2);
                self.pieces = Pieces::HalfLeft;
                return Poll::Ready(Some(Ok(Frame::data(half))));
            }
            (Pieces::HalfLeft, _) => {
                self.pieces = Pieces::Whole;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            (Pieces::Whole, Some(_)) => reach(Point::BodyHalfSent),
            _ => {}
        }
        Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.gate.pass() && self.content.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.content.as_ref().map_or(0, Bytes::len) as u64;
        // Behind a closed gate an empty body must be polled, or else its head would leave: so it may not look empty.
        SizeHint::with_exact(if self.gate.is_closed() { length.max(1) } else { length })
    }
}
