//! Callers on several nodes that want the next access token of one grant, at a vendor that rotates refresh tokens, takes
//! its time, and ends a grant whose old token comes back too late.

use std::time::Duration;

use rstest::rstest;
use santral::clock::Micros;
use santral::db;
use santral::grants::{EXTEND_EVERY, LEASE_LASTS, LEASE_MARGIN, VENDOR_DEADLINE};
use santral::ids::CompanyId;
use santral::store::grants::{self, Put};
use uuid::Uuid;

use super::{Place, Story, micros, seeds};
use crate::knobs::Dice;
use crate::support::server::Engine;

const COMPANY: Uuid = Uuid::from_u128(0xc0);
const CREDENTIAL: Uuid = Uuid::from_u128(0xcc);
const CALLERS: usize = 4;
const STEPS: usize = 600;
/// How long an access token is good for; short, so that a run sees many generations.
const TOKEN_LASTS: Micros = 30_000_000;

/// How the callers of a run break the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Careless {
    No,
    /// Asks the vendor although another has the lease.
    IgnoresTheLease,
    /// Calls although it froze since it took the lease.
    AsksLate,
    /// Lets the lease lapse while the vendor takes its time.
    ForgetsToExtend,
    /// Stores what it got over whatever has come meanwhile.
    StoresOverNewer,
    /// Does not wait for an answer that takes half a minute.
    GivesUpEarly,
}

/// Where a caller is on its way to a token after the version `than`.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Idle,
    /// It has read the grant and wants the lease.
    Opened {
        version: i64,
        refresh: u64,
    },
    /// It has the lease and is about to call.
    Leased {
        version: i64,
        refresh: u64,
        since: Micros,
    },
    /// The vendor has the request; the answer is there at a time. None is a refusal.
    Asked {
        version: i64,
        answer: Option<u64>,
        at: Micros,
        extended: Micros,
    },
}

#[derive(Debug)]
struct Caller {
    owner: Uuid,
    stage: Stage,
    frozen_until: Micros,
}

/// The vendor's side of the grant: which refresh token is the latest, and since when.
#[derive(Debug)]
struct Vendor {
    latest: u64,
    since: Micros,
    /// For so long the one before is taken once more.
    grace: Micros,
    ended: bool,
    /// How often each refresh token was used.
    uses: Vec<usize>,
}

impl Vendor {
    fn refresh(&mut self, token: u64, now: Micros) -> Option<u64> {
        let index = usize::try_from(token).unwrap();
        if self.uses.len() <= index {
            self.uses.resize(index + 1, 0);
        }
        self.uses[index] += 1;
        let in_grace = token + 1 == self.latest && now - self.since <= self.grace;
        if self.ended || !(token == self.latest || in_grace) {
            self.ended = true;
            return None;
        }
        if token == self.latest {
            self.latest += 1;
            self.since = now;
        }
        Some(self.latest)
    }
}

struct World {
    place: Place,
    dice: Dice,
    careless: Careless,
    faults: bool,
    now: Micros,
    callers: Vec<Caller>,
    born: u128,
    vendor: Vendor,
    /// Answers that went with their caller: their tokens were used and nobody knows what followed.
    lost: usize,
    story: Story,
}

impl World {
    async fn new(engine: Engine, seed: u64, (grace, faults, careless): (Duration, bool, Careless)) -> Self {
        let place = Place::new(engine).await;
        let put = Put {
            company: COMPANY,
            credential: CREDENTIAL,
            idp: "google",
            client_id: "app".to_owned(),
            own_app: false,
            subject: "1".to_owned(),
            label: "a@example.com".to_owned(),
            name: None,
            scopes: String::new(),
            expires_at: 0,
            refresh_at: 0,
            secret: 0_u64.to_be_bytes().to_vec(),
        };
        let mut tx = place.db.company(CompanyId(COMPANY)).write().await.unwrap();
        grants::put(&mut tx, &put, 0).await.unwrap();
        tx.commit().await.unwrap();
        let caller = |number: usize| Caller {
            owner: Uuid::from_u128(number as u128 + 1),
            stage: Stage::Idle,
            frozen_until: 0,
        };
        Self {
            place,
            dice: Dice::new(seed),
            careless,
            faults,
            now: 0,
            callers: (0..CALLERS).map(caller).collect(),
            born: CALLERS as u128,
            vendor: Vendor { latest: 0, since: 0, grace: micros(grace), ended: false, uses: Vec::new() },
            lost: 0,
            story: Story::default(),
        }
    }

    fn note(&mut self, index: usize, what: &str) {
        let line = format!("caller {}: {what}", self.callers[index].owner.as_u128());
        self.story.note(self.now, &line);
    }

