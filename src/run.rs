//! What each command does.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, App};
use crate::audit::{self, Verdict};
use crate::cli::{AuditCommand, Backup, Command, ConfigCommand, KeysCommand, OperatorCommand};
use crate::clock::{Clock, rfc3339};
use crate::config::{Config, Environment, Known, Settings, reference};
use crate::db::{Db, DbConfig};
use crate::ids::KeyId;
use crate::store::keys;
use crate::telemetry::{Format, Metrics, init_logging, install_panic_hook};
use crate::tokens::Token;
use crate::{api, operator, server};

/// Carries a command out.
///
/// # Errors
/// With the remedy, for a person.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(settings) => serve(read(&settings)?).await?,
        Command::Demo(demo) => crate::demo::run(demo).await?,
        Command::Migrate(settings) => migrate(&read(&settings)?).await?,
        Command::Config(ConfigCommand::Check(settings)) => return Ok(check(&settings)),
        Command::Config(ConfigCommand::Reference) => print!("{}", reference()),
        Command::Openapi => println!("{}", api::document().to_pretty_json()?),
        Command::Keys(command) => manage_keys(command).await?,
        Command::Audit(AuditCommand::Verify(settings)) => return verify(&read(&settings)?).await,
        Command::Operator(OperatorCommand::ResetLink(settings)) => {
            let config = read(&settings)?;
            anyhow::ensure!(config.console, "the console is switched off: SANTRAL_CONSOLE");
            let link = operator::link(&beside(&config).await?, Clock, &config.public_url).await?;
            println!("{}", link.expose());
        }
        Command::Backup(Backup { file, settings }) => {
            let db = Db::open(&app::database(&read(&settings)?, false)).await?;
            db.backup(&file).await.with_context(|| format!("cannot write {}", file.display()))?;
            println!(
                "{}: a consistent copy of the database. The master key file is not in it.",
                file.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(settings: &Settings) -> anyhow::Result<Config> {
    Ok(Config::read(settings, &Environment::of_process(), &Known::built_in())?)
}

fn check(settings: &Settings) -> ExitCode {
    match read(settings) {
        Ok(config) => {
            for effective in &config.effective {
                println!("{effective}");
            }
            for warning in &config.warnings {
                println!("warning: {warning}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let applied = Db::migrate(&app::database(config, true)).await?;
    match applied.last() {
        Some(version) => println!("the schema is now at version {version}"),
        None => println!("the schema is up to date"),
    }
    Ok(())
}

/// Serves until SIGTERM or SIGINT, then stops in order.
async fn serve(mut config: Config) -> anyhow::Result<()> {
    init_logging(&config.log, Format::of_stderr())?;
    install_panic_hook();
    crate::faults::announce();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let generate_key = config.platform_key.is_none();
    let listener = server::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}: stop what uses it, or set SANTRAL_LISTEN", config.listen)
    })?;
    config.listens_at(listener.local_addr()?);
    let app = App::start(config, Metrics::install()?).await?;
    if generate_key && let Some(key) = app::first_platform_key(app.db(), app.clock()).await? {
        eprintln!("platform key, shown this once: {}", key.expose());
    }
    if app.config.console
        && let Some(link) = operator::first_link(&app).await?
    {
        eprintln!("set up the operator's console, once, within a day: {}", link.expose());
    }
    serve_until(app, listener, stop_signal()?).await
}

/// Serves a started app until `stop`.
pub(crate) async fn serve_until(
    app: app::AppState,
    listener: tokio::net::TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let address = format!("http://{}", listener.local_addr()?);
    tracing::info!(address, database = app.db().engine_name(), "listening");
    // Pages that listen for news would keep the server from stopping.
    let closing = async {
        stop.await;
        app.live.close();
    };
    server::serve(listener, api::router(app.clone()), closing).await;
    tracing::info!("stopping");
    app.stop().await;
    Ok(())
}

/// Comes with the first SIGTERM or SIGINT.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn manage_keys(command: KeysCommand) -> anyhow::Result<()> {
    let clock = Clock;
    match command {
        KeysCommand::Rotate(settings) => {
            let config = read(&settings)?;
            let db = beside(&config).await?;
            let (id, rewrapped) = app::rotate(&db, &config, clock).await?;
            println!(
                "{id} protects everything now; {rewrapped} data keys were rewrapped. Back up the key file."
            );
        }
        KeysCommand::List(settings) => {
            let db = beside(&read(&settings)?).await?;
            let mut tx = db.system("list platform keys").read().await?;
            for key in keys::list_platform(&mut tx).await? {
                let used = key
                    .last_used_at
                    .map_or_else(|| "never used".to_owned(), |at| format!("last used {}", rfc3339(at)));
                println!(
                    "{}  {}  …{}  created {}  {used}",
                    KeyId(key.id),
                    key.name,
                    key.hint,
                    rfc3339(key.created_at)
                );
            }
        }
        KeysCommand::Create { name, settings } => {
            let db = beside(&read(&settings)?).await?;
            let (secret, hash) = Token::mint_platform();
            let (id, hint) = (KeyId::new(), app::hint(&secret));
            let key = keys::Stored { id: id.0, name, hint, created_at: clock.micros(), last_used_at: None };
            let mut tx = db.system("create a platform key").write().await?;
            keys::insert_platform(&mut tx, &key, hash.as_bytes()).await?;
            tx.commit().await?;
            println!("{id}\n{}", secret.expose());
        }
        KeysCommand::Revoke { id, settings } => {
            let db = beside(&read(&settings)?).await?;
            let id: KeyId = id.parse().context("an id begins with key_, as `santral keys list` shows it")?;
            let mut tx = db.system("revoke a platform key").write().await?;
            let found = keys::delete_platform(&mut tx, id.0).await?;
            tx.commit().await?;
            anyhow::ensure!(found, "there is no platform key {id}");
            println!("{id} is revoked");
        }
    }
    Ok(())
}

/// Says of every company whether its audit log is as it was written.
async fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let verified = audit::verify_all(&beside(config).await?).await?;
    let mut broken = 0;
    for (company, verdict) in &verified {
        match verdict {
            Verdict::Whole { entries } => println!("{company}  {entries} entries, whole"),
            Verdict::Broken { seq } => {
                broken += 1;
                println!("{company}  BROKEN at entry {seq}");
            }
        }
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The database, for a command beside a server that may be running.
async fn beside(config: &Config) -> anyhow::Result<Db> {
    let config = match app::database(config, false) {
        DbConfig::Postgres { url, owner_url, .. } => DbConfig::Postgres { url, owner_url, connections: 2 },
        sqlite @ DbConfig::Sqlite { .. } => sqlite,
    };
    Ok(Db::open(&config).await?)
}
