//! Commercial messages: only with consent, asked for at the moment of sending, and with a way out.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::connected::{Connected, in_days, in_millis};
use crate::support::server::Engine;

const ALI: &str = "ali@firma.com";

fn consent(status: &str, at: String) -> Value {
    json!({"consents": [{"recipient": "Ali <Ali@Firma.com>", "channel": "email", "status": status,
        "at": at, "source": "HS_WEB"}]})
}

async fn say(api: &Client, status: &str, at: String) {
    assert_eq!(api.put("/api/consents", consent(status, at)).await.expect(200)["recorded"], 1);
}

fn campaign(to: &str) -> Value {
    json!({"channel": "email", "to": to, "kind": "commercial", "subject": "Bahar indirimi",
        "text": "Yüzde yirmi indirim", "html": "<html><body><p>Yüzde yirmi indirim</p></body></html>"})
}

async fn send(api: &Client, message: Value) -> String {
    api.post("/api/messages", message).await.expect(202)["id"].as_str().unwrap().to_owned()
}

async fn page(it: &Connected, method: Method, url: &str) -> (u16, String) {
    let path = &url[url.find("/unsubscribe/").unwrap()..];
    let answer = it.api.request(method, path).body("List-Unsubscribe=One-Click").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[rstest]
#[tokio::test]
async fn a_commercial_mail_needs_a_consent_and_brings_a_way_out(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let silent = send(&it.api, campaign(ALI)).await;
    assert_eq!(it.in_state(&silent, "skipped").await["reason"], "no_consent");
    let informational = it.mail(ALI, None).await;
    it.in_state(&informational, "sent").await;

    say(&it.api, "granted", in_millis(-60_000)).await;
    let agreed = send(&it.api, campaign(ALI)).await;
    it.in_state(&agreed, "sent").await;
    let mails = it.sandbox.mailbox();
    assert_eq!(mails.total(), 2);
    let mail = mails.mails().into_iter().find(|mail| mail.view().subject == "Bahar indirimi").unwrap();
    let header = |name: &str| {
        let found = mail.view().headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    let url = header("List-Unsubscribe").trim_matches(['<', '>']).to_owned();
    let (text, html) = (mail.view().text.clone().unwrap(), mail.view().html.clone().unwrap());
    assert!(text.contains("Örnek A.Ş.") && text.contains(&url), "{text}");
    assert!(html.contains("Örnek A.Ş.") && html.contains(&url) && html.ends_with("</body></html>"), "{html}");

    let (status, asked) = page(&it, Method::GET, &url).await;
    assert!(
        status == 200 && asked.contains("Örnek A.Ş.") && asked.contains("<form method=\"post\">"),
        "{asked}"
    );
    let still = send(&it.api, campaign(ALI)).await;
    it.in_state(&still, "sent").await;
    assert_eq!(page(&it, Method::POST, &url).await.0, 200);
    let refused = send(&it.api, campaign(ALI)).await;
    assert_eq!(it.in_state(&refused, "skipped").await["reason"], "no_consent");
    let ledger = it.api.get(&format!("/api/consents?recipient={ALI}")).await.expect(200);
    let said: Vec<_> =
        ledger["items"].as_array().unwrap().iter().map(|item| (&item["status"], &item["source"])).collect();
    assert_eq!(
        said,
        [(&json!("refused"), &json!("unsubscribe_link")), (&json!("granted"), &json!("HS_WEB"))]
    );

    let mut forged = url.clone();
    forged.replace_range(url.len() - 1.., if url.ends_with('0') { "1" } else { "0" });
    assert_eq!(page(&it, Method::POST, &forged).await.0, 404);
}

#[rstest]
#[tokio::test]
async fn a_consent_withdrawn_before_sending_stops_what_waits(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    say(&it.api, "granted", in_millis(-60_000)).await;
    let mut message = campaign(ALI);
    message["send_at"] = in_millis(1_500).into();
    let id = send(&it.api, message).await;
    say(&it.api, "refused", in_millis(0)).await;
    assert_eq!(it.in_state(&id, "skipped").await["reason"], "no_consent");
    assert_eq!(it.sandbox.mailbox().total(), 0);
}

#[rstest]
#[tokio::test]
async fn the_latest_statement_counts_whenever_it_arrives(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let check = async |kind: &str| {
        let asked =
            json!({"channel": "email", "recipients": [ALI, "veli@firma.com", "x"], "recipient_type": kind});
        let found = it.api.post("/api/consents/check", asked).await.expect(200);
        let items = found["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| (item["status"].as_str().unwrap().to_owned(), item["allowed"] == true))
            .collect::<Vec<_>>()
    };
    let of = |status: &str, allowed| (status.to_owned(), allowed);
    say(&it.api, "refused", in_days(-1)).await;
    say(&it.api, "granted", in_days(-2)).await;
    assert_eq!(check("individual").await, [of("refused", false), of("missing", false), of("invalid", false)]);
    assert_eq!(check("merchant").await, [of("refused", false), of("missing", true), of("invalid", false)]);
    say(&it.api, "granted", in_millis(-1_000)).await;
    assert_eq!(check("individual").await[0], of("granted", true));

    let mut merchant = campaign("veli@firma.com");
    merchant["recipient_type"] = json!("merchant");
    let id = send(&it.api, merchant).await;
    it.in_state(&id, "sent").await;
}

#[rstest]
#[tokio::test]
async fn a_table_is_imported_but_for_its_bad_lines(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let file = "\u{feff}Alıcı;Kanal;Durum;Tarih;Kaynak\r\n\
        0532 123 45 67;MESAJ;ONAY;24.11.2025 10:30;HS_WEB\r\n\
        ayse@firma.com;EPOSTA;RET;2025-11-24 10:30:00;HS_WEB\r\n\
        yanlış;MESAJ;ONAY;24.11.2025 10:30;HS_WEB\r\n\
        0533 123 45 67;MESAJ;BELKİ;24.11.2025 10:30;HS_WEB\r\n\
        0533 123 45 67;MESAJ;ONAY;yarın;HS_WEB\r\n\
        ;;;;\r\n\
        \"0534 123 45 67\";SMS;granted;2025-11-24T10:30:00Z;\"web; form\"\r\n";
    let import = async |query: &str, file: &str| {
        let request = it.api.request(Method::POST, &format!("/api/consents/import{query}"));
        it.api.send(request.header("content-type", "text/csv").body(file.to_owned())).await
    };
    let done = import("", file).await.expect(200);
    assert_eq!((&done["recorded"], &done["refused"]), (&json!(3), &json!(3)), "{done:#}");
    let bad: Vec<_> = done["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (problem["line"].as_u64().unwrap(), problem["code"].as_str().unwrap().to_owned()))
        .collect();
    let codes = [(4, "recipient_invalid"), (5, "unknown_status"), (6, "date_invalid")];
    assert_eq!(bad, codes.map(|(line, code)| (line, code.to_owned())));
    let found = it.api.get("/api/consents?recipient=%2B905341234567").await.expect(200);
    assert_eq!(found["items"][0]["source"], "web; form");
    assert_eq!(
        import("", "telefon;durum\n1;2\n").await.refused(),
        [(String::new(), "columns_missing".to_owned())]
    );
    let named =
        import("?channel=whatsapp&source=form", "telefon,durum,tarih\n05321234567,onay,2025-01-01\n").await;
    assert_eq!(named.expect(200)["recorded"], 1);
}

#[rstest]
#[tokio::test]
async fn an_erased_person_leaves_the_proof_of_their_consent(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    say(&it.api, "refused", in_days(-1)).await;
    let id = it.mail(ALI, None).await;
    it.in_state(&id, "sent").await;
    assert_eq!(it.api.post("/api/erasures", json!({"recipient": ALI})).await.expect(200)["deliveries"], 1);
    let ledger = it.api.get(&format!("/api/consents?recipient={ALI}")).await.expect(200);
    assert_eq!(ledger["items"][0]["status"], "refused");
}

#[rstest]
#[tokio::test]
async fn bad_statements_are_refused_with_their_place_and_nothing_is_stored(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    let statement = |recipient: &str, channel: &str, at: String, source: &str| json!({"recipient": recipient, "channel": channel, "status": "granted", "at": at, "source": source});
    let request = json!({"consents": [
        statement(ALI, "email", in_days(-1), "HS_WEB"),
        statement("ali", "email", in_days(-1), "HS_WEB"),
        statement(ALI, "webhook", in_days(-1), "HS_WEB"),
        statement(ALI, "email", in_days(1), "HS_WEB"),
        statement(ALI, "email", in_days(-1), " "),
    ]});
    let refused = it.api.put("/api/consents", request).await.refused();
    let expected = [
        ("/consents/1/recipient", "recipient_invalid"),
        ("/consents/2/channel", "unknown_channel"),
        ("/consents/3/at", "in_the_future"),
        ("/consents/4/source", "invalid"),
    ];
    assert_eq!(refused, expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    assert_eq!(it.api.get("/api/consents").await.expect(200)["items"], json!([]));
}

#[rstest]
#[tokio::test]
async fn another_companys_consents_are_not_seen(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    say(&it.api, "granted", in_days(-1)).await;
    let other = it.server.platform().create_company("Başka A.Ş.").await;
    let other = it.server.platform().with_key(&other.key);
    assert_eq!(other.get("/api/consents").await.expect(200)["items"], json!([]));
    let asked = json!({"channel": "email", "recipients": [ALI]});
    let found = other.post("/api/consents/check", asked).await.expect(200);
    assert_eq!(found["items"][0]["status"], "missing");
}
