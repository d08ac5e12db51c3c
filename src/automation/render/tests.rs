use std::time::Instant;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::super::model::Action;
use super::super::testing::scope_with;
use super::*;
use santral_connectors::Operation;
use santral_connectors::operation::AttachmentSource;

fn sample() -> Value {
    json!({"customer": {"name": "Ayşe <b>Yılmaz</b>", "email": "ayse@example.com", "phone": "0532 123 45 67", "nothing": null},
        "quote": {"number": "TKF-114", "pdf_url": "https://crm.example.com/q/114.pdf"}})
}

fn text(source: &str) -> Result<String, TemplateError> {
    Renderer::shared().render_str(source, Escape::Text, &scope_with("tr", &sample()))
}

fn action(value: Value) -> Action {
    let mut full = json!({"operation": "send_email", "channel": "email", "kind": "informational",
        "to": "{{ data.customer.email }}", "subject": "Teklif", "text": "Merhaba"});
    for (key, value) in value.as_object().unwrap() {
        full[key] = value.clone();
    }
    serde_json::from_value(full).unwrap()
}

fn rendered(value: Value) -> Result<Operation, (String, &'static str)> {
    let result = Renderer::shared().render_action(&action(value), None, &scope_with("tr", &sample()));
    result.map(|rendered| rendered.operation).map_err(|problem| (problem.pointer, problem.code))
}

#[test]
fn values_are_escaped_in_html_only() {
    let source = "<p>{{ data.customer.name }}</p>";
    let scope = scope_with("tr", &sample());
    let html = Renderer::shared().render_str(source, Escape::Html, &scope).unwrap();
    assert_eq!(html, "<p>Ayşe &lt;b&gt;Yılmaz&lt;&#x2f;b&gt;</p>");
    assert_eq!(text(source).unwrap(), "<p>Ayşe <b>Yılmaz</b></p>");
}

#[test]
fn templates_see_data_event_and_company() {
    assert_eq!(
        text("{{ company.name }} {{ company.timezone }} {{ event.id }} {{ event.time }} {{ event.subject }} {{ data.quote.number }}").unwrap(),
        "Örnek Ticaret A.Ş. Europe/Istanbul e-1 2026-11-24T10:00:00Z deal/7 TKF-114"
    );
}

#[test]
fn null_prints_as_nothing_and_blocks_leave_no_empty_lines() {
    assert_eq!(text("[{{ data.customer.nothing }}]").unwrap(), "[]");
    assert_eq!(text("a\n  {% if true %}\nb\n  {% endif %}\nc\n").unwrap(), "a\nb\nc\n");
}

#[test]
fn a_missing_variable_is_an_error_that_names_it() {
    let error = text("{{ data.customer.surname }}").unwrap_err();
    assert_eq!(error.code, "unknown_variable");
    assert!(
        error.detail.tr.contains("data.customer.surname")
            && error.detail.en.contains("data.customer.surname")
    );
    assert_eq!(text("{{ data.customer.surname|default('-') }}").unwrap(), "-");
    assert_eq!(text("{% if data.customer.surname is defined %}x{% endif %}").unwrap(), "");
}

#[test]
fn nul_never_comes_out() {
    assert_eq!(text(r#"a{{ "\u0000" }}b"#).unwrap(), "ab");
}

#[rstest]
#[case("{{ a|nosuch }}", "unknown_filter")]
#[case("{% if false %}{{ a|nosuch }}{% endif %}", "unknown_filter")]
#[case("{% filter nosuch %}x{% endfilter %}", "unknown_filter")]
#[case("{{ [1]|map('nosuch') }}", "unknown_filter")]
#[case("{% if false %}{{ a is nosuch }}{% endif %}", "unknown_test")]
#[case("{{ a is not nosuch }}", "unknown_test")]
#[case("{{ a|select('nosuch') }}", "unknown_test")]
#[case("{{ a|selectattr('x', 'nosuch') }}", "unknown_test")]
#[case("{% if false %}{{ nosuch(1) }}{% endif %}", "unknown_function")]
#[case("{{ 1 + lipsum() }}", "unknown_function")]
#[case("{% set ns = namespace() %}", "unknown_function")]
#[case("{{ debug() }}", "unknown_function")]
#[case("{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}", "recursive_loop")]
#[case("{{ a", "template_syntax")]
#[case("{% if %}", "template_syntax")]
#[case("{% include 'x' %}", "template_syntax")]
#[case("{% extends 'x' %}", "template_syntax")]
#[case("{% import 'x' as y %}", "template_syntax")]
#[case("{% macro m() %}{% endmacro %}", "template_syntax")]
fn a_bad_template_is_refused_before_it_is_used(#[case] source: &str, #[case] code: &str) {
    assert_eq!(Renderer::shared().template(source, Escape::Text).unwrap_err().code, code);
}

#[rstest]
#[case("{{ data.x|upper|default('a')|money('TRY') }}")]
#[case("{% for x in data.items %}{{ loop.index }} {{ x.map }} {{ x.filter(1) }}{% endfor %}")]
#[case("{% filter upper %}{{ a is defined and (b or c) }}{% endfilter %}")]
#[case("{% if not (a in (1, 2)) %}{% elif (a) %}{% endif %}")]
#[case("{% set x = data.a %}{{ x.is }}")]
#[case("{% raw %}{{ a|nosuch }}{% endraw %}{# {{ b|nosuch }} #}{{ '|nosuch is nosuch nosuch()' }}")]
#[case(
    "{{ a is odd }}{{ a is not none }}{{ a is in [1] }}{{ a is divisibleby(3) }}{{ [1]|map(attribute='nosuch') }}"
)]
#[case("Merhaba | dünya is nosuch()")]
fn a_good_template_is_accepted(#[case] source: &str) {
    assert_eq!(Renderer::shared().template(source, Escape::Html), Ok(()));
}

