//! The pages as a browser sees them: the way in, forms that only their own session can post, roles, other companies,
//! and data that means harm.

mod automating;
mod connecting;
mod delivering;
mod embedding;
mod limits;
mod managing;
mod rerouting;
mod whatsapp;

use reqwest::Method;
use rstest::rstest;
use santral::db::{Sql, Val};
use serde_json::json;

use crate::support::browser::{Browser, link, user};
use crate::support::connected::Connected;
use crate::support::server::{Engine, Server};

/// As if so much time had passed.
const AGE_SESSIONS: &str =
    "update sessions set used_at = used_at - $2, expires_at = expires_at - $2 where company_id = $1";
static AGE: Sql = Sql { name: "tests::AGE", pg: AGE_SESSIONS, sqlite: AGE_SESSIONS };

#[rstest]
#[tokio::test]
async fn a_link_opens_the_pages_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let server = Server::start(engine, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let path = link(&server.platform(), &company.id, "admin").await;

    let mut scanner = Browser::new(&server);
    let head = scanner.request(Method::HEAD, &path);
    assert_eq!(scanner.send(head).await.status, 204);

    let mut browser = Browser::new(&server);
    let seen = browser.get(&format!("{path}?to=/app/integrations/email")).await;
    assert_eq!(seen.to(), "/app/integrations/email");
    let cookie = seen.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let page = browser.get("/app/integrations/email").await.expect(200);
    assert!(page.contains("Örnek A.Ş.") && page.contains("Selin Kaya"));

    let mut other = Browser::new(&server);
    assert!(other.get(&path).await.expect(410).contains("bir kez"));
    for hostile in ["x", "sntl_", &"a".repeat(5000)] {
        other.get(&format!("/app/enter/{hostile}")).await.expect(410);
    }
    assert!(other.get("/app/integrations/email").await.expect(401).contains("Oturum süresi doldu"));
}

#[rstest]
#[tokio::test]
async fn a_late_link_and_an_idle_session_are_over(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let server = &vendors.server;
    let late = link(&server.platform(), &vendors.company, "admin").await;
    let mut browser = Browser::of(server, &vendors.company, "admin").await;

    let db = vendors.database().await;
    let mut tx = db.company(vendors.company_id()).write().await.unwrap();
    tx.execute(&AGE, vec![Val::from(vendors.company_id().0), Val::from(31 * 60 * 1_000_000_i64)])
        .await
        .unwrap();
    tx.commit().await.unwrap();

    Browser::new(server).get(&late).await.expect(410);
    browser.get("/app/integrations/email").await.expect(401);
}

#[rstest]
#[tokio::test]
async fn signing_out_ends_the_session_and_goes_back_to_the_crm(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let platform = server.platform();
    let company = platform.create_company("Örnek A.Ş.").await;
    let sessions = format!("/api/companies/{}/sessions", company.id);
    let body = json!({"user": user("admin"), "return_url": "https://crm.example.com/ayarlar"});
    let made = platform.post(&sessions, body).await.expect(201);
    let url = made["url"].as_str().unwrap();
    let mut browser = Browser::new(&server);
    browser.get(&url[url.find("/app/").unwrap()..]).await.expect(303);
    browser.get("/app/integrations/email").await.expect(200);
    let before = browser.cookies.clone();

    assert_eq!(browser.post("/app/sign-out", &[]).await.to(), "https://crm.example.com/ayarlar");
    browser.cookies = before;
    browser.get("/app/integrations/email").await.expect(401);
}