    async fn run(mut self) -> db::Result<Story> {
        for _ in 0..STEPS {
            self.now += self.dice.time(Duration::from_secs(1));
            let awake: Vec<_> =
                (0..CALLERS).filter(|index| self.callers[*index].frozen_until <= self.now).collect();
            let Some(index) = self.whose_turn(&awake) else { continue };
            if self.faults && self.trouble(index) {
                continue;
            }
            self.step(index).await?;
            self.judge();
            if self.story.broken.is_some() || self.vendor.ended {
                break;
            }
        }
        self.judge_end().await?;
        Ok(self.story)
    }

    /// Any caller that is awake; first one whose answer is there or whose lease is to be extended, for neither waits.
    fn whose_turn(&mut self, awake: &[usize]) -> Option<usize> {
        let (now, extends) = (self.now, self.careless != Careless::ForgetsToExtend);
        let is_due = |index: &usize| match self.callers[*index].stage {
            Stage::Asked { at, extended, .. } => {
                at <= now || (extends && now - extended >= micros(EXTEND_EVERY))
            }
            _ => false,
        };
        let due = awake.iter().copied().find(is_due);
        due.or_else(|| (!awake.is_empty()).then(|| awake[self.dice.place(awake.len())]))
    }

    /// Freezes or ends a caller; says whether it did.
    fn trouble(&mut self, index: usize) -> bool {
        let holds_an_answer = matches!(self.callers[index].stage, Stage::Asked { .. });
        match self.dice.roll(100) {
            0..3 => {
                let long = self.dice.time(Duration::from_secs(120));
                self.note(index, &format!("freezes for {:.1} s", long as f64 / 1e6));
                self.callers[index].frozen_until = self.now + long;
            }
            3..5 => {
                self.born += 1;
                self.note(index, &format!("dies; caller {} starts", self.born));
                self.callers[index].owner = Uuid::from_u128(self.born);
                self.callers[index].stage = Stage::Idle;
            }
            _ => return false,
        }
        self.lost += usize::from(holds_an_answer);
        true
    }

    async fn step(&mut self, index: usize) -> db::Result<()> {
        match self.callers[index].stage {
            Stage::Idle => self.open(index).await,
            Stage::Opened { version, refresh } => self.lease(index, (version, refresh)).await,
            Stage::Leased { since, .. } if self.is_late(since) && self.careless != Careless::AsksLate => {
                self.note(index, "lets the lease go");
                self.callers[index].stage = Stage::Idle;
                Ok(())
            }
            Stage::Leased { version, refresh, .. } => {
                self.ask(index, (version, refresh));
                Ok(())
            }
            Stage::Asked { version, answer, at, .. } if at <= self.now => {
                self.store(index, (version, answer)).await
            }
            Stage::Asked { version, answer, at, extended } => {
                self.extend(index, (version, answer, at, extended)).await
            }
        }
    }

    fn is_late(&self, since: Micros) -> bool {
        self.now + micros(LEASE_MARGIN) >= since + micros(LEASE_LASTS)
    }

    async fn open(&mut self, index: usize) -> db::Result<()> {
        let mut tx = self.place.db.company(CompanyId(COMPANY)).read().await?;
        let stored = grants::find(&mut tx, COMPANY, CREDENTIAL).await?.unwrap();
        drop(tx);
        if stored.dead.is_none() && stored.expires_at <= self.now {
            let refresh = u64::from_be_bytes(stored.secret.try_into().unwrap());
            self.callers[index].stage = Stage::Opened { version: stored.version, refresh };
        }
        Ok(())
    }

    async fn lease(&mut self, index: usize, (version, refresh): (i64, u64)) -> db::Result<()> {
        let owner = self.callers[index].owner;
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let key = (COMPANY, CREDENTIAL, version);
        let times = (self.now, self.now + micros(LEASE_LASTS));
        let leased = grants::lease(&mut tx, key, owner, times).await?;
        tx.commit().await?;
        let goes_on = leased || self.careless == Careless::IgnoresTheLease;
        let since = self.now;
        self.callers[index].stage =
            if goes_on { Stage::Leased { version, refresh, since } } else { Stage::Idle };
        Ok(())
    }

    /// The vendor gets the request now; its answer comes within a minute, if it is waited for.
    fn ask(&mut self, index: usize, (version, refresh): (i64, u64)) {
        let answer = self.vendor.refresh(refresh, self.now);
        let longest = Duration::from_secs(if self.dice.chance(30) { 60 } else { 2 });
        let takes = self.dice.time(longest);
        self.note(index, &format!("asks with token {refresh}, answered {answer:?}"));
        let early = self.careless == Careless::GivesUpEarly;
        if takes > micros(if early { Duration::from_secs(30) } else { VENDOR_DEADLINE }) {
            self.note(index, "gives up");
            self.callers[index].stage = Stage::Idle;
            return;
        }
        let at = self.now + takes;
        self.callers[index].stage = Stage::Asked { version, answer, at, extended: self.now };
    }

