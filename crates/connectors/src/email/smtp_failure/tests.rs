use proptest::prelude::*;
use rstest::rstest;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::address::breaks_lines;

const STAGES: [Stage; 9] = [
    Stage::Connect,
    Stage::Greeting,
    Stage::Tls,
    Stage::Auth,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Accepted,
    Stage::Quit,
];

/// `550 5.1.1 words` as the port hands it over.
fn refuse(stage: Stage, line: &str) -> Failure {
    let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (first, words) = rest.split_once(' ').unwrap_or((rest, ""));
    let enhanced = enhanced_code(Some(first)).map(str::to_owned);
    let text = if enhanced.is_some() { words } else { rest };
    let cause = Cause::Reply { code: code.parse().unwrap(), enhanced, text: text.to_owned() };
    classify(&SmtpFailure { stage, cause }, &[])
}

#[rstest]
// 421, 450, 451, 452, 4.x.x at any stage: again later.
#[case(Stage::Greeting, "421 4.3.2 Service not available", retry(None), "server_busy")]
#[case(Stage::Mail, "421 try later", retry(None), "server_busy")]
#[case(Stage::Rcpt, "450 4.2.1 mailbox busy", retry(None), "temporarily_refused")]
#[case(Stage::Data, "451 4.3.0 local error", retry(None), "temporarily_refused")]
#[case(Stage::Accepted, "451 queue write error", retry(None), "temporarily_refused")]
#[case(Stage::Accepted, "452 4.3.1 insufficient storage", retry(None), "temporarily_refused")]
#[case(Stage::Rcpt, "550 4.4.7 contradictory", retry(None), "temporarily_refused")]
#[case(Stage::Rcpt, "452 4.2.2 over quota", retry(None), "mailbox_full")]
#[case(Stage::Rcpt, "450 4.7.1 come back", retry(Some(GREYLIST_WAIT)), "greylisted")]
#[case(Stage::Rcpt, "451 4.7.500 busy", retry(Some(GREYLIST_WAIT)), "greylisted")]
#[case(Stage::Rcpt, "450 Greylisted, see http://x", retry(Some(GREYLIST_WAIT)), "greylisted")]
#[case(Stage::Mail, "451 4.4.5 system congestion", calm(None), "server_busy")]
#[case(Stage::Rcpt, "452 4.5.3 too many recipients", calm(None), "server_busy")]
#[case(Stage::Tls, "454 4.7.0 TLS not available", retry(None), "tls_unavailable")]
// 454 4.7.0 at AUTH.
#[case(Stage::Auth, "454 4.7.0 Too many login attempts", retry(Some(SIGN_IN_WAIT)), "auth_unavailable")]
#[case(Stage::Auth, "421 4.7.0 try later", retry(Some(SIGN_IN_WAIT)), "auth_unavailable")]
// 530, 534, 535 5.7.8, 538: sign-in.
#[case(Stage::Mail, "530 5.7.0 Authentication Required", SIGN_IN, "auth_required")]
#[case(Stage::Mail, "530 5.7.0 Must issue a STARTTLS command first", SETTINGS, "encryption_required")]
#[case(Stage::Auth, "534 5.7.9 Application-specific password required", SIGN_IN, "app_password_required")]
#[case(Stage::Auth, "534 5.7.14 Please log in via your web browser", SIGN_IN, "credentials_rejected")]
#[case(Stage::Auth, "535 5.7.8 Username and Password not accepted", SIGN_IN, "credentials_rejected")]
#[case(Stage::Auth, "535 Authentication failed", SIGN_IN, "credentials_rejected")]
#[case(Stage::Auth, "535 5.7.139 SmtpClientAuthentication is disabled", SIGN_IN, "smtp_auth_disabled")]
#[case(Stage::Auth, "538 5.7.11 Encryption required", SIGN_IN, "encryption_required")]
#[case(Stage::Auth, "550 5.7.1 no", SIGN_IN, "credentials_rejected")]
#[case(Stage::Auth, "504 5.5.4 mechanism unknown", SETTINGS, "auth_not_offered")]
#[case(Stage::Mail, "503 5.5.4 Error: send AUTH command first.", SIGN_IN, "auth_required")]
// 525 5.7.1: the IP address is not on the account's list.
#[case(Stage::Auth, "525 5.7.1 Unauthorized IP address", SETTINGS, "ip_not_authorised")]
#[case(Stage::Mail, "525 5.7.1 Unauthorized IP address", SETTINGS, "ip_not_authorised")]
// The recipient.
#[case(Stage::Rcpt, "550 5.1.1 User unknown", REJECTED, "recipient_unknown")]
#[case(Stage::Rcpt, "550 5.1.10 Recipient not found", REJECTED, "recipient_unknown")]
#[case(Stage::Rcpt, "550 No such user", REJECTED, "recipient_unknown")]
#[case(Stage::Rcpt, "550 5.1.2 Host unknown", REJECTED, "recipient_domain_unknown")]
#[case(Stage::Rcpt, "501 5.1.3 Bad address syntax", REJECTED, "recipient_invalid")]
#[case(Stage::Rcpt, "553 Mailbox name not allowed", REJECTED, "recipient_invalid")]
#[case(Stage::Rcpt, "551 User not local; please try <x@y>", REJECTED, "recipient_moved")]
#[case(Stage::Rcpt, "550 5.2.1 Mailbox disabled", REJECTED, "recipient_disabled")]
#[case(Stage::Rcpt, "550 5.7.1 Blocked by policy", REJECTED, "recipient_refused")]
#[case(Stage::Rcpt, "554 Transaction failed", REJECTED, "recipient_refused")]
#[case(Stage::Rcpt, "552 5.2.2 Mailbox full", REJECTED, "mailbox_full")]
#[case(Stage::Rcpt, "552 Over quota", REJECTED, "mailbox_full")]
#[case(Stage::Accepted, "552 5.2.2 Mailbox full", REJECTED, "mailbox_full")]
// The size.
#[case(Stage::Mail, "552 5.3.4 Message size exceeds fixed limit", REJECTED, "message_too_large")]
#[case(Stage::Mail, "552 size exceeds limit", REJECTED, "message_too_large")]
#[case(Stage::Accepted, "554 5.3.4 Message too big", REJECTED, "message_too_large")]
#[case(Stage::Data, "552 too much mail data", REJECTED, "message_too_large")]
// The sender.
#[case(Stage::Mail, "550 Sender not allowed", SETTINGS, "sender_refused")]
#[case(Stage::Mail, "550 5.1.7 Invalid sender", SETTINGS, "sender_refused")]
#[case(Stage::Mail, "553 5.1.8 Sender domain does not exist", SETTINGS, "sender_refused")]
#[case(Stage::Mail, "550 5.7.60 SMTP; Client does not have permissions", SETTINGS, "sender_refused")]
#[case(Stage::Accepted, "550 5.7.60 SMTP; Client does not have permissions", SETTINGS, "sender_refused")]
#[case(
    Stage::Rcpt,
    "553 5.7.1 <a@b>: Sender address rejected: not owned by user",
    SETTINGS,
    "sender_refused"
)]
#[case(
    Stage::Accepted,
    "550 The from address does not match a verified Sender Identity",
    SETTINGS,
    "sender_refused"
)]
#[case(Stage::Rcpt, "554 5.7.1 <a@b>: Relay access denied", SETTINGS, "relay_denied")]
#[case(Stage::Rcpt, "550 5.7.54 SMTP; Unable to relay recipient", SETTINGS, "relay_denied")]
// The content.
#[case(Stage::Accepted, "550 5.7.1 Message rejected as spam", REJECTED, "content_refused")]
#[case(Stage::Accepted, "550 5.7.26 Unauthenticated email (DMARC)", REJECTED, "sender_not_authenticated")]
#[case(Stage::Accepted, "554 Transaction failed", REJECTED, "content_refused")]
#[case(Stage::Data, "554 5.5.1 no valid recipients", REJECTED, "content_refused")]
// Daily quotas.
#[case(Stage::Accepted, "550 5.4.5 Daily user sending limit exceeded", calm(Some(DAILY_WAIT)), "daily_limit")]
#[case(Stage::Mail, "550 5.7.1 Daily message limit reached", calm(Some(DAILY_WAIT)), "daily_limit")]
// Before a session.
#[case(Stage::Greeting, "554 5.7.1 blocked", SETTINGS, "server_refused")]
#[case(Stage::Tls, "502 5.5.1 not implemented", SETTINGS, "starttls_refused")]
// Replies that fit nowhere.
#[case(Stage::Rcpt, "250 OK", retry(None), "unexpected_reply")]
#[case(Stage::Accepted, "354 go on", FailureKind::Unconfirmed, "unexpected_reply")]
#[case(Stage::Accepted, "0", FailureKind::Unconfirmed, "unexpected_reply")]
#[case(Stage::Accepted, "250 4.2.0 contradictory", FailureKind::Unconfirmed, "unexpected_reply")]
#[case(Stage::Accepted, "250 5.4.5 contradictory", FailureKind::Unconfirmed, "unexpected_reply")]
#[case(Stage::Quit, "421 4.3.2 closing", FailureKind::Unconfirmed, "unexpected_reply")]
#[case(Stage::Quit, "550 5.1.1 late", FailureKind::Unconfirmed, "unexpected_reply")]
#[case(Stage::Accepted, "999", FailureKind::Unconfirmed, "unexpected_reply")]
fn a_reply_means(#[case] stage: Stage, #[case] line: &str, #[case] kind: FailureKind, #[case] code: &str) {
    let failure = refuse(stage, line);
    assert_eq!((failure.kind, &*failure.code), (kind, code));
}

