//! What an endpoint can ask to hear of.

use crate::automation::Problem;

/// All news there is.
pub const KNOWN: [&str; 13] = [
    "delivery.sent",
    "delivery.delivered",
    "delivery.failed",
    "delivery.unknown",
    "delivery.cancelled",
    "delivery.skipped",
    "connection.error",
    "connection.recovered",
    "connection.low_balance",
    "automation.warning",
    "automation.recovered",
    "message.received",
    "limit.reached",
];

/// The patterns, each once: a type by its name, `delivery.*` for a kind, `*` for all.
///
/// # Errors
/// Every pattern that fits no news, and an empty list.
pub(super) fn parse(patterns: &[String]) -> Result<Vec<&str>, Vec<Problem>> {
    let mut kept: Vec<&str> = Vec::new();
    let mut problems = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        if !is_known(pattern) {
            problems.push(unknown(index));
        } else if !kept.contains(&pattern.as_str()) {
            kept.push(pattern);
        }
    }
    if patterns.is_empty() {
        let (tr, en) = ("En az bir tür gerekli.", "At least one type is needed.");
        problems.push(Problem::new("/types", "required", tr, en));
    }
    // Few say the same as many, and an answer of a megabyte helps nobody.
    problems.truncate(KNOWN.len());
    if problems.is_empty() { Ok(kept) } else { Err(problems) }
}

fn is_known(pattern: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(kind) => KNOWN.iter().any(|known| known.split('.').next() == Some(kind)),
        None => pattern == "*" || KNOWN.contains(&pattern),
    }
}

fn unknown(index: usize) -> Problem {
    let known = KNOWN.join(", ");
    Problem::new(
        format!("/types/{index}"),
        "unknown_type",
        format!("Böyle bir tür yok. Türler: {known}; hepsi için *, bir grup için delivery.* gibi."),
        format!("There is no such type. Types: {known}; * for all, such as delivery.* for a kind."),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn known_patterns_are_kept_once() {
        let patterns = ["delivery.*", "*", "connection.error", "delivery.*"].map(str::to_owned);
        assert_eq!(parse(&patterns), Ok(vec!["delivery.*", "*", "connection.error"]));
    }

    #[rstest]
    #[case("delivery.scheduled")]
    #[case("delivery.s*")]
    #[case("deliver*")]
    #[case("*.sent")]
    #[case(".*")]
    #[case("**")]
    #[case("")]
    #[case("Delivery.sent")]
    #[case("delivery.sent ")]
    #[case("webhook.test")]
    fn patterns_that_fit_no_news_are_refused(#[case] pattern: &str) {
        let problems = parse(&["*".to_owned(), pattern.to_owned()]).unwrap_err();
        let found: Vec<_> = problems.iter().map(|p| (p.pointer.as_str(), p.code)).collect();
        assert_eq!(found, [("/types/1", "unknown_type")]);
    }

    #[test]
    fn an_empty_list_hears_nothing_and_is_refused() {
        assert_eq!(parse(&[]).unwrap_err()[0].pointer, "/types");
    }
}
