//! Text into HTML, and the few shapes that pages share.

use std::fmt::{self, Display, Formatter, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Lang;

/// Text from outside, safe within elements and double-quoted attributes.
pub(super) struct Safe<'a>(pub(super) &'a str);

impl Display for Safe<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Controls, and the marks that turn the direction of what follows.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char('\u{fffd}')?,
                c if c.is_control() && !matches!(c, '\r' | '\n' | '\t') => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A `<time>` element in the zone of the machine.
pub(super) fn time(micros: i64, lang: Lang) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let shown = at.to_zoned_datetime(TimeZone::system());
    let format = lang.pick("%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S");
    format!(r#"<time datetime="{at}">{}</time>"#, shown.strftime(format))
}

/// `812 B`, `14 KB`, `2,5 MB`.
pub(super) fn size(bytes: usize, lang: Lang) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KB", bytes.div_ceil(1_024)),
        _ => {
            let tenths = bytes / 104_858;
            format!("{}{}{} MB", tenths / 10, lang.pick(",", "."), tenths % 10)
        }
    }
}

/// A name for `Content-Disposition` by RFC 6266 and RFC 8187; nothing of it reaches the header unescaped.
pub(super) fn disposition(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

/// Line icons, 24 by 24; drawn by hand after the common outline style.
pub(super) fn icon(name: &str) -> String {
    let paths = match name {
        "mail" => {
            r#"<path d="M4 5h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z"/><path d="m3 7 9 6 9-6"/>"#
        }
        "flask" => {
            r#"<path d="M9 3h6M10 3v6l-5 10a1.4 1.4 0 0 0 1.2 2h11.6a1.4 1.4 0 0 0 1.2-2L14 9V3M7.5 15h9"/>"#
        }
        "hook" => r#"<path d="M5 12h10M11 8l4 4-4 4M15 4h3a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-3"/>"#,
        "file" => r#"<path d="M14 3v5h5M6 3h8l5 5v12a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1z"/>"#,
        "lock" => r#"<path d="M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3"/>"#,
        "dial" => {
            r#"<path d="M4 8h9M17 8h3M4 16h3M11 16h9"/><circle cx="15" cy="8" r="2"/><circle cx="9" cy="16" r="2"/>"#
        }
        "phone" => r#"<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M11 17.500h2"/>"#,
        "clip" => {
            r#"<path d="m15 7-6.5 6.5a1.5 1.5 0 0 0 3 3L18 10a3 3 0 0 0-6-6l-6.500 6.500a4.500 4.500 0 0 0 9 9L21 13"/>"#
        }
        "back" => r#"<path d="m14 6-6 6 6 6"/>"#,
        _ => "",
    };
    format!(r#"<svg class="i" viewBox="0 0 24 24" aria-hidden="true">{paths}</svg>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_leave_neither_an_element_nor_an_attribute() {
        let hostile = "</title><script>alert(\"1\")</script>' onload='x\u{202e}\0";
        let safe = Safe(hostile).to_string();
        assert!(!safe.contains(['<', '>', '"', '\'', '\0', '\u{202e}']), "{safe}");
    }

    #[test]
    fn lines_and_tabs_stay_as_they_are() {
        assert_eq!(Safe("a\r\n\tb").to_string(), "a\r\n\tb");
    }

    #[test]
    fn a_file_name_can_not_forge_a_header() {
        assert_eq!(disposition("a\r\nX: y\".pdf"), "attachment; filename*=UTF-8''a%0D%0AX%3A%20y%22.pdf");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(812, Lang::Tr), "812 B");
        assert_eq!(size(1_025, Lang::Tr), "2 KB");
        assert_eq!(size(2_621_440, Lang::Tr), "2,4 MB");
    }
}
