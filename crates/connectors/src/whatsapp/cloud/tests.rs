use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use rstest::rstest;
use url::Url;

use super::*;
use crate::capability::{
    Callback, CallbackRefused, CallbackRequest, InboundKind, MessageState, ReadCallback, Route, RouteSettings,
};
use crate::failure::{FailureKind, Reason};
use crate::operation::{MessageKind, RecipientType};
use crate::testing::{Account, FakeHttp};

fn account() -> Account {
    Account::of(&CONNECTOR)
}

fn message(text: Option<&str>, variables: &[(&str, &str)]) -> SendWhatsapp {
    let variables = variables.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).collect();
    SendWhatsapp {
        to: "+905321234567".to_owned(),
        text: text.map(str::to_owned),
        template: Some(WhatsappTemplate { name: "siparis_hazir".into(), language: "tr".into(), variables }),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
    }
}

async fn send(op: &SendWhatsapp, http: &FakeHttp) -> Result<Sent, Failure> {
    WhatsappCloud.perform(&account().cx(http), op).await
}

fn body(http: &FakeHttp) -> Value {
    serde_json::from_slice(http.requests()[0].body()).unwrap()
}

const TAKEN: &str = r#"{"messaging_product":"whatsapp","contacts":[{"input":"905321234567","wa_id":"905321234567"}],
    "messages":[{"id":"wamid.HBg","message_status":"accepted"}]}"#;

#[tokio::test]
async fn a_text_is_sent_when_there_is_one() {
    let http = FakeHttp::new().answer(200, TAKEN);
    let sent = send(&message(Some("Merhaba"), &[]), &http).await.unwrap();
    assert_eq!((sent.message_id.as_deref(), sent.answer.as_deref()), (Some("wamid.HBg"), Some("accepted")));
    assert_eq!(http.requests()[0].uri(), "https://graph.facebook.com/v23.0/106540352242922/messages");
    assert_eq!(
        body(&http),
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "905321234567",
            "biz_opaque_callback_data": "dlv_1", "type": "text", "text": {"body": "Merhaba", "preview_url": false}})
    );
}

#[tokio::test]
async fn a_templates_places_go_where_they_belong_in_order() {
    let http = FakeHttp::new().answer(200, TAKEN);
    let variables = [("10", "on"), ("2", "iki"), ("1", "bir"), ("header.1", "Başlık"), ("button.0", "q-114")];
    send(&message(None, &variables), &http).await.unwrap();
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        body(&http)["template"],
        json!({"name": "siparis_hazir", "language": {"code": "tr", "policy": "deterministic"}, "components": [
            {"type": "header", "parameters": [text("Başlık")]},
            {"type": "body", "parameters": [text("bir"), text("iki"), text("on")]},
            {"type": "button", "sub_type": "url", "index": "0", "parameters": [text("q-114")]},
        ]})
    );
    let http = FakeHttp::new().answer(200, TAKEN);
    send(&message(None, &[("name", "Ali")]), &http).await.unwrap();
    let parameter = json!({"type": "text", "parameter_name": "name", "text": "Ali"});
    assert_eq!(body(&http).pointer("/template/components/0/parameters/0"), Some(&parameter));
}

