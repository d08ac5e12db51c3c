//! Asking vendors what became of messages: those that wait for a receipt, and those whose outcome nobody knows.
//!
//! A message that was sent keeps a job, in its connection's lane of questions, until its end is known or nobody waits
//! for it any more. So questions have an owner, a lease and a sweep like all other work.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use santral_connectors::capability::{Among, Asked, Found, Polling, Reports, Status};
use santral_connectors::manifest::Rate;
use santral_connectors::operation::Sent;
use santral_connectors::{Connector, Failure, Operation};

use super::Engine;
use super::committer::{Ending, Settled, Write};
use super::lanes::Lane;
use super::lease::Term;
use super::meter::ASKED_ENOUGH;
use super::model::{Attempt, State};
use super::perform::{Course, Job, Port, SentNote, unchanged};
use super::receipts::{self, Ears, Receipt, Told};
use super::target::{self, Target};
use crate::clock::{Micros, rfc3339};
use crate::companies::setup::Setup;
use crate::db;
use crate::ids::{CompanyId, DeliveryId};
use crate::store::deliveries::Settlement;
use crate::store::jobs::{self, Claim};
use crate::store::receipts::{self as stored, Question};

const SECOND: Micros = 1_000_000;
const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;

/// How long `sent` waits for a receipt before it is the last word.
pub(super) const WAITS: Micros = 72 * HOUR;
/// The first question where nobody calls back, and where somebody does.
const FIRST: Micros = 10 * SECOND;
const FIRST_WITH_CALLBACKS: Micros = 2 * MINUTE;
/// The longest time between two questions about one message.
const LONGEST: Micros = 3 * HOUR;
/// When an unknown outcome is asked about: vendors' own books lag a little.
static RECONCILE: [Micros; 5] = [10 * SECOND, MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR];
/// Calls in one go, pages included; what is left waits its turn.
const CALLS: u32 = 10;
/// The clocks of vendors and ours may differ by this much.
const SLACK: Micros = MINUTE;
/// The outcome of an attempt that was settled by asking.
const RECONCILED: &str = "reconciled";

/// When a message that was just sent is first asked about; `None` where nothing more will be known. `called_back` says
/// that the connection's vendor calls us, as we have seen.
pub(super) fn first_question(connector: &Connector, called_back: bool, now: Micros) -> Option<Micros> {
    connector.limits.receipts.then(|| match (connector.capabilities.reports, called_back) {
        (Some(_), false) => now + FIRST,
        (Some(_), true) => now + FIRST_WITH_CALLBACKS,
        (None, _) => now + WAITS,
    })
}

/// When an outcome that just became unknown is asked about; `None` where the vendor cannot be asked.
pub(super) fn first_reconciliation(connector: &Connector, now: Micros) -> Option<Micros> {
    connector.capabilities.reconcile.map(|_| now + RECONCILE[0])
}

/// The next question after `asked` of them, backing off from the first.
fn next_question(asked: i64, sent_at: Micros, now: Micros) -> Option<Micros> {
    let doublings = u32::try_from(asked.clamp(0, 20)).unwrap_or(20);
    let wait = FIRST.saturating_mul(1_i64 << doublings).min(LONGEST);
    // Somebody looks once more when the time is up.
    let last = sent_at + WAITS;
    (now < last).then(|| (now + wait).min(last))
}

/// One job with what is known of its message.
struct Open {
    job: Job,
    question: Question,
}

impl Open {
    fn sent(&self) -> Option<Sent> {
        self.question.output.as_deref().and_then(|output| serde_json::from_str(output).ok())
    }

    /// When the last attempt began, and when it had ended.
    fn attempted(&self) -> (Micros, Micros) {
        let attempts: Vec<Attempt<'_>> = serde_json::from_str(&self.question.attempts).unwrap_or_default();
        let last = attempts.last();
        let began = last.and_then(|last| last.started_at.parse::<Timestamp>().ok());
        let began = began.map_or(self.job.claim.due_at, Timestamp::as_microsecond);
        (began, began + last.map_or(0, |last| last.duration_ms.saturating_mul(1_000)))
    }
}

