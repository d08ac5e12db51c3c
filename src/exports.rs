//! Reports to a spreadsheet: taken whole, then written in pieces by a background task, the link at the end.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use santral_connectors::operation::{Cell, RowsWritten, WriteRows};
use santral_connectors::{Cx, Failure, FailureKind, Operation, OperationKind, Settings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::automation::Problem;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::db;
use crate::error::{AppError, AppResult, Code};
use crate::grants::Trouble;
use crate::ids::{BlobId, CompanyId, ConnectionId, TaskId};
use crate::outbound::{PoolKey, Trust};
use crate::store::blobs::{self, NewBlob};
use crate::store::connections::Stored;
use crate::store::tasks::Task;
use crate::tasks::{Held, Kind, Step, TaskView, enqueue};

const MOST_ROWS: usize = 100_000;
const MOST_COLUMNS: usize = 100;
const LONGEST_TITLE: usize = 200;
const LONGEST_CELL: usize = 50_000;
/// Rows and bytes of one piece: Google recommends requests of at most 2 MB, and takes 60 a minute.
const PIECE_ROWS: usize = 2_000;
const PIECE_BYTES: usize = 1_000_000;
/// The wait after a piece that could not be written, doubled with each try.
const FIRST_WAIT: Micros = 2_000_000;
const MOST_TRIES: u32 = 12;

/// A report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// The spreadsheet's name.
    pub title: String,
    /// 1 to 100 headings.
    pub columns: Vec<String>,
    /// Up to 100,000 rows of texts, numbers, truth values and nulls.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Cell>>,
    /// Which account, if several are connected.
    pub connection: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    connection: ConnectionId,
}

/// A part of the rows, as it waits to be written.
#[derive(Debug, Serialize, Deserialize)]
struct Piece {
    title: String,
    columns: Vec<String>,
    offset: u32,
    total: u32,
    rows: Vec<Vec<Cell>>,
}

/// The last piece that is written, and how often the next one could not be.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    after: Option<BlobId>,
    tries: u32,
    not_before: Micros,
}

/// Takes a report; a background task writes it.
///
/// # Errors
/// Everything that is wrong with it; `conflict` in test mode; `no_connection` when no Google Sheets account is connected.
pub async fn start(app: &App, setup: &Setup, request: ExportRequest) -> AppResult<TaskView> {
    if setup.test_mode {
        return Err(AppError::new(Code::Conflict)
            .detail("Test modu açıkken rapor yazılmaz.", "No report is written while test mode is on."));
    }
    let connection = choose(setup, request.connection.as_deref())?;
    vet(&request)?;
    let id = TaskId::new();
    let now = app.clock().micros();
    let mut tx = app.db().company(setup.id).write().await?;
    enqueue(&mut tx, (setup.id, id), Kind::ExportRows, &Params { connection }, now).await?;
    let mut total = 0;
    for piece in pieces(request) {
        total += i64::try_from(piece.rows.len()).unwrap_or(0);
        let content = serde_json::to_vec(&piece).map_err(|_| AppError::new(Code::Internal))?;
        let blob = NewBlob { company: setup.id.0, id: BlobId::new().0, delivery: id.0, content };
        blobs::insert(&mut tx, blob, now).await?;
    }
    crate::store::tasks::set_total(&mut tx, (setup.id.0, id.0), total).await?;
    let task = crate::store::tasks::find(&mut tx, setup.id.0, id.0).await?.ok_or_else(AppError::not_found)?;
    tx.commit().await?;
    app.tasks.wake();
    Ok(task.into())
}

fn can(connection: &Stored) -> bool {
    santral_connectors::find(&connection.provider).is_some_and(|c| c.can(OperationKind::WriteRows))
}

fn choose(setup: &Setup, named: Option<&str>) -> AppResult<ConnectionId> {
    if let Some(named) = named {
        let id = named.parse::<ConnectionId>().ok();
        let found = id.and_then(|id| setup.connection(id.0)).filter(|found| can(found));
        return found.map(|found| ConnectionId(found.id)).ok_or_else(|| {
            AppError::field(
                "/connection",
                "unknown_connection",
                "Böyle bir Google Sheets bağlantısı yok.",
                "There is no such Google Sheets connection.",
            )
        });
    }
    let all: Vec<&Stored> = setup.connections.iter().filter(|found| can(found)).collect();
    match all[..] {
        [] => Err(AppError::new(Code::NoConnection)
            .detail("Google Sheets'e bağlı bir hesap yok.", "No Google Sheets account is connected.")),
        [one] => Ok(ConnectionId(one.id)),
        _ => Err(AppError::field(
            "/connection",
            "required",
            "Birden çok Google Sheets hesabı bağlı; hangisi olduğunu “connection” ile belirtin.",
            "Several Google Sheets accounts are connected; say by “connection” which one is meant.",
        )),
    }
}

