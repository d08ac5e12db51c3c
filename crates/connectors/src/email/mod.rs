//! E-mail providers and what they share.

pub mod message;
pub mod smtp;
mod smtp_failure;
