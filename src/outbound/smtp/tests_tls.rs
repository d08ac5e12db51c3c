//! STARTTLS and implicit TLS: required when chosen, verified against the configured name.

use santral_connectors::smtp::{Cause, Security};

use super::tests::{KEY, hello};
use super::*;
use crate::outbound::testing::{Act, LONG, Names, SHORT, Server, certified, outbound_with, say, serve};

fn target(server: &Server, security: Security) -> SmtpServer<'static> {
    SmtpServer { host: "mail.test", port: server.address.port(), security, login: Some(("user", "pass")) }
}

async fn check(server: &Server, security: Security, ca: Option<Vec<u8>>) -> Result<SmtpReply, SmtpFailure> {
    let outbound = outbound_with(Names::answering(&[&["127.0.0.1"]]), "127.0.0.0/8", ca);
    let port = outbound.smtp(Trust::Tenant, KEY, LONG, None);
    port.check(&target(server, security)).await
}

fn signed_in() -> Vec<Act> {
    let goodbye = [Act::Hear("NOOP"), say("250 ok\r\n"), Act::Hear("QUIT")];
    [&[Act::Hear("AUTH PLAIN"), say("235 ok\r\n")], &goodbye[..]].concat()
}

/// EHLO under TLS, where no greeting is said again.
fn hello_again() -> Vec<Act> {
    vec![Act::Hear("EHLO crm.test"), say("250-mail.test\r\n250 AUTH PLAIN\r\n")]
}

fn starttls() -> Vec<Act> {
    [hello(&["STARTTLS"]), vec![Act::Hear("STARTTLS"), say("220 go\r\n")]].concat()
}

#[tokio::test]
async fn a_session_is_secured_either_way() {
    let (ca, tls) = certified("mail.test");
    let server =
        serve(vec![[starttls(), vec![Act::StartTls(Arc::clone(&tls))], hello_again(), signed_in()].concat()])
            .await;
    check(&server, Security::Starttls, Some(ca.clone())).await.unwrap();
    server.heard().await;
    let server = serve(vec![[vec![Act::StartTls(tls)], hello(&["AUTH PLAIN"]), signed_in()].concat()]).await;
    check(&server, Security::Tls, Some(ca)).await.unwrap();
    server.heard().await;
}

#[tokio::test]
async fn a_certificate_must_be_known_and_for_this_name() {
    let (ca, other) = certified("other.test");
    let (_, unknown) = certified("mail.test");
    for tls in [other, unknown] {
        let implicit = vec![Act::StartTls(Arc::clone(&tls)), Act::Eof];
        let explicit = [starttls(), vec![Act::StartTls(tls), Act::Eof]].concat();
        for (script, security) in [(implicit, Security::Tls), (explicit, Security::Starttls)] {
            let server = serve(vec![script]).await;
            let failure = check(&server, security, Some(ca.clone())).await.unwrap_err();
            assert!(
                matches!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::Tls { .. } }),
                "{failure:?}"
            );
        }
    }
}

#[tokio::test]
async fn starttls_is_not_skipped_where_it_is_not_offered() {
    let server = serve(vec![[hello(&["AUTH PLAIN"]), vec![Act::Eof]].concat()]).await;
    let failure = check(&server, Security::Starttls, None).await.unwrap_err();
    assert_eq!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::NotOffered { what: "STARTTLS" } });
    assert_eq!(server.heard().await[0].last().unwrap(), "", "no password in plain text");
    let refusing =
        [hello(&["STARTTLS"]), vec![Act::Hear("STARTTLS"), say("454 4.7.0 not now\r\n"), Act::Eof]];
    let server = serve(vec![refusing.concat()]).await;
    let failure = check(&server, Security::Starttls, None).await.unwrap_err();
    assert!(matches!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::Reply { code: 454, .. } }));
}

#[tokio::test]
async fn plain_text_slipped_in_before_the_handshake_is_not_taken() {
    let slipped = say("220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n235 ok\r\n");
    let server =
        serve(vec![[hello(&["STARTTLS"]), vec![Act::Hear("STARTTLS"), slipped, Act::Eof]].concat()]).await;
    let failure = check(&server, Security::Starttls, None).await.unwrap_err();
    assert!(matches!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::Tls { .. } }), "{failure:?}");
    assert_eq!(server.heard().await[0].last().unwrap(), "");
}

#[tokio::test]
async fn a_handshake_that_breaks_is_not_a_bad_certificate() {
    let server = serve(vec![[starttls(), vec![Act::Close]].concat()]).await;
    let failure = check(&server, Security::Starttls, None).await.unwrap_err();
    assert!(matches!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::Lost { .. } }), "{failure:?}");

    let server = serve(vec![vec![Act::Eof]]).await;
    let outbound = outbound_with(Names::answering(&[&["127.0.0.1"]]), "127.0.0.0/8", None);
    let failure = outbound
        .smtp(Trust::Tenant, KEY, SHORT, None)
        .check(&target(&server, Security::Tls))
        .await
        .unwrap_err();
    assert!(matches!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::Lost { .. } }), "{failure:?}");

    let server = serve(vec![vec![say("220 plain text on a TLS port\r\n"), Act::Eof]]).await;
    let failure = check(&server, Security::Tls, None).await.unwrap_err();
    assert!(matches!(failure, SmtpFailure { stage: Stage::Tls, cause: Cause::Tls { .. } }), "{failure:?}");
}