#[rstest]
#[case(
    "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}"
)]
#[case("{{ 'A' * 90000000 }}")]
#[case("{{ 'A' * 99999999999999999999999999 }}")]
#[case(
    "{% set ns = namespace(s='AAAAAAAAAAAAAAAA') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}"
)]
#[case("{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}")]
#[case(
    "{{ range(10000)|map('string')|join('AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')|replace('A', 'BBBBBBBBBBBBBBBBBBB') }}"
)]
#[case("{{ '%099999999d'|format(1) }}")]
#[case("{{ 'x'|indent(99999999) }}")]
#[case("{{ [[1] * 9999] * 9999 }}")]
#[case("{{ 10 ** 10 ** 10 ** 10 }}")]
#[case("{{ 9|number(18446744073709551615) }}")]
#[case("{{ ('9' * 5000)|money }}")]
#[case("{{ ('i' * 300000)|upper }}")]
#[case("{{ (('5' * 300000)|phone)|length * 0 }}")]
fn template_bombs_end_soon_and_small(#[case] source: &str) {
    let started = Instant::now();
    if let Ok(output) = text(source) {
        assert!(output.len() <= MAX_OUTPUT_BYTES, "{}", output.len());
    }
    // Generous for an unoptimised build on a busy machine; without limits these take minutes or all memory.
    assert!(started.elapsed().as_secs() < 30);
}

#[rstest]
#[case("(", 100_000)]
#[case("[", 100_000)]
#[case("{% if 1 %}", 10_000)]
#[case("{{ not ", 10_000)]
#[case("{{ -", 50_000)]
#[case("{{ a.b", 10_000)]
#[case("{{ a|upper", 10_000)]
fn deeply_nested_sources_are_refused_not_crashed(#[case] piece: &str, #[case] times: usize) {
    let source = format!("{{{{ {}", piece.repeat(times));
    assert!(Renderer::shared().template(&source, Escape::Text).is_err());
    assert!(Renderer::shared().expression(&piece.repeat(times)).is_err());
}

/// Each of these overflows the stack of a worker thread when the engine is let have it.
#[test]
fn long_chains_are_refused_and_short_ones_are_not() {
    let chains = [
        "|upper",
        ".a",
        "[0]",
        " + 1",
        " ~ 'a'",
        " and 1",
        " or 1",
        " if 1 else 1",
        "**1",
        " is odd",
        "|e",
        "<1",
    ];
    for piece in chains {
        for times in [100, MAX_SOURCE_BYTES / piece.len() - 10] {
            let expression = format!("'a'{}", piece.repeat(times));
            let source = format!("{{{{ {expression} }}}}");
            let refused = Renderer::shared()
                .template(&source, Escape::Text)
                .is_err_and(|e| e.code == "template_too_complex");
            assert_eq!(refused, times > 100, "{piece}");
            assert_eq!(Renderer::shared().expression(&expression).is_err(), times > 100, "{piece}");
            assert!(times == 100 || text(&source).is_err());
            let _ = Renderer::shared().matches(Some(&expression), &scope_with("tr", &json!({})));
        }
    }
    let branches = |times| format!("{{% if 0 %}}{}{{% endif %}}", "{%elif 0%}".repeat(times));
    assert_eq!(text(&branches(100)).as_deref(), Ok(""));
    assert_eq!(text(&branches(9000)).unwrap_err().code, "template_too_complex");
}

