//! Log lines on standard error: JSON for machines, text for a terminal; panics become log lines too.

use std::any::Any;
use std::io::{self, IsTerminal};
use std::panic::Location;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people, in colour.
    Human,
}

impl Format {
    /// What suits the present standard error.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Human } else { Self::Json }
    }
}

/// The filter is none.
#[derive(Debug, thiserror::Error)]
#[error("not a log filter: use a level such as `info`, or targets such as `info,santral::delivery=debug`")]
pub struct InvalidFilter;

/// Whether the text is a log filter.
///
/// # Errors
/// [`InvalidFilter`], which says what one looks like.
pub fn is_filter(text: &str) -> Result<(), InvalidFilter> {
    EnvFilter::try_new(text).map(drop).map_err(|_| InvalidFilter)
}

/// Starts logging to standard error, for the whole process. A filter that is none counts as `info`.
///
/// # Errors
/// When the process already has a log.
pub fn init_logging(filter: &str, format: Format) -> Result<(), TryInitError> {
    subscriber(filter, format, io::stderr).try_init()
}

fn subscriber<W>(filter: &str, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
        Format::Human => lines.with_ansi(true).boxed(),
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Filters of the whole, not of the layer: sqlx asks whether an event is wanted without sending one, and that
    // question would make a layer's own filter drop the thread's next event.
    tracing_subscriber::registry().with(filter).with(filter_fn(is_ours_or_coarse)).with(lines)
}

/// Libraries write headers, statements and SMTP dialogues at their finer levels. Those hold credentials, so no filter
/// can switch them on.
fn is_ours_or_coarse(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target == "santral" || target.starts_with("santral::") || target.starts_with("santral_");
    ours || *metadata.level() <= Level::INFO
}

/// Makes every panic one log line with its place and thread.
///
/// The text is kept only when it is a literal: a formatted one could hold anything.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| log_panic(info.payload(), info.location())));
}

fn log_panic(payload: &(dyn Any + Send), location: Option<&Location<'_>>) {
    let thread = std::thread::current();
    tracing::error!(
        target: "santral::panic",
        thread = thread.name().unwrap_or("unnamed"),
        location = location.map(tracing::field::display),
        reason = payload.downcast_ref::<&'static str>().copied().unwrap_or("withheld: it was formatted at run time"),
        "a task panicked"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rstest::rstest;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: Format, work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        tracing::subscriber::with_default(subscriber(filter, format, move || writer.clone()), work);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_with_its_fields() {
        let text = logged("info", Format::Json, || tracing::info!(answer = 42, "hello\n\u{1b}[31mworld"));

        let line: serde_json::Value = serde_json::from_str(&text).unwrap();

        assert_eq!(text.lines().count(), 1);
        assert_eq!((&line["answer"], &line["level"]), (&42.into(), &"INFO".into()));
        assert_eq!(line["message"], "hello\n\u{1b}[31mworld");
    }

    #[test]
    fn the_human_form_lets_no_escape_code_through() {
        let text = logged("info", Format::Human, || tracing::info!("a\u{1b}[2Jb"));
        assert!(text.contains("INFO") && !text.contains("\u{1b}[2J"), "{text:?}");
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let work = || {
            tracing::debug!(target: "santral::delivery", "fine");
            tracing::debug!(target: "santral::web", "finer");
        };
        let text = logged("warn,santral::delivery=debug", Format::Json, work);
        assert!(text.contains("fine") && !text.contains("finer"), "{text}");
    }

    #[test]
    fn no_filter_switches_on_what_libraries_whisper() {
        let work = || {
            tracing::trace!(target: "hyper::proto", "authorization: Bearer canary");
            tracing::debug!(target: "lettre::transport", "AUTH PLAIN canary");
            tracing::debug!(target: "santralesque", "canary");
            tracing::info!(target: "hyper", "heard");
            tracing::trace!(target: "santral::vault", "heard too");
        };
        let text = logged("trace", Format::Json, work);
        assert!(text.contains("heard") && text.contains("heard too") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn a_literal_panic_is_told_with_its_place() {
        let payload = std::panic::catch_unwind(|| std::panic::panic_any("the queue is gone")).unwrap_err();

        let text = logged("info", Format::Json, || log_panic(&*payload, Some(Location::caller())));

        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["reason"], &line["level"]), (&"the queue is gone".into(), &"ERROR".into()));
        assert!(line["location"].as_str().unwrap().contains("logging.rs:"), "{text}");
        assert!(line["thread"].is_string());
    }

    #[test]
    fn a_formatted_panic_keeps_its_text_to_itself() {
        let payload: Box<dyn Any + Send> = Box::new("token canary-77".to_owned());
        let text = logged("info", Format::Json, || log_panic(&*payload, None));
        assert!(text.contains("withheld") && !text.contains("canary"), "{text}");
    }

    #[rstest]
    #[case("info", true)]
    #[case("info,santral::delivery=debug", true)]
    #[case("santral=loud", false)]
    #[case("info,[", false)]
    fn filters_are_told_from_other_texts(#[case] text: &str, #[case] good: bool) {
        assert_eq!(is_filter(text).is_ok(), good);
    }
}
