//! Words as people type them, in capitals or not, with Turkish letters or without.

/// Lower case in plain ASCII letters: `İPTAL`, `iptal` and `ıptal` are the same word. Pure, and blind to locale.
pub fn fold(text: &str) -> String {
    text.trim()
        .chars()
        .filter_map(|c| match c {
            'İ' | 'I' | 'ı' | 'î' | 'Î' => Some('i'),
            'Ş' | 'ş' => Some('s'),
            'Ğ' | 'ğ' => Some('g'),
            'Ç' | 'ç' => Some('c'),
            'Ö' | 'ö' => Some('o'),
            'Ü' | 'ü' | 'û' | 'Û' => Some('u'),
            'â' | 'Â' => Some('a'),
            // The dot that lower-casing İ leaves behind.
            '\u{307}' => None,
            c => Some(c.to_ascii_lowercase()),
        })
        .collect()
}

/// The words by which a person wants no more messages. `RET`, `DUR` and `IPTAL` are what Turkish senders print.
const STOP: [&str; 9] = ["stop", "stopall", "unsubscribe", "cancel", "quit", "end", "ret", "dur", "iptal"];

/// Whether a reply asks for no more messages: the word stands first, as in `RET B021`.
pub fn refuses(reply: &str) -> bool {
    let folded = fold(reply);
    let mut words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    // A sentence that merely begins so is an answer, not a refusal.
    STOP.contains(&first) && words.count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_understood_in_every_spelling() {
        for reply in [
            "STOP",
            "stop",
            " Stop. ",
            "RET",
            "ret",
            "Ret B021",
            "DUR",
            "dur!",
            "İPTAL",
            "iptal",
            "ıptal",
            "IPTAL",
            "i\u{307}ptal",
            "unsubscribe",
            "İptal B002",
        ] {
            assert!(refuses(reply), "{reply:?}");
        }
    }

    #[test]
    fn other_replies_refuse_nothing() {
        for reply in [
            "",
            "  ",
            "Tamam",
            "durum nedir?",
            "iptale gerek yok",
            "retweet",
            "Dur bir dakika hemen geliyorum",
            "stopaj",
            "Teşekkürler, RET değil",
            "\u{0}",
            "🙂",
        ] {
            assert!(!refuses(reply), "{reply:?}");
        }
    }
}
