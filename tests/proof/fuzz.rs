//! The fuzz targets, run over their committed corpora and over mutations of these, with a seed.
//!
//! `cargo fuzz` explores by coverage and needs a nightly toolchain; this runs wherever the other tests do.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::knobs::{Dice, knob};
use targets::Target;

#[path = "../../fuzz/targets.rs"]
mod targets;

const CORPORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
/// Longer inputs are cut: what is long is slow, and finds little that is new.
const LONGEST: usize = 2_048;

/// Bytes that parsers like to trip over.
const TOKENS: [&str; 24] = [
    "\0",
    "\r\n",
    "\u{feff}",
    "\u{202e}",
    "😀",
    "ğ",
    "{{",
    "}}",
    "{%",
    "%}",
    "\\u0000",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "@",
    "..",
    "::",
    "%00",
    "99999999999999999999",
    "-1",
    "\\",
];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(CORPORA).join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One small change, or a piece of another sample.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    let at = |dice: &mut Dice, length: usize| usize::try_from(dice.roll(length as u64 + 1)).unwrap();
    let place = at(dice, input.len());
    match dice.roll(7) {
        0 if place < input.len() => input[place] ^= 1 << dice.roll(8),
        1 if place < input.len() => input[place] = u8::try_from(dice.roll(256)).unwrap(),
        2 => input.truncate(place),
        3 => {
            let token = TOKENS[usize::try_from(dice.roll(TOKENS.len() as u64)).unwrap()];
            input.splice(place..place, token.bytes());
        }
        4 => {
            let end = place + at(dice, input.len() - place);
            let piece = input[place..end].to_vec();
            let times = 1 + usize::try_from(dice.roll(8)).unwrap();
            input.splice(place..place, piece.repeat(times));
        }
        5 => {
            let other = &others[usize::try_from(dice.roll(others.len() as u64)).unwrap()];
            let from = at(dice, other.len());
            input.splice(place.., other[from..].iter().copied());
        }
        _ => {
            let end = place + at(dice, input.len() - place);
            input.drain(place..end);
        }
    }
    input.truncate(LONGEST);
}

fn run((name, target): Target, runs: u64) {
    let samples = corpus(name);
    assert!(samples.len() >= 4, "{name} has no corpus");
    let mut dice = Dice::new(knob("FUZZ_SEED", 1));
    for sample in &samples {
        target(sample);
    }
    let mut input = samples[0].clone();
    for _ in 0..runs {
        // Now a fresh start from a sample, now one step further.
        if dice.roll(4) == 0 {
            input = samples[usize::try_from(dice.roll(samples.len() as u64)).unwrap()].clone();
        }
        mutate(&mut input, &samples, &mut dice);
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(outcome.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn no_parser_of_outside_data_panics_or_takes_what_it_should_not() {
    let runs = knob("FUZZ_RUNS", 3_000);
    std::thread::scope(|scope| {
        for target in targets::ALL {
            scope.spawn(move || run(*target, runs));
        }
    });
}

#[test]
fn a_target_that_panics_is_caught_with_its_input() {
    fn fragile(data: &[u8]) {
        assert!(data.len() < 40, "too long");
    }
    let caught = catch_unwind(|| run(("token", fragile), 3_000));
    let said = caught.expect_err("it is caught").downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("token") || said.contains("too long"), "{said}");
}
