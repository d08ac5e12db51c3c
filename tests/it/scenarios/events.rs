//! Events of every form, known and unknown, once and again.

use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::server::Engine;

#[rstest]
#[tokio::test]
async fn an_event_leads_to_its_message_at_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let mut both = posting("deal.created", "Yeni fırsat: {{ data.deal.title }}");
    both["actions"].as_array_mut().unwrap().push(json!({
        "operation": "send_email", "channel": "email", "to": "{{ data.customer.email }}", "kind": "informational",
        "subject": "{{ data.deal.title }}", "text": "Sayın {{ data.customer.name }}",
    }));
    let automation = automate(&it.api, both).await;
    let data = json!({"deal": {"title": "Işıklı tabela"},
        "customer": {"name": "Ayşe Yılmaz", "email": "ayse@example.com"}});
    let ids = fire(&it.api, event("d-1", "deal.created", "deal/1", data)).await;
    let [post, mail] = &ids[..] else { panic!("{ids:?}") };
    let sent = it.in_state(post, "sent").await;
    assert_eq!((&sent["automation"], &sent["subject"]), (&json!(automation), &json!("deal/1")));
    assert!(text(&sent["event"]).starts_with("evt_"));
    assert_eq!(posted(&it, post), ["Yeni fırsat: Işıklı tabela"]);
    let sent = it.in_state(mail, "sent").await;
    assert_eq!((&sent["to"], &sent["event"]), (&json!("ayse@example.com"), &sent["event"]));
    let mails = it.sandbox.mailbox().mails();
    assert_eq!((mails.len(), mails[0].view().subject.as_str()), (1, "Işıklı tabela"));
    assert_eq!(mails[0].view().text.as_deref().map(str::trim_end), Some("Sayın Ayşe Yılmaz"));
}

#[rstest]
#[tokio::test]
async fn a_condition_decides_by_what_changed(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let mut automation = posting("customer.updated", "Yeni numara: {{ data.customer.phone }}");
    automation["when"] = json!("\"phone\" in data.changed");
    automate(&it.api, automation).await;
    let customer = json!({"phone": "+905321112233"});
    for (id, changed) in [("1", json!(["email"])), ("2", json!([])), ("3", Value::Null)] {
        let mut data = json!({"customer": customer, "changed": changed});
        if changed.is_null() {
            data.as_object_mut().unwrap().remove("changed");
        }
        assert!(
            fire(&it.api, event(id, "customer.updated", "customer/1", data)).await.is_empty(),
            "{changed}"
        );
    }
    let data = json!({"customer": customer, "changed": ["name", "phone"]});
    let id = fire_one(&it.api, event("4", "customer.updated", "customer/1", data)).await;
    it.in_state(&id, "sent").await;
    assert_eq!(posted(&it, &id), ["Yeni numara: +905321112233"]);
}

#[rstest]
#[tokio::test]
async fn an_event_nobody_waits_for_is_taken_all_the_same(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, posting("deal.created", "x")).await;
    let accepted =
        it.api.post("/api/events", event("t-1", "tea.brewed", "pot/1", json!({}))).await.expect(202);
    assert!(text(&accepted["id"]).starts_with("evt_"));
    assert_eq!((&accepted["duplicate"], &accepted["deliveries"]), (&json!(false), &json!([])));
    let again = it.api.post("/api/events", event("t-1", "tea.brewed", "pot/1", json!({}))).await.expect(202);
    assert_eq!((&again["id"], &again["duplicate"]), (&accepted["id"], &json!(true)));
}

