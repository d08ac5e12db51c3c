//! One file per table, more where its statements are many: functions over a transaction. SQL lives here and nowhere else.

pub mod audit;
pub mod automations;
pub mod batches;
pub mod blobs;
pub mod chains;
pub mod companies;
pub mod connections;
pub mod consents;
pub mod deliveries;
pub mod delivery_changes;
pub mod delivery_lists;
pub mod erasing;
pub mod events;
pub mod idempotency;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod master_keys;
pub mod nodes;
pub mod receipts;
pub mod retention;
pub mod sessions;
pub mod statistics;
pub mod tasks;
pub mod templates;
pub mod webhooks;