#[rstest]
#[case("{%set x=[x]%}")]
#[case("{%set x=[x,x,x,x]%}")]
#[case("{%set x={'a':x,'b':x}%}")]
#[case("{%set x=(x,x)%}")]
#[case("{%set x=x,x%}")]
#[case("{%set x=dict(a=x,b=x)%}")]
#[case("{%set x=x|zip(x)%}")]
#[case("{%set x=x|chain(x)%}")]
#[case("{%set x=x|batch(1)|list%}")]
#[case("{%set x=x|map('list')%}")]
#[case("{%set x=data.empty|map('default',x,true)|list%}")]
#[case("{%set x=x+x%}")]
#[case("{%set x=x*99%}")]
#[case("{%with x=[x,x]%}")]
#[case("{%for x in [[x,x]]%}")]
#[case("{%for x in [(x,x)]%}")]
#[case("{%for x in [x,x]|batch(2)%}")]
#[case("{%for x in ''|default([[x,x]])%}")]
fn values_do_not_multiply(#[case] piece: &str) {
    let closing = if piece.starts_with("{%for") {
        "{%endfor%}"
    } else if piece.starts_with("{%with") {
        "{%endwith%}"
    } else {
        ""
    };
    for tail in ["{{ x }}", "{{ x ~ '' }}", "{{ x == y }}", "{{ x|string }}", "{{ x|tojson }}"] {
        let chain = |name: &str| piece.replace('x', name).replace(&format!("ma{name}"), "max");
        let source = format!(
            "{{%set x=data.tags%}}{{%set y=data.tags2%}}{}{}{tail}{}",
            piece.repeat(30),
            chain("y").repeat(30),
            closing.repeat(60)
        );
        let started = Instant::now();
        let scope = scope_with("tr", &json!({"tags": ["a"], "tags2": ["a"], "empty": ["", "", ""]}));
        assert!(Renderer::shared().render_str(&source, Escape::Text, &scope).is_err(), "{source}");
        assert!(started.elapsed().as_secs() < 30, "{source}");
    }
}

/// The largest data an event may have, used as wastefully as the rules allow.
#[rstest]
#[case("{% for i in range(9999) %}{{ data.a == data.b }}{% endfor %}")]
#[case("{% for i in range(9999) %}{{ data.a in [data.b] }}{% endfor %}")]
#[case("{% for i in range(9999) %}{{ data.a|string|length }}{% endfor %}")]
#[case("{% for i in range(9999) %}{{ data.a|tojson|length }}{% endfor %}")]
#[case("{% for i in range(9999) %}{{ data.a|length }}{{ data.a|list|length }}{% endfor %}")]
#[case("{% for p in data.a|items %}{{ p * 50000 }}{% endfor %}")]
#[case("{{ (data.a|list) * 99999999 }}")]
#[case("{{ data.a[0:9] * 99999999 }}")]
#[case("{{ data.a * 99999999 }}")]
#[case("{% set x = data.a[0:9] %}{{ x * 99999999 }}")]
#[case("{% set x = data.a + data.a + data.a + data.a + data.a %}{{ x }}{{ x ~ x }}")]
#[case("{% for i in range(9999) %}{{ data.s == data.t }}{{ data.s|upper|length }}{% endfor %}")]
#[case("{% for i in range(9999) %}{{ data.s|phone|length }}{{ data.s|number }}{% endfor %}")]
#[case("{{ data.a|sort|join|length }}{{ data.a|unique|list|length }}{{ data.a|min }}")]
#[case("{{ data.a|sum }}")]
#[case("{{ data.e|map('default', data.e, true)|list }}")]
#[case("{{ data.e|map(attribute='x', default=data.e)|list }}")]
fn the_largest_data_keeps_no_processor_busy(#[case] source: &str) {
    let numbers = |first: u32| (first..first + 12_000).collect::<Vec<_>>();
    let data = json!({"a": [numbers(0)], "b": [numbers(0)], "e": vec![""; 5000], "s": "s".repeat(50_000), "t": "s".repeat(50_000)});
    let started = Instant::now();
    let result = Renderer::shared().render_str(source, Escape::Text, &scope_with("tr", &data));
    assert!(result.map_or(true, |output| output.len() <= MAX_OUTPUT_BYTES));
    assert!(started.elapsed().as_secs() < 30);
}

