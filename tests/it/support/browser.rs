//! A browser without a screen: it keeps its cookies, follows what it is sent to, and posts the forms it finds.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::PATIENCE;
use super::client::Client;
use super::server::Server;

/// One user of the CRM in front of a company's pages.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    base: String,
    pub cookies: BTreeMap<String, String>,
    /// The token of the page that was last seen.
    pub csrf: String,
}

/// What a browser was shown.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Browser {
    #[expect(clippy::disallowed_methods, reason = "the tests are outside the server and its guard")]
    pub fn new(server: &Server) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            base: server.url(),
            cookies: BTreeMap::new(),
            csrf: String::new(),
        }
    }

    /// Signed in to a company's pages, with a role.
    pub async fn of(server: &Server, company: &str, role: &str) -> Self {
        let mut browser = Self::new(server);
        let path = link(&server.platform(), company, role).await;
        let seen = browser.get(&path).await;
        assert_eq!(seen.status, 303, "{}", seen.html);
        let seen = browser.get("/app/integrations/email").await;
        assert_eq!(seen.status, 200, "{}", seen.html);
        browser
    }

    pub async fn get(&mut self, path: &str) -> Seen {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    /// Posts a form with the token of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let csrf = self.csrf.clone();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        let request = self.form(path, &all);
        self.send(request).await
    }

    /// A form exactly as given.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(body)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, format!("{}{path}", self.base));
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    pub async fn send(&mut self, request: RequestBuilder) -> Seen {
        let answer = timeout(PATIENCE, request.send()).await.expect("an answer in time").unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let html = answer.text().await.unwrap();
        if let Some((_, rest)) = html.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        Seen { status, headers, html }
    }
}

impl Seen {
    /// The page, when the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.html);
        self.html
    }

    /// Where it sends the browser.
    #[track_caller]
    pub fn to(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.html);
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }
}

/// What the CRM asks a link for.
pub fn user(role: &str) -> Value {
    json!({"id": "7", "name": "Selin Kaya", "role": role, "email": "selin@ornek.example"})
}

/// The path of a one-time link.
pub async fn link(platform: &Client, company: &str, role: &str) -> String {
    let body = json!({"user": user(role), "locale": "tr"});
    let made = platform.post(&format!("/api/companies/{company}/sessions"), body).await.expect(201);
    let url = made["url"].as_str().unwrap();
    url[url.find("/app/").unwrap()..].to_owned()
}
