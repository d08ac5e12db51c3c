//! The SMTP server's manners.

use lettre::AsyncTransport;
use santral_sandbox::smtp::MAX_MAIL;
use santral_sandbox::{Account, Sandbox, SandboxConfig};

use crate::support::{codes, implicit, mail, on_the_wire, plain, sandbox, say, secure};

#[tokio::test]
async fn a_mail_arrives_as_it_was_sent() {
    let sandbox = sandbox().await;
    let mail = mail("ayse@ornek.test");
    plain(&sandbox).send(mail.clone()).await.expect("taken");
    let arrived = sandbox.mailbox().mail(1).expect("kept");
    assert_eq!(arrived.raw, on_the_wire(&mail));
    assert_eq!(arrived.envelope.to, ["ayse@ornek.test"]);
    assert_eq!(arrived.view().subject, "Teklifiniz hazır");
    assert_eq!(arrived.view().text.as_deref(), Some("Merhaba\r\n.\r\n..nokta\r\n\r\n"));
    assert_eq!((arrived.envelope.tls, &arrived.envelope.user), (false, &None));
}

#[tokio::test]
async fn starttls_with_the_sandbox_authority_and_the_right_password_signs_in() {
    let sandbox = sandbox().await;
    secure(&sandbox, "sandbox").send(mail("a@b.test")).await.expect("taken");
    let arrived = sandbox.mailbox().mail(1).expect("kept");
    assert_eq!((arrived.envelope.tls, arrived.envelope.user.as_deref()), (true, Some("demo")));
}

#[tokio::test]
async fn a_wrong_password_is_refused_until_the_account_has_it() {
    let sandbox = sandbox().await;
    let refused = secure(&sandbox, "wrong").send(mail("a@b.test")).await.expect_err("refused");
    assert_eq!(refused.status().map(|code| code.to_string()), Some("535".into()));
    sandbox.set_accounts(vec![Account { user: "demo".into(), password: "wrong".into() }]);
    secure(&sandbox, "wrong").send(mail("a@b.test")).await.expect("taken");
}

