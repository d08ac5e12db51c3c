//! One mail over one session, against servers that refuse, leave or fall silent at every stage.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use santral_connectors::smtp::{Cause, Security};
use tokio::net::TcpListener;

use super::*;
use crate::outbound::guard::tests::{SPECIAL_V4, SPECIAL_V6, spellings};
use crate::outbound::testing::{
    Act, LONG, Names, SHORT, Server, outbound, outbound_with, say, serve, serve_at,
};

pub(super) const KEY: PoolKey = PoolKey { connection: Uuid::from_u128(1), version: 1 };

pub(super) fn plain(server: &Server) -> SmtpServer<'static> {
    SmtpServer { host: "127.0.0.1", port: server.address.port(), security: Security::None, login: None }
}

pub(super) fn mail(to: &[&str]) -> Mail {
    Mail {
        from: "satis@firma.test".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        needs_utf8: false,
        content: Bytes::from_static(b"Subject: Teklif\r\n\r\n.nokta\r\n"),
    }
}

/// Greeting and EHLO; `offers` are the lines of its reply.
pub(super) fn hello(offers: &[&str]) -> Vec<Act> {
    let lines: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
    vec![
        say("220 mail.test ESMTP ready\r\n"),
        Act::Hear("EHLO crm.test"),
        say(format!("250-mail.test\r\n{lines}250 HELP\r\n")),
    ]
}

fn script(parts: &[&[Act]]) -> Vec<Act> {
    parts.concat()
}

async fn send(server: &Server, mail: &Mail) -> Result<SmtpReply, SmtpFailure> {
    outbound().smtp(Trust::Tenant, KEY, LONG, None).send(&plain(server), mail).await
}

fn reply(code: u16, enhanced: Option<&str>, text: &str) -> Cause {
    Cause::Reply { code, enhanced: enhanced.map(str::to_owned), text: text.to_owned() }
}

#[tokio::test]
async fn a_mail_goes_step_by_step_where_nothing_is_offered() {
    let server = serve(vec![script(&[
        &hello(&[]),
        &[
            Act::Hear("MAIL FROM:<satis@firma.test>"),
            say("250 ok\r\n"),
            Act::Hear("RCPT TO:<ali@alici.test>"),
        ],
        &[say("250 ok\r\n"), Act::Hear("DATA"), say("354 go\r\n"), Act::Content],
        &[say("250-2.0.0 queued\r\n250 2.0.0 as 4F1\r\n")],
    ])])
    .await;
    let sent = send(&server, &mail(&["ali@alici.test"])).await.unwrap();
    assert_eq!(sent, SmtpReply { text: "250 2.0.0 queued as 4F1".to_owned(), refused: vec![] });
    assert_eq!(server.heard().await[0].last().unwrap(), "Subject: Teklif\r\n\r\n..nokta\r\n.\r\n");
}

