//! E-mail providers and what they share.

pub mod gmail;
pub mod message;
pub mod outlook;
mod sender;
pub mod smtp;
pub(crate) mod smtp_failure;
