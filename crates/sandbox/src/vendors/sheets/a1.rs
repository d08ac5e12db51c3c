//! A1 notation: `'Sheet'!A1:C10`, `'Sheet'!C5:C`.

use serde_json::Value;

/// A range, its cells counted from zero as (column, row).
#[derive(Debug)]
pub(super) struct Range {
    pub(super) text: String,
    pub(super) sheet: String,
    pub(super) first: (usize, usize),
    /// The last column, and the last row where there is one.
    last: (usize, Option<usize>),
}

impl Range {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("Unable to parse range: {text}");
        let (sheet, cells) = text.rsplit_once('!').ok_or_else(bad)?;
        let sheet = sheet.strip_prefix('\'').and_then(|sheet| sheet.strip_suffix('\'')).ok_or_else(bad)?;
        let (from, to) = cells.split_once(':').ok_or_else(bad)?;
        let (column, row) = cell(from).ok_or_else(bad)?;
        let (last_column, last_row) = cell(to).ok_or_else(bad)?;
        Ok(Self {
            text: text.to_owned(),
            sheet: sheet.replace("''", "'"),
            first: (column, row.ok_or_else(bad)?),
            last: (last_column, last_row),
        })
    }

    /// The filled cells within, without what is empty at the end.
    pub(super) fn cells(&self, all: &[Vec<Value>]) -> Vec<Vec<Value>> {
        let until = self.last.1.map_or(all.len(), |row| (row + 1).min(all.len()));
        let rows = all.get(self.first.1.min(until)..until).unwrap_or_default();
        let mut cells: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| {
                let width = row.len().min(self.last.0 + 1);
                row.get(self.first.0.min(width)..width).unwrap_or_default().to_vec()
            })
            .collect();
        while cells.last().is_some_and(|row| row.iter().all(|cell| cell == "")) {
            cells.pop();
        }
        cells
    }
}

fn cell(text: &str) -> Option<(usize, Option<usize>)> {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.get(letters.len()..)?;
    if letters.is_empty() || letters.len() > 3 || !letters.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let column = letters.bytes().fold(0, |sum, letter| sum * 26 + usize::from(letter - b'A') + 1) - 1;
    let row = match digits {
        "" => None,
        digits => Some(digits.parse::<usize>().ok()?.checked_sub(1)?),
    };
    Some((column, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let range = Range::parse("'Ali''nin'!B2:AA10").expect("a good range");
        assert_eq!((range.sheet.as_str(), range.first, range.last), ("Ali'nin", (1, 1), (26, Some(9))));
        assert_eq!(Range::parse("'x'!C5:C").expect("open").last, (2, None));
        for bad in ["A1", "'x'!A1", "x!A1:B2", "'x'!1:2", "'x'!A0:B1", "'x'!a1:b1", ""] {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }
}
