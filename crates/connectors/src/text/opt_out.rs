//! The one-word answers by which people end messages.

/// `RET` is the word that İYS knows; `STOP` and its kin are those of Twilio's default list.
const WORDS: [&str; 12] = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "RET",
    "RED",
    "DUR",
    "DURDUR",
    "IPTAL",
    "CIK",
];

/// Whether an inbound message says nothing but that its sender wants no more: `RET`, ` stop. `, `İptal`, `iptal!`.
pub fn is_opt_out(text: &str) -> bool {
    let word = text.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    // Longer texts are sentences; what a sentence wants is for people to read.
    if word.is_empty() || word.len() > 24 {
        return false;
    }
    let word: String = word.chars().flat_map(plain_capital).collect();
    WORDS.contains(&word.as_str())
}

/// Capitals without the dots of the Turkish i and the tails of its letters, so that every spelling is one.
fn plain_capital(c: char) -> impl Iterator<Item = char> {
    let c = match c {
        'ı' | 'İ' | 'i' => 'I',
        'ç' | 'Ç' => 'C',
        c => c,
    };
    // A combining dot above remains of `İ` in decomposed form.
    c.to_uppercase().filter(|c| *c != '\u{307}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn each_spelling_of_a_refusal_is_one(
        #[values(
            "RET",
            "ret",
            " Ret. ",
            "STOP",
            "stop!",
            "İPTAL",
            "iptal",
            "IPTAL",
            "ıptal",
            "i\u{307}ptal",
            "Dur",
            "ÇIK",
            "çık",
            "\nStop\r\n"
        )]
        text: &str,
    ) {
        assert!(is_opt_out(text), "{text:?}");
    }

    #[rstest]
    fn anything_else_is_a_message(
        #[values(
            "",
            " ",
            "...",
            "retro",
            "ret etmiyorum",
            "durum nedir",
            "STOP please",
            "evet",
            "\0STOPX",
            "STOPSTOPSTOPSTOPSTOPSTOPSTOP"
        )]
        text: &str,
    ) {
        assert!(!is_opt_out(text), "{text:?}");
    }
}