#[rstest]
#[case("{% set names = data.items|map(attribute='name')|join(', ') %}")]
#[case("{% set total = data.price * data.quantity + 1 %}{% set label = data.a ~ ' ' ~ data.b %}")]
#[case(
    "{% for k, v in data.x|items %}{{ v }}{% endfor %}{% for w in ['a', 'b'] %}{% endfor %}{% for w in ('a', 'b') %}{% endfor %}"
)]
#[case("{% for i in range(1, 5) %}{% endfor %}{% for x in data.items|sort(attribute='name') %}{% endfor %}")]
#[case("{% for x in data.items if x.open %}{% endfor %}{% for x in data.items[0:3] %}{% endfor %}")]
#[case(
    "{% if data.status in ['won', 'lost'] %}{{ (data.price * data.quantity)|money(data.currency) }}{% endif %}"
)]
#[case(
    "{% with a = data.x, b = data.y %}{{ a ~ b }}{% endwith %}{{ data.items|selectattr('open')|list|length }}"
)]
fn what_messages_need_is_accepted(#[case] source: &str) {
    assert_eq!(Renderer::shared().template(source, Escape::Text), Ok(()), "{source}");
}

#[rstest]
#[case("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}")]
#[case(
    "{% set a = [1] %}{% for x in a recursive %}{{ loop([[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]) }}{% endfor %}"
)]
#[case("{% set d = dict() %}{% set d.x = d %}{{ d }}")]
fn values_that_hold_themselves_do_not_exist(#[case] source: &str) {
    assert!(text(source).is_err());
}

#[test]
fn sources_and_outputs_have_a_limit() {
    assert_eq!(text(&"a".repeat(MAX_SOURCE_BYTES + 1)).unwrap_err().code, "source_too_long");
    let code = text("{% for i in range(4000) %}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA{% endfor %}").unwrap_err().code;
    assert_eq!(code, "output_too_large");
}

#[test]
fn an_email_is_rendered_whole() {
    let operation = rendered(json!({
        "subject": "Teklif\r\nBcc: x@y.co  {{ data.quote.number }}\n", "html": "<p>{{ data.customer.name }}</p>",
        "reply_to": "satis@example.com",
        "attachments": [{"name": "../{{ data.quote.number }}.pdf", "url": "{{ data.quote.pdf_url }}"}],
    }));
    let Ok(Operation::SendEmail(email)) = operation else { panic!("{operation:?}") };
    assert_eq!(email.to, "ayse@example.com");
    assert_eq!(email.subject, "Teklif Bcc: x@y.co TKF-114");
    assert_eq!(email.html.as_deref(), Some("<p>Ayşe &lt;b&gt;Yılmaz&lt;&#x2f;b&gt;</p>"));
    assert_eq!(email.reply_to.as_deref(), Some("satis@example.com"));
    assert_eq!(email.attachments[0].name, "_TKF-114.pdf");
    assert_eq!(
        email.attachments[0].source,
        AttachmentSource::Url("https://crm.example.com/q/114.pdf".into())
    );
}

#[rstest]
#[case(json!({"to": "{{ data.customer.nothing }}"}), "/to", "recipient_missing")]
#[case(json!({"to": "  "}), "/to", "recipient_missing")]
#[case(json!({"to": "a@b.co, c@d.co"}), "/to", "recipient_invalid")]
#[case(json!({"to": "{{ data.customer.phone }}"}), "/to", "recipient_invalid")]
#[case(json!({"to": "{{ data.customer.emial }}"}), "/to", "unknown_variable")]
#[case(json!({"reply_to": "nobody"}), "/reply_to", "reply_to_invalid")]
#[case(json!({"text": " \n"}), "/text", "content_missing")]
#[case(json!({"attachments": [{"name": "a", "url": "file:///etc/passwd"}]}), "/attachments/0/url", "attachment_url_invalid")]
#[case(json!({"attachments": [{"name": "a", "url": ""}]}), "/attachments/0/url", "attachment_url_invalid")]
#[case(json!({"operation": "send_sms", "channel": "sms", "to": "{{ data.customer.email }}"}), "/to", "recipient_invalid")]
#[case(json!({"operation": "send_sms", "channel": "sms", "to": "{{ data.customer.phone }}", "text": null}), "/text", "content_missing")]
#[case(json!({"operation": "check"}), "/operation", "operation_not_available")]
fn what_cannot_go_out_is_named(#[case] change: Value, #[case] pointer: &str, #[case] code: &str) {
    assert_eq!(rendered(change).unwrap_err(), (pointer.to_owned(), code));
}

