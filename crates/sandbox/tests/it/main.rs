//! The sandbox as its users meet it: over the wire.

#![expect(clippy::expect_used, reason = "helpers of tests may fail a test too")]

mod http;
mod ledger;
mod mailbox;
mod phones;
mod smtp;
mod smtp_faults;
mod support;
mod webhook;
