use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use rstest::rstest;
use url::{Url, form_urlencoded};

use super::*;
use crate::capability::{InboundKind, MessageState};
use crate::failure::{FailureKind, Reason};
use crate::operation::{MessageKind, RecipientType};
use crate::testing::{Account as Filled, FakeHttp};

const SM: &str = "SM00112233445566778899aabbccddeeff";

fn sms(text: &str) -> SendSms {
    SendSms {
        to: "+905321234567".to_owned(),
        text: text.to_owned(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
    }
}

fn account() -> Filled {
    Filled::of(&CONNECTOR).set("messaging_service_sid", "")
}

fn form(http: &FakeHttp) -> Vec<(String, String)> {
    form_urlencoded::parse(http.requests()[0].body()).into_owned().collect()
}

#[tokio::test]
async fn a_message_is_a_form_with_a_place_for_its_receipts() {
    let http = FakeHttp::new()
        .answer(201, format!(r#"{{"sid":"{SM}","status":"queued","num_segments":"2","error_code":null}}"#));
    let account = account();
    let cx = Cx { callback_url: Some("https://santral.example/hooks/twilio/s?a=b"), ..account.cx(&http) };
    let sent = Twilio.perform(&cx, &sms("Siparişiniz & hazır")).await.unwrap();
    assert_eq!((sent.message_id.as_deref(), sent.segments), (Some(SM), Some(2)));
    let request = &http.requests()[0];
    assert_eq!(
        request.uri(),
        "https://api.twilio.com/2010-04-01/Accounts/AC00112233445566778899aabbccddeeff/Messages.json"
    );
    // The API key signs in; the account stays in the path.
    let basic = STANDARD.encode("SK00112233445566778899aabbccddeeff:ornek-api-anahtari-gizli-degeri");
    assert_eq!(request.headers()["authorization"], format!("Basic {basic}"));
    let fields = [
        ("To", "+905321234567"),
        ("Body", "Siparişiniz & hazır"),
        ("From", "+15550001111"),
        ("StatusCallback", "https://santral.example/hooks/twilio/s?a=b"),
    ];
    assert_eq!(form(&http), fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
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
#[case(401, 20003, "auth", "credentials_rejected")]
#[case(429, 20429, "rate", "rate_limited")]
#[case(400, 21211, "rejected", "recipient_invalid")]
#[case(400, 21614, "rejected", "recipient_invalid")]
#[case(400, 21612, "rejected", "recipient_unreachable")]
#[case(400, 21610, "rejected", "recipient_opted_out")]
#[case(400, 21408, "config", "country_not_allowed")]
#[case(400, 21606, "config", "sender_not_approved")]
#[case(400, 21608, "config", "trial_account")]
#[case(429, 21611, "rate", "queue_full")]
#[case(400, 63007, "config", "sender_not_approved")]
#[case(400, 63016, "rejected", "outside_window")]
#[case(400, 21617, "rejected", "text_too_long")]
#[case(400, 63028, "rejected", "template_variables_wrong")]
#[case(404, 20404, "config", "account_unknown")]
#[case(400, 99999, "rejected", "vendor_refused")]
#[case(500, 99999, "unknown", "vendor_failed")]
#[case(503, 99999, "retry", "vendor_unavailable")]
#[tokio::test]
async fn each_code_has_its_meaning(
    #[case] status: u16,
    #[case] code: u32,
    #[case] kind: &str,
    #[case] name: &str,
) {
    let body = format!(r#"{{"code":{code},"message":"words","more_info":"https://…","status":{status}}}"#);
    let http = FakeHttp::new().answer(status, body);
    let failure = Twilio.perform(&account().cx(&http), &sms("a")).await.unwrap_err();
    assert_eq!((kinds(&failure.kind), failure.code.as_ref()), (kind, name));
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_told() {
    let http =
        FakeHttp::new().answer_with(429, &[("retry-after", "7")], r#"{"code":20429,"message":"slow"}"#);
    let failure = Twilio.perform(&account().cx(&http), &sms("a")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::RateLimited { after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn a_check_asks_for_the_account_and_survives_a_hidden_balance() {
    let active = r#"{"friendly_name":"Firma","status":"active","type":"Full"}"#;
    let http = FakeHttp::new().answer(200, active).answer(200, r#"{"balance":"12.50","currency":"USD"}"#);
    let checked = Twilio.perform(&account().cx(&http), &Check {}).await.unwrap();
    assert_eq!(checked, Checked { account: "Firma".into(), detail: "12.50 USD".into() });
    let http = FakeHttp::new().answer(200, active).answer(403, r#"{"code":70051,"message":"no"}"#);
    assert_eq!(Twilio.perform(&account().cx(&http), &Check {}).await.unwrap().detail, "");
    let http = FakeHttp::new().answer(200, r#"{"status":"suspended"}"#);
    let failure = Twilio.perform(&account().cx(&http), &Check {}).await.unwrap_err();
    assert_eq!(failure.code, "account_suspended");
}

#[rstest]
#[case("delivered", "null", 2)]
#[case("sent", "null", 0)]
#[case("undelivered", "30003", 1)]
#[case("failed", "\"30007\"", 1)]
#[case("read", "null", 3)]
#[tokio::test]
async fn a_report_is_the_message_itself(#[case] word: &str, #[case] error: &str, #[case] rank: u8) {
    let body = format!(
        r#"{{"sid":"{SM}","status":"{word}","to":"+905321234567","error_code":{error},"num_segments":"1",
            "price":"-0.00750","price_unit":"usd","date_updated":"Tue, 24 Nov 2026 10:00:00 +0000"}}"#
    );
    let http = FakeHttp::new().answer(200, body);
    let account = account();
    let one = Asked { message_id: SM, to: "+905321234567", sent_at: account.now };
    let reports = Twilio.reports(&account.cx(&http), &[one], 0).await.unwrap();
    let [status] = reports.statuses.as_slice() else { panic!("{reports:?}") };
    assert_eq!((status.state.rank(), status.segments), (rank, Some(1)));
    let price = status.price.as_ref().unwrap();
    assert_eq!((price.amount.as_str(), price.currency.as_str()), ("0.00750", "USD"));
    assert_eq!(status.at.unwrap().to_string(), "2026-11-24T10:00:00Z");
}

#[tokio::test]
async fn a_foreign_id_is_not_put_into_an_address() {
    let (http, account) = (FakeHttp::new(), account());
    let one = Asked { message_id: "../../x", to: "+905321234567", sent_at: account.now };
    assert_eq!(Twilio.reports(&account.cx(&http), &[one], 0).await.unwrap(), Reports::default());
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn a_lost_message_is_found_by_recipient_time_and_text() {
    let message = |sid: &str, body: &str| {
        format!(
            r#"{{"sid":"{sid}","body":"{body}","to":"+905321234567","status":"sent","direction":"outbound-api",
            "date_created":"Mon, 23 Nov 2026 09:58:30 +0000"}}"#
        )
    };
    let mut account = account();
    account.now = "2026-11-23T10:05:00Z".parse().unwrap();
    let find = async |messages: &[String], known: &[String]| {
        let http = FakeHttp::new().answer(200, format!(r#"{{"messages":[{}]}}"#, messages.join(",")));
        let among = Among {
            since: "2026-11-23T09:58:00Z".parse().unwrap(),
            until: "2026-11-23T09:59:00Z".parse().unwrap(),
            known,
        };
        let found =
            Twilio.find(&account.cx(&http), &Operation::SendSms(sms("Merhaba")), &among).await.unwrap();
        assert!(
            http.requests()[0].uri().query().unwrap().contains("To=%2B905321234567&DateSent%3E=2026-11-23")
        );
        found
    };
    let (ours, other) = (message(SM, "Merhaba"), message("SM1", "Başka"));
    let Found::Taken(sent, Some(_)) = find(&[ours.clone(), other.clone()], &[]).await else { panic!() };
    assert_eq!(sent.message_id.as_deref(), Some(SM));
    assert_eq!(find(std::slice::from_ref(&other), &[]).await, Found::NotTaken);
    assert_eq!(find(std::slice::from_ref(&ours), &[SM.to_owned()]).await, Found::NotTaken);
    assert_eq!(find(&[ours.clone(), message("SM2", "Merhaba")], &[]).await, Found::Unclear);
}

const ADDRESS: &str = "https://santral.example/hooks/twilio/geheim?x=1";

/// Signs as the vendor's page describes it.
fn sign(token: &str, text: &str) -> HeaderValue {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    HeaderValue::from_str(&STANDARD.encode(hmac::sign(&key, text.as_bytes()))).unwrap()
}

fn read(address: &str, body: &str, signature: HeaderValue) -> Result<Callback, CallbackRefused> {
    let (account, url) = (account(), Url::parse(address).unwrap());
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-twilio-signature"), signature)]);
    let query = url.query().unwrap_or_default();
    let request = CallbackRequest { method: &Method::POST, query, headers: &headers, body: body.as_bytes() };
    Twilio.read(&account.callback(&url), &request)
}

fn token() -> String {
    account().credentials.get("auth_token").unwrap().to_owned()
}

const RECEIPT: &str = "AccountSid=AC00112233445566778899aabbccddeeff&ErrorCode=21610&MessageSid=SM1&MessageStatus=undelivered&To=%2B905321234567";
const SIGNED: &str = "AccountSidAC00112233445566778899aabbccddeeffErrorCode21610MessageSidSM1MessageStatusundeliveredTo+905321234567";

#[rstest]
#[case(ADDRESS, ADDRESS)]
#[case(ADDRESS, "https://santral.example:443/hooks/twilio/geheim?x=1")]
#[case("https://santral.example:8443/h", "https://santral.example:8443/h")]
#[case("https://santral.example:8443/h", "https://santral.example/h")]
#[case("http://santral.example/h", "http://santral.example:80/h")]
fn a_receipt_is_believed_with_and_without_the_port(#[case] called: &str, #[case] signed: &str) {
    let callback = read(called, RECEIPT, sign(&token(), &format!("{signed}{SIGNED}"))).unwrap();
    assert!(callback.confirmed);
    let [status] = callback.statuses.as_slice() else { panic!("{callback:?}") };
    assert_eq!((status.message_id.as_str(), status.to.as_deref()), ("SM1", Some("+905321234567")));
    let MessageState::Failed(failure) = &status.state else { panic!("{status:?}") };
    assert!(failure.opted_out());
}

#[test]
fn repeated_parameters_count_once_and_in_order() {
    let body = format!("MediaUrl=b&MediaUrl=a&MediaUrl=b&{RECEIPT}");
    let signed = SIGNED.replace("MessageSid", "MediaUrlaMediaUrlbMessageSid");
    assert!(read(ADDRESS, &body, sign(&token(), &format!("{ADDRESS}{signed}"))).is_ok());
}

#[test]
fn a_json_body_is_bound_by_its_hash() {
    let body = r#"{"MessageSid":"SM1","MessageStatus":"delivered","AccountSid":"AC00112233445566778899aabbccddeeff"}"#;
    let hash: String = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let address = format!("https://santral.example/h?bodySHA256={hash}");
    let callback = read(&address, body, sign(&token(), &address)).unwrap();
    assert_eq!(callback.statuses[0].state, MessageState::Delivered);
    let other = body.replace("delivered", "delivereD");
    assert_eq!(read(&address, &other, sign(&token(), &address)), Err(CallbackRefused::Signature));
}

#[test]
fn no_other_key_body_or_address_is_believed() {
    let good = sign(&token(), &format!("{ADDRESS}{SIGNED}"));
    assert!(read(ADDRESS, RECEIPT, good.clone()).is_ok());
    assert_eq!(
        read("https://santral.example/hooks/twilio/geheim?x=2", RECEIPT, good.clone()),
        Err(CallbackRefused::Signature)
    );
    assert_eq!(read(ADDRESS, &format!("{RECEIPT}&Extra=1"), good), Err(CallbackRefused::Signature));
    let wrong = sign("ornek-api-anahtari-gizli-degeri", &format!("{ADDRESS}{SIGNED}"));
    assert_eq!(read(ADDRESS, RECEIPT, wrong), Err(CallbackRefused::Signature));
    assert_eq!(read(ADDRESS, RECEIPT, HeaderValue::from_static("")), Err(CallbackRefused::Signature));
    // Signed with our key, about another account.
    let body = RECEIPT.replace("AC00", "AC01");
    let signed = format!("{ADDRESS}{}", SIGNED.replace("AC00", "AC01"));
    assert_eq!(read(ADDRESS, &body, sign(&token(), &signed)), Err(CallbackRefused::Malformed));
}

#[test]
fn an_inbound_message_is_read_and_answered_with_nothing() {
    let body = "AccountSid=AC00112233445566778899aabbccddeeff&Body=STOP&From=whatsapp%3A%2B905321234567&MessageSid=SM9&NumMedia=0&SmsStatus=received&To=whatsapp%3A%2B14155238886";
    let signed = "AccountSidAC00112233445566778899aabbccddeeffBodySTOPFromwhatsapp:+905321234567MessageSidSM9NumMedia0SmsStatusreceivedTowhatsapp:+14155238886";
    let callback = read(ADDRESS, body, sign(&token(), &format!("{ADDRESS}{signed}"))).unwrap();
    let [message] = callback.inbound.as_slice() else { panic!("{callback:?}") };
    assert_eq!((message.from.as_str(), message.to.as_deref()), ("+905321234567", Some("+14155238886")));
    assert_eq!((message.text.as_str(), message.kind), ("STOP", InboundKind::Text));
    assert!(callback.statuses.is_empty() && callback.answer.content_type.starts_with("text/xml"));
}

proptest! {
    #[test]
    fn every_flipped_bit_is_refused(at in 0..1_000_usize, bit in 0..8_u8) {
        let signature = sign(&token(), &format!("{ADDRESS}{SIGNED}"));
        let mut bytes = RECEIPT.as_bytes().to_vec();
        let place = at % bytes.len();
        bytes[place] ^= 1 << bit;
        if let Ok(body) = String::from_utf8(bytes) {
            // Two spellings of the same parameters are the same call.
            let same = form_urlencoded::parse(body.as_bytes()).eq(form_urlencoded::parse(RECEIPT.as_bytes()));
            prop_assert!(same || read(ADDRESS, &body, signature.clone()).is_err());
        }
        let mut text = signature.as_bytes().to_vec();
        let place = at % text.len();
        text[place] ^= 1 << bit;
        if let Ok(flipped) = HeaderValue::from_bytes(&text) {
            prop_assert!(read(ADDRESS, RECEIPT, flipped).is_err());
        }
    }

    #[test]
    fn no_call_breaks_it(body in "\\PC{0,200}", signature in "[ -~]{0,40}") {
        prop_assert!(read(ADDRESS, &body, HeaderValue::from_str(&signature).unwrap()).is_err());
    }
}
