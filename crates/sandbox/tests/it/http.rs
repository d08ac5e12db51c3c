//! The start page, the files and the control API.

use lettre::AsyncTransport;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{client, get, mail, plain, sandbox};

#[tokio::test]
async fn the_start_page_links_all_vendors() {
    let sandbox = sandbox().await;
    for lang in ["tr", "en"] {
        let page = get(&sandbox, &format!("/?lang={lang}")).await.text().await.expect("text");
        let smtp = sandbox.smtp_addr().to_string();
        for part in
            [format!("/mailbox?lang={lang}").as_str(), "/ca.pem", "/files/", "/webhook/", "/control/", &smtp]
        {
            assert!(page.contains(part), "{lang}: {part}");
        }
    }
    assert_eq!(get(&sandbox, "/ca.pem").await.text().await.expect("text"), sandbox.ca_pem());
    assert_eq!(get(&sandbox, "/assets/sandbox.css").await.status(), StatusCode::OK);
    assert_eq!(get(&sandbox, "/assets/icon.svg").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_file_has_the_size_that_was_asked_for() {
    let sandbox = sandbox().await;
    let file = get(&sandbox, "/files/teklif.pdf?size=20000").await;
    assert_eq!(file.headers()["content-type"], "application/pdf");
    let bytes = file.bytes().await.expect("bytes");
    assert_eq!((bytes.len(), bytes.starts_with(b"%PDF")), (20_000, true));
    assert_eq!(get(&sandbox, "/files/teklif.pdf?size=20000").await.bytes().await.expect("bytes"), bytes);
    assert_eq!(get(&sandbox, "/files/a?size=999999999").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn smtp_faults_and_accounts_are_ordered_over_http() {
    let sandbox = sandbox().await;
    let faults = format!("{}/control/smtp/faults", sandbox.http_url());
    let order = json!({"stage": "mail", "action": {"type": "reply", "code": 452, "enhanced": "4.3.1", "text": "full"}});
    let ordered = client().post(&faults).json(&order).send().await.expect("an answer");
    assert_eq!(ordered.status(), StatusCode::CREATED);
    let refused = plain(&sandbox).send(mail("a@b.test")).await.expect_err("refused");
    assert_eq!(refused.status().map(|code| code.to_string()), Some("452".into()));

    let nonsense = json!({"stage": "auth", "recipient": "a@b.test", "action": {"type": "drop"}});
    let answer = client().post(&faults).json(&nonsense).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);

    let accounts = format!("{}/control/smtp/accounts", sandbox.http_url());
    let new = json!([{"user": "demo", "password": "changed"}]);
    client().put(accounts).json(&new).send().await.expect("an answer");
    crate::support::secure(&sandbox, "changed").send(mail("a@b.test")).await.expect("taken");
    crate::support::secure(&sandbox, "sandbox").send(mail("a@b.test")).await.expect_err("the old password");
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let sandbox = sandbox().await;
    plain(&sandbox).send(mail("a@b.test")).await.expect("taken");
    client().post(format!("{}/webhook/crm", sandbox.http_url())).send().await.expect("an answer");
    client().post(format!("{}/control/reset", sandbox.http_url())).send().await.expect("an answer");
    assert_eq!(sandbox.mailbox().total(), 0);
    assert_eq!(sandbox.webhook("crm").expect("a name").requests(), 0);
}

#[tokio::test]
async fn after_shutdown_nobody_answers() {
    let sandbox = sandbox().await;
    let url = sandbox.http_url();
    let smtp = plain(&sandbox);
    sandbox.shutdown().await;
    assert!(client().get(url).send().await.expect_err("nobody").is_connect());
    assert!(smtp.send(mail("a@b.test")).await.is_err());
}
