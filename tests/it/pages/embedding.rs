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
async fn the_operators_colour_is_on_every_page_that_has_no_other() {
    let server = Server::start(Engine::Sqlite, |env| {
        env.set("SANTRAL_FRAME_ANCESTORS", "http://localhost:3000");
        env.set("SANTRAL_ACCENT", "#B3005E");
    })
    .await;
    let company = server.platform().create_company("Örnek A.Ş.").await;
    let own = "href=\"/a/accent/b3005e.css\"";
    let mut browser = Browser::of(&server, &company.id, "admin").await;
    for (path, status) in [("/app/overview", 200), ("/app/nowhere", 404)] {
        assert!(browser.get(path).await.expect(status).contains(own), "{path}");
    }
    assert!(Browser::new(&server).get("/app/overview").await.expect(401).contains(own));
    assert!(Browser::new(&server).get("/console/sign-in").await.expect(200).contains(own));
    assert!(browser.get("/a/accent/b3005e.css").await.expect(200).contains("#b3005e"));
    let page = framed(&server, &company.id, "#0A7D4F").await.get("/app/overview").await.expect(200);
    assert!(page.contains("/a/accent/0a7d4f.css") && !page.contains("b3005e"), "the host's comes first");
}
