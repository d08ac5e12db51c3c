//! The process's environment as far as it concerns us, and which of its names we know.

use std::collections::BTreeMap;

use super::variables::{self, PREFIX};

/// The `SANTRAL_…` variables. Empty values count as absent, as compose files set them.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Value>);

#[derive(Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    /// Not UTF-8.
    Garbled,
}

impl Environment {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is where configuration is read")]
    pub fn of_process() -> Self {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            Some((name, value.into_string().map_or(Value::Garbled, Value::Text)))
        });
        Self(ours.filter(|(_, value)| *value != Value::Text(String::new())).collect())
    }

    /// These variables, by full name.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(
            pairs
                .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
                .map(|(name, value)| (name, Value::Text(value)))
                .collect(),
        )
    }

    /// A variable's value, or what is wrong with it.
    pub(super) fn get(&self, full_name: &str) -> Result<Option<&str>, &'static str> {
        match self.0.get(full_name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Garbled) => Err("the value is not valid UTF-8: set it again"),
        }
    }

    /// A warning for each variable that means nothing, with the nearest one that does.
    pub(super) fn unknown(&self, known: &Known) -> Vec<String> {
        let names = known.variable_names();
        let unknown = self.0.keys().filter(|name| !names.contains(name));
        unknown.map(|name| format!("{name} means nothing to Santral{}", suggestion(name, &names))).collect()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The vendors this build knows.
#[derive(Debug, Clone)]
pub struct Known {
    pub idps: Vec<&'static str>,
    pub providers: Vec<&'static str>,
}

impl Known {
    /// The identity providers, and the providers of the connectors' registry.
    pub fn built_in() -> Self {
        Self {
            idps: vec!["google", "microsoft", "zoom", "slack"],
            providers: santral_connectors::REGISTRY.iter().map(|connector| connector.id).collect(),
        }
    }

    fn variable_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for variable in variables::ALL {
            names.push(variable.full_name());
            if variable.is_secret() {
                names.push(format!("{}_FILE", variable.full_name()));
            }
        }
        for idp in &self.idps {
            for part in ["URL", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "REVOKE", "TENANT"] {
                names.push(per_vendor("OAUTH", idp, part));
            }
        }
        names.extend(self.providers.iter().map(|provider| per_vendor("PROVIDER", provider, "URL")));
        names
    }
}

/// The full name of a variable that exists once per vendor.
pub(super) fn per_vendor(group: &str, id: &str, part: &str) -> String {
    format!("{PREFIX}{group}_{}_{part}", id.to_ascii_uppercase())
}

fn suggestion(name: &str, names: &[String]) -> String {
    let nearest = names.iter().map(|candidate| (distance(name, candidate), candidate)).min();
    match nearest {
        Some((distance, candidate)) if distance <= 3 => format!(": is {candidate} meant?"),
        _ => ": see `santral config reference`".to_owned(),
    }
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut left = index + 1;
        let mut diagonal = std::mem::replace(&mut row[0], left);
        for (cell, candidate) in row.iter_mut().skip(1).zip(&other) {
            let cost = diagonal + usize::from(letter != *candidate);
            diagonal = *cell;
            left = cost.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn known() -> Known {
        Known { idps: vec!["google"], providers: vec!["gmail", "twilio_whatsapp"] }
    }

    #[rstest]
    #[case("kitten", "sitting", 3)]
    #[case("", "abc", 3)]
    #[case("abc", "", 3)]
    #[case("ab", "ba", 2)]
    #[case("same", "same", 0)]
    fn the_distance_counts_changed_letters(#[case] one: &str, #[case] other: &str, #[case] expected: usize) {
        assert_eq!(distance(one, other), expected);
    }

    #[rstest]
    #[case("SANTRAL_LISTN", ": is SANTRAL_LISTEN meant?")]
    #[case("SANTRAL_PLATFORM_KEYFILE", ": is SANTRAL_PLATFORM_KEY_FILE meant?")]
    #[case("SANTRAL_PROVIDER_GMIAL_URL", ": is SANTRAL_PROVIDER_GMAIL_URL meant?")]
    #[case("SANTRAL_OAUTH_GOOGLE_CLIENTID", ": is SANTRAL_OAUTH_GOOGLE_CLIENT_ID meant?")]
    #[case("SANTRAL_FAVOURITE_COLOUR", ": see `santral config reference`")]
    fn an_unknown_variable_is_told_with_the_nearest_known_one(#[case] name: &str, #[case] ending: &str) {
        let warnings = Environment::of([(name, "x")]).unknown(&known());
        assert_eq!(warnings, [format!("{name} means nothing to Santral{ending}")]);
    }

    #[test]
    fn known_empty_and_foreign_variables_are_not_complained_about() {
        let environment = Environment::of([
            ("SANTRAL_LISTEN", "x"),
            ("SANTRAL_DATABASE_URL_FILE", "x"),
            ("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET_FILE", "x"),
            ("SANTRAL_PROVIDER_TWILIO_WHATSAPP_URL", "x"),
            ("SANTRAL_UNKNOWN_BUT_EMPTY", ""),
            ("PATH", "x"),
        ]);
        assert_eq!(environment.unknown(&known()), Vec::<String>::new());
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let shown = format!("{:?}", Environment::of([("SANTRAL_PLATFORM_KEY", "canary")]));
        assert!(shown.contains("SANTRAL_PLATFORM_KEY") && !shown.contains("canary"), "{shown}");
    }
}
