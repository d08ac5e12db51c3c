//! What goes wrong in an SMTP session, where, and for whom.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reply::Reply;
use crate::queue::{Order, Queue, locked};

/// Addresses remembered by the `greylist@` magic; beyond it all are forgotten and greylisted once more.
const GREYLIST_MEMORY: usize = 10_000;
/// How long `slow@…` makes the sender wait.
const SLOW: Duration = Duration::from_secs(3);

/// The steps of a session at which a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Instead of the greeting.
    Connect,
    Ehlo,
    Starttls,
    /// When user and password have been said.
    Auth,
    Mail,
    Rcpt,
    /// At the `DATA` command.
    Data,
    /// After the final dot.
    Accepted,
}

/// One fault: strikes `times` times (once by default; `null` in JSON: always) at its stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpFault {
    pub stage: Stage,
    /// Only mails to this address; stages `rcpt`, `data` and `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    pub action: Action,
    #[serde(default = "once")]
    pub times: Option<NonZeroU32>,
}

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Says this instead; 4xx and 5xx refuse, 421 also closes. A mail refused at `accepted` is not kept.
    Reply {
        code: u16,
        /// RFC 3463, such as `4.7.1`.
        #[serde(default)]
        enhanced: Option<String>,
        text: String,
    },
    /// Closes the connection instead of answering. At `accepted` the mail has been taken all the same.
    Drop,
    /// Stage `data`: closes the connection after so many bytes of the content; the mail is not taken.
    DropInBody { after: usize },
    /// Answers this much later. At `accepted` the mail is taken before the wait.
    Delay { ms: u64 },
    /// From here on sends its answers one byte at a time, so far apart.
    Trickle { ms: u64 },
    /// Stage `ehlo`: does not offer this extension, such as `STARTTLS`.
    Hide { keyword: String },
}

/// The order makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error("a reply's code is 200 to 599, its text is one line of at most 400 printable characters")]
    BadReply,
    #[error("an enhanced code looks like 5.1.1 and begins with the reply's first digit (RFC 3463)")]
    BadEnhanced,
    #[error("no recipient is known at this stage; take rcpt, data or accepted")]
    NoRecipientYet,
    #[error("drop_in_body belongs to stage data, hide to stage ehlo")]
    WrongStage,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
const fn once() -> Option<NonZeroU32> {
    Some(NonZeroU32::MIN)
}

impl SmtpFault {
    /// Strikes once.
    #[must_use]
    pub const fn once(stage: Stage, action: Action) -> Self {
        Self { stage, recipient: None, action, times: once() }
    }

    #[must_use]
    pub fn to(self, recipient: impl Into<String>) -> Self {
        Self { recipient: Some(recipient.into()), ..self }
    }

    /// Strikes so many times; 0 means always.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = NonZeroU32::new(times);
        self
    }

    fn check(&self) -> Result<(), FaultError> {
        if self.recipient.is_some() && !matches!(self.stage, Stage::Rcpt | Stage::Data | Stage::Accepted) {
            return Err(FaultError::NoRecipientYet);
        }
        match &self.action {
            Action::Reply { code, enhanced, text } => {
                let printable = text.len() <= 400 && !text.chars().any(char::is_control);
                if !(200..600).contains(code) || !printable {
                    return Err(FaultError::BadReply);
                }
                match enhanced {
                    Some(enhanced) if !is_enhanced(*code, enhanced) => Err(FaultError::BadEnhanced),
                    _ => Ok(()),
                }
            }
            Action::DropInBody { .. } if self.stage != Stage::Data => Err(FaultError::WrongStage),
            Action::Hide { .. } if self.stage != Stage::Ehlo => Err(FaultError::WrongStage),
            _ => Ok(()),
        }
    }

    fn fits(&self, stage: Stage, recipients: &[String]) -> bool {
        self.stage == stage
            && self
                .recipient
                .as_ref()
                .is_none_or(|wanted| recipients.iter().any(|address| address.eq_ignore_ascii_case(wanted)))
    }
}

impl Action {
    const fn ends(&self) -> bool {
        matches!(self, Self::Reply { .. } | Self::Drop)
    }
}

fn is_enhanced(code: u16, enhanced: &str) -> bool {
    let mut parts = enhanced.split('.');
    let class = parts.next().is_some_and(|class| class == (code / 100).to_string());
    let rest: Vec<_> = parts.collect();
    let digits =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    class && rest.len() == 2 && rest.iter().all(digits)
}

/// All ordered faults of the SMTP side, and the addresses that are faults by themselves.
///
/// `bounce@…` (550 5.1.1), `greylist@…` (451 4.7.1 the first time), `slow@…` (3 seconds). A `+tag` may follow the name.
#[derive(Debug, Default)]
pub struct SmtpFaults {
    queue: Queue<SmtpFault>,
    greylisted: Mutex<HashSet<String>>,
}

