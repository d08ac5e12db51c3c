//! From an action and an event to the operation that a connector carries out.

use std::collections::BTreeMap;

use santral_connectors::operation::{
    Attachment, AttachmentSource, PostChat, PostWebhook, SendEmail, SendSms, SendWhatsapp, WhatsappTemplate,
};
use santral_connectors::{Operation, OperationKind};
use serde::{Deserialize, Serialize};

use super::recipient::{e164, is_mailbox};
use super::{Escape, Renderer};
use crate::automation::context::Scope;
use crate::automation::model::{Action, AttachmentTemplate, WhatsappTemplateSource};
use crate::automation::problem::{Problem, RenderError, excerpt, join};
use crate::i18n::Lang;
use crate::ids::TemplateId;

/// Texts that several automations share. They fill what an action leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageTemplate {
    pub id: TemplateId,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// What is to be carried out.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The recipient as the operation has it; none where the operation does without.
    pub to: Option<String>,
    pub operation: Operation,
}

/// The texts of a message, rendered.
#[derive(Debug, Default)]
struct Texts {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

impl Renderer {
    /// Renders one action. Pointers of errors are into the action, or into its template as `/template/text`.
    ///
    /// # Errors
    /// Those of [`Renderer::render_str`], and `recipient_missing`, `recipient_invalid`, `reply_to_invalid`,
    /// `content_missing`, `attachment_url_invalid`, `operation_not_available`.
    pub fn render_action(
        &self,
        action: &Action,
        template: Option<&MessageTemplate>,
        scope: &Scope,
    ) -> Result<Rendered, RenderError> {
        let to = self.field("/to", action.to.as_deref(), Escape::Text, scope)?.map(|to| to.trim().to_owned());
        let texts = self.texts(action, template, scope)?;
        match action.operation {
            OperationKind::SendEmail => self.email(action, to, texts, scope),
            OperationKind::SendSms => {
                let (to, text) = (phone(to, scope)?, texts.required_text()?);
                let (kind, recipient_type) = (action.kind, action.recipient_type);
                let operation = SendSms { to: to.clone(), text, kind, recipient_type };
                Ok(Rendered { to: Some(to), operation: Operation::SendSms(operation) })
            }
            OperationKind::SendWhatsapp => {
                let to = phone(to, scope)?;
                let template = self.whatsapp_template(action.whatsapp_template.as_ref(), scope)?;
                let text = texts.text.filter(|text| !text.trim().is_empty());
                if text.is_none() && template.is_none() {
                    return Err(content_missing());
                }
                let (kind, recipient_type) = (action.kind, action.recipient_type);
                let operation = SendWhatsapp { to: to.clone(), text, template, kind, recipient_type };
                Ok(Rendered { to: Some(to), operation: Operation::SendWhatsapp(operation) })
            }
            OperationKind::PostChat => {
                let to = to.unwrap_or_default();
                if to.chars().any(char::is_control) {
                    return Err(recipient_invalid(&to));
                }
                let operation = PostChat { to: to.clone(), text: texts.required_text()? };
                Ok(Rendered { to: Some(to), operation: Operation::PostChat(operation) })
            }
            OperationKind::PostWebhook => {
                let Texts { subject, text, html } = texts;
                let to = to.filter(|to| !to.is_empty());
                let operation =
                    PostWebhook { to: to.clone(), subject, text, html, event: scope.event().to_raw() };
                Ok(Rendered { to, operation: Operation::PostWebhook(operation) })
            }
            OperationKind::Check | OperationKind::Notify => Err(Problem::new(
                "/operation",
                "operation_not_available",
                "Bu işlem bir otomasyonun eylemi olamaz.",
                "This operation cannot be an automation's action.",
            )),
        }
    }

    fn field(
        &self,
        pointer: &str,
        source: Option<&str>,
        escape: Escape,
        scope: &Scope,
    ) -> Result<Option<String>, RenderError> {
        let Some(source) = source else { return Ok(None) };
        self.render_str(source, escape, scope).map(Some).map_err(|error| error.at(pointer))
    }

    fn texts(
        &self,
        action: &Action,
        template: Option<&MessageTemplate>,
        scope: &Scope,
    ) -> Result<Texts, RenderError> {
        let text = |own: &Option<String>, shared: Option<&Option<String>>, name: &str, escape| match own {
            Some(source) => self.field(name, Some(source), escape, scope),
            None => {
                let source = shared.and_then(Option::as_deref);
                self.field(name, source, escape, scope).map_err(|error| error.under("/template"))
            }
        };
        let subject = text(&action.subject, template.map(|t| &t.subject), "/subject", Escape::Text)?;
        Ok(Texts {
            subject: subject.map(|subject| one_line(&subject)),
            text: text(&action.text, template.map(|t| &t.text), "/text", Escape::Text)?,
            html: text(&action.html, template.map(|t| &t.html), "/html", Escape::Html)?,
        })
    }

