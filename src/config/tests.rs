use std::fs;

use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

use super::*;

const KEY: &str = "canary-platform-key-0123456789abcdef";

fn known() -> Known {
    Known { idps: vec!["google", "zoom"], providers: vec!["gmail", "twilio_whatsapp"] }
}

fn read(pairs: &[(&str, &str)]) -> Result<Config, Invalid> {
    Config::read(&Settings::default(), &Environment::of(pairs.iter().copied()), &known())
}

fn problems(pairs: &[(&str, &str)]) -> Vec<Problem> {
    read(pairs).expect_err("the configuration has a mistake").0
}

#[test]
fn nothing_set_is_a_working_configuration() {
    let config = read(&[]).unwrap();

    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8080");
    assert_eq!(config.database, Database::Sqlite("./data/santral.db".into()));
    assert_eq!(config.master_key_file, PathBuf::from("./data/master.key"));
    assert_eq!((config.role, config.workers.get()), (Role::All, 256));
    assert_eq!(config.retention_days.map(NonZeroU32::get), Some(90));
    assert_eq!((config.log.as_str(), config.smtp_allow_plaintext), ("info", false));
    assert!(
        config.frame_ancestors.is_empty() && config.allow_networks.is_empty() && config.egress_ips.is_empty()
    );
    assert!(config.platform_key.is_none() && config.oauth_clients.is_empty());
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn only_a_colour_is_an_accent() {
    assert_eq!(read(&[("SANTRAL_ACCENT", "#0A7d4F")]).unwrap().accent.as_deref(), Some("0a7d4f"));
    assert_eq!(read(&[]).unwrap().accent, None);
    for other in ["0a7d4f", "#fff", "#0a7d4f;", "#0a7d4g", "red", "#", "#\u{131}\u{131}\u{131}", "url(x)"] {
        let found = problems(&[("SANTRAL_ACCENT", other)]);
        assert_eq!(found.len(), 1, "{other:?}");
    }
}

#[test]
fn everything_set_is_read() {
    let directory = TempDir::new().unwrap();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, "pem").unwrap();

    let config = read(&[
        ("SANTRAL_LISTEN", "[::1]:9090"),
        ("SANTRAL_PUBLIC_URL", "https://crm.example.com/entegrasyon/"),
        ("SANTRAL_FRAME_ANCESTORS", "https://crm.example.com, https://*.example.org:8443 self"),
        ("SANTRAL_DATA_DIR", "/var/lib/santral"),
        ("SANTRAL_DATABASE_URL", "postgres://app:canary@db/santral"),
        ("SANTRAL_DATABASE_OWNER_URL", "postgresql://owner:canary@db/santral"),
        ("SANTRAL_PLATFORM_KEY", KEY),
        ("SANTRAL_ROLE", "worker"),
        ("SANTRAL_WORKERS", "32"),
        ("SANTRAL_RETENTION_DAYS", "0"),
        ("SANTRAL_ALLOW_NETWORKS", "10.1.0.0/16,192.168.1.4,fd00::/8"),
        ("SANTRAL_SMTP_ALLOW_PLAINTEXT", "yes"),
        ("SANTRAL_CA_FILE", ca.to_str().unwrap()),
        ("SANTRAL_EGRESS_IPS", "203.0.113.7 2001:db8::7"),
        ("SANTRAL_LOG", "warn,santral=debug"),
        ("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "id.apps"),
        ("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", "canary-client"),
        ("SANTRAL_OAUTH_GOOGLE_URL", "http://127.0.0.1:9000"),
        ("SANTRAL_PROVIDER_TWILIO_WHATSAPP_URL", "http://127.0.0.1:9000/"),
    ])
    .unwrap();

    assert_eq!(config.public_url.as_str(), "https://crm.example.com/entegrasyon");
    assert_eq!(config.public_url.origin(), "https://crm.example.com");
    assert_eq!(config.public_url.prefix(), "/entegrasyon");
    assert_eq!(config.public_url.to("/hooks/x"), "https://crm.example.com/entegrasyon/hooks/x");
    assert!(config.public_url.is_https());
    assert_eq!(config.frame_ancestors, ["https://crm.example.com", "https://*.example.org:8443", "'self'"]);
    assert_eq!(config.master_key_file, PathBuf::from("/var/lib/santral/master.key"));
    assert_eq!(config.database, Database::Postgres(Secret::new("postgres://app:canary@db/santral")));
    assert_eq!(config.platform_key.as_ref().unwrap().expose(), KEY);
    assert!(config.role.delivers() && !config.role.answers());
    assert_eq!(config.retention_days, None);
    let networks: Vec<_> = config.allow_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.1.0.0/16", "192.168.1.4/32", "fd00::/8"]);
    assert!(config.smtp_allow_plaintext);
    assert_eq!(config.ca_file, Some(ca));
    assert_eq!(config.egress_ips.len(), 2);
    assert_eq!(config.oauth_clients["google"].client_id, "id.apps");
    assert_eq!(config.oauth_clients["google"].client_secret.expose(), "canary-client");
    assert_eq!(config.oauth_urls["google"].as_str(), "http://127.0.0.1:9000/");
    assert_eq!(config.provider_urls["twilio_whatsapp"].as_str(), "http://127.0.0.1:9000/");
}

#[test]
fn no_secret_is_shown_by_debug_or_by_the_list_of_what_is_in_force() {
    let config = read(&[
        ("SANTRAL_DATABASE_URL", "postgres://app:canary@db/santral"),
        ("SANTRAL_DATABASE_OWNER_URL", "postgres://owner:canary@db/santral"),
        ("SANTRAL_PLATFORM_KEY", KEY),
        ("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "id.apps"),
        ("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", "canary-client"),
    ])
    .unwrap();

    let list: Vec<String> = config.effective.iter().map(ToString::to_string).collect();

    assert!(list.contains(&"SANTRAL_LISTEN = 127.0.0.1:8080 (default)".to_owned()), "{list:#?}");
    assert!(list.contains(&"SANTRAL_PLATFORM_KEY = … (environment)".to_owned()), "{list:#?}");
    assert!(list.contains(&"SANTRAL_OAUTH_GOOGLE_CLIENT_ID = id.apps (environment)".to_owned()), "{list:#?}");
    assert!(!format!("{config:?} {list:?}").contains("canary"));
}

#[test]
fn a_mistake_names_its_variable_value_and_remedy() {
    let text = read(&[("SANTRAL_LISTEN", "localhost")]).unwrap_err().to_string();
    assert!(text.contains("SANTRAL_LISTEN = \"localhost\": use an address and a port"), "{text}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = problems(&[
        ("SANTRAL_LISTEN", "x"),
        ("SANTRAL_WORKERS", "0"),
        ("SANTRAL_LOG", "a=loud"),
        ("SANTRAL_PLATFORM_KEY", "short"),
        ("SANTRAL_PROVIDER_GMAIL_URL", "gmail"),
    ]);
    let names: Vec<_> = found.iter().map(|problem| problem.variable.as_str()).collect();
    let expected =
        ["PLATFORM_KEY", "WORKERS", "LOG", "PROVIDER_GMAIL_URL"].map(|name| format!("SANTRAL_{name}"));
    assert_eq!(names[0], "SANTRAL_LISTEN");
    assert_eq!(names[1..], expected);
}

#[rstest]
#[case("LISTEN", "8080")]
#[case("LISTEN", "127.0.0.1:99999")]
#[case("PUBLIC_URL", "crm.example.com")]
#[case("PUBLIC_URL", "ftp://crm.example.com")]
#[case("PUBLIC_URL", "https://crm.example.com/?a=b")]
#[case("PUBLIC_URL", "https://user:pw@crm.example.com")]
#[case("PUBLIC_URL", "javascript:alert(1)")]
#[case("FRAME_ANCESTORS", "crm.example.com")]
#[case("FRAME_ANCESTORS", "https://crm.example.com; script-src *")]
#[case("FRAME_ANCESTORS", "https://crm.example.com;x")]
#[case("FRAME_ANCESTORS", "https://crm.example.com/path")]
#[case("FRAME_ANCESTORS", "*")]
#[case("FRAME_ANCESTORS", "https://*")]
#[case("FRAME_ANCESTORS", "https://*.*.example.com")]
#[case("DATABASE_URL", "mysql://h/d")]
#[case("DATABASE_URL", "sqlite:")]
#[case("DATABASE_URL", "sqlite::memory:")]
#[case("DATABASE_URL", "sqlite://data.db?mode=ro")]
#[case("DATABASE_URL", "data.db")]
#[case("DATABASE_OWNER_URL", "sqlite:x.db")]
#[case("PLATFORM_KEY", "0123456789012345678901234567890")]
#[case("PLATFORM_KEY", "sntp_000000000000000000000000000000000000000")]
#[case("PLATFORM_KEY", "0123456789012345678901234567890123\n456789")]
#[case("ROLE", "API")]
#[case("WORKERS", "-1")]
#[case("WORKERS", "10001")]
#[case("WORKERS", "ten")]
#[case("RETENTION_DAYS", "36501")]
#[case("RETENTION_DAYS", "90d")]
#[case("ALLOW_NETWORKS", "10.0.0.0/33")]
#[case("ALLOW_NETWORKS", "10.0.0.5/8")]
#[case("ALLOW_NETWORKS", "intranet")]
#[case("SMTP_ALLOW_PLAINTEXT", "maybe")]
#[case("CA_FILE", "/nonexistent/ca.pem")]
#[case("EGRESS_IPS", "203.0.113.0/24")]
#[case("LOG", "santral=loud")]
#[case("OAUTH_GOOGLE_URL", "http://127.0.0.1:9000/o/oauth2")]
#[case("PROVIDER_GMAIL_URL", "http://127.0.0.1:9000?x")]
fn a_value_of_another_shape_is_refused_under_its_name(#[case] name: &str, #[case] value: &str) {
    let name = format!("SANTRAL_{name}");
    let found = problems(&[(&name, value)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].variable, name);
}

#[test]
fn a_mistaken_secret_is_not_repeated_in_the_message() {
    let text = read(&[("SANTRAL_PLATFORM_KEY", "canary"), ("SANTRAL_DATABASE_URL", "mysql://u:canary@h")])
        .unwrap_err()
        .to_string();
    assert!(!text.contains("canary") && text.contains("32 characters"), "{text}");
}

#[test]
fn a_slip_in_a_network_is_told_with_both_readings() {
    let text = read(&[("SANTRAL_ALLOW_NETWORKS", "10.0.0.5/8")]).unwrap_err().to_string();
    assert!(text.contains("write 10.0.0.0/8 or 10.0.0.5/32"), "{text}");
}

#[rstest]
#[case("0.0.0.0:80", "http://127.0.0.1")]
#[case("[::]:8080", "http://127.0.0.1:8080")]
#[case("[::1]:8080", "http://[::1]:8080")]
#[case("192.0.2.1:8080", "http://192.0.2.1:8080")]
fn the_public_url_follows_the_listener(#[case] listen: &str, #[case] expected: &str) {
    assert_eq!(read(&[("SANTRAL_LISTEN", listen)]).unwrap().public_url.as_str(), expected);
}

#[test]
fn a_listener_open_to_others_without_a_public_url_is_warned_about() {
    let warnings = read(&[("SANTRAL_LISTEN", "0.0.0.0:8080")]).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].starts_with("SANTRAL_PUBLIC_URL is not set"), "{warnings:?}");
    let url = ("SANTRAL_PUBLIC_URL", "https://x.example");
    assert!(read(&[("SANTRAL_LISTEN", "0.0.0.0:8080"), url]).unwrap().warnings.is_empty());
}

