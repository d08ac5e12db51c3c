use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn smtp() -> &'static Connector {
    santral_connectors::find("smtp").unwrap()
}

fn stored() -> (Settings, Credentials) {
    let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let settings = [
        ("host", "mail.example"),
        ("port", "587"),
        ("security", "starttls"),
        ("from_address", "a@firma.example"),
    ];
    let credentials = [("user", "a@firma.example"), ("password", "hunter2")];
    (Settings(settings.map(text).into()), Credentials(credentials.map(text).into()))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The secrets that a change of these settings, with these credentials, would lead elsewhere.
fn exposed_by(settings: Value, credentials: Value) -> Vec<String> {
    let (old, kept) = stored();
    let (settings, credentials) = (merge(smtp(), &old, &object(settings)), object(credentials));
    let (new, _) = smtp().validate(&settings, &credentials, Some(&kept)).unwrap();
    exposed(smtp(), (&old, &new), &kept, &credentials).into_iter().map(|p| p.field).collect()
}

#[rstest]
#[case::host(json!({"host": "evil.example"}))]
#[case::port(json!({"port": 2525}))]
#[case::protection(json!({"security": "none"}))]
fn a_stored_password_does_not_follow_a_connection_elsewhere(#[case] settings: Value) {
    assert_eq!(exposed_by(settings.clone(), json!({})), ["credentials.password"]);
    assert_eq!(exposed_by(settings.clone(), json!({"password": ""})), ["credentials.password"]);
    assert_eq!(exposed_by(settings.clone(), json!({"user": "b"})), ["credentials.password"]);
    assert!(exposed_by(settings.clone(), json!({"password": "new"})).is_empty());
    assert!(exposed_by(settings, json!({"user": null, "password": null})).is_empty());
}

#[rstest]
#[case::nothing(json!({}))]
#[case::the_same_again(json!({"host": "MAIL.example", "port": "587", "security": "starttls"}))]
#[case::the_sender(json!({"from_name": "Firma", "from_address": "b@firma.example"}))]
fn what_leads_nowhere_else_keeps_the_password(#[case] settings: Value) {
    assert!(exposed_by(settings, json!({})).is_empty());
}

#[test]
fn given_settings_go_over_stored_ones_and_null_removes() {
    let (mut old, _) = stored();
    old.0.insert("of_an_older_version".to_owned(), "x".to_owned());
    let merged = merge(smtp(), &old, &object(json!({"from_name": "Firma", "port": null})));
    assert_eq!(merged["host"], "mail.example");
    assert_eq!(merged["from_name"], "Firma");
    assert_eq!(merged["port"], Value::Null);
    assert!(!merged.contains_key("of_an_older_version"));
}

#[test]
fn debug_shows_no_credential() {
    let given: Given = serde_json::from_value(json!({"password": "hunter2"})).unwrap();
    let shown = format!("{given:?}");
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
}

proptest! {
    #[test]
    fn no_other_server_gets_the_stored_password(host in "[a-z]{1,12}\\.example", port in 1_u16.., given in "(|x{1,8})") {
        let moved = host != "mail.example" || port != 587;
        let named = exposed_by(json!({"host": host, "port": port}), json!({"password": given.clone()}));
        prop_assert_eq!(named.is_empty(), !moved || !given.is_empty());
    }
}
