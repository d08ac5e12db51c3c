//! `/api/integrations`: a company's accounts at the providers.

use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Tenant;
use super::extract::{Id, Json, Language, Query};
use crate::app::AppState;
use crate::connections::health::{self, TestView};
use crate::connections::lists::{self, BalanceView, SendersView, TemplatesView};
use crate::connections::remove::{self, RemovedView};
use crate::connections::save::{self, SaveRequest};
use crate::connections::view::{self, IntegrationsView};
use crate::error::{AppResult, ProblemBody};
use crate::ids::ConnectionId;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, put))
        .routes(routes!(test))
        .routes(routes!(remove))
        .routes(routes!(senders))
        .routes(routes!(templates))
        .routes(routes!(balance))
}

/// All providers with the company's connections and the channels' defaults. Never a secret.
#[utoipa::path(
    get, path = "/api/integrations", tag = "integrations",
    params(
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of labels and details"),
    ),
    responses(
        (status = 200, body = IntegrationsView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
) -> AppResult<axum::Json<IntegrationsView>> {
    Ok(axum::Json(view::integrations(&app, &setup, lang).await?))
}

/// Connects accounts and changes connections. Credentials are checked with the vendor before the answer comes; what
/// the vendor refuses stores nothing at all, with `credentials_refused` and the vendor's reason.
#[utoipa::path(
    put, path = "/api/integrations", tag = "integrations",
    params(
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of labels and details"),
    ),
    request_body = SaveRequest,
    responses(
        (status = 200, body = IntegrationsView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn put(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Json(request): Json<SaveRequest>,
) -> AppResult<axum::Json<IntegrationsView>> {
    let setup = save::save(&app, setup, &request).await?;
    Ok(axum::Json(view::integrations(&app, &setup, lang).await?))
}

/// Which connection is tested.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TestQuery {
    /// Needed when the provider has several connections and none of them is its channel's default.
    connection: Option<String>,
}

/// Asks the vendor whether a connection works, and sends nothing. A check that fails is an answer too.
#[utoipa::path(
    post, path = "/api/integrations/test/{provider}", tag = "integrations",
    params(
        ("provider" = String, Path), TestQuery,
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
        ("Accept-Language" = Option<String>, Header, description = "`tr` or `en`: the language of the detail"),
    ),
    responses(
        (status = 200, body = TestView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn test(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Language(lang): Language,
    Path(provider): Path<String>,
    Query(query): Query<TestQuery>,
) -> AppResult<axum::Json<TestView>> {
    let tested = health::test(&app, &setup, &provider, query.connection.as_deref(), lang).await?;
    Ok(axum::Json(tested))
}

/// Forgets a connection, and says which automations name it.
#[utoipa::path(
    delete, path = "/api/integrations/{connection}", tag = "integrations",
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 200, body = RemovedView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn remove(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<ConnectionId>,
) -> AppResult<axum::Json<RemovedView>> {
    Ok(axum::Json(remove::remove(&app, &setup, id).await?))
}

/// The sender names that the account may use, as the vendor lists them now.
#[utoipa::path(
    get, path = "/api/integrations/{connection}/senders", tag = "integrations",
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 200, body = SendersView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn senders(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<ConnectionId>,
) -> AppResult<axum::Json<SendersView>> {
    Ok(axum::Json(lists::senders(&app, &setup, id).await?))
}

/// The message templates of the account, as the vendor lists them now.
#[utoipa::path(
    get, path = "/api/integrations/{connection}/templates", tag = "integrations",
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 200, body = TemplatesView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn templates(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<ConnectionId>,
) -> AppResult<axum::Json<TemplatesView>> {
    Ok(axum::Json(lists::templates(&app, &setup, id).await?))
}

/// What is left on the account, as the vendor tells now.
#[utoipa::path(
    get, path = "/api/integrations/{connection}/balance", tag = "integrations",
    params(
        ("connection" = String, Path),
        ("Santral-Company" = Option<String>, Header, description = "For whom, when the key is the platform's"),
    ),
    responses(
        (status = 200, body = BalanceView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn balance(
    State(app): State<AppState>,
    Tenant(setup): Tenant,
    Id(id): Id<ConnectionId>,
) -> AppResult<axum::Json<BalanceView>> {
    Ok(axum::Json(lists::balance(&app, &setup, id).await?))
}
