//! How big a run is: small by default, as big as the variables of a `just` command say.

use std::time::Duration;

use santral::clock::Micros;

/// The value of an environment variable of the test run, or what a small run takes.
#[expect(clippy::disallowed_methods, reason = "a run of tests has no other configuration")]
pub fn knob(name: &str, small: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
        Err(_) => small,
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to `below` - 1.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// One of `len` places.
    pub fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(len as u64)).unwrap()
    }

    /// A time below `bound`, in microseconds.
    pub fn time(&mut self, bound: Duration) -> Micros {
        i64::try_from(self.roll(u64::try_from(bound.as_micros()).unwrap())).unwrap()
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}
