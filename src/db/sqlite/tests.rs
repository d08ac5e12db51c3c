//! Connections come back whole, whatever became of those who had them.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tempfile::TempDir;

use super::*;
use crate::db::{Error, args, sql};

sql! {
    MAKE = "create table if not exists schema_migrations (version integer primary key, name text not null)";
    ADD = "insert into schema_migrations (version, name) values ($1, $2)";
    SWAPPED = "insert into schema_migrations (name, version) values ($2, $1)";
    COUNT = "select count(*) as many from schema_migrations";
}

async fn open(folder: &TempDir) -> Sqlite {
    let sqlite = Sqlite::open(&folder.path().join("test.db"), true).await.unwrap();
    let mut tx = sqlite.write().await.unwrap();
    tx.execute(&MAKE, args![]).await.unwrap();
    tx.commit().await.unwrap();
    sqlite
}

async fn count(sqlite: &Sqlite) -> i64 {
    let mut tx = sqlite.read().await.unwrap();
    tx.fetch_one(&COUNT, args![]).await.unwrap().i64("many").unwrap()
}

#[tokio::test]
async fn what_is_not_committed_is_gone_before_the_next_has_the_writer() {
    let folder = TempDir::new().unwrap();
    let sqlite = open(&folder).await;
    for briefly in [false, true] {
        let write = async || if briefly { sqlite.write_briefly().await } else { sqlite.write().await };
        let mut dropped = write().await.unwrap();
        dropped.execute(&ADD, args![9_i64, "dropped"]).await.unwrap();
        drop(dropped);
        let mut kept = write().await.unwrap();
        kept.execute(&ADD, args![i64::from(briefly) + 1, "kept"]).await.unwrap();
        kept.commit().await.unwrap();
    }
    assert_eq!(count(&sqlite).await, 2);
}

/// Goes as far as it gets without waiting, which must not be the end.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    let waits = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await;
    assert!(waits, "it is done elsewhere, or waits for somebody");
}

/// Begins and lets go, as when a client hangs up.
async fn abandon<F: Future>(future: F) {
    begin(pin!(future)).await;
}

#[tokio::test]
async fn who_lets_go_in_the_middle_leaves_nothing_open() {
    let folder = TempDir::new().unwrap();
    let sqlite = open(&folder).await;
    let mut tx = sqlite.write().await.unwrap();
    abandon(tx.execute(&ADD, args![1_i64, "abandoned"])).await;
    // The connection is away: the transaction is over, and says so instead of going on in another.
    assert!(matches!(tx.execute(&ADD, args![2_i64, "too late"]).await, Err(Error::WorkerCrashed)));
    drop(tx);
    let mut next = sqlite.write().await.unwrap();
    next.execute(&ADD, args![1_i64, "next"]).await.unwrap();
    // A commit that has begun is carried through: its outcome is only not told.
    abandon(next.commit()).await;
    drop(sqlite.write().await.unwrap());
    assert_eq!(count(&sqlite).await, 1);
}

#[tokio::test]
async fn a_failed_statement_fails_alone_and_says_why() {
    let folder = TempDir::new().unwrap();
    let sqlite = open(&folder).await;
    let mut tx = sqlite.write_briefly().await.unwrap();
    // Numbers count, wherever they stand.
    tx.execute(&SWAPPED, args![1_i64, "one"]).await.unwrap();
    let twice = tx.execute(&ADD, args![1_i64, "again"]).await.unwrap_err();
    assert!(crate::db::is_unique_violation(&twice) && !crate::db::is_unavailable(&twice), "{twice}");
    let lacking = tx.execute(&ADD, args![2_i64]).await.unwrap_err();
    assert!(matches!(lacking, Error::Protocol(_)), "{lacking}");
    let row = tx.fetch_one(&COUNT, args![]).await.unwrap();
    assert!(matches!(row.i64("few"), Err(Error::ColumnNotFound(_))));
    assert!(matches!(row.text("many"), Err(Error::ColumnDecode { .. })));
    tx.commit().await.unwrap();
    assert_eq!(count(&sqlite).await, 1);
}

/// On one thread: if that thread waited for the other process, the other would never let go.
#[tokio::test]
async fn another_process_is_waited_for_where_nobody_else_has_to_wait() {
    let folder = TempDir::new().unwrap();
    let sqlite = open(&folder).await;
    let other = Connection::open(folder.path().join("test.db")).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let mut begun = pin!(sqlite.write_briefly());
    begin(begun.as_mut()).await;
    other.execute_batch("commit").unwrap();
    begun.await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn closing_waits_for_those_who_still_write() {
    let folder = TempDir::new().unwrap();
    let sqlite = open(&folder).await;
    let mut last = sqlite.write().await.unwrap();
    last.execute(&ADD, args![1_i64, "last"]).await.unwrap();
    let mut closed = pin!(sqlite.close());
    begin(closed.as_mut()).await;
    last.commit().await.unwrap();
    closed.await;
    assert!(matches!(sqlite.write().await, Err(Error::PoolClosed)));
    assert!(!folder.path().join("test.db-wal").exists(), "everything is in the one file");
    let file = Connection::open(folder.path().join("test.db")).unwrap();
    let all: i64 = file.query_row("select count(*) from schema_migrations", [], |row| row.get(0)).unwrap();
    assert_eq!(all, 1);
}
