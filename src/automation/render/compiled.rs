//! Templates that were vetted and compiled once, kept by their source: the same few are rendered for every event.

use std::sync::{PoisonError, RwLock};

use minijinja::Environment;

use super::vet::{self, Kind};
use super::{Escape, TemplateError};
use crate::automation::context::Scope;

/// Sources kept, in bytes in all; when they are more, all are let go. Compiled, they take about five times that.
const CAPACITY: usize = 2 << 20;

#[derive(Debug)]
pub(super) struct Compiled(RwLock<Kept>);

#[derive(Debug)]
struct Kept {
    /// Each template's name is how it escapes and its source.
    environment: Environment<'static>,
    bytes: usize,
}

impl Compiled {
    pub(super) fn new(environment: Environment<'static>) -> Self {
        Self(RwLock::new(Kept { environment, bytes: 0 }))
    }

    /// Renders a source, vetting and compiling it if it is not known.
    pub(super) fn render(
        &self,
        source: &str,
        escape: Escape,
        scope: &Scope,
    ) -> Result<String, TemplateError> {
        let name = [escape.name(), source].concat();
        if let Some(rendered) = self.render_kept(&name, scope) {
            return rendered;
        }
        self.keep(name.clone(), source)?;
        // It can be gone again only if others have filled the room meanwhile.
        self.render_kept(&name, scope).unwrap_or_else(|| {
            let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
            Ok(kept.environment.render_named_str(escape.name(), source, scope.value())?)
        })
    }

    fn render_kept(&self, name: &str, scope: &Scope) -> Option<Result<String, TemplateError>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let template = kept.environment.get_template(name).ok()?;
        Some(template.render(scope.value()).map_err(TemplateError::from))
    }

    fn keep(&self, name: String, source: &str) -> Result<(), TemplateError> {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        vet::check_structure(&kept.environment, source, Kind::Template)?;
        if kept.bytes + name.len() > CAPACITY {
            kept.environment.clear_templates();
            kept.bytes = 0;
        }
        kept.bytes += name.len();
        kept.environment.add_template_owned(name, source.to_owned())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automation::render::Renderer;
    use crate::automation::testing::scope_with;

    #[test]
    fn more_templates_than_are_kept_all_render() {
        let renderer = Renderer::new();
        let filler = "x".repeat(90_000);
        for n in 0..60 {
            let source = format!("{filler}{{{{ {n} }}}}");
            let rendered = renderer
                .render_str(&source, Escape::Text, &scope_with("tr", &serde_json::Value::Null))
                .unwrap();
            assert!(rendered.ends_with(&n.to_string()));
        }
    }

    #[test]
    fn the_same_source_escapes_as_it_is_asked_to() {
        let renderer = Renderer::new();
        let source = "{{ '<b>' }}";
        for _ in 0..2 {
            assert_eq!(
                renderer
                    .render_str(source, Escape::Text, &scope_with("tr", &serde_json::Value::Null))
                    .unwrap(),
                "<b>"
            );
            assert_eq!(
                renderer
                    .render_str(source, Escape::Html, &scope_with("tr", &serde_json::Value::Null))
                    .unwrap(),
                "&lt;b&gt;"
            );
        }
    }
}
