//! The console: becoming the operator, signing in, guessing, companies, and looking at one of them for a reason.

use reqwest::Method;
use rstest::rstest;
use santral::db::{Sql, Val};
use serde_json::json;

use crate::support::browser::{Browser, Seen};
use crate::support::connected::Connected;
use crate::support::server::{Engine, Server, run};

const PASSWORD: &str = "doğru at pil zımba";
const AGE: &str = "update sessions set used_at = used_at - $2 where company_id = $1";
static AGE_SESSIONS: Sql = Sql { name: "tests::AGE_SESSIONS", pg: AGE, sqlite: AGE };

/// The path of the set-up link in a line of the log or of a command.
fn path(line: &str) -> String {
    let at = line.find("/console/set-up/").expect("a link");
    line[at..].split_whitespace().next().unwrap().to_owned()
}

/// What its first start has printed.
async fn printed(server: &Server) -> String {
    path(&server.says("/console/set-up/").await)
}

async fn set_up(browser: &mut Browser, link: &str, password: &str) -> Seen {
    browser.post(link, &[("name", "Ayşe"), ("password", password), ("repeated", password)]).await
}

async fn operator(server: &Server) -> Browser {
    let mut browser = Browser::new(server);
    let link = printed(server).await;
    assert_eq!(set_up(&mut browser, &link, PASSWORD).await.to(), "/console/companies");
    browser.get("/console/companies").await.expect(200);
    browser
}

async fn sign_in(browser: &mut Browser, name: &str, password: &str) -> Seen {
    browser.post("/console/sign-in", &[("name", name), ("password", password)]).await
}

#[rstest]
#[tokio::test]
async fn the_printed_link_makes_one_person_the_operator(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut server = Server::start(engine, |_| {}).await;
    let link = printed(&server).await;
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/console/companies").await.to(), "/console/sign-in");
    assert!(browser.get(&link).await.expect(200).contains("Sistem yöneticisini belirleyin"));
    let wrong = [("name", ""), ("password", "kısa"), ("repeated", "başka")];
    let page = browser.post(&link, &wrong).await.expect(422);
    assert!(page.contains("İki parola aynı değil") && !page.contains("kısa\""));
    let foreign = browser.form(&link, &[]).header("origin", "https://evil.example");
    browser.send(foreign).await.expect(403);
    assert_eq!(set_up(&mut browser, &link, PASSWORD).await.to(), "/console/companies");
    assert!(browser.get("/console/companies").await.expect(200).contains("Ayşe"));
    assert!(browser.get("/console/audit").await.expect(200).contains("Sistem yöneticisi oldu"));

    let mut other = Browser::new(&server);
    other.get(&link).await.expect(410);
    set_up(&mut other, &link, "başka bir parola").await.expect(410);
    for hostile in ["x", "sntl_", "%00", &"a".repeat(5000)] {
        other.get(&format!("/console/set-up/{hostile}")).await.expect(410);
    }

    // There is an operator, so the next start prints none; a lost password is a new link.
    server.terminate().await;
    server.restart().await;
    assert!(!server.log().iter().any(|line| line.contains("/console/set-up/")));
    let said = run(server.command(&["operator", "reset-link"])).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let reset = path(&String::from_utf8_lossy(&said.stdout));
    browser.get("/console/companies").await.expect(200);
    assert_eq!(set_up(&mut other, &reset, "yepyeni bir parola").await.to(), "/console/companies");
    assert_eq!(
        browser.get("/console/companies").await.to(),
        "/console/sign-in",
        "the one before is signed out"
    );
    sign_in(&mut browser, "Ayşe", PASSWORD).await.expect(401);
    assert_eq!(sign_in(&mut browser, "Ayşe", "yepyeni bir parola").await.to(), "/console/companies");
    let verified = run(server.command(&["audit", "verify"])).await;
    assert!(verified.status.success());
}