fn vet(request: &ExportRequest) -> AppResult<()> {
    let mut problems = Vec::new();
    let mut problem = |pointer: String, code, tr: String, en: String| {
        problems.push(Problem::new(pointer, code, tr, en));
    };
    let title = request.title.trim();
    if title.is_empty() || title.chars().count() > LONGEST_TITLE || title.chars().any(char::is_control) {
        problem(
            "/title".to_owned(),
            "invalid",
            format!("1 ile {LONGEST_TITLE} karakter arasında düz metin olmalı."),
            format!("Must be plain text of 1 to {LONGEST_TITLE} characters."),
        );
    }
    if request.columns.is_empty() || request.columns.len() > MOST_COLUMNS {
        problem(
            "/columns".to_owned(),
            "out_of_range",
            format!("1 ile {MOST_COLUMNS} arasında sütun olmalı."),
            format!("Must be 1 to {MOST_COLUMNS} columns."),
        );
    }
    if request.rows.len() > MOST_ROWS {
        problem(
            "/rows".to_owned(),
            "too_many",
            format!("En çok {MOST_ROWS} satır aktarılabilir."),
            format!("At most {MOST_ROWS} rows can be exported."),
        );
    }
    let long = |text: &str| text.chars().count() > LONGEST_CELL;
    let bad = |cell: &Cell| cell.is_array() || cell.is_object() || cell.as_str().is_some_and(long);
    let wrong = request.rows.iter().position(|row| row.len() > request.columns.len() || row.iter().any(bad));
    if let Some(index) = wrong {
        problem(
            format!("/rows/{index}"),
            "invalid",
            "Sütunlardan çok hücre var ya da bir hücre metin, sayı veya doğru/yanlış değil.".to_owned(),
            "It has more cells than there are columns, or a cell is no text, number or truth value."
                .to_owned(),
        );
    }
    if problems.is_empty() { Ok(()) } else { Err(AppError::fields(problems)) }
}

/// Rows in pieces that one request carries; at least one, for the headings.
fn pieces(request: ExportRequest) -> Vec<Piece> {
    let total = u32::try_from(request.rows.len()).unwrap_or(u32::MAX);
    let piece = |offset: usize, rows| Piece {
        title: request.title.trim().to_owned(),
        columns: request.columns.clone(),
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        total,
        rows,
    };
    let (mut pieces, mut rows, mut bytes, mut done) = (Vec::new(), Vec::new(), 0, 0);
    for row in request.rows {
        let size: usize = row.iter().map(|cell| cell.as_str().map_or(20, |text| text.len() + 4)).sum();
        if !rows.is_empty() && (rows.len() >= PIECE_ROWS || bytes + size > PIECE_BYTES) {
            let full: Vec<_> = std::mem::take(&mut rows);
            let length = full.len();
            pieces.push(piece(done, full));
            done += length;
            bytes = 0;
        }
        bytes += size;
        rows.push(row);
    }
    if !rows.is_empty() || pieces.is_empty() {
        pieces.push(piece(done, rows));
    }
    pieces
}

/// The task's work: piece after piece, each to its own place, so that one that is written twice changes nothing.
#[derive(Debug)]
pub(crate) struct ExportRows;

impl ExportRows {
    /// Writes the next piece.
    pub(crate) async fn step(app: &App, held: &Held, task: &mut Task) -> db::Result<Step> {
        let Ok(Params { connection }) = serde_json::from_str(&task.params) else {
            return Ok(Step::Failed("its connection cannot be read"));
        };
        let stored = task.position.as_deref().and_then(|position| serde_json::from_str(position).ok());
        let mut position: Position = stored.unwrap_or_default();
        let now = app.clock().micros();
        if position.not_before > now {
            return Ok(Step::Wait);
        }
        let company = CompanyId(task.company);
        if app.setups().get(company).await?.is_some_and(|setup| setup.test_mode) {
            return Ok(Step::Wait);
        }
        let after = position.after.map_or(Uuid::nil(), |blob| blob.0);
        let mut tx = app.db().company(company).read().await?;
        let next = blobs::next_of(&mut tx, company.0, task.id, after).await?;
        drop(tx);
        let Some((blob, content)) = next else { return Ok(Step::Failed("its rows are no longer kept")) };
        let Ok(piece) = serde_json::from_slice::<Piece>(&content) else {
            return Ok(Step::Failed("its rows cannot be read"));
        };
        let rows = piece.rows.len();
        let is_last = u64::from(piece.offset) + rows as u64 >= u64::from(piece.total);
        let written = match write(app, (company, connection), TaskId(task.id), piece).await? {
            Ok(written) => written,
            Err(failure) => return postponed(app, held, task, (position, failure)).await,
        };
        position = Position { after: Some(BlobId(blob)), ..Position::default() };
        task.position = serde_json::to_string(&position).ok();
        task.done += i64::try_from(rows).unwrap_or(0);
        let mut tx = app.db().company(company).write().await?;
        if !held.advance(&mut tx, task).await? {
            return Ok(Step::Lost);
        }
        tx.commit().await?;
        Ok(if is_last { Step::DoneWith(written.url) } else { Step::More })
    }
}