/// Asks about the messages of one connection and writes down what follows.
pub(super) async fn inquire(engine: Engine, jobs: Vec<Job>) {
    let Some((lane, term)) = jobs.first().map(|job| (job.claim.lane, job.term)) else { return };
    let claims: Vec<_> = jobs.iter().map(|job| job.claim).collect();
    let now = engine.clock().micros();
    let mut round = Round { engine: &engine, lane, term, now, pause_until: None, is_short: false };
    let asked = AssertUnwindSafe(round.run(jobs)).catch_unwind().await;
    let asked = asked.unwrap_or_else(|_| Err(db::Error::Protocol("a panic".to_owned())));
    let settled = asked.unwrap_or_else(|error| {
        tracing::warn!(%error, "messages could not be asked about, trying again");
        let again = round.now + MINUTE;
        claims.into_iter().map(|claim| ask_again(claim, again)).collect()
    });
    let pause_until = round.pause_until;
    let now = engine.clock().micros();
    if let Some(until) = pause_until {
        engine.0.lanes.change(|lanes| lanes.pause(lane, until, now));
    }
    for settled in settled {
        engine.write(Write::Settle(Box::new(settled)));
    }
    engine.release(lane, now);
}

/// As [`unchanged`]; the slot is the whole round's.
fn answer(claim: Claim, ending: Ending) -> Settled {
    Settled { released: true, ..unchanged(claim, ending) }
}

fn ask_again(claim: Claim, due_at: Micros) -> Settled {
    answer(claim, Ending::Ask { lane: claim.lane.id, due_at, attempt: claim.attempt + 1 })
}

/// One question to a vendor: the ids it is about, and how many pages its answer will have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asking<'a> {
    ids: Vec<&'a str>,
    rows: usize,
    calls: u32,
}

/// The questions of one round: as many ids as [`CALLS`] calls, or the `left` that the vendor allows now, can answer to
/// their last page, given the recipients that share each. One that needs more than that alone is asked alone, when
/// nothing else has been asked lately. What finds no place waits for the next round.
fn plan<'a>(
    messages: impl Iterator<Item = (&'a str, usize)>,
    polling: Polling,
    left: u32,
) -> Vec<Asking<'a>> {
    let most = CALLS.min(left);
    let is_whole = left >= CALLS.min(polling.rate.count);
    // A last page that is full is followed by an empty one.
    let calls = |rows: usize| u32::try_from(rows / polling.page.max(1) + 1).unwrap_or(u32::MAX);
    let (mut questions, mut spent) = (Vec::<Asking<'a>>::new(), 0_u32);
    for (id, rows) in messages {
        let joins = questions.last().is_some_and(|last| last.ids.len() < polling.batch.max(1));
        let before = questions.last().filter(|_| joins).map_or((0, 0), |last| (last.rows, last.calls));
        let needed = calls(before.0 + rows);
        if spent - before.1 + needed > most && !(is_whole && questions.is_empty()) {
            continue;
        }
        spent = spent - before.1 + needed;
        if !joins {
            questions.push(Asking::default());
        }
        if let Some(last) = questions.last_mut() {
            last.ids.push(id);
            (last.rows, last.calls) = (before.0 + rows, needed);
        }
    }
    questions
}

struct Round<'a> {
    engine: &'a Engine,
    lane: Lane,
    term: Term,
    now: Micros,
    pause_until: Option<Micros>,
    /// Something could not be asked about: the vendor's rate had no room.
    is_short: bool,
}

