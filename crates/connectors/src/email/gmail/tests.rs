use base64::engine::general_purpose::URL_SAFE;
use mail_parser::MessageParser;

use super::*;
use crate::connector::File;
use crate::failure::FailureKind;
use crate::operation::{Attachment, AttachmentSource, MessageKind, RecipientType};
use crate::testing::{FakeHttp, FakeSmtp};
use crate::values::{Credentials, Settings};

fn mail() -> SendEmail {
    SendEmail {
        to: "Ayşe <ayse@musteri.com>".to_owned(),
        cc: vec!["cc@musteri.com".to_owned()],
        bcc: vec!["gizli@musteri.com".to_owned(), "Bir Ad <iki@musteri.com>".to_owned()],
        reply_to: None,
        subject: "Teklif".to_owned(),
        text: Some("Merhaba".to_owned()),
        html: None,
        attachments: Vec::new(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
        unsubscribe: None,
    }
}

async fn send(http: &FakeHttp, op: &SendEmail, files: &[File]) -> Result<Sent, Failure> {
    let account = [("access_token", "ya29.canary"), ("account", "satis@firma.com.tr")];
    let credentials = Credentials(account.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    let settings = Settings([("from_name".to_owned(), "Firma".to_owned())].into());
    let cx = Cx {
        http,
        smtp: &FakeSmtp::new(),
        credentials: &credentials,
        settings: &settings,
        idempotency_key: "dlv_1",
        files,
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    Gmail.perform(&cx, op).await
}

#[tokio::test]
async fn a_mail_goes_out_from_the_account_with_all_its_recipients() {
    let http = FakeHttp::new().answer(200, r#"{"id":"m1","threadId":"t1","labelIds":["SENT"]}"#);
    assert_eq!(send(&http, &mail(), &[]).await.unwrap().message_id.as_deref(), Some("m1"));
    let request = &http.requests()[0];
    assert_eq!(request.uri(), SEND);
    assert_eq!(request.headers()["authorization"], "Bearer ya29.canary");
    assert!(request.headers()["authorization"].is_sensitive());
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let raw = URL_SAFE.decode(body["raw"].as_str().unwrap()).unwrap();
    let parsed = MessageParser::default().parse(&raw).unwrap();
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Firma"), Some("satis@firma.com.tr")));
    let hidden: Vec<_> = parsed.bcc().unwrap().iter().filter_map(|address| address.address()).collect();
    assert_eq!(hidden, ["gizli@musteri.com", "iki@musteri.com"]);
    assert_eq!(parsed.message_id(), Some("dlv_1@firma.com.tr"));
}

#[tokio::test]
async fn a_large_mail_goes_up_as_it_is() {
    let http = FakeHttp::new().answer(200, r#"{"id":"m1"}"#);
    let content = Bytes::from(vec![7; 2 * 1024 * 1024]);
    let file = File { name: "a.pdf".to_owned(), content_type: "application/pdf".to_owned(), content };
    let source = AttachmentSource::Blob("b".to_owned());
    let attachment = Attachment { name: "a.pdf".to_owned(), content_type: None, source };
    send(&http, &SendEmail { attachments: vec![attachment], ..mail() }, &[file]).await.unwrap();
    let request = &http.requests()[0];
    assert_eq!(request.uri(), UPLOAD);
    assert_eq!(request.headers()["content-type"], "message/rfc822");
    assert!(request.body().starts_with(b"Bcc: gizli@musteri.com,\r\n iki@musteri.com\r\n"));
}

#[tokio::test]
async fn a_yes_that_cannot_be_read_is_unconfirmed() {
    for body in ["", "{}", r#"{"id":7}"#, r#"{"id":""}"#, "<html>", r#"{"id": "m"#] {
        let http = FakeHttp::new().answer(200, body);
        assert_eq!(send(&http, &mail(), &[]).await.unwrap_err().kind, FailureKind::Unconfirmed, "{body}");
    }
}

#[tokio::test]
async fn an_account_without_an_address_names_its_remedy_before_anything_is_sent() {
    let http = FakeHttp::new();
    let cx = Cx {
        http: &http,
        smtp: &FakeSmtp::new(),
        credentials: &Credentials([("access_token".to_owned(), "x".to_owned())].into()),
        settings: &Settings::default(),
        idempotency_key: "dlv_1",
        files: &[],
        base_url: None,
        callback_url: None,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    };
    assert_eq!(
        Perform::<SendEmail>::perform(&Gmail, &cx, &mail()).await.unwrap_err().code,
        "settings_invalid"
    );
    assert!(http.requests().is_empty());
}
