use mail_parser::MessageParser;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use url::Url;

use super::*;
use crate::connector::File;
use crate::failure::FailureKind;
use crate::operation::{Attachment, AttachmentSource, MessageKind, RecipientType};
use crate::testing::{FakeHttp, FakeSmtp};
use crate::values::{Credentials, Settings};

fn mail() -> SendEmail {
    SendEmail {
        to: "Ayşe <ayse@musteri.com>".to_owned(),
        cc: Vec::new(),
        bcc: vec!["gizli@musteri.com".to_owned()],
        reply_to: Some("destek@firma.com.tr".to_owned()),
        subject: "Teklif".to_owned(),
        text: Some("Merhaba".to_owned()),
        html: Some("<p>Merhaba</p>".to_owned()),
        attachments: Vec::new(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
        unsubscribe: None,
    }
}

async fn send_with(
    http: &FakeHttp,
    op: &SendEmail,
    files: &[File],
    base: Option<&Url>,
) -> Result<Sent, Failure> {
    let account = [("access_token", "eyJ.canary"), ("account", "satis@firma.com.tr")];
    let credentials = Credentials(account.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    let cx = Cx {
        http,
        smtp: &FakeSmtp::new(),
        credentials: &credentials,
        settings: &Settings::default(),
        idempotency_key: "dlv_1",
        files,
        base_url: base,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    Outlook.perform(&cx, op).await
}

fn large() -> (SendEmail, Vec<File>) {
    let sizes = [("a.pdf", 4_000_000), ("b.txt", 10)];
    let attachments = sizes.map(|(name, _)| Attachment {
        name: name.to_owned(),
        content_type: None,
        source: AttachmentSource::Blob("b".to_owned()),
    });
    let files = sizes.map(|(name, size)| File {
        name: name.to_owned(),
        content_type: "application/pdf".to_owned(),
        content: Bytes::from(vec![7; size]),
    });
    (SendEmail { attachments: attachments.into(), ..mail() }, files.into())
}

fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

#[tokio::test]
async fn a_mail_goes_as_mime_with_our_message_id() {
    let http = FakeHttp::new().answer(202, "");
    send_with(&http, &mail(), &[], None).await.unwrap();
    let request = &http.requests()[0];
    assert_eq!(
        (request.uri().to_string().as_str(), &request.headers()["content-type"]),
        (SEND, &"text/plain".parse::<HeaderValue>().unwrap())
    );
    let raw = STANDARD.decode(request.body()).unwrap();
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(parsed.message_id(), Some("dlv_1@firma.com.tr"));
    assert_eq!(parsed.bcc().unwrap().first().unwrap().address(), Some("gizli@musteri.com"));
}

#[tokio::test]
async fn a_large_mail_becomes_a_draft_gets_its_files_and_is_sent() {
    let http = FakeHttp::new()
        .answer(201, r#"{"id":"AAMk-1_="}"#)
        .answer(
            201,
            r#"{"uploadUrl":"https://outlook.office.com/upload?token=x","nextExpectedRanges":["0-"]}"#,
        )
        .answer(200, r#"{"nextExpectedRanges":["3276800-"]}"#)
        .answer(201, "")
        .answer(201, "{}")
        .answer(202, "");
    let (op, files) = large();
    send_with(&http, &op, &files, None).await.unwrap();
    let requests = http.requests();
    let draft = body(&requests[0]);
    assert_eq!(draft["internetMessageId"], "<dlv_1@firma.com.tr>");
    assert_eq!(draft["bccRecipients"], json!([{"emailAddress": {"address": "gizli@musteri.com"}}]));
    assert_eq!(draft["body"]["contentType"], "html");
    let session = body(&requests[1]);
    assert_eq!(session["AttachmentItem"]["size"], 4_000_000);
    for (request, range) in
        requests[2..4].iter().zip(["bytes 0-3276799/4000000", "bytes 3276800-3999999/4000000"])
    {
        assert_eq!(request.headers()["content-range"], range);
        assert!(!request.headers().contains_key("authorization"), "the upload address proves itself");
    }
    assert_eq!(body(&requests[4])["contentBytes"], STANDARD.encode([7; 10]));
    assert!(requests[5].uri().path().ends_with("/me/messages/AAMk-1_=/send"));
}

#[tokio::test]
async fn nothing_is_in_doubt_before_the_draft_is_sent() {
    let lost = || Failure::unconfirmed("answer_lost", "");
    let (op, files) = large();
    let before = FakeHttp::new().fail(lost());
    assert_eq!(
        send_with(&before, &op, &files, None).await.unwrap_err().kind,
        FailureKind::Retryable { after: None }
    );
    let small = (SendEmail { attachments: op.attachments[..1].to_vec(), ..mail() }, files[..1].to_vec());
    let after = FakeHttp::new()
        .answer(201, r#"{"id":"a"}"#)
        .answer(201, r#"{"uploadUrl":"https://outlook.office.com/u"}"#)
        .answer(200, "")
        .answer(201, "")
        .fail(lost());
    assert_eq!(send_with(&after, &small.0, &small.1, None).await.unwrap_err().kind, FailureKind::Unconfirmed);
    let refused = FakeHttp::new().answer(403, r#"{"error":{"code":"ErrorAccessDenied"}}"#);
    assert_eq!(send_with(&refused, &op, &files, None).await.unwrap_err().code, "large_mail_not_permitted");
}

#[rstest]
#[case("http://outlook.office.com/u")]
#[case("https://outlook.office.com.attacker.example/u")]
#[case("https://attackeroffice.com/u")]
#[case("https://169.254.169.254/u")]
#[case("")]
#[tokio::test]
async fn files_go_to_microsoft_and_nowhere_else(#[case] upload: &str) {
    let session = json!({"uploadUrl": upload}).to_string();
    let http = FakeHttp::new().answer(201, r#"{"id":"a"}"#).answer(201, session);
    let (op, files) = large();
    assert_eq!(send_with(&http, &op, &files, None).await.unwrap_err().code, "answer_unreadable");
    assert_eq!(http.requests().len(), 2);
}

#[rstest]
#[case(401, "InvalidAuthenticationToken", FailureKind::AuthExpired, "token_rejected")]
#[case(429, "ApplicationThrottled", FailureKind::RateLimited { after: None }, "rate_limited")]
#[case(403, "ErrorAccessDenied", FailureKind::Misconfigured(Reason::NeedsReauth), "scope_missing")]
#[case(403, "ErrorSendAsDenied", FailureKind::Misconfigured(Reason::Misconfigured), "sender_refused")]
#[case(
    404,
    "MailboxNotEnabledForRESTAPI",
    FailureKind::Misconfigured(Reason::Misconfigured),
    "mailbox_not_enabled"
)]
#[case(400, "ErrorInvalidRecipients", FailureKind::Rejected, "recipient_invalid")]
#[case(400, "ErrorMimeContentInvalidBase64String", FailureKind::Rejected, "request_refused")]
#[case(400, "ErrorExceededMessageLimit", FailureKind::RateLimited { after: None }, "daily_limit")]
#[case(413, "RequestEntityTooLarge", FailureKind::Rejected, "message_too_large")]
#[case(503, "ServiceNotAvailable", FailureKind::Retryable { after: None }, "vendor_unavailable")]
#[case(504, "UnknownError", FailureKind::Unconfirmed, "vendor_unavailable")]
#[tokio::test]
async fn errors_mean_what_microsoft_documents(
    #[case] status: u16,
    #[case] code: &str,
    #[case] kind: FailureKind,
    #[case] ours: &str,
) {
    for error in [json!({"code": code}), json!({"code": "UnknownError", "innerError": {"code": code}})] {
        let http = FakeHttp::new().answer(status, json!({"error": error}).to_string());
        let failure = send_with(&http, &mail(), &[], None).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_ref()), (kind.clone(), ours), "{error}");
    }
}

#[tokio::test]
async fn a_yes_that_is_no_202_is_unconfirmed() {
    for status in [200, 204] {
        let http = FakeHttp::new().answer(status, "<html>");
        assert_eq!(send_with(&http, &mail(), &[], None).await.unwrap_err().kind, FailureKind::Unconfirmed);
    }
}

proptest! {
    #[test]
    fn no_answer_breaks_it(status in 100_u16..1000, body in any::<Vec<u8>>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let http = FakeHttp::new().answer(status, body);
        let _ = runtime.block_on(send_with(&http, &mail(), &[], None));
    }
}