/// What a failed piece comes to: later, or never.
async fn postponed(
    app: &App,
    held: &Held,
    task: &mut Task,
    (mut position, failure): (Position, Failure),
) -> db::Result<Step> {
    let after = match failure.kind {
        FailureKind::Retryable { after } | FailureKind::RateLimited { after } => after,
        FailureKind::Unconfirmed => None,
        FailureKind::AuthExpired | FailureKind::Misconfigured(_) | FailureKind::Rejected => {
            return Ok(Step::FailedWith(format!("{}: {}", failure.code, failure.detail)));
        }
    };
    position.tries += 1;
    if position.tries >= MOST_TRIES {
        return Ok(Step::FailedWith(format!("{}: {}", failure.code, failure.detail)));
    }
    let wait = FIRST_WAIT << position.tries.min(8);
    let asked = after.map_or(0, |after| i64::try_from(after.as_micros()).unwrap_or(0));
    position.not_before = app.clock().micros() + wait.max(asked);
    task.position = serde_json::to_string(&position).ok();
    let mut tx = app.db().company(CompanyId(task.company)).write().await?;
    if !held.advance(&mut tx, task).await? {
        return Ok(Step::Lost);
    }
    tx.commit().await?;
    Ok(Step::Wait)
}

/// Writes a piece through the connection; a token that is refused is replaced once.
async fn write(
    app: &App,
    (company, connection): (CompanyId, ConnectionId),
    task: TaskId,
    piece: Piece,
) -> db::Result<Result<RowsWritten, Failure>> {
    let gone = || Failure::rejected("connection_removed", "the connection is gone");
    let Some(setup) = app.setups().get(company).await? else { return Ok(Err(gone())) };
    let Some(stored) = setup.connection(connection.0) else { return Ok(Err(gone())) };
    let Some(connector) = santral_connectors::find(&stored.provider) else { return Ok(Err(gone())) };
    let services = app.services();
    let operation = Operation::WriteRows(WriteRows {
        key: task.to_string(),
        title: piece.title,
        columns: piece.columns,
        offset: piece.offset,
        total: piece.total,
        rows: piece.rows,
    });
    let base_url = services.overrides.get(connector.id);
    let trust = if base_url.is_some() { Trust::Operator } else { Trust::Tenant };
    let deadline = connector.deadline();
    let http = services.outbound.http(trust, deadline, None);
    let pool = PoolKey { connection: stored.id, version: 0 };
    let smtp = services.outbound.smtp(Trust::Tenant, pool, deadline, None);
    let key = task.to_string();
    let mut than = 0;
    loop {
        let token = match services.tokens.newer(&setup, stored.credential, than).await {
            Ok(token) => token,
            Err(Trouble::Vendor(failure)) => return Ok(Err(failure)),
            Err(Trouble::Db(error)) => return Err(error),
        };
        let cx = Cx {
            http: &http,
            smtp: &smtp,
            credentials: &token.credentials,
            settings: &Settings::default(),
            idempotency_key: &key,
            files: &[],
            base_url,
            callback_url: None,
            now: services.clock.now(),
        };
        let call = AssertUnwindSafe(connector.perform(&cx, &operation)).catch_unwind();
        let result = match tokio::time::timeout(deadline + Duration::from_secs(5), call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::rejected("connector_panicked", "the connector stopped unexpectedly")),
            Err(_) => Err(Failure::retryable("connector_hung", "the connector did not come to an end")),
        };
        match result {
            Err(failure) if failure.kind == FailureKind::AuthExpired && than == 0 => than = token.version,
            result => {
                return Ok(result.and_then(|output| {
                    serde_json::from_value(output)
                        .map_err(|_| Failure::retryable("output_unreadable", "the answer cannot be read"))
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn pieces_hold_every_row_once_and_in_order(count in 0_usize..9_000, width in 0_usize..2_000) {
            let rows = (0..count).map(|n| vec![json!(n), json!("x".repeat(width))]).collect();
            let columns = vec!["a".to_owned(), "b".to_owned()];
            let pieces = pieces(ExportRequest { title: " t ".to_owned(), columns, rows, connection: None });
            let mut expected = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.offset as usize, expected);
                prop_assert_eq!(piece.total as usize, count);
                prop_assert!(piece.rows.len() <= PIECE_ROWS);
                for row in &piece.rows {
                    prop_assert_eq!(row[0].as_u64(), Some(expected as u64));
                    expected += 1;
                }
            }
            prop_assert_eq!(expected, count);
            prop_assert!(!pieces.is_empty());
        }
    }
}
