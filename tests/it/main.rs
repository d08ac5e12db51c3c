//! The integration tests: they run the real binary as a process and speak to it as its users do, over HTTP.
//!
//! `support/` is the harness; every other file is a list of promises about one part of the server.

#[cfg(test)]
mod audited_keys;
#[cfg(test)]
mod automations_api;
#[cfg(test)]
mod console;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod deliveries_api;
#[cfg(test)]
mod description;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod independent;
#[cfg(test)]
mod integrations;
#[cfg(test)]
mod keys_api;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod messaging;
#[cfg(test)]
mod messaging_apps;
#[cfg(test)]
mod messaging_balance;
#[cfg(test)]
mod messaging_bulk;
#[cfg(test)]
mod messaging_consent;
#[cfg(test)]
mod messaging_faults;
#[cfg(test)]
mod messaging_limits;
#[cfg(test)]
mod messaging_receipts;
#[cfg(test)]
mod messaging_registration;
#[cfg(test)]
mod messaging_scenarios;
#[cfg(test)]
mod messaging_templates;
#[cfg(test)]
mod messaging_vendors;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod oauth;
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
#[expect(dead_code, reason = "the harness is shared with the tests in tests/proof, which use more of it")]
mod support;
#[cfg(test)]
mod support_works;
#[cfg(test)]
mod templates_api;
#[cfg(test)]
mod test_mode;
#[cfg(test)]
mod vendor_signatures;
#[cfg(test)]
mod webhooks_api;
