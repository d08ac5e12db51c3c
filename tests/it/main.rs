//! The integration tests: they run the real binary as a process and speak to it as its users do, over HTTP.
//!
//! `support/` is the harness; every other file is a list of promises about one part of the server.

#[cfg(test)]
mod automations_api;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod deliveries_api;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod integrations;
#[cfg(test)]
mod keys_api;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod support;
#[cfg(test)]
mod support_works;
#[cfg(test)]
mod templates_api;
#[cfg(test)]
mod webhooks_api;