#[test]
fn a_probable_typo_is_a_warning_and_no_error() {
    let warnings = read(&[("SANTRAL_LISTEN_ADDR", "x"), ("SANTRAL_DATADIR", "x")]).unwrap().warnings;
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("is SANTRAL_DATA_DIR meant?"), "{warnings:?}");
}

#[test]
fn a_secret_may_come_from_a_file() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = read(&[
        ("SANTRAL_PLATFORM_KEY_FILE", &file("key", &format!("{KEY}\n"))),
        ("SANTRAL_DATABASE_URL_FILE", &file("url", "postgres://u:p@h/d\r\n")),
        ("SANTRAL_OAUTH_ZOOM_CLIENT_ID", "zoom-id"),
        ("SANTRAL_OAUTH_ZOOM_CLIENT_SECRET_FILE", &file("zoom", " zoom-secret\n")),
    ])
    .unwrap();

    assert_eq!(config.platform_key.unwrap().expose(), KEY);
    assert_eq!(config.database, Database::Postgres(Secret::new("postgres://u:p@h/d")));
    assert_eq!(config.oauth_clients["zoom"].client_secret.expose(), "zoom-secret");
    assert!(config.effective.iter().any(|e| e.name == "SANTRAL_PLATFORM_KEY" && e.origin == Origin::File));
}

