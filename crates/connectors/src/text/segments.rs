//! How many parts an SMS takes, by the vendor's way of counting.

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

/// Which of the two Turkish tables (3GPP TS 23.038, A.2.1 and A.3.1) is named in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurkishTable {
    /// The default alphabet stays; `ç ğ Ğ ı İ ş Ş` take two septets.
    SingleShift,
    /// The alphabet is replaced; Turkish letters take one septet.
    LockingShift,
}
