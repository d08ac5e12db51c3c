//! What follows from a failure. Pure: `(failure, attempt, rules) → next`; connectors only say what happened.

use std::time::Duration;

use santral_connectors::failure::{Failure, FailureKind, Reason};
use santral_connectors::{Channel, OperationKind};

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

const fn waits<const N: usize>(seconds: [u64; N]) -> [Duration; N] {
    let mut waits = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        waits[index] = Duration::from_secs(seconds[index]);
        index += 1;
    }
    waits
}

/// A person waits for it: often at first, then through a night and a day of a mail server's trouble (about 28 h).
static EMAIL: [Duration; 9] =
    waits([0, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]);

/// The example schedule of Standard Webhooks 1.0, three days long, for receivers that are down over a weekend.
static WEBHOOK: [Duration; 10] = waits([
    0,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
]);

/// Short messages are worth little when late.
static SHORT_MESSAGE: [Duration; 7] =
    waits([0, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR]);

/// A program waits for it; what is there already is not written twice.
static ROWS: [Duration; 9] =
    waits([0, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]);

/// Waits vary by a fifth either way, so that deliveries that failed together do not come back together.
const JITTER: f64 = 0.2;

/// What holds for one delivery.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The wait before attempt `n + 1` stands at index `n`; its length is the number of attempts.
    pub schedule: &'static [Duration],
    /// The receiver dedupes, so an unknown outcome is simply sent again.
    pub idempotent: bool,
}

/// What to do with a delivery after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long.
    Retry { wait: Duration },
    /// As `Retry`, and nothing else of this connection leaves before then.
    RetryAndPause { wait: Duration },
    /// It is over: the message cannot be delivered.
    Fail,
    /// Nobody knows; it is not repeated blindly.
    Unknown,
    /// The connection is broken until a person acts; the delivery goes to the fallback or waits for that.
    BreakConnection(Reason),
}

impl Rules {
    pub fn of(operation: OperationKind, channel: Option<Channel>, idempotent: bool) -> Self {
        let schedule: &[Duration] = match (operation, channel) {
            (OperationKind::SendSms | OperationKind::SendWhatsapp | OperationKind::PostChat, _) => {
                &SHORT_MESSAGE
            }
            (OperationKind::PostWebhook | OperationKind::Notify, _) | (_, Some(Channel::Webhook)) => &WEBHOOK,
            (OperationKind::AppendRows | OperationKind::WriteRows, _) => &ROWS,
            _ => &EMAIL,
        };
        Self { schedule, idempotent }
    }

    /// Decides. `attempt` counts from one; `chance` is uniform in `[0, 1)` and only moves waits within the jitter.
    pub fn next(&self, failure: &Failure, attempt: u32, chance: f64) -> Next {
        match failure.kind {
            FailureKind::Retryable { after } => self.retry(after, attempt, chance),
            FailureKind::RateLimited { after } => match self.retry(after, attempt, chance) {
                Next::Retry { wait } => Next::RetryAndPause { wait },
                next => next,
            },
            FailureKind::Unconfirmed if self.idempotent => self.retry(None, attempt, chance),
            FailureKind::Unconfirmed => Next::Unknown,
            FailureKind::Rejected => Next::Fail,
            FailureKind::AuthExpired => Next::BreakConnection(Reason::NeedsReauth),
            FailureKind::Misconfigured(reason) => Next::BreakConnection(reason),
        }
    }

    fn retry(&self, after: Option<Duration>, attempt: u32, chance: f64) -> Next {
        let Some(planned) = self.schedule.get(attempt as usize) else { return Next::Fail };
        let jittered = planned.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0));
        let longest = self.schedule.iter().max().copied().unwrap_or_default();
        // A vendor can ask for calm, but cannot park a message longer than we would on our own.
        Next::Retry { wait: jittered.max(after.unwrap_or_default().min(longest)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn email() -> Rules {
        Rules::of(OperationKind::SendEmail, Some(Channel::Email), false)
    }

    #[test]
    fn a_mail_is_tried_nine_times_over_about_a_day() {
        let down = Failure::retryable("connect_failed", "no route");
        let mut total = Duration::ZERO;
        for attempt in 1..9 {
            let Next::Retry { wait } = email().next(&down, attempt, 0.5) else { panic!("attempt {attempt}") };
            total += wait;
        }
        assert_eq!(email().next(&down, 9, 0.5), Next::Fail);
        assert!(
            total > Duration::from_secs(27 * HOUR) && total < Duration::from_secs(29 * HOUR),
            "{total:?}"
        );
    }

    #[test]
    fn an_unknown_outcome_is_resent_only_where_the_receiver_dedupes() {
        let lost = Failure::unconfirmed("answer_lost", "");
        assert_eq!(email().next(&lost, 1, 0.5), Next::Unknown);
        let webhook = Rules::of(OperationKind::PostWebhook, Some(Channel::Webhook), true);
        assert!(matches!(webhook.next(&lost, 1, 0.5), Next::Retry { .. }));
    }

    #[test]
    fn a_rate_limit_pauses_the_connection_for_as_long_as_the_vendor_asks_within_reason() {
        let calm = |seconds| Failure::rate_limited("slow_down", "", Some(Duration::from_secs(seconds)));
        assert_eq!(email().next(&calm(600), 1, 0.5), Next::RetryAndPause { wait: Duration::from_secs(600) });
        let Next::RetryAndPause { wait } = email().next(&calm(u64::MAX), 1, 0.5) else { panic!() };
        assert_eq!(wait, Duration::from_secs(10 * HOUR));
    }

    #[test]
    fn a_rejected_message_is_dead_and_a_broken_connection_is_named() {
        assert_eq!(email().next(&Failure::rejected("recipient_unknown", ""), 1, 0.5), Next::Fail);
        let refused = Failure::misconfigured(Reason::RejectedCredentials, "wrong_password", "");
        assert_eq!(email().next(&refused, 1, 0.5), Next::BreakConnection(Reason::RejectedCredentials));
    }

    proptest! {
        #[test]
        fn waits_stay_within_the_jitter_and_attempts_end(attempt in 1_u32..40, chance in 0.0..1.0_f64) {
            let rules = email();
            match rules.next(&Failure::retryable("x", ""), attempt, chance) {
                Next::Retry { wait } => {
                    let planned = rules.schedule[attempt as usize];
                    prop_assert!(wait >= planned.mul_f64(0.79) && wait <= planned.mul_f64(1.21));
                }
                Next::Fail => prop_assert!(attempt as usize >= rules.schedule.len()),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
