//! Providers of WhatsApp, and what is the same for both of them.

pub mod cloud;
pub mod location;
pub mod twilio;

use crate::failure::Failure;
use crate::operation::{SendWhatsapp, WhatsappTemplate};
use crate::text::phone::digits;

/// What one message is.
pub(crate) enum Content<'a> {
    /// Free text, within 24 hours of the recipient's last message.
    Text(&'a str),
    Template(&'a WhatsappTemplate),
}

/// The recipient's digits and what is sent.
pub(crate) fn read(op: &SendWhatsapp) -> Result<(&str, Content<'_>), Failure> {
    let number = digits(&op.to)
        .ok_or_else(|| Failure::rejected("recipient_invalid", "the recipient is not an E.164 number"))?;
    let content = match (&op.text, &op.template) {
        (Some(text), _) if text.trim().is_empty() => {
            return Err(Failure::rejected("text_empty", "the message has no text"));
        }
        (Some(text), _) => Content::Text(text),
        (None, Some(template)) => Content::Template(template),
        (None, None) => return Err(Failure::rejected("text_empty", "neither a text nor a template is set")),
    };
    Ok((number, content))
}

/// The keys of a template's places in order: `{{1}} {{2}}` or `{{name}}`, each once.
pub(crate) fn places(text: &str) -> Vec<String> {
    let mut places = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, then)) = after.split_once("}}") else { break };
        let name = name.trim();
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain && (1..=60).contains(&name.len()) && !places.iter().any(|known| known == name) {
            places.push(name.to_owned());
        }
        rest = then;
    }
    places
}
