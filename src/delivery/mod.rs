//! Carrying deliveries out: lanes, claims, intents, attempts and what follows from them.

pub mod lanes;
mod pace;
pub mod policy;
