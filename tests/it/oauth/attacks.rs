//! What others may try: nothing is stored, and no browser is sent anywhere foreign.

use url::Url;

use super::*;

/// A consent that was given, with the browser it began in and the address it leads back to.
async fn given(place: &Place) -> (Browser, String) {
    let browser = Browser::new();
    let link = place.link("google", json!({"services": ["gmail"]})).await;
    let consent = browser.open(&link).await.location.unwrap();
    let back = browser.decide(&consent, allow(Choice::SALES)).await;
    (browser, back)
}

fn with(url: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(url).unwrap();
    let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    if let Some(value) = value {
        url.query_pairs_mut().append_pair(name, value);
    }
    url.into()
}

async fn nothing_is_stored(place: &Place) {
    assert_eq!(place.connections("gmail").await, Vec::<Value>::new());
    assert_eq!(place.sandbox.oauth().report().exchanges, 0, "a code was exchanged");
}

#[rstest]
#[tokio::test]
async fn an_answer_works_once_and_only_in_the_browser_that_asked(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let (browser, back) = given(&place).await;
    let stranger = Browser::new().open(&back).await;
    assert_eq!(stranger.status, 403);
    assert!(stranger.text.contains("başka bir tarayıcı"), "{}", stranger.text);
    nothing_is_stored(&place).await;

    let cookies = browser.cookies();
    assert_eq!(browser.open(&back).await.status, 200);
    assert_eq!(place.connections("gmail").await.len(), 1);
    assert_eq!(browser.cookies().len(), cookies.len() - 1, "the flow's cookie is forgotten");
    let path = back.strip_prefix(&place.server.url()).unwrap();
    let (name, value) = cookies.iter().next().unwrap();
    let request = place.api.request(reqwest::Method::GET, path).header("cookie", format!("{name}={value}"));
    let replayed = place.api.send(request).await;
    assert_eq!((replayed.status, replayed.code()), (410, "state_used"));
    assert_eq!(place.sandbox.oauth().report().exchanges, 1);
}

#[tokio::test]
async fn a_link_works_once_and_at_its_own_idp() {
    let place = Place::start(Engine::Sqlite).await;
    let link = place.link("google", json!({"services": ["gmail"]})).await;
    let browser = Browser::new();
    let elsewhere = browser.open(&link.replace("/google/", "/microsoft/")).await;
    assert_eq!(elsewhere.status, 400);
    assert_eq!(browser.open(&link).await.status, 302);
    assert_eq!(browser.open(&link).await.status, 410);
    let mistyped = browser.open(&format!("{}x", &link[..link.len() - 1])).await;
    assert_eq!(mistyped.status, 400, "{}", mistyped.text);
}

#[tokio::test]
async fn an_answer_of_another_idp_is_refused() {
    let place = Place::start(Engine::Sqlite).await;
    let (browser, back) = given(&place).await;
    let mixed = browser.open(&back.replace("/google/", "/microsoft/")).await;
    assert_eq!(mixed.status, 400);
    nothing_is_stored(&place).await;
    assert_eq!(browser.open(&back).await.status, 200, "the right one still works");
}

#[rstest]
#[case::of_another(Some("https://accounts.attacker.example"))]
#[case::with_a_slash_too_many(Some("slash"))]
#[case::empty(Some(""))]
#[tokio::test]
async fn an_answer_that_says_it_is_from_elsewhere_is_refused(#[case] issuer: Option<&str>) {
    let place = Place::start(Engine::Sqlite).await;
    let (browser, back) = given(&place).await;
    let slash = format!("{}/", place.sandbox.http_url());
    let issuer = issuer.map(|issuer| if issuer == "slash" { slash.as_str() } else { issuer });
    let wrong = browser.open(&with(&back, "iss", issuer)).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text.contains("beklenen servisten gelmedi"), "{}", wrong.text);
    nothing_is_stored(&place).await;
    assert_eq!(browser.open(&back).await.status, 410, "whoever was tricked once starts again");
    nothing_is_stored(&place).await;
}

#[tokio::test]
async fn a_code_from_somewhere_else_is_not_accepted() {
    let place = Place::start(Engine::Sqlite).await;
    let (_, victims) = given(&place).await;
    let code = Url::parse(&victims).unwrap();
    let code = code.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (browser, own) = given(&place).await;
    let injected = browser.open(&with(&own, "code", Some(&code))).await;
    assert_eq!(injected.status, 400);
    assert!(injected.text.contains("kodunu kabul etmedi"), "{}", injected.text);
    assert!(!injected.text.contains(&code));
    nothing_is_stored(&place).await;
}

#[tokio::test]
async fn a_state_belongs_to_the_company_it_was_made_for() {
    let place = Place::start(Engine::Sqlite).await;
    let other = place.server.platform().create_company("Başka A.Ş.").await;
    let other: santral::ids::CompanyId = other.id.parse().unwrap();
    let (browser, back) = given(&place).await;
    let state = Url::parse(&back).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let mut bytes =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &state).unwrap();
    bytes[..16].copy_from_slice(other.0.as_bytes());
    let forged = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &bytes);
    let refused = browser.open(&with(&back, "state", Some(&forged))).await;
    assert_eq!(refused.status, 400);
    nothing_is_stored(&place).await;
}