impl Round<'_> {
    async fn run(&mut self, jobs: Vec<Job>) -> db::Result<Vec<Settled>> {
        let company = CompanyId(self.lane.company);
        let mut settled = Vec::with_capacity(jobs.len());
        let Some(setup) = self.engine.setups().get(company).await?.filter(|setup| setup.delivers()) else {
            return Ok(jobs.into_iter().map(|job| answer(job.claim, Ending::Finish)).collect());
        };
        let (open, gone) = self.open(jobs).await?;
        settled.extend(gone.into_iter().map(|job| answer(job.claim, Ending::Finish)));
        let target = target::resolve(self.engine.services(), &setup, self.lane.of_messages()).await?;
        let Ok(target) = target else {
            // The connection is out of order or gone: the answer can wait, for as long as anybody waits.
            settled.extend(open.into_iter().map(|open| self.later(&open)));
            return Ok(settled);
        };
        let (sent, unknown): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|open| open.question.state == State::Sent.as_str());
        // However many messages wait for their report, one lost one is looked for in every round.
        let mut unknown = unknown.into_iter();
        let left = self.left(&target);
        if let Some(open) = unknown.next() {
            settled.push(self.reconcile(&setup, &target, open).await?);
        }
        settled.extend(self.reports(&setup, &target, sent).await?);
        for open in unknown {
            settled.push(self.reconcile(&setup, &target, open).await?);
        }
        self.pause(&target, left);
        Ok(settled)
    }

    fn now(&self) -> Micros {
        self.engine.clock().micros()
    }

    /// The vendor's rate of questions, where it has one.
    fn rate(target: &Target) -> Option<Rate> {
        target.connector.capabilities.reports.map(|reader| reader.polling().rate)
    }

    /// Calls that the vendor still allows now.
    fn left(&self, target: &Target) -> u32 {
        Self::rate(target).map_or(CALLS, |rate| self.engine.meter().left(self.lane, &rate, self.now()))
    }

    fn port<'b>(&self, target: &'b Target) -> Port<'b>
    where
        Self: 'b,
    {
        let port = Port::new(self.engine, (self.lane, self.term), target);
        match Self::rate(target) {
            Some(rate) => port.metered(self.engine, self.lane, rate),
            None => port,
        }
    }

    /// Splits off what is settled already, or gone.
    async fn open(&self, jobs: Vec<Job>) -> db::Result<(Vec<Open>, Vec<Job>)> {
        let ids = jobs.iter().map(|job| job.claim.id).collect();
        let mut tx = self.engine.db().company(CompanyId(self.lane.company)).read().await?;
        let questions = stored::questions(&mut tx, self.lane.company, ids).await?;
        let mut questions: HashMap<_, _> = questions.into_iter().map(|q| (q.id, q)).collect();
        let (mut open, mut gone) = (Vec::new(), Vec::new());
        for job in jobs {
            match questions.remove(&job.claim.id) {
                Some(question)
                    if matches!(State::parse(&question.state), Some(State::Sent | State::Unknown)) =>
                {
                    open.push(Open { job, question });
                }
                _ => gone.push(job),
            }
        }
        Ok((open, gone))
    }

    /// The next question about a message, or its end where nobody waits any more.
    fn later(&self, open: &Open) -> Settled {
        let claim = open.job.claim;
        if open.question.state == State::Unknown.as_str() {
            let next = usize::try_from(claim.attempt).ok().and_then(|asked| RECONCILE.get(asked));
            return match next {
                Some(wait) => ask_again(claim, self.now + wait),
                // It stays unknown, for a person to settle.
                None => answer(claim, Ending::Finish),
            };
        }
        match next_question(claim.attempt, open.attempted().0, self.now) {
            Some(due_at) => ask_again(claim, due_at),
            None => answer(claim, Ending::Close),
        }
    }

    /// Asks the vendor about messages that were sent.
    async fn reports(
        &mut self,
        setup: &Arc<Setup>,
        target: &Target,
        open: Vec<Open>,
    ) -> db::Result<Vec<Settled>> {
        let Some(reader) = target.connector.capabilities.reports else {
            return Ok(open.iter().map(|open| self.later(open)).collect());
        };
        let polling = reader.polling();
        let mut by_message: BTreeMap<String, Vec<&Open>> = BTreeMap::new();
        for open in &open {
            if let Some(id) = open.sent().and_then(|sent| sent.message_id) {
                by_message.entry(id).or_default().push(open);
            }
        }
        let sizes = self.sizes(setup, by_message.keys().cloned().collect()).await?;
        let size = |id: &str| sizes.get(id).copied().unwrap_or(1);
        let questions = plan(by_message.keys().map(|id| (id.as_str(), size(id))), polling, self.left(target));
        let port = self.port(target);
        let mut statuses = Vec::new();
        'round: for question in &questions {
            let of = |id: &'_ str| by_message.get_key_value(id);
            let asked: Vec<_> = question
                .ids
                .iter()
                .filter_map(|id| of(id))
                .flat_map(|(id, opens)| opens.iter().map(move |open| asked(id, open)))
                .collect();
            // Somebody else may send by the same account: a page more than we know of is no surprise.
            for page in 0..question.calls + CALLS {
                let cx = port.cx("reports", &[]);
                match port.bounded(reader.reports(&cx, &asked, page)).await {
                    Ok(Reports { statuses: found, more }) => {
                        statuses.extend(found);
                        if !more {
                            break;
                        }
                    }
                    Err(failure) => {
                        tracing::info!(provider = target.connector.id, code = %failure.code, "reports could not be read");
                        break 'round;
                    }
                }
            }
        }
        self.apply(setup, &statuses).await?;
        let planned: HashSet<&str> =
            questions.iter().flat_map(|question| question.ids.iter().copied()).collect();
        self.postpone(setup, &by_message, &planned).await?;
        let unasked: HashSet<_> = by_message
            .iter()
            .filter(|(id, _)| !planned.contains(id.as_str()))
            .flat_map(|(_, opens)| opens.iter().map(|open| open.job.claim.id))
            .collect();
        self.is_short |= !unasked.is_empty();
        // Those whose end was just written down have no job any more: their answer changes nothing.
        Ok(open
            .iter()
            .map(|open| match unasked.contains(&open.job.claim.id) {
                // No round of its own yet: it comes first as soon as the vendor may be asked again.
                true => answer(
                    open.job.claim,
                    Ending::Ask {
                        lane: open.job.claim.lane.id,
                        due_at: self.now,
                        attempt: open.job.claim.attempt,
                    },
                ),
                false => self.later(open),
            })
            .collect())
    }

    /// An answer is about all who share the vendor's id: their own questions need not ask the same again.
    async fn postpone(
        &self,
        setup: &Arc<Setup>,
        by_message: &BTreeMap<String, Vec<&Open>>,
        planned: &HashSet<&str>,
    ) -> db::Result<()> {
        let asked = by_message.iter().filter(|(id, _)| planned.contains(id.as_str()));
        let next = asked.flat_map(|(_, opens)| opens).filter_map(|open| match self.later(open).ending {
            Ending::Ask { due_at, .. } => Some(due_at),
            _ => None,
        });
        let Some(due_at) = next.max() else { return Ok(()) };
        let ids = planned.iter().map(|id| (*id).to_owned()).collect();
        let connection = self.lane.of_messages().id;
        let mut tx = self.engine.db().company(setup.id).write().await?;
        jobs::postpone(&mut tx, self.lane, connection, ids, due_at).await?;
        tx.commit().await
    }

    /// How many recipients share each of the vendor's ids.
    async fn sizes(&self, setup: &Arc<Setup>, ids: Vec<String>) -> db::Result<HashMap<String, usize>> {
        let mut tx = self.engine.db().company(setup.id).read().await?;
        stored::sizes(&mut tx, (self.lane.company, self.lane.of_messages().id), ids).await
    }

    /// Leaves the lane alone for as long as this round's calls were worth, `left` having been allowed before it. What
    /// found no room waits until there is all the room that the vendor gives.
    fn pause(&mut self, target: &Target, left: u32) {
        let Some(rate) = Self::rate(target) else { return };
        let (meter, now) = (self.engine.meter(), self.now());
        let calls = left.saturating_sub(meter.left(self.lane, &rate, now));
        let window = i64::try_from(rate.window.as_micros()).unwrap_or(HOUR);
        let spread = self.now + window / i64::from(rate.count.max(1)) * i64::from(calls);
        let room = if self.is_short { meter.full_at(self.lane, &rate, now) } else { None };
        self.pause_until = spread.max(room.unwrap_or(spread)).into();
    }

    async fn apply(&self, setup: &Arc<Setup>, statuses: &[Status]) -> db::Result<()> {
        let receipts: Vec<_> = statuses
            .iter()
            .map(|status| Receipt {
                company: self.lane.company,
                connection: self.lane.of_messages().id,
                told: Told::from(status),
            })
            .collect();
        if receipts.is_empty() {
            return Ok(());
        }
        let ears = Ears {
            setups: super::inbox::setups([Arc::clone(setup)]),
            platform: self.engine.setups().platform().await?,
        };
        let mut tx = self.engine.db().company(setup.id).write().await?;
        let (mut waiting, mut broken) = (Vec::new(), Vec::new());
        for some in receipts.chunks(1_000) {
            let applied = receipts::apply(&mut tx, &ears, some, self.now).await?;
            waiting.extend(applied.waiting);
            broken.extend(applied.broken);
        }
        tx.commit().await?;
        super::inbox::forget(self.engine, &broken);
        self.engine.announce(&waiting);
        Ok(())
    }

    /// Asks the vendor whether it took a message whose answer was lost.
    async fn reconcile(&mut self, setup: &Arc<Setup>, target: &Target, open: Open) -> db::Result<Settled> {
        let Some(finder) = target.connector.capabilities.reconcile else { return Ok(self.later(&open)) };
        let Some(operation) = self.operation(setup, &open) else { return Ok(self.later(&open)) };
        let (began, ended) = open.attempted();
        let (since, until) = (began - SLACK, ended.max(began) + 2 * SLACK);
        let recipient = open.question.recipient.clone().unwrap_or_default();
        let connection = self.lane.of_messages().id;
        let mut tx = self.engine.db().company(setup.id).read().await?;
        let which = (self.lane.company, connection, open.job.claim.id);
        let known = stored::known(&mut tx, which, &recipient, (since, until)).await?;
        drop(tx);
        let time = |at| Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let among = Among { since: time(since), until: time(until), known: &known };
        let port = self.port(target);
        let key = DeliveryId(open.job.claim.id).to_string();
        let cx = port.cx(&key, &[]);
        let found = port.bounded(finder.find(&cx, &operation, &among)).await;
        drop(port);
        if matches!(&found, Err(failure) if failure.code == ASKED_ENOUGH) {
            self.is_short = true;
            let claim = open.job.claim;
            let lane = claim.lane.id;
            return Ok(answer(claim, Ending::Ask { lane, due_at: self.now, attempt: claim.attempt }));
        }
        tracing::info!(delivery = key, ?found, "an unknown outcome was asked about");
        Ok(match found {
            Ok(Found::Taken(sent, status)) => {
                let settled = self.taken(setup, target, &open, sent);
                if let Some(status) = status {
                    self.remember_early(setup, &status).await?;
                }
                settled
            }
            Ok(Found::NotTaken) => self.not_taken(&open),
            Ok(Found::Unclear) | Err(_) => self.later(&open),
        })
    }

    /// What was to be sent, as far as it can still be made out.
    fn operation(&self, setup: &Arc<Setup>, open: &Open) -> Option<Operation> {
        let work = open.job.work.as_ref()?;
        let mut course = Course::new(self.engine, (open.job.claim, open.job.term), work);
        course.operation_of(setup)
    }

    /// The vendor has it: from now on it waits for a receipt like any other.
    fn taken(&self, setup: &Arc<Setup>, target: &Target, open: &Open, sent: Sent) -> Settled {
        let claim = open.job.claim;
        let called_back = self.engine.is_called_back(self.lane.of_messages());
        let due_at = first_question(target.connector, called_back, self.now);
        let ending = match due_at.filter(|_| sent.message_id.is_some()) {
            Some(due_at) => Ending::Ask { lane: claim.lane.id, due_at, attempt: 1 },
            None => Ending::Finish,
        };
        let finished = matches!(ending, Ending::Finish);
        let mut settled = answer(claim, ending);
        settled.settlement = Some(Settlement {
            state: State::Sent.as_str(),
            reason: None,
            finished_at: finished.then_some(self.now),
            output: serde_json::to_string(&sent).ok(),
            ..self.settlement(open, RECONCILED)
        });
        settled.sent = sent.message_id.map(|vendor_id| SentNote {
            setup: Arc::clone(setup),
            connection: self.lane.of_messages().id,
            vendor_id: Some(vendor_id),
            recipient: open.question.recipient.clone().unwrap_or_default(),
            at: open.attempted().0,
        });
        settled
    }

    /// It is surely not there: it goes again.
    fn not_taken(&self, open: &Open) -> Settled {
        let claim = open.job.claim;
        let attempt = super::manage::next_attempt(&open.question.attempts);
        let lane = self.lane.of_messages();
        let mut settled = answer(claim, Ending::Again { lane: lane.id, due_at: self.now, attempt });
        settled.settlement = Some(Settlement {
            state: State::Queued.as_str(),
            reason: None,
            finished_at: None,
            output: None,
            ..self.settlement(open, "not_taken")
        });
        settled
    }

    fn settlement(&self, open: &Open, outcome: &'static str) -> Settlement {
        let number = super::manage::next_attempt(&open.question.attempts) - 1;
        let note = Attempt {
            number,
            started_at: rfc3339(self.now).into(),
            duration_ms: 0,
            outcome: outcome.into(),
            code: None,
            detail: None,
            connection: None,
            provider: None,
        };
        Settlement {
            company: self.lane.company,
            id: open.job.claim.id,
            state: State::Unknown.as_str(),
            reason: None,
            provider: None,
            connection: None,
            recipient: None,
            due_at: self.now,
            finished_at: None,
            attempt: serde_json::to_string(&note).ok(),
            output: None,
        }
    }

    /// What the vendor's books already say of it is kept for the commit that makes its id known.
    async fn remember_early(&self, setup: &Arc<Setup>, status: &Status) -> db::Result<()> {
        let told = Told::from(status);
        let early = stored::Early {
            company: self.lane.company,
            id: crate::ids::new_uuid(),
            connection: self.lane.of_messages().id,
            vendor_id: told.message_id.clone(),
            status: serde_json::to_string(&Told { reference: None, ..told }).unwrap_or_default(),
            received_at: self.now,
        };
        let mut tx = self.engine.db().company(setup.id).write().await?;
        stored::keep_early(&mut tx, &[early]).await?;
        tx.commit().await
    }
}

