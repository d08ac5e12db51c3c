//! Whether an event is meant: the condition of an automation.

use super::context::Scope;
use super::problem::RenderError;
use super::render::Renderer;

impl Renderer {
    /// Evaluates `when` over `data`, `event` and `company`. What is missing or null is false, at any depth.
    ///
    /// # Errors
    /// When the expression cannot be evaluated, such as a search inside a number.
    pub fn matches(&self, when: Option<&str>, scope: &Scope) -> Result<bool, RenderError> {
        let Some(when) = when else { return Ok(true) };
        let value = self.evaluate(when, scope).or_else(|error| match error.code {
            // The engine looks into what is missing and finds nothing, but refuses to look into null.
            "template_failed" => self.evaluate(when, &scope.without_nulls()).map_err(|_| error),
            _ => Err(error),
        });
        value.map(|value| value.is_true()).map_err(|error| error.at("/when"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::testing::scope_with;
    use super::*;

    #[rstest]
    #[case("data.customer.whatsapp_ok", true)]
    #[case("not data.customer.whatsapp_ok", false)]
    #[case("data.customer.email", false)]
    #[case("data.customer.nothing", false)]
    #[case("data.no.such.thing", false)]
    #[case("not data.no.such.thing", true)]
    #[case("'phone' in data.changed", true)]
    #[case("'email' in data.changed", false)]
    #[case("'phone' in data.missing", false)]
    #[case("'phone' in data.customer.nothing", false)]
    #[case("'phone' not in data.customer.nothing", true)]
    #[case("data.deal.amount >= 10000", true)]
    #[case("data.deal.amount > 10000 and data.deal.currency == 'TRY'", true)]
    #[case("data.missing.amount > 10000", false)]
    #[case("data.missing.amount == 10000", false)]
    #[case("data.deal.title|lower == 'ışıklı tabela'", true)]
    #[case("event.type == 'deal.created' and event.source == 'crm' and event.subject == 'deal/7'", true)]
    #[case("company.locale == 'tr'", true)]
    #[case("data.changed|length > 1", true)]
    #[case("data.customer.tags is defined", false)]
    #[case("data.missing|money", false)]
    #[case("''", false)]
    fn conditions_decide(#[case] when: &str, #[case] expected: bool) {
        let data = json!({
            "customer": {"whatsapp_ok": true, "email": "", "nothing": null},
            "deal": {"amount": 12500.5, "currency": "TRY", "title": "IŞIKLI Tabela"},
            "changed": ["phone", "name"],
        });
        assert_eq!(Renderer::new().matches(Some(when), &scope_with("tr", &data)), Ok(expected), "{when}");
    }

    #[test]
    fn no_condition_means_always() {
        assert_eq!(Renderer::new().matches(None, &scope_with("tr", &json!({}))), Ok(true));
    }

    #[rstest]
    #[case("1 in data.deal.amount", "template_failed")]
    #[case("range(100000000)|list", "template_failed")]
    #[case("(('A' * 50000) * 50000)", "template_too_costly")]
    #[case("data ==", "template_syntax")]
    fn conditions_that_cannot_be_evaluated_are_errors(#[case] when: &str, #[case] code: &str) {
        let scope = scope_with("tr", &json!({"deal": {"amount": 5}}));
        let error = Renderer::new().matches(Some(when), &scope).unwrap_err();
        assert_eq!((error.pointer.as_str(), error.code), ("/when", code));
    }
}
