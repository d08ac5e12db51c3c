//! One file per table, more where its statements are many: functions over a transaction. SQL lives here and nowhere else.

pub mod audit;
pub mod automations;
pub mod blobs;
pub mod companies;
pub mod connections;
pub mod deliveries;
pub mod delivery_changes;
pub mod delivery_lists;
pub mod erasing;
pub mod events;
pub mod idempotency;
pub mod jobs;
pub mod keys;
pub mod master_keys;
pub mod nodes;
pub mod retention;
pub mod sessions;
pub mod statistics;
pub mod tasks;
pub mod templates;
pub mod webhooks;
