//! Text rewritten with the letters that one septet can carry. A choice of the company, never made silently.

use std::borrow::Cow;

use super::segments::in_gsm;

/// Writes what GSM 03.38 lacks with what it has, where there is a usual way: `ğ` → `g`, `ı` → `i`, `’` → `'`.
/// What has no usual way, such as an emoji, stays.
pub fn to_gsm(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| in_gsm(c) || plain(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        match plain(c) {
            Some(plain) if !in_gsm(c) => result.push_str(plain),
            _ => result.push(c),
        }
    }
    Cow::Owned(result)
}

fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ç' => "c",
        'ğ' => "g",
        'Ğ' => "G",
        'ı' => "i",
        'İ' => "I",
        'ş' => "s",
        'Ş' => "S",
        'â' => "a",
        'Â' => "A",
        'î' => "i",
        'Î' => "I",
        'û' => "u",
        'Û' => "U",
        'ê' => "e",
        'ô' => "o",
        'á' => "a",
        'í' => "i",
        'ó' => "o",
        'ú' => "u",
        '‘' | '’' | '‚' | '′' | '´' | '`' => "'",
        '“' | '”' | '„' | '«' | '»' | '″' => "\"",
        '‐' | '‑' | '–' | '—' | '−' => "-",
        '…' => "...",
        '•' | '·' => "-",
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\t' => " ",
        '₺' => "TL",
        '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{feff}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_costs_more_is_rewritten() {
        assert_eq!(to_gsm("Ağaç, ışık, İş, ŞİŞ"), "Agac, isik, Is, SIS");
        assert_eq!(to_gsm("Ölçü, Üç: öÖüÜÇ"), "Ölcü, Üc: öÖüÜÇ");
        assert_eq!(to_gsm("Ali’nin “evi” – 5 ₺…"), "Ali'nin \"evi\" - 5 TL...");
        assert!(matches!(to_gsm("Merhaba 123"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn it_never_adds_what_gsm_lacks_and_settles_at_once(text in "\\PC{0,80}") {
            let once = to_gsm(&text);
            let added = |c: char| !in_gsm(c) && !text.contains(c);
            prop_assert!(!once.chars().any(added));
            prop_assert_eq!(to_gsm(&once).into_owned(), once.into_owned());
        }
    }
}
