//! The flags of the commands that need configuration, made from the table of variables.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::variables::{self, Variable};

/// What was given on the command line, by variable. A flag wins over the environment.
#[derive(Clone, Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// These values, as if given by flags.
    pub fn of<V: Into<String>>(values: impl IntoIterator<Item = (&'static Variable, V)>) -> Self {
        Self(values.into_iter().map(|(variable, value)| (variable.name, value.into())).collect())
    }

    pub(super) fn get(&self, variable: &Variable) -> Option<&str> {
        self.0.get(variable.name).map(String::as_str)
    }
}

/// Names only: a database address holds a password.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn flags() -> impl Iterator<Item = (&'static Variable, String)> {
    variables::ALL.iter().filter_map(|variable| Some((*variable, variable.flag()?)))
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        flags().fold(command, |command, (variable, flag)| {
            let help =
                format!("{} [default: {}] [env: {}]", variable.help, variable.default, variable.full_name());
            command.arg(
                Arg::new(variable.name)
                    .long(flag)
                    .value_name(variable.value)
                    .help(help.replace('`', ""))
                    .help_heading("Settings"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (variable, _) in flags() {
            if let Some(value) = matches.get_one::<String>(variable.name) {
                self.0.insert(variable.name, value.clone());
            }
        }
        Ok(())
    }
}