#[rstest]
#[tokio::test]
async fn guessing_is_stopped_for_known_and_unknown_names_and_a_restart_forgets_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut server = Server::start(engine, |_| {}).await;
    drop(operator(&server).await);
    let mut guesser = Browser::new(&server);
    for name in ["Ayşe", "Başkası"] {
        for _ in 0..6 {
            let page = sign_in(&mut guesser, name, "yanlış bir parola").await.expect(401);
            assert!(page.contains("Ad ya da parola doğru değil") && !page.contains("yanlış bir parola"));
        }
        let page = sign_in(&mut guesser, name, PASSWORD).await.expect(429);
        assert!(page.contains("1 dakika sonra"), "even the right one waits");
    }
    server.kill9();
    server.restart().await;
    sign_in(&mut guesser, "Ayşe", PASSWORD).await.expect(429);
    // Another name from the same address is still looked at, until the address has had enough.
    for _ in 0..9 {
        sign_in(&mut guesser, &santral::random::fraction().to_string(), "x").await.expect(401);
    }
    sign_in(&mut guesser, "kimse", "x").await.expect(429);
    let foreign = guesser.form("/console/sign-in", &[]).header("sec-fetch-site", "cross-site");
    guesser.send(foreign).await.expect(403);
}

#[rstest]
#[tokio::test]
async fn attempts_at_the_same_time_count_like_attempts_one_by_one(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let guesses = (0..12).map(|_| async {
        let mut browser = Browser::new(&server);
        sign_in(&mut browser, "Ayşe", "x").await.status
    });
    let answers = futures_util::future::join_all(guesses).await;
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 6, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 6, "{answers:?}");
}

#[rstest]
#[tokio::test]
async fn the_operator_finds_makes_renames_and_opens_companies(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let server = Server::start(engine, |_| {}).await;
    let mut browser = operator(&server).await;
    for index in 0..26 {
        server.platform().create_company(&format!("Şirket {index:02}")).await;
    }
    let first = browser.get("/console/companies").await.expect(200);
    assert!(first.contains("Şirket 24") && !first.contains("Şirket 25"));
    let (_, rest) = first.split_once("after=").unwrap();
    let after = rest.split('"').next().unwrap();
    let second = browser.get(&format!("/console/companies?after={after}")).await.expect(200);
    assert!(second.contains("Şirket 25") && !second.contains("Şirket 24"));
    let found = browser.get("/console/companies?q=SIRKET+07").await.expect(200);
    assert!(found.contains("Şirket 07") && !found.contains("Şirket 08"));
    assert!(browser.get("/console/companies?q=yok&after=x").await.expect(200).contains("Şirket bulunamadı"));

    browser.post("/console/companies", &[("name", " ")]).await.expect(422);
    let forged = browser.form("/console/companies", &[("name", "Sahte")]);
    browser.send(forged).await.expect(403);
    let company = browser.post("/console/companies", &[("name", "<b>Işık</b> A.Ş.")]).await.to();
    let page = browser.get(&company).await.expect(200);
    assert!(page.contains("&lt;b&gt;Işık") && !page.contains("<b>Işık"));
    browser.post(&company, &[("name", "Işık A.Ş.")]).await.to();
    assert!(browser.get(&company).await.expect(200).contains("Işık A.Ş."));
    for missing in
        ["/console/companies/co_00000000000000000000000000", "/console/companies/x", "/console/nowhere"]
    {
        browser.get(missing).await.expect(404);
    }
    browser.post("/console/companies/co_00000000000000000000000000/open", &[]).await.expect(404);

    assert!(page.contains("Yönetim sayfalarındaki saatler UTC’dir") && !page.contains("data-theme"));
    let dark = browser.post("/console/theme", &[("to", "dark")]).await;
    assert!(dark.headers["set-cookie"].to_str().unwrap().starts_with("santral-theme=dark;"));
    assert!(browser.get(&company).await.expect(200).contains("data-theme=\"dark\""));

    assert_eq!(browser.post(&format!("{company}/open"), &[]).await.to(), "/app/overview");
    let log = browser.get("/app/audit").await.expect(200);
    for deed in ["Şirketi oluşturdu", "Şirketin adını değiştirdi", "Sayfaları yönetici olarak açtı"]
    {
        assert!(log.contains(deed), "{deed}");
    }
    browser.get("/app/settings").await.expect(200);
    assert!(browser.post("/app/sign-out", &[]).await.to().ends_with(&company));

    browser.get("/console/companies").await.expect(200);
    let before = browser.cookies.clone();
    assert_eq!(browser.post("/console/sign-out", &[]).await.to(), "/console/sign-in");
    browser.cookies = before;
    assert_eq!(browser.get("/console/companies").await.to(), "/console/sign-in");
}

