use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;
use url::{Url, form_urlencoded};

use super::*;
use crate::capability::{Callback, CallbackRefused, CallbackRequest, MessageState, ReadCallback};
use crate::failure::{FailureKind, Reason};
use crate::operation::{MessageKind, RecipientType};
use crate::testing::{Account, FakeHttp};

fn sms(text: &str) -> SendSms {
    SendSms {
        to: "+905321234567".to_owned(),
        text: text.to_owned(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
    }
}

fn account() -> Account {
    Account::of(&CONNECTOR)
}

async fn send(text: &str, http: &FakeHttp) -> Result<Sent, Failure> {
    Vonage.perform(&account().cx(http), &sms(text)).await
}

#[tokio::test]
async fn a_message_is_a_form_whose_secrets_stand_in_a_header() {
    let answer = r#"{"message-count":"2","messages":[
        {"to":"905321234567","message-id":"0A","status":"0","remaining-balance":"3.14","message-price":"0.03330000","network":"28601"},
        {"to":"905321234567","message-id":"0B","status":"0","remaining-balance":"3.11","message-price":"0.03330000"}]}"#;
    let http = FakeHttp::new().answer(200, answer);
    let sent = send("Siparişiniz hazır", &http).await.unwrap();
    assert_eq!((sent.message_id.as_deref(), sent.segments), (Some("0A"), Some(2)));
    assert_eq!(sent.price, Some(Price { amount: "0.0666".into(), currency: "EUR".into() }));
    let request = &http.requests()[0];
    assert_eq!(request.uri(), "https://rest.nexmo.com/sms/json");
    let fields: Vec<_> = form_urlencoded::parse(request.body()).into_owned().collect();
    let expected = [
        ("from", "FIRMAADI"),
        ("to", "905321234567"),
        ("text", "Siparişiniz hazır"),
        ("client-ref", "dlv_1"),
        ("type", "unicode"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

fn kinds(kind: &FailureKind) -> &'static str {
    match kind {
        FailureKind::Retryable { .. } => "retry",
        FailureKind::RateLimited { .. } => "rate",
        FailureKind::AuthExpired => "expired",
        FailureKind::Misconfigured(Reason::RejectedCredentials) => "auth",
        FailureKind::Misconfigured(Reason::InsufficientBalance) => "balance",
        FailureKind::Misconfigured(_) => "config",
        FailureKind::Rejected => "rejected",
        FailureKind::Unconfirmed => "unknown",
    }
}

#[rstest]
#[case("rate", &[1, 10])]
#[case("rejected", &[2, 3, 6, 7, 12, 15, 22, 23, 33, 99])]
#[case("auth", &[4, 14, 32])]
#[case("retry", &[5])]
#[case("config", &[8, 11, 29])]
#[case("balance", &[9])]
#[tokio::test]
async fn a_failure_hides_behind_http_200(#[case] kind: &str, #[case] codes: &[u32]) {
    for code in codes {
        let body =
            format!(r#"{{"message-count":"1","messages":[{{"status":"{code}","error-text":"words"}}]}}"#);
        let failure = send("a", &FakeHttp::new().answer(200, body)).await.unwrap_err();
        assert_eq!(kinds(&failure.kind), kind, "{code}");
        assert_eq!((failure.vendor_code, failure.detail.as_str()), (Some(code.to_string()), "words"));
    }
}

#[rstest]
#[case(r#"{"messages":[{"status":"0","message-id":"1"},{"status":"5","error-text":"x"}]}"#, "partly_sent")]
#[case(r#"{"messages":[]}"#, "answer_unreadable")]
#[case(r#"{"messages":[{}]}"#, "answer_unreadable")]
#[case("", "answer_unreadable")]
#[tokio::test]
async fn what_was_taken_in_part_or_unreadably_is_not_sent_again(
    #[case] body: &'static str,
    #[case] code: &str,
) {
    let failure = send("a", &FakeHttp::new().answer(200, body)).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_ref()), (FailureKind::Unconfirmed, code));
}

