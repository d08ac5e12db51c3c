//! Trying a whole filter again, with progress; and the same filter as a file.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::stream;
use maud::{Markup, html};
use uuid::Uuid;

use super::deliveries::Wanted;
use super::delivery_parts::{attempts, recipient, state, what};
use super::icons;
use super::layout::{self, Page as Frame, Part};
use super::parts::{head, question};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::api::extract::{Id, Page};
use crate::app::AppState;
use crate::delivery::manage::{self, BulkRequest, DeliveryView};
use crate::error::AppResult;
use crate::i18n::Lang;
use crate::ids::TaskId;
use crate::sessions::Right;
use crate::tasks::{self, TaskView};

/// Rows that are read at once for a file.
const AT_ONCE: i64 = 500;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/deliveries/retry", get(ask).post(start))
        .route("/app/deliveries.csv", get(file))
        .route("/app/tasks/{id}", get(progress))
}

async fn ask(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Steer)?;
    let wanted = Wanted(query);
    let state_name = wanted.get("state").unwrap_or("failed");
    let (_, _, word) = state(&v, state_name, 0);
    let title = t!(v, "bulk-title", state = word);
    let form = html! {
        @for name in ["state", "channel", "provider", "automation", "period"] {
            @if let Some(value) = wanted.get(name) { input type="hidden" name=(name) value=(value); }
        }
        button.btn.pri { (icons::REFRESH) (t!(v, "retry")) }
    };
    let body = question(
        &title,
        &html! {
            p { (t!(v, "bulk-text")) }
            div.acts {
                (layout::post(&v, "/app/deliveries/retry", &form))
                a.btn href=(v.to(&wanted.address("/app/deliveries", &[]))) { (t!(v, "cancel")) }
            }
        },
    );
    let frame = Frame::of(Part::Deliveries, title).under(t!(v, "nav-deliveries"), "/app/deliveries");
    Ok(layout::page(&v, &frame, &body))
}

async fn start(v: Visitor, Posted(form): Posted) -> AppResult<Redirect> {
    v.require(Right::Steer)?;
    let wanted = Wanted(form);
    let own = |name: &str| wanted.get(name).map(ToOwned::to_owned);
    let request = BulkRequest {
        state: own("state").unwrap_or_else(|| "failed".to_owned()),
        channel: own("channel"),
        provider: own("provider"),
        automation: own("automation"),
        from: wanted.from(&v),
        until: None,
    };
    let task = manage::retry_many(&v.app, &v.setup, &request).await?;
    Ok(Redirect::to(&v.to(&format!("/app/tasks/{task}"))))
}

async fn progress(v: Visitor, Id(id): Id<TaskId>, headers: axum::http::HeaderMap) -> AppResult<Response> {
    v.require(Right::Steer)?;
    let task = tasks::find(&v.app, v.session.company, id).await?;
    let shown = bar(&v, &task);
    if headers.contains_key("hx-request") {
        return Ok(shown.into_response());
    }
    let title = t!(v, "task-title");
    let body = html! { (head(&html! { (title) }, &t!(v, "task-sub"), &html! {})) (shown) };
    let frame = Frame::of(Part::Deliveries, title).under(t!(v, "nav-deliveries"), "/app/deliveries");
    Ok(layout::page(&v, &frame, &body).into_response())
}

/// Asks for itself again until the work is over.
fn bar(v: &Visitor, task: &TaskView) -> Markup {
    let is_running = task.state == "running";
    let route = v.to(&format!("/app/tasks/{}", task.id));
    html! {
        section.panel id="task" hx-get=[is_running.then_some(&route)] hx-trigger=[is_running.then_some("load delay:1s")] hx-swap=[is_running.then_some("outerHTML")] {
            div.pb.stack role="status" {
                p { b {
                    @match task.state.as_str() {
                        "running" => { (t!(v, "task-running")) }
                        "done" => { (t!(v, "task-done")) }
                        _ => { (t!(v, "task-stopped")) }
                    }
                } }
                progress max=(task.total.unwrap_or(1).max(1)) value=(task.done + task.failed) aria-label=(t!(v, "task-title")) {}
                p.ink2 { (t!(v, "task-counts", done = task.done, failed = task.failed)) }
                div.acts {
                    @if is_running { a.btn.sm.nojs href=(route) { (t!(v, "reload")) } }
                    a.btn.sm href=(v.to("/app/deliveries")) { (t!(v, "see-deliveries")) }
                }
            }
        }
    }
}

/// Where a file goes on.
struct Rest {
    v: Visitor,
    wanted: Wanted,
    after: Option<Uuid>,
    is_first: bool,
}

