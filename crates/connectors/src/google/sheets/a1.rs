//! A1 notation: columns by letters, rows by numbers, sheets in quotes.

/// `0` is `A`, `26` is `AA`.
pub(super) fn column(index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index + 1;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or(0);
        letters.push(char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// Column and row, both from zero.
pub(super) fn cell(index: usize, row: u64) -> String {
    format!("{}{}", column(index), row + 1)
}

/// The sheet's name in front of a range, its apostrophes doubled.
pub(super) fn prefix(sheet: &str) -> String {
    format!("'{}'!", sheet.replace('\'', "''"))
}

/// From one cell to another, both (column, row) from zero.
pub(super) fn range(sheet: &str, from: (usize, u64), to: (usize, u64)) -> String {
    format!("{}{}:{}", prefix(sheet), cell(from.0, from.1), cell(to.0, to.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_letters() {
        for (index, letters) in
            [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")]
        {
            assert_eq!(column(index), letters);
        }
        assert_eq!(range("Ali'nin", (0, 0), (2, 9)), "'Ali''nin'!A1:C10");
    }
}
