//! The race-prone cores of the server, run through the orders in which their steps can happen: all of them where they
//! are few, many by seed where they are not.
//!
//! What is made of atomics is taken in by path and compiled against shuttle's, which it names as `super::atomic`. What
//! is made of tasks is the server's own library: its tasks meet in channels and locks that are never held over a wait,
//! so the order in which they are polled is all there is, and shuttle decides it.

#[cfg(test)]
use shuttle::sync::atomic;

#[cfg(test)]
#[expect(dead_code, reason = "the server asks more of it than is tried here")]
#[path = "../../../src/outbound/latch.rs"]
mod latch;

#[cfg(test)]
mod gate;
#[cfg(test)]
mod group;
#[cfg(test)]
mod limiter;
#[cfg(test)]
mod orders;
