//! Every id of a company, tried with another company's key on every endpoint that the API's description names: it is
//! answered as if it did not exist, after the same work, and nothing changes. The same work is the same statements, by
//! name and in order: what is done alike takes alike long.
//!
//! The endpoints are read from the description, so a new one is tried by itself; one whose ids nobody knows fails here.

use std::collections::{BTreeMap, HashMap};

use reqwest::Method;
use rstest::rstest;
use santral::ids::ConnectionId;
use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::connected::{Connected, connect, in_days};
use crate::support::server::{Engine, Server};

/// What stands in a path after this segment.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// An id with this prefix, of something that belongs to a company.
    Id(&'static str),
    /// A name that is the same for everybody.
    Name(&'static str),
}

fn place(segment: &str) -> Place {
    match segment {
        "automations" => Place::Id("aut"),
        "companies" => Place::Id("co"),
        "deliveries" => Place::Id("dlv"),
        "integrations" => Place::Id("con"),
        "keys" => Place::Id("key"),
        "tasks" => Place::Id("tsk"),
        "templates" => Place::Id("tpl"),
        "webhooks" => Place::Id("whk"),
        "test" => Place::Name("webhook"),
        "oauth" => Place::Name("google"),
        // A vendor's way in: who comes there has a secret, no key.
        "hooks" => Place::Name("twilio"),
        "{provider}" => Place::Name("secret"),
        other => panic!("teach this test what stands in a path after /{other}/"),
    }
}

/// What a query parameter of this name holds, if it is an id.
fn queried(name: &str) -> Option<&'static str> {
    Some(match name {
        "automation" => "aut",
        "event" => "evt",
        "webhook" => "whk",
        "connection" => "con",
        _ => return None,
    })
}

/// A body that the endpoint would take, so that it is the id that is refused.
fn body(method: &str, path: &str) -> Value {
    match (method, path) {
        ("put", "/api/automations/{id}") => automation(json!({"channel": "webhook"})),
        ("put", "/api/templates/{id}") => json!({"name": "Çalınan", "text": "metin"}),
        ("patch", "/api/companies/{id}") => json!({"name": "Çalınan"}),
        ("post", "/api/companies/{id}/keys") => json!({"name": "çalınan"}),
        ("post", "/api/deliveries/{id}/settle") => json!({"state": "delivered"}),
        ("post", "/api/deliveries/{id}/reroute") => json!({"connection": ConnectionId::new()}),
        _ => json!({}),
    }
}

fn automation(through: Value) -> Value {
    let mut action = json!({"operation": "post_webhook", "to": "crm", "text": "x", "kind": "informational"});
    for (key, value) in through.as_object().unwrap() {
        action[key] = value.clone();
    }
    json!({"name": "Deneme", "enabled": false, "trigger": {"type": "x"}, "actions": [action]})
}

/// Bodies that name something by its id.
fn bodies_with_ids(ids: &BTreeMap<&'static str, String>) -> Vec<(Method, &'static str, Value)> {
    let message = |more: Value| {
        let mut message = json!({"to": "crm", "kind": "informational"});
        for (key, value) in more.as_object().unwrap() {
            message[key] = value.clone();
        }
        message
    };
    let (con, tpl, aut) = (&ids["con"], &ids["tpl"], &ids["aut"]);
    vec![
        (Method::POST, "/api/messages", message(json!({"connection": con, "text": "x"}))),
        (Method::POST, "/api/messages", message(json!({"channel": "webhook", "template": tpl}))),
        (Method::POST, "/api/automations", automation(json!({"connection": con}))),
        (
            Method::POST,
            "/api/automations",
            automation(json!({"channel": "webhook", "template": tpl, "text": null})),
        ),
        (Method::POST, "/api/automations/preview", automation(json!({"connection": con}))),
        (
            Method::PUT,
            "/api/integrations",
            json!({"integrations": [{"provider": "webhook", "connection": con, "enabled": false}]}),
        ),
        (
            Method::PUT,
            "/api/integrations",
            json!({"integrations": [], "defaults": {"webhook": {"connection": con, "fallback": null}}}),
        ),
        (Method::POST, "/api/deliveries/retry", json!({"state": "failed", "automation": aut})),
    ]
}

