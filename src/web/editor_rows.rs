//! The editor's part for an action that adds a row to a spreadsheet: which one, and what stands in its columns.

use std::collections::BTreeSet;

use maud::{Markup, html};
use santral_connectors::{OperationKind, REGISTRY};
use serde_json::{Map, Value, json};

use super::automation_parts::text;
use super::texts::t;
use super::visitor::{Fields, Visitor};
use crate::automation::model::MAX_COLUMNS;
use crate::ids::ConnectionId;

/// What an automation calls it.
pub(super) const OPERATION: &str = "append_rows";
/// Lines for further columns beneath those there are.
const SPARE: usize = 3;

/// Whether there is a provider that can do it.
pub(super) fn is_served() -> bool {
    REGISTRY.iter().any(|connector| connector.can(OperationKind::AppendRows))
}

/// A new one, to be filled in.
pub(super) fn blank() -> Value {
    json!({"operation": OPERATION, "rows": {"spreadsheet": "", "columns": []}})
}

/// The action that a filled-in form means; `made` is what the form has no field for.
pub(super) fn action(form: &Fields, index: usize, mut made: Map<String, Value>) -> Value {
    let field = |name: &str| form.get(&format!("actions.{index}.rows.{name}"));
    let columns = (0..MAX_COLUMNS).filter_map(|column| {
        let part = |name: &str| field(&format!("{column}.{name}"));
        let (name, value) = (part("name"), part("value"));
        if name.is_none() && value.is_none() {
            return None;
        }
        let mut made = json!({"name": name.unwrap_or_default(), "value": value.unwrap_or_default()});
        if part("number").is_some() {
            made["number"] = true.into();
        }
        Some(made)
    });
    let columns: Vec<Value> = columns.collect();
    let mut rows = json!({"spreadsheet": field("spreadsheet").unwrap_or_default(), "columns": columns});
    if let Some(sheet) = field("sheet") {
        rows["sheet"] = sheet.into();
    }
    for unused in ["channel", "kind"] {
        made.remove(unused);
    }
    made.insert("operation".to_owned(), OPERATION.into());
    made.insert("rows".to_owned(), rows);
    if let Some(connection) = form.get(&format!("actions.{index}.connection")) {
        made.insert("connection".to_owned(), connection.into());
    }
    Value::Object(made)
}

/// The fields; `places` are those of the event that cells can show.
pub(super) fn show(v: &Visitor, index: usize, action: &Value, places: &[String]) -> Markup {
    let rows = action.get("rows").cloned().unwrap_or_default();
    let columns = rows.get("columns").and_then(Value::as_array).cloned().unwrap_or_default();
    let lines = (columns.len() + SPARE).min(MAX_COLUMNS);
    let name = |part: &str| format!("actions.{index}.rows.{part}");
    let id = |part: &str| format!("a{index}-rows-{part}");
    let none = Value::Null;
    html! {
        input type="hidden" name="action" value=(index);
        input type="hidden" name=(format!("actions.{index}.operation")) value=(OPERATION);
        div.fgrid {
            (accounts(v, index, text(action, "connection")))
            div.field {
                label for=(id("spreadsheet")) { (t!(v, "rows-spreadsheet")) }
                input.in id=(id("spreadsheet")) name=(name("spreadsheet")) value=(text(&rows, "spreadsheet")) list=(id("known")) maxlength="300" autocomplete="off" dir="auto" aria-describedby=(id("help"));
                datalist id=(id("known")) { @for known in known(v) { option value=(known) {} } }
                p.hint id=(id("help")) { (t!(v, "rows-spreadsheet-help")) }
            }
            div.field {
                label for=(id("sheet")) { (t!(v, "rows-sheet")) small { (t!(v, "optional")) } }
                input.in id=(id("sheet")) name=(name("sheet")) value=(text(&rows, "sheet")) maxlength="100" autocomplete="off" dir="auto";
            }
        }
        div.tblw {
            table.tbl {
                caption.vh { (t!(v, "rows-columns")) }
                thead { tr {
                    th scope="col" { (t!(v, "rows-column")) }
                    th scope="col" { (t!(v, "rows-value")) }
                    th scope="col" { (t!(v, "rows-number")) }
                } }
                tbody {
                    @for line in 0..lines {
                        @let column = columns.get(line).unwrap_or(&none);
                        @let number = line as i64 + 1;
                        tr {
                            td { input.in.sm name=(name(&format!("{line}.name"))) value=(text(column, "name")) maxlength="100" autocomplete="off" dir="auto" aria-label=(t!(v, "rows-column-n", number = number)); }
                            td { input.in.sm.mono name=(name(&format!("{line}.value"))) value=(text(column, "value")) list=(id("places")) autocomplete="off" spellcheck="false" aria-label=(t!(v, "rows-value-n", number = number)); }
                            td { input type="checkbox" name=(name(&format!("{line}.number"))) value="true" checked[column.get("number") == Some(&Value::Bool(true))] aria-label=(t!(v, "rows-number-n", number = number)); }
                        }
                    }
                }
            }
        }
        datalist id=(id("places")) { @for place in places { option value=(format!("{{{{ {place} }}}}")) {} } }
        p.hint { (t!(v, "rows-help")) }
    }
}

/// The spreadsheets that the company's automations write to already.
fn known(v: &Visitor) -> BTreeSet<&str> {
    let actions = v.setup.automations.iter().flat_map(|automation| &automation.definition.actions);
    actions.filter_map(|action| Some(action.rows.as_ref()?.spreadsheet.as_str())).collect()
}

fn accounts(v: &Visitor, index: usize, current: &str) -> Markup {
    let serves = |provider: &str| {
        santral_connectors::find(provider).is_some_and(|connector| connector.can(OperationKind::AppendRows))
    };
    let id = format!("a{index}-connection");
    html! {
        div.field {
            label for=(id) { (t!(v, "account")) }
            select.sel id=(id) name=(format!("actions.{index}.connection")) {
                option value="" { (t!(v, "rows-any-account")) }
                @for connection in v.setup.connections.iter().filter(|connection| serves(&connection.provider)) {
                    @let own = ConnectionId(connection.id).to_string();
                    option value=(own) selected[own == current] { (connection.label) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_means_its_columns_and_empty_lines_mean_nothing() {
        let made = action(
            &Fields::of(&[
                ("actions.1.rows.spreadsheet", "Tahsilatlar"),
                ("actions.1.rows.0.name", "Fatura"),
                ("actions.1.rows.0.value", "{{ data.invoice.number }}"),
                ("actions.1.rows.1.name", " "),
                ("actions.1.rows.1.value", ""),
                ("actions.1.rows.1.number", "true"),
                ("actions.1.rows.2.name", "Tutar"),
                ("actions.1.rows.2.value", "{{ data.invoice.amount }}"),
                ("actions.1.rows.2.number", "true"),
                ("actions.0.rows.0.name", "of another action"),
            ]),
            1,
            json!({"channel": "email", "kind": "informational"}).as_object().cloned().unwrap_or_default(),
        );
        assert_eq!(
            made,
            json!({"operation": "append_rows", "rows": {"spreadsheet": "Tahsilatlar", "columns": [
                {"name": "Fatura", "value": "{{ data.invoice.number }}"},
                {"name": "Tutar", "value": "{{ data.invoice.amount }}", "number": true},
            ]}})
        );
    }

    #[test]
    fn a_blank_one_asks_for_everything() {
        let made = action(&Fields::of(&[]), 0, Map::new());
        assert_eq!(made["rows"], blank()["rows"]);
        assert!(is_served());
    }
}
