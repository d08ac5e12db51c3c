//! A name that a person gave to something: one line of plain text.

use crate::automation::Problem;

/// The longest name, in characters.
const LONGEST: usize = 200;

/// A name, without white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// # Errors
    /// A problem at `/name` unless it is 1 to 200 characters without control characters.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(Problem::new(
                "/name",
                "invalid",
                format!("1 ile {LONGEST} karakter arasında düz metin olmalı."),
                format!("Must be plain text of 1 to {LONGEST} characters."),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_of_text() {
        assert_eq!(Name::parse("  İlk anahtar ").map(Name::into_string), Ok("İlk anahtar".to_owned()));
        let long = "ş".repeat(LONGEST + 1);
        for bad in ["", " \t ", "a\u{0}b", "a\nb", long.as_str()] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Name::parse(&long[..LONGEST * 2]).is_ok());
    }
}
