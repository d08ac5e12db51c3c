use mail_parser::{Address as Parsed, Message, MessageParser, MimeHeaders};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::failure::FailureKind;
use crate::operation::{Attachment as Declared, AttachmentSource, MessageKind, RecipientType};

fn email() -> SendEmail {
    SendEmail {
        to: "Ayşe Gül <ayse@musteri.com>".to_owned(),
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: None,
        subject: "Teklifiniz hazır: Şubat kampanyası".to_owned(),
        text: Some("Merhaba Ayşe,\nteklifiniz ektedir.".to_owned()),
        html: None,
        attachments: Vec::new(),
        kind: MessageKind::Informational,
        recipient_type: RecipientType::Individual,
        unsubscribe: None,
    }
}

fn origin() -> Origin<'static> {
    Origin {
        from: "Firma Satış <satis@firma.com.tr>".parse().unwrap(),
        reply_to: None,
        message_id: "dlv_0192f0c1a2b3",
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
    }
}

fn file(name: &str, content_type: &str, content: &[u8]) -> File {
    File {
        name: name.to_owned(),
        content_type: content_type.to_owned(),
        content: Bytes::copy_from_slice(content),
    }
}

fn with_files(mut email: SendEmail, files: &[File]) -> SendEmail {
    let declared = |file: &File| Declared {
        name: file.name.clone(),
        content_type: None,
        source: AttachmentSource::Blob("blob_1".to_owned()),
    };
    email.attachments = files.iter().map(declared).collect();
    email
}

fn parse(mail: &BuiltMail) -> Message<'_> {
    MessageParser::default().parse(&*mail.content).unwrap()
}

fn first(address: Option<&Parsed<'_>>) -> (Option<String>, Option<String>) {
    let address = address.and_then(Parsed::first).unwrap();
    (address.name().map(str::to_owned), address.address().map(str::to_owned))
}

fn code(result: Result<BuiltMail, Failure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    failure.code.into_owned()
}

