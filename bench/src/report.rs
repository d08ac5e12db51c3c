//! What was measured, told as it comes, and whether the targets were met. A missed target is news, not an error; a lost
//! event is an error.

use serde::Serialize;

use crate::ledger::Outcome;
use crate::percentiles::Percentiles;

/// Everything of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How long this disk takes to make 4 KiB durable, in milliseconds.
    sync_ms: Percentiles,
    /// Processor cores that may be used, by everything together.
    cores: usize,
    measurements: Vec<Measurement>,
    verdicts: Vec<Verdict>,
    /// Acknowledged events that never arrived, in all measurements.
    pub lost: u64,
    /// Tell by JSON at the end, and as it comes only on standard error.
    #[serde(skip)]
    json: bool,
}

/// One measurement of one system.
#[derive(Debug, Serialize)]
pub struct Measurement {
    pub scenario: &'static str,
    pub system: &'static str,
    /// What is special about it: `round 2`, `1000000 waiting`.
    pub case: String,
    pub outcome: Outcome,
    /// Processor time of the system and its database.
    pub cpu_ms_per_event: f64,
    /// The most memory the system has held so far.
    pub peak_memory_mb: f64,
}

impl Measurement {
    /// Of calls that are over when they are answered: how many, how many a second, how long each.
    pub fn of_calls(
        (scenario, system): (&'static str, &'static str),
        case: String,
        (events, events_per_second, times): (usize, f64, Percentiles),
        cpu_ms_per_event: f64,
    ) -> Self {
        let outcome = Outcome {
            events,
            events_per_second,
            ack_ms: times,
            end_to_end_ms: times,
            refused: 0,
            repeated: 0,
            lost: 0,
        };
        Self { scenario, system, case, outcome, cpu_ms_per_event, peak_memory_mb: 0.0 }
    }
}

/// A number that has a target.
#[derive(Debug, Serialize)]
struct Verdict {
    scenario: &'static str,
    system: &'static str,
    what: &'static str,
    measured: f64,
    wanted: Wanted,
    met: bool,
}

/// The target of a number.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Wanted {
    fn is_met_by(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(bound) => measured >= bound,
            Self::AtMost(bound) => measured <= bound,
        }
    }
}

impl Report {
    pub fn new(sync_ms: Percentiles, cores: usize, json: bool) -> Self {
        Self { sync_ms, cores, measurements: Vec::new(), verdicts: Vec::new(), lost: 0, json }
    }

    pub fn measured(&mut self, measurement: Measurement) {
        let Measurement { system, case, outcome, cpu_ms_per_event, peak_memory_mb, .. } = &measurement;
        let (ack, end) = (&outcome.ack_ms, &outcome.end_to_end_ms);
        self.say(&format!(
            "  {system:<22} {case:<22} {:>8.0}/s  ack {:>7.2} {:>7.2}  e2e {:>8.2} {:>8.2}  \
             cpu {cpu_ms_per_event:>6.3}  peak {peak_memory_mb:>4.0}",
            outcome.events_per_second, ack.p50, ack.p99, end.p50, end.p99,
        ));
        if outcome.lost + outcome.refused + outcome.repeated > 0 {
            let Outcome { lost, refused, repeated, .. } = outcome;
            self.say(&format!("    {lost} lost, {refused} refused, {repeated} arrived again"));
        }
        self.lost += outcome.lost;
        self.measurements.push(measurement);
    }

    /// Compares a number with its target.
    pub fn judge(
        &mut self,
        (scenario, system): (&'static str, &'static str),
        what: &'static str,
        measured: f64,
        wanted: Wanted,
    ) {
        let met = wanted.is_met_by(measured);
        let target = match wanted {
            Wanted::AtLeast(bound) => format!("at least {bound}"),
            Wanted::AtMost(bound) => format!("at most {bound}"),
        };
        let result = if met { "met" } else { "MISSED" };
        self.say(&format!("  → {system}: {measured:.2} {what} (target: {target}): {result}"));
        self.verdicts.push(Verdict { scenario, system, what, measured, wanted, met });
    }

    pub fn heading(&self, title: &str) {
        self.say(&format!("\n{title}"));
    }

    pub fn say(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    /// The last words.
    pub fn finish(&self) -> anyhow::Result<()> {
        let met = self.verdicts.iter().filter(|verdict| verdict.met).count();
        self.say(&format!("\n{met} of {} targets met, {} events lost", self.verdicts.len(), self.lost));
        if self.json {
            println!("{}", serde_json::to_string_pretty(self)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_from_its_own_side() {
        assert!(Wanted::AtLeast(0.5).is_met_by(0.5) && !Wanted::AtLeast(0.5).is_met_by(0.49));
        assert!(Wanted::AtMost(4.0).is_met_by(4.0) && !Wanted::AtMost(4.0).is_met_by(4.1));
    }
}
