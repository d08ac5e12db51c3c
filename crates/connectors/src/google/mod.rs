//! What Google's services share: how they are called, what they answer when they do not do it, who the account is.

mod failure;
pub mod sheets;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, Request};

pub(crate) use failure::{Call, classify};

use crate::connector::Cx;
use crate::failure::{Failure, Reason};
use crate::http::target;
use crate::idp::google::{IDP, USERINFO};
use crate::idp::{read_account, request::bearer};
use crate::operation::Checked;

/// A request to one of Google's APIs in the account's name, without a body yet.
pub(crate) fn request(cx: &Cx<'_>, method: Method, address: &str) -> Result<Request<Bytes>, Failure> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = target(address, cx.base_url).ok_or_else(|| {
        Failure::misconfigured(Reason::Misconfigured, "url_invalid", "the address cannot be called")
    })?;
    let token = cx.credentials.get("access_token").and_then(bearer);
    let token = token.ok_or_else(|| Failure::auth_expired("token_missing", "there is no access token"))?;
    request.headers_mut().insert("authorization", token);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// Whether the grant is alive, by asking who the account is: `gmail.send` and `drive.file` allow no smaller question.
pub(crate) async fn check(cx: &Cx<'_>) -> Result<Checked, Failure> {
    let answer = cx.http.send(request(cx, Method::GET, USERINFO)?).await?;
    if !answer.status().is_success() {
        return Err(classify(cx, &answer, Call::Repeatable));
    }
    let account = read_account(&IDP, answer.body())
        .map_err(|error| Failure::retryable("answer_unreadable", error.to_string()))?;
    Ok(Checked { account: account.label, detail: String::new() })
}
