//! What a delivery says to a person, apart from the channel that was to carry it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail_parser::decoders::html::html_to_text;
use santral_connectors::Operation;
use santral_connectors::operation::{MessageKind, RecipientType, WhatsappTemplate};
use uuid::Uuid;

use crate::app::App;
use crate::companies::setup::Setup;
use crate::connections::lists;
use crate::ids::ConnectionId;

/// What was to be said, whatever carries it.
pub(super) struct Content {
    pub subject: Option<String>,
    pub said: Said,
    pub kind: MessageKind,
    pub recipient_type: RecipientType,
}

pub(super) enum Said {
    Text(String),
    /// The vendor has the words.
    Template(WhatsappTemplate),
}

impl Content {
    /// What an operation says in words, if it does.
    pub fn of(operation: &Operation) -> Option<Self> {
        let (subject, said, kind, recipient_type) = match operation {
            Operation::SendEmail(op) => {
                let text = op.text.clone().filter(|text| !text.trim().is_empty());
                let text = text.or_else(|| op.html.as_deref().map(text_of_html))?;
                (Some(op.subject.clone()), Said::Text(text), op.kind, op.recipient_type)
            }
            Operation::SendSms(op) => (None, Said::Text(op.text.clone()), op.kind, op.recipient_type),
            Operation::SendWhatsapp(op) => {
                let said = match (&op.text, &op.template) {
                    (Some(text), _) => Said::Text(text.clone()),
                    (None, Some(template)) => Said::Template(template.clone()),
                    (None, None) => return None,
                };
                (None, said, op.kind, op.recipient_type)
            }
            _ => return None,
        };
        match &said {
            Said::Text(text) if text.trim().is_empty() => None,
            _ => Some(Self { subject, said, kind, recipient_type }),
        }
    }

    /// The words; a template's are asked of the account it was to go through. None where that does not tell them.
    pub async fn text(&self, app: &App, setup: &Arc<Setup>, connection: Option<Uuid>) -> Option<String> {
        match &self.said {
            Said::Text(text) => Some(text.clone()),
            Said::Template(template) => {
                let listed = lists::templates(app, setup, ConnectionId(connection?)).await.ok()?;
                let is_it =
                    |name: &str, language: &str| (name, language) == (&template.name, &template.language);
                let found = listed.items.iter().find(|one| is_it(&one.name, &one.language))?;
                filled(&found.text, &template.variables)
            }
        }
    }
}

/// The words of a mail that has none but in HTML: lines and paragraphs stay, what is empty goes.
fn text_of_html(html: &str) -> String {
    let text = html_to_text(html);
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    lines.join("\n").trim().to_owned()
}

/// A template's body with its places filled; None where one has no value.
fn filled(body: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("{{") {
        let (place, behind) = after.split_once("}}")?;
        text.push_str(before);
        text.push_str(variables.get(place.trim())?);
        rest = behind;
    }
    text.push_str(rest);
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mail_in_html_has_words_too() {
        let html = "<head><title>x</title></head><style>p{color:red}</style><p>Sayın <b>Ayşe</b>,</p>\n\n<p>teklifiniz \
                    &ouml;&#287;len haz&#x131;r.</p><br><br><br><script>alert(1)</script><div>Sevgiler</div>";
        assert_eq!(text_of_html(html), "Sayın Ayşe,\nteklifiniz öğlen hazır.\n\nSevgiler");
        for empty in ["", " ", "<img src=x>", "<style>p{}</style>", "<!-- gizli -->", "<p></p><br>"] {
            assert_eq!(text_of_html(empty), "", "{empty}");
        }
    }

    #[test]
    fn a_template_is_filled_or_nothing() {
        let variables =
            BTreeMap::from([("1".to_owned(), "Ali {{2}}".to_owned()), ("no".to_owned(), "S-1".to_owned())]);
        assert_eq!(
            filled("Merhaba {{1}}, {{ no }} hazır.", &variables).unwrap(),
            "Merhaba Ali {{2}}, S-1 hazır."
        );
        for short in ["{{2}}", "{{1", "{{}}", "", " "] {
            assert_eq!(filled(short, &variables), None, "{short}");
        }
    }

    proptest! {
        #[test]
        fn no_html_breaks_it(html in "(<[a-z/!-]{0,6}|>|&|;|#|[ışğ]|--|\\PC| |\n){0,80}") {
            let text = text_of_html(&html);
            prop_assert!(!text.contains("\n\n\n"));
        }

        #[test]
        fn no_template_breaks_it(body in "(\\{|\\}|1| |\\PC){0,60}") {
            filled(&body, &BTreeMap::from([("1".to_owned(), "x".to_owned())]));
        }
    }
}
