use http::HeaderMap;
use proptest::prelude::*;
use rstest::rstest;
use url::Url;

use super::*;
use crate::capability::{
    Among, Asked, Callback, CallbackRefused, CallbackRequest, Found, MessageState, ReadCallback, ReadReports,
    Reconcile, Reports,
};
use crate::failure::{BATCH_REFUSED, FailureKind, Reason};
use crate::operation::Operation;
use crate::testing::{Account, FakeHttp};

fn sms(to: &str, text: &str) -> SendSms {
    SendSms {
        to: to.to_owned(),
        text: text.to_owned(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
    }
}

fn account() -> Account {
    Account::of(&CONNECTOR)
}

fn body(http: &FakeHttp, index: usize) -> Value {
    serde_json::from_slice(http.requests()[index].body()).unwrap()
}

async fn send(op: &SendSms, http: &FakeHttp) -> Result<Sent, Failure> {
    IletiMerkezi.perform(&account().cx(http), op).await
}

fn status(code: impl std::fmt::Display) -> String {
    format!(r#"{{"response":{{"status":{{"code":{code},"message":"açıklama"}}}}}}"#)
}

const TAKEN: &str =
    r#"{"response":{"status":{"code":"200","message":"İşlem başarılı"},"order":{"id":"12323232"}}}"#;

#[tokio::test]
async fn a_message_is_written_as_the_vendor_wants_it() {
    let http = FakeHttp::new().answer(200, TAKEN);
    let sent = send(&sms("+905321234567", "Siparişiniz hazır"), &http).await.unwrap();
    assert_eq!(sent.message_id.as_deref(), Some("12323232"));
    assert_eq!(http.requests()[0].uri(), "https://api.iletimerkezi.com/v1/send-sms/json");
    assert_eq!(
        body(&http, 0),
        json!({"request": {
            "authentication": {"key": "507caf2e1fcdb5eea9786332ca2d8785",
                "hash": "0db4e316db72c519ba08121985f6ddf479809053d555c"},
            "order": {"sender": "FIRMAADI", "sendDateTime": [], "iys": "0",
                "message": {"text": "Siparişiniz hazır", "receipents": {"number": ["5321234567"]}}},
        }})
    );
}

#[rstest]
#[case(MessageKind::Informational, RecipientType::Merchant, json!("0"), Value::Null)]
#[case(MessageKind::Commercial, RecipientType::Individual, json!("1"), json!("BIREYSEL"))]
#[case(MessageKind::Commercial, RecipientType::Merchant, json!("1"), json!("TACIR"))]
#[tokio::test]
async fn iys_is_always_said(
    #[case] kind: MessageKind,
    #[case] recipient_type: RecipientType,
    #[case] iys: Value,
    #[case] list: Value,
) {
    let http = FakeHttp::new().answer(200, TAKEN);
    send(&SendSms { kind, recipient_type, ..sms("+905321234567", "a") }, &http).await.unwrap();
    let order = &body(&http, 0)["request"]["order"];
    assert_eq!((&order["iys"], &order["iysList"]), (&iys, &list));
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
#[case(400, "rejected", "request_refused")]
#[case(401, "auth", "credentials_rejected")]
#[case(402, "balance", "insufficient_balance")]
#[case(404, "rejected", "request_refused")]
#[case(422, "rejected", "request_refused")]
#[case(450, "config", "sender_not_approved")]
#[case(451, "rejected", "duplicate_message")]
#[case(452, "rejected", "recipient_invalid")]
#[case(453, "rejected", "text_too_long")]
#[case(454, "rejected", "text_empty")]
#[case(457, "rejected", "request_refused")]
#[case(459, "config", "sender_invalid")]
#[case(460, "config", "sender_invalid")]
#[case(463, "rejected", "request_refused")]
#[case(466, "rejected", "recipient_invalid")]
#[case(467, "config", "documents_missing")]
#[case(468, "rejected", "iys_flag_missing")]
#[case(469, "rejected", "iys_flag_missing")]
#[case(470, "rejected", "iys_brand_missing")]
#[case(473, "rejected", "request_refused")]
#[case(503, "retry", "vendor_unavailable")]
#[case(500, "unknown", "vendor_failed")]
#[case(499, "rejected", "vendor_refused")]
#[tokio::test]
async fn each_code_has_its_meaning_whatever_the_status(
    #[case] code: u16,
    #[case] kind: &str,
    #[case] name: &str,
) {
    for (http_status, answer) in
        [(code, status(code)), (200, status(code)), (200, status(format!("\"{code}\"")))]
    {
        let http = FakeHttp::new().answer(http_status, answer);
        let failure = send(&sms("+905321234567", "a"), &http).await.unwrap_err();
        assert_eq!((kinds(&failure.kind), failure.code.as_ref()), (kind, name));
        assert_eq!(failure.vendor_code, Some(code.to_string()));
    }
}

#[rstest]
#[case(200, "")]
#[case(200, "<response><status><code>200</code></status></response>")]
#[case(200, r#"{"response":{"status":{"code":"20000"}}}"#)]
#[case(200, r#"{"response":[]}"#)]
#[case(502, TAKEN)]
#[tokio::test]
async fn what_may_have_been_taken_is_never_called_refused(
    #[case] http_status: u16,
    #[case] answer: &'static str,
) {
    let http = FakeHttp::new().answer(http_status, answer);
    let failure = send(&sms("+905321234567", "a"), &http).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unconfirmed, "{failure}");
}

#[tokio::test]
async fn a_check_proves_the_account_and_its_sender_and_tells_the_balance() {
    let balance = r#"{"response":{"status":{"code":200},"balance":{"amount":"123.45","sms":"1000"}}}"#;
    let senders = r#"{"response":{"status":{"code":200},"senders":{"sender":["APITEST","FIRMAADI"]}}}"#;
    let http = FakeHttp::new().answer(200, balance).answer(200, senders);
    let checked = IletiMerkezi.perform(&account().cx(&http), &Check {}).await.unwrap();
    assert_eq!(checked, Checked { account: "FIRMAADI".into(), detail: "123.45 TRY · 1000 SMS".into() });

    // Case and blanks count.
    let other = account().set("sender", "FirmaAdi");
    let http = FakeHttp::new().answer(200, balance).answer(200, senders);
    let failure = IletiMerkezi.perform(&other.cx(&http), &Check {}).await.unwrap_err();
    assert_eq!((kinds(&failure.kind), failure.code.as_ref()), ("config", "sender_not_approved"));

    let http = FakeHttp::new().answer(401, status(401));
    let failure = IletiMerkezi.perform(&account().cx(&http), &Check {}).await.unwrap_err();
    assert_eq!(kinds(&failure.kind), "auth");
    assert!(!format!("{failure:?}").contains("507caf2e"));
}

#[rstest]
#[case("ŞİRKET")]
#[case("ONIKIKARAKTE")]
fn a_sender_the_vendor_would_refuse_is_refused_at_once(#[case] sender: &str) {
    let mut settings = Settings::default();
    settings.0.insert("sender".into(), sender.into());
    assert_eq!(complete(&mut settings, &Credentials::default())[0].code, "invalid_sender");
}

async fn asked(answer: &str) -> Reports {
    let http = FakeHttp::new().answer(200, answer.to_owned());
    let account = account();
    let one = Asked { message_id: "428", to: "+905301234567", sent_at: account.now };
    let reports = IletiMerkezi.reports(&account.cx(&http), &[one], 1).await.unwrap();
    assert_eq!(body(&http, 0)["request"]["order"], json!({"id": "428", "page": 2, "rowCount": 1000}));
    reports
}

#[tokio::test]
async fn a_report_says_what_became_of_each_recipient() {
    let reports = asked(
        r#"{"response":{"status":{"code":200},"order":{"id":428,"status":113,"total":3,"price":"0.60","message":[
            {"number":5301234567,"status":110},{"number":"+905301234568","status":"111"},{"number":"5301234569","status":112},
            {"number":"x","status":111},{"number":"5301234560","status":999}]}}}"#,
    )
    .await;
    let states: Vec<_> = reports
        .statuses
        .iter()
        .map(|status| (status.to.as_deref().unwrap(), status.state.rank(), status.price.is_some()))
        .collect();
    assert_eq!(
        states,
        [("+905301234567", 0, false), ("+905301234568", 2, false), ("+905301234569", 1, false)]
    );
    let reports = asked(
        r#"{"response":{"status":{"code":200},"order":{"id":428,"status":"115","total":"1","price":"0.20",
            "message":{"number":5301234567,"status":110}}}}"#,
    )
    .await;
    assert!(matches!(reports.statuses[0].state, MessageState::Failed(_)));
    assert_eq!(reports.statuses[0].price.as_ref().unwrap().amount, "0.20");
    for none in [status(455), status(456)] {
        assert_eq!(asked(&none).await, Reports::default());
    }
}

