//! From columns and an event to a row of a spreadsheet.

use santral_connectors::Operation;
use santral_connectors::operation::{AppendRows, Cell};
use url::Url;

use super::action::Rendered;
use super::{Escape, Renderer};
use crate::automation::context::Scope;
use crate::automation::model::Action;
use crate::automation::problem::{Problem, RenderError};

impl Renderer {
    pub(super) fn rows(&self, action: &Action, scope: &Scope) -> Result<Rendered, RenderError> {
        let rows = action.rows.as_ref().ok_or_else(|| {
            Problem::new("/rows", "content_missing", "Yazılacak satır yok.", "There is no row to write.")
        })?;
        let mut row = Vec::with_capacity(rows.columns.len());
        for (at, column) in rows.columns.iter().enumerate() {
            let text = self.render_str(&column.value, Escape::Text, scope);
            let text = text.map_err(|error| error.at(format!("/rows/columns/{at}/value")))?;
            row.push(cell(text, column.number));
        }
        let operation = AppendRows {
            spreadsheet: spreadsheet_id(&rows.spreadsheet),
            title: rows.spreadsheet.clone(),
            sheet: rows.sheet.clone(),
            columns: rows.columns.iter().map(|column| column.name.clone()).collect(),
            rows: vec![row],
        };
        Ok(Rendered { to: Some(rows.spreadsheet.clone()), operation: Operation::AppendRows(operation) })
    }
}

/// A number where one is wanted and it is one; what it is not stays as it was said.
fn cell(text: String, number: bool) -> Cell {
    let value = number.then(|| text.trim().parse::<serde_json::Number>().ok()).flatten();
    value.map_or(Cell::String(text), Cell::Number)
}

/// The id in a link (`https://docs.google.com/spreadsheets/d/<id>/edit`), or the text itself when it is one.
fn spreadsheet_id(text: &str) -> Option<String> {
    let is_id = |id: &str| {
        (25..=120).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let text = text.trim();
    if is_id(text) {
        return Some(text.to_owned());
    }
    let url = Url::parse(text).ok().filter(|url| url.host_str() == Some("docs.google.com"))?;
    let mut parts = url.path_segments()?.skip_while(|part| *part != "d");
    parts.next();
    parts.next().filter(|id| is_id(id)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_an_id_name_a_spreadsheet_and_a_title_does_not() {
        let id = "1aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_abc";
        assert_eq!(spreadsheet_id(id).as_deref(), Some(id));
        let link = format!("https://docs.google.com/spreadsheets/d/{id}/edit?gid=0#gid=0");
        assert_eq!(spreadsheet_id(&link).as_deref(), Some(id));
        for title in ["Faturalar", "Faturalar 2026", "https://attacker.example/spreadsheets/d/x", "d/x", ""] {
            assert_eq!(spreadsheet_id(title), None, "{title}");
        }
    }

    #[test]
    fn only_what_is_wanted_as_a_number_and_is_one_becomes_one() {
        assert_eq!(cell("12.5".to_owned(), true), serde_json::json!(12.5));
        assert_eq!(cell("0532".to_owned(), true), serde_json::json!("0532"));
        assert_eq!(cell("12.5".to_owned(), false), serde_json::json!("12.5"));
        assert_eq!(cell("=1+1".to_owned(), true), serde_json::json!("=1+1"));
    }
}