#[rstest]
#[case("footer.1")]
#[case("button.x")]
#[case("button.10")]
#[case("media.voice")]
#[case("media.image")]
#[tokio::test]
async fn a_place_that_no_template_has_is_refused(#[case] place: &str) {
    let http = FakeHttp::new();
    let failure = send(&message(None, &[(place, "x")]), &http).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_ref()), (FailureKind::Rejected, "template_variables_wrong"));
    assert!(http.requests().is_empty());
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
#[case("auth", "credentials_rejected", &[0, 190])]
#[case("config", "permission_missing", &[3, 10, 200, 299, 131_005])]
#[case("rate", "rate_limited", &[4, 80_007, 130_429, 131_064, 133_016])]
#[case("rate", "spam_limited", &[131_048])]
#[case("retry", "recipient_too_often", &[131_056])]
#[case("config", "account_suspended", &[368, 131_031])]
#[case("config", "sender_not_registered", &[131_045, 131_037, 133_010])]
#[case("config", "country_not_allowed", &[130_497, 131_063])]
#[case("balance", "insufficient_balance", &[131_042])]
#[case("rejected", "recipient_spared", &[130_472, 131_049])]
#[case("rejected", "recipient_opted_out", &[131_050])]
#[case("rejected", "recipient_unreachable", &[131_026])]
#[case("rejected", "recipient_is_sender", &[131_021])]
#[case("rejected", "recipient_not_allowed", &[131_030])]
#[case("rejected", "outside_window", &[131_047])]
#[case("rejected", "template_variables_wrong", &[132_000, 132_012])]
#[case("rejected", "template_unknown", &[132_001])]
#[case("rejected", "text_too_long", &[132_005])]
#[case("rejected", "template_policy", &[132_007])]
#[case("rejected", "template_paused", &[132_015])]
#[case("rejected", "template_disabled", &[132_016])]
#[case("rejected", "template_flow", &[132_068, 132_069])]
#[case("rejected", "request_refused", &[100, 131_008, 131_009, 131_051, 131_052, 131_053, 132_008, 137_000])]
#[case("retry", "vendor_failed", &[1, 2, 131_000, 131_016, 131_057, 135_000])]
#[tokio::test]
async fn each_code_means_the_same_at_once_and_in_a_receipt(
    #[case] kind: &str,
    #[case] name: &str,
    #[case] codes: &[u32],
) {
    for code in codes {
        let answer = format!(
            r#"{{"error":{{"message":"(#{code}) words","type":"OAuthException","code":{code},
                "error_data":{{"details":"ayrıntı"}},"fbtrace_id":"Abc"}}}}"#
        );
        let failure = send(&message(Some("a"), &[]), &FakeHttp::new().answer(400, answer)).await.unwrap_err();
        assert_eq!((kinds(&failure.kind), failure.code.as_ref()), (kind, name), "{code}");
        assert_eq!(
            (failure.vendor_code, failure.detail.as_str()),
            (Some(code.to_string()), "ayrıntı (fbtrace_id Abc)")
        );
        let receipt = code::of_message(Some(&json!([{"code": code, "title": "t"}])));
        assert_eq!((kinds(&receipt.kind), receipt.code.as_ref()), (kind, name), "{code}");
    }
}

#[rstest]
#[case(500, 999_999, "unknown")]
#[case(400, 999_999, "rejected")]
#[case(429, 999_999, "rate")]
#[tokio::test]
async fn a_code_of_a_later_day_is_taken_by_its_status(
    #[case] status: u16,
    #[case] code: u32,
    #[case] kind: &str,
) {
    let http = FakeHttp::new().answer(status, format!(r#"{{"error":{{"code":{code},"message":"new"}}}}"#));
    let failure = send(&message(Some("a"), &[]), &http).await.unwrap_err();
    assert_eq!((kinds(&failure.kind), failure.detail.as_str()), (kind, "new"));
}

#[tokio::test]
async fn a_check_asks_for_number_and_templates() {
    let number = r#"{"id":"106540352242922","display_phone_number":"+90 532 000 00 00","verified_name":"Firma","quality_rating":"GREEN"}"#;
    let first = r#"{"data":[{"name":"a","language":"tr","status":"APPROVED","category":"UTILITY","components":[
        {"type":"HEADER","format":"TEXT","text":"{{1}}"},{"type":"BODY","text":"Merhaba {{1}}, {{2}} hazır"},
        {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Evet"},{"type":"URL","url":"https://f/{{1}}"}]}]}],
        "paging":{"cursors":{"after":"Q Q&x"},"next":"https://graph.facebook.com/…"}}"#;
    let last = r#"{"data":[{"name":"b","language":"en_US","status":"PAUSED","rejected_reason":"NONE"}]}"#;
    let http = FakeHttp::new().answer(200, number).answer(200, first).answer(200, last);
    let checked = WhatsappCloud.perform(&account().cx(&http), &Check {}).await.unwrap();
    assert_eq!(
        checked,
        Checked { account: "+90 532 000 00 00".into(), detail: "Firma · GREEN · 1/2 ✓".into() }
    );
    let requests = http.requests();
    assert!(requests[2].uri().query().unwrap().ends_with("limit=100&after=Q%20Q%26x"));
    assert!(requests.iter().all(|request| !request.uri().to_string().contains("EAAJB")));

    let http = FakeHttp::new().answer(200, first.replace("next", "none"));
    let templates = WhatsappCloud.templates(&account().cx(&http)).await.unwrap();
    assert_eq!(templates[0].variables, ["1", "2", "header.1", "button.1"]);
    assert_eq!(templates[0].text, "Merhaba {{1}}, {{2}} hazır");
}

fn request<T>(
    method: &Method,
    query: &str,
    headers: HeaderMap,
    body: &[u8],
    with: impl Fn(&Account, &Url, CallbackRequest<'_>) -> T,
) -> T {
    let (account, url) = (account(), Url::parse("https://santral.example/hooks/whatsapp/x").unwrap());
    with(&account, &url, CallbackRequest { method, query, headers: &headers, body })
}

fn read(body: &[u8], signature: &str) -> Result<Callback, CallbackRefused> {
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-hub-signature-256"),
        HeaderValue::from_str(signature).unwrap(),
    )]);
    request(&Method::POST, "", headers, body, |account, url, request| {
        WhatsappCloud.read(&account.callback(url), &request)
    })
}

