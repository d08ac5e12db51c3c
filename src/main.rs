//! `santral`: one binary that serves, migrates, checks, rotates and backs up.

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use santral::cli::Cli;

/// Half the processor time of the system's own for many small pieces from several threads (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match santral::run::run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            // One line for people, with every cause; nothing of it comes from a secret.
            eprintln!("santral: {error:#}");
            ExitCode::FAILURE
        }
    }
}
