//! The proof of the promises that only hold when something goes wrong: they run a server built with fault points, strike
//! it where it hurts, and plant bugs to see that each oracle would notice.
//!
//! `cargo test --features fault-points --test proof`. What takes long has a small form here and a big one by `just`.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod freeze;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod knobs;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod rls;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod thousand;
#[cfg(test)]
mod verdict;
#[cfg(test)]
mod waits;

#[cfg(test)]
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "the harness is shared with the tests in tests/it, which use more of it")]
mod support;
