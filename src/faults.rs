//! Where the tests of promises strike the running server, and the bugs they plant to see themselves fail.
//!
//! A normal build has none of it: points are empty, no bug is planted, the clock is the clock, and the compiler removes
//! the questions. The feature `fault-points` builds a server that takes orders from the variable `FAULTS`
//! (`docs/adr/0021-fault-points-and-planted-bugs.md`).

#[cfg(feature = "fault-points")]
mod next_release;
#[cfg(feature = "fault-points")]
mod ordered;

#[cfg(feature = "fault-points")]
pub(crate) use ordered::{announce, clock_shift, next_release, planted, reach, rewritten};

/// Whether this build has fault points at all.
pub(crate) const BUILT_IN: bool = cfg!(feature = "fault-points");

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[$what:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind {
            $($(#[$what])* $name,)+
        }

        impl $kind {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

names! {
    /// A moment at which the server can be struck.
    Point {
        /// An ingest transaction is complete, not committed.
        BeforeCommit = "before_commit",
        /// It is committed, nobody is answered yet.
        Committed = "committed",
        /// A delivery has been claimed and is begun.
        Claimed = "claimed",
        /// The intent to call the vendor is committed, the vendor not called yet.
        IntentCommitted = "intent_committed",
        /// A connector begins.
        Calling = "calling",
        /// Half of what the vendor gets is on the wire.
        BodyHalfSent = "body_half_sent",
        /// All of a mail is on the wire, its reply not read.
        BodySent = "body_sent",
        /// The vendor's answer is known, nothing of it written down.
        Answered = "answered",
        /// Endings are written, not committed.
        Settling = "settling",
        /// An ending is committed.
        Settled = "settled",
        /// Any statement, inside its transaction.
        Statement = "statement",
        /// The right to fetch a grant's next token is committed, the vendor not asked yet.
        TokenLeased = "token_leased",
        /// The vendor has given new tokens, nothing of them is stored.
        TokenAnswered = "token_answered",
        /// The new tokens are committed, nobody has them yet.
        TokenStored = "token_stored",
        /// This node's lease was just renewed.
        LeaseRenewed = "lease_renewed",
        /// A part of a batch is committed, the batch not accepted yet.
        BatchPart = "batch_part",
        /// A batch is accepted, nobody is answered yet and nothing of it released.
        BatchAccepted = "batch_accepted",
        /// A part of an accepted batch is released.
        BatchReleased = "batch_released",
    }
}

names! {
    /// A bug that a test plants so that its oracle has something to find.
    Bug {
        /// An ingest transaction is rolled back, and answered as if it were committed.
        SkipCommit = "skip_commit",
        /// The vendor is called without a committed intent.
        SkipIntent = "skip_intent",
        /// What a lost node was sending is sent again, whoever receives it.
        BlindRepeat = "blind_repeat",
        /// Owner and epoch of a job are not compared.
        SkipFence = "skip_fence",
        /// A lease that has ended is still trusted.
        TrustStaleLease = "trust_stale_lease",
        /// A cancel is acknowledged and its job stays.
        ForgetCancel = "forget_cancel",
        /// SQLite does not sync.
        SynchronousOff = "synchronous_off",
        /// Statements lose their comparison with a company's id.
        ForgetCompany = "forget_company",
        /// Credentials are written to the log at the level `trace`.
        LogSecret = "log_secret",
        /// The settings that are shown have the credentials among them.
        ShowSecret = "show_secret",
        /// Sealed values carry their text with them.
        PlainSecret = "plain_secret",
        /// Sealed values are not bound to their place.
        UnboundSecret = "unbound_secret",
        /// The outbound guard lets everything through.
        SkipGuard = "skip_guard",
    }
}

#[cfg(not(feature = "fault-points"))]
mod none {
    use super::{Bug, Point};
    use crate::db::Migration;

    pub(crate) const fn reach(_: Point) {}

    pub(crate) const fn planted(_: Bug) -> bool {
        false
    }

    pub(crate) const fn clock_shift() -> i64 {
        0
    }

    pub(crate) const fn rewritten(statement: &'static str) -> &'static str {
        statement
    }

    pub(crate) const fn announce() {}

    pub(crate) const fn next_release() -> Option<&'static Migration> {
        None
    }
}

#[cfg(not(feature = "fault-points"))]
pub(crate) use none::{announce, clock_shift, next_release, planted, reach, rewritten};