    fn whatsapp_template(
        &self,
        source: Option<&WhatsappTemplateSource>,
        scope: &Scope,
    ) -> Result<Option<WhatsappTemplate>, RenderError> {
        let Some(source) = source else { return Ok(None) };
        let mut variables = BTreeMap::new();
        for (name, value) in &source.variables {
            let pointer = join("/whatsapp_template/variables", name);
            let value = self.render_str(value, Escape::Text, scope).map_err(|error| error.at(&pointer))?;
            // Meta takes neither line breaks nor empty values in a template's places.
            let value = one_line(&value);
            if value.is_empty() {
                let (tr, en) =
                    ("Şablonun bu alanı boş kalamaz.", "This place of the template cannot be empty.");
                return Err(Problem::new(pointer, "variable_empty", tr, en));
            }
            variables.insert(name.clone(), value);
        }
        let (name, language) = (source.name.clone(), source.language.clone());
        Ok(Some(WhatsappTemplate { name, language, variables }))
    }

    fn email(
        &self,
        action: &Action,
        to: Option<String>,
        texts: Texts,
        scope: &Scope,
    ) -> Result<Rendered, RenderError> {
        let to = required_recipient(to)?;
        if !is_mailbox(&to) {
            return Err(recipient_invalid(&to));
        }
        let reply_to = self.field("/reply_to", action.reply_to.as_deref(), Escape::Text, scope)?;
        let reply_to = reply_to.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(reply_to) = reply_to.as_deref().filter(|reply_to| !is_mailbox(reply_to)) {
            return Err(Problem::new(
                "/reply_to",
                "reply_to_invalid",
                format!("“{}” bir e-posta adresi değil.", excerpt(reply_to)),
                format!("“{}” is not an e-mail address.", excerpt(reply_to)),
            ));
        }
        let attachments = self.attachments(&action.attachments, scope)?;
        let text = texts.text.filter(|text| !text.trim().is_empty());
        let html = texts.html.filter(|html| !html.trim().is_empty());
        if text.is_none() && html.is_none() {
            return Err(content_missing());
        }
        let operation = SendEmail {
            to: to.clone(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to,
            subject: texts.subject.unwrap_or_default(),
            text,
            html,
            attachments,
            kind: action.kind,
            recipient_type: action.recipient_type,
            unsubscribe: None,
        };
        Ok(Rendered { to: Some(to), operation: Operation::SendEmail(operation) })
    }

    fn attachments(
        &self,
        attachments: &[AttachmentTemplate],
        scope: &Scope,
    ) -> Result<Vec<Attachment>, RenderError> {
        let mut rendered = Vec::with_capacity(attachments.len());
        for (at, attachment) in attachments.iter().enumerate() {
            let part = |name: &str, source: &str| {
                let pointer = format!("/attachments/{at}/{name}");
                self.render_str(source, Escape::Text, scope).map_err(|error| error.at(pointer))
            };
            let name = file_name(&part("name", &attachment.name)?, scope.company().lang());
            let url = part("url", &attachment.url)?.trim().to_owned();
            if !is_web_address(&url) {
                return Err(Problem::new(
                    format!("/attachments/{at}/url"),
                    "attachment_url_invalid",
                    format!("“{}” bir web adresi (http ya da https) değil.", excerpt(&url)),
                    format!("“{}” is not a web address (http or https).", excerpt(&url)),
                ));
            }
            rendered.push(Attachment { name, content_type: None, source: AttachmentSource::Url(url) });
        }
        Ok(rendered)
    }
}

impl Texts {
    fn required_text(self) -> Result<String, RenderError> {
        self.text.filter(|text| !text.trim().is_empty()).ok_or_else(content_missing)
    }
}

fn phone(to: Option<String>, scope: &Scope) -> Result<String, RenderError> {
    let to = required_recipient(to)?;
    e164(&to, scope.company().region()).ok_or_else(|| recipient_invalid(&to))
}

fn required_recipient(to: Option<String>) -> Result<String, RenderError> {
    to.filter(|to| !to.is_empty())
        .ok_or_else(|| Problem::new("/to", "recipient_missing", "Alıcı boş.", "The recipient is empty."))
}

fn recipient_invalid(to: &str) -> RenderError {
    Problem::new(
        "/to",
        "recipient_invalid",
        format!("“{}” geçerli bir alıcı değil.", excerpt(to)),
        format!("“{}” is not a valid recipient.", excerpt(to)),
    )
}

fn content_missing() -> RenderError {
    Problem::new("/text", "content_missing", "İletinin metni boş.", "The message has no text.")
}

/// Line breaks and runs of white space become single spaces: a subject is one header line.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// A name without path or control characters, of a length every file system takes.
fn file_name(text: &str, lang: Lang) -> String {
    let clean: String = one_line(text)
        .chars()
        .map(|c| if matches!(c, '/' | '\\' | ':' | '"' | '<' | '>' | '|' | '?' | '*') { '_' } else { c })
        .take(100)
        .collect();
    let clean = clean.trim_matches(['.', ' ']);
    match (clean, lang) {
        ("", Lang::Tr) => "ek".to_owned(),
        ("", Lang::En) => "attachment".to_owned(),
        (name, _) => name.to_owned(),
    }
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}
