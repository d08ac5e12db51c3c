//! Simulated vendors with faults on demand: what the demo, the tests and the benchmark talk to.
//!
//! A [`Sandbox`] is an SMTP server with a mailbox to look into, and an HTTP server with the vendors of
//! [`vendors`], each in a file of its own, plus a control API ([`control`]) by which a test in another process
//! orders the same faults that a Rust test orders through the handles of [`Sandbox`].

mod clock;
mod config;
pub mod control;
mod http;
mod ledger;
mod mailbox;
mod pages;
pub mod phones;
mod queue;
mod ring;
mod sandbox;
pub mod smtp;
pub mod vendors;

pub use config::{Account, SandboxConfig, SandboxError};
pub use ledger::{Ledger, LedgerError};
pub use mailbox::{Attachment, Envelope, Mail, MailView, Mailbox};
pub use sandbox::Sandbox;