impl SmtpFaults {
    /// Orders a fault.
    ///
    /// # Errors
    /// When it makes no sense at its stage.
    pub fn add(&self, fault: SmtpFault) -> Result<(), FaultError> {
        fault.check()?;
        let times = fault.times;
        self.queue.push(fault, times);
        Ok(())
    }

    /// Those that still wait.
    pub fn waiting(&self) -> Vec<Order<SmtpFault>> {
        self.queue.waiting()
    }

    /// Forgets all orders and who was greylisted.
    pub fn clear(&self) {
        self.queue.clear();
        locked(&self.greylisted).clear();
    }

    pub(super) fn strike(&self, stage: Stage, recipients: &[String]) -> Struck {
        let ordered = self.queue.take(|fault| fault.fits(stage, recipients), |fault| fault.action.ends());
        let mut struck = Struck::default();
        ordered.into_iter().for_each(|fault| struck.add(fault.action));
        if stage == Stage::Rcpt && struck.end.is_none() {
            recipients.iter().filter_map(|address| self.magic(address)).for_each(|action| struck.add(action));
        }
        struck
    }

    fn magic(&self, address: &str) -> Option<Action> {
        let name = address.split(['@', '+']).next()?.to_ascii_lowercase();
        match name.as_str() {
            "bounce" => Some(reply(550, "5.1.1", "No such mailbox here")),
            "slow" => Some(Action::Delay { ms: u64::try_from(SLOW.as_millis()).ok()? }),
            "greylist" => {
                let mut known = locked(&self.greylisted);
                if known.len() >= GREYLIST_MEMORY {
                    known.clear();
                }
                known
                    .insert(address.to_ascii_lowercase())
                    .then(|| reply(451, "4.7.1", "Greylisted, try again later"))
            }
            _ => None,
        }
    }
}

fn reply(code: u16, enhanced: &str, text: &str) -> Action {
    Action::Reply { code, enhanced: Some(enhanced.into()), text: text.into() }
}

/// The faults of one moment, added up.
#[derive(Debug, Default)]
pub(super) struct Struck {
    pub(super) delay: Duration,
    pub(super) trickle: Option<Duration>,
    pub(super) hidden: Vec<String>,
    pub(super) drop_in_body: Option<usize>,
    pub(super) end: Option<End>,
}

/// How the moment ends other than usual.
#[derive(Debug)]
pub(super) enum End {
    Reply(Reply),
    Drop,
}

impl Struck {
    fn add(&mut self, action: Action) {
        match action {
            Action::Reply { code, enhanced, text } => {
                self.end = Some(End::Reply(Reply::new(code, enhanced, text)))
            }
            Action::Drop => self.end = Some(End::Drop),
            Action::DropInBody { after } => self.drop_in_body = Some(after),
            Action::Delay { ms } => self.delay = self.delay.saturating_add(Duration::from_millis(ms)),
            Action::Trickle { ms } => self.trickle = Some(Duration::from_millis(ms)),
            Action::Hide { keyword } => self.hidden.push(keyword),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_make_no_sense_are_refused() {
        let faults = SmtpFaults::default();
        let refused = |fault| faults.add(fault).expect_err("refused");
        let forged = Action::Reply { code: 250, enhanced: None, text: "ok\r\n250 more".into() };
        assert_eq!(refused(SmtpFault::once(Stage::Mail, forged)), FaultError::BadReply);
        assert_eq!(refused(SmtpFault::once(Stage::Rcpt, reply(550, "4.1.1", "no"))), FaultError::BadEnhanced);
        assert_eq!(
            refused(SmtpFault::once(Stage::Auth, Action::Drop).to("a@b.test")),
            FaultError::NoRecipientYet
        );
        let hide = Action::Hide { keyword: "AUTH".into() };
        assert_eq!(refused(SmtpFault::once(Stage::Mail, hide)), FaultError::WrongStage);
        assert!(faults.waiting().is_empty());
    }

    #[test]
    fn a_greylisted_address_passes_the_second_time() {
        let faults = SmtpFaults::default();
        let strikes = |address: &str| faults.strike(Stage::Rcpt, &[address.to_owned()]).end.is_some();
        assert!(strikes("greylist+7@b.test"));
        assert!(!strikes("Greylist+7@b.test"));
        assert!(strikes("greylist@b.test"));
        assert!(!strikes("greylisted@b.test"));
    }

    #[test]
    fn json_orders_strike_once_unless_told_otherwise() {
        let json =
            r#"{"stage":"rcpt","recipient":"a@b.test","action":{"type":"reply","code":451,"text":"later"}}"#;
        let fault: SmtpFault = serde_json::from_str(json).expect("an order");
        assert_eq!(fault.times, NonZeroU32::new(1));
        let always: SmtpFault =
            serde_json::from_str(r#"{"stage":"mail","times":null,"action":{"type":"drop"}}"#)
                .expect("an order");
        assert_eq!(always.times, None);
    }
}
