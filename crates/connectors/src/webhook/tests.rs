use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::failure::FailureKind;
use crate::operation::Operation;
use crate::testing::{FakeHttp, FakeSmtp};

const ADDRESS: &str = "https://crm.firma.com.tr/hook?token=t0ken";
const ENCODED: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const RAW: &str = "bir-ornek-imza-anahtari";

/// The verifying library compares with the machine's clock, so the tests sign with it too.
#[expect(clippy::disallowed_methods, reason = "the verifying library has no clock parameter")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn run_at(
    base: Option<&str>,
    http: &FakeHttp,
    secret: &str,
    operation: &Operation,
) -> Result<Value, Failure> {
    let settings = Settings([("url".to_owned(), ADDRESS.to_owned())].into());
    let credentials = Credentials([("secret".to_owned(), secret.to_owned())].into());
    let base = base.map(|base| Url::parse(base).unwrap());
    let cx = Cx {
        http,
        smtp: &FakeSmtp::new(),
        credentials: &credentials,
        settings: &settings,
        idempotency_key: "dlv_1",
        files: &[],
        base_url: base.as_ref(),
        callback_url: None,
        now: now(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(CONNECTOR.perform(&cx, operation))
}

fn run(http: &FakeHttp, secret: &str, operation: &Operation) -> Result<Value, Failure> {
    run_at(None, http, secret, operation)
}

fn message(event: Option<&str>) -> Operation {
    Operation::PostWebhook(PostWebhook {
        to: Some("Ayşe".to_owned()),
        subject: None,
        text: Some("Merhaba \"Ayşe\"\n".to_owned()),
        html: None,
        event: event.map(|event| RawValue::from_string(event.to_owned()).unwrap()),
    })
}

fn only_request(http: &FakeHttp) -> Request<Bytes> {
    let mut requests = http.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[test]
fn a_message_is_posted_with_its_event_untouched() {
    let http = FakeHttp::new().answer(204, "");
    let event = r#"{ "id":"q-114",  "amount": 1.10, "big": 12345678901234567890123 }"#;
    let sent = run(&http, ENCODED, &message(Some(event))).unwrap();
    assert_eq!(sent, json!({"answer": "204"}));
    let request = only_request(&http);
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, ADDRESS));
    let expected = format!(
        r#"{{"id":"dlv_1","to":"Ayşe","subject":null,"text":"Merhaba \"Ayşe\"\n","html":null,"event":{event}}}"#
    );
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), expected);
    assert_eq!(request.headers()["content-type"], "application/json");
    assert!(request.headers()["user-agent"].to_str().unwrap().starts_with("Santral/"));
}

#[test]
fn news_is_posted_in_the_standard_form() {
    let http = FakeHttp::new().answer(200, "");
    let news = Notify {
        event_type: "delivery.sent".to_owned(),
        timestamp: "2026-11-24T10:00:00Z".to_owned(),
        data: RawValue::from_string(r#"{"id": "dlv_9"}"#.to_owned()).unwrap(),
    };
    run(&http, ENCODED, &Operation::Notify(news)).unwrap();
    assert_eq!(
        std::str::from_utf8(only_request(&http).body()).unwrap(),
        r#"{"type":"delivery.sent","timestamp":"2026-11-24T10:00:00Z","data":{"id": "dlv_9"}}"#
    );
}

#[rstest]
#[case(ENCODED, standardwebhooks::Webhook::new(ENCODED))]
#[case(RAW, standardwebhooks::Webhook::from_bytes(RAW.as_bytes().to_vec()))]
fn the_signature_verifies_with_an_independent_library(
    #[case] secret: &str,
    #[case] verifier: Result<standardwebhooks::Webhook, standardwebhooks::WebhookError>,
) {
    let http = FakeHttp::new().answer(200, "");
    run(&http, secret, &message(Some("{}"))).unwrap();
    let request = only_request(&http);
    let verifier = verifier.unwrap();
    verifier.verify(request.body(), request.headers()).unwrap();
    assert!(verifier.verify(b"{}", request.headers()).is_err());
    assert_eq!(request.headers()["webhook-id"], "dlv_1");
}

#[test]
fn the_specifications_own_example_signs_alike() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key_bytes(ENCODED).unwrap());
    let body: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    let signature = sign(&key, [b"msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", b"1649367553", body]).unwrap();
    assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