/// An id of the kind that nobody has.
fn made_up(prefix: &str) -> String {
    format!("{prefix}_0000000000000000000000000z")
}

/// A company that has one of everything.
async fn rich(it: &Connected) -> BTreeMap<&'static str, String> {
    let id = |value: &Value| value.as_str().unwrap_or_else(|| panic!("an id: {value}")).to_owned();
    let api = &it.api;
    let integrations = api.get("/api/integrations").await.expect(200);
    let webhook = integrations["items"].as_array().unwrap().iter().find(|item| item["provider"] == "webhook");
    let endpoint = json!({"url": format!("{}/webhook/ears", it.sandbox.http_url()), "types": ["delivery.*"]});
    let event = json!({"specversion": "1.0", "id": "e-1", "source": "crm", "type": "x", "data": {}});
    let keys = format!("/api/companies/{}/keys", it.company);
    BTreeMap::from([
        (
            "aut",
            id(
                &api.post("/api/automations", automation(json!({"channel": "webhook"}))).await.expect(201)["id"],
            ),
        ),
        (
            "tpl",
            id(
                &api.post("/api/templates", json!({"name": "Şablon", "text": "gizli"})).await.expect(201)["id"],
            ),
        ),
        ("con", id(&webhook.unwrap()["connections"][0]["id"])),
        ("whk", id(&api.post("/api/webhooks", endpoint).await.expect(201)["id"])),
        ("evt", id(&api.post("/api/events", event).await.expect(202)["id"])),
        ("tsk", id(&api.post("/api/deliveries/retry", json!({"state": "failed"})).await.expect(202)["task"])),
        ("dlv", it.post(Some(in_days(1))).await),
        ("key", id(&it.server.platform().post(&keys, json!({"name": "a"})).await.expect(201)["id"])),
        ("co", it.company.clone()),
    ])
}

/// All that the company would notice.
async fn belongings(it: &Connected, ids: &BTreeMap<&'static str, String>) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["/api/automations", "/api/templates", "/api/integrations", "/api/webhooks", "/api/tasks"] {
        seen.push(it.api.get(path).await.expect(200));
    }
    seen.push(it.api.get(&format!("/api/deliveries/{}", ids["dlv"])).await.expect(200));
    let platform = it.server.platform();
    seen.push(platform.get(&format!("/api/companies/{}", ids["co"])).await.expect(200));
    seen.push(platform.get(&format!("/api/companies/{}/keys", ids["co"])).await.expect(200));
    seen
}

/// What is answered, with the id taken out, and the request's own id.
async fn answer(
    api: &Client,
    method: &Method,
    path: &str,
    body: &Value,
    ids: &BTreeMap<&'static str, String>,
) -> (String, String) {
    // What is kept in memory is there, whatever the request before made the server forget.
    api.get("/api/deliveries?limit=1").await;
    let request = api.request(method.clone(), path).header("content-type", "application/json");
    let answer = api.send(request.body(body.to_string())).await;
    let text = format!("{} {}", answer.status, answer.json);
    let text = ids.values().fold(text, |text, id| text.replace(id.as_str(), "<id>"));
    (text, request_id(&answer))
}

fn request_id(answer: &Response) -> String {
    answer.headers["x-request-id"].to_str().unwrap().to_owned()
}

/// Two requests that differ in the id they ask for.
struct Pair {
    what: String,
    theirs: String,
    nobodys: String,
}

/// The statements of every request, by its id.
async fn statements(server: &Server, last: &str) -> HashMap<String, Vec<String>> {
    server.says(last).await;
    let mut of: HashMap<String, Vec<String>> = HashMap::new();
    for line in server.log() {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        if let (Some(name), Some(request)) = (line["statement"].as_str(), line["span"]["id"].as_str()) {
            of.entry(request.to_owned()).or_default().push(name.to_owned());
        }
    }
    of
}

