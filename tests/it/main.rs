//! The integration tests: they run the real binary as a process and speak to it as its users do, over HTTP.
//!
//! `support/` is the harness; every other file is a list of promises about one part of the server.

#[cfg(test)]
mod storage;
#[cfg(test)]
mod automations_api;
#[cfg(test)]
mod keys_api;
#[cfg(test)]
mod support;
#[cfg(test)]
mod support_works;
#[cfg(test)]
mod templates_api;
#[cfg(test)]
mod webhooks_api;
