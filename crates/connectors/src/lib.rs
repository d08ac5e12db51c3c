//! Provider code, one file per provider, with no I/O of its own.
//!
//! A connector is data ([`Connector`]) plus the operations it can perform ([`Perform`]). It reads settings and
//! credentials, builds a request, talks through the ports of [`Cx`], and says what happened as a [`Failure`] or an
//! output. It never retries, sleeps, spawns, logs or refreshes a token: the delivery engine decides what follows.
//!
//! # How to add a connector
//!
//! 1. Write `src/<category>/<provider>.rs`: a unit struct, `pub static CONNECTOR: Connector`, one
//!    `impl Perform<…>` per operation, and its tests.
//! 2. Add its `mod` line in `src/<category>/mod.rs`.
//! 3. Add `&<category>::<provider>::CONNECTOR` to [`REGISTRY`].
//!
//! Nothing else changes: forms, validation, checks, limits, documentation and contract tests read the manifest.

pub mod address;
mod call;
pub mod capability;
mod connector;
pub mod email;
pub mod failure;
pub mod http;
pub mod manifest;
pub mod operation;
pub mod sms;
pub mod smtp;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
mod validation;
pub mod values;
pub mod webhook;
pub mod whatsapp;
mod words;

pub use address::{AddressError, EmailAddress, Mailbox};
pub use capability::Capabilities;
pub use connector::{Action, Category, Channel, Connector, Cx, File, Perform};
pub use failure::{Failure, FailureKind, Reason};
pub use operation::{Operation, OperationKind};
pub use values::{Credentials, FieldProblem, OwnedText, Settings};

/// Every provider this build knows, in the order pages list them.
pub static REGISTRY: &[&Connector] = &[
    &email::smtp::CONNECTOR,
    &sms::netgsm::CONNECTOR,
    &sms::iletimerkezi::CONNECTOR,
    &sms::twilio::CONNECTOR,
    &sms::vonage::CONNECTOR,
    &whatsapp::cloud::CONNECTOR,
    &whatsapp::twilio::CONNECTOR,
    &webhook::CONNECTOR,
];

/// Looks a provider up by its id, such as `smtp`.
pub fn find(provider: &str) -> Option<&'static Connector> {
    REGISTRY.iter().copied().find(|connector| connector.id == provider)
}
