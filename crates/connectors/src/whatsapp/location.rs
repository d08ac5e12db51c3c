//! The place on a map that a template's header shows.

/// The four places of such a header: Meta wants all of them.
pub const LOCATION: [&str; 4] =
    ["location.latitude", "location.longitude", "location.name", "location.address"];

/// Characters of a coordinate: a sign, three digits, a point and more decimals than any map has.
const DIGITS_MAX: usize = 24;

/// What is wrong with the value of one of [`LOCATION`]'s places; `None` when nothing is, or for another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// Not a decimal number with a point.
    NoNumber,
    /// Further north, south, east or west than there is.
    OutOfRange,
}

/// Looks at a coordinate before it is sent: Meta takes a wrong one and fails the message later.
pub fn misplaced(place: &str, value: &str) -> Option<Misplaced> {
    let most = match place {
        "location.latitude" => 90.0,
        "location.longitude" => 180.0,
        _ => return None,
    };
    let value = value.trim();
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if value.len() > DIGITS_MAX || !digits(whole) || !digits(decimals) {
        return Some(Misplaced::NoNumber);
    }
    match value.parse::<f64>() {
        Ok(degrees) if degrees.abs() <= most => None,
        Ok(_) => Some(Misplaced::OutOfRange),
        Err(_) => Some(Misplaced::NoNumber),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("location.latitude", "41.0082", None)]
    #[case("location.latitude", " -90 ", None)]
    #[case("location.latitude", "90.0001", Some(Misplaced::OutOfRange))]
    #[case("location.longitude", "-180.0", None)]
    #[case("location.longitude", "181", Some(Misplaced::OutOfRange))]
    #[case("location.latitude", "41,0082", Some(Misplaced::NoNumber))]
    #[case("location.latitude", "41°", Some(Misplaced::NoNumber))]
    #[case("location.latitude", "NaN", Some(Misplaced::NoNumber))]
    #[case("location.latitude", "1e1", Some(Misplaced::NoNumber))]
    #[case("location.latitude", "+41", Some(Misplaced::NoNumber))]
    #[case("location.latitude", ".5", Some(Misplaced::NoNumber))]
    #[case("location.latitude", "", Some(Misplaced::NoNumber))]
    #[case("location.latitude", "41.00820000000000000000000001", Some(Misplaced::NoNumber))]
    #[case("location.name", "41,0082", None)]
    fn a_coordinate_is_a_plain_decimal_number(
        #[case] place: &str,
        #[case] value: &str,
        #[case] expected: Option<Misplaced>,
    ) {
        assert_eq!(misplaced(place, value), expected);
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_judged(value in ".{0,40}") {
            misplaced("location.latitude", &value);
        }

        #[test]
        fn every_place_on_earth_is_one(latitude in -90.0_f64..=90.0, longitude in -180.0_f64..=180.0) {
            prop_assert_eq!(misplaced("location.latitude", &format!("{latitude:.6}")), None);
            prop_assert_eq!(misplaced("location.longitude", &format!("{longitude:.6}")), None);
        }
    }
}
