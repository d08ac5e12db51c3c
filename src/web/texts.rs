//! What the pages say: Fluent messages in Turkish and English, compiled into the binary.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::langid;

use super::format::number;
use crate::i18n::Lang;

type Bundle = FluentBundle<FluentResource>;

const TURKISH: &str = include_str!("locales/tr.ftl");
const ENGLISH: &str = include_str!("locales/en.ftl");

static BUNDLES: LazyLock<[Bundle; 2]> = LazyLock::new(|| [bundle(Lang::Tr), bundle(Lang::En)]);

fn bundle(lang: Lang) -> Bundle {
    let (id, source) = match lang {
        Lang::Tr => (langid!("tr"), TURKISH),
        Lang::En => (langid!("en"), ENGLISH),
    };
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(partly, errors)| {
        tracing::error!(?errors, ?lang, "the texts of the pages are not readable");
        partly
    });
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // Names from outside stand in their own `bdi`, numbers and dates need no isolation.
    bundle.set_use_isolating(false);
    let format: fn(&FluentValue<'_>, &_) -> Option<String> = match lang {
        Lang::Tr => |value, _| whole(value, Lang::Tr),
        Lang::En => |value, _| whole(value, Lang::En),
    };
    bundle.set_formatter(Some(format));
    if let Err(errors) = bundle.add_resource(resource) {
        tracing::error!(?errors, ?lang, "a text of the pages stands there twice");
    }
    bundle
}

/// Numbers within texts are grouped as the language groups them.
fn whole(value: &FluentValue<'_>, lang: Lang) -> Option<String> {
    match value {
        FluentValue::Number(value) => Some(number(value.value as i64, lang)),
        _ => None,
    }
}

/// A text by its key; see [`t!`](crate::web::t).
pub(super) fn say(lang: Lang, key: &str, given: &[(&'static str, FluentValue<'_>)]) -> String {
    let [turkish, english] = &*BUNDLES;
    let bundle = match lang {
        Lang::Tr => turkish,
        Lang::En => english,
    };
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        tracing::error!(key, ?lang, "a text of the pages is missing");
        return key.to_owned();
    };
    let args: FluentArgs<'_> = given.iter().map(|(name, value)| (*name, value.clone())).collect();
    let mut errors = Vec::new();
    bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned()
}

/// Says a text of the pages: `t!(v, "nav-overview")`, `t!(v, "tasks-done", count = 3)`.
macro_rules! t {
    ($who:expr, $key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::web::texts::say($who.lang, $key, &[$((stringify!($name), ::fluent_bundle::FluentValue::from($value))),*])
    };
}
pub(super) use t;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    /// Each message's key with the arguments it takes.
    fn messages(source: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        let mut last = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| !key.starts_with(' ')) {
                last = key.to_owned();
                assert!(found.insert(last.clone(), BTreeSet::new()).is_none(), "{key} stands there twice");
            }
            let args = line.split('$').skip(1).map(|rest| {
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
            });
            found.entry(last.clone()).or_default().extend(args);
        }
        found.remove("");
        found
    }

    fn sources(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, all);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("texts.rs") {
                all.push_str(&std::fs::read_to_string(path).expect("readable"));
            }
        }
    }

    /// The keys that the pages' code says, by `t!(…, "key"`.
    fn said() -> BTreeSet<String> {
        let mut all = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut all);
        let calls = all.match_indices("t!(").filter(|(at, _)| {
            // Not the end of another macro's name, such as `assert!(`.
            !all[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        });
        calls
            .filter_map(|(at, _)| {
                let (_, rest) = all[at..].split_once('(')?;
                let (_, rest) = rest.split_once(',')?;
                let rest = rest.trim_start().strip_prefix('"')?;
                rest.split_once('"').map(|(key, _)| key.to_owned())
            })
            .collect()
    }

    #[test]
    fn both_languages_have_every_text_with_the_same_arguments() {
        let (turkish, english) = (messages(TURKISH), messages(ENGLISH));
        for (key, args) in &turkish {
            assert_eq!(english.get(key), Some(args), "{key}");
        }
        assert_eq!(turkish.len(), english.len());
        for (source, lang) in [(TURKISH, Lang::Tr), (ENGLISH, Lang::En)] {
            assert!(FluentResource::try_new(source.to_owned()).is_ok(), "{lang:?}");
        }
    }

    #[test]
    fn every_text_that_is_said_exists_and_none_is_idle() {
        let (known, said) = (messages(TURKISH), said());
        let missing: Vec<_> = said.iter().filter(|key| !known.contains_key(*key)).collect();
        let idle: Vec<_> = known.keys().filter(|key| !said.contains(*key)).collect();
        assert!(missing.is_empty() && idle.is_empty(), "missing {missing:?}, idle {idle:?}");
    }

    #[test]
    fn turkish_texts_are_turkish() {
        for line in TURKISH.lines().filter(|line| !line.starts_with('#')) {
            let text = line.split_once('=').map_or(line, |(_, text)| text).to_lowercase();
            for word in ["lütfen", "hata oluştu", "event", "delivery", "template", "retry", "e-mail"] {
                assert!(!text.contains(word), "{line}");
            }
        }
    }
}
