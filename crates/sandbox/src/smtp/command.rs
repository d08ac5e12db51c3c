//! Command lines into commands (RFC 5321 §4.1.1, RFC 4954, RFC 3207); pure.

/// A well-formed command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo(String),
    Helo(String),
    Starttls,
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
    /// An empty sender is the null sender of bounces.
    Mail {
        from: String,
        size: Option<u64>,
        utf8: bool,
    },
    Rcpt(String),
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandError {
    /// 500: never heard of it.
    Unknown,
    /// 502: known, not done here.
    NotImplemented,
    /// 501.
    Syntax(&'static str),
    /// 555: a parameter of an extension that is not offered.
    Parameter,
    /// 553.
    Address,
}

pub(super) fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let line = std::str::from_utf8(line).map_err(|_| CommandError::Syntax("Not UTF-8"))?;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => domain(rest).map(Command::Ehlo),
        "HELO" => domain(rest).map(Command::Helo),
        "STARTTLS" => alone(rest, Command::Starttls),
        "AUTH" => auth(rest),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => alone(rest, Command::Data),
        "RSET" => alone(rest, Command::Rset),
        "QUIT" => alone(rest, Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        "EXPN" | "BDAT" | "TURN" | "ETRN" => Err(CommandError::NotImplemented),
        _ => Err(CommandError::Unknown),
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.trim().is_empty() { Ok(command) } else { Err(CommandError::Syntax("No parameters allowed")) }
}

fn domain(rest: &str) -> Result<String, CommandError> {
    let name = rest.trim();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(CommandError::Syntax("A domain or an address literal is needed"));
    }
    Ok(name.to_owned())
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    let mechanism = words.next().ok_or(CommandError::Syntax("A mechanism is needed"))?.to_ascii_uppercase();
    let initial = words.next().map(str::to_owned);
    if words.next().is_some() {
        return Err(CommandError::Syntax("Too many parameters"));
    }
    Ok(Command::Auth { mechanism, initial })
}

fn mail(rest: &str) -> Result<Command, CommandError> {
    let (from, parameters) = path(rest, "FROM:")?;
    if !from.is_empty() {
        check_address(from)?;
    }
    let (mut size, mut utf8) = (None, false);
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => size = Some(value.parse().map_err(|_| CommandError::Syntax("SIZE is a number"))?),
            "SMTPUTF8" if value.is_empty() => utf8 = true,
            "BODY" if ["7BIT", "8BITMIME"].iter().any(|body| value.eq_ignore_ascii_case(body)) => {}
            "AUTH" if !value.is_empty() => {}
            _ => return Err(CommandError::Parameter),
        }
    }
    Ok(Command::Mail { from: from.to_owned(), size, utf8 })
}

fn rcpt(rest: &str) -> Result<Command, CommandError> {
    let (to, parameters) = path(rest, "TO:")?;
    check_address(to)?;
    if parameters.trim().is_empty() { Ok(Command::Rcpt(to.to_owned())) } else { Err(CommandError::Parameter) }
}

/// `FROM:<address> parameters` → address and parameters.
fn path<'a>(rest: &'a str, keyword: &str) -> Result<(&'a str, &'a str), CommandError> {
    let wrong = CommandError::Syntax("FROM:<address> or TO:<address> is needed");
    let prefixed = rest.get(..keyword.len()).is_some_and(|start| start.eq_ignore_ascii_case(keyword));
    let Some(after) = rest.get(keyword.len()..).filter(|_| prefixed) else { return Err(wrong) };
    let Some((address, parameters)) = after.strip_prefix('<').and_then(|after| after.rsplit_once('>')) else {
        return Err(wrong);
    };
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(wrong);
    }
    Ok((address, parameters))
}

fn check_address(address: &str) -> Result<(), CommandError> {
    let (local, domain) = address.rsplit_once('@').ok_or(CommandError::Address)?;
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let odd = |c: char| c.is_control() || (!quoted && (c.is_whitespace() || "@<>()[],;:\\\"".contains(c)));
    let odd_domain = |c: char| c.is_control() || c.is_whitespace() || "<>@,;\\\"".contains(c);
    // RFC 5321 §4.5.3.1: 64 octets before the @, 255 after it.
    let lengths = (1..=64).contains(&local.len()) && (1..=255).contains(&domain.len());
    if lengths && !local.contains(odd) && !domain.contains(odd_domain) {
        Ok(())
    } else {
        Err(CommandError::Address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(parse(b"ehlo [127.0.0.1]"), Ok(Command::Ehlo("[127.0.0.1]".into())));
        assert_eq!(
            parse(b"mail from:<a@b.test> size=12 BODY=8BITMIME smtputf8"),
            Ok(Command::Mail { from: "a@b.test".into(), size: Some(12), utf8: true })
        );
        assert_eq!(
            parse(b"MAIL FROM:<>"),
            Ok(Command::Mail { from: String::new(), size: None, utf8: false })
        );
        assert_eq!(
            parse("RCPT TO:<ay\u{15f}e@b.test>".as_bytes()),
            Ok(Command::Rcpt("ay\u{15f}e@b.test".into()))
        );
        assert_eq!(parse(b"RCPT TO:<\"a b\"@c.test>"), Ok(Command::Rcpt("\"a b\"@c.test".into())));
        assert_eq!(parse(b"AUTH plain =").map(|_| ()), Ok(()));
    }

    #[test]
    fn malformed_commands_say_what_is_wrong() {
        assert_eq!(parse(b"FROB"), Err(CommandError::Unknown));
        assert_eq!(parse(b"BDAT 12"), Err(CommandError::NotImplemented));
        assert_eq!(parse(b"MAIL FROM:<a@b.test> RET=FULL"), Err(CommandError::Parameter));
        assert_eq!(parse(b"RCPT TO:<a@b.test> NOTIFY=NEVER"), Err(CommandError::Parameter));
        for bad in ["a", "@b", "a@", "a b@c", "@x,@y:a@b", "a@b@c", "a@b>c", ""] {
            assert!(parse(format!("RCPT TO:<{bad}>").as_bytes()).is_err(), "{bad}");
        }
        for bad in [
            "MAIL",
            "MAIL FROM:a@b.test",
            "MAIL FROM <a@b>",
            "EHLO",
            "EHLO a b",
            "DATA now",
            "AUTH",
            "\u{20ac}",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse(b"NOOP \xff"), Err(CommandError::Syntax("Not UTF-8")));
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_parser(verb in "(MAIL FROM:|RCPT TO:|AUTH|EHLO|)", rest in any::<Vec<u8>>()) {
            let _outcome = parse(&[verb.as_bytes(), &rest].concat());
        }
    }
}
