//! Upper and lower case with the Turkish dotted and dotless i.

use crate::i18n::Lang;

/// `istanbul` → `İSTANBUL` in Turkish, `ISTANBUL` in English.
pub fn upper(text: &str, lang: Lang) -> String {
    match lang {
        Lang::En => text.to_uppercase(),
        Lang::Tr => {
            let mut result = String::with_capacity(text.len() + 8);
            for c in text.chars() {
                push_upper(&mut result, c);
            }
            result
        }
    }
}

/// `IĞDIR` → `ığdır` in Turkish, `iğdir` in English.
pub fn lower(text: &str, lang: Lang) -> String {
    match lang {
        Lang::En => text.to_lowercase(),
        Lang::Tr => {
            let mut result = String::with_capacity(text.len());
            for c in text.chars() {
                push_lower(&mut result, c);
            }
            result
        }
    }
}

/// Each word with a capital first letter: `IŞIL inci` → `Işıl İnci` in Turkish.
pub fn title(text: &str, lang: Lang) -> String {
    let mut result = String::with_capacity(text.len() + 8);
    let mut inside_word = false;
    for c in text.chars() {
        match (lang, inside_word) {
            (Lang::Tr, false) => push_upper(&mut result, c),
            (Lang::Tr, true) => push_lower(&mut result, c),
            (Lang::En, false) => result.extend(c.to_uppercase()),
            (Lang::En, true) => result.extend(c.to_lowercase()),
        }
        // An apostrophe stays inside: Ankara'da.
        inside_word = c.is_alphanumeric() || (inside_word && matches!(c, '\'' | '’'));
    }
    result
}

/// The first letter upper case, the rest lower.
pub fn capitalize(text: &str, lang: Lang) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let mut result = upper(first.encode_utf8(&mut [0; 4]), lang);
    result.push_str(&lower(chars.as_str(), lang));
    result
}

fn push_upper(result: &mut String, c: char) {
    match c {
        'i' => result.push('İ'),
        'ı' => result.push('I'),
        c => result.extend(c.to_uppercase()),
    }
}

fn push_lower(result: &mut String, c: char) {
    match c {
        'İ' => result.push('i'),
        'I' => result.push('ı'),
        c => result.extend(c.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_and_dotless_i_keep_their_kind() {
        assert_eq!(upper("istanbul ılık", Lang::Tr), "İSTANBUL ILIK");
        assert_eq!(lower("İSTANBUL ILIK", Lang::Tr), "istanbul ılık");
        assert_eq!(title("IŞIL inci", Lang::Tr), "Işıl İnci");
        assert_eq!(title("ankara'da GÖRÜŞME-iptal", Lang::Tr), "Ankara'da Görüşme-İptal");
        assert_eq!(capitalize("izmir ISPARTA", Lang::Tr), "İzmir ısparta");
        assert_eq!(upper("istanbul", Lang::En), "ISTANBUL");
        assert_eq!(capitalize("", Lang::Tr), "");
    }
}
