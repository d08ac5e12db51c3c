use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::failure::FailureKind;
use crate::testing::{FakeHttp, FakeSmtp};
use crate::values::{Credentials, Settings};

fn with_cx<T>(run: impl FnOnce(&Cx<'_>) -> T) -> T {
    let (http, smtp) = (FakeHttp::new(), FakeSmtp::new());
    let credentials = Credentials([("access_token".to_owned(), "ya29.canary".to_owned())].into());
    run(&Cx {
        http: &http,
        smtp: &smtp,
        credentials: &credentials,
        settings: &Settings::default(),
        idempotency_key: "dlv_1",
        files: &[],
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    })
}

fn classified(status: u16, body: &str, call: Call) -> Failure {
    let mut answer = Response::new(Bytes::from(body.to_owned()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    with_cx(|cx| classify(cx, &answer, call))
}

fn old(code: u16, reason: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message, "errors": [{"domain": "x", "reason": reason, "message": message}]}})
        .to_string()
}

fn new(code: u16, status: &str, reason: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": "no", "status": status,
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]}})
    .to_string()
}

const LATER: &str = "User-rate limit exceeded.  Retry after 2026-11-24T10:03:15.000Z";

#[rstest]
#[case(401, old(401, "authError", ""), FailureKind::AuthExpired, "token_rejected")]
#[case(401, "".to_owned(), FailureKind::AuthExpired, "token_rejected")]
#[case(403, old(403, "userRateLimitExceeded", LATER), FailureKind::RateLimited { after: Some(Duration::from_secs(195)) }, "rate_limited")]
#[case(429, old(429, "rateLimitExceeded", &format!("{LATER} (Mail sending)")), FailureKind::RateLimited { after: Some(SENDING_CAP_WAIT) }, "daily_limit")]
#[case(429, new(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), FailureKind::RateLimited { after: None }, "rate_limited")]
#[case(403, new(403, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), FailureKind::RateLimited { after: None }, "rate_limited")]
#[case(403, old(403, "dailyLimitExceeded", ""), FailureKind::RateLimited { after: Some(DAILY_WAIT) }, "daily_limit")]
#[case(
    403,
    new(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    FailureKind::Misconfigured(Reason::NeedsReauth),
    "scope_missing"
)]
#[case(
    403,
    new(403, "PERMISSION_DENIED", "SERVICE_DISABLED"),
    FailureKind::Misconfigured(Reason::Misconfigured),
    "api_disabled"
)]
#[case(403, old(403, "domainPolicy", ""), FailureKind::Misconfigured(Reason::Misconfigured), "domain_policy")]
#[case(403, old(403, "forbidden", ""), FailureKind::Rejected, "request_refused")]
#[case(
    400,
    old(400, "failedPrecondition", "Mail service not enabled"),
    FailureKind::Misconfigured(Reason::Misconfigured),
    "mailbox_not_enabled"
)]
#[case(400, old(400, "invalidArgument", "Invalid To header"), FailureKind::Rejected, "request_refused")]
#[case(500, old(500, "backendError", ""), FailureKind::Retryable { after: None }, "vendor_unavailable")]
#[case(503, "<html>".to_owned(), FailureKind::Retryable { after: None }, "vendor_unavailable")]
#[case(502, "<html>".to_owned(), FailureKind::Unconfirmed, "vendor_unavailable")]
fn errors_mean_what_google_documents(
    #[case] status: u16,
    #[case] body: String,
    #[case] kind: FailureKind,
    #[case] code: &str,
) {
    let failure = classified(status, &body, Call::NotRepeatable);
    assert_eq!((failure.kind, failure.code.as_ref()), (kind, code));
}

#[test]
fn a_gateways_error_is_no_doubt_where_the_call_may_be_repeated() {
    assert_eq!(classified(502, "", Call::Repeatable).kind, FailureKind::Retryable { after: None });
}

#[test]
fn the_token_is_blotted_out_of_googles_words() {
    let failure = classified(400, &old(400, "badRequest", "bad ya29.canary\r\nx"), Call::Repeatable);
    assert_eq!(failure.detail, "bad ••• x");
}

proptest! {
    #[test]
    fn no_answer_breaks_it(status in 100_u16..1000, body in any::<Vec<u8>>()) {
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        with_cx(|cx| classify(cx, &answer, Call::NotRepeatable));
    }

    #[test]
    fn no_retry_time_breaks_it(time in "[0-9TZ:.+-]{0,40}") {
        classified(429, &old(429, "rateLimitExceeded", &format!("Retry after {time}")), Call::NotRepeatable);
    }
}
