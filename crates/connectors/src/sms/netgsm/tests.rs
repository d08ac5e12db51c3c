use http::HeaderMap;
use proptest::prelude::*;
use rstest::rstest;
use url::Url;

use super::*;
use crate::capability::{
    Among, Asked, Callback, CallbackRefused, CallbackRequest, Found, InboundKind, MessageState, ReadCallback,
    ReadReports, Reconcile,
};
use crate::failure::{FailureKind, Reason};
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

async fn send(account: &Account, op: &SendSms, http: &FakeHttp) -> Result<Sent, Failure> {
    Netgsm.perform(&account.cx(http), op).await
}

const TAKEN: &str = r#"{"code":"00","jobid":"17377215342605050417149344","description":"queued"}"#;

#[tokio::test]
async fn a_message_is_written_as_the_vendor_wants_it() {
    let http = FakeHttp::new().answer(200, TAKEN);
    let sent = send(&account(), &sms("+905321234567", "Siparişiniz hazır"), &http).await.unwrap();
    assert_eq!(sent.message_id.as_deref(), Some("17377215342605050417149344"));
    let request = &http.requests()[0];
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://api.netgsm.com.tr/sms/rest/v2/send");
    assert_eq!(request.headers()["authorization"], "Basic ODUwMTIzNDU2Nzpvcm5lay1hcGktc2lmcmVzaQ==");
    assert_eq!(
        body(&http, 0),
        json!({"msgheader": "FIRMAADI", "encoding": "TR", "iysfilter": "0", "partnercode": "12345",
            "appname": "santral", "messages": [{"msg": "Siparişiniz hazır", "no": "5321234567"}]})
    );
}

#[rstest]
#[case(MessageKind::Informational, RecipientType::Individual, "0")]
#[case(MessageKind::Informational, RecipientType::Merchant, "0")]
#[case(MessageKind::Commercial, RecipientType::Individual, "11")]
#[case(MessageKind::Commercial, RecipientType::Merchant, "12")]
#[tokio::test]
async fn the_iys_filter_is_always_said(
    #[case] kind: MessageKind,
    #[case] recipient_type: RecipientType,
    #[case] filter: &str,
) {
    let http = FakeHttp::new().answer(200, TAKEN);
    let op = SendSms { kind, recipient_type, ..sms("+905321234567", "Merhaba") };
    send(&account(), &op, &http).await.unwrap();
    assert_eq!(body(&http, 0)["iysfilter"], filter);
    assert_eq!(body(&http, 0).get("encoding"), None);
}

#[tokio::test]
async fn letters_are_made_plain_and_the_reference_placed_where_it_is_asked_for() {
    let http = FakeHttp::new().answer(200, TAKEN).answer(200, TAKEN);
    let account = account().set("letters", "simplify").set("reference", "message");
    send(&account, &sms("+442079460958", "Siparişiniz hazır"), &http).await.unwrap();
    let sent = body(&http, 0);
    assert_eq!(
        sent["messages"],
        json!([{"msg": "Siparisiniz hazir", "no": "00442079460958", "referansID": "dlv_1"}])
    );
    assert_eq!(sent.get("encoding"), None);
    send(&account.set("reference", "request"), &sms("+905321234567", "a"), &http).await.unwrap();
    assert_eq!(body(&http, 1)["referansID"], "dlv_1");
}

