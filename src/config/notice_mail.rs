//! The operator's own mail account, which carries the news that a company's own connections cannot.

use percent_encoding::percent_decode_str;
use santral_connectors::{Credentials, Mailbox, Settings};
use url::Url;

use super::types::Shown;
use crate::telemetry::Secret;

const REMEDY: &str = "use smtps://<user>:<password>@<host>?from=<address> (TLS) or smtp://… (STARTTLS), user and password \
                      percent-encoded";

/// A mail account as the `smtp` connector takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeMail {
    host: String,
    port: u16,
    /// `tls`, `starttls` or `none`.
    security: &'static str,
    /// None where the server asks for none.
    sign_in: Option<(String, Secret)>,
    from: Mailbox,
}

impl NoticeMail {
    /// Reads `smtps://user:password@mail.example.com:465?from=Operator%20%3Cnews%40example.com%3E`.
    ///
    /// # Errors
    /// The remedy; it names no part of the value.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| REMEDY.to_owned())?;
        let (mut security, usual_port) = match url.scheme() {
            "smtps" => ("tls", 465),
            "smtp" => ("starttls", 587),
            _ => return Err(REMEDY.to_owned()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| REMEDY.to_owned())?;
        let mut from = None;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("from", value) => from = value.parse().ok(),
                // Only together with SANTRAL_SMTP_ALLOW_PLAINTEXT, which the mail client asks.
                ("security", "none") if url.scheme() == "smtp" => security = "none",
                _ => return Err(REMEDY.to_owned()),
            }
        }
        let from = from.ok_or_else(|| "say by ?from=<address> who its mails are from".to_owned())?;
        let plain = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).ok();
        let sign_in = match (plain(url.username()), url.password().map(plain)) {
            (Some(user), None) if user.is_empty() => None,
            (Some(user), Some(Some(password))) if !user.is_empty() && !password.is_empty() => {
                Some((user, Secret::new(password)))
            }
            _ => return Err(REMEDY.to_owned()),
        };
        let port = url.port().unwrap_or(usual_port);
        Ok(Self { host: host.to_owned(), port, security, sign_in, from })
    }

    pub fn settings(&self) -> Settings {
        let mut settings = vec![
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            ("security", self.security.to_owned()),
            ("from_address", self.from.address.to_string()),
        ];
        settings.extend(self.from.name.clone().map(|name| ("from_name", name)));
        Settings(settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    pub fn credentials(&self) -> Credentials {
        let pair = self.sign_in.iter().flat_map(|(user, password)| {
            [("user".to_owned(), user.clone()), ("password".to_owned(), password.expose().to_owned())]
        });
        Credentials(pair.collect())
    }
}

impl Shown for NoticeMail {
    fn shown(&self) -> String {
        format!("{}:{}, from {}", self.host, self.port, self.from.address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_account_is_read_with_whatever_its_password_holds() {
        let mail = NoticeMail::parse(
            "smtps://haber%40operator.example:p%40ss%2Fw%26%2Brd@mail.operator.example?from=Operat%C3%B6r%20%3Chaber%40operator.example%3E",
        );
        let mail = mail.unwrap();
        assert_eq!(mail.settings().get("port"), Some("465"));
        assert_eq!(mail.settings().get("security"), Some("tls"));
        assert_eq!(mail.settings().get("from_name"), Some("Operatör"));
        assert_eq!(mail.credentials().get("user"), Some("haber@operator.example"));
        assert_eq!(mail.credentials().get("password"), Some("p@ss/w&+rd"));
        assert!(!format!("{mail:?} {}", mail.shown()).contains("ss/w"));
        let open = NoticeMail::parse("smtp://relay.lan:25?security=none&from=a@b.example").unwrap();
        assert_eq!((open.settings().get("security"), open.credentials().0.len()), (Some("none"), 0));
    }

    #[test]
    fn half_an_account_is_none() {
        for wrong in [
            "",
            "mail.example",
            "https://u:p@mail.example?from=a@b.example",
            "smtps://u:p@mail.example",
            "smtps://u:p@mail.example?from=nobody",
            "smtps://u:p@mail.example?from=a@b.example&security=none",
            "smtps://u@mail.example?from=a@b.example",
            "smtps://:p@mail.example?from=a@b.example",
            "smtps://u:p@?from=a@b.example",
            "smtps://u:%ff@mail.example?from=a@b.example",
            "smtps://u:p@mail.example?from=a@b.example&sender=x",
        ] {
            assert!(NoticeMail::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it_and_no_remedy_repeats_it(start in "(smtps?://)?", rest in "\\PC{0,60}") {
            if let Err(remedy) = NoticeMail::parse(&format!("{start}canary{rest}")) {
                prop_assert!(!remedy.contains("canary"));
            }
        }
    }
}
