//! Connecting from the company's pages: begun in a session, finished in that session only.

use super::*;
use crate::support::browser::link;

/// A browser that is signed in to the pages.
async fn signed_in(place: &Place, role: &str) -> Browser {
    let browser = Browser::new();
    let path = link(&place.server.platform(), &place.company, role).await;
    let entered = browser.open(&format!("{}{path}", place.server.url())).await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    browser
}

/// The address of the connect button of Gmail, as the page has it.
async fn button(place: &Place, browser: &Browser) -> String {
    let page = browser.open(&format!("{}/app/integrations/email", place.server.url())).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let start = page.text.find("/api/integrations/oauth/google/authorize").expect("a way to connect Gmail");
    let (address, _) = page.text[start..].split_once('"').unwrap();
    format!("{}{}", place.server.url(), address.replace("&amp;", "&"))
}

/// Presses the button and consents; the address that the browser is then sent back to.
async fn given(place: &Place, browser: &Browser) -> String {
    let begun = browser.open(&button(place, browser).await).await;
    assert_eq!(begun.status, 302, "{}", begun.text);
    browser.decide(&begun.location.unwrap(), allow(Choice::SALES)).await
}

async fn nothing_is_stored(place: &Place) {
    assert_eq!(place.connections("gmail").await, Vec::<Value>::new());
    assert_eq!(place.sandbox.oauth().report().exchanges, 0, "a code was exchanged");
}

#[rstest]
#[tokio::test]
async fn an_account_is_connected_from_the_pages_and_the_browser_is_back_there(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let browser = signed_in(&place, "admin").await;
    let back = given(&place, &browser).await;
    let done = browser.open(&back).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = browser.open(&done.location.unwrap()).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(Choice::SALES) && page.text.contains("bağlandı"), "{}", page.text);
    assert_eq!(place.connections("gmail").await[0]["status"], "active");
    let log = browser.open(&format!("{}/app/audit", place.server.url())).await;
    assert!(log.text.contains("Hesap bağladı") && log.text.contains("Selin Kaya"), "{}", log.text);
}

#[tokio::test]
async fn a_connection_shows_whose_account_it_is_and_when_it_is_looked_after_next() {
    let place = Place::start(Engine::Sqlite).await;
    place.gmail().await;
    let connection = place.connections("gmail").await[0].clone();
    assert_eq!(connection["account_name"], "Örnek Mobilya Satış", "{connection:#}");
    let [checked, next] = ["checked_at", "next_check_at"].map(|at| connection[at].as_str().unwrap());
    assert!(next > checked, "{connection:#}");
    let browser = signed_in(&place, "admin").await;
    let id = connection["id"].as_str().unwrap();
    let page = browser.open(&format!("{}/app/connections/{id}", place.server.url())).await;
    assert!(
        page.text.contains("Sonraki kontrol") && page.text.contains("Örnek Mobilya Satış"),
        "{}",
        page.text
    );
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_revoked_is_said_in_the_pages_too(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let page = place.consent("microsoft", json!({"services": ["outlook"]}), allow(Choice::SALES)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let id = place.connections("outlook").await[0]["id"].as_str().unwrap().to_owned();
    let mut browser = crate::support::browser::Browser::of(&place.server, &place.company, "admin").await;
    let route = format!("/app/connections/{id}/disconnect");
    browser.get(&route).await.expect(200);
    let gone = browser.post(&route, &[]).await.expect(200);
    assert!(gone.contains("myapps.microsoft.com"), "{gone}");
    assert_eq!(place.connections("outlook").await, Vec::<Value>::new());
}

#[rstest]
#[tokio::test]
async fn another_browser_than_the_one_that_began_cannot_finish(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let browser = signed_in(&place, "admin").await;
    let back = given(&place, &browser).await;

    let stranger = Browser::new().open(&back).await;
    assert_eq!(stranger.status, 403, "{}", stranger.text);
    let colleague = signed_in(&place, "admin").await.open(&back).await;
    assert_eq!(colleague.status, 403, "{}", colleague.text);
    nothing_is_stored(&place).await;

    // Even with the flow's own cookie: it is the session that must be the same, too.
    let other = signed_in(&place, "admin").await;
    let flow: Vec<_> = browser.cookies().into_iter().filter(|(name, _)| name.contains("oauth")).collect();
    assert_eq!(flow.len(), 1);
    other.keep(flow);
    let refused = other.open(&back).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("Oturumunuz"), "{}", refused.text);
    nothing_is_stored(&place).await;

    assert_eq!(browser.open(&back).await.status, 303, "the right one still works");
    assert_eq!(place.connections("gmail").await.len(), 1);
}

#[tokio::test]
async fn whoever_may_not_configure_does_not_begin_and_a_session_that_ended_does_not_finish() {
    let place = Place::start(Engine::Sqlite).await;
    let route = format!("{}/api/integrations/oauth/google/authorize?services=gmail", place.server.url());
    for role in ["member", "developer"] {
        assert_eq!(signed_in(&place, role).await.open(&route).await.status, 403, "{role}");
    }
    assert_eq!(Browser::new().open(&route).await.status, 401);

    let browser = signed_in(&place, "admin").await;
    let back = given(&place, &browser).await;
    let cookies = browser.cookies();
    let without: Vec<_> = cookies.into_iter().filter(|(name, _)| name.contains("oauth")).collect();
    let signed_out = Browser::new();
    signed_out.keep(without);
    assert_eq!(signed_out.open(&back).await.status, 403);
    nothing_is_stored(&place).await;
}

#[rstest]
#[tokio::test]
async fn inside_the_crms_page_a_one_time_link_opens_the_consent_and_the_page_learns_of_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let mut frame = crate::support::browser::Browser::of(&place.server, &place.company, "admin").await;
    let mut framed = async |path: &str| {
        let request = frame.request(reqwest::Method::GET, path).header("sec-fetch-dest", "iframe");
        frame.send(request).await.expect(200)
    };
    let page = framed("/app/integrations/email").await;
    assert!(page.contains("/app/consent/gmail?services=gmail"), "{page}");
    let page = framed("/app/consent/gmail?services=gmail").await;
    let within = |page: &str, start: &str| {
        let at = page.find(start).unwrap_or_else(|| panic!("{start} is not in {page}"));
        page[at..].split('"').next().unwrap().replace("&amp;", "&")
    };
    let ticket =
        within(&page, &format!("{}/api/integrations/oauth/google/authorize?ticket=", place.server.url()));
    let wait = within(&page, "/app/consent/gmail/wait?since=");
    assert!(framed(&wait).await.contains("bekleniyor"));

    // The new window has none of the frame's cookies.
    let window = Browser::new().connect(&ticket, allow(Choice::SALES)).await;
    assert_eq!(window.status, 200, "{}", window.text);
    let learnt = framed(&wait).await;
    let id = place.connections("gmail").await[0]["id"].as_str().unwrap().to_owned();
    assert!(learnt.contains(&format!("/app/connections/{id}")), "{learnt}");
}
