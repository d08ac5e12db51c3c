//! The two languages people are spoken to in, and texts that exist in both.

use serde::{Deserialize, Serialize};

/// A language of the product. Turkish is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    #[default]
    Tr,
    En,
}

/// A text in both languages; serialised as `{"tr":…,"en":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bilingual {
    pub tr: String,
    pub en: String,
}

impl Bilingual {
    pub fn new(tr: impl Into<String>, en: impl Into<String>) -> Self {
        Self { tr: tr.into(), en: en.into() }
    }

    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Tr => &self.tr,
            Lang::En => &self.en,
        }
    }
}

impl Lang {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tr => "tr",
            Self::En => "en",
        }
    }

    /// The language of a BCP 47 tag such as `tr`, `tr-TR` or `en_US`, when it is one of ours.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("tr") {
            Some(Self::Tr)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }

    /// The best of ours for an `Accept-Language` header (RFC 9110 §12.5.4).
    ///
    /// Turkish where the header is absent or `*`; English where it asks only for languages that are not ours,
    /// because its reader more likely knows English.
    pub fn from_accept_language(header: Option<&str>) -> Self {
        let Some(header) = header.map(str::trim).filter(|header| !header.is_empty()) else {
            return Self::default();
        };
        let mut best = (0_u16, None);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, quality);
            let lang = if tag == "*" { Some(Self::default()) } else { Self::from_tag(tag) };
            if let Some(lang) = lang.filter(|_| weight > best.0) {
                best = (weight, Some(lang));
            }
        }
        best.1.unwrap_or(Self::En)
    }
}

/// A quality value in thousandths; what cannot be read counts as 0.
fn quality(text: &str) -> u16 {
    let value: f32 = text.trim().parse().unwrap_or(0.0);
    (value.clamp(0.0, 1.0) * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_wins() {
        for (header, expected) in [
            (None, Lang::Tr),
            (Some(""), Lang::Tr),
            (Some("*"), Lang::Tr),
            (Some("tr-TR,tr;q=0.9,en;q=0.8"), Lang::Tr),
            (Some("en-US,en;q=0.9,tr;q=0.8"), Lang::En),
            (Some("en;q=0.5, tr;q=0.7"), Lang::Tr),
            (Some("de-DE,de;q=0.9,en;q=0.1"), Lang::En),
            (Some("de-DE,tr;q=0.1"), Lang::Tr),
            (Some("ja"), Lang::En),
            (Some("tr;q=0,en;q=0.1"), Lang::En),
            (Some(";;q=,,=;*;q=NaN"), Lang::En),
        ] {
            assert_eq!(Lang::from_accept_language(header), expected, "{header:?}");
        }
    }
}
