//! The e-mail that tells a company's people that a connection broke or works again: once, through another connection of
//! theirs that can send, or through the operator's own mail account.

use std::sync::Arc;

use santral_connectors::Channel;
use santral_connectors::operation::{MessageKind, Operation, RecipientType, SendEmail};
use uuid::Uuid;

use super::Change;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::connections::words;
use crate::delivery::Notice;
use crate::delivery::lanes::Lane;
use crate::delivery::model::{Origin, Payload, State, Work};
use crate::delivery::target::OPERATORS_MAIL;
use crate::i18n::{Bilingual, Lang};
use crate::ids::new_uuid;
use crate::store::connections::Stored;
use crate::store::deliveries::NewDelivery;

/// Nothing when the company named no address, or there is nothing to send through.
pub(super) fn of_connection(
    setup: &Setup,
    platform: Option<&Arc<Setup>>,
    change: &Change<'_>,
    at: Micros,
) -> Option<Notice> {
    let to = setup.notice_email.clone()?;
    let own = sender(setup, change);
    // The operator's account stands for itself: nothing of the company's takes over from it.
    let by_operator = own.is_none();
    if by_operator && platform.is_none_or(|platform| platform.notice_mail.is_none()) {
        return None;
    }
    let (subject, text) = words(setup, change);
    let operation = Operation::SendEmail(SendEmail {
        to: to.clone(),
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: None,
        subject,
        text: Some(text),
        html: None,
        attachments: Vec::new(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
        unsubscribe: None,
    });
    let payload = Payload { pinned: by_operator, ..Payload::of(Work::Ready(operation)) };
    let provider = own.map_or("smtp", |own| own.provider.as_str());
    Some(Notice {
        delivery: NewDelivery {
            company: setup.id.0,
            id: new_uuid(),
            state: State::Queued.as_str(),
            reason: None,
            origin: Origin::Notice.as_str(),
            operation: "send_email",
            channel: Some(Channel::Email.as_str()),
            provider: santral_connectors::find(provider).map(|connector| connector.id),
            connection: own.map(|own| own.id),
            recipient: Some(to),
            subject: None,
            automation: None,
            event: None,
            created_at: at,
            due_at: at,
            finished_at: None,
            attempts: "[]".to_owned(),
            payload: serde_json::to_string(&payload).ok()?,
        },
        lane: Lane { company: setup.id.0, id: own.map_or(OPERATORS_MAIL, |own| own.id) },
    })
}

/// The channel's own connections first, then any that works; the one that is told of only once it works again.
fn sender<'a>(setup: &'a Setup, change: &Change<'_>) -> Option<&'a Stored> {
    let sends = |stored: &&Stored| {
        santral_connectors::find(&stored.provider).is_some_and(|c| c.channel == Some(Channel::Email))
    };
    let works =
        |stored: &&Stored| stored.status == "active" && stored.id != change.connection && sends(stored);
    let usual = setup.default_of(Channel::Email);
    let usual = [usual.connection, usual.fallback].into_iter().flatten();
    let known = |id: Uuid| setup.connection(id);
    let mended = || known(change.connection).filter(|_| change.why.is_none()).filter(sends);
    usual.filter_map(known).find(works).or_else(|| setup.connections.iter().find(works)).or_else(mended)
}

/// Subject and text in the company's language.
fn words(setup: &Setup, change: &Change<'_>) -> (String, String) {
    let lang = setup.context.lang();
    let name = santral_connectors::find(change.provider).map_or(change.provider, |connector| connector.name);
    let label = setup.connection(change.connection).map_or(name, |stored| stored.label.as_str());
    let (subject, text) = match change.why {
        Some((_, detail)) => {
            let why = |lang: Lang| words::of_stored(detail, lang);
            (
                Bilingual::new(
                    format!("{name} bağlantısı çalışmıyor: {label}"),
                    format!("{name} connection does not work: {label}"),
                ),
                Bilingual::new(
                    format!(
                        "Merhaba,\n\n“{label}” adlı {name} bağlantınız artık çalışmıyor.\n\nNeden: {}\n\nNe yapmalısınız: \
                         Entegrasyon Merkezi'nde bu bağlantıyı açıp düzeltin ya da yeniden bağlanın. Bu arada yedek bağlantı \
                         varsa gönderimler oradan yapılır; yoksa bekletilir ve bağlantı düzelince kendiliğinden gider.\n",
                        why(Lang::Tr)
                    ),
                    format!(
                        "Hello,\n\nyour {name} connection “{label}” does not work any more.\n\nWhy: {}\n\nWhat to do: open \
                         this connection in the Integration Center and mend it, or connect it again. Meanwhile messages go \
                         by the fallback connection if there is one; else they wait, and leave by themselves once it works.\n",
                        why(Lang::En)
                    ),
                ),
            )
        }
        None => (
            Bilingual::new(
                format!("{name} bağlantısı yeniden çalışıyor: {label}"),
                format!("{name} connection works again: {label}"),
            ),
            Bilingual::new(
                format!(
                    "Merhaba,\n\n“{label}” adlı {name} bağlantınız yeniden çalışıyor. Bekleyen gönderimler kendiliğinden \
                     gidiyor.\n"
                ),
                format!(
                    "Hello,\n\nyour {name} connection “{label}” works again. What was waiting leaves by itself.\n"
                ),
            ),
        ),
    };
    (subject.get(lang).to_owned(), text.get(lang).to_owned())
}