/// Those whose two requests did not do the same.
async fn uneven(server: &Server, pairs: &[Pair]) -> Vec<String> {
    // The log has all of the others when it has this one's.
    let last = request_id(&server.platform().get("/api/companies").await);
    let of = statements(server, &last).await;
    let ran = |request: &str| of.get(request).cloned().unwrap_or_default();
    let all = pairs.iter().map(|pair| ran(&pair.theirs).len()).sum::<usize>();
    assert!(all > pairs.len(), "{all} statements of {} requests: is the log read?", pairs.len());
    let uneven = pairs.iter().filter(|pair| ran(&pair.theirs) != ran(&pair.nobodys));
    uneven
        .map(|pair| {
            format!("{}\n  theirs: {:?}\n  nobody's: {:?}", pair.what, ran(&pair.theirs), ran(&pair.nobodys))
        })
        .collect()
}

struct Probe<'a> {
    api: &'a Client,
    theirs: &'a BTreeMap<&'static str, String>,
    nobodys: &'a BTreeMap<&'static str, String>,
    pairs: Vec<Pair>,
    leaks: Vec<String>,
}

impl Probe<'_> {
    /// Somebody else's id and nobody's must be answered alike, and neither well.
    async fn path(&mut self, method: &Method, template: &str, body: &Value) {
        let (theirs, nobodys) = (filled(template, self.theirs), filled(template, self.nobodys));
        self.compare(method, (&theirs, body), (&nobodys, body), &["404 ", "403 "]).await;
    }

    async fn compare(
        &mut self,
        method: &Method,
        theirs: (&str, &Value),
        nobodys: (&str, &Value),
        allowed: &[&str],
    ) {
        let (other, nobodys_request) = answer(self.api, method, nobodys.0, nobodys.1, self.nobodys).await;
        let (one, theirs_request) = answer(self.api, method, theirs.0, theirs.1, self.theirs).await;
        self.pairs.push(Pair {
            what: format!("{method} {} {}", theirs.0, theirs.1),
            theirs: theirs_request,
            nobodys: nobodys_request,
        });
        if one != other || !allowed.iter().any(|status| one.starts_with(status)) {
            self.leaks.push(format!("{method} {} {}: {one}\n  nobody's: {other}", theirs.0, theirs.1));
        }
    }
}

fn filled(template: &str, ids: &BTreeMap<&'static str, String>) -> String {
    let segments: Vec<&str> = template.split('/').collect();
    let filled = segments.iter().enumerate().map(|(index, segment)| {
        if !segment.starts_with('{') {
            return (*segment).to_owned();
        }
        match place(segments[index - 1]) {
            Place::Id(prefix) => ids[prefix].clone(),
            Place::Name(name) => name.to_owned(),
        }
    });
    filled.collect::<Vec<_>>().join("/")
}

fn method(name: &str) -> Option<Method> {
    Method::from_bytes(name.to_ascii_uppercase().as_bytes()).ok().filter(|_| !name.starts_with("x-"))
}

