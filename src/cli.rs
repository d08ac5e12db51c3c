//! The command line: what can be asked of `santral`. Parsing only; `main` does it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Settings;

/// The integration center of a CRM: connections, automations and deliveries that are never lost.
#[derive(Debug, Parser)]
#[command(name = "santral", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server. Works without any settings: SQLite in ./data, on 127.0.0.1:8080.
    Serve(Settings),

    /// Try it out: the server with simulated vendors, a demo company and sample automations; no account needed.
    ///
    /// Nothing leaves this machine. SANTRAL_… variables are not read, so it never touches a real installation.
    Demo(Demo),

    /// Bring the database's tables up to date, as the owner role if SANTRAL_DATABASE_OWNER_URL is set.
    ///
    /// Safe to repeat. On PostgreSQL it may run while an older server is running; an SQLite file must not be in use.
    Migrate(Settings),

    /// Check the configuration, or print its reference.
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Print the OpenAPI 3.1 description of the HTTP API as JSON.
    Openapi,

    /// Manage platform API keys and the master key that protects stored credentials.
    #[command(subcommand)]
    Keys(KeysCommand),

    /// Look at the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),

    /// Manage who signs in to the console.
    #[command(subcommand)]
    Operator(OperatorCommand),

    /// Copy the SQLite database, while the server runs, into a new file.
    ///
    /// The master key file is not copied: keep it elsewhere, for with both a thief has every credential. For PostgreSQL
    /// use pg_dump.
    Backup(Backup),
}

/// What `demo` can be told.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Where the server answers.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where the simulated vendors answer.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub sandbox_listen: SocketAddr,

    /// What the demo keeps; delete it to begin anew.
    #[arg(long, value_name = "DIRECTORY", default_value = "./data/demo")]
    pub data_dir: PathBuf,

    /// Which sites may show the pages inside their own, such as `http://localhost:3000`; see `examples/nextjs`.
    #[arg(long, value_name = "ORIGINS")]
    pub frame_ancestors: Option<String>,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show what is in force and where it came from, name every mistake and probable typo; shows no secret.
    Check(Settings),
    /// Print docs/configuration.md: every variable, its flag, default and meaning.
    Reference,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Add a new master key, rewrap every company's data key with it, and remove the old ones.
    ///
    /// Servers may go on running. If it is interrupted, run it again. Back the key file up afterwards.
    Rotate(Settings),
    /// List the platform API keys, without the keys themselves.
    List(Settings),
    /// Create a platform API key, which may act for every company. It is shown once.
    Create {
        /// What it is for, such as `crm-backend`.
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Revoke an API key at once.
    Revoke {
        /// As `keys list` shows it: `key_…`.
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Hold every company's entries against their chain of hashes; fails where one was changed or taken out.
    Verify(Settings),
}

/// What to do about the operator.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Print a one-time link that makes whoever opens it the operator, with a new name and password: for a first one,
    /// or for one whose password is lost.
    ///
    /// Servers may go on running. Nothing changes until the link is used, within a day.
    ResetLink(Settings),
}

/// What `backup` needs.
#[derive(Debug, Args)]
pub struct Backup {
    /// Where the copy goes; it must not exist yet.
    pub file: PathBuf,
    #[command(flatten)]
    pub settings: Settings,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rstest::rstest;

    use super::*;
    use crate::config::{Config, Environment, Known, Role};

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_reach_the_configuration_and_win_over_the_environment() {
        let Ok(Command::Serve(settings)) =
            parse("santral serve --listen 0.0.0.0:9000 --role all --workers 8")
        else {
            panic!("serve takes the settings' flags");
        };
        let environment = Environment::of([("SANTRAL_LISTEN", "127.0.0.1:1"), ("SANTRAL_WORKERS", "9")]);

        let config = Config::read(&settings, &environment, &Known::built_in()).unwrap();

        assert_eq!((config.listen.port(), config.workers.get(), config.role), (9000, 8, Role::All));
    }

    #[rstest]
    #[case("santral serve")]
    #[case("santral demo --listen 127.0.0.1:1 --sandbox-listen 127.0.0.1:2 --data-dir /x")]
    #[case("santral migrate --database-owner-url postgres://o@h/d")]
    #[case("santral config check --data-dir x")]
    #[case("santral config reference")]
    #[case("santral openapi")]
    #[case("santral keys rotate --master-key-file k")]
    #[case("santral keys list")]
    #[case("santral keys create crm --data-dir x")]
    #[case("santral keys revoke key_1")]
    #[case("santral operator reset-link --data-dir x")]
    #[case("santral backup copy.db --data-dir x")]
    fn every_command_is_understood(#[case] line: &str) {
        assert!(parse(line).is_ok(), "{line}");
    }

    #[rstest]
    #[case("santral serve --platform-key aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    #[case("santral serve --listn x")]
    #[case("santral demo --listen nowhere")]
    #[case("santral keys create")]
    #[case("santral backup")]
    #[case("santral config")]
    #[case("santral launch")]
    fn what_is_not_understood_is_refused(#[case] line: &str) {
        assert!(parse(line).is_err(), "{line}");
    }

    #[test]
    fn debug_of_a_command_shows_no_password() {
        let shown = format!("{:?}", parse("santral serve --database-url postgres://u:canary@h/d").unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn help_names_each_flags_variable_and_default() {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("[default: 127.0.0.1:8080] [env: SANTRAL_LISTEN]"), "{help}");
        assert!(!help.contains("PLATFORM_KEY"), "{help}");
    }
}
