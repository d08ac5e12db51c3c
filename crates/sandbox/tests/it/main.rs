//! The sandbox as its users meet it: over the wire.

mod http;
mod ledger;
mod mailbox;
mod smtp;
mod smtp_faults;
mod support;
mod webhook;