fn sign(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, account().credentials.get("app_secret").unwrap().as_bytes());
    let hex: String = hmac::sign(&key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

const CALL: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[
    {"field":"messages","value":{"messaging_product":"whatsapp",
      "metadata":{"display_phone_number":"905320000000","phone_number_id":"106540352242922"},
      "statuses":[
        {"id":"wamid.1","status":"delivered","timestamp":"1795514400","recipient_id":"905321234567","biz_opaque_callback_data":"dlv_1"},
        {"id":"wamid.2","status":"failed","timestamp":"1795514401","recipient_id":"905321234567",
         "errors":[{"code":131047,"title":"Re-engagement message","error_data":{"details":"24 saat"}}]},
        {"id":"wamid.3","status":"teleported"}],
      "messages":[
        {"id":"wamid.4","from":"905321234567","timestamp":"1795514402","type":"text","text":{"body":"\u0130PTAL"}},
        {"id":"wamid.5","from":"905321234567","timestamp":"1795514402","type":"image","image":{"id":"1","caption":"Fatura"}},
        {"id":"wamid.6","from":"905321234567","timestamp":"1795514402","type":"button","button":{"text":"Evet","payload":"x"}},
        {"id":"wamid.7","from":"905321234567","type":"system","system":{"body":"x"}}]}},
    {"field":"messages","value":{"metadata":{"phone_number_id":"999999"},
      "statuses":[{"id":"wamid.8","status":"read","timestamp":"1795514400","recipient_id":"905321234567"}]}}]}]}"#;

#[test]
fn receipts_and_messages_of_this_number_are_read_and_no_others() {
    let callback = read(CALL.as_bytes(), &sign(CALL.as_bytes())).unwrap();
    assert!(callback.confirmed);
    let [delivered, failed] = callback.statuses.as_slice() else { panic!("{callback:?}") };
    assert_eq!(delivered.state, MessageState::Delivered);
    assert_eq!(
        (delivered.reference.as_deref(), delivered.to.as_deref()),
        (Some("dlv_1"), Some("+905321234567"))
    );
    assert_eq!(delivered.at.unwrap().as_second(), 1_795_514_400);
    let MessageState::Failed(failure) = &failed.state else { panic!("{failed:?}") };
    assert!(failure.outside_window());
    let kinds: Vec<_> =
        callback.inbound.iter().map(|message| (message.kind, message.text.as_str())).collect();
    assert_eq!(
        kinds,
        [(InboundKind::Text, "İPTAL"), (InboundKind::Media, "Fatura"), (InboundKind::Button, "Evet")]
    );

    let routes =
        request(&Method::POST, "", HeaderMap::new(), CALL.as_bytes(), |_, _, r| WhatsappCloud.routes(&r));
    assert_eq!(routes, ["106540352242922", "999999"].map(|id| Route::Account(id.to_owned())));
    let settings = RouteSettings { account: "phone_number_id", holder: "business_account_id" };
    assert_eq!(WhatsappCloud.route_settings(), Some(settings));
}

#[rstest]
#[case(r#"{"entry":[{"id":"102290129340398","changes":[{"field":"message_template_status_update","value":{}}]}]}"#, &["102290129340398"], true)]
// Of another business account, by which no number and no other field is meant.
#[case(r#"{"entry":[{"id":"7","changes":[{"field":"message_template_quality_update"}]},{"id":"102290129340398","changes":[{"field":"messages"}]}]}"#, &["7"], false)]
#[case(r#"{"entry":[{"id":7,"changes":[{"field":"message_template_status_update"}]},{"id":"7","changes":[{"field":"message_template_category_update"}]}]}"#, &["7"], false)]
#[case(r#"{"entry":[{"changes":[{"field":"message_template_status_update"}]},{"id":{},"changes":{}},null,7]}"#, &[], false)]
#[case(r#"{"entry":{"id":"102290129340398"}}"#, &[], false)]
fn news_of_templates_go_to_their_business_account(
    #[case] call: &str,
    #[case] accounts: &[&str],
    #[case] ours: bool,
) {
    let routes =
        request(&Method::POST, "", HeaderMap::new(), call.as_bytes(), |_, _, r| WhatsappCloud.routes(&r));
    let expected: Vec<_> = accounts.iter().map(|id| Route::Holder((*id).to_owned())).collect();
    assert_eq!(routes, expected);
    assert_eq!(read(call.as_bytes(), &sign(call.as_bytes())).unwrap().templates_changed, ours);
}

