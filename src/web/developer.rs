//! `/app/developer/…`: what the CRM's developer needs: keys, webhooks, the log of events.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::format::parse;
use super::icons;
use super::layout::{self, Page as Frame, Part};
use super::parts::{ago, alarm, alert, badge, empty, head};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::api::extract::{Id, Page};
use crate::app::AppState;
use crate::companies::keys::{self, KeyRequest, KeyView};
use crate::error::{AppError, AppResult, Code};
use crate::ids::{KeyId, WebhookId};
use crate::sessions::Right;
use crate::webhooks::{self, WebhookRequest, WebhookView, types};

/// More keys than a company may have.
const KEYS: i64 = 100;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/app/developer/keys", get(show_keys).post(make_key))
        .route("/app/developer/keys/{id}/revoke", post(revoke))
        .route("/app/developer/webhooks", get(show_webhooks).post(make_webhook))
        .route("/app/developer/webhooks/{id}/{act}", post(act))
}

/// A secret that is shown here and never again.
fn once(v: &Visitor, title: &str, secret: &str) -> Markup {
    alert(
        "ok",
        title,
        &html! {
            p { (t!(v, "shown-once")) }
            p.mt { span.copybox {
                span.wrapany { (secret) }
                button.ibtn.js type="button" data-copy=(secret) aria-label=(t!(v, "copy")) title=(t!(v, "copy")) { (icons::COPY) }
            } }
        },
    )
}

async fn show_keys(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Develop)?;
    let note = html! { @if query.get("done").is_some() { p.toast role="status" { (icons::CIRCLE_CHECK) (t!(v, "done-revoked")) } } };
    keys_page(&v, &note).await
}

async fn keys_page(v: &Visitor, note: &Markup) -> AppResult<Markup> {
    let list = keys::list(&v.app, v.session.company, Page { after: None, limit: KEYS }).await?.items;
    let url = v.app.config.public_url.to("/api/events");
    let example = format!(
        "curl -X POST {url} \\\n  -H 'Authorization: Bearer …' \\\n  -H 'Content-Type: application/cloudevents+json' \\\n  \
         -d '{{\"specversion\":\"1.0\",\"id\":\"deal-1\",\"source\":\"crm\",\"type\":\"deal.created\",\"data\":{{…}}}}'"
    );
    let body = html! {
        (head(&html! { (t!(v, "nav-keys")) }, &t!(v, "keys-sub"), &html! {}))
        (note)
        form.panel method="post" action=(v.to("/app/developer/keys")) {
            (layout::csrf(v))
            div.pb.filters {
                div.field.grow { label for="k-name" { (t!(v, "key-name")) } input.in id="k-name" name="name" maxlength="200" placeholder="CRM" required; }
                button.btn.pri { (icons::PLUS) (t!(v, "key-make")) }
            }
        }
        section.panel aria-label=(t!(v, "nav-keys")) {
            @if list.is_empty() { (empty(icons::KEY, &t!(v, "keys-none"), &t!(v, "keys-none-text"), &html! {})) }
            @else { ul.rows { @for key in &list { (key_row(v, key)) } } }
        }
        section.panel { div.ph { h2 { (t!(v, "example")) } } div.pb { pre.codebox tabindex="0" aria-label=(t!(v, "example")) { (example) } } }
    };
    Ok(layout::page(v, &Frame::of(Part::Keys, t!(v, "nav-keys")), &body))
}

fn key_row(v: &Visitor, key: &KeyView) -> Markup {
    html! {
        li.row {
            span.ch { (icons::KEY) }
            span.who { bdi { (key.name) } }
            span.st { (layout::post(v, &format!("/app/developer/keys/{}/revoke", key.id), &html! {
                button.btn.sm.bad aria-label=(t!(v, "key-revoke-named", name = key.name.as_str())) { (t!(v, "key-revoke")) }
            })) }
            span.what { code { "sntc_…" (key.hint) } " · " (t!(v, "key-made")) " " (ago(v, parse(&key.created_at))) }
            span.tm { @if let Some(at) = &key.last_used_at { (t!(v, "key-used")) " " (ago(v, parse(at))) } @else { (t!(v, "key-unused")) } }
        }
    }
}

/// What kept something from being made, above the list it was to join.
fn refusal(v: &Visitor, error: &AppError) -> Markup {
    alarm(
        error.code.title(v.lang),
        &html! {
            @if let Some(detail) = &error.detail { p { (detail.get(v.lang)) } }
            @for problem in &error.errors { p { (problem.detail.get(v.lang)) } }
        },
    )
}

const fn is_refusal(error: &AppError) -> bool {
    matches!(error.code, Code::InvalidFields | Code::Conflict)
}

