//! Trying an automation on oneself: what it would send, sent to the person who works on it.

use std::sync::Arc;

use santral_connectors::Channel;
use santral_connectors::operation::MessageKind;

use super::preview::{ActionPreview, preview};
use crate::app::App;
use crate::automation::Definition;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult, Code};
use crate::i18n::Lang;
use crate::ids::DeliveryId;
use crate::ingest::accept;
use crate::ingest::message::{self, MessageRequest};

/// Where a person's own test messages go.
#[derive(Debug, Clone, Copy)]
pub struct Oneself<'a> {
    pub email: Option<&'a str>,
    pub phone: Option<&'a str>,
}

/// Sends what the actions render to with the sample event, each to `to` in place of the customer; actions for which
/// the person has no address are left out. Attachments stay away: they are the sample's.
///
/// # Errors
/// `conflict` when nothing can be sent; what keeps a message from being taken.
pub async fn send(
    app: &App,
    setup: &Arc<Setup>,
    definition: &Definition,
    to: Oneself<'_>,
    lang: Lang,
) -> AppResult<Vec<DeliveryId>> {
    let rendered = preview(app, setup, definition, None, lang)?;
    let mut sent = Vec::new();
    for action in rendered.actions.into_iter().filter(|action| action.error.is_none()) {
        if let Some(request) = request(action, to, setup.test_mode) {
            let accepted = accept::message(app, setup.clone(), None, |setup, now| {
                message::plan(app.services().renderer, setup, request.clone(), now)
            });
            sent.push(accepted.await?.id);
        }
    }
    if sent.is_empty() {
        return Err(AppError::new(Code::Conflict).detail(
            "Size gönderilebilecek bir eylem yok: CRM kullanıcınızda e-posta ya da telefon olmayabilir.",
            "No action can be sent to you: your CRM user may have no e-mail or phone.",
        ));
    }
    Ok(sent)
}

fn request(action: ActionPreview, to: Oneself<'_>, test_mode: bool) -> Option<MessageRequest> {
    let channel = action.channel?;
    let to = match channel {
        Channel::Email => to.email,
        Channel::Sms | Channel::Whatsapp => to.phone,
        Channel::Chat | Channel::Webhook => None,
    }?;
    let connection = action.connection.map(|connection| connection.id);
    if connection.is_none() && !test_mode {
        return None;
    }
    Some(MessageRequest {
        channel: connection.is_none().then_some(channel),
        connection,
        to: to.to_owned(),
        subject: action.subject,
        text: action.text,
        html: action.html,
        whatsapp_template: action.whatsapp_template,
        ..MessageRequest::of_kind(MessageKind::Informational)
    })
}
