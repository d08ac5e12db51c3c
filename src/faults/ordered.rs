//! The orders of `FAULTS`: `kill@committed:17,jump=-3600@answered:2,bug=skip_fence,next_release`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use super::next_release::EXPANSION;
use super::{Bug, Point};
use crate::db::Migration;

static ORDERS: LazyLock<Orders> =
    LazyLock::new(|| Orders::of_process().unwrap_or_else(|error| refuse(&error)));
static SHIFT: AtomicI64 = AtomicI64::new(0);
static REWRITTEN: Mutex<Option<HashMap<&'static str, &'static str>>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Orders {
    strikes: Vec<Strike>,
    bugs: Vec<Bug>,
    /// Whether this program is the release after this one.
    next_release: bool,
}

/// What happens when a point is reached for the nth time.
#[derive(Debug)]
struct Strike {
    point: Point,
    nth: usize,
    reached: AtomicUsize,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    /// `SIGKILL`, from within, at exactly this moment.
    Kill,
    /// `SIGSTOP`: frozen until somebody sends `SIGCONT`.
    Freeze,
    Panic,
    /// The wall clock moves by so many seconds, for good.
    Jump(i64),
    /// Nothing goes on here for so many milliseconds.
    Stall(u64),
}

/// A build for tests says so.
pub(crate) fn announce() {
    let orders = &*ORDERS;
    tracing::warn!(strikes = orders.strikes.len(), bugs = ?orders.bugs, "this build has fault points: it is for tests only");
}

/// The server has come to a point; an order may strike it here.
pub(crate) fn reach(point: Point) {
    for strike in ORDERS.strikes.iter().filter(|strike| strike.point == point) {
        if strike.reached.fetch_add(1, Ordering::AcqRel) + 1 == strike.nth {
            strike.action.happen();
        }
    }
}

pub(crate) fn planted(bug: Bug) -> bool {
    ORDERS.bugs.contains(&bug)
}

/// The migration that this program has more than a normal build.
pub(crate) fn next_release() -> Option<&'static Migration> {
    ORDERS.next_release.then_some(&EXPANSION)
}

/// How far the wall clock has been moved, in seconds.
pub(crate) fn clock_shift() -> i64 {
    SHIFT.load(Ordering::Acquire)
}

/// The statement as a planted bug leaves it.
pub(crate) fn rewritten(statement: &'static str) -> &'static str {
    let mut wrong = Vec::new();
    if planted(Bug::ForgetCompany) {
        wrong.push("company_id");
    }
    if planted(Bug::SkipFence) {
        wrong.push("jobs.owner");
    }
    if wrong.is_empty() {
        return statement;
    }
    let mut known = REWRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    known.entry(statement).or_insert_with(|| {
        let mut text =
            wrong.iter().fold(statement.to_owned(), |text, column| without_comparison(&text, column));
        if planted(Bug::SkipFence) {
            text = text.replace("jobs.epoch = c.epoch", "true");
        }
        Box::leak(text.into_boxed_str())
    })
}

/// `column = $3` becomes `cast($3 as uuid) is not null`: every row matches, and the parameter keeps its place and type.
/// `column = any($3)` likewise.
fn without_comparison(statement: &str, column: &str) -> String {
    let one = replaced(statement, &format!("{column} = $"), "", "uuid");
    replaced(&one, &format!("{column} = any($"), ")", "uuid[]")
}

fn replaced(statement: &str, start: &str, end: &str, kind: &str) -> String {
    let mut out = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some((before, after)) = rest.split_once(start) {
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = after.split_at(digits);
        // The alias before the column goes too: `d.company_id = $1`.
        out.push_str(before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        out.push_str(&format!("cast(${number} as {kind}) is not null"));
        rest = after.strip_prefix(end).unwrap_or(after);
    }
    out.push_str(rest);
    out
}

impl Action {
    #[expect(clippy::panic, reason = "a test ordered it")]
    fn happen(self) {
        match self {
            Self::Kill => signal(Signal::KILL),
            Self::Freeze => freeze(),
            Self::Panic => std::panic::panic_any("a panic was ordered"),
            Self::Jump(seconds) => {
                SHIFT.fetch_add(seconds, Ordering::AcqRel);
                tracing::warn!(seconds, "the clock was moved");
            }
            Self::Stall(millis) => {
                tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(millis)))
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once('=') {
            None if text == "kill" => Self::Kill,
            None if text == "freeze" => Self::Freeze,
            None if text == "panic" => Self::Panic,
            Some(("jump", seconds)) => Self::Jump(seconds.parse().ok()?),
            Some(("stall", millis)) => Self::Stall(millis.parse().ok()?),
            _ => return None,
        })
    }
}

/// The signal stops this thread a moment after it was sent: it waits here until time has made a leap.
fn freeze() {
    let mut last = Instant::now();
    signal(Signal::STOP);
    loop {
        let now = Instant::now();
        if now - last > Duration::from_millis(200) {
            return;
        }
        last = now;
        std::hint::spin_loop();
    }
}

fn signal(signal: Signal) {
    let _ = kill_process(getpid(), signal);
}

impl Orders {
    #[expect(clippy::disallowed_methods, reason = "orders are no configuration: a normal build has none")]
    fn of_process() -> Result<Self, String> {
        Self::parse(&std::env::var("FAULTS").unwrap_or_default())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut orders = Self::default();
        for order in text.split(',').filter(|order| !order.is_empty()) {
            let unknown = || format!("FAULTS: {order} is no order");
            if order == "next_release" {
                orders.next_release = true;
                continue;
            }
            if let Some(name) = order.strip_prefix("bug=") {
                let bug = Bug::ALL.iter().find(|bug| bug.as_str() == name);
                orders.bugs.push(*bug.ok_or_else(unknown)?);
                continue;
            }
            let (action, place) = order.split_once('@').ok_or_else(unknown)?;
            let (point, nth) = place.split_once(':').ok_or_else(unknown)?;
            orders.strikes.push(Strike {
                point: *Point::ALL.iter().find(|known| known.as_str() == point).ok_or_else(unknown)?,
                nth: nth.parse().map_err(|_| unknown())?,
                reached: AtomicUsize::new(0),
                action: Action::parse(action).ok_or_else(unknown)?,
            });
        }
        Ok(orders)
    }
}

/// A test that misspells an order must not pass.
fn refuse(error: &str) -> ! {
    eprintln!("{error}");
    std::process::exit(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_misspelt_ones_refused() {
        let orders = Orders::parse("kill@committed:17,jump=-3600@answered:2,bug=skip_fence").unwrap();
        let found: Vec<_> =
            orders.strikes.iter().map(|strike| (strike.point, strike.nth, strike.action)).collect();
        assert_eq!(found, [(Point::Committed, 17, Action::Kill), (Point::Answered, 2, Action::Jump(-3600))]);
        assert_eq!(orders.bugs, [Bug::SkipFence]);
        for wrong in ["kill", "kill@nowhere:1", "kill@committed", "sing@committed:1", "bug=none"] {
            assert!(Orders::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_forgotten_comparison_keeps_its_parameter() {
        let without =
            without_comparison("select * from d where d.company_id = $12 and id = $2", "company_id");
        assert_eq!(without, "select * from d where cast($12 as uuid) is not null and id = $2");
        let list = without_comparison("select * from c where company_id = any($1) and x = $2", "company_id");
        assert_eq!(list, "select * from c where cast($1 as uuid[]) is not null and x = $2");
        assert_eq!(
            without_comparison("update jobs set owner = $1 where id = $2", "jobs.owner").matches('$').count(),
            2
        );
    }
}
