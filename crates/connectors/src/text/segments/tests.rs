use proptest::prelude::*;
use rstest::rstest;

use super::*;

static GATEWAY: SegmentProfile = turkish_gateway(6);

fn parts(profile: &SegmentProfile, text: &str) -> (Encoding, usize, usize) {
    let segments = profile.count(text);
    (segments.encoding, segments.parts, segments.left)
}

#[rstest]
#[case("", (Encoding::Gsm, 1, 160))]
#[case(&"a".repeat(160), (Encoding::Gsm, 1, 0))]
#[case(&"a".repeat(161), (Encoding::Gsm, 2, 145))]
#[case(&"a".repeat(306), (Encoding::Gsm, 2, 0))]
#[case(&"a".repeat(307), (Encoding::Gsm, 3, 152))]
#[case("öÖüÜÇ@£$", (Encoding::Gsm, 1, 152))]
#[case("€[]", (Encoding::Gsm, 1, 154))]
#[case(&"€".repeat(80), (Encoding::Gsm, 1, 0))]
#[case("ç", (Encoding::Ucs2, 1, 69))]
#[case("`", (Encoding::Ucs2, 1, 69))]
#[case(&"ğ".repeat(70), (Encoding::Ucs2, 1, 0))]
#[case(&"ğ".repeat(71), (Encoding::Ucs2, 2, 63))]
#[case(&"😀".repeat(35), (Encoding::Ucs2, 1, 0))]
// 33 pairs fill 66 of 67 units: the 34th begins the next part whole.
#[case(&"😀".repeat(67), (Encoding::Ucs2, 3, 65))]
// 76 escaped characters fill 152 of 153 septets.
#[case(&"€".repeat(153), (Encoding::Gsm, 3, 151))]
fn international_vendors_count_as_gsm_or_ucs2(
    #[case] text: &str,
    #[case] expected: (Encoding, usize, usize),
) {
    assert_eq!(parts(&INTERNATIONAL, text), expected);
}

#[rstest]
#[case(&"a".repeat(155), (Encoding::Gsm, 1, 0))]
#[case(&"a".repeat(156), (Encoding::Gsm, 2, 143))]
#[case(&"ö".repeat(150), (Encoding::Gsm, 1, 5))]
#[case(&"ş".repeat(75), (Encoding::Turkish, 1, 0))]
#[case(&"ş".repeat(76), (Encoding::Turkish, 2, 139))]
#[case("Siparişiniz hazır", (Encoding::Turkish, 1, 131))]
#[case(&"😀".repeat(32), (Encoding::Ucs2, 1, 1))]
#[case(&"😀".repeat(33), (Encoding::Ucs2, 2, 61))]
fn turkish_gateways_count_their_ending_and_turkish_letters(
    #[case] text: &str,
    #[case] expected: (Encoding, usize, usize),
) {
    assert_eq!(parts(&GATEWAY, text), expected);
}

#[test]
fn the_vendors_own_limits_are_kept() {
    // 6 × 148 − 5 and 6 × 66 − 5, as the vendor's page has them.
    let turkish = format!("ş{}", "a".repeat(881));
    assert!(!GATEWAY.count(&turkish).too_long);
    assert!(GATEWAY.count(&format!("{turkish}a")).too_long);
    let unicode = format!("😀{}", "a".repeat(389));
    assert!(!GATEWAY.count(&unicode).too_long);
    assert!(GATEWAY.count(&format!("{unicode}a")).too_long);
}

#[test]
fn a_locking_table_has_turkish_letters_for_one_septet_and_lacks_others() {
    let turkish = Turkish { sizes: Sizes { single: 155, multi: 149 }, table: TurkishTable::LockingShift };
    let profile = SegmentProfile { turkish: Some(turkish), ..INTERNATIONAL };
    assert_eq!(parts(&profile, &"ş".repeat(155)), (Encoding::Turkish, 1, 0));
    assert_eq!(parts(&profile, "ş€"), (Encoding::Turkish, 1, 153));
    assert_eq!(profile.count("şø").encoding, Encoding::Ucs2);
    assert_eq!(profile.count("ø").encoding, Encoding::Gsm);
}

/// The slow way: the parts themselves, made greedily.
fn made(profile: &SegmentProfile, text: &str) -> usize {
    let segments = profile.count(text);
    let sizes = match segments.encoding {
        Encoding::Gsm => profile.gsm,
        Encoding::Turkish => profile.turkish.unwrap().sizes,
        Encoding::Ucs2 => profile.ucs2,
    };
    let whole = format!("{text}{}", "B".repeat(segments.suffix));
    let units = |part: &str| match segments.encoding {
        Encoding::Ucs2 => part.encode_utf16().count(),
        Encoding::Gsm => part.chars().map(|c| if "^{}\\[~]|€\u{c}".contains(c) { 2 } else { 1 }).sum(),
        Encoding::Turkish => {
            part.chars().map(|c| if "^{}\\[~]|€\u{c}çğĞıİşŞ".contains(c) { 2 } else { 1 }).sum::<usize>()
        }
    };
    if units(&whole) <= usize::from(sizes.single) {
        return 1;
    }
    let mut made: Vec<String> = vec![String::new()];
    for c in whole.chars() {
        let last = made.last_mut().unwrap();
        let mut longer = last.clone();
        longer.push(c);
        if units(&longer) <= usize::from(sizes.multi) {
            *last = longer;
        } else {
            made.push(c.to_string());
        }
    }
    made.len()
}

proptest! {
    #[test]
    fn counting_agrees_with_cutting(text in "[a-zA-Z0-9 çğşıİöü€\\[\\]😀\\n]{0,700}") {
        for profile in [&INTERNATIONAL, &GATEWAY] {
            prop_assert_eq!(profile.count(&text).parts, made(profile, &text));
        }
    }

    #[test]
    fn a_longer_text_never_takes_fewer_parts(text in "\\PC{0,300}", more in "\\PC{1,20}") {
        for profile in [&INTERNATIONAL, &GATEWAY] {
            let (short, long) = (profile.count(&text), profile.count(&format!("{text}{more}")));
            prop_assert!(long.parts >= short.parts);
        }
    }
}