#[tokio::test]
async fn a_check_asks_for_the_balance() {
    let http = FakeHttp::new().answer(200, r#"{"value":3.14,"autoReload":false}"#);
    let checked = Vonage.perform(&account().cx(&http), &Check {}).await.unwrap();
    assert_eq!(checked, Checked { account: "a1b2c3d4".into(), detail: "3.14 EUR".into() });
    let http =
        FakeHttp::new().answer(401, r#"{"error-code":"401","error-code-label":"authentication failed"}"#);
    assert_eq!(kinds(&Vonage.perform(&account().cx(&http), &Check {}).await.unwrap_err().kind), "auth");
}

mod signed;

fn read_with(
    method: &str,
    http: &Method,
    query: &str,
    body: &[u8],
    bearer: Option<&str>,
) -> Result<Callback, CallbackRefused> {
    let account = account().set("signature_method", method);
    read_by(&account, http, query, body, bearer)
}

fn read_by(
    account: &Account,
    http: &Method,
    query: &str,
    body: &[u8],
    bearer: Option<&str>,
) -> Result<Callback, CallbackRefused> {
    let url = Url::parse("https://santral.example/hooks/vonage/x").unwrap();
    let mut headers = HeaderMap::new();
    if let Some(token) = bearer {
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    }
    Vonage.read(&account.callback(&url), &CallbackRequest { method: http, query, headers: &headers, body })
}

fn old_query(sig: &str) -> String {
    let parameters = signed::PARAMETERS.iter().copied().chain([("sig", sig)]);
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

#[test]
fn the_old_signature_is_believed_in_each_method_as_get_and_post() {
    for (method, sig) in signed::OLD {
        let query = old_query(sig);
        for callback in [
            read_with(method, &Method::GET, &query, b"", None).unwrap(),
            read_with(method, &Method::POST, "", query.as_bytes(), None).unwrap(),
            read_with(method, &Method::POST, "", old_query(&sig.to_uppercase()).as_bytes(), None).unwrap(),
        ] {
            let [status] = callback.statuses.as_slice() else { panic!("{callback:?}") };
            assert_eq!(
                (status.message_id.as_str(), status.reference.as_deref()),
                ("0A0000000123ABCD1", Some("dlv_1"))
            );
            assert_eq!(
                (&status.state, status.to.as_deref()),
                (&MessageState::Delivered, Some("+905321234567"))
            );
            assert_eq!(status.price.as_ref().unwrap().amount, "0.03330000");
        }
        // The account's method counts, not the caller's choice.
        for (other, _) in signed::OLD.iter().filter(|(other, _)| other != method) {
            assert_eq!(read_with(other, &Method::GET, &query, b"", None), Err(CallbackRefused::Signature));
        }
    }
}

#[test]
fn the_new_signature_is_believed_for_its_body_only() {
    let body = signed::BODY.as_bytes();
    let callback = read_with("sha256", &Method::POST, "", body, Some(signed::JWT)).unwrap();
    assert!(matches!(callback.statuses[0].state, MessageState::Failed(_)));
    let other = signed::BODY.replace("failed", "delivered");
    let refused = Err(CallbackRefused::Signature);
    assert_eq!(read_with("sha256", &Method::POST, "", other.as_bytes(), Some(signed::JWT)), refused);
    // The token says nothing of a query.
    assert_eq!(read_with("sha256", &Method::GET, &old_query("00"), b"", Some(signed::JWT)), refused);
    assert_eq!(read_with("sha256", &Method::POST, "status=delivered", body, Some(signed::JWT)), refused);
    let mut other_account = account();
    other_account.credentials.0.insert("api_key".into(), "someone1".into());
    assert_eq!(read_by(&other_account, &Method::POST, "", body, Some(signed::JWT)), refused);
}

#[test]
fn an_old_call_is_stale_and_an_unsigned_one_is_asked_for_again() {
    let mut later = account();
    later.now = later.now.checked_add(jiff::SignedDuration::from_mins(6)).unwrap();
    let (_, sig) = signed::OLD[0];
    later.settings.0.insert("signature_method".into(), signed::OLD[0].0.into());
    assert_eq!(read_by(&later, &Method::GET, &old_query(sig), b"", None), Err(CallbackRefused::Stale));
    let body = signed::BODY.as_bytes();
    assert_eq!(read_by(&later, &Method::POST, "", body, Some(signed::JWT)), Err(CallbackRefused::Stale));
    let unsigned = old_query("").replace("&sig=", "");
    assert_eq!(read_with("sha256", &Method::GET, &unsigned, b"", None), Err(CallbackRefused::Again));
}

#[rstest]
#[case("alg none", "eyJhbGciOiJub25lIn0.eyJhcGlfa2V5IjoiYTFiMmMzZDQifQ.")]
#[case("no parts", "x")]
#[case("two parts", "x.y")]
#[case("noise", "....")]
fn a_token_that_is_none_is_refused(#[case] _what: &str, #[case] token: &str) {
    let refused = read_with("sha256", &Method::POST, "", signed::BODY.as_bytes(), Some(token));
    assert_eq!(refused, Err(CallbackRefused::Signature));
}

proptest! {
    #[test]
    fn every_flipped_bit_is_refused(at in 0..5_000_usize, bit in 0..8_u8) {
        for (method, sig) in signed::OLD {
            let query = old_query(sig);
            let mut bytes = query.clone().into_bytes();
            let place = at % bytes.len();
            bytes[place] ^= 1 << bit;
            let same = |text: &str| {
                let folded = |text: &str| -> Vec<(String, String)> {
                    form_urlencoded::parse(text.as_bytes()).map(|(name, value)| {
                        let value = if name == "sig" { value.to_lowercase() } else { value.into_owned() };
                        (name.into_owned(), value.replace(['&', '='], "_"))
                    }).collect()
                };
                folded(text) == folded(&query)
            };
            if let Ok(text) = String::from_utf8(bytes) && !same(&text) {
                prop_assert!(read_with(method, &Method::GET, &text, b"", None).is_err(), "{}", text);
            }
        }
        let mut token = signed::JWT.as_bytes().to_vec();
        let place = at % token.len();
        token[place] ^= 1 << bit;
        if let Ok(token) = String::from_utf8(token) && HeaderValue::from_str(&token).is_ok() {
            let read = read_with("sha256", &Method::POST, "", signed::BODY.as_bytes(), Some(&token));
            prop_assert!(read.is_err());
        }
        let mut body = signed::BODY.as_bytes().to_vec();
        let place = at % body.len();
        body[place] ^= 1 << bit;
        prop_assert!(read_with("sha256", &Method::POST, "", &body, Some(signed::JWT)).is_err());
    }

    #[test]
    fn no_call_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..300), query in "\\PC{0,80}") {
        prop_assert!(read_with("sha256", &Method::POST, "", &body, None).is_err());
        prop_assert!(read_with("md5hash", &Method::GET, &query, b"", None).is_err());
    }
}

#[test]
fn the_samples_are_of_the_samples_time() {
    assert_eq!(account().now, Timestamp::from_second(1_795_514_400).unwrap());
}