#[rstest]
#[case(301, FailureKind::Retryable { after: None }, "redirected")]
#[case(400, FailureKind::Retryable { after: None }, "receiver_refused")]
#[case(401, FailureKind::Retryable { after: None }, "receiver_refused")]
#[case(404, FailureKind::Retryable { after: None }, "receiver_refused")]
#[case(408, FailureKind::Retryable { after: None }, "receiver_refused")]
#[case(410, FailureKind::Misconfigured(Reason::Misconfigured), "endpoint_gone")]
#[case(422, FailureKind::Retryable { after: None }, "receiver_refused")]
#[case(429, FailureKind::RateLimited { after: None }, "receiver_busy")]
#[case(500, FailureKind::Retryable { after: None }, "receiver_failed")]
#[case(503, FailureKind::Retryable { after: None }, "receiver_failed")]
#[case(599, FailureKind::Retryable { after: None }, "receiver_failed")]
fn an_answer_means(#[case] status: u16, #[case] kind: FailureKind, #[case] code: &str) {
    let http = FakeHttp::new().answer(status, "inner words");
    let failure = run(&http, ENCODED, &message(None)).unwrap_err();
    assert_eq!((&failure.kind, &*failure.code), (&kind, code));
    assert_eq!(failure.vendor_code, Some(status.to_string()));
    assert!(!failure.to_string().contains("inner words"));
    assert!(!failure.to_string().contains("t0ken"));
}

#[rstest]
#[case(429, "30", FailureKind::RateLimited { after: Some(Duration::from_secs(30)) })]
#[case(503, "30", FailureKind::Retryable { after: Some(Duration::from_secs(30)) })]
#[case(503, "-30", FailureKind::Retryable { after: None })]
#[case(429, "soon", FailureKind::RateLimited { after: None })]
fn a_receiver_is_given_the_rest_it_asks_for(
    #[case] status: u16,
    #[case] retry_after: &str,
    #[case] kind: FailureKind,
) {
    let http = FakeHttp::new().answer_with(status, &[("retry-after", retry_after)], "");
    assert_eq!(run(&http, ENCODED, &message(None)).unwrap_err().kind, kind);
}

#[test]
fn an_overridden_base_moves_the_call_and_nothing_else() {
    let http = FakeHttp::new().answer(200, "");
    run_at(Some("http://127.0.0.1:9000"), &http, ENCODED, &message(None)).unwrap();
    assert_eq!(only_request(&http).uri().to_string(), "http://127.0.0.1:9000/hook?token=t0ken");
}

#[test]
fn a_check_looks_and_does_not_call() {
    let http = FakeHttp::new();
    let checked = run(&http, RAW, &Operation::Check(Check {})).unwrap();
    assert_eq!(checked["account"], "crm.firma.com.tr");
    let failure = run(&http, "short", &Operation::Check(Check {})).unwrap_err();
    assert_eq!(&*failure.code, "secret_invalid");
    assert!(http.requests().is_empty());
}

#[rstest]
#[case(ENCODED, true)]
#[case(RAW, true)]
#[case("0123456789abcdef", true)]
#[case("0123456789abcde", false)]
#[case("whsec_not base64 at all!", false)]
#[case("whsec_c2hvcnQ=", false)]
#[case("whsec_", false)]
fn a_secret_is_checked_when_it_is_typed_in(#[case] secret: &str, #[case] good: bool) {
    let settings = json!({"url": ADDRESS}).as_object().unwrap().clone();
    let credentials = json!({"secret": secret}).as_object().unwrap().clone();
    match CONNECTOR.validate(&settings, &credentials, None) {
        Ok(_) => assert!(good),
        Err(problems) => {
            assert!(!good);
            assert_eq!(
                (problems[0].field.as_str(), problems[0].code),
                ("credentials.secret", "invalid_secret")
            );
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_json_and_verifies(to in any::<Option<String>>(), text in any::<String>()) {
        let http = FakeHttp::new().answer(200, "");
        let op = PostWebhook { to: to.clone(), subject: None, text: Some(text.clone()), html: None, event: None };
        run(&http, ENCODED, &Operation::PostWebhook(op)).unwrap();
        let request = only_request(&http);
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        prop_assert_eq!(body, json!({"id": "dlv_1", "to": to, "subject": null, "text": text, "html": null, "event": null}));
        standardwebhooks::Webhook::new(ENCODED).unwrap().verify(request.body(), request.headers()).unwrap();
    }
}