#[tokio::test]
async fn a_link_is_asked_for_by_the_platform_with_a_whole_user() {
    let server =
        Server::start(Engine::Sqlite, |env| env.set("SANTRAL_FRAME_ANCESTORS", "https://*.crm.example"))
            .await;
    let platform = server.platform();
    let company = platform.create_company("Örnek A.Ş.").await;
    let sessions = format!("/api/companies/{}/sessions", company.id);
    platform.with_key(&company.key).post(&sessions, json!({"user": user("admin")})).await.expect(403);
    platform.post(&sessions, json!({"user": user("owner")})).await.expect(422);
    platform.post(&sessions, json!({})).await.expect(422);
    platform
        .post("/api/companies/co_00000000000000000000000000/sessions", json!({"user": user("admin")}))
        .await
        .expect(404);

    let wrong = json!({"user": {"id": " ", "name": "a\u{0}", "role": "admin", "email": "x", "phone": "12"},
        "locale": "de", "return_url": "javascript:alert(1)"});
    let refused: Vec<_> =
        platform.post(&sessions, wrong).await.refused().into_iter().map(|(at, _)| at).collect();
    assert_eq!(refused, ["/user/id", "/user/name", "/user/email", "/user/phone", "/locale", "/return_url"]);
    for (url, status) in [
        ("https://a.crm.example/x", 201),
        ("https://crm.example/x", 422),
        ("https://a.crm.example@evil.example/", 422),
        ("https://evil.example/?a.crm.example", 422),
    ] {
        let body = json!({"user": user("admin"), "return_url": url});
        assert_eq!(platform.post(&sessions, body).await.status, status, "{url}");
    }
}

#[tokio::test]
async fn a_form_is_taken_only_from_its_own_session_and_site() {
    let server = Server::start(Engine::Sqlite, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let mut browser = Browser::of(&server, &company.id, "admin").await;
    let other = Browser::of(&server, &company.id, "admin").await;
    let stolen = other.csrf.clone();

    let without = browser.form("/app/language", &[("to", "en")]);
    browser.send(without).await.expect(403);
    let foreign = browser.form("/app/language", &[("csrf", &stolen), ("to", "en")]);
    browser.send(foreign).await.expect(403);
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")]
    {
        let csrf = browser.csrf.clone();
        let request = browser.form("/app/language", &[("csrf", &csrf), ("to", "en")]).header(name, value);
        browser.send(request).await.expect(403);
    }
    let csrf = browser.csrf.clone();
    let own = browser.form("/app/language", &[("csrf", &csrf), ("to", "en")]).header("origin", server.url());
    browser.send(own).await.expect(303);
    assert!(browser.get("/app/integrations/email").await.expect(200).contains("lang=\"en\""));
}

#[tokio::test]
async fn pages_say_what_a_browser_may_load_and_who_may_frame_them() {
    let server = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_FRAME_ANCESTORS", "https://crm.example.com");
        env.set("SANTRAL_PUBLIC_URL", "https://merkez.example.com/entegrasyon");
    })
    .await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let path = link(&server.platform(), &company.id, "admin").await;
    let mut browser = Browser::new(&server);
    let framed = browser.request(Method::GET, &path).header("sec-fetch-dest", "iframe");
    let seen = browser.send(framed).await;
    assert!(seen.to().starts_with("/entegrasyon/app/"), "{}", seen.to());
    let cookie = seen.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-santral-frame=") && cookie.contains("SameSite=None; Partitioned"),
        "{cookie}"
    );

    let seen = browser.get("/app/integrations/email").await;
    let policy = seen.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
    assert!(policy.ends_with("frame-ancestors https://crm.example.com"), "{policy}");
    assert_eq!(seen.headers["cache-control"], "no-store");
    let page = seen.expect(200);
    assert!(page.contains("class=\"embed\"") && !page.contains("class=\"side\""));
    assert!(page.contains("href=\"/entegrasyon/app/integrations\"") && !page.contains("style="));
}

#[tokio::test]
async fn style_and_script_are_kept_for_ever_and_nothing_else_is_served() {
    let server = Server::start(Engine::Sqlite, |_| {}).await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let mut browser = Browser::of(&server, &company.id, "admin").await;
    let page = browser.get("/app/integrations/email").await.expect(200);
    let style =
        page.split("href=\"").find(|part| part.starts_with("/a/")).unwrap().split('"').next().unwrap();
    let seen = browser.get(style).await;
    assert!(seen.headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(seen.expect(200).contains("@layer"));
    for nothing in ["/a/x/../../Cargo.toml", "/a/x/%2e%2e/mod.rs", "/a/x/nothing.css"] {
        browser.get(nothing).await.expect(404);
    }
}