fn read(body: &[u8]) -> Result<Callback, CallbackRefused> {
    let (account, headers) = (account(), HeaderMap::new());
    let url = Url::parse("https://santral.example/hooks/iletimerkezi/x").unwrap();
    let request = CallbackRequest { method: &Method::POST, query: "", headers: &headers, body };
    IletiMerkezi.read(&account.callback(&url), &request)
}

#[test]
fn a_receipt_is_a_hint() {
    let body = |status: &str| {
        format!(
            r#"{{"report":{{"id":1,"packet_id":12323232,"status":"{status}","to":"+905051234567","body":"x"}}}}"#
        )
    };
    for (word, rank) in [("accepted", 0), ("undelivered", 1), ("delivered", 2)] {
        let callback = read(body(word).as_bytes()).unwrap();
        assert!(!callback.confirmed);
        let [status] = callback.statuses.as_slice() else { panic!("{callback:?}") };
        assert_eq!((status.message_id.as_str(), status.to.as_deref()), ("12323232", Some("+905051234567")));
        assert_eq!(status.state.rank(), rank);
    }
    assert_eq!(read(body("lost").as_bytes()), Err(CallbackRefused::Malformed));
}

proptest! {
    #[test]
    fn no_call_and_no_answer_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes).is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let http = FakeHttp::new().answer(200, bytes);
        prop_assert!(runtime.block_on(send(&sms("+905321234567", "a"), &http)).is_err());
    }
}

