//! The simulated SMS and WhatsApp vendors: as strict as the real ones, and calling back as they do.

use reqwest::{RequestBuilder, StatusCode};
use santral_sandbox::Sandbox;
use santral_sandbox::phones::{Outcome, Vendor};
use santral_sandbox::vendors::webhook::{WebhookAction, WebhookFault};
use serde_json::{Value, json};

use crate::support::{client, get, sandbox};

fn netgsm(sandbox: &Sandbox, path: &str, password: &str) -> RequestBuilder {
    client().post(format!("{}{path}", sandbox.http_url())).basic_auth("8500000000", Some(password))
}

fn message(no: &str) -> Value {
    json!({"msgheader": "SANTRAL", "iysfilter": "0", "encoding": "TR", "messages": [{"msg": "Hazır", "no": no}]})
}

fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn netgsm_takes_what_is_right_and_names_what_is_wrong() {
    let sandbox = sandbox().await;
    let send = async |body: Value| answer(netgsm(&sandbox, "/sms/rest/v2/send", "sandbox").json(&body)).await;
    let (status, taken) = send(message("5321234567")).await;
    assert_eq!((status, &taken["code"]), (StatusCode::OK, &json!("00")));
    let kept = sandbox.phones().message(1).expect("it is kept");
    assert_eq!(
        (kept.to.as_str(), kept.text.as_str(), kept.notes.as_str()),
        ("+905321234567", "Hazır", "iysfilter=0")
    );

    let mut wrong = Vec::new();
    for (field, value) in [
        ("msgheader", json!("BASKA")),
        ("iysfilter", json!("1")),
        ("iysfilter", Value::Null),
        ("unknown", json!(1)),
        ("messages", json!([{"msg": "a", "no": "905321234567"}])),
        ("messages", json!([{"msg": "", "no": "5321234567"}])),
    ] {
        let mut body = message("5321234567");
        body[field] = value;
        let (status, refused) = send(body).await;
        assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
        wrong.push(refused["code"].as_str().expect("a code").to_owned());
    }
    assert_eq!(wrong, ["40", "70", "70", "70", "70", "20"]);
    let stranger = netgsm(&sandbox, "/sms/rest/v2/send", "x").json(&message("5321234567"));
    assert_eq!(answer(stranger).await.1["code"], "30");
    assert_eq!(sandbox.phones().total(), 1);
}

#[tokio::test]
async fn a_report_follows_what_became_of_the_message() {
    let sandbox = sandbox().await;
    let send = netgsm(&sandbox, "/sms/rest/v2/send", "sandbox");
    let (_, taken) = answer(send.json(&message("5321234567"))).await;
    let report = async |jobs: Value| {
        let body = json!({"jobids": jobs, "startdate": "01.01.2020 00:00:00", "stopdate": "31.12.2099 23:59:59",
            "pagenumber": 0, "pagesize": 100});
        answer(netgsm(&sandbox, "/sms/rest/v2/report", "sandbox").json(&body)).await.1
    };
    assert_eq!(report(json!([taken["jobid"]])).await["jobs"][0]["status"], 0);
    // Nobody listens: the state changes all the same.
    assert!(!sandbox.phones().report(1, Outcome::Delivered).await);
    assert_eq!(report(json!([taken["jobid"]])).await["jobs"][0]["status"], 1);
    assert_eq!(report(json!(["7"])).await["code"], "60");
    assert_eq!(report(json!(vec!["1"; 51])).await["code"], "70");
    // A repeat within the hour is taken and never arrives.
    let (_, again) =
        answer(netgsm(&sandbox, "/sms/rest/v2/send", "sandbox").json(&message("5321234567"))).await;
    assert_eq!(report(json!([again["jobid"]])).await["jobs"][0]["status"], 13);
}

#[tokio::test]
async fn a_receipt_and_a_reply_are_posted_where_the_vendor_was_told() {
    let sandbox = sandbox().await;
    let hook = format!("{}/webhook/receipts", sandbox.http_url());
    for kind in ["reportwebhook", "inboxwebhook"] {
        let register = netgsm(&sandbox, &format!("/sms/rest/v2/{kind}"), "sandbox");
        assert_eq!(answer(register.json(&json!({"webhookUrl": hook}))).await.1["code"], "00");
    }
    answer(netgsm(&sandbox, "/sms/rest/v2/send", "sandbox").json(&message("5321234567"))).await;
    let twilio = format!(
        "{}/2010-04-01/Accounts/AC00112233445566778899aabbccddeeff/Messages.json",
        sandbox.http_url()
    );
    let fields =
        [("To", "+905321234567"), ("From", "+15005550006"), ("Body", "a"), ("StatusCallback", &hook)];
    let create =
        client().post(twilio).basic_auth("AC00112233445566778899aabbccddeeff", Some("sandbox-token"));
    assert_eq!(form(create, &fields).send().await.expect("an answer").status(), StatusCode::CREATED);
    for number in [1, 2] {
        assert!(sandbox.phones().report(number, Outcome::Delivered).await);
        assert!(sandbox.phones().reply(number, "RET").await);
    }
    let entries = sandbox.webhook("receipts").expect("a name").report().entries;
    assert_eq!(entries.len(), 4);
    assert!(entries[0].body.contains("\"status\":1") && entries[1].body.contains("\"mesaj\":\"RET\""));
    assert!(entries[2].body.contains("MessageStatus=delivered"));
    assert!(entries[2].headers.iter().any(|(name, _)| name == "x-twilio-signature"));
}

