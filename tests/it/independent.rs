//! Numbers and parts of SMS, held against implementations by others: Google's rules in Python (`phonenumbers`) and
//! Twilio's own calculator (`sms-segments-calculator`). The inputs look random and are the same every time.

use santral::automation::render::e164;
use santral_connectors::text::segments::{Encoding, INTERNATIONAL, SegmentProfile, Sizes, turkish_gateway};
use serde_json::{Value, json};

use crate::support::peers::Peer;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(below).unwrap()).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    fn text(&mut self, letters: &[char], length: usize) -> String {
        (0..length).map(|_| self.pick(letters)).collect()
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

async fn ask(peer: &mut Peer, input: &Value) -> Vec<Value> {
    peer.say(input);
    peer.fact().await["items"].as_array().unwrap().clone()
}

/// A number as somebody may have typed it: mostly Turkish, of every kind, well spelt or not.
fn number(dice: &mut Dice) -> (String, &'static str) {
    const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
    const STARTS: [&str; 24] = [
        "530", "532", "533", "535", "541", "542", "545", "551", "555", "561", "501", "510", "592", "212",
        "216", "312", "322", "392", "444", "800", "850", "888", "900", "120",
    ];
    const ABROAD: [&str; 14] =
        ["49", "44", "1", "33", "31", "994", "357", "7", "971", "359", "30", "380", "98", "964"];
    let region = dice.pick(&["TR", "TR", "TR", "TR", "DE", "GB", "US"]);
    let national = if dice.roll(4) == 0 {
        let length = 5 + dice.roll(8);
        dice.text(&DIGITS, length)
    } else {
        let rest = if dice.roll(10) == 0 { 5 + dice.roll(4) } else { 7 };
        format!("{}{}", dice.pick(&STARTS), dice.text(&DIGITS, rest))
    };
    let prefix = match dice.roll(10) {
        0 => "+90".to_owned(),
        1 => "0090".to_owned(),
        2 => "90".to_owned(),
        3 => "+90 0".to_owned(),
        4 => format!("+{}", dice.pick(&ABROAD)),
        5 => format!("00{}", dice.pick(&ABROAD)),
        6 => String::new(),
        _ => "0".to_owned(),
    };
    (spelt(dice, &prefix, &national), region)
}

fn spelt(dice: &mut Dice, prefix: &str, national: &str) -> String {
    let between = dice.pick(&["", "", " ", "-", ".", "/", "\u{a0}", "  "]);
    let mut text = prefix.to_owned();
    let bracketed = dice.roll(6) == 0;
    for (place, digit) in national.chars().enumerate() {
        match place {
            0 if bracketed => text.push('('),
            3 if bracketed => text.push_str(") "),
            3 | 6 | 8 => text.push_str(between),
            _ => {}
        }
        text.push(digit);
    }
    match dice.roll(30) {
        0 => text.push_str(" dahili 12"),
        1 => text.insert(0, ' '),
        2 => text.push('x'),
        3 => text = text.replace('0', "o"),
        4 => text.push_str(" ext. 5"),
        5 | 6 => {
            let (from, to) = (
                letters("0123456789"),
                letters(dice.pick(&["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９"])),
            );
            let swapped = |c| from.iter().position(|digit| *digit == c).map_or(c, |place| to[place]);
            text = text.chars().map(swapped).collect();
        }
        _ => {}
    }
    text
}

#[tokio::test]
async fn numbers_are_read_as_googles_rules_have_it() {
    let mut peer = Peer::python("phones.py");
    let mut dice = Dice(1);
    let (mut good, mut differences) = (0, Vec::new());
    for _ in 0..10 {
        let typed: Vec<_> = (0..1_000).map(|_| number(&mut dice)).collect();
        let theirs = ask(&mut peer, &json!(typed)).await;
        assert_eq!(theirs.len(), typed.len());
        for ((text, region), theirs) in typed.iter().zip(&theirs) {
            let ours = e164(text, region);
            // Rules of our own: nothing beyond E.164's fifteen digits, and no text of more than forty bytes.
            let theirs = theirs.as_str().filter(|number| number.len() <= 16 && text.len() <= 40);
            good += usize::from(ours.is_some());
            if ours.as_deref() != theirs {
                differences.push(format!("{text:?} in {region}: {ours:?}, not {theirs:?}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ: {:#?}",
        differences.len(),
        &differences[..differences.len().min(20)]
    );
    assert!((3_000..9_000).contains(&good), "{good} of 10,000 were numbers: the inputs say too little");
}

/// A text of a few letters or of several parts, from one alphabet or from several.
fn message(dice: &mut Dice, alphabets: &[Vec<char>]) -> String {
    let length = match dice.roll(3) {
        0 => dice.roll(20),
        1 => 60 + dice.roll(110),
        _ => dice.roll(900),
    };
    let mut letters = alphabets[0].clone();
    for alphabet in &alphabets[1..] {
        if dice.roll(3) == 0 {
            letters.extend(alphabet);
        }
    }
    dice.text(&letters, length)
}

const PLAIN: &str = "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

#[tokio::test]
async fn parts_are_counted_as_twilios_own_calculator_counts() {
    let alphabets = [PLAIN, "^{}\\[~]|€", "çğĞıİşŞ", "😀🙂漢字—“”"].map(letters);
    let mut peer = Peer::start("segments.mjs", &[]);
    let mut dice = Dice(2);
    let (mut differences, mut seen) = (Vec::new(), [0, 0]);
    for _ in 0..10 {
        let texts: Vec<_> = (0..500).map(|_| message(&mut dice, &alphabets)).collect();
        let theirs = ask(&mut peer, &json!(texts)).await;
        assert_eq!(theirs.len(), texts.len());
        for (text, theirs) in texts.iter().zip(&theirs) {
            let ours = INTERNATIONAL.count(text);
            let encoding = if ours.encoding == Encoding::Gsm { "GSM-7" } else { "UCS-2" };
            seen[usize::from(ours.encoding == Encoding::Gsm)] += 1;
            let told = json!({"encoding": encoding, "parts": ours.parts, "units": ours.used});
            if told != *theirs {
                differences.push(format!("{text:?}: {told}, not {theirs}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ: {:#?}",
        differences.len(),
        &differences[..differences.len().min(5)]
    );
    assert!(seen.iter().all(|texts| *texts > 500), "{seen:?}: the inputs say too little");
}

/// Nobody publishes a counter for the Turkish tables. Written as plain letters, though, each Turkish letter takes as many
/// septets as an escaped character does, and those Twilio's calculator counts.
#[tokio::test]
async fn turkish_letters_are_counted_as_escaped_characters_are() {
    let alphabets = [PLAIN, "^{}\\[~]|€", "çğĞıİşŞ"].map(letters);
    // As the gateway, but with the places of a plain message and no ending, so that the two can be compared.
    let gateway = turkish_gateway(0);
    let plain = Sizes { single: 160, multi: 153 };
    let turkish = gateway
        .turkish
        .map(|turkish| santral_connectors::text::segments::Turkish { sizes: plain, ..turkish });
    let profile = SegmentProfile { gsm: plain, turkish, suffix: 0, ..gateway };
    let mut peer = Peer::start("segments.mjs", &[]);
    let mut dice = Dice(3);
    let texts: Vec<_> = (0..2_000).map(|_| message(&mut dice, &alphabets)).collect();
    let escaped: Vec<String> = texts
        .iter()
        .map(|text| text.chars().map(|c| if "çğĞıİşŞ".contains(c) { '€' } else { c }).collect())
        .collect();
    let theirs = ask(&mut peer, &json!(escaped)).await;
    let mut turkish = 0;
    for (text, theirs) in texts.iter().zip(&theirs) {
        let ours = profile.count(text);
        turkish += usize::from(ours.encoding == Encoding::Turkish);
        assert_eq!(json!([ours.parts, ours.used]), json!([theirs["parts"], theirs["units"]]), "{text:?}");
    }
    assert!(turkish > 500, "{turkish} texts had Turkish letters");
}
