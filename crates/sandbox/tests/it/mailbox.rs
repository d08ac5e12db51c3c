//! The mailbox as people and programs see it.

use lettre::AsyncTransport;
use reqwest::StatusCode;
use santral_sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;

use crate::support::{client, get, mail, mail_with_parts, on_the_wire, plain, sandbox};

const HOSTILE: &str = "</title></p><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

async fn text(sandbox: &Sandbox, path: &str) -> String {
    get(sandbox, path).await.text().await.expect("text")
}

#[tokio::test]
async fn an_empty_mailbox_says_what_to_do_in_both_languages() {
    let sandbox = sandbox().await;
    let turkish = text(&sandbox, "/mailbox").await;
    assert!(turkish.contains("<html lang=\"tr\">") && turkish.contains("Henüz e-posta yok"));
    let english = text(&sandbox, "/mailbox?lang=en").await;
    assert!(english.contains("<html lang=\"en\">") && english.contains("No e-mail yet"));
    assert!(text(&sandbox, "/mailbox?lang=xx").await.contains("Henüz e-posta yok"));
}

#[tokio::test]
async fn hostile_content_stays_text_on_every_page() {
    let sandbox = sandbox().await;
    let mail = mail_with_parts(HOSTILE, HOSTILE, HOSTILE);
    plain(&sandbox).send(mail).await.expect("taken");
    for path in ["/mailbox", "/mailbox/1", "/mailbox/1?lang=en"] {
        let answer = get(&sandbox, path).await;
        let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let page = answer.text().await.expect("text");
        assert!(page.contains("&lt;script&gt;"), "{path}");
        assert!(!page.contains("<script") && !page.contains("<img"), "{path}");
    }
}

#[tokio::test]
async fn the_html_of_a_mail_is_framed_in_a_sandbox() {
    let sandbox = sandbox().await;
    plain(&sandbox).send(mail_with_parts("x", "<b>kalın</b>", "a.pdf")).await.expect("taken");
    assert!(text(&sandbox, "/mailbox/1").await.contains(r#"sandbox src="/mailbox/1/html""#));
    let frame = get(&sandbox, "/mailbox/1/html").await;
    let policy = frame.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("sandbox; default-src 'none';") && !policy.contains("script"), "{policy}");
    assert!(frame.text().await.expect("text").contains("<b>kalın</b>"));
}

#[tokio::test]
async fn attachments_are_downloads_whatever_they_say_they_are() {
    let sandbox = sandbox().await;
    plain(&sandbox).send(mail_with_parts("x", "x", "teklif ş.html")).await.expect("taken");
    let file = get(&sandbox, "/mailbox/1/attachments/0").await;
    assert_eq!(file.headers()["content-type"], "application/octet-stream");
    assert_eq!(file.headers()["content-disposition"], "attachment; filename*=UTF-8''teklif%20%C5%9F.html");
    assert_eq!(file.bytes().await.expect("bytes"), "%PDF");
    assert_eq!(get(&sandbox, "/mailbox/1/attachments/1").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn programs_read_json_and_eml() {
    let sandbox = sandbox().await;
    let sent = mail_with_parts("Teklif", "<p>x</p>", "a.pdf");
    plain(&sandbox).send(sent.clone()).await.expect("taken");
    let all: Value = get(&sandbox, "/mailbox.json?wait_for=1").await.json().await.expect("JSON");
    assert_eq!(all["total"], 1);
    let one: Value = get(&sandbox, "/mailbox/1.json").await.json().await.expect("JSON");
    assert_eq!(all["mails"][0], one);
    assert_eq!((&one["subject"], &one["envelope"]["to"][0]), (&"Teklif".into(), &"b@y.test".into()));
    assert_eq!((&one["text"], &one["attachments"][0]["name"]), (&"düz metin".into(), &"a.pdf".into()));
    assert_eq!(get(&sandbox, "/mailbox/1.eml").await.bytes().await.expect("bytes"), on_the_wire(&sent));
    for path in ["/mailbox/2", "/mailbox/1.exe", "/mailbox/-1.json", "/mailbox/99999999999999999999"] {
        assert_eq!(get(&sandbox, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_mailbox_is_emptied_by_delete_and_by_its_own_button_only() {
    let sandbox = sandbox().await;
    let button = format!("{}/mailbox/clear?lang=en", sandbox.http_url());
    plain(&sandbox).send(mail("a@b.test")).await.expect("taken");
    let foreign =
        client().post(&button).header("sec-fetch-site", "cross-site").send().await.expect("an answer");
    assert_eq!((foreign.status(), sandbox.mailbox().total()), (StatusCode::FORBIDDEN, 1));
    let own = client().post(&button).header("sec-fetch-site", "same-origin").send().await.expect("an answer");
    assert_eq!((own.status(), sandbox.mailbox().total()), (StatusCode::SEE_OTHER, 0));
    assert_eq!(own.headers()["location"], "/mailbox?lang=en");

    plain(&sandbox).send(mail("a@b.test")).await.expect("taken");
    client().delete(format!("{}/mailbox", sandbox.http_url())).send().await.expect("an answer");
    assert_eq!(sandbox.mailbox().total(), 0);
    assert!(sandbox.mailbox().mails().is_empty());
}

#[tokio::test]
async fn old_mails_make_room_and_older_ones_are_a_page_away() {
    let config = SandboxConfig { capacity: 60, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.expect("started");
    let client = plain(&sandbox);
    for _ in 0..70 {
        client.send(mail("a@b.test")).await.expect("taken");
    }
    let first = text(&sandbox, "/mailbox").await;
    assert!(
        first.contains("70 e-posta") && first.contains("/mailbox/70?") && !first.contains("/mailbox/20?")
    );
    assert!(first.contains("/mailbox?before=21&amp;"));
    let second = text(&sandbox, "/mailbox?before=21").await;
    assert!(
        second.contains("/mailbox/20?")
            && second.contains("/mailbox/11?")
            && !second.contains("/mailbox/10?")
    );
}
