//! Pooled sessions: reused, replaced when dead, never the cause of a lost or doubled mail.

use futures_util::future::join_all;
use santral_connectors::smtp::Cause;
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::tests::{KEY, good_for, hello, mail, plain};
use super::*;
use crate::outbound::testing::{Act, LONG, config, follow, outbound, say, serve};

fn deliver(first: bool) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut replies = "250 ok\r\n250 ok\r\n354 go\r\n".to_owned();
    if !first {
        acts.push(Act::Hear("RSET"));
        replies.insert_str(0, "250 reset\r\n");
    }
    acts.extend([Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA"), say(replies), Act::Content]);
    acts
}

fn one_mail() -> Vec<Act> {
    [hello(&["PIPELINING"]), deliver(true), vec![say("250 ok\r\n")]].concat()
}

fn contents(heard: &[Vec<String>]) -> usize {
    heard.iter().flatten().filter(|line| line.starts_with("Subject")).count()
}

#[tokio::test]
async fn mails_follow_each_other_on_one_session() {
    let script =
        [one_mail(), deliver(false), vec![say("250 ok\r\n")], deliver(false), vec![say("250 ok\r\n")]]
            .concat();
    let server = serve(vec![script]).await;
    let outbound = outbound();
    for _ in 0..3 {
        // A port per attempt, as the engine builds them.
        let port = outbound.smtp(Trust::Tenant, KEY, LONG, None);
        port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
    }
    assert_eq!(contents(&server.heard().await), 3);
}

#[tokio::test]
async fn a_refused_mail_does_not_spoil_the_session() {
    let refused = [Act::Hear("RSET"), Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA")];
    let script = [
        one_mail(),
        refused.to_vec(),
        vec![say("250 ok\r\n250 ok\r\n550 no\r\n503 no\r\n")],
        deliver(false),
        vec![say("452 4.3.1 full\r\n")],
        deliver(false),
        vec![say("250 ok\r\n")],
    ];
    let server = serve(vec![script.concat()]).await;
    let port = outbound().smtp(Trust::Tenant, KEY, LONG, None);
    let target = plain(&server);
    port.send(&target, &mail(&["a@b.test"])).await.unwrap();
    assert_eq!(port.send(&target, &mail(&["a@b.test"])).await.unwrap_err().stage, Stage::Rcpt);
    assert_eq!(port.send(&target, &mail(&["a@b.test"])).await.unwrap_err().stage, Stage::Accepted);
    port.send(&target, &mail(&["a@b.test"])).await.unwrap();
    server.heard().await;
}

#[tokio::test]
async fn a_dead_session_is_replaced_and_the_mail_goes_once() {
    let commands = [Act::Hear("RSET"), Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA")].to_vec();
    let deaths: [(&str, Vec<Act>); 7] = [
        ("closed while idle", vec![]),
        ("goodbye while idle", vec![say("421 4.4.2 timeout\r\n"), Act::Eof]),
        ("reset at once", vec![Act::Reset]),
        ("closed at RSET", [commands.clone(), vec![Act::Close]].concat()),
        ("421 at RSET", [commands.clone(), vec![say("421 bye\r\n"), Act::Close]].concat()),
        ("421 at MAIL", [commands.clone(), vec![say("250 ok\r\n421 bye\r\n"), Act::Close]].concat()),
        ("reset before DATA", [commands, vec![say("250 ok\r\n250 ok\r\n250 ok\r\n"), Act::Reset]].concat()),
    ];
    for (name, death) in deaths {
        let server = serve(vec![[one_mail(), death].concat(), one_mail()]).await;
        let port = outbound().smtp(Trust::Tenant, KEY, LONG, None);
        for _ in 0..2 {
            let sent = port.send(&plain(&server), &mail(&["a@b.test"])).await;
            assert!(sent.is_ok(), "{name}: {sent:?}");
        }
        assert_eq!(contents(&server.heard().await), 2, "{name}");
    }
}

#[tokio::test]
async fn after_the_final_dot_nothing_is_repeated() {
    for ending in [vec![Act::Close], vec![Act::Reset], vec![say("garbage\r\n"), Act::Eof]] {
        let server = serve(vec![[one_mail(), deliver(false), ending].concat()]).await;
        let port = outbound().smtp(Trust::Tenant, KEY, LONG, None);
        port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
        let failure = port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap_err();
        assert!(matches!(failure, SmtpFailure { stage: Stage::Accepted, cause: Cause::Lost { .. } }));
        assert_eq!(contents(&server.heard().await), 2);
    }
}

#[tokio::test]
async fn a_refusal_on_a_kept_session_is_not_tried_again_elsewhere() {
    let refused = [Act::Hear("RSET"), Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA")].to_vec();
    for answer in ["250 ok\r\n550 no\r\n", "250 ok\r\n550 no\r\n421 bye\r\n"] {
        let server = serve(vec![[one_mail(), refused.clone(), vec![say(answer), Act::Close]].concat()]).await;
        let port = outbound().smtp(Trust::Tenant, KEY, LONG, None);
        port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
        let failure = port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap_err();
        assert!(matches!(failure.cause, Cause::Reply { code: 550, .. }), "{failure:?}");
        server.heard().await;
    }
}

#[tokio::test]
async fn the_permit_is_asked_on_the_replacement_too() {
    let server = serve(vec![
        [one_mail(), vec![Act::Hear("RSET"), Act::Close]].concat(),
        [hello(&["PIPELINING"]), vec![Act::Eof]].concat(),
    ])
    .await;
    let outbound = outbound();
    let port = outbound.smtp(Trust::Tenant, KEY, LONG, None);
    port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
    let port = outbound.smtp(Trust::Tenant, KEY, LONG, Some(good_for(1)));
    let failure = port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap_err();
    assert_eq!(failure.stage, Stage::Mail);
    assert_eq!(contents(&server.heard().await), 1);
}

#[tokio::test]
async fn other_credentials_get_a_session_of_their_own() {
    let server = serve(vec![one_mail(), one_mail()]).await;
    let outbound = outbound();
    for version in [1, 2] {
        let key = PoolKey { version, ..KEY };
        outbound
            .smtp(Trust::Tenant, key, LONG, None)
            .send(&plain(&server), &mail(&["a@b.test"]))
            .await
            .unwrap();
    }
    assert_eq!(contents(&server.heard().await), 2);
}

#[tokio::test]
async fn a_forgotten_connection_has_no_session_left() {
    let server = serve(vec![[one_mail(), vec![Act::Eof]].concat(), one_mail()]).await;
    let outbound = outbound();
    let port = outbound.smtp(Trust::Tenant, KEY, LONG, None);
    port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
    outbound.forget(KEY.connection);
    port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
    assert_eq!(contents(&server.heard().await), 2);
}

#[tokio::test]
async fn an_idle_session_is_closed_with_a_goodbye() {
    let server = serve(vec![[one_mail(), vec![Act::Hear("QUIT"), Act::Eof]].concat()]).await;
    let tls = crate::outbound::tls::client_config(None).unwrap();
    let guard = Guard::new(config().allow_networks);
    let client = SmtpClient::with_idle_time(guard, tls, &config(), Duration::from_millis(20)).unwrap();
    let port = client.port(Trust::Tenant, KEY, LONG, None);
    port.send(&plain(&server), &mail(&["a@b.test"])).await.unwrap();
    // Ends only when the client has said goodbye.
    server.heard().await;
}

#[tokio::test]
async fn only_a_few_sessions_stay_idle() {
    const AT_ONCE: usize = 6;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let serving = tokio::spawn(async move {
        let sessions = (0..AT_ONCE).map(|_| async {
            let (socket, _) = listener.accept().await.unwrap();
            // All of them are open before the first is served.
            barrier.wait().await;
            follow(socket, [one_mail(), vec![Act::Eof]].concat()).await
        });
        join_all(sessions).await
    });
    let outbound = outbound();
    let target = SmtpServer { port, ..plain_at() };
    let mails = (0..AT_ONCE).map(|_| {
        let smtp = outbound.smtp(Trust::Tenant, KEY, LONG, None);
        async move { smtp.send(&target, &mail(&["a@b.test"])).await.unwrap() }
    });
    join_all(mails).await;
    drop(outbound);
    let heard = serving.await.unwrap();
    let goodbyes =
        heard.iter().filter(|session| session.last().is_some_and(|last| last == "QUIT\r\n")).count();
    assert_eq!(goodbyes, AT_ONCE - 4);
}

fn plain_at() -> SmtpServer<'static> {
    use santral_connectors::smtp::Security;
    SmtpServer { host: "127.0.0.1", port: 0, security: Security::None, login: None }
}