#[test]
fn numbers_go_out_in_e164_form() {
    let sms = rendered(json!({"operation": "send_sms", "channel": "sms", "to": "{{ data.customer.phone }}"}));
    let Ok(Operation::SendSms(sms)) = sms else { panic!("{sms:?}") };
    assert_eq!((sms.to.as_str(), sms.text.as_str()), ("+905321234567", "Merhaba"));
    let message =
        rendered(json!({"operation": "send_whatsapp", "channel": "whatsapp", "to": "+90 532 123 45 67"}));
    let Ok(Operation::SendWhatsapp(message)) = message else { panic!("{message:?}") };
    assert_eq!(message.to, "+905321234567");
}

#[test]
fn a_webhook_carries_the_event() {
    let hook = rendered(
        json!({"operation": "post_webhook", "channel": "webhook", "to": null, "subject": null, "text": null}),
    );
    let Ok(Operation::PostWebhook(hook)) = hook else { panic!("{hook:?}") };
    assert_eq!((hook.to, hook.subject, hook.text, hook.html), (None, None, None, None));
    let event: Value = serde_json::from_str(hook.event.unwrap().get()).unwrap();
    assert_eq!(event["data"], sample());
    assert_eq!(event["id"], "e-1");
}

#[test]
fn a_template_fills_what_the_action_leaves_out() {
    let template = MessageTemplate {
        id: crate::ids::TemplateId::new(),
        name: "Teklif".into(),
        subject: Some("Ortak {{ data.quote.number }}".into()),
        text: Some("Ortak metin".into()),
        html: None,
    };
    let scope = scope_with("tr", &sample());
    let render = |template: &MessageTemplate| {
        let action = action(json!({"subject": null, "text": "Kendi metni"}));
        Renderer::shared().render_action(&action, Some(template), &scope)
    };
    let Ok(Rendered { operation: Operation::SendEmail(email), .. }) = render(&template) else {
        panic!("no mail")
    };
    assert_eq!((email.subject.as_str(), email.text.as_deref()), ("Ortak TKF-114", Some("Kendi metni")));
    let broken = MessageTemplate { subject: Some("{{ data.nothing }}".into()), ..template };
    assert_eq!(render(&broken).unwrap_err().pointer, "/template/subject");
}

proptest! {
    #[test]
    fn arbitrary_templates_end_in_output_or_error(source in prop::collection::vec(prop_oneof![
        Just("{{ ".to_owned()), Just(" }}".to_owned()), Just("{% for a in data %}".to_owned()), Just("{% endfor %}".to_owned()),
        Just("{% if ".to_owned()), Just(" %}".to_owned()), Just("{% endif %}".to_owned()), Just("{% set a = ".to_owned()),
        Just("data".to_owned()), Just(".customer".to_owned()), Just("|upper".to_owned()), Just("|money(".to_owned()), Just(")".to_owned()),
        Just(" * 99".to_owned()), Just(" ~ ".to_owned()), Just("'a'".to_owned()), Just("[0]".to_owned()), Just(" is ".to_owned()),
        Just("range(".to_owned()), Just("|list".to_owned()), "\\PC{0,6}",
    ], 0..16)) {
        let source = source.concat();
        let accepted = Renderer::shared().template(&source, Escape::Html).is_ok();
        let result = Renderer::shared().render_str(&source, Escape::Html, &scope_with("tr", &sample()));
        if let Ok(output) = &result {
            prop_assert!(output.len() <= MAX_OUTPUT_BYTES);
        }
        if accepted && let Err(error) = result {
            prop_assert_ne!(error.code, "template_syntax");
        }
    }

    #[test]
    fn a_value_never_breaks_out_of_html(name in "\\PC{0,40}") {
        let scope = scope_with("tr", &json!({"name": name}));
        let html = Renderer::shared().render_str("{{ data.name }}", Escape::Html, &scope).unwrap();
        prop_assert!(!html.contains(['<', '>', '"', '\'']));
    }

    #[test]
    fn a_subject_is_one_line_whatever_the_data(subject in any::<String>()) {
        prop_assume!(!subject.contains('\0'));
        let scope = scope_with("tr", &json!({"subject": subject}));
        let action = action(json!({"to": "a@b.co", "subject": "x {{ data.subject }}"}));
        let rendered = Renderer::shared().render_action(&action, None, &scope).unwrap();
        let Operation::SendEmail(email) = rendered.operation else { panic!("no mail") };
        prop_assert!(!email.subject.chars().any(char::is_control));
    }

    #[test]
    fn recipients_never_carry_line_breaks(to in any::<String>()) {
        prop_assume!(!to.contains('\0'));
        let scope = scope_with("tr", &json!({"to": to}));
        if let Ok(rendered) = Renderer::shared().render_action(&action(json!({"to": "{{ data.to }}"})), None, &scope) {
            prop_assert!(!rendered.to.unwrap().chars().any(char::is_control));
        }
    }
}
