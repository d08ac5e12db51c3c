//! A SQLite file, looked at from outside.

use std::path::Path;

use rusqlite::Connection;

use super::server::Server;

/// A server's database, beside the server.
pub fn open(server: &Server) -> Connection {
    Connection::open(server.data_dir().join("santral.db")).unwrap()
}

/// What SQLite itself says of the file.
pub fn integrity(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}