#[tokio::test]
async fn a_header_shows_what_its_address_leads_to() {
    let http = FakeHttp::new().answer(200, TAKEN);
    send(&message(None, &[("media.image", "https://f.example/a.png"), ("1", "Ali")]), &http).await.unwrap();
    let header = json!({"type": "header", "parameters": [
        {"type": "image", "image": {"link": "https://f.example/a.png"}}]});
    assert_eq!(body(&http).pointer("/template/components/0"), Some(&header));
    let listed = r#"{"data":[{"name":"a","language":"tr","status":"APPROVED","components":[
        {"type":"HEADER","format":"DOCUMENT"},{"type":"BODY","text":"Sayın {{ad}}"}]},
        {"name":"b","language":"tr","status":"APPROVED","components":[{"type":"HEADER","format":7},{"type":"HEADER","format":"LOCATION"}]}]}"#;
    let http = FakeHttp::new().answer(200, listed);
    let templates = WhatsappCloud.templates(&account().cx(&http)).await.unwrap();
    assert_eq!(templates[0].variables, ["ad", "media.document"]);
    assert_eq!(templates[1].variables, crate::whatsapp::location::LOCATION);
}

const SHOP: [(&str, &str); 4] = [
    ("location.latitude", "41.0082"),
    ("location.longitude", " 28.9784"),
    ("location.name", "Örnek Mobilya"),
    ("location.address", "Meşrutiyet Cad. 1, Beyoğlu"),
];

#[tokio::test]
async fn a_header_shows_a_place_on_a_map() {
    let http = FakeHttp::new().answer(200, TAKEN);
    let variables: Vec<_> = SHOP.into_iter().chain([("1", "Ali")]).collect();
    send(&message(None, &variables), &http).await.unwrap();
    let header = json!({"type": "header", "parameters": [{"type": "location", "location": {
        "latitude": "41.0082", "longitude": "28.9784", "name": "Örnek Mobilya",
        "address": "Meşrutiyet Cad. 1, Beyoğlu"}}]});
    assert_eq!(body(&http).pointer("/template/components/0"), Some(&header));
    assert_eq!(body(&http).pointer("/template/components").unwrap().as_array().unwrap().len(), 2);
}

#[rstest]
#[case::a_comma("location.latitude", Some("41,0082"))]
#[case::too_far_north("location.latitude", Some("91"))]
#[case::no_longitude("location.longitude", None)]
#[case::an_empty_name("location.name", Some(" "))]
#[case::no_address("location.address", None)]
#[case::a_place_it_has_not("location.altitude", Some("12"))]
#[tokio::test]
async fn a_place_that_is_on_no_map_is_refused(#[case] place: &str, #[case] value: Option<&str>) {
    let http = FakeHttp::new();
    let mut variables: Vec<_> = SHOP.into_iter().filter(|(key, _)| *key != place).collect();
    variables.extend(value.map(|value| (place, value)));
    let failure = send(&message(None, &variables), &http).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_ref()), (FailureKind::Rejected, "template_variables_wrong"));
    assert!(http.requests().is_empty());
}

#[rstest]
#[case(
    "hub.mode=subscribe&hub.verify_token=ornek-dogrulama-sozcugu&hub.challenge=1158201444",
    Ok("1158201444")
)]
#[case(
    "hub.mode=subscribe&hub.verify_token=ornek-dogrulama-sozcuge&hub.challenge=1",
    Err(CallbackRefused::Signature)
)]
#[case("hub.mode=subscribe&hub.challenge=1", Err(CallbackRefused::Signature))]
#[case("hub.mode=unsubscribe&hub.verify_token=ornek-dogrulama-sozcugu", Err(CallbackRefused::Malformed))]
#[case("", Err(CallbackRefused::Malformed))]
fn the_challenge_is_repeated_to_who_knows_the_word(
    #[case] query: &str,
    #[case] answer: Result<&str, CallbackRefused>,
) {
    let read = request(&Method::GET, query, HeaderMap::new(), b"", |account, url, request| {
        WhatsappCloud.read(&account.callback(url), &request)
    });
    assert_eq!(read.map(|callback| callback.answer.body), answer.map(|text| text.to_owned().into()));
}

proptest! {
    #[test]
    fn every_flipped_bit_is_refused(at in 0..5_000_usize, bit in 0..8_u8) {
        let signature = sign(CALL.as_bytes());
        let mut body = CALL.as_bytes().to_vec();
        let place = at % body.len();
        body[place] ^= 1 << bit;
        prop_assert_eq!(read(&body, &signature), Err(CallbackRefused::Signature));
        let mut text = signature.into_bytes();
        let place = at % text.len();
        text[place] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(text) && HeaderValue::from_str(&text).is_ok() {
            prop_assert_eq!(read(CALL.as_bytes(), &text), Err(CallbackRefused::Signature));
        }
    }

    #[test]
    fn no_signed_body_breaks_it(body in "\\PC{0,200}") {
        let _ = read(body.as_bytes(), &sign(body.as_bytes()));
    }
}
