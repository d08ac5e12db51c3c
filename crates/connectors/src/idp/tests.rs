use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn server(idp: &'static Idp) -> Server<'static> {
    Server { idp, base: None, tenant: None }
}

const CLIENT: Client<'static> = Client { id: "client", secret: "s&cret" };

fn read(status: u16, body: &str) -> Result<Tokens, Refusal> {
    read_tokens(&google::IDP, StatusCode::from_u16(status).unwrap(), body.as_bytes(), &["s&cret".to_owned()])
}

#[test]
fn every_idp_is_found_and_has_good_addresses() {
    for idp in IDPS {
        assert_eq!(find(idp.id), Some(*idp));
        let server = server(idp);
        for address in [idp.authorize_url, idp.token_url] {
            let address = server.address(address).unwrap();
            assert_eq!(address.scheme_str(), Some("https"));
            assert!(!address.to_string().contains(['{', '}']), "{address}");
        }
        assert!(!idp.account.subject.is_empty() && !idp.account.label.is_empty());
        assert!(!server.is_issuer(Some("https://attacker.example")));
    }
    assert_eq!(find("nobody"), None);
}

#[test]
fn the_consent_page_is_asked_for_a_code_with_pkce() {
    let asked = Authorize {
        client_id: "client",
        redirect_uri: "https://crm.example/callback?a=b",
        scopes: &["openid", "https://www.googleapis.com/auth/gmail.send"],
        state: "st&te",
        code_challenge: "chal",
        login_hint: None,
    };
    let url = authorize_url(&server(&google::IDP), &asked).unwrap();
    assert!(url.as_str().starts_with("https://accounts.google.com/o/oauth2/v2/auth?"));
    let get =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "client"),
        ("redirect_uri", "https://crm.example/callback?a=b"),
        ("scope", "openid email profile https://www.googleapis.com/auth/gmail.send"),
        ("state", "st&te"),
        ("code_challenge", "chal"),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
        ("prompt", "consent select_account"),
        ("include_granted_scopes", "true"),
    ] {
        assert_eq!(get(name).as_deref(), Some(value), "{name}");
    }
    let hinted =
        authorize_url(&server(&google::IDP), &Authorize { login_hint: Some("a@b.c"), ..asked }).unwrap();
    assert!(hinted.query_pairs().any(|pair| pair == ("login_hint".into(), "a@b.c".into())));
    assert!(hinted.query_pairs().any(|pair| pair == ("prompt".into(), "consent".into())));
}

#[test]
fn an_override_replaces_the_origin_of_every_address_and_is_the_issuer() {
    let base = Url::parse("http://127.0.0.1:9000/ignored").unwrap();
    let server = Server { idp: &microsoft::IDP, base: Some(&base), tenant: Some("organizations") };
    let address = server.address(microsoft::IDP.token_url).unwrap();
    assert_eq!(address, "http://127.0.0.1:9000/organizations/oauth2/v2.0/token");
    assert!(server.is_issuer(Some("http://127.0.0.1:9000")) && server.is_issuer(None));
    for wrong in
        ["http://127.0.0.1:9000/", "http://127.0.0.1:90001", "https://login.microsoftonline.com/x/v2.0", ""]
    {
        assert!(!server.is_issuer(Some(wrong)), "{wrong}");
    }
}

#[rstest]
#[case(&google::IDP, "https://accounts.google.com", true)]
#[case(&google::IDP, "https://accounts.google.com/", false)]
#[case(&google::IDP, "HTTPS://accounts.google.com", false)]
#[case(&google::IDP, "https://accounts.google.com.attacker.example", false)]
#[case(&microsoft::IDP, "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", true)]
#[case(&microsoft::IDP, "https://login.microsoftonline.com//v2.0", false)]
#[case(&microsoft::IDP, "https://login.microsoftonline.com/a/b/v2.0", false)]
#[case(&microsoft::IDP, "https://login.microsoftonline.com/v2.0", false)]
fn the_issuer_is_compared_letter_by_letter(#[case] idp: &'static Idp, #[case] iss: &str, #[case] good: bool) {
    assert_eq!(server(idp).is_issuer(Some(iss)), good);
}

#[test]
fn a_missing_issuer_is_refused_where_the_vendor_always_sends_one() {
    static SENDER: Idp = Idp { sends_iss: true, ..google::IDP };
    let server = Server { idp: &SENDER, base: None, tenant: None };
    assert!(!server.is_issuer(None) && server.is_issuer(Some("https://accounts.google.com")));
}

