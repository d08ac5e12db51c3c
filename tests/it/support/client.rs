//! A small JSON client, with the few steps that every test of the API takes.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::PATIENCE;

/// Speaks with one key, for one company if it names one.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
    company: Option<String>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body, or null when it is not JSON.
    pub json: Value,
}

/// A company made for a test, and the key that acts for it.
#[derive(Debug)]
pub struct Company {
    pub id: String,
    pub key: String,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "the tests are outside the server and its guard")]
    pub fn new(base: String, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { http: http.build().unwrap(), base, key: key.to_owned(), company: None }
    }

    /// The same server with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), company: None, ..self.clone() }
    }

    /// The same key at another node.
    pub fn at(&self, base: String) -> Self {
        Self { base, ..self.clone() }
    }

    /// The same key, acting for a company: its id, or `ext:` and its external id.
    pub fn acting_for(&self, company: &str) -> Self {
        Self { company: Some(company.to_owned()), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.send(self.with_json(Method::POST, path, &body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Response {
        self.send(self.with_json(Method::PUT, path, &body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        self.send(self.with_json(Method::PATCH, path, &body)).await
    }

    /// A request to be dressed by the test, then given to [`Self::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        match &self.company {
            Some(company) => request.header("santral-company", company),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Response {
        let answer = timeout(PATIENCE, request.send()).await.expect("an answer in time").unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.unwrap();
        Response { status, headers, json: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// Makes a company and a key for it; needs the platform key.
    pub async fn create_company(&self, name: &str) -> Company {
        let company = self.post("/api/companies", json!({"name": name})).await.expect(201);
        let id = company["id"].as_str().unwrap().to_owned();
        let key = self.post(&format!("/api/companies/{id}/keys"), json!({"name": "tests"})).await.expect(201);
        Company { id, key: key["key"].as_str().unwrap().to_owned() }
    }

    /// The delivery, once `accepted` says it is as awaited.
    pub async fn wait_for_delivery(&self, id: &str, accepted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(&format!("/api/deliveries/{id}"), accepted).await
    }

    /// What a path answers, once `accepted` says it is as awaited.
    ///
    /// The API tells of changes by webhooks, which most tests have no ear for: this is the one place that asks
    /// again and again, with a deadline.
    pub async fn wait_for(&self, path: &str, accepted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let wait = async {
            loop {
                last = self.get(path).await.expect(200);
                if accepted(&last) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = timeout(PATIENCE, wait).await.is_ok();
        assert!(in_time, "{path} did not become as awaited: {last:#}");
        last
    }

    fn with_json(&self, method: Method, path: &str, body: &Value) -> RequestBuilder {
        self.request(method, path).header("content-type", "application/json").body(body.to_string())
    }
}

impl Response {
    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.json);
        self.json
    }

    /// Pointer and code of every field that was refused.
    #[track_caller]
    pub fn refused(self) -> Vec<(String, String)> {
        let problem = self.expect(422);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
    }

    /// The `code` of a problem answer.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}