#[tokio::test]
async fn whatsapp_takes_free_text_only_from_those_who_wrote() {
    let sandbox = sandbox().await;
    let hook = format!("{}/webhook/meta", sandbox.http_url());
    sandbox.phones().set_callback(Vendor::Whatsapp, Some(hook));
    let send = async |kind: &str, content: Value| {
        let url = format!("{}/v23.0/106540352242922/messages", sandbox.http_url());
        let body = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "905321234567",
            "type": kind, kind: content});
        answer(client().post(url).bearer_auth("sandbox-token").json(&body)).await.1
    };
    let places = json!([{"type": "text", "text": "Ayşe"}, {"type": "text", "text": "7"}]);
    let template = |name: &str, places: &Value| {
        json!({"name": name, "language": {"code": "tr", "policy": "deterministic"},
            "components": [{"type": "body", "parameters": places}]})
    };
    assert!(send("template", template("siparis_hazir", &places)).await["messages"][0]["id"].is_string());
    assert_eq!(
        sandbox.phones().message(1).expect("kept").text,
        "Merhaba Ayşe, 7 numaralı siparişiniz hazır."
    );
    assert_eq!(send("template", template("yok", &places)).await["error"]["code"], 132_001);
    assert_eq!(send("template", template("durdurulmus", &places)).await["error"]["code"], 132_015);
    assert_eq!(send("template", template("siparis_hazir", &json!([]))).await["error"]["code"], 132_000);
    send("text", json!({"body": "Merhaba"})).await;
    assert!(sandbox.phones().report(2, Outcome::Delivered).await);
    assert!(sandbox.phones().reply(1, "Teşekkürler").await);
    send("text", json!({"body": "Rica ederiz"})).await;
    assert!(sandbox.phones().report(3, Outcome::Read).await);
    let entries = sandbox.webhook("meta").expect("a name").report().entries;
    assert!(entries[0].body.contains("131047"));
    assert!(entries[1].body.contains("Te\\u015fekk\\u00fcrler"), "{}", entries[1].body);
    assert!(entries[2].body.contains("\"status\":\"read\""));
}

#[tokio::test]
async fn faults_strike_one_vendor_and_an_answer_may_be_lost_after_the_message_was_taken() {
    let sandbox = sandbox().await;
    let busy = WebhookAction::Status { status: 503, retry_after: Some("30".into()), body: None };
    sandbox.phones().add_fault(Vendor::Netgsm, WebhookFault::once(busy)).expect("a sensible order");
    sandbox
        .phones()
        .add_fault(Vendor::Netgsm, WebhookFault::once(WebhookAction::DropAfterReading))
        .expect("sensible");
    let send = || netgsm(&sandbox, "/sms/rest/v2/send", "sandbox").json(&message("5321234567")).send();
    let refused = send().await.expect("an answer");
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"30".parse().unwrap())
    );
    assert_eq!(sandbox.phones().total(), 0);
    send().await.expect_err("no answer");
    assert_eq!(sandbox.phones().total(), 1);
    assert_eq!(send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn the_page_shows_what_arrived_and_nothing_of_it_as_markup() {
    let sandbox = sandbox().await;
    let mut hostile = message("5321234567");
    hostile["messages"][0]["msg"] = "<script>alert(1)</script>".into();
    answer(netgsm(&sandbox, "/sms/rest/v2/send", "sandbox").json(&hostile)).await;
    let page = get(&sandbox, "/phones?lang=en").await.text().await.expect("text");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert!(page.contains("1 message received.") && page.contains("Netgsm"));
    assert_eq!(get(&sandbox, "/phones/2").await.status(), StatusCode::NOT_FOUND);
    // Nobody is there to hear of it: the page says so, and shows the answer all the same.
    let url = format!("{}/phones/1/reply?lang=en", sandbox.http_url());
    let after = form(client().post(url), &[("text", "<b>RET</b>")]).send().await.expect("an answer");
    let location = after.headers()["location"].to_str().expect("text").to_owned();
    assert_eq!((after.status(), location.as_str()), (StatusCode::SEE_OTHER, "/phones/1?lang=en&unheard=1"));
    let one = get(&sandbox, &location).await.text().await.expect("text");
    assert!(one.contains("&lt;b&gt;RET") && one.contains("could not be told") && !one.contains("<b>RET"));
    let report: Value = get(&sandbox, "/phones.json?wait_for=1").await.json().await.expect("JSON");
    assert_eq!(report["messages"][0]["to"], "+905321234567");
    let url = format!("{}/phones/1/outcome", sandbox.http_url());
    let foreign = client().post(url).header("sec-fetch-site", "cross-site");
    let foreign = form(foreign, &[("outcome", "delivered")]);
    assert_eq!(foreign.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
}