#[rstest]
#[case(Stage::Connect, retry(None), "connect_failed")]
#[case(Stage::Greeting, retry(None), "connection_lost")]
#[case(Stage::Tls, retry(None), "connection_lost")]
#[case(Stage::Auth, retry(None), "connection_lost")]
#[case(Stage::Mail, retry(None), "connection_lost")]
#[case(Stage::Rcpt, retry(None), "connection_lost")]
#[case(Stage::Data, retry(None), "connection_lost")]
#[case(Stage::Accepted, FailureKind::Unconfirmed, "answer_lost")]
#[case(Stage::Quit, FailureKind::Unconfirmed, "answer_lost")]
fn only_a_loss_after_the_final_dot_is_unconfirmed(
    #[case] stage: Stage,
    #[case] kind: FailureKind,
    #[case] code: &str,
) {
    let cause = Cause::Lost { text: "timed out".to_owned() };
    let failure = classify(&SmtpFailure { stage, cause }, &[]);
    assert_eq!((failure.kind, &*failure.code), (kind, code));
    assert_eq!(failure.vendor_code, None);
}

#[rstest]
#[case(Cause::NotOffered { what: "STARTTLS" }, SETTINGS, "starttls_not_offered")]
#[case(Cause::NotOffered { what: "AUTH" }, SETTINGS, "auth_not_offered")]
#[case(Cause::NotOffered { what: "SMTPUTF8" }, REJECTED, "smtputf8_not_offered")]
#[case(Cause::NotOffered { what: "SIZE" }, SETTINGS, "not_offered")]
#[case(Cause::Tls { text: "certificate expired".to_owned() }, SETTINGS, "tls_failed")]
#[case(Cause::Forbidden { text: "private address".to_owned() }, SETTINGS, "address_forbidden")]
#[case(Cause::Plaintext, SETTINGS, "plaintext_not_allowed")]
fn what_the_server_lacks_or_we_forbid_is_named(
    #[case] cause: Cause,
    #[case] kind: FailureKind,
    #[case] code: &str,
) {
    let failure = classify(&SmtpFailure { stage: Stage::Tls, cause }, &[]);
    assert_eq!((failure.kind, &*failure.code), (kind, code));
    assert!(!failure.detail.is_empty());
}

