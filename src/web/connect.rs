//! `/app/integrations/{category}/{provider}/new`: connecting an account. Saving is testing: what the vendor refuses is
//! not stored, and what was typed stays on the page.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::fields::{Filled, again, inputs, typed};
use super::icons;
use super::layout::{self, Page, Part};
use super::logos::logo;
use super::parts::{alarm, alert, category_name, head, slug, technical};
use super::texts::t;
use super::visitor::{Asked, Posted, Visitor};
use crate::app::AppState;
use crate::connections::connect::connect;
use crate::connections::view::{ProviderView, integrations, provider_of};
use crate::connections::words;
use crate::error::{AppError, AppResult, Code};
use crate::sessions::Right;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/integrations/{category}/{provider}/new", get(show).post(save))
}

fn find(v: &Visitor, (category, provider): &(String, String)) -> AppResult<ProviderView> {
    v.require(Right::Configure)?;
    let found = provider_of(provider, v.lang).filter(|found| slug(found.category) == category.as_str());
    found.ok_or_else(AppError::not_found)
}

async fn show(v: Visitor, Path(place): Path<(String, String)>, Asked(query): Asked) -> AppResult<Response> {
    let provider = find(&v, &place)?;
    if provider.idp.is_some() {
        // Whether the operator has set it up, the registry does not know.
        let all = integrations(&v.app, &v.setup, v.lang).await?;
        let known = all.items.iter().find(|known| known.provider == provider.provider);
        return Ok(by_consent(&v, known.unwrap_or(&provider)).into_response());
    }
    let preset = query.get("preset").and_then(|id| provider.presets.iter().find(|preset| preset.id == id));
    let mut filled = Filled::default();
    if let Some(preset) = preset {
        let is_setting =
            |key: &str| provider.fields.iter().any(|field| field.key == key && field.part == "settings");
        filled.label = preset.name.to_owned();
        for (key, value) in &preset.values {
            let values = if is_setting(key) { &mut filled.settings } else { &mut filled.given };
            values.insert((*key).to_owned(), (*value).to_owned());
        }
    }
    Ok(page(&v, &provider, &filled, preset.map(|preset| preset.help)).into_response())
}

async fn save(v: Visitor, Path(place): Path<(String, String)>, Posted(form): Posted) -> AppResult<Response> {
    let provider = find(&v, &place)?;
    if provider.idp.is_some() {
        return Err(AppError::not_found());
    }
    let connected = connect(&v.app, v.setup.clone(), provider.provider, typed(&provider, &form)).await;
    match connected {
        Ok(id) => Ok(Redirect::to(&v.to(&format!("/app/connections/{id}?done=connected"))).into_response()),
        Err(error) if matches!(error.code, Code::InvalidFields | Code::CredentialsRefused) => {
            let page = page(&v, &provider, &again(&provider, &form, &error, &[]), None);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

/// For a provider that asks for no fields: the way to its consent page, or why there is none yet.
fn by_consent(v: &Visitor, provider: &ProviderView) -> Markup {
    let consent = super::consent::address(v, provider, (None, false)).filter(|_| provider.available);
    let body = html! {
        div.two {
            section.panel { div.pb.stack {
                @if let Some(address) = consent {
                    p { (t!(v, "connect-by-consent", provider = provider.name)) }
                    p { a.btn.pri href=(address) { (icons::PLUG_CONNECTED) (t!(v, "connect")) } }
                } @else {
                    p { (t!(v, "connect-closed", provider = provider.name)) }
                    p { a.btn href=(v.to(&category_route(provider))) { (t!(v, "back-to-accounts")) } }
                }
            } }
            (assurances(v))
        }
    };
    framed(v, provider, (&t!(v, "connect-title", provider = provider.name), &t!(v, "offer-consent")), &body)
}

fn category_route(provider: &ProviderView) -> String {
    format!("/app/integrations/{}", slug(provider.category))
}

/// The heading above either.
fn framed(v: &Visitor, provider: &ProviderView, (title, sub): (&str, &str), body: &Markup) -> Markup {
    let page = Page::of(Part::Integrations, title)
        .under(t!(v, "nav-integrations"), "/app/integrations")
        .under(category_name(v, provider.category), category_route(provider));
    let body = html! {
        div.flex {
            @if let Some(connector) = santral_connectors::find(provider.provider) { (logo(connector, "lg")) }
            (head(&html! { (t!(v, "connect-title", provider = provider.name)) }, sub, &html! {}))
        }
        (body)
    };
    layout::page(v, &page, &body)
}

fn page(v: &Visitor, provider: &ProviderView, filled: &Filled<'_>, preset_help: Option<&str>) -> Markup {
    let title = t!(v, "connect-title", provider = provider.name);
    let category = category_route(provider);
    let shown = if filled.error.is_some() { format!("{}: {title}", t!(v, "error-prefix")) } else { title };
    let body = html! {
        div.two {
            div.stack {
                @if let Some(error) = filled.error { (refused(v, provider, error)) }
                @if let Some(help) = preset_help { (alert("info", &filled.label, &html! { (help) })) }
                form.panel method="post" action=(v.to(&format!("{category}/{}/new", provider.provider))) novalidate data-busy=(t!(v, "checking")) {
                    (layout::csrf(v))
                    div.ph { h2 { (t!(v, "connect-form")) } }
                    div.pb.fgrid { (inputs(v, provider, filled)) }
                    div.pf {
                        button.btn.pri { (icons::PLUG_CONNECTED) (t!(v, "save-and-test")) }
                        a.btn.ghost href=(v.to(&category)) { (t!(v, "cancel")) }
                    }
                }
            }
            (assurances(v))
        }
    };
    framed(v, provider, (&shown, &t!(v, "connect-sub")), &body)
}

/// What went wrong: who refuses, what it means, and the codes behind a line that opens.
pub(super) fn refused(v: &Visitor, provider: &ProviderView, error: &AppError) -> Markup {
    if error.code == Code::InvalidFields {
        let title = t!(v, "connect-invalid", count = error.errors.len());
        return alarm(
            &title,
            &html! {
                ul.cause { @for problem in &error.errors { li { span { (problem.detail.get(v.lang)) } } } }
            },
        );
    }
    let title = t!(v, "connect-refused", provider = provider.name);
    alarm(
        &title,
        &html! {
            @for problem in &error.errors {
                p { (words::plain(problem.code, v.lang).unwrap_or_else(|| problem.detail.get(v.lang).to_owned())) }
            }
            p { (t!(v, "connect-refused-effect")) }
            @for problem in &error.errors {
                (technical(v, &format!("{}\n{}", problem.code, problem.detail.get(v.lang))))
            }
        },
    )
}

/// What happens with what is typed.
pub(super) fn assurances(v: &Visitor) -> Markup {
    let addresses = &v.app.config.egress_ips;
    html! {
        aside.stack.stick aria-label=(t!(v, "help")) {
            section.panel { div.pb.stack {
                div.flex { (icons::SHIELD_LOCK) h2 { (t!(v, "safe-title")) } }
                p.ink2.sm { (t!(v, "safe-text")) }
                div.flex { (icons::FLASK) h2 { (t!(v, "free-title")) } }
                p.ink2.sm { (t!(v, "free-text")) }
                @if !addresses.is_empty() {
                    div.flex { (icons::WORLD) h2 { (t!(v, "egress-title")) } }
                    p.ink2.sm { (t!(v, "egress-text")) }
                    @for address in addresses { code { (address) } }
                }
            } }
        }
    }
}