#[tokio::test]
async fn many_share_an_order_and_the_same_text_is_written_once() {
    let ops = [
        sms("+905321234567", "Kampanya"),
        sms("+905331234567", "Kampanya"),
        sms("+903121234567", "Kampanya"),
        sms("+905341234567", "Başka"),
    ];
    let many: Vec<Many<'_>> = ops.iter().map(|op| Many { idempotency_key: "dlv_1", op }).collect();
    let http = FakeHttp::new().answer(200, TAKEN);
    let results = IletiMerkezi.send_many(&account().cx(&http), &many).await;
    assert_eq!(
        body(&http, 0)["request"]["order"]["message"],
        json!([{"text": "Kampanya", "receipents": {"number": ["5321234567", "5331234567"]}},
            {"text": "Başka", "receipents": {"number": ["5341234567"]}}])
    );
    let good: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, true, false, true]);

    let http = FakeHttp::new().answer(452, status(452));
    let results = IletiMerkezi.send_many(&account().cx(&http), &many).await;
    assert_eq!(results[0].as_ref().unwrap_err().code, BATCH_REFUSED);
    let http = FakeHttp::new().answer(402, status(402));
    let results = IletiMerkezi.send_many(&account().cx(&http), &many).await;
    assert_eq!(kinds(&results[3].as_ref().unwrap_err().kind), "balance");
}

#[tokio::test]
async fn a_lost_order_is_found_among_those_of_its_minute() {
    let account = account();
    let find = async |answers: &[&'static str], known: &[String], minutes: i64| {
        let http = answers.iter().fold(FakeHttp::new(), |http, answer| http.answer(200, *answer));
        let ago = |minutes: i64| account.now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap();
        let among = Among { since: ago(minutes + 1), until: ago(minutes), known };
        let op = Operation::SendSms(sms("+905321234567", "a"));
        IletiMerkezi.find(&account.cx(&http), &op, &among).await.unwrap()
    };
    let list = r#"{"response":{"status":{"code":200},"count":3,"orders":[
        {"id":89,"submitAt":"2026-11-24 12:59:30","sender":"FIRMAADI"},
        {"id":90,"submitAt":"2026-11-24 12:59:30","sender":"BASKA"},
        {"id":91,"submitAt":"2026-11-24 09:00:00","sender":"FIRMAADI"}]}}"#;
    let ours = r#"{"response":{"status":{"code":200},"order":{"id":89,"message":[{"number":5321234567,"status":111}]}}}"#;
    let others = r#"{"response":{"status":{"code":200},"order":{"id":89,"message":[{"number":5331234567,"status":111}]}}}"#;
    let Found::Taken(sent, Some(_)) = find(&[list, ours], &[], 1).await else { panic!() };
    assert_eq!(sent.message_id.as_deref(), Some("89"));
    assert_eq!(find(&[list, others], &[], 1).await, Found::Unclear);
    assert_eq!(find(&[list, others], &[], 3).await, Found::NotTaken);
    assert_eq!(find(&[list], &["89".to_owned()], 3).await, Found::NotTaken);
    let cut_short = r#"{"response":{"status":{"code":200},"count":2000,"orders":[]}}"#;
    assert_eq!(find(&[cut_short], &[], 3).await, Found::Unclear);
}