/// Streams the filter's deliveries as they are read, so that a million rows need no more memory than one page.
async fn file(v: Visitor, Asked(query): Asked) -> Response {
    let rest = Rest { v, wanted: Wanted(query), after: None, is_first: true };
    let rows = stream::unfold(Some(rest), |rest| async move {
        let mut rest = rest?;
        let page = Page { after: rest.after, limit: AT_ONCE };
        let found = manage::list(&rest.v.app, &rest.v.setup, rest.wanted.query(&rest.v), page).await.ok()?;
        let mut text = if std::mem::take(&mut rest.is_first) { header(&rest.v) } else { String::new() };
        for delivery in &found.items {
            text.push_str(&line(&rest.v, &cells(&rest.v, delivery)));
        }
        rest.after = found.next_cursor.and_then(|cursor| Uuid::try_parse(&cursor).ok());
        let next = rest.after.is_some().then_some(rest);
        Some((Ok::<_, Infallible>(Bytes::from(text)), next))
    });
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"deliveries.csv\""),
    ];
    (headers, Body::from_stream(rows)).into_response()
}

/// With a byte order mark, by which spreadsheets know the letters.
fn header(v: &Visitor) -> String {
    let names = [
        t!(v, "csv-time"),
        t!(v, "recipient"),
        t!(v, "channel"),
        t!(v, "csv-what"),
        t!(v, "csv-state"),
        t!(v, "csv-reason"),
        t!(v, "csv-attempts"),
        t!(v, "record"),
        t!(v, "id"),
    ];
    format!("\u{feff}{}", line(v, &names))
}

fn cells(v: &Visitor, delivery: &DeliveryView) -> [String; 9] {
    let tries = attempts(delivery);
    [
        delivery.created_at.clone(),
        recipient(v, delivery),
        delivery.channel.clone().unwrap_or_default(),
        what(v, delivery),
        state(v, &delivery.state, tries).2,
        delivery.reason.clone().unwrap_or_default(),
        tries.to_string(),
        delivery.subject.clone().unwrap_or_default(),
        delivery.id.to_string(),
    ]
}

/// Turkish spreadsheets part cells at semicolons, because commas are in numbers.
fn line(v: &Visitor, cells: &[String]) -> String {
    let part = if v.lang == Lang::Tr { ";" } else { "," };
    let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
    format!("{}\r\n", cells.join(part))
}

/// What a cell must not begin with, or a spreadsheet may take it for a formula (OWASP, CSV injection).
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell that no spreadsheet takes for a formula.
fn quoted(cell: &str) -> String {
    // First, for what hides behind a null would be the beginning once it is gone.
    let cell = cell.replace('\0', "");
    let is_phone =
        cell.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let guard = if cell.starts_with(FORMULA_STARTS) && !is_phone { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_cell_becomes_a_formula_or_another_cell() {
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quoted("+905321234567"), "\"+905321234567\"");
        assert_eq!(quoted("+cmd|' /C calc'!A0"), "\"'+cmd|' /C calc'!A0\"");
        assert_eq!(quoted("a;b\r\nc"), "\"a;b\r\nc\"");
        assert_eq!(
            (quoted("@x"), quoted("-1"), quoted("")),
            ("\"'@x\"".into(), "\"'-1\"".into(), "\"\"".into())
        );
    }

    /// What a spreadsheet reads from two cells.
    fn read_back(cells: [&str; 2]) -> Vec<String> {
        let line = format!("{};{}\r\n", quoted(cells[0]), quoted(cells[1]));
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).delimiter(b';').from_reader(line.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 1, "{line:?} is one row");
        rows[0].iter().map(str::to_owned).collect()
    }

    proptest! {
        #[test]
        fn hostile_cells_stay_cells(
            first in r#"[\x00=+@\-\t\r\n＝＋－＠'"; ]{0,4}(cmd\|' /C calc'!A0|HYPERLINK\("http://x"\)|SUM\(1;2\)|1\+1)?["';\r\n\x00]{0,3}"#,
            second in any::<String>(),
        ) {
            let cells = read_back([&first, &second]);
            prop_assert_eq!(cells.len(), 2);
            for (cell, given) in cells.iter().zip([&first, &second]) {
                let is_number =
                    cell.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
                prop_assert!(!cell.starts_with(FORMULA_STARTS) || is_number, "{:?}", cell);
                let given = given.replace('\0', "");
                prop_assert_eq!(cell.strip_prefix('\'').filter(|_| *cell != given).unwrap_or(cell), &given);
            }
        }
    }
}
