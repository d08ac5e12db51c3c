//! Finding companies by what a person types: a part of the name or of the external id, whatever its letters' case and
//! dots.

use uuid::Uuid;

use crate::app::App;
use crate::db;
use crate::store::companies::{self, Company};

/// Companies that are read at once, and that one page looks at.
const BATCH: i64 = 500;
const MOST_BATCHES: usize = 20;

/// A part of the list.
#[derive(Debug)]
pub struct Found {
    pub companies: Vec<Company>,
    /// Where it goes on; there may be no more beyond it.
    pub next: Option<Uuid>,
}

/// At most `limit` companies after `after`, in the order of their creation, that match `text`.
///
/// # Errors
/// When the database cannot be read.
pub async fn search(app: &App, text: &str, after: Option<Uuid>, limit: usize) -> db::Result<Found> {
    let wanted = fold(text.trim());
    let matches = |company: &Company| {
        fold(&company.name).contains(&wanted)
            || company.external_id.as_deref().is_some_and(|id| fold(id).contains(&wanted))
    };
    let mut found = Vec::new();
    let mut after = after.unwrap_or(Uuid::nil());
    for _ in 0..MOST_BATCHES {
        let mut tx = app.db().system("search companies").read().await?;
        let batch = companies::list(&mut tx, after, None, BATCH).await?;
        drop(tx);
        let is_last = i64::try_from(batch.len()).is_ok_and(|read| read < BATCH);
        for company in batch {
            if found.len() == limit && matches(&company) {
                return Ok(Found { companies: found, next: Some(after) });
            }
            after = company.id;
            if matches(&company) {
                found.push(company);
            }
        }
        if is_last {
            return Ok(Found { companies: found, next: None });
        }
    }
    Ok(Found { companies: found, next: Some(after) })
}

/// Letters as a person who searches means them: `ı`, `I`, `İ` and `i` are one, and so are `ş` and `s`.
fn fold(text: &str) -> String {
    let plain = |c: char| match c {
        'ı' | 'I' | 'İ' => 'i',
        'ş' | 'Ş' => 's',
        'ç' | 'Ç' => 'c',
        'ğ' | 'Ğ' => 'g',
        'ö' | 'Ö' => 'o',
        'ü' | 'Ü' => 'u',
        other => other,
    };
    text.chars().map(plain).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_match_with_and_without_their_dots() {
        assert_eq!(fold("IŞIK İnşaat"), fold("ışık inşaat"));
        assert_eq!(fold("ÖZGÜÇ"), "ozguc");
        assert_eq!(fold("\u{0}ẞ"), "\u{0}ß");
    }
}
