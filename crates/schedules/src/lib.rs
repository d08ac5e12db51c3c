//! The race-prone cores of the server, compiled against shuttle's atomics and run through the orders in which their steps
//! can happen: all of them where they are few, many by seed where they are not.
//!
//! The files are the server's own, taken in by path; they name their atomics as `super::atomic`.

#[cfg(test)]
use shuttle::sync::atomic;

#[cfg(test)]
#[expect(dead_code, reason = "the server asks more of it than is tried here")]
#[path = "../../../src/outbound/latch.rs"]
mod latch;

#[cfg(test)]
mod tests;