#[test]
fn a_secret_file_that_is_missing_empty_or_a_directory_is_refused_under_its_name() {
    let directory = TempDir::new().unwrap();
    let empty = directory.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    for path in [directory.path().join("missing"), empty, directory.path().to_owned()] {
        let found = problems(&[("SANTRAL_PLATFORM_KEY_FILE", path.to_str().unwrap())]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].variable, "SANTRAL_PLATFORM_KEY_FILE");
    }
}

#[test]
fn a_secret_and_its_file_together_are_refused() {
    let found = problems(&[("SANTRAL_PLATFORM_KEY", KEY), ("SANTRAL_PLATFORM_KEY_FILE", "/x")]);
    assert!(found.len() == 1 && found[0].remedy.contains("keep one"), "{found:?}");
}

#[test]
fn half_an_oauth_client_asks_for_the_other_half() {
    let found = problems(&[("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "x")]);
    assert_eq!(found[0].variable, "SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET");
    let found = problems(&[("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET", "canary")]);
    assert_eq!(found[0].variable, "SANTRAL_OAUTH_GOOGLE_CLIENT_ID");
    assert!(!format!("{found:?}").contains("canary"));
    let found = problems(&[
        ("SANTRAL_OAUTH_GOOGLE_CLIENT_ID", "x"),
        ("SANTRAL_OAUTH_GOOGLE_CLIENT_SECRET_FILE", "/nonexistent"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn sqlite_is_for_one_process_and_has_no_owner() {
    let found = problems(&[("SANTRAL_ROLE", "worker"), ("SANTRAL_DATABASE_OWNER_URL", "postgres://o@h/d")]);
    let names: Vec<_> = found.iter().map(|problem| problem.variable.as_str()).collect();
    assert_eq!(names, ["SANTRAL_ROLE", "SANTRAL_DATABASE_OWNER_URL"]);
    assert_eq!(found[0].value.as_deref(), Some("worker"));
}

#[test]
fn a_minted_platform_key_may_be_configured() {
    let (key, _) = Token::mint_platform();
    assert!(read(&[("SANTRAL_PLATFORM_KEY", key.expose())]).is_ok());
}

#[test]
fn a_flag_wins_over_the_environment() {
    let settings = Settings::of([(&variables::DATA_DIR, "/flag")]);
    let environment = Environment::of([("SANTRAL_DATA_DIR", "/environment"), ("SANTRAL_WORKERS", "3")]);
    let config = Config::read(&settings, &environment, &known()).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/flag"));
    assert_eq!(config.database, Database::Sqlite("/flag/santral.db".into()));
    assert_eq!(config.workers.get(), 3);
    assert!(config.effective.iter().any(|e| e.name == "SANTRAL_DATA_DIR" && e.origin == Origin::Flag));
}

#[test]
fn a_flag_wins_over_a_secret_file() {
    let settings = Settings::of([(&variables::DATABASE_URL, "sqlite://x.db")]);
    let environment = Environment::of([("SANTRAL_DATABASE_URL_FILE", "/nonexistent")]);
    let config = Config::read(&settings, &environment, &known()).unwrap();
    assert_eq!(config.database, Database::Sqlite("x.db".into()));
}

proptest! {
    #[test]
    fn no_value_makes_reading_panic(name in 0..variables::ALL.len(), value in "\\PC{0,60}") {
        let _ = read(&[(&variables::ALL[name].full_name(), &value)]);
    }

    #[test]
    fn an_accepted_frame_ancestor_cannot_end_its_directive(value in "(https://)?[a-z*.;' ,\"%/:-]{0,24}") {
        if let Ok(sources) = parse::frame_ancestors(&value) {
            for source in sources {
                prop_assert!(source == "'self'" || !source.contains([';', ',', ' ', '\'', '"', '%']), "{}", source);
            }
        }
    }
}
