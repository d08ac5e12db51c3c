//! Scopes for tests.

use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{CompanyContext, Scope};
use super::event::Event;

/// An event with this data, seen by a company that speaks `locale`.
pub fn scope_with(locale: &str, data: &Value) -> Scope {
    let event = json!({"specversion": "1.0", "id": "e-1", "source": "crm", "type": "deal.created",
        "subject": "deal/7", "time": "2026-11-24T10:00:00Z", "data": data});
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    let company = CompanyContext::new("Örnek Ticaret A.Ş.", locale, "Europe/Istanbul").unwrap();
    Scope::new(Arc::new(event), Arc::new(company))
}
