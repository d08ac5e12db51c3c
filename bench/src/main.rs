//! The load harness: Santral against a durable relay doing the same job, in one run. docs/performance.md says how.

mod crm;
mod http;
mod idp;
mod ledger;
mod load;
mod mail;
mod percentiles;
mod phones;
mod place;
mod process;
mod relay;
mod report;
mod rig;
mod santral;
mod scenarios;
mod sink;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::place::Place;
use crate::relay::Relay;
use crate::report::Report;
use crate::santral::Engine;
use crate::scenarios::{Bench, Scenario, Sizes};

/// Measures Santral beside a durable relay that does the same job. Build both first:
/// `cargo build --release -p santral -p bench`.
///
/// Tells what was measured and whether the targets were met; fails only if an acknowledged event was lost.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    measure: Measure,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be the relay that Santral is compared to.
    #[command(hide = true)]
    Relay(Relay),
}

#[derive(Debug, Args)]
struct Measure {
    /// What to measure; everything if nothing is named.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,

    /// Which database Santral stores in.
    #[arg(long, value_enum, default_value = "both")]
    engine: Engines,

    /// How long full load lasts, each time.
    #[arg(long)]
    seconds: Option<u64>,

    /// How often each system's throughput is measured.
    #[arg(long)]
    rounds: Option<usize>,

    /// Smaller in every way: to see that it works.
    #[arg(long)]
    quick: bool,

    /// The server's program, a release build; `santral` beside this program if not named.
    #[arg(long, value_name = "PATH")]
    santral: Option<PathBuf>,

    /// Where files are made, on a real disk; the system's folder for temporary files if not named.
    #[arg(long)]
    folder: Option<PathBuf>,

    /// Print everything as JSON at the end.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engines {
    Sqlite,
    Postgres,
    Both,
    /// The relay alone.
    None,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Relay(relay)) => relay::run(relay).await.map(|()| ExitCode::SUCCESS),
        None => measure(cli.measure).await,
    }
}

async fn measure(options: Measure) -> anyhow::Result<ExitCode> {
    let mut sizes = if options.quick { Sizes::QUICK } else { Sizes::FULL };
    sizes.seconds = options.seconds.unwrap_or(sizes.seconds).max(1);
    sizes.rounds = options.rounds.unwrap_or(sizes.rounds).max(1);
    let engines = match options.engine {
        Engines::Sqlite => vec![Engine::Sqlite],
        Engines::Postgres => vec![Engine::Postgres],
        Engines::Both => vec![Engine::Sqlite, Engine::Postgres],
        Engines::None => Vec::new(),
    };
    let place = Place::new(options.santral, options.folder)?;
    let program = place.santral.display();
    let there = engines.is_empty() || place.santral.exists();
    ensure!(there, "{program} is not there: run `cargo build --release -p santral`");

    let sync_ms = place.sync_times()?;
    let cores = std::thread::available_parallelism()?.get();
    let report = Report::new(sync_ms, cores, options.json);
    report.say(&format!("{cores} cores for everything; making 4 KiB durable takes {:.2} ms", sync_ms.p50));
    report.say("ack, e2e: median and 99th percentile in ms; cpu: ms per event, database included; peak: MB");

    let mut bench = Bench { place, engines, sizes, report };
    let all = options.scenarios.is_empty();
    for scenario in Scenario::value_variants() {
        if all || options.scenarios.contains(scenario) {
            bench.run(*scenario).await?;
        }
    }
    bench.report.finish()?;
    Ok(if bench.report.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