#[rstest]
#[tokio::test]
async fn the_same_event_again_is_the_same_event(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    automate(&it.api, posting("quote.sent", "{{ data.n }}")).await;
    let first = event("q-1", "quote.sent", "quote/1", json!({"n": 1}));
    let accepted = it.api.post("/api/events", first.clone()).await.expect(202);
    let again = it.api.post("/api/events", first).await.expect(202);
    assert_eq!((&again["id"], &again["deliveries"]), (&accepted["id"], &accepted["deliveries"]));
    assert_eq!((&accepted["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));

    // The same id of another source is another event.
    let mut other = event("q-1", "quote.sent", "quote/1", json!({"n": 2}));
    other["source"] = json!("erp");
    let other = fire_one(&it.api, other).await;
    it.in_state(&other, "sent").await;
    let first = &deliveries(&accepted)[0];
    it.in_state(first, "sent").await;
    assert_eq!((posted(&it, first), posted(&it, &other)), (vec!["1".into()], vec!["2".into()]));
    assert_eq!(it.sandbox.webhook("crm").unwrap().requests(), 2);
}

#[rstest]
#[tokio::test]
async fn fifty_copies_of_an_event_at_once_are_one_event(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, posting("quote.sent", "bir kez")).await;
    let copies =
        (0..50).map(|_| it.api.post("/api/events", event("q-1", "quote.sent", "quote/1", json!({}))));
    let answers: Vec<_> = join_all(copies).await.into_iter().map(|answer| answer.expect(202)).collect();
    let new = answers.iter().filter(|answer| answer["duplicate"] == false).count();
    assert_eq!(new, 1);
    for answer in &answers {
        assert_eq!((&answer["id"], &answer["deliveries"]), (&answers[0]["id"], &answers[0]["deliveries"]));
    }
    let id = &deliveries(&answers[0])[0];
    it.in_state(id, "sent").await;
    let all = it.api.get("/api/deliveries").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(it.sandbox.webhook("crm").unwrap().requests(), 1);
}

#[rstest]
#[tokio::test]
async fn a_batch_of_a_thousand_is_answered_in_order_whatever_some_of_them_are(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, posting("deal.created", "{{ event.id }}")).await;
    let (is_deal, is_wrong) = (|at: usize| at.is_multiple_of(20), |at: usize| at % 100 == 7);
    let events: Vec<_> = (0..1_000)
        .map(|at| {
            let event_type = if is_deal(at) { "deal.created" } else { "order.placed" };
            let mut event = event(&format!("b-{at}"), event_type, "x/1", json!({}));
            if is_wrong(at) {
                event.as_object_mut().unwrap().remove("source");
            }
            event
        })
        .collect();
    let post = |events: &[Value]| {
        let request = it.api.request(Method::POST, "/api/events");
        let request = request.header("content-type", "application/cloudevents-batch+json");
        it.api.send(request.header("accept-language", "en").body(json!(events).to_string()))
    };
    let answer = post(&events).await.expect(202);
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 1_000);
    let mut deals = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if is_wrong(at) {
            let problem = &item["error"];
            assert_eq!(
                (&problem["status"], &problem["code"]),
                (&json!(422), &json!("invalid_fields")),
                "{at}"
            );
            assert_eq!(problem["errors"][0]["pointer"], "/source", "{at}");
            continue;
        }
        assert_eq!((item["error"].is_null(), &item["duplicate"]), (true, &json!(false)), "{at}: {item}");
        let ids = deliveries(item);
        assert_eq!(ids.len(), usize::from(is_deal(at)), "{at}");
        deals.extend(ids.into_iter().map(|id| (id, format!("b-{at}"))));
    }
    wait_for_posts(&it, "crm", 50).await;
    for (id, name) in &deals {
        it.in_state(id, "sent").await;
        assert_eq!(posted(&it, id), std::slice::from_ref(name));
    }
    let again = post(&events[..2]).await.expect(202);
    assert_eq!((&again["items"][0]["id"], &again["items"][0]["duplicate"]), (&items[0]["id"], &json!(true)));
    let too_many: Vec<_> = (0..1_001).map(|at| event(&format!("c-{at}"), "x", "x/1", json!({}))).collect();
    assert_eq!(post(&too_many).await.code(), "too_large");
}

#[rstest]
#[tokio::test]
async fn an_event_whose_attributes_are_headers_is_the_same(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let it = Connected::start(engine).await;
    automate(&it.api, posting("deal.created", "{{ event.subject }} {{ data.deal.title }}")).await;
    let binary = || {
        let request = it.api.request(Method::POST, "/api/events").header("content-type", "application/json");
        let request =
            request.header("ce-specversion", "1.0").header("ce-id", "d-1").header("ce-source", "crm");
        let request = request.header("ce-type", "deal.created").header("ce-subject", "f%C4%B1rsat/1");
        it.api.send(request.body(json!({"deal": {"title": "Tabela"}}).to_string()))
    };
    let accepted = binary().await.expect(202);
    let id = &deliveries(&accepted)[0];
    assert_eq!(it.in_state(id, "sent").await["subject"], "fırsat/1");
    assert_eq!(posted(&it, id), ["fırsat/1 Tabela"]);
    assert_eq!(binary().await.expect(202)["duplicate"], true);
    let structured = event("d-1", "deal.created", "fırsat/1", json!({}));
    assert_eq!(it.api.post("/api/events", structured).await.expect(202)["id"], accepted["id"]);
}

#[rstest]
#[tokio::test]
async fn a_preset_works_as_it_comes(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let it = Connected::start(engine).await;
    let made = it.api.post("/api/automations", json!({"preset": "deal_created"})).await.expect(201);
    assert_eq!((&made["enabled"], &made["paused_reason"]), (&json!(true), &Value::Null));
    let types = it.api.get("/api/event-types").await.expect(200);
    let types = types["items"].as_array().unwrap();
    let sample = types.iter().find(|known| known["type"] == "deal.created").unwrap()["sample"].clone();
    let id = fire_one(&it.api, sample.clone()).await;
    assert_eq!(it.in_state(&id, "sent").await["to"], sample["data"]["customer"]["email"]);
    let mails = it.sandbox.mailbox().mails();
    let title = text(&sample["data"]["deal"]["title"]);
    assert_eq!(mails[0].view().subject, format!("Talebiniz bize ulaştı: {title}"));
    let body = mails[0].view().text.clone().unwrap();
    assert!(
        body.contains(&text(&sample["data"]["customer"]["name"])) && body.contains("Örnek A.Ş."),
        "{body}"
    );
}