/// Tries everything as one caller of the other company; says what was tried and what came through.
async fn probe(
    document: &Value,
    api: &Client,
    theirs: &BTreeMap<&'static str, String>,
    platform: bool,
) -> (Vec<Pair>, Vec<String>) {
    let nobodys = theirs.keys().map(|prefix| (*prefix, made_up(prefix))).collect();
    let mut probe = Probe { api, theirs, nobodys: &nobodys, pairs: Vec::new(), leaks: Vec::new() };
    for (path, operations) in document["paths"].as_object().unwrap() {
        // The platform key may see every company; what it does for one company is tried all the same.
        if platform && path.starts_with("/api/companies") {
            continue;
        }
        for (name, operation) in operations.as_object().unwrap() {
            let Some(method) = method(name) else { continue };
            let body = body(name, path);
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            if parameters.iter().any(|parameter| parameter["in"] == "path") && has_id(path) {
                probe.path(&method, path, &body).await;
            }
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().unwrap();
                let Some(prefix) = queried(name) else { continue };
                let with = |ids: &BTreeMap<&'static str, String>| {
                    format!("{}?{name}={}", filled(path, &nobodys), ids[prefix])
                };
                let (one, other) = (with(theirs), with(&nobodys));
                let allowed = ["404 ", "422 ", "200 {\"items\":[]"];
                probe.compare(&method, (&one, &body), (&other, &body), &allowed).await;
            }
        }
    }
    for ((method, path, one), (_, _, other)) in
        bodies_with_ids(theirs).into_iter().zip(bodies_with_ids(&nobodys))
    {
        let allowed = ["404 ", "422 ", "202 {\"task\""];
        if path == "/api/deliveries/retry" {
            // Each answer names a task of its own.
            let (one, other) = (api.post(path, one).await.status, api.post(path, other).await.status);
            assert_eq!(one, other);
            continue;
        }
        probe.compare(&method, (path, &one), (path, &other), &allowed).await;
    }
    (probe.pairs, probe.leaks)
}

/// Whether the path names something of a company.
fn has_id(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    let ids = segments.windows(2).filter(|pair| pair[1].starts_with('{'));
    ids.into_iter().any(|pair| matches!(place(pair[0]), Place::Id(_)))
}

/// What a planted bug, or none, lets through.
#[derive(Debug)]
struct Findings {
    leaks: Vec<String>,
    uneven: Vec<String>,
}

async fn findings(engine: Engine, orders: &str) -> Findings {
    let mut it = Connected::start(engine).await;
    let ids = rich(&it).await;
    let platform = it.server.platform();
    let (other, _) = connect(&it.server, &it.sandbox, "Öteki A.Ş.").await;
    let key = platform.post(&format!("/api/companies/{other}/keys"), json!({"name": "b"})).await.expect(201);
    assert!(it.server.terminate().await.success());
    it.server.set("FAULTS", orders);
    it.server.set("SANTRAL_LOG", "info,santral::db=trace");
    it.server.restart().await;

    // So is the setup of the platform's own endpoints, once something was stored.
    let event = json!({"specversion": "1.0", "id": "e-2", "source": "crm", "type": "x", "data": {}});
    platform.acting_for(&other).post("/api/events", event).await.expect(202);

    let document = platform.get("/openapi.json").await.expect(200);
    let before = belongings(&it, &ids).await;
    let (mut tried, mut leaks) =
        probe(&document, &platform.with_key(key["key"].as_str().unwrap()), &ids, false).await;
    let (again, more) = probe(&document, &platform.acting_for(&other), &ids, true).await;
    leaks.extend(more);
    println!("{} and {} probes", tried.len(), again.len());
    assert!(tried.len() > 30 && again.len() > 25, "too few probes: is the description read?");
    tried.extend(again);
    let uneven = uneven(&it.server, &tried).await;
    let after = belongings(&it, &ids).await;
    if before != after {
        leaks.push(format!("something has changed:\n{before:?}\n{after:?}"));
    }
    Findings { leaks, uneven }
}

#[rstest]
#[tokio::test]
async fn another_companys_ids_are_answered_as_if_they_did_not_exist(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let Findings { leaks, uneven } = findings(engine, "").await;
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert!(uneven.is_empty(), "not the same work:\n{}", uneven.join("\n"));
}

/// The database itself keeps companies apart.
#[tokio::test]
async fn on_postgresql_nothing_leaks_even_when_statements_forget_the_company() {
    let Findings { leaks, .. } = findings(Engine::Postgres, "bug=forget_company").await;
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// And where it cannot, these probes see it.
#[tokio::test]
async fn on_sqlite_the_probes_find_statements_that_forget_the_company() {
    let Findings { leaks, uneven } = findings(Engine::Sqlite, "bug=forget_company").await;
    assert!(leaks.len() > 5, "{}", leaks.join("\n"));
    assert!(uneven.len() > 5, "{}", uneven.join("\n"));
}
