//! E-mail addresses and mailboxes, parsed once; what does not parse never reaches a header or an envelope.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// RFC 5321 §4.5.3.1: octets of a local part.
const LOCAL_MAX: usize = 64;
/// RFC 5321 §4.5.3.1.3 with erratum 1690: octets of a whole address.
const ADDRESS_MAX: usize = 254;
/// Characters of a display name; more is no name, and a header line must stay under 998 octets.
const NAME_MAX: usize = 200;

/// One e-mail address: a dot-atom local part, Unicode allowed (RFC 6531), and a domain in its ASCII form (RFC 5890).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    whole: String,
    at: usize,
}

/// An address with the name of whom it reaches: `Ali Şahin <ali@firma.com>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: EmailAddress,
}

/// Why a text is no address. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("there is no @ between a name and a domain")]
    NoAt,
    #[error("the address holds a line break or another control character")]
    Control,
    #[error("more than one address is given where one is expected")]
    Several,
    #[error("the part before the @ is not valid")]
    Local,
    #[error("the domain is not valid")]
    Domain,
    #[error("the address is too long")]
    TooLong,
    #[error("the name before the address is not valid")]
    Name,
}

impl EmailAddress {
    /// The whole address, its domain in ASCII form.
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.whole.get(..self.at).unwrap_or_default()
    }

    /// What stands after the `@`: lower case, ASCII.
    pub fn domain(&self) -> &str {
        self.whole.get(self.at + 1..).unwrap_or_default()
    }

    /// Whether a server must offer SMTPUTF8 to take it.
    pub fn is_ascii(&self) -> bool {
        self.whole.is_ascii()
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(breaks_lines) {
            return Err(AddressError::Control);
        }
        // Longer input cannot become valid: the ASCII form of a domain is never much shorter than its Unicode form.
        if text.len() > 2 * ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        if text.contains([',', ';']) {
            return Err(AddressError::Several);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.contains('@') {
            return Err(AddressError::Several);
        }
        check_local(local)?;
        let domain = ascii_domain(domain).ok_or(AddressError::Domain)?;
        check_mail_domain(&domain)?;
        if local.len() + 1 + domain.len() > ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self { at: local.len(), whole: format!("{local}@{domain}") })
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

impl AsRef<str> for EmailAddress {
    fn as_ref(&self) -> &str {
        &self.whole
    }
}

impl From<EmailAddress> for Mailbox {
    fn from(address: EmailAddress) -> Self {
        Self { name: None, address }
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    /// Reads `a@b.com`, `<a@b.com>`, `Name <a@b.com>` and `"Name" <a@b.com>`; a comma in a bare name is tolerated.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.chars().any(breaks_lines) {
            return Err(AddressError::Control);
        }
        let text = text.trim();
        let Some(before_end) = text.strip_suffix('>') else {
            return Ok(Self { name: None, address: text.parse()? });
        };
        let (name, address) = before_end.rsplit_once('<').ok_or(AddressError::Name)?;
        Ok(Self { name: display_name(name.trim())?, address: address.trim().parse()? })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// The ASCII form of a domain name: IDNA applied, lower case, no final dot, labels of letters, digits, `-` and `_`.
pub(crate) fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(domain.strip_suffix('.').unwrap_or(domain)).ok()?;
    let fits = !ascii.is_empty() && ascii.len() <= 253;
    (fits && ascii.split('.').all(is_label)).then_some(ascii)
}

/// Control characters and the two Unicode line breaks.
pub(crate) fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that reorder what follows and so disguise a name or a file's ending.
pub(crate) fn reorders_text(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// RFC 5322 dot-atom, widened by RFC 6531. Quoted local parts are refused: nobody has one, many parsers trip on them.
fn check_local(local: &str) -> Result<(), AddressError> {
    if local.len() > LOCAL_MAX {
        return Err(AddressError::TooLong);
    }
    let good = |c: char| {
        if c.is_ascii() {
            c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
        } else {
            c.is_alphanumeric()
        }
    };
    let atoms_are_good = local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(good));
    if atoms_are_good { Ok(()) } else { Err(AddressError::Local) }
}

/// A mail domain has a dot and does not end in a number, which would be an IP address.
fn check_mail_domain(domain: &str) -> Result<(), AddressError> {
    let (_, last) = domain.rsplit_once('.').ok_or(AddressError::Domain)?;
    if last.bytes().all(|b| b.is_ascii_digit()) { Err(AddressError::Domain) } else { Ok(()) }
}

fn display_name(text: &str) -> Result<Option<String>, AddressError> {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = match quoted {
        Some(inner) => unescape(inner)?,
        None => {
            if text.contains(['<', '>']) || (text.contains('@') && text.contains([',', ';'])) {
                return Err(AddressError::Several);
            }
            text.to_owned()
        }
    };
    if name.chars().count() > NAME_MAX {
        return Err(AddressError::Name);
    }
    let name: String = name.chars().filter(|c| !reorders_text(*c)).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok((!name.is_empty()).then_some(name))
}

/// Undoes RFC 5322 quoted-pair; a bare quote inside means the quoting was not what it seemed.
fn unescape(inner: &str) -> Result<String, AddressError> {
    let mut name = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.push(chars.next().ok_or(AddressError::Name)?),
            '"' => return Err(AddressError::Name),
            other => name.push(other),
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ali@firma.com.tr", "ali@firma.com.tr")]
    #[case("Ali.Veli+etiket@Firma.COM", "Ali.Veli+etiket@firma.com")]
    #[case("ali@şirket.com", "ali@xn--irket-idb.com")]
    #[case("çağrı@firma.com", "çağrı@firma.com")]
    #[case("o'brien@firma.ie", "o'brien@firma.ie")]
    #[case("ali@firma.com.", "ali@firma.com")]
    fn a_good_address_is_kept_with_its_domain_in_ascii(#[case] text: &str, #[case] whole: &str) {
        let address: EmailAddress = text.parse().unwrap();
        assert_eq!(address.as_str(), whole);
        assert_eq!(format!("{}@{}", address.local(), address.domain()), whole);
    }

    #[rstest]
    #[case("", AddressError::Empty)]
    #[case("ali", AddressError::NoAt)]
    #[case("@firma.com", AddressError::Local)]
    #[case("ali@", AddressError::Domain)]
    #[case("ali@localhost", AddressError::Domain)]
    #[case("ali@127.0.0.1", AddressError::Domain)]
    #[case("ali@[127.0.0.1]", AddressError::Domain)]
    #[case("ali@-firma.com", AddressError::Domain)]
    #[case("ali@firma..com", AddressError::Domain)]
    #[case("ali@firma.com\r\nBcc: x@y.com", AddressError::Control)]
    #[case("ali@firma.com\0", AddressError::Control)]
    #[case("ali\n@firma.com", AddressError::Control)]
    #[case("ali@firma.com\u{2028}", AddressError::Control)]
    #[case("ali @firma.com", AddressError::Local)]
    #[case(" ali@firma.com", AddressError::Local)]
    #[case("ali@fir ma.com", AddressError::Domain)]
    #[case("a@x.com,b@y.com", AddressError::Several)]
    #[case("a@x.com;b@y.com", AddressError::Several)]
    #[case("a@x.com@y.com", AddressError::Several)]
    #[case("\"ali veli\"@firma.com", AddressError::Local)]
    #[case(".ali@firma.com", AddressError::Local)]
    #[case("ali..veli@firma.com", AddressError::Local)]
    #[case("ali>@firma.com", AddressError::Local)]
    #[case("ali\u{200b}@firma.com", AddressError::Local)]
    #[case("ali\u{202e}@firma.com", AddressError::Local)]
    #[case("ali@firma.com> SIZE=1", AddressError::Domain)]
    fn a_bad_address_is_refused_with_its_reason(#[case] text: &str, #[case] error: AddressError) {
        assert_eq!(text.parse::<EmailAddress>(), Err(error));
    }

    #[test]
    fn an_overlong_address_is_refused() {
        let local = "a".repeat(65);
        assert_eq!(format!("{local}@firma.com").parse::<EmailAddress>(), Err(AddressError::TooLong));
        let domain = format!("{}.com", vec!["a".repeat(60); 4].join("."));
        assert_eq!(format!("ali@{domain}").parse::<EmailAddress>().map(|a| a.as_str().len()), Ok(251));
        assert_eq!(format!("alivelideli@{domain}").parse::<EmailAddress>(), Err(AddressError::TooLong));
        assert_eq!("a".repeat(1 << 20).parse::<EmailAddress>(), Err(AddressError::TooLong));
    }

    #[rstest]
    #[case("ali@firma.com", None)]
    #[case("<ali@firma.com>", None)]
    #[case("  ali@firma.com  ", None)]
    #[case("Ali Şahin <ali@firma.com>", Some("Ali Şahin"))]
    #[case("Ali   Şahin<ali@firma.com>", Some("Ali Şahin"))]
    #[case("\"Şahin, Ali\" <ali@firma.com>", Some("Şahin, Ali"))]
    #[case("Şahin, Ali <ali@firma.com>", Some("Şahin, Ali"))]
    #[case("\"Ali \\\"Baba\\\" Şahin\" <ali@firma.com>", Some("Ali \"Baba\" Şahin"))]
    #[case("Ali \"Baba\" Şahin <ali@firma.com>", Some("Ali \"Baba\" Şahin"))]
    #[case("ali@firma.com <ali@firma.com>", Some("ali@firma.com"))]
    #[case("Ali\u{202e}nihaŞ <ali@firma.com>", Some("AlinihaŞ"))]
    #[case("\"\" <ali@firma.com>", None)]
    fn a_mailbox_is_read_with_its_name(#[case] text: &str, #[case] name: Option<&str>) {
        let mailbox: Mailbox = text.parse().unwrap();
        assert_eq!(mailbox.name.as_deref(), name);
        assert_eq!(mailbox.address.as_str(), "ali@firma.com");
    }

    #[rstest]
    #[case("Ali\r\nBcc: x@y.com <ali@firma.com>")]
    #[case("a@x.com, Ali <ali@firma.com>")]
    #[case("Veli <a@x.com>, Ali <ali@firma.com>")]
    #[case("\"Ali\" \"Veli\" <ali@firma.com>")]
    #[case("Ali <ali@firma.com")]
    #[case("Ali ali@firma.com>")]
    #[case("Ali <>")]
    #[case("")]
    #[case(">")]
    #[case("<")]
    #[case("\"\\\" <ali@firma.com>")]
    fn a_bad_mailbox_is_refused(#[case] text: &str) {
        assert!(text.parse::<Mailbox>().is_err());
    }

    proptest! {
        #[test]
        fn whatever_parses_is_one_line_and_parses_again(text in "\\PC*|[a-zşğ.@<>\",; \r\n]{0,40}") {
            if let Ok(mailbox) = text.parse::<Mailbox>() {
                let whole = mailbox.address.as_str();
                prop_assert!(!whole.chars().any(|c| breaks_lines(c) || c.is_whitespace() || "<>,;".contains(c)));
                prop_assert!(mailbox.address.domain().is_ascii());
                prop_assert_eq!(whole.parse::<EmailAddress>(), Ok(mailbox.address.clone()));
                prop_assert!(!mailbox.name.unwrap_or_default().chars().any(breaks_lines));
            }
        }

        #[test]
        fn any_plain_address_parses(local in "[a-z0-9]{1,20}", domain in "[a-z]{1,20}\\.[a-z]{2,6}") {
            let text = format!("{local}@{domain}");
            let parsed = text.parse::<EmailAddress>();
            prop_assert!(parsed.is_ok_and(|address| address.as_str() == text));
        }
    }
}