#[rstest]
#[case("+902121234567")]
#[case("+909001234567")]
#[case("+908501234567")]
#[tokio::test]
async fn a_number_that_takes_no_sms_is_not_tried(#[case] to: &str) {
    let http = FakeHttp::new();
    let failure = send(&account(), &sms(to, "Merhaba"), &http).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_ref()), (FailureKind::Rejected, "recipient_not_mobile"));
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
#[case("20", "rejected", "text_refused")]
#[case("30", "auth", "credentials_rejected")]
#[case("40", "config", "sender_not_approved")]
#[case("50", "config", "iys_not_enabled")]
#[case("51", "config", "iys_brand_missing")]
#[case("60", "config", "package_missing")]
#[case("70", "rejected", "request_refused")]
#[case("80", "rate", "rate_limited")]
#[case("85", "retry", "recipient_too_often")]
#[case("100", "retry", "vendor_failed")]
#[case("101", "retry", "vendor_failed")]
#[case("999", "rejected", "vendor_refused")]
#[tokio::test]
async fn each_code_has_its_meaning_in_every_form(#[case] code: &str, #[case] kind: &str, #[case] name: &str) {
    let text = format!(r#"{{"code":"{code}","jobid":null,"description":"açıklama"}}"#);
    let number = format!(r#"{{"code":{code}}}"#);
    let forms = [
        (406, text.clone()),
        (200, text),
        (406, number),
        (200, code.to_owned()),
        (200, format!(" {code}\r\n")),
    ];
    for (status, answer) in forms {
        let http = FakeHttp::new().answer(status, answer.clone());
        let failure = send(&account(), &sms("+905321234567", "a"), &http).await.unwrap_err();
        assert_eq!((kinds(&failure.kind), failure.code.as_ref()), (kind, name), "{status} {answer}");
        assert_eq!(failure.vendor_code.as_deref(), Some(code));
    }
}

#[tokio::test]
async fn a_commercial_message_without_iys_does_not_stop_informational_ones() {
    let http = FakeHttp::new().answer(406, r#"{"code":"51","jobid":null,"description":""}"#);
    let op = SendSms { kind: MessageKind::Commercial, ..sms("+905321234567", "a") };
    assert_eq!(send(&account(), &op, &http).await.unwrap_err().kind, FailureKind::Rejected);
}

#[rstest]
#[case(200, TAKEN, Some("17377215342605050417149344"))]
#[case(200, r#"{"code":0,"jobId":17377215342605050417}"#, Some("17377215342605050417"))]
#[case(200, "00 1311033503", Some("1311033503"))]
#[case(200, r#"{"code":"01","jobid":"7","description":"start date replaced"}"#, Some("7"))]
#[case(200, r#"{"code":"00"}"#, None)]
#[tokio::test]
async fn every_form_of_a_success_is_one(
    #[case] status: u16,
    #[case] answer: &'static str,
    #[case] id: Option<&str>,
) {
    let http = FakeHttp::new().answer(status, answer);
    let sent = send(&account(), &sms("+905321234567", "a"), &http).await.unwrap();
    assert_eq!(sent.message_id.as_deref(), id);
}

#[rstest]
#[case(200, "")]
#[case(200, "<html>Bakım</html>")]
#[case(200, r#"{"jobid":"1"}"#)]
#[case(200, r#"{"code":{"a":1}}"#)]
#[case(200, r#"{"code":"zero"}"#)]
#[case(200, "[]")]
#[case(200, "00 1 2")]
#[case(500, TAKEN)]
#[case(502, "")]
#[tokio::test]
async fn what_may_have_been_taken_is_never_called_refused(#[case] status: u16, #[case] answer: &'static str) {
    let http = FakeHttp::new().answer(status, answer);
    let failure = send(&account(), &sms("+905321234567", "a"), &http).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unconfirmed, "{failure}");
}

#[tokio::test]
async fn a_check_proves_the_account_and_its_sender_and_tells_the_balance() {
    let headers = r#"{"code":"00","msgheaders":["FIRMAADI","8501234567"],"description":"ok"}"#;
    let http = FakeHttp::new().answer(200, headers).answer(200, r#"{"code":"00","balance":"2,7"}"#);
    let checked = Netgsm.perform(&account().cx(&http), &Check {}).await.unwrap();
    assert_eq!(checked, Checked { account: "8501234567".into(), detail: "2.7 TRY · FIRMAADI".into() });
    assert_eq!(http.requests()[1].headers().get("authorization"), None);

    let other = account().set("msgheader", "BASKA");
    let failure =
        Netgsm.perform(&other.cx(&FakeHttp::new().answer(200, headers)), &Check {}).await.unwrap_err();
    assert_eq!((kinds(&failure.kind), failure.code.as_ref()), ("config", "sender_not_approved"));

    // A balance that is not told is no fault of the account.
    let http = FakeHttp::new().answer(200, headers).answer(200, r#"{"code":"60"}"#);
    assert_eq!(Netgsm.perform(&account().cx(&http), &Check {}).await.unwrap().detail, "FIRMAADI");
    let http = FakeHttp::new().answer(406, r#"{"code":"30","description":"no"}"#);
    let failure = Netgsm.perform(&account().cx(&http), &Check {}).await.unwrap_err();
    assert_eq!(kinds(&failure.kind), "auth");
}

#[rstest]
#[case("FI")]
#[case("ONIKIKARAKTE")]
fn a_sender_of_the_wrong_length_is_refused(#[case] sender: &str) {
    let mut settings = Settings::default();
    settings.0.insert("msgheader".into(), sender.into());
    assert_eq!(complete(&mut settings, &Credentials::default())[0].code, "invalid_sender");
}

fn row(status: &str, error: &str) -> String {
    format!(
        r#"{{"jobid":"17","number":"5321234567","status":{status},"operator":30,"msglen":2,
            "deliveredDate":"24.11.2026 13:10:12","errorCode":{error},"referansID":null}}"#
    )
}

async fn asked(answer: String) -> Reports {
    let http = FakeHttp::new().answer(200, answer);
    let account = account();
    let one = Asked { message_id: "17", to: "+905321234567", sent_at: account.now };
    let reports = Netgsm.reports(&account.cx(&http), &[one, one], 0).await.unwrap();
    let sent = body(&http, 0);
    assert_eq!(sent["jobids"], json!(["17"]));
    assert_eq!(
        (&sent["startdate"], &sent["stopdate"]),
        (&json!("23.11.2026 13:00:00"), &json!("24.11.2026 14:00:00"))
    );
    reports
}

use crate::capability::Reports;

#[rstest]
#[case("0", "0", "sent", "")]
#[case("1", "0", "delivered", "")]
#[case("2", "0", "rejected", "expired")]
#[case("3", "0", "rejected", "recipient_invalid")]
#[case("4", "0", "rejected", "not_delivered")]
#[case("11", "0", "rejected", "operator_refused")]
#[case("12", "101", "rejected", "mailbox_full")]
#[case("12", "102", "rejected", "recipient_unreachable")]
#[case("12", "105", "rejected", "recipient_invalid")]
#[case("12", "112", "rejected", "recipient_refused")]
#[case("12", "777", "rejected", "not_delivered")]
#[case("13", "0", "rejected", "duplicate_message")]
#[case("14", "0", "balance", "insufficient_balance")]
#[case("15", "0", "rejected", "recipient_opted_out")]
#[case("16", "0", "rejected", "recipient_opted_out")]
#[case("17", "0", "retry", "iys_failed")]
#[case("22", "0", "rejected", "not_delivered")]
#[case("103", "0", "rejected", "not_delivered")]
#[tokio::test]
async fn a_report_says_what_became_of_it(
    #[case] status: &str,
    #[case] error: &str,
    #[case] kind: &str,
    #[case] code: &str,
) {
    let reports = asked(format!(r#"{{"code":"00","jobs":[{}]}}"#, row(status, error))).await;
    let [status] = reports.statuses.as_slice() else { panic!("{reports:?}") };
    let state = match &status.state {
        MessageState::Sent => ("sent", ""),
        MessageState::Delivered => ("delivered", ""),
        MessageState::Read => ("read", ""),
        MessageState::Failed(failure) => (kinds(&failure.kind), failure.code.as_ref()),
    };
    assert_eq!(state, (kind, code));
    assert_eq!((status.message_id.as_str(), status.to.as_deref()), ("17", Some("+905321234567")));
    assert_eq!(status.at.unwrap().to_string(), "2026-11-24T10:10:12Z");
    assert_eq!(status.segments, Some(2));
}

#[tokio::test]
async fn what_a_report_does_not_know_changes_nothing() {
    for answer in [
        r#"{"code":"60","description":"kayıt yok","jobs":null}"#.to_owned(),
        r#"{"code":"00","jobs":[]}"#.to_owned(),
        r#"{"code":"00","jobs":[{"status":1},{"jobid":"17","number":"","status":1},7,null]}"#.to_owned(),
        format!(r#"{{"code":"00","jobs":[{}]}}"#, row("\"55\"", "0")),
    ] {
        assert_eq!(asked(answer).await, Reports::default());
    }
}

#[tokio::test]
async fn full_pages_are_followed_by_others() {
    let rows = vec![row("1", "0"); 100].join(",");
    let reports = asked(format!(r#"{{"code":"00","jobs":[{rows}]}}"#)).await;
    assert_eq!((reports.statuses.len(), reports.more), (100, true));
}

fn read(method: &Method, query: &str, body: &[u8]) -> Result<Callback, CallbackRefused> {
    let (account, headers) = (account(), HeaderMap::new());
    let url = Url::parse("https://santral.example/hooks/netgsm/x").unwrap();
    Netgsm.read(&account.callback(&url), &CallbackRequest { method, query, headers: &headers, body })
}

#[rstest]
#[case(r#"{"jobid":"17","number":"5321234567","status":1,"errorCode":0}"#)]
#[case(r#"[{"jobID":17,"telno":"905321234567","durum":"1"}]"#)]
#[case(r#"{"jobs":[{"jobid":"17","no":"05321234567","status":"1"}]}"#)]
#[case("jobid=17&telno=5321234567&status=1")]
fn a_receipt_in_any_spelling_is_a_hint(#[case] body: &str) {
    let callback = read(&Method::POST, "", body.as_bytes()).unwrap();
    assert!(!callback.confirmed);
    assert_eq!(callback.statuses.len(), 1);
    assert_eq!(callback.statuses[0].state, MessageState::Delivered);
    assert_eq!(callback.statuses[0].to.as_deref(), Some("+905321234567"));
}

#[test]
fn an_inbound_message_is_read_and_a_repeat_is_the_same() {
    let body = r#"{"mesaj":"RET","ceptel":"5531234567","aboneno":"8501234567","gorevid":"1","tarih":"2023-02-21 16:28:41.053"}"#;
    let callback = read(&Method::POST, "", body.as_bytes()).unwrap();
    let [message] = callback.inbound.as_slice() else { panic!("{callback:?}") };
    assert_eq!((message.from.as_str(), message.text.as_str()), ("+905531234567", "RET"));
    assert_eq!(message.at.unwrap().to_string(), "2023-02-21T13:28:41.053Z");
    assert_eq!(message.kind, InboundKind::Text);
    assert_eq!(read(&Method::POST, "", body.as_bytes()).unwrap().inbound[0].id, message.id);
    let other = body.replace("RET", "DUR");
    assert_ne!(read(&Method::POST, "", other.as_bytes()).unwrap().inbound[0].id, message.id);
}

proptest! {
    #[test]
    fn no_call_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..400), query in "\\PC{0,60}") {
        let _ = read(&Method::POST, "", &body);
        let _ = read(&Method::GET, &query, b"");
    }

    #[test]
    fn no_answer_breaks_it(body in "[0-9{}\\[\\]\",:codejbid \\r\\n]{0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let http = FakeHttp::new().answer(200, body.clone());
        let _ = runtime.block_on(send(&account(), &sms("+905321234567", "a"), &http));
        let http = FakeHttp::new().answer(200, body);
        let _ = runtime.block_on(Netgsm.senders(&account().cx(&http)));
    }
}

async fn find(answer: &'static str, known: &[String], minutes: i64) -> Found {
    let http = FakeHttp::new().answer(200, answer);
    let account = account();
    let ago = |minutes: i64| account.now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap();
    let among = Among { since: ago(minutes + 1), until: ago(minutes), known };
    let op = Operation::SendSms(sms("+905321234567", "a"));
    let found = Netgsm.find(&account.cx(&http), &op, &among).await.unwrap();
    assert_eq!(body(&http, 0).get("jobids"), None);
    found
}

#[tokio::test]
async fn a_lost_message_is_found_by_reference_or_by_number() {
    let by_reference = r#"{"code":"00","jobs":[{"jobid":"8","number":"5321234567","status":0},
        {"jobid":"9","number":"5321234567","status":1,"referansID":"dlv_1"}]}"#;
    let Found::Taken(sent, Some(_)) = find(by_reference, &[], 1).await else { panic!() };
    assert_eq!(sent.message_id.as_deref(), Some("9"));
    let by_number = r#"{"code":"00","jobs":[{"jobid":"8","number":"5321234567","status":0},
        {"jobid":"9","number":"5331234567","status":1}]}"#;
    let Found::Taken(sent, _) = find(by_number, &[], 1).await else { panic!() };
    assert_eq!(sent.message_id.as_deref(), Some("8"));
    // It is another message's: ours is not there, and after a while will not come.
    assert_eq!(find(by_number, &["8".to_owned()], 1).await, Found::Unclear);
    assert_eq!(find(by_number, &["8".to_owned()], 11).await, Found::NotTaken);
    let twice = r#"{"code":"00","jobs":[{"jobid":"8","number":"5321234567","status":0},
        {"jobid":"9","number":"5321234567","status":1}]}"#;
    assert_eq!(find(twice, &[], 11).await, Found::Unclear);
    assert_eq!(find(r#"{"code":"60"}"#, &[], 11).await, Found::Unclear);
}

#[tokio::test]
async fn many_share_a_call_and_each_has_its_own_result() {
    let ops = [
        sms("+905321234567", "Ali, kodunuz 1"),
        sms("+902121234567", "Veli, kodunuz 2"),
        sms("+905331234567", "Ayşe, kodunuz 3"),
        sms("+905321234567", "Ali, kodunuz 4"),
    ];
    let many: Vec<Many<'_>> = ops.iter().map(|op| Many { idempotency_key: "dlv_1", op }).collect();
    let http = FakeHttp::new().answer(200, TAKEN);
    let results = Netgsm.send_many(&account().cx(&http), &many).await;
    assert_eq!(http.requests().len(), 1);
    let numbers: Vec<_> =
        body(&http, 0)["messages"].as_array().unwrap().iter().map(|message| message["no"].clone()).collect();
    assert_eq!(numbers, ["5321234567", "5331234567"]);
    let codes: Vec<_> =
        results.iter().map(|result| result.as_ref().map(|_| ()).map_err(|f| f.code.as_ref())).collect();
    assert_eq!(codes, [Ok(()), Err("recipient_not_mobile"), Ok(()), Err("recipient_twice")]);

    let http = FakeHttp::new().answer(406, r#"{"code":"70","description":"no"}"#);
    let results = Netgsm.send_many(&account().cx(&http), &many).await;
    assert_eq!(results[0].as_ref().unwrap_err().code, crate::failure::BATCH_REFUSED);
    let http = FakeHttp::new().answer(406, r#"{"code":"30","description":"no"}"#);
    let results = Netgsm.send_many(&account().cx(&http), &many).await;
    assert_eq!(kinds(&results[2].as_ref().unwrap_err().kind), "auth");
}

#[test]
fn only_alike_messages_share_a_call() {
    let plain = sms("+905321234567", "a");
    let commercial = SendSms { kind: MessageKind::Commercial, ..plain.clone() };
    let merchant = SendSms { recipient_type: RecipientType::Merchant, ..commercial.clone() };
    let turkish = sms("+905321234567", "ş");
    let groups = [&plain, &commercial, &merchant, &turkish].map(|op| Netgsm.group(op));
    assert_eq!(groups.iter().collect::<HashSet<_>>().len(), 4);
    assert_eq!(Netgsm.group(&plain), Netgsm.group(&sms("+905331234567", "b")));
}

#[tokio::test]
async fn an_address_is_registered_and_removed() {
    const OURS: &str = "https://santral.example/hooks/netgsm/x";
    let http = FakeHttp::new().answer(200, r#"{"code":"00"}"#).answer(406, r#"{"code":"70"}"#);
    let ours = Addresses { reports: Some(OURS.to_owned()), inbound: Some(OURS.to_owned()) };
    Netgsm.register(&account().cx(&http), &ours).await.unwrap();
    assert_eq!(body(&http, 0), json!({"webhookUrl": OURS}));
    let asked = |http: &FakeHttp| -> Vec<_> {
        let requests = http.requests();
        requests.iter().map(|request| format!("{} {}", request.method(), request.uri().path())).collect()
    };
    assert_eq!(asked(&http), ["POST /sms/rest/v2/reportwebhook", "POST /sms/rest/v2/inboxwebhook"]);
    let http = FakeHttp::new().answer(200, "").answer(200, "");
    Netgsm.register(&account().cx(&http), &Addresses::default()).await.unwrap();
    assert_eq!(asked(&http), ["DELETE /sms/rest/v2/reportwebhook", "DELETE /sms/rest/v2/inboxwebhook"]);
    assert!(!format!("{ours:?}").contains("santral.example"), "an address may hold a secret");
}

#[tokio::test]
async fn a_registration_that_failed_says_whether_anything_changed() {
    let refused = FakeHttp::new().answer(406, r#"{"code":"30"}"#);
    let failure = Netgsm.register(&account().cx(&refused), &Addresses::default()).await.unwrap_err();
    assert_eq!(kinds(&failure.kind), "auth");
    let halfway =
        FakeHttp::new().answer(200, r#"{"code":"00"}"#).fail(Failure::retryable("connect_failed", "refused"));
    let failure = Netgsm.register(&account().cx(&halfway), &Addresses::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unconfirmed);
}