async fn make_key(v: Visitor, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Develop)?;
    let request = KeyRequest { name: form.get("name").unwrap_or_default().to_owned() };
    match keys::mint(&v.app, v.session.company, &request).await {
        Ok(made) => Ok(keys_page(&v, &once(&v, &t!(v, "key-new"), &made.key)).await?.into_response()),
        Err(error) if is_refusal(&error) => {
            let page = keys_page(&v, &refusal(&v, &error)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn revoke(v: Visitor, Id(id): Id<KeyId>, Posted(_): Posted) -> AppResult<Redirect> {
    v.require(Right::Develop)?;
    keys::revoke(&v.app, v.session.company, id).await?;
    Ok(Redirect::to(&v.to("/app/developer/keys?done=revoked")))
}

async fn show_webhooks(v: Visitor, Asked(query): Asked) -> AppResult<Markup> {
    v.require(Right::Develop)?;
    let note = match query.get("done") {
        Some("test") => Some(t!(v, "done-webhook-test")),
        Some("delete") => Some(t!(v, "done-webhook-deleted")),
        Some("enable") => Some(t!(v, "done-webhook-enabled")),
        _ => None,
    };
    let note = html! { @if let Some(note) = note { p.toast role="status" { (icons::CIRCLE_CHECK) (note) } } };
    webhooks_page(&v, &note).await
}

async fn webhooks_page(v: &Visitor, note: &Markup) -> AppResult<Markup> {
    let list = webhooks::all(&v.app, v.session.company).await?;
    let body = html! {
        (head(&html! { (t!(v, "nav-webhooks")) }, &t!(v, "webhooks-sub"), &html! {}))
        (note)
        form.panel method="post" action=(v.to("/app/developer/webhooks")) novalidate {
            (layout::csrf(v))
            div.ph { h2 { (t!(v, "webhook-new")) } }
            div.pb.stack {
                div.field { label for="w-url" { (t!(v, "webhook-url")) } input.in id="w-url" name="url" type="url" placeholder="https://crm.example.com/hooks" autocomplete="off"; }
                fieldset.stack.s {
                    legend.lbl { (t!(v, "webhook-types")) }
                    @for kind in types::KNOWN { label.check { input type="checkbox" name="types" value=(kind) checked[kind.starts_with("delivery.failed") || kind.starts_with("connection.")]; code { (kind) } } }
                }
            }
            div.pf { button.btn.pri { (icons::PLUS) (t!(v, "webhook-make")) } }
        }
        section.panel aria-label=(t!(v, "nav-webhooks")) {
            @if list.is_empty() { (empty(icons::WEBHOOK, &t!(v, "webhooks-none"), &t!(v, "webhooks-none-text"), &html! {})) }
            @else { ul.rows { @for webhook in &list { (webhook_row(v, webhook)) } } }
        }
    };
    Ok(layout::page(v, &Frame::of(Part::Webhooks, t!(v, "nav-webhooks")), &body))
}

fn webhook_row(v: &Visitor, webhook: &WebhookView) -> Markup {
    let act = |act: &str, class: &str, name: String| {
        layout::post(
            v,
            &format!("/app/developer/webhooks/{}/{act}", webhook.id),
            &html! { button class=(class) { (name) } },
        )
    };
    html! {
        li.row.tall {
            span.ch { (icons::WEBHOOK) }
            span.who { bdi { (webhook.url) } }
            span.st {
                @if webhook.status == "active" { (badge("ok", icons::CIRCLE_CHECK, &t!(v, "automation-on"))) }
                @else { (badge("err", icons::ALERT_CIRCLE, &t!(v, "state-error"))) }
            }
            span.what { (webhook.types.join(", ")) }
            span.tm {}
            div.full.flex.w {
                @if webhook.status == "active" { (act("test", "btn sm", t!(v, "test"))) } @else { (act("enable", "btn sm pri", t!(v, "automation-enable"))) }
                (act("rotate", "btn sm", t!(v, "webhook-rotate")))
                (act("delete", "btn sm bad", t!(v, "webhook-delete")))
                a.link.sm href=(v.to(&format!("/app/developer/webhooks#{}", webhook.id))) id=(webhook.id.to_string()) { code { (webhook.id) } }
            }
        }
    }
}

async fn make_webhook(v: Visitor, Posted(form): Posted) -> AppResult<Response> {
    v.require(Right::Develop)?;
    let request = WebhookRequest {
        url: form.get("url").unwrap_or_default().to_owned(),
        types: form.all("types").map(ToOwned::to_owned).collect(),
        secret: None,
    };
    match webhooks::create(&v.app, &v.setup, request).await {
        Ok(made) => {
            Ok(webhooks_page(&v, &once(&v, &t!(v, "webhook-secret"), &made.secret)).await?.into_response())
        }
        Err(error) if is_refusal(&error) => {
            let page = webhooks_page(&v, &refusal(&v, &error)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn act(v: Visitor, Path((id, act)): Path<(String, String)>, Posted(_): Posted) -> AppResult<Response> {
    v.require(Right::Develop)?;
    let id: WebhookId = id.parse().map_err(|_| AppError::not_found())?;
    match act.as_str() {
        "rotate" => {
            let made = webhooks::rotate(&v.app, &v.setup, id).await?;
            return Ok(webhooks_page(&v, &once(&v, &t!(v, "webhook-secret"), &made.secret))
                .await?
                .into_response());
        }
        "test" => drop(webhooks::test(&v.app, v.session.company, id).await?),
        "enable" => drop(webhooks::enable(&v.app, v.session.company, id).await?),
        "delete" => webhooks::delete(&v.app, v.session.company, id).await?,
        _ => return Err(AppError::not_found()),
    }
    Ok(Redirect::to(&v.to(&format!("/app/developer/webhooks?done={act}"))).into_response())
}
