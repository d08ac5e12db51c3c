//! How many parts an SMS takes, by the vendor's way of counting. An estimate: the bill is the vendor's report.
//!
//! Alphabets: 3GPP TS 23.038 §6.2.1 (default), its extension table, A.2.1 (Turkish single shift) and A.3.1 (Turkish
//! locking shift).

use serde::{Deserialize, Serialize};

/// How a vendor counts. A size is in units: septets for the 7-bit alphabets, UTF-16 code units for UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentProfile {
    /// The plain GSM 03.38 alphabet.
    pub gsm: Sizes,
    /// The Turkish national tables; `None` where the vendor sends one Turkish letter as UCS-2.
    pub turkish: Option<Turkish>,
    pub ucs2: Sizes,
    /// Units that the operator's own ending takes from the text as a whole: ` B021` is 5.
    pub suffix: u16,
    /// More parts than this are refused; 0: no such limit known.
    pub max_parts: u16,
}

/// Units in a message of one part, and in each part of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub single: u16,
    pub multi: u16,
}

/// How a vendor carries Turkish letters in 7 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turkish {
    pub sizes: Sizes,
    pub table: TurkishTable,
}

/// Which of the two Turkish tables is named in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurkishTable {
    /// The default alphabet stays; `ç ğ Ğ ı İ ş Ş` take two septets.
    SingleShift,
    /// The alphabet is replaced; Turkish letters take one septet.
    LockingShift,
}

/// What a text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    pub encoding: Encoding,
    pub parts: usize,
    /// Units of the text itself.
    pub used: usize,
    /// Units that still fit into the last part.
    pub left: usize,
    /// Units that the operator's ending takes.
    pub suffix: usize,
    /// More parts than the vendor takes.
    pub too_long: bool,
}

/// The alphabet a text needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    Gsm,
    Turkish,
    Ucs2,
}

/// International vendors: no national tables, no ending.
pub static INTERNATIONAL: SegmentProfile = SegmentProfile {
    gsm: Sizes { single: 160, multi: 153 },
    turkish: None,
    ucs2: Sizes { single: 70, multi: 67 },
    suffix: 0,
    max_parts: 0,
};

/// Turkish gateways: one national table, parts numbered by 16 bits (152, 148, 66), ` Bxxx` at the end.
pub const fn turkish_gateway(max_parts: u16) -> SegmentProfile {
    SegmentProfile {
        gsm: Sizes { single: 160, multi: 152 },
        turkish: Some(Turkish { sizes: Sizes { single: 155, multi: 148 }, table: TurkishTable::SingleShift }),
        ucs2: Sizes { single: 70, multi: 66 },
        suffix: 5,
        max_parts,
    }
}

/// Septets of a character in each alphabet, 0 where it is missing: default, single shift, locking shift.
#[derive(Clone, Copy, Default)]
struct Cost {
    gsm: u8,
    single: u8,
    locking: u8,
}

const fn same(septets: u8) -> Cost {
    Cost { gsm: septets, single: septets, locking: septets }
}

static ASCII: [Cost; 128] = ascii();

const fn ascii() -> [Cost; 128] {
    let mut table = [same(1); 128];
    let mut index = 0;
    while index < 128 {
        table[index] = match index as u8 {
            b'\n' | b'\r' => same(1),
            // Form feed has a place in the extension table.
            0x0c => same(2),
            b'^' | b'{' | b'}' | b'\\' | b'[' | b'~' | b']' | b'|' => same(2),
            b'`' | 0..=0x1f | 0x7f => same(0),
            _ => same(1),
        };
        index += 1;
    }
    table
}

fn cost(c: char) -> Cost {
    if let Some(cost) = ASCII.get(c as usize) {
        return *cost;
    }
    match c {
        '£' | '¥' | 'é' | 'ù' | 'ò' | 'Ç' | 'Å' | 'å' | 'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ'
        | 'Θ' | 'Ξ' | 'ß' | 'É' | '¤' | 'Ä' | 'Ö' | 'Ñ' | 'Ü' | '§' | 'ä' | 'ö' | 'ñ' | 'ü' | 'à' => {
            same(1)
        }
        // Their places are taken by Turkish letters in the locking table.
        'è' | 'ì' | 'Ø' | 'ø' | 'Æ' | 'æ' | '¡' | '¿' => Cost { gsm: 1, single: 1, locking: 0 },
        '€' => Cost { gsm: 2, single: 2, locking: 1 },
        'ç' | 'ğ' | 'Ğ' | 'ı' | 'İ' | 'ş' | 'Ş' => Cost { gsm: 0, single: 2, locking: 1 },
        _ => same(0),
    }
}

/// Whether GSM 03.38 with its extension table has this character.
pub fn in_gsm(c: char) -> bool {
    cost(c).gsm > 0
}

/// Units of the whole text by alphabet; `None` where a character is missing.
#[derive(Default)]
struct Totals {
    gsm: usize,
    turkish: usize,
    ucs2: usize,
    gsm_lacks: bool,
    turkish_lacks: bool,
}

impl SegmentProfile {
    /// Counts one text. One pass; a second one only where the text has several parts.
    pub fn count(&self, text: &str) -> Segments {
        let totals = self.totals(text);
        match self.turkish {
            _ if !totals.gsm_lacks => self.divide(Encoding::Gsm, self.gsm, totals.gsm, text),
            Some(turkish) if !totals.turkish_lacks => {
                self.divide(Encoding::Turkish, turkish.sizes, totals.turkish, text)
            }
            _ => self.divide(Encoding::Ucs2, self.ucs2, totals.ucs2, text),
        }
    }

    fn totals(&self, text: &str) -> Totals {
        let locking = matches!(self.turkish, Some(Turkish { table: TurkishTable::LockingShift, .. }));
        let mut totals = Totals::default();
        for c in text.chars() {
            let cost = cost(c);
            let turkish = if locking { cost.locking } else { cost.single };
            totals.gsm += usize::from(cost.gsm);
            totals.gsm_lacks |= cost.gsm == 0;
            totals.turkish += usize::from(turkish);
            totals.turkish_lacks |= turkish == 0;
            totals.ucs2 += c.len_utf16();
        }
        totals
    }

    fn divide(&self, encoding: Encoding, sizes: Sizes, used: usize, text: &str) -> Segments {
        let suffix = usize::from(self.suffix);
        let (single, multi) = (usize::from(sizes.single), usize::from(sizes.multi));
        let (parts, left) = if used + suffix <= single {
            (1, single - used - suffix)
        } else {
            let (mut parts, mut filled) = (1, 0);
            let endings = std::iter::repeat_n(1, suffix);
            for units in text.chars().map(|c| self.units(encoding, c)).chain(endings) {
                // Neither an escaped character nor a surrogate pair is torn apart.
                if filled + units > multi {
                    parts += 1;
                    filled = 0;
                }
                filled += units;
            }
            (parts, multi.saturating_sub(filled))
        };
        let too_long = self.max_parts > 0 && parts > usize::from(self.max_parts);
        Segments { encoding, parts, used, left, suffix, too_long }
    }

    fn units(&self, encoding: Encoding, c: char) -> usize {
        match (encoding, self.turkish) {
            (Encoding::Gsm, _) => cost(c).gsm.into(),
            (Encoding::Turkish, Some(Turkish { table: TurkishTable::LockingShift, .. })) => {
                cost(c).locking.into()
            }
            (Encoding::Turkish, _) => cost(c).single.into(),
            (Encoding::Ucs2, _) => c.len_utf16(),
        }
    }
}

#[cfg(test)]
mod tests;
