//! Templates: compiled and rendered within limits, strict about variables, escaped where the result is HTML.

mod action;
mod compiled;
mod recipient;
mod vet;

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};

pub use self::action::{MessageTemplate, Rendered};
use self::compiled::Compiled;
pub use self::recipient::e164;
use self::vet::Kind;
use super::context::Scope;
use super::filters;
use super::problem::{Problem, excerpt};
use crate::i18n::Bilingual;

/// The longest template or condition, in bytes.
pub const MAX_SOURCE_BYTES: usize = 100 * 1024;
/// The largest result of one template, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;
/// Steps one rendering may take; memory it asks for counts too (one step per 64 bytes).
const FUEL: u64 = 50_000;

/// What the result of a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    Text,
    /// Values are escaped, the template's own markup is not.
    Html,
}

/// A template that cannot be compiled or rendered, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", detail.en)]
pub struct TemplateError {
    pub code: &'static str,
    pub detail: Bilingual,
}

/// Compiles and renders templates. Build one and share it.
#[derive(Debug)]
pub struct Renderer {
    /// Unknown variables are errors where they would be printed: a message must not go out with holes. To ask
    /// whether one is there (`{% if data.owner %}`) is fine.
    strict: Environment<'static>,
    /// What has been rendered before, ready to be rendered again.
    compiled: Compiled,
    /// Unknown variables are false: conditions ask about what may be missing.
    lenient: Environment<'static>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer {
    pub fn new() -> Self {
        let strict = environment(UndefinedBehavior::SemiStrict);
        Self {
            compiled: Compiled::new(strict.clone()),
            strict,
            lenient: environment(UndefinedBehavior::Chainable),
        }
    }

    /// One for the whole process, built at first use.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Renderer> = LazyLock::new(Renderer::new);
        &SHARED
    }

    /// Whether the source is a template: its syntax, and every filter, test and function it names, also in branches
    /// that a sample does not reach.
    ///
    /// # Errors
    /// `source_too_long`, `template_syntax`, `template_too_complex`, `recursive_loop`, `unknown_filter`, `unknown_test`,
    /// `unknown_function`.
    pub fn template(&self, source: &str, escape: Escape) -> Result<(), TemplateError> {
        check_length(source)?;
        vet::check_structure(&self.strict, source, Kind::Template)?;
        self.strict.template_from_named_str(escape.name(), source)?;
        vet::check_names(&self.strict, source, Kind::Template)
    }

    /// Whether the source is an expression, as a condition must be.
    ///
    /// # Errors
    /// As [`Self::template`].
    pub fn expression(&self, source: &str) -> Result<(), TemplateError> {
        check_length(source)?;
        vet::check_structure(&self.lenient, source, Kind::Expression)?;
        self.lenient.compile_expression(source)?;
        vet::check_names(&self.lenient, source, Kind::Expression)
    }

    /// The names such as `data.deal.amount` that an expression reads.
    pub(super) fn variables(&self, source: &str) -> Vec<String> {
        let Ok(expression) = self.lenient.compile_expression(source) else { return Vec::new() };
        let mut names: Vec<String> = expression.undeclared_variables(true).into_iter().collect();
        names.sort_unstable();
        names
    }

    /// Renders a source. Sources without template syntax cost a copy.
    ///
    /// # Errors
    /// `unknown_variable`, `template_too_costly`, `output_too_large`, `template_failed`, and those of
    /// [`Self::template`].
    pub fn render_str(&self, source: &str, escape: Escape, scope: &Scope) -> Result<String, TemplateError> {
        check_length(source)?;
        if !source.contains('{') {
            return Ok(source.to_owned());
        }
        let mut output = self.compiled.render(source, escape, scope)?;
        if output.len() > MAX_OUTPUT_BYTES {
            return Err(TemplateError::new(
                "output_too_large",
                format!("Sonuç {} KiB sınırını aşıyor.", MAX_OUTPUT_BYTES / 1024),
                format!("The result exceeds {} KiB.", MAX_OUTPUT_BYTES / 1024),
            ));
        }
        // A template can write NUL by an escape sequence; neither databases nor vendors take it.
        if output.as_bytes().contains(&0) {
            output.retain(|c| c != '\0');
        }
        Ok(output)
    }

    /// Evaluates an expression leniently.
    pub(super) fn evaluate(&self, source: &str, scope: &Scope) -> Result<Value, TemplateError> {
        check_length(source)?;
        vet::check_structure(&self.lenient, source, Kind::Expression)?;
        Ok(self.lenient.compile_expression(source)?.eval(scope.value())?)
    }
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    // So that errors name the undefined variable.
    environment.set_debug(true);
    environment.set_recursion_limit(50);
    environment.set_syntax(syntax());
    environment.set_auto_escape_callback(|name| {
        if name.starts_with(HTML) { AutoEscape::Html } else { AutoEscape::None }
    });
    // Nothing (`null`) prints as nothing, not as “none”.
    environment.set_formatter(|output, state, value| {
        escape_formatter(output, state, if value.is_none() { &Value::UNDEFINED } else { value })
    });
    for name in vet::REMOVED_FUNCTIONS {
        environment.remove_global(name);
    }
    for name in vet::REMOVED_FILTERS {
        environment.remove_filter(name);
    }
    filters::register(&mut environment);
    environment
}

