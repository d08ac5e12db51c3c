//! Every metric the server has, and the recorder behind `/metrics`.
//!
//! Labels hold only values from small closed sets: never a company, a recipient or a path with ids.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Events and messages accepted with a 202. Label `kind`: `event`, `message`.
pub const ACCEPTED: &str = "santral_accepted_total";
/// Deliveries that left an attempt behind. Labels `provider`, `outcome`.
pub const DELIVERIES: &str = "santral_deliveries_total";
/// How long a vendor took. Label `provider`.
pub const ATTEMPT_SECONDS: &str = "santral_attempt_seconds";
/// How long the oldest delivery that is due has waited.
pub const QUEUE_AGE_SECONDS: &str = "santral_queue_age_seconds";
/// Deliveries that are due and not yet claimed.
pub const QUEUE_DEPTH: &str = "santral_queue_depth";
/// Claims whose worker vanished.
pub const LEASE_EXPIRED: &str = "santral_lease_expired_total";
/// How long a request took. Labels `route` (the pattern, not the path), `status`.
pub const HTTP_REQUEST_SECONDS: &str = "santral_http_request_seconds";
/// Outcomes that the database refused for a reason of their own; each is an error in the log.
pub const UNWRITABLE: &str = "santral_unwritable_total";
/// How many requests shared one transaction. Label `kind`.
pub const COMMIT_BATCH_SIZE: &str = "santral_commit_batch_size";

/// Seconds; from a cached page to a vendor that hangs until its deadline.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

struct Metric {
    name: &'static str,
    kind: Kind,
    unit: Unit,
    help: &'static str,
}

const fn metric(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind, unit, help }
}

const ALL: &[Metric] = &[
    metric(ACCEPTED, Kind::Counter, Unit::Count, "Events and messages accepted with a 202, by kind."),
    metric(DELIVERIES, Kind::Counter, Unit::Count, "Attempts at deliveries, by provider and outcome."),
    metric(
        ATTEMPT_SECONDS,
        Kind::Histogram(SECONDS),
        Unit::Seconds,
        "How long an attempt took, by provider.",
    ),
    metric(
        QUEUE_AGE_SECONDS,
        Kind::Gauge,
        Unit::Seconds,
        "How long the oldest delivery that is due has waited.",
    ),
    metric(QUEUE_DEPTH, Kind::Gauge, Unit::Count, "Deliveries that are due and not yet claimed."),
    metric(LEASE_EXPIRED, Kind::Counter, Unit::Count, "Claims whose worker vanished."),
    metric(UNWRITABLE, Kind::Counter, Unit::Count, "Outcomes of deliveries that the database refused."),
    metric(
        HTTP_REQUEST_SECONDS,
        Kind::Histogram(SECONDS),
        Unit::Seconds,
        "How long a request took, by route and status.",
    ),
    metric(
        COMMIT_BATCH_SIZE,
        Kind::Histogram(SIZES),
        Unit::Count,
        "Requests that shared one transaction, by kind.",
    ),
];

/// The recorded values of this process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Why the recorder could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot record metrics: {0}")]
pub struct MetricsError(#[from] BuildError);

impl Metrics {
    /// Starts recording, once per process; later calls give the same recorder.
    ///
    /// # Errors
    /// [`MetricsError`] when another recorder is in its place.
    pub fn install() -> Result<Self, MetricsError> {
        static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &*installed {
            return Ok(Self(handle.clone()));
        }
        let handle = builder()?.install_recorder()?;
        describe();
        Ok(Self(installed.insert(handle).clone()))
    }

    /// The page for Prometheus (text exposition format 0.0.4).
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Empties the buffers of histograms; to be called every few seconds, or they grow.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    ALL.iter().try_fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
        Kind::Histogram(buckets) => {
            builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
        }
        Kind::Counter | Kind::Gauge => Ok(builder),
    })
}

fn describe() {
    for Metric { name, kind, unit, help } in ALL {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *unit, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Kind::Histogram(_) => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(work: impl FnOnce()) -> String {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            work();
        });
        handle.run_upkeep();
        handle.render()
    }

    #[test]
    fn a_counted_event_is_on_the_page_with_its_description() {
        let page = page(|| metrics::counter!(ACCEPTED, "kind" => "event").increment(3));
        assert!(page.contains("santral_accepted_total{kind=\"event\"} 3"), "{page}");
        assert!(page.contains("# HELP santral_accepted_total Events and messages accepted"), "{page}");
        assert!(page.contains("# TYPE santral_accepted_total counter"), "{page}");
    }

    #[test]
    fn durations_and_sizes_are_histograms_with_their_own_buckets() {
        let page = page(|| {
            metrics::histogram!(ATTEMPT_SECONDS, "provider" => "smtp").record(0.3);
            metrics::histogram!(COMMIT_BATCH_SIZE, "kind" => "event").record(3.0);
        });
        assert!(page.contains("santral_attempt_seconds_bucket{provider=\"smtp\",le=\"0.25\"} 0"), "{page}");
        assert!(page.contains("santral_attempt_seconds_bucket{provider=\"smtp\",le=\"0.5\"} 1"), "{page}");
        assert!(page.contains("santral_commit_batch_size_bucket{kind=\"event\",le=\"4\"} 1"), "{page}");
    }

    #[test]
    fn every_metric_is_named_by_the_rules() {
        for metric in ALL {
            assert!(metric.name.starts_with("santral_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                matches!(metric.kind, Kind::Counter),
                "{}",
                metric.name
            );
        }
    }

    #[test]
    fn installing_twice_gives_the_same_page() {
        let (one, other) = (Metrics::install().unwrap(), Metrics::install().unwrap());
        metrics::counter!(LEASE_EXPIRED).increment(1);
        assert!(one.render().contains("\nsantral_lease_expired_total "));
        assert!(other.render().contains("\nsantral_lease_expired_total "));
    }
}