#[tokio::test]
async fn tls_from_the_first_byte_works_where_asked_for() {
    let config = SandboxConfig { smtp_tls: Some(([127, 0, 0, 1], 0).into()), ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.expect("started");
    implicit(&sandbox).send(mail("a@b.test")).await.expect("taken");
    assert!(sandbox.mailbox().mail(1).expect("kept").envelope.tls);
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_noticed() {
    let (one, other) = (sandbox().await, sandbox().await);
    let tls = lettre::transport::smtp::client::Tls::Required(crate::support::tls(&other));
    let client = crate::support::Client::builder_dangerous("127.0.0.1").port(one.smtp_addr().port()).tls(tls);
    assert!(client.build::<lettre::Tokio1Executor>().send(mail("a@b.test")).await.is_err());
    assert_eq!(one.mailbox().total(), 0);
}

#[tokio::test]
async fn where_signing_in_is_required_mail_without_it_is_refused() {
    let sandbox = Sandbox::start(SandboxConfig { require_auth: true, ..SandboxConfig::default() })
        .await
        .expect("started");
    let refused = plain(&sandbox).send(mail("a@b.test")).await.expect_err("refused");
    assert_eq!(refused.status().map(|code| code.to_string()), Some("530".into()));
    secure(&sandbox, "sandbox").send(mail("a@b.test")).await.expect("taken");
}

#[tokio::test]
async fn auth_login_and_plain_work_with_and_without_initial_response() {
    let sandbox = sandbox().await;
    for exchange in [
        "AUTH PLAIN AGRlbW8Ac2FuZGJveA==",
        "AUTH PLAIN\r\nAGRlbW8Ac2FuZGJveA==",
        "AUTH LOGIN\r\nZGVtbw==\r\nc2FuZGJveA==",
        "AUTH LOGIN ZGVtbw==\r\nc2FuZGJveA==",
    ] {
        let answer = say(&sandbox, format!("EHLO t\r\n{exchange}\r\nQUIT\r\n").as_bytes()).await;
        assert!(answer.contains("\r\n235 2.7.0 "), "{exchange}: {answer}");
    }
    for exchange in ["AUTH PLAIN *", "AUTH PLAIN\r\n!!!", "AUTH LOGIN\r\n*", "AUTH PLAIN AGRlbW8="] {
        let answer = say(&sandbox, format!("EHLO t\r\n{exchange}\r\nQUIT\r\n").as_bytes()).await;
        assert!(answer.contains("\r\n501 5.5.2 "), "{exchange}: {answer}");
    }
}

#[tokio::test]
async fn a_whole_pipelined_session_is_answered_in_order() {
    let sandbox = sandbox().await;
    let one = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n";
    let answer = say(&sandbox, format!("EHLO t\r\n{one}{one}QUIT\r\n").as_bytes()).await;
    assert_eq!(codes(&answer), ["220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"]);
    assert_eq!(sandbox.mailbox().total(), 2);
}

#[tokio::test]
async fn commands_out_of_order_are_refused() {
    let sandbox = sandbox().await;
    for (session, expected) in [
        ("MAIL FROM:<a@b.test>\r\n", "503"),
        ("EHLO t\r\nRCPT TO:<a@b.test>\r\n", "503"),
        ("EHLO t\r\nDATA\r\n", "503"),
        ("EHLO t\r\nMAIL FROM:<a@b.test>\r\nDATA\r\n", "554"),
        ("EHLO t\r\nMAIL FROM:<a@b.test>\r\nMAIL FROM:<a@b.test>\r\n", "503"),
        ("HELO t\r\nAUTH PLAIN AGRlbW8Ac2FuZGJveA==\r\n", "503"),
        ("HELO t\r\nSTARTTLS\r\n", "503"),
        ("EHLO t\r\nSTARTTLS\r\nMAIL FROM:<a@b.test>\r\n", "554"),
        ("EHLO t\r\nMAIL FROM:<ayşe@b.test>\r\n", "553"),
        ("EHLO t\r\nMAIL FROM:<a@b.test> SIZE=99999999\r\n", "552"),
        ("EHLO t\r\nNOOP\n", "500"),
    ] {
        let answer = say(&sandbox, session.as_bytes()).await;
        assert_eq!(codes(&answer).last(), Some(&expected), "{session}: {answer}");
    }
}

#[tokio::test]
async fn smuggled_and_oversized_content_is_not_taken() {
    let sandbox = sandbox().await;
    let start = "EHLO t\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";
    let smuggled = format!("{start}a\n.\r\nMAIL FROM:<x@y.test>\r\n.\r\nQUIT\r\n");
    assert_eq!(codes(&say(&sandbox, smuggled.as_bytes()).await)[5..], ["554", "221"]);
    let long = format!("{start}{}\r\n.\r\nQUIT\r\n", "x".repeat(2_000));
    assert_eq!(codes(&say(&sandbox, long.as_bytes()).await)[5..], ["554", "221"]);
    let line = format!("{}\r\n", "x".repeat(900));
    let big = format!("{start}{}.\r\nQUIT\r\n", line.repeat(MAX_MAIL / line.len() + 1));
    assert_eq!(codes(&say(&sandbox, big.as_bytes()).await)[5..], ["552", "221"]);
    assert_eq!(sandbox.mailbox().total(), 0);
}

#[tokio::test]
async fn addresses_beyond_ascii_pass_with_smtputf8() {
    let sandbox = sandbox().await;
    let session =
        "EHLO t\r\nMAIL FROM:<ayşe@b.test> SMTPUTF8\r\nRCPT TO:<çağrı@d.test>\r\nDATA\r\nhi\r\n.\r\n";
    say(&sandbox, session.as_bytes()).await;
    assert_eq!(sandbox.mailbox().mail(1).expect("kept").envelope.to, ["çağrı@d.test"]);
}

#[tokio::test]
async fn a_client_that_only_errs_is_shown_the_door() {
    let sandbox = sandbox().await;
    let answer = say(&sandbox, "FROB\r\n".repeat(100).as_bytes()).await;
    assert_eq!(codes(&answer).last(), Some(&"421"));
    assert_eq!(codes(&answer).len(), 23);
}
