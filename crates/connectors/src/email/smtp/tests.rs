use rstest::rstest;
use serde_json::{Map, Value, json};

use super::*;
use crate::failure::FailureKind;
use crate::operation::{MessageKind, Operation, RecipientType};
use crate::smtp::{Cause, SmtpFailure, SmtpReply, Stage};
use crate::testing::{FakeHttp, FakeSmtp, SmtpCall};

/// `\0satis@firma.com.tr\0gizli-parola` in base64.
const SASL: &str = "AHNhdGlzQGZpcm1hLmNvbS50cgBnaXpsaS1wYXJvbGE=";

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn settings() -> Value {
    json!({"host": "smtp.firma.com.tr", "from_address": "satis@firma.com.tr", "from_name": "Firma Satış"})
}

fn stored(settings: Value, credentials: Value) -> (Settings, Credentials) {
    CONNECTOR.validate(&map(settings), &map(credentials), None).unwrap()
}

fn login() -> Value {
    json!({"user": "satis@firma.com.tr", "password": "gizli-parola"})
}

fn email() -> Operation {
    Operation::SendEmail(SendEmail {
        to: "Ayşe <ayse@musteri.com>".to_owned(),
        cc: vec!["veli@musteri.com".to_owned()],
        bcc: vec!["arsiv@firma.com.tr".to_owned()],
        reply_to: None,
        subject: "Teklif".to_owned(),
        text: Some("Merhaba".to_owned()),
        html: None,
        attachments: Vec::new(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
        unsubscribe: None,
    })
}

fn run(smtp: &FakeSmtp, account: &(Settings, Credentials), operation: &Operation) -> Result<Value, Failure> {
    let http = FakeHttp::new();
    let cx = Cx {
        http: &http,
        smtp,
        credentials: &account.1,
        settings: &account.0,
        idempotency_key: "dlv_1",
        files: &[],
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(CONNECTOR.perform(&cx, operation));
    assert!(http.requests().is_empty());
    outcome
}

fn only_call(smtp: &FakeSmtp) -> SmtpCall {
    let mut calls = smtp.calls();
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

#[test]
fn an_email_goes_to_the_accounts_server_with_all_recipients_in_the_envelope() {
    let reply =
        SmtpReply { text: "250 2.0.0 queued as 7".to_owned(), refused: vec!["veli@musteri.com".into()] };
    let smtp = FakeSmtp::new().reply(reply);
    let sent = run(&smtp, &stored(settings(), login()), &email()).unwrap();
    assert_eq!(sent, json!({"answer": "250 2.0.0 queued as 7", "refused": ["veli@musteri.com"]}));
    let call = only_call(&smtp);
    assert_eq!(
        (call.host.as_str(), call.port, call.security),
        ("smtp.firma.com.tr", 587, Security::Starttls)
    );
    assert_eq!(call.login, Some(("satis@firma.com.tr".to_owned(), "gizli-parola".to_owned())));
    let mail = call.mail.unwrap();
    assert_eq!(mail.from, "satis@firma.com.tr");
    assert_eq!(mail.to, ["ayse@musteri.com", "veli@musteri.com", "arsiv@firma.com.tr"]);
    assert!(std::str::from_utf8(&mail.content).unwrap().contains("Message-ID: <dlv_1@firma.com.tr>\r\n"));
}

#[test]
fn a_check_signs_in_and_names_the_sender() {
    let smtp = FakeSmtp::new().accept("250 hello gizli-parola");
    let checked = run(&smtp, &stored(settings(), login()), &Operation::Check(Check {})).unwrap();
    assert_eq!(checked, json!({"account": "satis@firma.com.tr", "detail": "250 hello •••"}));
    assert!(only_call(&smtp).mail.is_none());
}

#[test]
fn a_refused_sign_in_is_the_connections_fault_and_hides_the_password() {
    let cause = Cause::Reply {
        code: 535,
        enhanced: Some("5.7.8".to_owned()),
        text: format!("wrong: gizli-parola {SASL}"),
    };
    let smtp = FakeSmtp::new().fail(SmtpFailure { stage: Stage::Auth, cause });
    let failure = run(&smtp, &stored(settings(), login()), &email()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misconfigured(Reason::RejectedCredentials));
    assert_eq!(failure.vendor_code.as_deref(), Some("535 5.7.8"));
    assert_eq!(failure.detail, "the mail server answered at auth: wrong: ••• •••");
}

#[test]
fn a_message_that_cannot_be_built_reaches_no_server() {
    let smtp = FakeSmtp::new();
    let Operation::SendEmail(mut op) = email() else { panic!("not an e-mail") };
    op.to = "a@x.com, b@y.com".to_owned();
    let failure = run(&smtp, &stored(settings(), login()), &Operation::SendEmail(op)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(smtp.calls().is_empty());
}

#[rstest]
#[case(json!({}), "587")]
#[case(json!({"security": "starttls"}), "587")]
#[case(json!({"security": "tls"}), "465")]
#[case(json!({"security": "none"}), "25")]
#[case(json!({"security": "tls", "port": 2465}), "2465")]
#[case(json!({"security": "tls", "port": "0587"}), "587")]
fn an_absent_port_follows_the_security(#[case] given: Value, #[case] port: &str) {
    let mut form = map(settings());
    form.extend(map(given));
    let (values, _) = CONNECTOR.validate(&form, &Map::new(), None).unwrap();
    assert_eq!(values.get("port"), Some(port));
}

#[test]
fn a_server_may_need_no_sign_in_but_never_half_of_one() {
    assert_eq!(stored(settings(), json!({})).1, Credentials::default());
    for half in [json!({"user": "ali"}), json!({"password": "gizli"})] {
        let problems = CONNECTOR.validate(&map(settings()), &map(half), None).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].code, "required");
    }
}

#[rstest]
#[case(json!({}))]
#[case(json!({"host": "smtp.firma.com", "from_address": "satis@firma.com", "port": "x"}))]
#[case(json!({"host": "smtp.firma.com", "from_address": "satis"}))]
#[case(json!({"host": "smtp.firma.com", "from_address": "satis@firma.com", "security": "ssl"}))]
#[case(json!({"host": "smtp.firma.com", "from_address": "satis@firma.com", "reply_to": "x"}))]
fn stored_settings_that_do_not_read_are_the_connections_fault(#[case] settings: Value) {
    let account = (serde_json::from_value(settings).unwrap(), Credentials::default());
    let failure = run(&FakeSmtp::new(), &account, &email()).unwrap_err();
    assert_eq!(&*failure.code, "settings_invalid");
    assert_eq!(failure.kind, FailureKind::Misconfigured(Reason::Misconfigured));
}
