//! The accent colour of the page that frames these, or of the operator's choice: a small style sheet per colour, readable whatever the colour is.
//!
//! The colour is taken as it is where it can be told apart from the page, else moved towards black or white until it
//! can (WCAG 2.2: 4.5:1 for text, 3:1 for what is not text).

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::error::AppError;

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour([u8; 3]);

const WHITE: Colour = Colour([255, 255, 255]);
const BLACK: Colour = Colour([0, 0, 0]);
const TEXT: f64 = 4.5;
const SHAPE: f64 = 3.0;

/// One of the two themes: the colours of `static/app.css` that the accent stands on or beside.
struct Theme {
    surface: Colour,
    /// All that it stands on.
    grounds: [Colour; 3],
    /// Where it goes when it cannot be told apart.
    towards: Colour,
}

const LIGHT: Theme = Theme {
    surface: WHITE,
    grounds: [WHITE, Colour([0xf6, 0xf7, 0xf9]), Colour([0xf1, 0xf2, 0xf5])],
    towards: BLACK,
};
const DARK: Theme = Theme {
    surface: Colour([0x16, 0x18, 0x1e]),
    grounds: [Colour([0x16, 0x18, 0x1e]), Colour([0x0e, 0x10, 0x14]), Colour([0x1b, 0x1e, 0x25])],
    towards: WHITE,
};

/// What the style sheet sets, for one theme.
struct Shades {
    accent: Colour,
    hover: Colour,
    on: Colour,
    ink: Colour,
    soft: Colour,
    line: Colour,
}

impl Colour {
    fn parse(hex: &str) -> Option<Self> {
        let digits = hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u32::from_str_radix(hex, 16).ok()).flatten()?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0;
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    /// From 1, the same, to 21, black on white.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// A mixture with so many percent of the other colour.
    fn mixed(self, other: Self, percent: u16) -> Self {
        let channel = |own: u8, other: u8| {
            let sum = u16::from(own) * (100 - percent) + u16::from(other) * percent;
            u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
        };
        let ([r, g, b], [r2, g2, b2]) = (self.0, other.0);
        Self([channel(r, r2), channel(g, g2), channel(b, b2)])
    }

    /// The first shade on the way to `towards` that stands out from all grounds.
    fn readable(self, towards: Self, grounds: &[Self], least: f64) -> Self {
        let shades = (0..=100).step_by(4).map(|percent| self.mixed(towards, percent));
        let stands_out = |shade: &Self| grounds.iter().all(|ground| shade.contrast(*ground) >= least);
        shades.into_iter().find(stands_out).unwrap_or(towards)
    }

    fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Shades {
    fn of(colour: Colour, theme: &Theme) -> Self {
        let accent = colour.readable(theme.towards, &theme.grounds, SHAPE);
        // One of the two is always readable on it.
        let on = if WHITE.contrast(accent) >= TEXT { WHITE } else { BLACK };
        let hover = accent.mixed(if on == WHITE { BLACK } else { WHITE }, 14);
        let soft = theme.surface.mixed(accent, 10);
        let [first, second, third] = theme.grounds;
        let ink = accent.readable(theme.towards, &[first, second, third, soft], TEXT);
        Self { accent, hover, on, ink, soft, line: theme.surface.mixed(accent, 30) }
    }
}

/// The address of a colour's style sheet, below the server's own.
pub(super) fn address(hex: &str) -> String {
    format!("/a/accent/{hex}.css")
}

pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let colour = file.strip_suffix(".css").and_then(Colour::parse);
    let Some(colour) = colour else { return AppError::not_found().into_response() };
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, sheet(colour)).into_response()
}

/// Set outside the layers of `app.css`, so that it wins.
fn sheet(colour: Colour) -> String {
    let (light, dark) = (Shades::of(colour, &LIGHT), Shades::of(colour, &DARK));
    let tokens = [
        ("accent", light.accent, dark.accent),
        ("accent-h", light.hover, dark.hover),
        ("on-accent", light.on, dark.on),
        ("accent-ink", light.ink, dark.ink),
        ("accent-soft", light.soft, dark.soft),
        ("accent-line", light.line, dark.line),
    ];
    let set =
        tokens.map(|(name, light, dark)| format!("--{name}:light-dark({},{})", light.css(), dark.css()));
    format!(":root{{{}}}\n", set.join(";"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 0.01);
        let grey = Colour::parse("777777").unwrap();
        assert!((grey.contrast(WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn only_six_hexadecimal_digits_are_a_colour() {
        assert_eq!(Colour::parse("2a4Fd0"), Some(Colour([0x2a, 0x4f, 0xd0])));
        for other in
            ["", "fff", "#2a4fd0", "2a4fd0ff", "2a4fd", "+a4fd0", "2a4fdş", "red", "}*{}", "\u{0}\u{0}"]
        {
            assert_eq!(Colour::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_colour_that_is_readable_stays_the_hosts_own() {
        let sheet = sheet(Colour::parse("0a7d4f").unwrap());
        assert!(sheet.starts_with(":root{--accent:light-dark(#0a7d4f,"), "{sheet}");
        assert!(sheet.contains("--on-accent:light-dark(#ffffff,"), "{sheet}");
    }

    proptest! {
        #[test]
        fn whatever_the_colour_it_can_be_read(rgb in any::<[u8; 3]>()) {
            for theme in [&LIGHT, &DARK] {
                let shades = Shades::of(Colour(rgb), theme);
                prop_assert!(shades.on.contrast(shades.accent) >= TEXT);
                prop_assert!(shades.on.contrast(shades.hover) >= TEXT);
                prop_assert!(shades.ink.contrast(shades.soft) >= TEXT);
                for ground in theme.grounds {
                    prop_assert!(shades.ink.contrast(ground) >= TEXT);
                    prop_assert!(shades.accent.contrast(ground) >= SHAPE);
                }
            }
        }
    }
}
