//! The filters templates have beyond MiniJinja's own: money, dates, phone numbers and Turkish letters.

use jiff::tz::TimeZone;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use rlibphonenumber::{PhoneNumber, PhoneNumberFormat};

use super::context::CompanyContext;
use super::decimal::{self, Decimal};
use super::letters;
use super::moment::{self, Length, Moment};
use super::problem::excerpt;
use super::tree;
use crate::i18n::Lang;

/// The most digits after the dot that `number` shows.
const MAX_PLACES: usize = 20;

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("money", money);
    environment.add_filter("number", number);
    environment.add_filter("date", date);
    environment.add_filter("time", time);
    environment.add_filter("datetime", date_time);
    environment.add_filter("phone", phone);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_filter("tr_upper", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::upper(&text(state, value)?, Lang::Tr))
    });
    environment.add_filter("tr_lower", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::lower(&text(state, value)?, Lang::Tr))
    });
    environment.add_filter("tr_title", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::title(&text(state, value)?, Lang::Tr))
    });
    environment.add_filter("upper", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::upper(&text(state, value)?, lang(state)))
    });
    environment.add_filter("lower", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::lower(&text(state, value)?, lang(state)))
    });
    environment.add_filter("title", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::title(&text(state, value)?, lang(state)))
    });
    environment.add_filter("capitalize", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(letters::capitalize(&text(state, value)?, lang(state)))
    });
}