#[test]
fn clients_prove_themselves_in_the_body_or_by_basic() {
    static BASIC: Idp = Idp { client_auth: ClientAuth::Basic, ..google::IDP };
    let code = CodeExchange { code: "c+d", code_verifier: "v", redirect_uri: "https://x.example/cb" };
    let request = exchange(&server(&google::IDP), &CLIENT, &code).unwrap();
    let body = std::str::from_utf8(request.body()).unwrap();
    assert_eq!(
        body,
        "grant_type=authorization_code&code=c%2Bd&redirect_uri=https%3A%2F%2Fx.example%2Fcb&code_verifier=v\
         &client_id=client&client_secret=s%26cret"
    );
    let request = exchange(&Server { idp: &BASIC, base: None, tenant: None }, &CLIENT, &code).unwrap();
    assert!(!std::str::from_utf8(request.body()).unwrap().contains("client_secret"));
    // base64("client:s%26cret")
    assert_eq!(request.headers()["authorization"], "Basic Y2xpZW50OnMlMjZjcmV0");
    assert!(!format!("{CLIENT:?} {code:?} {request:?}").contains("s&cret"));
}

#[test]
fn a_refresh_names_scopes_only_where_the_vendor_wants_them() {
    let granted = ["Mail.Send".to_owned(), "openid".to_owned()];
    let body = |idp| refresh(&server(idp), &CLIENT, "rt", &granted).unwrap().into_body();
    assert!(!String::from_utf8_lossy(&body(&google::IDP)).contains("scope"));
    assert!(String::from_utf8_lossy(&body(&microsoft::IDP)).contains("&scope=Mail.Send+openid&"));
}

#[test]
fn only_some_vendors_can_be_asked_to_revoke() {
    let request = revoke(&server(&google::IDP), &CLIENT, "rt").unwrap();
    assert_eq!(request.uri(), "https://oauth2.googleapis.com/revoke");
    assert!(revoke(&server(&microsoft::IDP), &CLIENT, "rt").is_none());
}

#[test]
fn a_good_answer_gives_tokens() {
    let answer = json!({"access_token": "at", "expires_in": 3599, "refresh_token": "rt", "token_type": "Bearer",
        "scope": "openid https://www.googleapis.com/auth/gmail.send", "id_token": "a.b.c"});
    let tokens = read(200, &answer.to_string()).unwrap();
    assert_eq!((tokens.access_token.as_str(), tokens.refresh_token.as_deref()), ("at", Some("rt")));
    assert_eq!(tokens.expires_in, Duration::from_secs(3599));
    assert!(
        google::IDP.has_scope(&tokens.scopes.clone().unwrap(), "https://www.googleapis.com/auth/gmail.send")
    );
    assert!(!format!("{tokens:?}").contains("\"at\""));
    let bare = read(200, r#"{"access_token":"at","expires_in":"60"}"#).unwrap();
    assert_eq!((bare.refresh_token, bare.scopes), (None, None));
    assert_eq!(bare.expires_in, Duration::from_secs(60));
    assert_eq!(read(200, r#"{"access_token":"at"}"#).unwrap().expires_in, Duration::from_hours(1));
}

#[rstest]
#[case(
    400,
    r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
    RefusalKind::Grant,
    "invalid_grant"
)]
#[case(
    400,
    r#"{"error":"interaction_required","error_codes":[50076]}"#,
    RefusalKind::Grant,
    "interaction_required"
)]
#[case(401, r#"{"error":"invalid_client"}"#, RefusalKind::Client, "invalid_client")]
#[case(400, r#"{"error":"redirect_uri_mismatch"}"#, RefusalKind::Client, "redirect_uri_mismatch")]
#[case(400, r#"{"error":"temporarily_unavailable"}"#, RefusalKind::Unavailable, "temporarily_unavailable")]
#[case(503, r#"{"error":"invalid_client"}"#, RefusalKind::Unavailable, "invalid_client")]
#[case(
    429,
    r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#,
    RefusalKind::Unavailable,
    "RESOURCE_EXHAUSTED"
)]
#[case(
    200,
    r#"{"error":"invalid_grant","access_token":"at","refresh_token":"rt"}"#,
    RefusalKind::Grant,
    "invalid_grant"
)]
#[case(200, r#"{"ok":false,"error":"invalid_code","access_token":"at"}"#, RefusalKind::Grant, "invalid_code")]
#[case(200, r#"{"ok":false,"access_token":"at"}"#, RefusalKind::Client, "error")]
#[case(500, r#"{"access_token":"at"}"#, RefusalKind::Unavailable, "http_500")]
#[case(400, r#"{"access_token":"at"}"#, RefusalKind::Unreadable, "http_400")]
#[case(302, "", RefusalKind::Unreadable, "http_302")]
#[case(502, "<html>", RefusalKind::Unavailable, "http_502")]
#[case(200, "<html>", RefusalKind::Unreadable, "answer_unreadable")]
#[case(200, "{}", RefusalKind::Unreadable, "answer_unreadable")]
#[case(200, r#"{"access_token":""}"#, RefusalKind::Unreadable, "answer_unreadable")]
#[case(200, "{\"access_token\":\"a\\r\\nx: y\"}", RefusalKind::Unreadable, "answer_unreadable")]
#[case(200, r#"{"access_token":"a","access_token":"b"}"#, RefusalKind::Unreadable, "answer_unreadable")]
#[case(200, r#"{"access_token":"at","refresh_token":"r t"}"#, RefusalKind::Unreadable, "answer_unreadable")]
#[case(200, r#"{"access_token":["at"]}"#, RefusalKind::Unreadable, "answer_unreadable")]
fn an_error_never_yields_a_token(
    #[case] status: u16,
    #[case] body: &str,
    #[case] kind: RefusalKind,
    #[case] code: &str,
) {
    let refusal = read(status, body).expect_err("an error yields no token");
    assert_eq!((refusal.kind, refusal.code.as_str()), (kind, code));
}

