//! Metrics: what is counted in this process, in Prometheus's text format.
//!
//! Crates count through the `metrics` facade, which costs next to nothing until [`start`] has been called.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use panofleet_job_schema::Metric;
use panofleet_job_schema::metric::MetricKind;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::tasks::{OnError, Tasks};

/// The media type of what [`render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Samples of histograms are kept one by one until they are put into their buckets, this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

const INFO: Metric = Metric::gauge(
    "panofleet_service_info",
    &["version"],
    "Always 1: which version of Panofleet this process is.",
);
/// What this crate counts.
pub const METRICS: &[Metric] = &[INFO];

static STARTED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Where metrics and health are served by a role that has no other HTTP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// The address; nothing is served if it is unset. Whoever can reach it can read it.
    pub listen: Option<SocketAddr>,
}

/// Begins to count what these tables declare, for the whole process.
///
/// Metrics without labels are there from now on, at 0. A second call in one process adds its tables' descriptions and
/// changes nothing else; its histograms must have been in the first.
///
/// # Panics
/// If a histogram is declared without bounds, or somebody else has installed a recorder.
pub fn start(tasks: &Tasks, tables: &[&[Metric]]) {
    let declared = || METRICS.iter().chain(tables.iter().copied().flatten());
    STARTED.get_or_init(|| {
        let builder = declared().fold(PrometheusBuilder::new(), with_bounds);
        let handle = builder.install_recorder().expect("nobody else installs a recorder");
        tasks.spawn("metrics", OnError::Log, keep_up(handle.clone(), tasks.shutdown().clone()));
        handle
    });
    for metric in declared() {
        describe(metric);
    }
    gauge!(INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1);
}

/// Everything that was counted so far; empty before [`start`].
pub fn render() -> String {
    STARTED.get().map(PrometheusHandle::render).unwrap_or_default()
}

async fn keep_up(handle: PrometheusHandle, shutdown: CancellationToken) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(UPKEEP_EVERY) => handle.run_upkeep(),
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

fn with_bounds(builder: PrometheusBuilder, metric: &Metric) -> PrometheusBuilder {
    let MetricKind::Histogram(bounds) = metric.kind else { return builder };
    let name = Matcher::Full(metric.name.to_owned());
    builder.set_buckets_for_metric(name, bounds).expect("a histogram is declared with bounds")
}

fn describe(metric: &Metric) {
    let Metric { name, kind, labels, help } = *metric;
    match kind {
        MetricKind::Counter => {
            describe_counter!(name, help);
            if labels.is_empty() {
                counter!(name).increment(0);
            }
        }
        MetricKind::Gauge => {
            describe_gauge!(name, help);
            if labels.is_empty() {
                gauge!(name).increment(0);
            }
        }
        MetricKind::Histogram(_) => describe_histogram!(name, help),
    }
}