#[test]
fn the_vendor_code_is_the_servers_own() {
    assert_eq!(refuse(Stage::Rcpt, "550 5.1.1 User unknown").vendor_code.as_deref(), Some("550 5.1.1"));
    assert_eq!(refuse(Stage::Rcpt, "550 User unknown").vendor_code.as_deref(), Some("550"));
    let cause = Cause::Reply { code: 550, enhanced: Some("5.1\r\n.1".to_owned()), text: String::new() };
    let failure = classify(&SmtpFailure { stage: Stage::Rcpt, cause }, &[]);
    assert_eq!(failure.vendor_code.as_deref(), Some("550"));
}

#[test]
fn an_echoed_password_is_blotted_out_plain_and_in_base64() {
    let password = "çok gizli  parola";
    let text = format!("bad login: {password} / {} / again {password}", STANDARD.encode(password));
    let cause = Cause::Reply { code: 535, enhanced: None, text };
    let failure = classify(&SmtpFailure { stage: Stage::Auth, cause }, &[password.to_owned()]);
    assert_eq!(failure.detail, "the mail server answered at auth: bad login: ••• / ••• / again •••");
}

proptest! {
    #[test]
    fn no_reply_panics_or_shows_the_password_or_breaks_the_line(
        stage in proptest::sample::select(STAGES.to_vec()),
        code in any::<u16>(),
        enhanced in proptest::option::of("[0-9]{1,2}\\.[0-9]{1,3}\\.[0-9]{1,4}|\\PC{0,10}"),
        (before, after) in (any::<String>(), any::<String>()),
    ) {
        let password = "Pa55 word!";
        let cause = Cause::Reply { code, enhanced, text: format!("{before}{password}{after}") };
        let failure = classify(&SmtpFailure { stage, cause }, &[password.to_owned()]);
        let shown = format!("{failure} {failure:?}");
        prop_assert!(!shown.contains(password));
        prop_assert!(!failure.to_string().chars().any(breaks_lines));
        prop_assert!(failure.detail.chars().count() < 400);
    }

    #[test]
    fn a_temporary_reply_never_kills_a_message(
        stage in proptest::sample::select(STAGES[..8].to_vec()),
        code in 400_u16..500,
        minor in 0_u16..20,
    ) {
        let failure = refuse(stage, &format!("{code} 4.{}.{minor} later", minor % 8));
        let again = matches!(failure.kind, FailureKind::Retryable { .. } | FailureKind::RateLimited { .. });
        prop_assert!(again);
    }
}
