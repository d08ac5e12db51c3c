//! `/api/integrations/oauth/{idp}`: connecting by consent.

mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Path, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use url::Url;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{Json, Language, Query};
use crate::app::AppState;
use crate::audit::{self, Author};
use crate::companies::setup::Setup;
use crate::connections::oauth::apps::{self, AppRequest, AppView};
use crate::connections::oauth::begin::begin;
use crate::connections::oauth::callback::{self, ConnectedView, Done};
use crate::connections::oauth::disconnect::{self, DisconnectRequest};
use crate::connections::oauth::tickets::{self, TicketView};
use crate::connections::oauth::{Asked, Refused, Wish, find_idp};
use crate::connections::remove::RemovedView;
use crate::error::{AppError, AppResult, Code, ProblemBody};
use crate::i18n::Lang;
use crate::ids::SessionId;
use crate::sessions::{self, Right};
use crate::web::browser_address;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(authorize))
        .routes(routes!(callback))
        .routes(routes!(ticket))
        .routes(routes!(disconnect))
        .routes(routes!(app, put_app, remove_app))
}

/// What is to be connected.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct AuthorizeQuery {
    /// Providers, separated by commas: `gmail,google_sheets`.
    services: Option<String>,
    /// The connection that is to work again.
    connection: Option<String>,
    /// Where the browser goes afterwards: a path of this server, or an address of an allowed origin.
    return_url: Option<String>,
    /// Ask for the permissions too that only some uses need, such as large attachments by Outlook.
    optional: Option<bool>,
    /// A one-time link's ticket; then nothing else is needed.
    ticket: Option<String>,
}

/// Sends the browser to the consent page. Takes a key, a session or a ticket, and gives the browser a cookie without
/// which the way back leads nowhere.
#[utoipa::path(
    get, path = "/api/integrations/oauth/{idp}/authorize", tag = "integrations",
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"), AuthorizeQuery,
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 302, description = "To the consent page"),
        (status = "4XX", description = "A problem; what is wrong with a ticket, as a page or as a problem"),
        (status = "5XX", description = "A problem, or a page for a browser with a ticket"),
    ),
)]
async fn authorize(
    State(app): State<AppState>,
    Path(idp): Path<String>,
    Query(query): Query<AuthorizeQuery>,
    Language(lang): Language,
    request: Request,
) -> AppResult<Response> {
    let idp = find_idp(&idp)?;
    let (mut parts, _) = request.into_parts();
    let (setup, wish) = match &query.ticket {
        Some(ticket) => match tickets::redeem(&app, idp, ticket).await {
            Ok(redeemed) => redeemed,
            Err(refused) => return Ok(refusal(&refused, &parts.headers, lang)),
        },
        None => {
            let (setup, session) = company_of(&app, &mut parts).await?;
            let services = query.services.as_deref().unwrap_or_default().split(',');
            let services = services.map(str::trim).filter(|service| !service.is_empty());
            let asked = Asked {
                services: services.map(str::to_owned).collect(),
                connection: query.connection,
                return_url: query.return_url,
                user: None,
                optional: query.optional.unwrap_or(false),
            };
            let wish = Wish::read(&app, &setup, idp, asked)?;
            (setup, Wish { session, ..wish })
        }
    };
    let begun = begin(&app, &setup, idp, &wish).await?;
    redirect(StatusCode::FOUND, &begun.location, &begun.cookie)
}

/// Whoever may act for the company: by a key, or in a browser by a session of its pages, which is told then.
async fn company_of(app: &AppState, parts: &mut Parts) -> AppResult<(Arc<Setup>, Option<SessionId>)> {
    if !parts.headers.contains_key(AUTHORIZATION)
        && let Some(session) = sessions::look(app, &parts.headers, true).await?
    {
        if !session.role.may(Right::Configure) {
            return Err(AppError::new(Code::Forbidden));
        }
        let setup = app.setups().get(session.company).await?;
        let setup = setup.filter(|setup| setup.active).ok_or_else(AppError::not_found)?;
        return Ok((setup, Some(session.id)));
    }
    let Tenant(setup) = Tenant::from_request_parts(parts, app).await?;
    Ok((setup, None))
}

/// The way back from the consent page: stores what was granted and returns to the page it came from.
#[utoipa::path(
    get, path = "/api/integrations/oauth/{idp}/callback", tag = "integrations", security(()),
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"),
        ("state" = Option<String>, Query), ("code" = Option<String>, Query), ("error" = Option<String>, Query),
        ("iss" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Vec<ConnectedView>),
        (status = 303, description = "To where the flow began"),
        (status = "4XX", description = "What went wrong and what helps, as a page or as a problem; nothing is stored"),
        (status = "5XX", description = "What went wrong and what helps, as a page or as a problem; nothing is stored"),
    ),
)]
async fn callback(
    State(app): State<AppState>,
    Path(idp): Path<String>,
    Language(lang): Language,
    request: Request,
) -> AppResult<Response> {
    let idp = find_idp(&idp)?;
    let headers = request.headers();
    match callback::finish(&app, idp, request.uri().query().unwrap_or_default(), headers).await {
        Ok(done) => {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
            note(&app, &done, &browser_address(peer, headers)).await;
            done_response(done, headers, lang)
        }
        Err(refused) => Ok(refusal(&refused, headers, lang)),
    }
}

