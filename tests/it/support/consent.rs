//! A browser as far as consent needs one: it follows addresses, keeps cookies, and fills in the consent page.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use santral_sandbox::Sandbox;
use santral_sandbox::vendors::oauth::CLIENT_SECRET;
use tokio::time::timeout;
use url::Url;

use super::PATIENCE;
use super::server::Env;

/// Points a server at the sandbox.
pub fn point(env: &mut Env, sandbox: &Sandbox) {
    let url = sandbox.http_url();
    for idp in ["GOOGLE", "MICROSOFT"] {
        env.set(&format!("SANTRAL_OAUTH_{idp}_URL"), &url);
        env.set(&format!("SANTRAL_OAUTH_{idp}_CLIENT_ID"), "santral-tests");
        env.set(&format!("SANTRAL_OAUTH_{idp}_CLIENT_SECRET"), CLIENT_SECRET);
    }
    for provider in ["GMAIL", "OUTLOOK", "GOOGLE_SHEETS"] {
        env.set(&format!("SANTRAL_PROVIDER_{provider}_URL"), &url);
    }
}

/// One browser with its cookies.
pub struct Browser {
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What it shows.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub policy: Option<String>,
    pub text: String,
}

/// What the person at the consent page does.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    pub account: &'a str,
    pub allows: bool,
    /// Scopes whose names hold this are unticked.
    pub unticks: Option<&'a str>,
}

impl Choice<'_> {
    pub const SALES: &'static str = "satis@ornekmobilya.example";
    pub const AYSE: &'static str = "ayse@ornekmobilya.example";
}

/// Says yes to everything.
pub fn allow(account: &str) -> Choice<'_> {
    Choice { account, allows: true, unticks: None }
}

impl Browser {
    #[expect(clippy::disallowed_methods, reason = "the tests are outside the server and its guard")]
    pub fn new() -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { http: http.build().unwrap(), cookies: Mutex::default() }
    }

    /// Goes to an address and stays where it is led.
    pub async fn open(&self, url: &str) -> Page {
        self.show(self.http.get(url)).await
    }

    /// Fills in the consent page and gives the address that it sends the browser back to.
    pub async fn decide(&self, consent: &str, choice: Choice<'_>) -> String {
        let shown = self.open(consent).await;
        assert_eq!(shown.status, 200, "the consent page: {}", shown.text);
        let url = Url::parse(consent).unwrap();
        let scope = url.query_pairs().find(|(name, _)| name == "scope").map(|(_, value)| value.into_owned());
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("request", url.query().unwrap()).append_pair("account", choice.account);
        for scope in scope.unwrap_or_default().split(' ') {
            if choice.unticks.is_none_or(|unticked| !scope.contains(unticked)) {
                form.append_pair("scope", scope);
            }
        }
        form.append_pair("decision", if choice.allows { "allow" } else { "deny" });
        let mut address = url.clone();
        address.set_query(None);
        let request = self.http.post(address).header("content-type", "application/x-www-form-urlencoded");
        let page = self.show(request.body(form.finish())).await;
        page.location.unwrap_or_else(|| panic!("the consent page said {}: {}", page.status, page.text))
    }

    /// Opens a link, consents, and comes back.
    pub async fn connect(&self, link: &str, choice: Choice<'_>) -> Page {
        let consent = self.open(link).await;
        let consent = consent.location.unwrap_or_else(|| panic!("{}: {}", consent.status, consent.text));
        let back = self.decide(&consent, choice).await;
        self.open(&back).await
    }

    /// Puts cookies into it, such as another browser's.
    pub fn keep(&self, cookies: impl IntoIterator<Item = (String, String)>) {
        self.cookies.lock().unwrap().extend(cookies);
    }

    /// The cookies it has.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap().clone()
    }

    async fn show(&self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<_> = self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(ACCEPT, "text/html,*/*").header(COOKIE, cookies.join("; "));
        let answer = timeout(PATIENCE, request.send()).await.expect("an answer in time").unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                let is_ours = name.contains("santral");
                assert!(
                    !is_ours || attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"),
                    "{cookie}"
                );
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let here = answer.url().clone();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Page {
            status: answer.status().as_u16(),
            location: header(LOCATION.as_str()).map(|to| here.join(&to).unwrap().into()),
            policy: header("content-security-policy"),
            text: answer.text().await.unwrap(),
        }
    }
}