#[test]
fn turkish_names_subject_and_text_arrive_as_written() {
    let mail = build(&email(), &origin(), &[]).unwrap();
    let message = parse(&mail);
    assert_eq!(message.subject(), Some("Teklifiniz hazır: Şubat kampanyası"));
    assert_eq!(first(message.from()), (Some("Firma Satış".into()), Some("satis@firma.com.tr".into())));
    assert_eq!(first(message.to()), (Some("Ayşe Gül".into()), Some("ayse@musteri.com".into())));
    assert_eq!(message.body_text(0).unwrap().trim_end(), "Merhaba Ayşe,\r\nteklifiniz ektedir.");
    assert_eq!(message.message_id(), Some("dlv_0192f0c1a2b3@firma.com.tr"));
    assert_eq!(message.date().unwrap().to_rfc3339(), "2026-11-24T10:00:00Z");
    assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert!(mail.content.is_ascii());
    assert!(!mail.needs_utf8);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_another_delivery_gives_others() {
    let files = [file("a.txt", "text/plain", b"a")];
    let mut email = with_files(email(), &files);
    email.html = Some("<p>Merhaba</p>".to_owned());
    let once = build(&email, &origin(), &files).unwrap();
    assert_eq!(once, build(&email, &origin(), &files).unwrap());
    let other = Origin { message_id: "dlv_other", ..origin() };
    assert_ne!(once.content, build(&email, &other, &files).unwrap().content);
}

#[test]
fn text_and_html_are_alternatives_of_one_message() {
    let mut email = email();
    email.html = Some("<p>Merhaba <b>Ayşe</b></p>".to_owned());
    let mail = build(&email, &origin(), &[]).unwrap();
    let message = parse(&mail);
    assert!(message.body_text(0).unwrap().contains("teklifiniz ektedir"));
    assert!(message.body_html(0).unwrap().contains("<b>Ayşe</b>"));
    assert_eq!(message.attachment_count(), 0);
    assert_eq!(message.content_type().unwrap().subtype(), Some("alternative"));
}

#[test]
fn files_arrive_with_their_turkish_names_types_and_bytes() {
    let bytes: Vec<u8> = (0..=255).collect();
    let long = format!("{}.pdf", "ş".repeat(300));
    let files = [
        file("Teklif – Şubat ğüşıöç.pdf", "application/pdf", &bytes),
        file("../../etc/passwd", "text/plain; charset=utf-8", b"x"),
        file("a\r\nX-Evil: 1.txt", "te xt/pl\r\nain", b""),
        file(&long, "message/rfc822", b"Subject: nested"),
        file("..", "", b"y"),
    ];
    let mut email = with_files(email(), &files);
    email.html = Some("<p>x</p>".to_owned());
    let mail = build(&email, &origin(), &files).unwrap();
    let message = parse(&mail);
    let names: Vec<_> = message.attachments().map(|part| part.attachment_name().unwrap()).collect();
    let shortened = format!("{}{}.pdf", "ş".repeat(108), "ş".repeat(8));
    assert_eq!(
        names,
        ["Teklif – Şubat ğüşıöç.pdf", "passwd", "a X-Evil_ 1.txt", shortened.as_str(), "attachment"]
    );
    let first = message.attachment(0).unwrap();
    assert_eq!(first.contents(), bytes);
    assert_eq!(first.content_type().unwrap().subtype(), Some("pdf"));
    assert_eq!(message.attachment(2).unwrap().content_type().unwrap().subtype(), Some("octet-stream"));
    assert_eq!(message.attachment(3).unwrap().content_type().unwrap().subtype(), Some("octet-stream"));
    assert!(message.header_raw("X-Evil").is_none());
}

#[test]
fn copies_are_in_the_envelope_once_and_blind_ones_in_no_header() {
    let mut email = email();
    email.cc = vec!["Veli <veli@musteri.com>".to_owned(), "ayse@MUSTERI.com".to_owned()];
    email.bcc = vec!["gizli@firma.com.tr".to_owned(), "veli@musteri.com".to_owned()];
    let mail = build(&email, &origin(), &[]).unwrap();
    let to: Vec<_> = mail.envelope_to.iter().map(EmailAddress::as_str).collect();
    assert_eq!(to, ["ayse@musteri.com", "veli@musteri.com", "gizli@firma.com.tr"]);
    assert_eq!(mail.envelope_from.as_str(), "satis@firma.com.tr");
    let text = std::str::from_utf8(&mail.content).unwrap();
    assert!(!text.contains("gizli") && !text.to_ascii_lowercase().contains("\nbcc"));
    assert_eq!(first(parse(&mail).cc()).1.as_deref(), Some("veli@musteri.com"));
}

#[test]
fn the_messages_reply_address_wins_over_the_connections() {
    let own = Origin { reply_to: Some("destek@firma.com.tr".parse().unwrap()), ..origin() };
    let mut email = email();
    assert_eq!(
        first(parse(&build(&email, &own, &[]).unwrap()).reply_to()).1.as_deref(),
        Some("destek@firma.com.tr")
    );
    email.reply_to = Some("Ali <ali@firma.com.tr>".to_owned());
    assert_eq!(
        first(parse(&build(&email, &own, &[]).unwrap()).reply_to()).1.as_deref(),
        Some("ali@firma.com.tr")
    );
}

#[test]
fn a_unicode_local_part_asks_for_smtputf8_and_a_unicode_domain_does_not() {
    let mut email = email();
    email.to = "info@müşteri.com".to_owned();
    let mail = build(&email, &origin(), &[]).unwrap();
    assert!(!mail.needs_utf8 && mail.content.is_ascii());
    email.to = "çağrı@musteri.com".to_owned();
    assert!(build(&email, &origin(), &[]).unwrap().needs_utf8);
    email.to = "ayse@musteri.com".to_owned();
    email.reply_to = Some("çağrı@firma.com".to_owned());
    assert!(build(&email, &origin(), &[]).unwrap().needs_utf8);
}

#[rstest]
#[case("Merhaba\r\nBcc: x@y.com")]
#[case("Merhaba\nBcc: x@y.com")]
#[case("Merhaba\rBcc: x@y.com")]
#[case("Şubat\r\n\r\nBcc: x@y.com")]
#[case("Merhaba\u{2028}Bcc: x@y.com")]
#[case("Merhaba\0Bcc: x@y.com")]
fn a_subject_injects_no_header(#[case] subject: &str) {
    let mut email = email();
    email.subject = subject.to_owned();
    let mail = build(&email, &origin(), &[]).unwrap();
    let message = parse(&mail);
    assert!(message.bcc().is_none());
    assert!(message.subject().unwrap().ends_with("Bcc: x@y.com"));
    assert_eq!(message.body_text(0).unwrap().trim_end(), "Merhaba Ayşe,\r\nteklifiniz ektedir.");
}

#[rstest]
#[case("Ayşe\r\nBcc: x@y.com <ayse@musteri.com>")]
#[case("ayse@musteri.com\r\nBcc: x@y.com")]
#[case("ayse@musteri.com, x@y.com")]
#[case("")]
fn a_bad_recipient_is_refused(#[case] to: &str) {
    let mut email = email();
    email.to = to.to_owned();
    assert_eq!(code(build(&email, &origin(), &[])), "recipient_invalid");
}

#[test]
fn a_name_in_the_origin_injects_no_header_and_never_panics() {
    let mut from = origin();
    from.from.name = Some("Firma\r\nBcc: x@y.com".to_owned());
    let mail = build(&email(), &from, &[]).unwrap();
    let message = parse(&mail);
    assert!(message.bcc().is_none());
    assert_eq!(first(message.from()).0.as_deref(), Some("Firma Bcc: x@y.com"));
}

#[test]
fn what_cannot_be_sent_is_refused_with_its_reason() {
    let change = |edit: fn(&mut SendEmail)| {
        let mut changed = email();
        edit(&mut changed);
        code(build(&changed, &origin(), &[]))
    };
    assert_eq!(change(|email| email.text = Some(" \n".to_owned())), "empty_message");
    assert_eq!(change(|email| email.text = None), "empty_message");
    assert_eq!(change(|email| email.subject = "ş".repeat(501)), "subject_too_long");
    assert_eq!(change(|email| email.reply_to = Some("x".to_owned())), "reply_to_invalid");
    assert_eq!(change(|email| email.cc = vec!["x".to_owned()]), "recipient_invalid");
    let many = |email: &mut SendEmail| email.bcc = (0..100).map(|n| format!("a{n}@x.com")).collect();
    assert_eq!(change(many), "too_many_recipients");
    let id = Origin { message_id: "a>\r\nBcc: x", ..origin() };
    assert_eq!(code(build(&email(), &id, &[])), "message_id_invalid");
    let files = [file("a", "text/plain", b"a")];
    assert_eq!(code(build(&with_files(email(), &files), &origin(), &[])), "attachments_missing");
}

#[test]
fn ten_megabytes_of_files_pass_and_one_byte_more_does_not() {
    let full = [file("a.bin", "application/x-thing", &vec![7; ATTACHMENTS_MAX])];
    assert!(build(&with_files(email(), &full), &origin(), &full).is_ok());
    let over = [full[0].clone(), file("b.bin", "application/x-thing", b"1")];
    assert_eq!(code(build(&with_files(email(), &over), &origin(), &over)), "attachments_too_large");
}

#[test]
fn a_body_that_holds_the_boundary_stays_whole() {
    let mut email = email();
    email.html = Some("<p>x</p>".to_owned());
    let mail = build(&email, &origin(), &[]).unwrap();
    let boundary = parse(&mail).content_type().unwrap().attribute("boundary").unwrap().to_owned();
    let text = format!("önce\r\n--{boundary}--\r\nsonra");
    email.text = Some(text.clone());
    let mail = build(&email, &origin(), &[]).unwrap();
    assert_eq!(parse(&mail).body_text(0).unwrap().trim_end(), text);
}

#[test]
fn a_time_before_1970_does_not_panic() {
    let early = Origin { now: Timestamp::MIN, ..origin() };
    assert!(build(&email(), &early, &[]).is_ok());
    let late = Origin { now: Timestamp::MAX, ..origin() };
    assert!(build(&email(), &late, &[]).is_ok());
}

/// Every line of the message is short enough for SMTP, ends with CRLF, and holds no control character.
fn assert_wire_form(content: &[u8]) {
    let text = std::str::from_utf8(content).unwrap();
    assert!(text.ends_with("\r\n"));
    for line in text.split_terminator("\r\n") {
        assert!(line.len() <= 998, "a line of {} octets", line.len());
        assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "a control character");
    }
}