    async fn extend(
        &mut self,
        index: usize,
        (version, answer, at, extended): (i64, Option<u64>, Micros, Micros),
    ) -> db::Result<()> {
        if self.careless == Careless::ForgetsToExtend || self.now - extended < micros(EXTEND_EVERY) {
            return Ok(());
        }
        let owner = self.callers[index].owner;
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let until = self.now + micros(LEASE_LASTS);
        grants::extend(&mut tx, (COMPANY, CREDENTIAL), owner, until).await?;
        tx.commit().await?;
        self.callers[index].stage = Stage::Asked { version, answer, at, extended: self.now };
        Ok(())
    }

    async fn store(&mut self, index: usize, (version, answer): (i64, Option<u64>)) -> db::Result<()> {
        self.callers[index].stage = Stage::Idle;
        let mut tx = self.place.db.company(CompanyId(COMPANY)).write().await?;
        let version = if self.careless == Careless::StoresOverNewer {
            grants::find(&mut tx, COMPANY, CREDENTIAL).await?.unwrap().version
        } else {
            version
        };
        let key = (COMPANY, CREDENTIAL, version);
        let done = match answer {
            Some(token) => {
                let times = (self.now + TOKEN_LASTS, self.now + TOKEN_LASTS);
                grants::renew(&mut tx, key, &token.to_be_bytes(), times, self.now).await?
            }
            None => grants::died(&mut tx, key, "grant_ended").await?,
        };
        tx.commit().await?;
        self.note(index, &format!("stores {answer:?}: {}", if done { "done" } else { "too late" }));
        Ok(())
    }

    /// A refresh token is used twice only where its user was lost with the answer.
    fn judge(&mut self) {
        let repeats: usize = self.vendor.uses.iter().map(|uses| uses.saturating_sub(1)).sum();
        if repeats > self.lost {
            self.story
                .accuse(format!("{repeats} refresh tokens were used again, {} answers were lost", self.lost));
        }
    }

    async fn judge_end(&mut self) -> db::Result<()> {
        if self.vendor.ended && self.lost == 0 {
            self.story.accuse("the vendor ended the grant although no answer was lost".to_owned());
        }
        let mut tx = self.place.db.company(CompanyId(COMPANY)).read().await?;
        let stored = grants::find(&mut tx, COMPANY, CREDENTIAL).await?.unwrap();
        if stored.dead.is_some() && !self.vendor.ended {
            self.story.accuse("a living grant was given up".to_owned());
        }
        if self.vendor.uses.len() < 4 && !self.vendor.ended {
            self.story.accuse("hardly a token was fetched".to_owned());
        }
        Ok(())
    }
}

async fn story(engine: Engine, seed: u64, course: (Duration, bool, Careless)) -> Story {
    World::new(engine, seed, course).await.run().await.unwrap()
}

#[rstest]
#[tokio::test]
async fn however_slow_the_vendor_each_refresh_token_is_used_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    for seed in seeds(engine, 18) {
        story(engine, seed, (Duration::ZERO, false, Careless::No)).await.must_hold(seed);
    }
}

#[rstest]
#[tokio::test]
async fn only_a_lost_answer_lets_a_token_be_used_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(0, 60, 600)] grace: u64,
) {
    for seed in seeds(engine, 12) {
        story(engine, seed, (Duration::from_secs(grace), true, Careless::No)).await.must_hold(seed);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_trace_of_tokens() {
    let course = (Duration::from_secs(60), true, Careless::No);
    let first = story(Engine::Sqlite, 3, course).await;
    assert_eq!(first, story(Engine::Sqlite, 3, course).await);
    assert_ne!(first, story(Engine::Sqlite, 4, course).await);
}

#[rstest]
#[tokio::test]
async fn every_careless_caller_is_found(
    #[values(
        Careless::IgnoresTheLease,
        Careless::AsksLate,
        Careless::ForgetsToExtend,
        Careless::StoresOverNewer,
        Careless::GivesUpEarly
    )]
    careless: Careless,
) {
    for seed in 0..40 {
        // Lost answers are what makes an old token come back.
        for faults in [false, true] {
            let story = story(Engine::Sqlite, seed, (Duration::from_secs(60), faults, careless)).await;
            if story.broken.is_some() {
                return;
            }
        }
    }
    panic!("nobody noticed callers of which each {careless:?}");
}