/// A scalar as text. Nothing (`null`) is the empty text; undefined is whatever the environment makes of it.
fn text(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    match value.kind() {
        // Asking for its printed form is how a strict environment names the variable.
        ValueKind::Undefined => state.format(value.clone()),
        ValueKind::None => Ok(String::new()),
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(value.to_string()),
        kind => Err(invalid(format!("expected text or a number, not a {kind}"))),
    }
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// Applies to the company in scope; a template that hides it behind its own variable gets the defaults.
fn with_company<T>(state: &State<'_, '_>, read: impl FnOnce(Option<&CompanyContext>) -> T) -> T {
    let company = state.lookup("company");
    read(company.as_ref().and_then(Value::downcast_object_ref))
}

fn lang(state: &State<'_, '_>) -> Lang {
    with_company(state, |company| company.map(CompanyContext::lang).unwrap_or_default())
}

fn zone(state: &State<'_, '_>) -> TimeZone {
    with_company(state, |company| company.map_or(TimeZone::UTC, |company| company.zone().clone()))
}

fn decimal(state: &mut State<'_, '_>, value: &Value) -> Result<Option<Decimal>, Error> {
    let text = text(state, value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let decimal = if value.is_number() && !value.is_integer() {
        f64::try_from(value.clone()).ok().and_then(Decimal::from_f64)
    } else {
        Decimal::parse(&text)
    };
    decimal.map(Some).ok_or_else(|| invalid(format!("“{}” is not a decimal number", excerpt(&text))))
}

/// `{{ 12500|money("TRY") }}` → `₺12.500,00`
fn money(state: &mut State<'_, '_>, value: &Value, currency: Option<String>) -> Result<String, Error> {
    let currency = currency.unwrap_or_else(|| "TRY".to_owned()).to_ascii_uppercase();
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(invalid(format!("“{}” is not a currency code (ISO 4217)", excerpt(&currency))));
    }
    let amount = decimal(state, value)?;
    Ok(amount.map(|amount| decimal::money(&amount, &currency, lang(state))).unwrap_or_default())
}

/// `{{ 1234.5|number }}` → `1.234,5`; `{{ 1234.5|number(2) }}` → `1.234,50`
fn number(state: &mut State<'_, '_>, value: &Value, places: Option<usize>) -> Result<String, Error> {
    let Some(mut amount) = decimal(state, value)? else { return Ok(String::new()) };
    if let Some(places) = places {
        amount = amount.round(places.min(MAX_PLACES));
    }
    let sign = if amount.is_negative() { "-" } else { "" };
    Ok(format!("{sign}{}", amount.grouped(lang(state))))
}

fn form(name: Option<&str>) -> Result<Length, Error> {
    match name {
        None | Some("long") => Ok(Length::Long),
        Some("short") => Ok(Length::Short),
        Some(other) => Err(invalid(format!("“{}” is no format; use “short” or “long”", excerpt(other)))),
    }
}

fn moment(state: &mut State<'_, '_>, value: &Value) -> Result<Option<jiff::ZonedDateTime>, Error> {
    let text = text(state, value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let moment = Moment::parse(&text).and_then(|moment| moment.at(&zone(state), 0));
    moment.map(Some).ok_or_else(|| invalid(format!("“{}” is no date or time", excerpt(&text))))
}

/// `{{ "2026-11-24"|date }}` → `24 Kasım 2026 Salı`
fn date(state: &mut State<'_, '_>, value: &Value, format: Option<String>) -> Result<String, Error> {
    let length = form(format.as_deref())?;
    let at = moment(state, value)?;
    Ok(at.map(|at| moment::date(at.date(), lang(state), length)).unwrap_or_default())
}

/// `{{ "2026-11-24T11:30:00Z"|time }}` → `14:30`
fn time(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    Ok(moment(state, value)?.map(|at| moment::time(&at)).unwrap_or_default())
}

/// `{{ "2026-11-24T11:30:00Z"|datetime }}` → `24 Kasım 2026 Salı 14:30`
fn date_time(state: &mut State<'_, '_>, value: &Value, format: Option<String>) -> Result<String, Error> {
    let length = form(format.as_deref())?;
    let at = moment(state, value)?;
    Ok(at.map(|at| moment::date_time(&at, lang(state), length)).unwrap_or_default())
}

/// `{{ "+905321234567"|phone }}` → `0532 123 45 67`; what is no phone number stays as it is.
fn phone(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    let text = text(state, value)?;
    let number =
        with_company(state, |company| parse_phone(&text, company.map_or("TR", CompanyContext::region)));
    Ok(match number {
        Some(number) if number.country_code == 90 => {
            number.format_as(PhoneNumberFormat::National).into_owned()
        }
        Some(number) => number.format_as(PhoneNumberFormat::International).into_owned(),
        None => text,
    })
}

/// The number of items, keys or characters.
fn length(state: &mut State<'_, '_>, value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        text(state, value)?;
        return Ok(0);
    }
    let length = tree::length(value).or_else(|| value.len());
    length.ok_or_else(|| invalid(format!("a {} has no length", value.kind())))
}

/// A valid number; national forms are read as of `region` (ISO 3166).
pub(super) fn parse_phone(text: &str, region: &str) -> Option<PhoneNumber> {
    // Longer texts are no numbers, whatever they hold.
    if text.len() > 40 {
        return None;
    }
    let region = region.to_ascii_uppercase().parse().ok();
    PhoneNumber::parse(text, region).ok().filter(PhoneNumber::is_valid)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::render::{Escape, Renderer};
    use super::super::testing::scope_with;

    #[rstest]
    #[case("{{ data.amount|money('TRY') }}", "₺12.500,50", "₺12,500.50")]
    #[case("{{ data.amount|money }}", "₺12.500,50", "₺12,500.50")]
    #[case("{{ data.exact|money('USD') }}", "$12.345.678.901.234.567,89", "$12,345,678,901,234,567.89")]
    #[case("{{ -3|money('CHF') }}", "-CHF\u{a0}3,00", "-CHF\u{a0}3.00")]
    #[case("{{ data.nothing|money('TRY') }}", "", "")]
    #[case("{{ data.amount|number }}", "12.500,5", "12,500.5")]
    #[case("{{ data.amount|number(0) }}", "12.501", "12,501")]
    #[case("{{ data.at|date }}", "24 Kasım 2026 Salı", "Tuesday, 24 November 2026")]
    #[case("{{ data.at|date('short') }}", "24.11.2026", "24 Nov 2026")]
    #[case("{{ data.at|time }}", "14:30", "14:30")]
    #[case("{{ data.at|datetime }}", "24 Kasım 2026 Salı 14:30", "Tuesday, 24 November 2026, 14:30")]
    #[case("{{ data.day|date('short') }}", "01.12.2026", "1 Dec 2026")]
    #[case("{{ data.phone|phone }}", "0532 123 45 67", "0532 123 45 67")]
    #[case("{{ '+442079460958'|phone }}", "+44 20 7946 0958", "+44 20 7946 0958")]
    #[case("{{ 'dahili 12'|phone }}", "dahili 12", "dahili 12")]
    #[case("{{ 'istanbul'|upper }}", "İSTANBUL", "ISTANBUL")]
    #[case("{{ 'IŞIK'|lower }}", "ışık", "işik")]
    #[case("{{ 'IŞIL inci'|title }}", "Işıl İnci", "Işil Inci")]
    #[case("{{ 'izmir'|capitalize }}", "İzmir", "Izmir")]
    #[case(
        "{{ 'istanbul'|tr_upper }} {{ 'ILIK'|tr_lower }} {{ 'ışık inci'|tr_title }}",
        "İSTANBUL ılık Işık İnci",
        "İSTANBUL ılık Işık İnci"
    )]
    #[case("{{ data.nothing|upper }}", "", "")]
    fn filters_speak_the_language_of_the_company(#[case] source: &str, #[case] tr: &str, #[case] en: &str) {
        let data = json!({"amount": 12500.5, "exact": "12345678901234567.89", "nothing": null,
            "at": "2026-11-24T11:30:00Z", "day": "2026-12-01", "phone": "+905321234567"});
        let renderer = Renderer::new();
        for (locale, expected) in [("tr", tr), ("en", en)] {
            let scope = scope_with(locale, &data);
            assert_eq!(renderer.render_str(source, Escape::Text, &scope).unwrap(), expected, "{locale}");
        }
    }

    #[rstest]
    #[case("{{ 'abc'|money('TRY') }}")]
    #[case("{{ 5|money('<b>') }}")]
    #[case("{{ data|money }}")]
    #[case("{{ true|number }}")]
    #[case("{{ 'yarın'|date }}")]
    #[case("{{ '2026-12-01'|date('strange') }}")]
    #[case("{{ [1]|upper }}")]
    fn values_a_filter_cannot_use_are_errors(#[case] source: &str) {
        let scope = scope_with("tr", &json!({}));
        assert_eq!(
            Renderer::new().render_str(source, Escape::Text, &scope).unwrap_err().code,
            "template_failed"
        );
    }

    #[test]
    fn an_undefined_value_is_named_through_a_filter() {
        let scope = scope_with("tr", &json!({"deal": {}}));
        let error =
            Renderer::new().render_str("{{ data.deal.amount|money }}", Escape::Text, &scope).unwrap_err();
        assert_eq!(error.code, "unknown_variable");
        assert!(error.detail.en.contains("data.deal.amount"), "{}", error.detail.en);
    }
}
