use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::REGISTRY;
use crate::email::smtp::CONNECTOR as SMTP;
use crate::manifest::Text;

const ANY: Text = Text { en: "Any", tr: "Herhangi" };

fn field(kind: FieldKind) -> Field {
    Field {
        key: "any",
        part: Part::Settings,
        kind,
        required: true,
        label: ANY,
        help: ANY,
        sample: "",
        default: None,
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn form() -> Map<String, Value> {
    map(json!({"host": "smtp.firma.com.tr", "from_address": "satis@firma.com.tr"}))
}

/// `field code` of everything that is wrong with these settings.
fn problems(settings: Value) -> Vec<String> {
    let problems = SMTP.validate(&map(settings), &Map::new(), None).unwrap_err();
    problems.iter().map(|problem| format!("{} {}", problem.field, problem.code)).collect()
}

#[rstest]
#[case("smtp.firma.com.tr", Some("smtp.firma.com.tr"))]
#[case(" SMTP.Firma.com. ", Some("smtp.firma.com"))]
#[case("posta.şirket.com", Some("posta.xn--irket-idb.com"))]
#[case("localhost", Some("localhost"))]
#[case("mail_server", Some("mail_server"))]
#[case("10.0.0.1", Some("10.0.0.1"))]
#[case("2130706433", Some("127.0.0.1"))]
#[case("0x7f.1", Some("127.0.0.1"))]
#[case("0177.0.0.1", Some("127.0.0.1"))]
#[case("127.0.0.1", Some("127.0.0.1"))]
#[case("[::1]", Some("::1"))]
#[case("2001:DB8::1", Some("2001:db8::1"))]
#[case("1.2.3.999", None)]
#[case("", None)]
#[case("http://smtp.firma.com", None)]
#[case("smtp.firma.com:587", None)]
#[case("smtp.firma.com/x", None)]
#[case("user@smtp.firma.com", None)]
#[case("smtp firma.com", None)]
#[case("%31%32%37.0.0.1", None)]
#[case("smtp..com", None)]
#[case("-smtp.com", None)]
#[case("[smtp.com]", None)]
fn a_host_is_read(#[case] text: &str, #[case] stored: Option<&str>) {
    assert_eq!(field(FieldKind::Host).parse(text).ok().as_deref(), stored);
}

#[rstest]
#[case("https://crm.firma.com.tr/a?b=c", Some("https://crm.firma.com.tr/a?b=c"))]
#[case("HTTPS://CRM.firma.com", Some("https://crm.firma.com/"))]
#[case("http://şirket.com:8080/x", Some("http://xn--irket-idb.com:8080/x"))]
#[case("http://2130706433/", Some("http://127.0.0.1/"))]
#[case("http://[::1]/", Some("http://[::1]/"))]
#[case("crm.firma.com", None)]
#[case("ftp://crm.firma.com", None)]
#[case("javascript://x/%0aalert(1)", None)]
#[case("file:///etc/passwd", None)]
#[case("https:///crm.firma.com", None)]
#[case("https:\\\\crm.firma.com", None)]
#[case("https://user:pass@crm.firma.com", None)]
#[case("https://user@crm.firma.com", None)]
#[case("https://crm.firma.com/#x", None)]
#[case("https://crm.firma.com/a b", None)]
#[case("https://crm.firma.com:0/", None)]
#[case("https://", None)]
#[case("https://./", None)]
fn a_web_address_is_read(#[case] text: &str, #[case] stored: Option<&str>) {
    assert_eq!(field(FieldKind::Url).parse(text).ok().as_deref(), stored);
}

#[rstest]
#[case("1", Some("1"))]
#[case("65535", Some("65535"))]
#[case("0", None)]
#[case("65536", None)]
#[case("-1", None)]
#[case("+587", None)]
#[case("587.0", None)]
#[case("", None)]
#[case("٥٨٧", None)]
fn a_port_is_read(#[case] text: &str, #[case] stored: Option<&str>) {
    assert_eq!(field(FieldKind::Port).parse(text).ok().as_deref(), stored);
}

#[test]
fn numbers_and_strings_are_stored_alike() {
    for port in [json!(2525), json!("2525"), json!(" 2525 ")] {
        let mut settings = form();
        settings.insert("port".to_owned(), port);
        assert_eq!(SMTP.validate(&settings, &Map::new(), None).unwrap().0.get("port"), Some("2525"));
    }
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let mut found = problems(json!({
        "host": "http://x", "port": 0, "security": "ssl", "from_name": "a\r\nb", "reply_to": "a@x.com,b@y.com",
        "extra": 1,
    }));
    found.sort();
    assert_eq!(
        found,
        [
            "settings.extra unknown_field",
            "settings.from_address required",
            "settings.from_name control_characters",
            "settings.host invalid_host",
            "settings.port invalid_port",
            "settings.reply_to invalid_email",
            "settings.security invalid_choice",
        ]
    );
}

#[rstest]
#[case(json!([1]))]
#[case(json!({"a": 1}))]
#[case(json!(1.5))]
#[case(json!(1e300))]
fn a_value_that_is_no_single_value_is_refused(#[case] value: Value) {
    let mut settings = form();
    settings.insert("port".to_owned(), value);
    assert_eq!(problems(Value::Object(settings)), ["settings.port wrong_type"]);
}

#[test]
fn lengths_are_limited_and_counted_in_characters() {
    let text = field(FieldKind::Text);
    assert!(text.parse(&"ş".repeat(500)).is_ok());
    assert_eq!(text.parse(&"ş".repeat(501)).unwrap_err().code, "too_long");
    let secret = field(FieldKind::Secret);
    assert!(secret.parse(&"a".repeat(8192)).is_ok());
    assert_eq!(secret.parse(&"a".repeat(8193)).unwrap_err().code, "too_long");
}

#[test]
fn a_credential_among_the_settings_is_unknown_and_its_value_is_not_repeated() {
    let mut settings = form();
    settings.insert("password".to_owned(), json!("cok-gizli"));
    let problems = SMTP.validate(&settings, &Map::new(), None).unwrap_err();
    assert_eq!(problems[0].field, "settings.password");
    assert!(!format!("{problems:?}").contains("cok-gizli"));
}

#[test]
fn an_unknown_fields_name_is_cut_and_kept_on_one_line() {
    let mut settings = form();
    settings.insert(format!("a\r\nb{}", "x".repeat(1000)), json!(1));
    let problems = SMTP.validate(&settings, &Map::new(), None).unwrap_err();
    assert_eq!(problems[0].field, format!("settings.ab{}", "x".repeat(48)));
}

#[rstest]
#[case(json!({}), Some("eski"))]
#[case(json!({"password": ""}), Some("eski"))]
#[case(json!({"password": "yeni"}), Some("yeni"))]
#[case(json!({"password": " yeni "}), Some(" yeni "))]
#[case(json!({"password": null, "user": null}), None)]
fn an_edit_keeps_a_secret_unless_it_is_given_or_removed(#[case] given: Value, #[case] stored: Option<&str>) {
    let old = Credentials(
        [("user".to_owned(), "ali".to_owned()), ("password".to_owned(), "eski".to_owned())].into(),
    );
    let (_, credentials) = SMTP.validate(&form(), &map(given), Some(&old)).unwrap();
    assert_eq!(credentials.get("password"), stored);
}

#[test]
fn a_kept_credential_the_manifest_no_longer_knows_is_dropped() {
    let old = Credentials([("token".to_owned(), "x".to_owned())].into());
    assert_eq!(SMTP.validate(&form(), &Map::new(), Some(&old)).unwrap().1, Credentials::default());
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        "[a-z.@:/ ]{0,20}".prop_map(Value::from),
        Just(json!(["x"])),
    ]
}

proptest! {
    #[test]
    fn no_form_panics_and_what_passes_passes_again(
        values in proptest::collection::vec(any_json(), 12),
        given in proptest::collection::vec(any::<bool>(), 12),
    ) {
        for connector in REGISTRY {
            let part = |part| -> Map<String, Value> {
                let fields = connector.fields.iter().zip(values.iter().zip(&given));
                fields
                    .filter(|(field, (_, given))| field.part == part && **given)
                    .map(|(field, (value, _))| (field.key.to_owned(), value.clone()))
                    .collect()
            };
            let (settings, credentials) = (part(Part::Settings), part(Part::Credentials));
            if let Ok((settings, credentials)) = connector.validate(&settings, &credentials, None) {
                let again = |values: &BTreeMap<String, String>| {
                    values.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
                };
                let second = connector.validate(&again(&settings.0), &again(&credentials.0), None);
                prop_assert_eq!(second, Ok((settings, credentials)));
            }
        }
    }
}