fn check_length(source: &str) -> Result<(), TemplateError> {
    if source.len() <= MAX_SOURCE_BYTES {
        return Ok(());
    }
    Err(TemplateError::new(
        "source_too_long",
        format!("En fazla {} KiB olabilir.", MAX_SOURCE_BYTES / 1024),
        format!("It may have at most {} KiB.", MAX_SOURCE_BYTES / 1024),
    ))
}

/// How names of templates begin.
const TEXT: &str = "text:";
const HTML: &str = "html:";

impl Escape {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::Html => HTML,
        }
    }
}

impl TemplateError {
    pub(super) fn new(code: &'static str, tr: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, detail: Bilingual::new(tr, en) }
    }

    /// The same at its place in a document.
    pub fn at(self, pointer: impl Into<String>) -> Problem {
        Problem { pointer: pointer.into(), code: self.code, detail: self.detail }
    }
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        let (code, tr, en) = match error.kind() {
            ErrorKind::SyntaxError | ErrorKind::BadEscape => {
                ("template_syntax", "Yazım hatası", "Syntax error")
            }
            ErrorKind::UnknownFilter => ("unknown_filter", "Bilinmeyen süzgeç", "Unknown filter"),
            ErrorKind::UnknownTest => ("unknown_test", "Bilinmeyen sınama", "Unknown test"),
            ErrorKind::UnknownFunction => ("unknown_function", "Bilinmeyen işlev", "Unknown function"),
            ErrorKind::UnknownMethod => ("unknown_method", "Bilinmeyen yöntem", "Unknown method"),
            ErrorKind::UndefinedError => ("unknown_variable", "Bilinmeyen değişken", "Unknown variable"),
            ErrorKind::OutOfFuel => {
                ("template_too_costly", "Şablon çok fazla iş istiyor", "The template asks for too much work")
            }
            _ => ("template_failed", "Şablon işlenemedi", "The template could not be rendered"),
        };
        let detail = error.detail().map(|detail| format!(": {}", excerpt(detail))).unwrap_or_default();
        let (line_tr, line_en) = match error.line() {
            Some(line) => (format!(" ({line}. satır)"), format!(" (line {line})")),
            None => (String::new(), String::new()),
        };
        Self::new(code, format!("{tr}{detail}{line_tr}."), format!("{en}{detail}{line_en}."))
    }
}

/// A line that holds only a tag leaves no empty line in a message.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
    syntax.build().unwrap_or_default()
}

#[cfg(test)]
mod tests;
