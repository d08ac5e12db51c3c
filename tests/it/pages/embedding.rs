//! The pages inside a page of the CRM: its colour, and consent that begins in a window of its own.

use reqwest::Method;
use serde_json::json;

use crate::support::browser::{Browser, user};
use crate::support::server::{Engine, Server};

/// Signed in inside a frame of a CRM with an accent colour.
async fn framed(server: &Server, company: &str, accent: &str) -> Browser {
    let body = json!({"user": user("admin"), "locale": "en-GB", "accent": accent});
    let made = server.platform().post(&format!("/api/companies/{company}/sessions"), body).await.expect(201);
    let url = made["url"].as_str().unwrap();
    let mut browser = Browser::new(server);
    let opened =
        browser.request(Method::GET, &url[url.find("/app/").unwrap()..]).header("sec-fetch-dest", "iframe");
    let seen = browser.send(opened).await;
    let cookie = seen.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("santral-frame=") && cookie.contains("Secure; SameSite=None; Partitioned"),
        "{cookie}"
    );
    browser
}

#[tokio::test]
async fn the_hosts_colour_comes_as_a_sheet_of_its_own_and_only_a_colour_is_taken() {
    let server =
        Server::start(Engine::Sqlite, |env| env.set("SANTRAL_FRAME_ANCESTORS", "http://localhost:3000"))
            .await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let sessions = format!("/api/companies/{}/sessions", company.id);
    for wrong in ["red", "#fff", "#12345g", "#123456;}", "url(https://evil.example)"] {
        let body = json!({"user": user("admin"), "accent": wrong});
        let refused = server.platform().post(&sessions, body).await.refused();
        assert_eq!(refused, [("/accent".to_owned(), "invalid".to_owned())], "{wrong}");
    }
    let mut browser = framed(&server, &company.id, "#0A7D4F").await;
    let page = browser.get("/app/integrations/email").await.expect(200);
    assert!(
        page.contains("href=\"/a/accent/0a7d4f.css\"")
            && page.contains("lang=\"en\"")
            && !page.contains("style=")
    );
    let seen = browser.get("/a/accent/0a7d4f.css").await;
    assert!(seen.headers["content-type"].to_str().unwrap().starts_with("text/css"));
    assert!(seen.expect(200).starts_with(":root{--accent:light-dark(#0a7d4f,"));
    for nothing in ["/a/accent/red.css", "/a/accent/0a7d4f", "/a/accent/%7D.css", "/a/accent/0a7d4f.css.css"]
    {
        browser.get(nothing).await.expect(404);
    }
}

#[tokio::test]
async fn consent_begins_with_a_ticket_for_the_new_window() {
    let server = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_FRAME_ANCESTORS", "http://localhost:3000");
        env.set("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "id");
        env.set("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", "secret");
    })
    .await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let mut browser = framed(&server, &company.id, "#2a4fd0").await;
    let page = browser.get("/app/integrations/email").await.expect(200);
    assert!(page.contains("action=\"/app/consent/google\"") && !page.contains("oauth/google/authorize"));

    let asked = browser.post("/app/consent/google", &[("provider", "gmail")]).await.expect(200);
    let (_, rest) = asked.split_once("/api/integrations/oauth/google/authorize?ticket=").unwrap();
    let ticket = rest.split('"').next().unwrap();
    // The new window knows nothing of the session.
    let mut window = Browser::new(&server);
    let begun = window.get(&format!("/api/integrations/oauth/google/authorize?ticket={ticket}")).await;
    assert_eq!(begun.status, 302, "{}", begun.html);

    let (_, rest) = asked.split_once("href=\"/app/consent/google/wait?").unwrap();
    let query = rest.split('"').next().unwrap().replace("&amp;", "&");
    browser.get(&format!("/app/consent/google/wait?{query}")).await.expect(200);
    assert_eq!(browser.get(&format!("/app/live/consent?{query}")).await.status, 204);
    for hostile in [
        "",
        "since=x&provider=gmail",
        "since=1&provider=nothing",
        "since=99999999999999999999&provider=gmail",
    ] {
        browser.get(&format!("/app/live/consent?{hostile}")).await.expect(404);
    }
    browser.post("/app/consent/google", &[("provider", "smtp")]).await.expect(422);
    browser.post("/app/consent/nobody", &[("provider", "gmail")]).await.expect(404);
    let mut member = Browser::of(&server, &company.id, "member").await;
    member.post("/app/consent/google", &[("provider", "gmail")]).await.expect(403);
}