#[test]
fn the_vendors_words_are_one_line_without_secrets() {
    let body = json!({"error": "invalid_client\u{0}\r\n", "error_description": "bad\r\ns&cret"}).to_string();
    let refusal = read(401, &body).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.words.as_str()), ("invalid_client", "bad •••"));
}

fn id_token(claims: &serde_json::Value) -> String {
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[test]
fn the_account_is_read_by_what_never_changes() {
    let google = read_account(&google::IDP, br#"{"sub":"1","email":"a@b.c","name":"A"}"#).unwrap();
    assert_eq!(
        (google.subject.as_str(), google.label.as_str(), google.name.as_deref()),
        ("1", "a@b.c", Some("A"))
    );
    let claims = json!({"aud": "client", "tid": "t", "oid": "o", "preferred_username": "a@b.c"});
    let account = read_id_token(&microsoft::IDP, "client", &id_token(&claims)).unwrap();
    assert_eq!((account.subject.as_str(), account.label.as_str()), ("t:o", "a@b.c"));
}

#[rstest]
#[case(json!({"aud": "other", "tid": "t", "oid": "o"}), AccountError::OtherClient)]
#[case(json!({"tid": "t", "oid": "o"}), AccountError::OtherClient)]
#[case(json!({"aud": "client", "tid": "t"}), AccountError::Nameless)]
#[case(json!({"aud": "client", "tid": "t", "oid": "a\nb"}), AccountError::Nameless)]
#[case(json!({"aud": "client", "tid": "t", "oid": ""}), AccountError::Nameless)]
fn an_id_token_for_others_or_of_nobody_is_refused(
    #[case] claims: serde_json::Value,
    #[case] error: AccountError,
) {
    assert_eq!(read_id_token(&microsoft::IDP, "client", &id_token(&claims)), Err(error));
}

#[test]
fn scopes_are_compared_without_prefix_and_case() {
    let granted = ["mail.send".to_owned(), "https://graph.microsoft.com/User.Read".to_owned()];
    assert!(
        microsoft::IDP.has_scope(&granted, "Mail.Send") && microsoft::IDP.has_scope(&granted, "User.Read")
    );
    assert!(!microsoft::IDP.has_scope(&granted, "Mail.ReadWrite"));
}

proptest! {
    #[test]
    fn no_answer_breaks_the_readers(status in 100_u16..1000, body in any::<Vec<u8>>()) {
        let status = StatusCode::from_u16(status).unwrap();
        for idp in IDPS {
            let _ = read_tokens(idp, status, &body, &[]);
            let _ = read_account(idp, &body);
        }
    }

    #[test]
    fn no_json_breaks_the_readers(key in "[a-z_]{1,14}", value in "\\PC{0,40}", number in any::<f64>()) {
        let body = json!({"error": null, "access_token": value, "expires_in": number, key: value});
        if let Ok(tokens) = read_tokens(&google::IDP, StatusCode::OK, body.to_string().as_bytes(), &[]) {
            prop_assert!(tokens.access_token.bytes().all(|b| b.is_ascii_graphic()));
        }
        let _ = read_id_token(&microsoft::IDP, "client", &value);
    }
}
