//! What this crate counts; `docs/metrics.md` says what to read from it.

use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use panofleet_job_schema::message::JobMessage;
use panofleet_job_schema::metric::JOB_SECONDS;
use panofleet_job_schema::{Metric, Operation, Timestamp};

/// Bounds for the wait of a job: 1 ms in an idle fleet, hours in a full one.
const PICKUP_SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0,
    21600.0,
];

const SLOTS: Metric =
    Metric::gauge("panofleet_worker_slots", &[], "Jobs that this worker runs at once.");
const SLOTS_BUSY: Metric = Metric::gauge(
    "panofleet_worker_slots_busy",
    &[],
    "Jobs that this worker has claimed and not ended.",
);
const MESSAGES: Metric = Metric::counter(
    "panofleet_worker_messages_total",
    &["outcome"],
    "Messages that were received, by what became of them.",
);
const PICKUP: Metric = Metric::histogram(
    "panofleet_worker_pickup_seconds",
    &["lane"],
    PICKUP_SECONDS,
    "Time from when a job could have been started to the start of its first attempt.",
);
const ATTEMPTS: Metric = Metric::counter(
    "panofleet_worker_attempts_total",
    &["operation", "outcome"],
    "Attempts that ended, by the operation that was asked for (`several`) and how.",
);
const ATTEMPT_TIME: Metric = Metric::histogram(
    "panofleet_worker_attempt_seconds",
    &["operation", "outcome"],
    JOB_SECONDS,
    "Time from the start of an attempt to its end: download, child, uploads and manifest.",
);
const CHILD_EXITS: Metric = Metric::counter(
    "panofleet_worker_child_exits_total",
    &["kind"],
    "Sandboxed children that ended, by how.",
);
const DOWNLOADED: Metric = Metric::counter(
    "panofleet_worker_downloaded_bytes_total",
    &[],
    "Bytes of sources that were downloaded whole.",
);
const UPLOADED: Metric = Metric::counter(
    "panofleet_worker_uploaded_bytes_total",
    &[],
    "Bytes of output files that were uploaded.",
);
const OUTBOX: Metric = Metric::gauge(
    "panofleet_worker_outbox_events",
    &[],
    "Events that wait for the bus. When the buffer is full no further job is taken.",
);
const PUBLISH_FAILED: Metric = Metric::counter(
    "panofleet_worker_publish_failures_total",
    &[],
    "Calls to the bus that published nothing; the events in them were kept.",
);
const HEARTBEATS: Metric =
    Metric::counter("panofleet_worker_heartbeats_total", &[], "Heartbeats that the bus has.");
const HEARTBEATS_DROPPED: Metric = Metric::counter(
    "panofleet_worker_heartbeats_dropped_total",
    &[],
    "Heartbeats that never reached the bus: the only events that may be lost.",
);
/// What this crate counts.
pub const METRICS: &[Metric] = &[
    SLOTS,
    SLOTS_BUSY,
    MESSAGES,
    PICKUP,
    ATTEMPTS,
    ATTEMPT_TIME,
    CHILD_EXITS,
    DOWNLOADED,
    UPLOADED,
    OUTBOX,
    PUBLISH_FAILED,
    HEARTBEATS,
    HEARTBEATS_DROPPED,
];

/// What becomes of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is started.
    Claimed,
    /// It was claimed too late, and let go.
    Late,
    /// Control says that nobody needs it.
    Forbidden,
    /// It lay here for too long; the lock returns it.
    TooOld,
    /// Nobody can use it: a dead letter.
    Unusable,
}

/// So many messages had this fate.
pub(crate) fn messages(fate: Fate, count: usize) {
    let outcome = match fate {
        Fate::Claimed => "claimed",
        Fate::Late => "late",
        Fate::Forbidden => "forbidden",
        Fate::TooOld => "too_old",
        Fate::Unusable => "unusable",
    };
    counter!(MESSAGES.name, "outcome" => outcome).increment(count as u64);
}

/// How many jobs run at once.
pub(crate) fn slots(count: u32) {
    gauge!(SLOTS.name).set(count);
}

/// While it lives, a slot is busy.
#[derive(Debug)]
pub(crate) struct Busy;

impl Busy {
    pub(crate) fn begin() -> Self {
        gauge!(SLOTS_BUSY.name).increment(1);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        gauge!(SLOTS_BUSY.name).decrement(1);
    }
}

/// An attempt begins, at a time of this machine's clock.
pub(crate) fn attempt_begins(message: &JobMessage, now: Timestamp) {
    if let Some(due_at) = message.due_at {
        let lane = message.lane.as_str();
        histogram!(PICKUP.name, "lane" => lane).record(now.since(due_at));
    }
}

/// An attempt ended.
pub(crate) fn attempt_ended(message: &JobMessage, outcome: &'static str, took: Duration) {
    let mut operations = message.outputs.values().map(Operation::name);
    let first = operations.next().unwrap_or("none");
    let operation = if operations.all(|other| other == first) { first } else { "several" };
    counter!(ATTEMPTS.name, "operation" => operation, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_TIME.name, "operation" => operation, "outcome" => outcome).record(took);
}

/// A child ended.
pub(crate) fn child_ended(kind: impl Into<String>) {
    counter!(CHILD_EXITS.name, "kind" => kind.into()).increment(1);
}

/// A source is here.
pub(crate) fn downloaded(bytes: u64) {
    counter!(DOWNLOADED.name).increment(bytes);
}

/// A file is in the store.
pub(crate) fn uploaded(bytes: u64) {
    counter!(UPLOADED.name).increment(bytes);
}

/// Events that wait for the bus.
#[expect(clippy::cast_precision_loss, reason = "the buffer is small")]
pub(crate) fn outbox(events: usize) {
    gauge!(OUTBOX.name).set(events as f64);
}

/// The bus took nothing.
pub(crate) fn publish_failed() {
    counter!(PUBLISH_FAILED.name).increment(1);
}

/// A heartbeat reached the bus, or never will.
pub(crate) fn heartbeat(arrived: bool) {
    counter!(if arrived { HEARTBEATS.name } else { HEARTBEATS_DROPPED.name }).increment(1);
}