const HEADERS: [&str; 11] = [
    "date",
    "from",
    "to",
    "cc",
    "reply-to",
    "subject",
    "message-id",
    "auto-submitted",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
];

fn wild() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zğüşıöç \r\n\t\0:;,<>\"=?_@.-]{0,60}",
        "\\PC{0,400}",
        Just("=?utf-8?q?a=0D=0ABcc:_x=40y.com?=".to_owned()),
    ]
}

fn wild_mailbox() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => ("[^\\p{Cc}<>\u{2028}\u{2029}]{0,200}", "[a-zğş0-9+_.-]{1,8}@[a-z]{1,8}\\.com")
            .prop_map(|(name, address)| format!("{name} <{address}>")),
        4 => Just("Ayşe <ayse@musteri.com>".to_owned()),
        1 => wild(),
    ]
}

proptest! {
    // About a quarter of the cases are good enough to be built.
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_panics_and_nothing_injects(
        (to, cc, bcc) in (wild_mailbox(), wild_mailbox(), wild_mailbox()),
        (subject, text, html) in (wild(), proptest::option::of(wild()), proptest::option::of(wild())),
        (name, kind, content) in (wild(), wild(), any::<Vec<u8>>()),
        (from_name, id) in (wild(), prop_oneof![4 => Just("dlv_1".to_owned()), 1 => wild()]),
    ) {
        let files = [file(&name, &kind, &content)];
        let message = SendEmail { to, cc: vec![cc], bcc: vec![bcc], subject, text, html, ..email() };
        let message = with_files(message, &files);
        let from = Mailbox { name: Some(from_name), ..origin().from };
        let origin = Origin { from, message_id: &id, ..origin() };
        let Ok(mail) = build(&message, &origin, &files) else { return Ok(()) };
        assert_wire_form(&mail.content);
        let parsed = parse(&mail);
        for header in parsed.headers() {
            let header = header.name().to_ascii_lowercase();
            prop_assert!(HEADERS.contains(&header.as_str()), "an unexpected header: {header}");
        }
        prop_assert_eq!(parsed.attachment_count(), 1);
        prop_assert_eq!(parsed.attachment(0).unwrap().contents(), &content[..]);
    }

    #[test]
    fn a_subject_of_words_arrives_as_written(subject in "[A-Za-zÇĞİÖŞÜçğıöşü0-9!,.]{1,12}( [A-Za-zÇĞİÖŞÜçğıöşü0-9!,.]{1,12}){0,12}") {
        let message = SendEmail { subject: subject.clone(), ..email() };
        let mail = build(&message, &origin(), &[]).unwrap();
        let parsed = parse(&mail);
        prop_assert_eq!(parsed.subject(), Some(subject.as_str()));
    }

    #[test]
    fn any_text_arrives_as_written(text in "\\PC{1,300}(\r\n\\PC{1,300}){0,4}") {
        prop_assume!(!text.trim().is_empty());
        let message = SendEmail { text: Some(text.clone()), ..email() };
        let mail = build(&message, &origin(), &[]).unwrap();
        let parsed = parse(&mail);
        let arrived = parsed.body_text(0).unwrap();
        prop_assert_eq!(arrived.strip_suffix("\r\n").unwrap_or(&arrived), text.as_str());
    }
}

#[test]
fn a_commercial_mail_is_refused_by_one_click() {
    let url = "https://crm.example.com/unsubscribe/0123abc";
    let message = SendEmail { unsubscribe: Some(url.to_owned()), ..email() };
    let mail = build(&message, &origin(), &[]).unwrap();
    let text = String::from_utf8_lossy(&mail.content).replace("\r\n ", "");
    assert!(text.contains(&format!("List-Unsubscribe: <{url}>\r\n")), "{text}");
    assert!(text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{text}");
    let plain = build(&email(), &origin(), &[]).unwrap();
    assert!(!String::from_utf8_lossy(&plain.content).contains("List-Unsubscribe"));
    for bad in ["https://a/\r\nBcc: x@y.co", "https://a/ b", "https://a/<b>", "https://a/ğ"] {
        let message = SendEmail { unsubscribe: Some(bad.to_owned()), ..email() };
        assert_eq!(build(&message, &origin(), &[]).unwrap_err().code, "unsubscribe_invalid", "{bad}");
    }
}
