//! `/console`: the operator's own pages, for those who run Santral without a CRM that makes companies and links.
//!
//! They stand apart from a company's pages: another cookie, another frame, another log.

mod audit;
mod companies;
mod company;
mod frame;
mod operator;
mod set_up;
mod sign_in;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};

use self::operator::Operator;
use super::around::{dress, is_own_site};
use super::error_page;
use crate::app::AppState;
use crate::error::{AppError, Code};
use crate::i18n::Lang;

/// All of the console; nothing where it is switched off.
pub(super) fn routes(app: &AppState) -> Router<AppState> {
    if !app.config.console {
        return Router::new();
    }
    Router::new()
        .route("/console", get(async |op: Operator| Redirect::to(&op.to("/console/companies"))))
        .merge(sign_in::routes())
        .merge(set_up::routes())
        .merge(companies::routes())
        .merge(company::routes())
        .merge(audit::routes())
        .route("/console/{*lost}", any(async || AppError::not_found()))
        .layer(from_fn_with_state(app.clone(), around))
}

/// Around every page of the console: who looks, whether another site asks, and errors as pages.
async fn around(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let accepted = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let accepted = Lang::from_accept_language(accepted);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_foreign = !is_safe && !is_own_site(&app.config, headers);
    let operator = Operator::of(&app, headers).await;
    let lang = operator.as_ref().ok().and_then(Option::as_ref).map_or(accepted, |operator| operator.lang);
    if let Ok(Some(operator)) = &operator {
        request.extensions_mut().insert(operator.clone());
    }
    let mut response = match operator {
        Err(error) => error.into_response(),
        Ok(_) if is_foreign => AppError::new(Code::Forbidden)
            .detail("İstek başka bir siteden geldi.", "The request came from another site.")
            .into_response(),
        Ok(_) => next.run(request).await,
    };
    if let Some(error) = response.extensions_mut().remove::<AppError>() {
        response = match error.code {
            Code::Unauthenticated => {
                Redirect::to(&format!("{}/console/sign-in", app.config.public_url.prefix())).into_response()
            }
            _ => error_page::show(&error, (None, lang), &app.config),
        };
    }
    dress(&app.config, response.headers_mut());
    response
}