#[tokio::test]
async fn malformed_answers_are_refused() {
    let place = Place::start(Engine::Sqlite).await;
    let (browser, back) = given(&place).await;
    let state =
        Url::parse(&back).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let callback = format!("{}/api/integrations/oauth/google/callback", place.server.url());
    for query in [
        "",
        "?",
        "?code=x",
        "?state=",
        "?state=%00%ff",
        "?state=../../x&code=x",
        &format!("?state={}", "a".repeat(5_000)),
        &format!("?state={state}&state={state}&code=x"),
        &format!("?state={state}&code=a&code=b"),
    ] {
        let refused = browser.open(&format!("{callback}{query}")).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        assert_eq!(refused.location, None);
    }
    nothing_is_stored(&place).await;
}

#[rstest]
#[tokio::test]
async fn a_flood_of_answers_stores_once_and_leaves_the_server_well(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let place = Place::start(engine).await;
    let (browser, back) = given(&place).await;
    let strangers: Vec<_> = (0..8).map(|_| Browser::new()).collect();
    let forged = |n: usize| with(&back, "state", Some(&format!("{n:0>54}")));
    let flood = (0..240).map(async |n: usize| match n % 4 {
        // The right one many times at once, the right one elsewhere, states that were never given out.
        0 => (n, browser.open(&back).await.status),
        1 => (n, strangers[n % 8].open(&back).await.status),
        _ => (n, strangers[n % 8].open(&forged(n)).await.status),
    });
    let answers = futures_util::future::join_all(flood).await;
    let ended = |right: bool, status: u16| {
        answers.iter().filter(|(n, given)| (n % 4 == 0) == right && *given == status).count()
    };
    assert_eq!(ended(true, 200), 1, "{answers:?}");
    assert_eq!(ended(true, 410) + ended(true, 403) + 1, 60, "{answers:?}");
    assert_eq!(ended(false, 403) + ended(false, 400), 180, "{answers:?}");
    assert_eq!(place.connections("gmail").await.len(), 1);
    assert_eq!(place.sandbox.oauth().report().exchanges, 1);
    place.server.platform().get("/readyz").await.expect(200);
}

#[tokio::test]
async fn a_late_answer_is_told_so() {
    let place = Place::start(Engine::Sqlite).await;
    let (browser, back) = given(&place).await;
    let database = crate::support::sqlite::open(&place.server);
    database.execute("update oauth_flows set expires_at = expires_at - 700000000", []).unwrap();
    let late = browser.open(&back).await;
    assert_eq!(late.status, 410);
    assert!(late.text.contains("süresi doldu"), "{}", late.text);
    nothing_is_stored(&place).await;
}

#[rstest]
#[case("https://attacker.example/")]
#[case("//attacker.example/")]
#[case("/\\attacker.example/")]
#[case("\\\\attacker.example")]
#[case("https:attacker.example")]
#[case("https://crm.example.attacker.example/")]
#[case("https://crm.example:444/")]
#[case("http://crm.example/")]
#[case("https://crm.example@attacker.example/")]
#[case("https://user@crm.example/")]
#[case("javascript:alert(1)")]
#[case("data:text/html,x")]
#[case("/\t/attacker.example")]
#[case("ayarlar")]
#[tokio::test]
async fn nobody_is_sent_to_a_foreign_site(#[case] return_url: &str) {
    let place =
        Place::start_with(Engine::Sqlite, |env| env.set("SANTRAL_RETURN_ORIGINS", "https://crm.example"))
            .await;
    let wish = json!({"services": ["gmail"], "return_url": return_url});
    let refused = place.api.post("/api/integrations/oauth/google/tickets", wish).await.refused();
    assert_eq!(refused, [("/return_url".to_owned(), "origin_not_allowed".to_owned())]);
}

#[tokio::test]
async fn another_companys_key_sees_and_ends_nothing() {
    let place = Place::start(Engine::Sqlite).await;
    let id = place.gmail().await;
    let other = place.server.platform().create_company("Başka A.Ş.").await;
    let other = place.server.platform().with_key(&other.key);
    other.post("/api/integrations/oauth/google/disconnect", json!({"connection": id})).await.expect(404);
    let wish = json!({"connection": id});
    let refused = other.post("/api/integrations/oauth/google/tickets", wish).await.refused();
    assert!(refused.contains(&("/connection".to_owned(), "unknown_connection".to_owned())), "{refused:?}");
    assert_eq!(place.connections("gmail").await.len(), 1);
    let stranger = place.server.platform().with_key("nobody-knows-this-key-nobody-knows-it");
    stranger.get("/api/integrations/oauth/google/authorize?services=gmail").await.expect(401);
}