/// All three commands are heard before the first is answered.
fn batch(replies: &str) -> Vec<Act> {
    vec![Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA"), say(replies)]
}

#[tokio::test]
async fn commands_go_in_one_batch_where_pipelining_is_offered() {
    let server = serve(vec![script(&[
        &hello(&["PIPELINING", "SIZE 1000"]),
        &batch("250 ok\r\n250 ok\r\n354 go\r\n"),
        &[Act::Content, say("250 ok\r\n")],
    ])])
    .await;
    send(&server, &mail(&["ali@alici.test"])).await.unwrap();
    assert_eq!(server.heard().await[0][1], "MAIL FROM:<satis@firma.test> SIZE=27");
}

#[tokio::test]
async fn a_server_that_only_knows_helo_is_greeted_so() {
    let server = serve(vec![vec![
        say("220 old\r\n"),
        Act::Hear("EHLO"),
        say("502 what?\r\n"),
        Act::Hear("HELO crm.test"),
        say("250 hi\r\n"),
        Act::Hear("MAIL"),
        say("550 no\r\n"),
        Act::Eof,
    ]])
    .await;
    assert_eq!(send(&server, &mail(&["a@b.test"])).await.unwrap_err().stage, Stage::Mail);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_stage_and_codes() {
    let no = "550 5.7.1 go away\r\n";
    let cause = || reply(550, Some("5.7.1"), "go away");
    let step = |command, answer: &str| vec![Act::Hear(command), say(answer)];
    let ok = "250 ok\r\n";
    for (rest, stage) in [
        (vec![say("550 5.7.1 go away\r\n")], Stage::Greeting),
        ([vec![say("220 hi\r\n")], step("EHLO", no)].concat(), Stage::Greeting),
        ([hello(&[]), step("MAIL", no)].concat(), Stage::Mail),
        ([hello(&[]), step("MAIL", ok), step("RCPT", no)].concat(), Stage::Rcpt),
        ([hello(&[]), step("MAIL", ok), step("RCPT", ok), step("DATA", no)].concat(), Stage::Data),
        (
            [
                hello(&[]),
                step("MAIL", ok),
                step("RCPT", ok),
                step("DATA", "354 go\r\n"),
                vec![Act::Content, say(no)],
            ]
            .concat(),
            Stage::Accepted,
        ),
        ([hello(&["PIPELINING"]), batch(&format!("{no}503 no\r\n503 no\r\n"))].concat(), Stage::Mail),
        ([hello(&["PIPELINING"]), batch(&format!("{ok}{no}554 no\r\n"))].concat(), Stage::Rcpt),
        ([hello(&["PIPELINING"]), batch(&format!("{ok}{ok}{no}"))].concat(), Stage::Data),
        // It leaves right after its refusal: the refusal is what counts.
        ([hello(&["PIPELINING"]), batch(no), vec![Act::Close]].concat(), Stage::Mail),
    ] {
        let server = serve(vec![[rest, vec![Act::Eof]].concat()]).await;
        let failure = send(&server, &mail(&["a@b.test"])).await.unwrap_err();
        assert_eq!(failure, SmtpFailure { stage, cause: cause() });
        server.heard().await;
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_with_its_stage() {
    let ok = "250 ok\r\n";
    let until_data = || [hello(&["PIPELINING"]), batch("250 ok\r\n250 ok\r\n354 go\r\n")].concat();
    for (before, stage) in [
        (vec![], Stage::Greeting),
        (vec![say("220 hi\r\n"), Act::Hear("EHLO")], Stage::Greeting),
        ([hello(&[]), vec![Act::Hear("MAIL")]].concat(), Stage::Mail),
        ([hello(&[]), vec![Act::Hear("MAIL"), say(ok), Act::Hear("RCPT")]].concat(), Stage::Rcpt),
        ([hello(&["PIPELINING"]), batch("250 ok\r\n")].concat(), Stage::Rcpt),
        ([hello(&["PIPELINING"]), batch("250 ok\r\n250 ok\r\n")].concat(), Stage::Data),
        ([until_data(), vec![Act::Content]].concat(), Stage::Accepted),
        ([until_data(), vec![Act::Content, say("250-half a reply\r\n")]].concat(), Stage::Accepted),
    ] {
        let endings = [
            vec![Act::Close],
            vec![Act::Reset],
            vec![say("HTTP/1.1 200 OK\r\n"), Act::Eof],
            vec![Act::Drip("250-x\r\n")],
        ];
        for ending in endings {
            let slow = matches!(ending[0], Act::Drip(_));
            let server = serve(vec![[before.clone(), ending.clone()].concat()]).await;
            let port = outbound().smtp(Trust::Tenant, KEY, if slow { SHORT } else { LONG }, None);
            let failure = port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap_err();
            assert_eq!(failure.stage, stage, "{ending:?}");
            assert!(matches!(failure.cause, Cause::Lost { .. }), "{failure:?}");
            server.heard().await;
        }
    }
}

#[tokio::test]
async fn endless_replies_are_cut() {
    for flood in
        [format!("220-{}\r\n", "a".repeat(100_000)), "220-more\r\n".repeat(1000), "a".repeat(100_000)]
    {
        let server = serve(vec![vec![say(flood), Act::Eof]]).await;
        let failure = send(&server, &mail(&["a@b.test"])).await.unwrap_err();
        assert_eq!((failure.stage, matches!(failure.cause, Cause::Lost { .. })), (Stage::Greeting, true));
    }
}

#[tokio::test]
async fn refused_copies_are_listed_and_the_mail_still_goes() {
    let server = serve(vec![script(&[
        &hello(&["PIPELINING"]),
        &[
            Act::Hear("MAIL"),
            Act::Hear("RCPT TO:<a@x>"),
            Act::Hear("RCPT TO:<b@x>"),
            Act::Hear("RCPT TO:<c@x>"),
        ],
        &[Act::Hear("DATA"), say("250 ok\r\n250 ok\r\n550 no\r\n451 later\r\n354 go\r\n"), Act::Content],
        &[say("250 ok\r\n")],
    ])])
    .await;
    let sent = send(&server, &mail(&["a@x", "b@x", "not an address", "c@x"])).await.unwrap();
    assert_eq!(sent.refused, ["not an address", "b@x", "c@x"]);
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_copies_without_even_an_empty_mail() {
    let server = serve(vec![script(&[
        &hello(&["PIPELINING"]),
        &[Act::Hear("MAIL"), Act::Hear("RCPT TO:<a@x>"), Act::Hear("RCPT TO:<b@x>"), Act::Hear("DATA")],
        &[say("250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"), Act::Eof],
    ])])
    .await;
    assert_eq!(send(&server, &mail(&["a@x", "b@x"])).await.unwrap_err().stage, Stage::Rcpt);
    assert_eq!(server.heard().await[0].last().unwrap(), "");
}

#[tokio::test]
async fn what_the_server_lacks_is_named_before_anything_is_said() {
    let server = serve(vec![[hello(&["PIPELINING"]), vec![Act::Eof]].concat()]).await;
    let needy = Mail { needs_utf8: true, ..mail(&["a@b.test"]) };
    let failure = send(&server, &needy).await.unwrap_err();
    assert_eq!(failure, SmtpFailure { stage: Stage::Mail, cause: Cause::NotOffered { what: "SMTPUTF8" } });
    assert_eq!(server.heard().await[0].last().unwrap(), "", "nothing but the greeting");
}

fn with_login<'a>(server: &Server, login: (&'a str, &'a str)) -> SmtpServer<'a> {
    SmtpServer { login: Some(login), ..plain(server) }
}

async fn check(server: &Server, login: (&str, &str)) -> Result<SmtpReply, SmtpFailure> {
    outbound().smtp(Trust::Tenant, KEY, LONG, None).check(&with_login(server, login)).await
}

#[tokio::test]
async fn a_check_signs_in_and_sends_nothing() {
    let server = serve(vec![script(&[
        &hello(&["AUTH LOGIN PLAIN"]),
        &[
            Act::Hear("AUTH PLAIN AHVzZXIAcGFzcw=="),
            say("235 2.7.0 ok\r\n"),
            Act::Hear("NOOP"),
            say("250 ok\r\n"),
        ],
        &[Act::Hear("QUIT"), Act::Eof],
    ])])
    .await;
    let reply = check(&server, ("user", "pass")).await.unwrap();
    assert_eq!(reply.text, "mail.test ESMTP ready");
    assert_eq!(server.heard().await[0].len(), 5);
}

#[tokio::test]
async fn every_way_to_sign_in_is_known() {
    let goodbye = [Act::Hear("NOOP"), say("250 ok\r\n"), Act::Hear("QUIT")];
    let login =
        [Act::Hear("AUTH LOGIN"), say("334 VXNlcm5hbWU6\r\n"), Act::Hear("dXNlcg=="), say("334 \r\n")];
    let server = serve(vec![script(&[
        &hello(&["AUTH=LOGIN"]),
        &login,
        &[Act::Hear("cGFzcw=="), say("235 ok\r\n")],
        &goodbye,
    ])])
    .await;
    check(&server, ("user", "pass")).await.unwrap();
    let server = serve(vec![script(&[
        &hello(&["AUTH PLAIN"]),
        &[Act::Hear("AUTH PLAIN"), say("334 \r\n"), Act::Hear("AHVzZXIA"), say("235 ok\r\n")],
        &goodbye,
    ])])
    .await;
    check(&server, ("user", &"p".repeat(600))).await.unwrap();
    server.heard().await;
}

#[tokio::test]
async fn a_refused_login_is_told_and_not_shown() {
    for offers in [["AUTH PLAIN"], ["AUTH LOGIN"]] {
        let command = if offers == ["AUTH PLAIN"] { "AUTH PLAIN" } else { "AUTH LOGIN" };
        let server =
            serve(vec![script(&[&hello(&offers), &[Act::Hear(command), say("535 5.7.8 no\r\n"), Act::Eof]])])
                .await;
        let failure = check(&server, ("user", "pass")).await.unwrap_err();
        assert_eq!(failure, SmtpFailure { stage: Stage::Auth, cause: reply(535, Some("5.7.8"), "no") });
    }
    let server = serve(vec![[hello(&["AUTH XOAUTH2"]), vec![Act::Eof]].concat()]).await;
    let failure = check(&server, ("user", "pass")).await.unwrap_err();
    assert_eq!(failure, SmtpFailure { stage: Stage::Auth, cause: Cause::NotOffered { what: "AUTH" } });
    assert_eq!(server.heard().await[0].last().unwrap(), "");
}

#[tokio::test]
async fn plain_text_needs_the_operators_consent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = OutboundConfig { smtp_allow_plaintext: false, ..crate::outbound::testing::config() };
    let outbound = crate::outbound::Outbound::new(&config).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = SmtpServer { host: "127.0.0.1", port, security: Security::None, login: None };
    let port = outbound.smtp(Trust::Tenant, KEY, LONG, None);
    for failure in
        [port.check(&server).await.unwrap_err(), port.send(&server, &mail(&["a@b"])).await.unwrap_err()]
    {
        assert_eq!(failure, SmtpFailure { stage: Stage::Connect, cause: Cause::Plaintext });
    }
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn a_private_mail_server_is_reached_by_no_spelling_of_its_address() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let config = OutboundConfig { allow_networks: vec![], ..crate::outbound::testing::config() };
    let outbound = crate::outbound::Outbound::new(&config).unwrap();
    let smtp = outbound.smtp(Trust::Tenant, KEY, LONG, None);
    let v4 = SPECIAL_V4.iter().flat_map(|address| spellings(address.parse().unwrap()));
    let v6 = SPECIAL_V6.iter().map(|address| (*address).to_owned());
    for host in v4.chain(v6).chain(["localhost".to_owned()]) {
        let port = listener.local_addr().unwrap().port();
        let server = SmtpServer { host: &host, port, security: Security::None, login: None };
        let failure = smtp.check(&server).await.unwrap_err();
        assert!(matches!(failure.cause, Cause::Forbidden { .. }), "{host}: {failure:?}");
    }
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn a_mail_server_whose_name_changes_is_pinned_to_what_was_judged() {
    let server =
        serve_at("127.0.0.2:0", vec![[hello(&[]), vec![Act::Hear("NOOP"), say("250 ok\r\n")]].concat()])
            .await;
    let port = server.address.port();
    let secret = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let names = Names::answering(&[&["127.0.0.2"], &["127.0.0.2", "127.0.0.1"], &[]]);
    let outbound = outbound_with(names, "127.0.0.2/32", None);
    let smtp = outbound.smtp(Trust::Tenant, KEY, LONG, None);
    let target = SmtpServer { host: "mail.test", ..plain(&server) };
    smtp.check(&target).await.unwrap();
    assert!(matches!(smtp.check(&target).await.unwrap_err().cause, Cause::Forbidden { .. }));
    assert!(matches!(smtp.check(&target).await.unwrap_err().cause, Cause::Lost { .. }));
    assert!(secret.accept().now_or_never().is_none());
}

/// A permit that is good for so many questions.
pub(super) fn good_for(questions: usize) -> Permit {
    let asked = AtomicUsize::new(0);
    Arc::new(move || asked.fetch_add(1, Ordering::SeqCst) < questions)
}

fn withdrawn(failure: &SmtpFailure, at: Stage) -> bool {
    failure.stage == at && matches!(&failure.cause, Cause::Lost { text } if text.starts_with("lease_lost"))
}

#[tokio::test]
async fn without_the_permit_no_mail_is_begun() {
    let server = serve(vec![[hello(&["PIPELINING"]), vec![Act::Eof]].concat()]).await;
    let port = outbound().smtp(Trust::Tenant, KEY, LONG, Some(good_for(0)));
    let failure = port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap_err();
    assert!(withdrawn(&failure, Stage::Mail), "{failure:?}");
    assert_eq!(server.heard().await[0].last().unwrap(), "");
}

#[tokio::test]
async fn a_permit_lost_on_the_way_withholds_the_final_dot() {
    let large = Bytes::from("Merhaba dünya.\r\n".repeat(10_000));
    for content in [mail(&[]).content, large] {
        let mail = Mail { content: content.clone(), ..mail(&["a@b.test"]) };
        let server = serve(vec![script(&[
            &hello(&["PIPELINING", "8BITMIME"]),
            &batch("250 ok\r\n250 ok\r\n354 go\r\n"),
            &[Act::Eof],
        ])])
        .await;
        let port = outbound().smtp(Trust::Tenant, KEY, LONG, Some(good_for(1)));
        let failure = port.send(&plain(&server), &mail).await.unwrap_err();
        assert!(withdrawn(&failure, Stage::Data), "{failure:?}");
        let heard = server.heard().await[0].last().unwrap().clone();
        assert!(heard.len() < content.len() && !heard.contains("\r\n.\r\n"));
    }
}

#[test]
fn an_ehlo_name_is_one_word() {
    for name in ["", "two words", "a\r\nMAIL", "ğ"] {
        let config = OutboundConfig { hello_name: Some(name.to_owned()), ..OutboundConfig::default() };
        let error = crate::outbound::Outbound::new(&config).unwrap_err();
        assert!(matches!(error, OutboundError::HelloName), "{name:?}");
    }
}
