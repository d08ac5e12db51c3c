//! The sandbox as a program: prints its addresses as one line of JSON, runs until SIGTERM, Ctrl-C or the end of
//! its input.

use std::path::PathBuf;
use std::process::ExitCode;

use santral_sandbox::{Sandbox, SandboxConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const USAGE: &str = "santral-sandbox [--http ADDRESS] [--smtp ADDRESS] [--smtp-tls ADDRESS] [--ledger FILE] \
                     [--capacity NUMBER] [--require-auth] [--count-only]";

#[tokio::main]
async fn main() -> ExitCode {
    let config = match configure(std::env::args().skip(1)) {
        Ok(config) => config,
        Err(reason) => {
            eprintln!("{reason}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: SandboxConfig) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let sandbox = Sandbox::start(config).await?;
    let addresses = serde_json::json!({
        "http": sandbox.http_addr(), "smtp": sandbox.smtp_addr(), "smtp_tls": sandbox.smtp_tls_addr(),
    });
    println!("{addresses}");
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = end_of_input() => {}
    }
    sandbox.shutdown().await;
    Ok(())
}

/// Reads the input to its end on a thread of its own, which the end of the program does not wait for.
fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        if let Err(error) = std::io::copy(&mut std::io::stdin(), &mut std::io::sink()) {
            eprintln!("the input broke: {error}");
        }
        // Nobody waits any more when another end came first.
        let _late = ended.send(());
    });
    end
}

fn configure(mut arguments: impl Iterator<Item = String>) -> Result<SandboxConfig, String> {
    let mut config = SandboxConfig::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--http" => config.listen = parsed(&value()?)?,
            "--smtp" => config.smtp = parsed(&value()?)?,
            "--smtp-tls" => config.smtp_tls = Some(parsed(&value()?)?),
            "--ledger" => config.ledger = Some(PathBuf::from(value()?)),
            "--capacity" => config.capacity = parsed(&value()?)?,
            "--require-auth" => config.require_auth = true,
            "--count-only" => config.count_only = true,
            _ => return Err(format!("unknown: {argument}")),
        }
    }
    Ok(config)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(line: &str) -> Result<SandboxConfig, String> {
        configure(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read_and_nonsense_is_refused() {
        let config = configured("--http 127.0.0.1:9000 --count-only --ledger l.txt").expect("good");
        assert_eq!(config.listen.port(), 9_000);
        assert!(config.count_only && config.ledger.is_some() && config.smtp_tls.is_none());
        for bad in ["--http", "--http nowhere", "--frob", "--capacity -1"] {
            assert!(configured(bad).is_err(), "{bad}");
        }
    }
}