fn asked<'a>(id: &'a str, open: &'a Open) -> Asked<'a> {
    let sent_at = Timestamp::from_microsecond(open.attempted().0).unwrap_or(Timestamp::UNIX_EPOCH);
    Asked { message_id: id, to: open.question.recipient.as_deref().unwrap_or_default(), sent_at }
}

impl Port<'_> {
    /// A call that comes to an end, whatever the connector does.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let at_most = self.deadline() + Duration::from_secs(5);
        tokio::time::timeout(at_most, call).await.unwrap_or_else(|_| {
            Err(Failure::retryable("connector_hung", "the connector did not come to an end"))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn questions_back_off_and_end_when_the_time_is_up() {
        let (mut now, mut asked, mut waits) = (FIRST, 1, Vec::new());
        while let Some(next) = next_question(asked, 0, now) {
            assert!(next > now && next - now <= LONGEST);
            waits.push(next - now);
            (now, asked) = (next, asked + 1);
        }
        assert_eq!(waits[..3], [20 * SECOND, 40 * SECOND, 80 * SECOND]);
        assert_eq!(now, WAITS);
        assert!(asked < 50, "{asked}");
    }

    fn polling(batch: usize, page: usize) -> Polling {
        let rate = Rate { count: 10, window: Duration::from_mins(1) };
        Polling { batch, page, rate, kept: Duration::from_hours(1) }
    }

    #[test]
    fn a_round_asks_about_no_more_than_its_calls_can_answer() {
        let sizes = [("a", 450), ("b", 300), ("c", 900), ("d", 99), ("e", 1)];
        let planned = plan(sizes.into_iter(), polling(50, 100), 10);
        let ids: Vec<_> = planned.iter().map(|question| (question.ids.clone(), question.calls)).collect();
        // `c` would not be read to its end; what is smaller still fits.
        assert_eq!(ids, [(vec!["a", "b", "d", "e"], 9)]);
        // One alone that is larger than a round is asked alone, to its end.
        let planned = plan([("huge", 5_000), ("small", 1)].into_iter(), polling(50, 100), 10);
        assert_eq!((planned.len(), planned[0].ids.clone(), planned[0].calls), (1, vec!["huge"], 51));
        // Where each call takes one id, each is a question.
        let planned = plan([("a", 1_000), ("b", 1), ("c", 10)].into_iter(), polling(1, 1_000), 10);
        assert_eq!(planned.iter().map(|question| question.calls).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(plan(std::iter::empty(), polling(50, 100), 10), []);
        // Where less is left, what fits; what needs more than that waits until all is.
        let left = |left| plan([("huge", 5_000), ("a", 150), ("b", 150)].into_iter(), polling(50, 100), left);
        assert_eq!(left(3).iter().map(|question| question.ids.clone()).collect::<Vec<_>>(), [vec!["a"]]);
        assert_eq!((left(1), left(0)), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn rounds_that_follow_each_other_leave_nobody_out(
            sizes in proptest::collection::vec(1..2_500_usize, 0..60), batch in 1..60_usize, page in 1..1_100_usize
        ) {
            let names: Vec<String> = (0..sizes.len()).map(|n| n.to_string()).collect();
            let mut left: Vec<_> = names.iter().map(String::as_str).zip(sizes).collect();
            while !left.is_empty() {
                let planned = plan(left.iter().copied(), polling(batch, page), 10);
                let calls: u32 = planned.iter().map(|question| question.calls).sum();
                prop_assert!(calls <= CALLS || planned.len() == 1 && planned[0].ids.len() == 1);
                let asked: HashSet<_> = planned.iter().flat_map(|question| question.ids.clone()).collect();
                for question in &planned {
                    prop_assert!(!question.ids.is_empty() && question.ids.len() <= batch);
                    prop_assert!(question.calls as usize > question.rows / page);
                }
                prop_assert!(!asked.is_empty());
                left.retain(|(id, _)| !asked.contains(id));
            }
        }
    }

    #[test]
    fn a_lane_of_questions_leads_back_to_its_connection() {
        let lane = Lane { company: Uuid::from_u128(1), id: crate::ids::new_uuid() };
        assert!(!lane.asks() && lane.of_questions().asks());
        assert_eq!(lane.of_questions().of_messages(), lane);
    }
}
