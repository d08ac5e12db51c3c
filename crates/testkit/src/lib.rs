//! What the tests and the benchmark both need: a PostgreSQL server of their own.

mod postgres;

pub use postgres::{Database, Postgres, free_port};
