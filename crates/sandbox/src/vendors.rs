//! The vendors that speak HTTP, one file each. A new one brings `routes()` and is merged here; the SMTP vendor
//! is [`crate::smtp`].

mod files;
mod gmail;
pub(crate) mod graph;
mod iletimerkezi;
mod mime;
mod netgsm;
pub mod oauth;
pub mod sheets;
mod twilio;
mod vonage;
pub mod webhook;
mod whatsapp;

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::http::{App, HangUp};
use crate::phones::{Outgoing, PhoneMessage, Vendor};
use crate::vendors::webhook::WebhookAction;
use crate::vendors::webhook::fault::Plan;

pub(crate) fn routes(app: &App) -> Router<App> {
    let messaging = [
        (Vendor::Netgsm, netgsm::routes()),
        (Vendor::IletiMerkezi, iletimerkezi::routes()),
        (Vendor::Twilio, twilio::routes()),
        (Vendor::Vonage, vonage::routes()),
        (Vendor::Whatsapp, whatsapp::routes()),
    ];
    let plain = Router::new()
        .merge(webhook::routes())
        .merge(files::routes())
        .merge(oauth::routes())
        .merge(gmail::routes())
        .merge(graph::routes())
        .merge(sheets::routes());
    messaging.into_iter().fold(plain, |all, (vendor, routes)| {
        let state = (App::clone(app), vendor);
        all.merge(routes.layer(from_fn_with_state(state, faulty)))
    })
}

/// Lets the faults ordered for a vendor strike: some before it sees the request, some instead of its answer.
async fn faulty(State((app, vendor)): State<(App, Vendor)>, request: Request, next: Next) -> Response {
    let actions = app.phones.queue(vendor).map(|queue| queue.take(|_| true, |fault| fault.action.ends()));
    let actions: Vec<WebhookAction> =
        actions.unwrap_or_default().into_iter().map(|fault| fault.action).collect();
    if actions.is_empty() {
        return next.run(request).await;
    }
    let ends = actions.iter().any(WebhookAction::ends);
    let delay: u64 =
        actions.iter().map(|action| if let WebhookAction::Delay { ms } = action { *ms } else { 0 }).sum();
    let plan = Plan::of(actions);
    if plan.drops_before_reading() {
        return HangUp.into_response();
    }
    if !ends {
        let answer = next.run(request).await;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        return answer;
    }
    if plan.takes() {
        drop(next.run(request).await);
    }
    plan.answer().await
}

/// What a message's vendor tells its customer about it.
pub(crate) fn template_changed(paused: bool) -> Outgoing {
    whatsapp::template_changed(paused)
}

pub(crate) fn receipt(message: &PhoneMessage) -> Option<Outgoing> {
    match message.vendor {
        Vendor::Netgsm => Some(netgsm::receipt(message)),
        Vendor::IletiMerkezi => Some(iletimerkezi::receipt(message)),
        Vendor::Twilio => Some(twilio::receipt(message)),
        Vendor::Vonage => Some(vonage::receipt(message)),
        Vendor::Whatsapp => Some(whatsapp::receipt(message)),
    }
}

/// How an answer from the phone reaches the customer. İleti Merkezi has no inbound messages.
pub(crate) fn inbound(message: &PhoneMessage, text: &str) -> Option<Outgoing> {
    match message.vendor {
        Vendor::Netgsm => Some(netgsm::inbound(message, text)),
        Vendor::IletiMerkezi => None,
        Vendor::Twilio => Some(twilio::inbound(message, text)),
        Vendor::Vonage => Some(vonage::inbound(message, text)),
        Vendor::Whatsapp => Some(whatsapp::inbound(message, text)),
    }
}

/// Ten digits of a Turkish mobile number.
fn is_turkish_mobile(number: &str) -> bool {
    number.len() == 10 && number.starts_with('5') && number.bytes().all(|b| b.is_ascii_digit())
}

/// The user and password of a Basic sign-in.
fn basic(headers: &axum::http::HeaderMap) -> Option<(String, String)> {
    use base64::Engine;
    let value = headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
