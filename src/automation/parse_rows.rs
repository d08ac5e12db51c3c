//! Reads what `append_rows` writes: the spreadsheet and its columns.

use super::fields::Fields;
use super::model::{ColumnTemplate, MAX_COLUMNS, RowsTemplate};
use super::parse_action::template_source;
use super::problem::Problem;
use super::render::{Escape, Renderer};

/// Characters of a spreadsheet's title or link, of a sheet's and of a column's name.
const LONGEST_PLACE: usize = 300;
const LONGEST_NAME: usize = 100;

pub(super) fn read(
    fields: &Fields<'_>,
    renderer: &Renderer,
    problems: &mut Vec<Problem>,
) -> Option<RowsTemplate> {
    let value = fields.get("rows")?;
    let rows = Fields::read(value, fields.at("rows"), &["spreadsheet", "sheet", "columns"], problems)?;
    let spreadsheet = rows.name("spreadsheet", LONGEST_PLACE, problems).map(str::to_owned);
    let sheet = match rows.get("sheet") {
        Some(_) => rows.name("sheet", LONGEST_NAME, problems).map(str::to_owned),
        None => None,
    };
    let columns = columns(&rows, renderer, problems);
    Some(RowsTemplate { spreadsheet: spreadsheet?, sheet, columns })
}

fn columns(rows: &Fields<'_>, renderer: &Renderer, problems: &mut Vec<Problem>) -> Vec<ColumnTemplate> {
    let mut columns = Vec::new();
    for (at, item) in rows.list("columns", MAX_COLUMNS, problems).iter().enumerate() {
        let pointer = format!("{}/{at}", rows.at("columns"));
        let Some(item) = Fields::read(item, pointer, &["name", "value", "number"], problems) else {
            continue;
        };
        let name = item.name("name", LONGEST_NAME, problems).map(str::to_owned);
        let value = template_source(&item, "value", Escape::Text, renderer, problems);
        if value.is_none() && item.get("value").is_none() {
            problems.push(item.required("value"));
        }
        let number = item.flag("number", false, problems);
        if let (Some(name), Some(value)) = (name, value) {
            columns.push(ColumnTemplate { name, value, number });
        }
    }
    if columns.is_empty()
        && rows.get("columns").is_none_or(|columns| columns.as_array().is_some_and(Vec::is_empty))
    {
        problems.push(rows.required("columns"));
    }
    columns
}