#[rstest]
#[tokio::test]
async fn support_looks_for_a_reason_and_changes_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let vendors = Connected::start(engine).await;
    let id = vendors.mail("gizli.kisi@example.com", None).await;
    vendors.in_state(&id, "sent").await;
    let mut browser = operator(&vendors.server).await;
    let company = format!("/console/companies/{}", vendors.company);
    browser.get(&company).await.expect(200);
    browser.post(&format!("{company}/support"), &[("reason", " ")]).await.expect(422);
    let support = [("reason", "Destek kaydı 114 <i>")];
    assert_eq!(browser.post(&format!("{company}/support"), &support).await.to(), "/app/overview");

    for path in [
        "/app/overview",
        "/app/deliveries",
        &format!("/app/deliveries/{id}"),
        "/app/integrations/email",
        "/app/automations",
    ] {
        let page = browser.get(path).await.expect(200);
        assert!(page.contains("Destek modundan çık"), "{path}");
        assert!(!page.contains("gizli.kisi@"), "{path}");
    }
    let csv = browser.get("/app/deliveries.csv").await.expect(200);
    assert!(!csv.contains("gizli.kisi@"));
    for path in ["/app/settings", "/app/developer/keys", "/app/developer/events"] {
        browser.get(path).await.expect(403);
    }
    for path in [
        "/app/settings",
        "/app/settings/test-mode",
        "/app/automations",
        "/app/developer/keys",
        "/app/templates/new",
        &format!("/app/deliveries/{id}/retry"),
        "/app/automations/presets",
    ] {
        let page = browser.post(path, &[("preset", "deal_created")]).await.expect(403);
        assert!(page.contains("Destek modunda hiçbir şey değiştirilemez"), "{path}");
    }
    browser.post("/app/language", &[("to", "en")]).await.to();
    assert!(browser.get("/app/overview").await.expect(200).contains("Leave support mode"));

    let mut admin = Browser::of(&vendors.server, &vendors.company, "admin").await;
    let log = admin.get("/app/audit").await.expect(200);
    assert!(log.contains("Sayfaları destek modunda açtı") && log.contains("Destek kaydı 114 &lt;i&gt;"));
    assert!(log.contains("Ayşe") && log.contains("127.0.0.1"));

    let db = vendors.database().await;
    let mut tx = db.company(vendors.company_id()).write().await.unwrap();
    let idle = vec![Val::from(vendors.company_id().0), Val::from(31 * 60 * 1_000_000_i64)];
    tx.execute(&AGE_SESSIONS, idle).await.unwrap();
    tx.commit().await.unwrap();
    browser.get("/app/overview").await.expect(401);
    // The console goes on; leaving support leads back to it.
    browser.get(&company).await.expect(200);
    browser.post(&format!("{company}/support"), &[("reason", "yeniden")]).await.to();
    browser.get("/app/overview").await.expect(200);
    assert!(browser.post("/app/sign-out", &[]).await.to().ends_with(&company));
    browser.get("/app/overview").await.expect(401);
}

#[rstest]
#[tokio::test]
async fn sessions_open_only_what_they_are_for(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let server = Server::start(engine, |_| {}).await;
    let mut browser = operator(&server).await;
    let secret = browser.cookies["santral-console"].clone();
    let company = server.platform().create_company("Örnek A.Ş.").await;
    browser.cookies = [("santral".to_owned(), secret)].into();
    browser.get("/app/overview").await.expect(401);
    let admin = Browser::of(&server, &company.id, "admin").await;
    browser.cookies = [("santral-console".to_owned(), admin.cookies["santral"].clone())].into();
    assert_eq!(browser.get("/console/companies").await.to(), "/console/sign-in");
    // Only the platform's own links become the operator, and the API makes no such roles.
    for role in ["operator", "support"] {
        let user = json!({"user": {"id": "1", "name": "X", "role": role}});
        let path = format!("/api/companies/{}/sessions", company.id);
        server.platform().post(&path, user).await.expect(422);
    }
    let link = crate::support::browser::link(&server.platform(), &company.id, "admin").await;
    let link = link.replace("/app/enter/", "/console/set-up/");
    browser.get(&link).await.expect(410);
}

#[tokio::test]
async fn a_console_that_is_switched_off_is_not_there() {
    let server = Server::start(Engine::Sqlite, |env| env.set("SANTRAL_CONSOLE", "false")).await;
    let mut browser = Browser::new(&server);
    for path in ["/console", "/console/sign-in", "/console/companies"] {
        browser.get(path).await.expect(404);
    }
    let posted = browser.request(Method::POST, "/console/sign-in");
    browser.send(posted).await.expect(404);
    assert!(!server.log().iter().any(|line| line.contains("/console/")));
    assert!(!run(server.command(&["operator", "reset-link"])).await.status.success());
}