/// Writes down who connected an account in the company's pages, as for one that is connected there by its fields.
async fn note(app: &AppState, done: &Done, address: &str) {
    let Some(by) = &done.by else { return };
    let connected: Vec<String> =
        done.connections.iter().map(|view| format!("{} {}", view.provider, view.id)).collect();
    let action = "/app/integrations/{category}/{provider}/new";
    if let Err(error) =
        audit::record(app, by.company, &Author::of(by), (action, &connected.join(", "), address)).await
    {
        tracing::error!(%error, action, "the audit log could not be written");
    }
}

/// Makes a one-time link that begins the same in a browser that holds no key.
#[utoipa::path(
    post, path = "/api/integrations/oauth/{idp}/tickets", tag = "integrations",
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    request_body = Asked,
    responses(
        (status = 201, body = TicketView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn ticket(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Path(idp): Path<String>,
    Json(asked): Json<Asked>,
) -> AppResult<(StatusCode, axum::Json<TicketView>)> {
    let idp = find_idp(&idp)?;
    let wish = Wish::read(&app, &setup, idp, asked)?;
    Ok((StatusCode::CREATED, axum::Json(tickets::create(&app, &setup, idp, &wish).await?)))
}

/// Disconnects: forgets the connection, and with the last one of its grant revokes that too where the vendor can.
#[utoipa::path(
    post, path = "/api/integrations/oauth/{idp}/disconnect", tag = "integrations",
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of the detail"),
    ),
    request_body = DisconnectRequest,
    responses(
        (status = 200, body = RemovedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn disconnect(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Path(idp): Path<String>,
    Language(lang): Language,
    Json(request): Json<DisconnectRequest>,
) -> AppResult<axum::Json<RemovedView>> {
    let idp = find_idp(&idp)?;
    Ok(axum::Json(disconnect::disconnect(&app, &setup, idp, &request, lang).await?))
}

/// The app that new consents go to, and the redirect address to enter at the vendor.
#[utoipa::path(
    get, path = "/api/integrations/oauth/{idp}/app", tag = "integrations",
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 200, body = AppView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn app(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Path(idp): Path<String>,
) -> AppResult<axum::Json<AppView>> {
    Ok(axum::Json(apps::show(&app, &setup, find_idp(&idp)?).await?))
}

/// Brings the company's own app at the identity provider; new consents go to it.
#[utoipa::path(
    put, path = "/api/integrations/oauth/{idp}/app", tag = "integrations",
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    request_body = AppRequest,
    responses(
        (status = 200, body = AppView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn put_app(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Path(idp): Path<String>,
    Json(request): Json<AppRequest>,
) -> AppResult<axum::Json<AppView>> {
    Ok(axum::Json(apps::put(&app, &setup, find_idp(&idp)?, &request).await?))
}

/// Forgets the company's own app; new consents go to the operator's. Connections made with it stop renewing.
#[utoipa::path(
    delete, path = "/api/integrations/oauth/{idp}/app", tag = "integrations",
    params(
        ("idp" = String, Path, description = "`google` or `microsoft`"),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn remove_app(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Path(idp): Path<String>,
) -> AppResult<StatusCode> {
    apps::remove(&app, &setup, find_idp(&idp)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing of these answers is kept by a browser or told to the next site.
fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn redirect(status: StatusCode, location: &str, cookie: &str) -> AppResult<Response> {
    let header = |text: &str| HeaderValue::from_str(text).map_err(|_| AppError::new(Code::Internal));
    let mut response = status.into_response();
    response.headers_mut().insert(LOCATION, header(location)?);
    response.headers_mut().append(SET_COOKIE, header(cookie)?);
    Ok(private(response))
}

fn wants(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(kind))
}

fn done_response(done: Done, headers: &HeaderMap, lang: Lang) -> AppResult<Response> {
    let only_json = wants(headers, "application/json") && !wants(headers, "text/html");
    let back = done.return_url.as_deref().and_then(|url| Url::parse(url).ok()).filter(|_| !only_json);
    if let Some(mut back) = back {
        let ids: Vec<String> = done.connections.iter().map(|view| view.id.to_string()).collect();
        back.query_pairs_mut().append_pair("oauth", "connected").append_pair("connections", &ids.join(","));
        return redirect(StatusCode::SEE_OTHER, back.as_str(), &done.cookie);
    }
    let mut response = if wants(headers, "text/html") {
        page::connected(&done.connections, lang)
    } else {
        axum::Json(&done.connections).into_response()
    };
    if let Ok(cookie) = HeaderValue::from_str(&done.cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(private(response))
}

/// What happened and what helps: a page for a person, a problem for a program.
fn refusal(refused: &Refused, headers: &HeaderMap, lang: Lang) -> Response {
    if wants(headers, "text/html") {
        return private(page::refused(refused, lang));
    }
    let (refusal, status) = (refused.refusal, refused.refusal.status());
    let mut detail = refusal.remedy().get(lang).to_owned();
    if let Some(words) = &refused.detail {
        detail.push_str(&format!(" ({words})"));
    }
    let body = serde_json::json!({
        "type": format!("/docs/problems#{}", refusal.code()),
        "title": refusal.title().get(lang),
        "status": status.as_u16(),
        "code": refusal.code(),
        "detail": detail,
    });
    let kind = [(axum::http::header::CONTENT_TYPE, "application/problem+json")];
    private((status, kind, body.to_string()).into_response())
}
