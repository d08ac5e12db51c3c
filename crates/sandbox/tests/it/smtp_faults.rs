//! Every fault at every stage, as a mail client feels it.

use std::time::{Duration, Instant};

use lettre::AsyncTransport;
use lettre::transport::smtp::Error;
use santral_sandbox::Sandbox;
use santral_sandbox::smtp::{Action, SmtpFault, Stage};

use crate::support::{codes, mail, plain, sandbox, say, secure};

const STAGES: [Stage; 8] = [
    Stage::Connect,
    Stage::Ehlo,
    Stage::Starttls,
    Stage::Auth,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Accepted,
];

fn order(sandbox: &Sandbox, fault: SmtpFault) {
    sandbox.smtp_faults().add(fault).expect("a sensible order");
}

fn reply(code: u16, enhanced: &str) -> Action {
    Action::Reply { code, enhanced: Some(enhanced.into()), text: "as ordered".into() }
}

fn code(error: &Error) -> Option<String> {
    error.status().map(|code| code.to_string())
}

async fn send(sandbox: &Sandbox, to: &str) -> Result<(), Error> {
    secure(sandbox, "sandbox").send(mail(to)).await.map(|_| ())
}

#[tokio::test]
async fn a_refusal_strikes_once_at_each_stage() {
    let sandbox = sandbox().await;
    for (count, stage) in (1..).zip(STAGES) {
        order(&sandbox, SmtpFault::once(stage, reply(451, "4.3.0")));
        let error = send(&sandbox, "a@b.test").await.expect_err("refused");
        assert_eq!(code(&error), Some("451".into()), "{stage:?}: {error}");
        send(&sandbox, "a@b.test").await.unwrap_or_else(|error| panic!("{stage:?} struck twice: {error}"));
        assert_eq!(sandbox.mailbox().total(), count, "{stage:?}");
    }
}

#[tokio::test]
async fn a_dropped_connection_has_no_code_and_only_after_the_final_dot_is_the_mail_taken() {
    for stage in STAGES {
        let sandbox = sandbox().await;
        order(&sandbox, SmtpFault::once(stage, Action::Drop));
        let error = send(&sandbox, "a@b.test").await.expect_err("dropped");
        assert_eq!(code(&error), None, "{stage:?}: {error}");
        assert_eq!(sandbox.mailbox().total(), u64::from(stage == Stage::Accepted), "{stage:?}");
    }
}

#[tokio::test]
async fn a_connection_dropped_in_the_body_takes_no_mail() {
    let sandbox = sandbox().await;
    order(&sandbox, SmtpFault::once(Stage::Data, Action::DropInBody { after: 10 }));
    let error = send(&sandbox, "a@b.test").await.expect_err("dropped");
    assert_eq!(code(&error), None);
    assert_eq!(sandbox.mailbox().total(), 0);
    send(&sandbox, "a@b.test").await.expect("taken");
}

#[tokio::test]
async fn a_fault_for_one_recipient_leaves_others_alone() {
    let sandbox = sandbox().await;
    order(&sandbox, SmtpFault::once(Stage::Accepted, reply(552, "5.2.2")).to("full@b.test").times(0));
    send(&sandbox, "a@b.test").await.expect("taken");
    for _ in 0..2 {
        assert_eq!(code(&send(&sandbox, "full@b.test").await.expect_err("refused")), Some("552".into()));
    }
    sandbox.smtp_faults().clear();
    send(&sandbox, "full@b.test").await.expect("taken");
}

#[tokio::test]
async fn a_421_also_closes_the_session() {
    let sandbox = sandbox().await;
    order(&sandbox, SmtpFault::once(Stage::Mail, reply(421, "4.3.2")));
    let answer = say(&sandbox, b"EHLO t\r\nMAIL FROM:<a@b.test>\r\nNOOP\r\nQUIT\r\n").await;
    assert_eq!(codes(&answer), ["220", "250", "421"]);
}

#[tokio::test]
async fn delays_add_up_and_the_mail_is_taken_before_the_wait() {
    let sandbox = sandbox().await;
    order(&sandbox, SmtpFault::once(Stage::Rcpt, Action::Delay { ms: 30 }));
    order(&sandbox, SmtpFault::once(Stage::Accepted, Action::Delay { ms: 3_600_000 }));
    let started = Instant::now();
    let client = plain(&sandbox);
    let sending = tokio::spawn(async move { client.send(mail("a@b.test")).await });
    sandbox.mailbox().wait_for(1).await;
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert!(!sending.is_finished());
    sending.abort();
}

#[tokio::test]
async fn an_answer_can_come_a_byte_at_a_time() {
    let sandbox = sandbox().await;
    order(&sandbox, SmtpFault::once(Stage::Connect, Action::Trickle { ms: 1 }));
    let started = Instant::now();
    let answer = say(&sandbox, b"QUIT\r\n").await;
    assert_eq!(codes(&answer), ["220", "221"]);
    assert!(started.elapsed() >= Duration::from_millis(answer.len() as u64));
}

#[tokio::test]
async fn an_extension_can_be_hidden() {
    let sandbox = sandbox().await;
    order(&sandbox, SmtpFault::once(Stage::Ehlo, Action::Hide { keyword: "starttls".into() }));
    let error = send(&sandbox, "a@b.test").await.expect_err("lettre wants STARTTLS");
    assert_eq!(code(&error), None);
    assert!(say(&sandbox, b"EHLO t\r\nQUIT\r\n").await.contains("250 STARTTLS"));
}

#[tokio::test]
async fn magic_addresses_behave_as_their_names_say() {
    let sandbox = sandbox().await;
    assert_eq!(code(&send(&sandbox, "bounce@b.test").await.expect_err("bounced")), Some("550".into()));
    assert_eq!(code(&send(&sandbox, "greylist+1@b.test").await.expect_err("greylisted")), Some("451".into()));
    send(&sandbox, "greylist+1@b.test").await.expect("taken the second time");
    assert_eq!(sandbox.mailbox().total(), 1);
}

#[tokio::test]
async fn one_refused_recipient_of_two_leaves_the_other() {
    let sandbox = sandbox().await;
    let session = "EHLO t\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bounce@b.test>\r\nRCPT TO:<c@d.test>\r\n\
                   DATA\r\nhi\r\n.\r\nQUIT\r\n";
    assert_eq!(codes(&say(&sandbox, session.as_bytes()).await)[3..], ["550", "250", "354", "250", "221"]);
    assert_eq!(sandbox.mailbox().mail(1).expect("kept").envelope.to, ["c@d.test"]);
}
