//! Ready-made automations, one file each, in both languages. Long texts are lists of lines in the files.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::i18n::{Bilingual, Lang};

/// A ready-made automation. Serialises as `GET /api/automations/presets` shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preset {
    /// Stable and snake_case, such as `meeting_reminder_whatsapp`.
    pub id: String,
    pub name: Bilingual,
    pub description: Bilingual,
    definition: InBoth,
}

#[derive(Debug, Serialize, Deserialize)]
struct InBoth {
    tr: Value,
    en: Value,
}

impl Preset {
    /// The automation's JSON as `POST /api/automations` takes it, with texts in this language.
    pub const fn definition(&self, lang: Lang) -> &Value {
        match lang {
            Lang::Tr => &self.definition.tr,
            Lang::En => &self.definition.en,
        }
    }
}

macro_rules! files {
    ($($name:literal)+) => { [$(include_str!(concat!($name, ".json"))),+] };
}

const FILES: [&str; 9] = files! {
    "deal_created" "quote_created" "quote_sent" "invoice_created" "invoice_paid" "customer_updated"
    "meeting_reminder_whatsapp" "meeting_reminder_sms" "meeting_reminder_email"
};

/// Every preset, in the order people see them.
pub fn all() -> &'static [Preset] {
    static ALL: LazyLock<Vec<Preset>> = LazyLock::new(load);
    &ALL
}

/// Looks a preset up by its id.
pub fn find(id: &str) -> Option<&'static Preset> {
    all().iter().find(|preset| preset.id == id)
}

#[expect(clippy::expect_used, reason = "the embedded files are read by every test of this module")]
fn load() -> Vec<Preset> {
    let read = |file: &&str| {
        let mut preset: Preset = serde_json::from_str(file).expect("a preset file is readable");
        for definition in [&mut preset.definition.tr, &mut preset.definition.en] {
            definition["name"] = Value::Null;
            join_lines(definition);
        }
        preset.definition.tr["name"] = Value::from(preset.name.tr.as_str());
        preset.definition.en["name"] = Value::from(preset.name.en.as_str());
        preset
    };
    FILES.iter().map(read).collect()
}

/// Turns the lists of lines in `text` and `html` into texts.
fn join_lines(definition: &mut Value) {
    let actions = definition.get_mut("actions").and_then(Value::as_array_mut);
    for action in actions.into_iter().flatten() {
        for name in ["text", "html"] {
            if let Some(lines) = action.get(name).and_then(Value::as_array) {
                let text = lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
                action[name] = Value::from(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use santral_connectors::Operation;

    use super::*;
    use crate::automation::{CompanyContext, Definition, Renderer, Scope, timing};
    use crate::catalogue;

    /// Each preset in each language with what it renders from its trigger's sample.
    fn rendered() -> Vec<(String, Definition, Vec<Operation>)> {
        let renderer = Renderer::shared();
        let mut all_rendered = Vec::new();
        for (preset, lang) in all().iter().flat_map(|preset| [(preset, Lang::Tr), (preset, Lang::En)]) {
            let name = format!("{} {}", preset.id, lang.as_str());
            let parsed = Definition::parse(preset.definition(lang), renderer).expect(&name);
            assert_eq!(parsed.warnings, [], "{name}");
            let event = catalogue::find(&parsed.definition.trigger.event_type).unwrap().sample_event();
            let company = CompanyContext::new("Işık Aydınlatma", lang.as_str(), "Europe/Istanbul").unwrap();
            let scope = Scope::new(Arc::clone(event), Arc::new(company));
            assert_eq!(renderer.matches(parsed.definition.when.as_deref(), &scope), Ok(true), "{name}");
            let actions = parsed.definition.actions.iter();
            let operations = actions
                .map(|action| renderer.render_action(action, None, &scope).expect(&name).operation)
                .collect();
            all_rendered.push((name, parsed.definition, operations));
        }
        all_rendered
    }

    #[test]
    fn every_preset_is_a_good_automation_that_renders_its_sample() {
        assert_eq!(rendered().len(), FILES.len() * 2);
        assert!(find("quote_sent").is_some() && find("nosuch").is_none());
    }

    #[test]
    fn mails_have_both_forms_and_say_the_same() {
        for (name, _, operations) in rendered() {
            for operation in operations {
                let Operation::SendEmail(email) = operation else { continue };
                let (text, html) = (email.text.expect(&name), email.html.expect(&name));
                assert!(text.contains("Ayşe Yılmaz") && html.contains("Ayşe Yılmaz"), "{name}");
                assert!(text.contains("Işık Aydınlatma") && html.contains("Işık Aydınlatma"), "{name}");
                assert!(
                    html.starts_with("<p>") && html.matches("<p>").count() == html.matches("</p>").count(),
                    "{name}"
                );
                assert!(!text.contains('<') && !text.contains("\n\n\n"), "{name}: {text}");
            }
        }
    }

    #[test]
    fn short_messages_stay_short() {
        for (name, _, operations) in rendered() {
            for operation in operations {
                if let Operation::SendSms(sms) = operation {
                    // Three parts in the 16-bit alphabet (3GPP TS 23.038), which Turkish letters need.
                    assert!(sms.text.encode_utf16().count() <= 201, "{name}: {}", sms.text);
                }
            }
        }
    }

    #[test]
    fn the_quote_goes_out_by_sms_and_mail() {
        let (_, _, operations) = rendered().into_iter().find(|(name, ..)| name == "quote_sent tr").unwrap();
        let [Operation::SendEmail(email), Operation::SendSms(sms)] = &operations[..] else {
            panic!("{operations:?}")
        };
        assert_eq!(email.subject, "TKF-2026-114 numaralı teklifimiz");
        assert_eq!(email.attachments.len(), 1);
        assert!(email.text.as_ref().unwrap().contains("₺12.500,50"));
        assert!(email.text.as_ref().unwrap().contains("8 Aralık 2026 Salı"));
        assert_eq!(sms.to, "+905321234567");
    }

    #[test]
    fn a_missing_optional_value_leaves_no_hole() {
        let renderer = Renderer::shared();
        for preset in all() {
            let parsed = Definition::parse(preset.definition(Lang::Tr), renderer).unwrap();
            let known = catalogue::find(&parsed.definition.trigger.event_type).unwrap();
            let mut sample = known.sample.clone();
            for optional in [
                "/data/quote/valid_until",
                "/data/quote/amount",
                "/data/invoice/due_at",
                "/data/invoice/url",
                "/data/meeting/location",
                "/data/meeting/url",
                "/data/owner",
            ] {
                if let Some(value) = sample.pointer_mut(optional) {
                    *value = Value::Null;
                }
            }
            let event = crate::automation::Event::parse(sample.to_string().as_bytes()).unwrap();
            let scope = Scope::new(Arc::new(event), Arc::new(CompanyContext::sample()));
            for action in &parsed.definition.actions {
                let operation = renderer.render_action(action, None, &scope).expect(&preset.id).operation;
                let shown = serde_json::to_string(&operation).unwrap();
                assert!(!shown.contains("none") && !shown.contains(": \\n"), "{}: {shown}", preset.id);
            }
        }
    }

    #[test]
    fn reminders_move_and_end_with_their_meeting() {
        for (name, definition, _) in rendered().iter().filter(|(name, ..)| name.starts_with("meeting")) {
            let timing = definition.timing.as_ref().expect(name);
            assert_eq!(timing::effect(timing, "meeting.updated"), timing::Effect::Reschedule, "{name}");
            assert_eq!(timing::effect(timing, "meeting.cancelled"), timing::Effect::Cancel, "{name}");
        }
    }
}
