//! What this crate counts; `docs/metrics.md` says what to read from it.

use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use panofleet_bus::Queue;
use panofleet_job_schema::lifecycle::Reason;
use panofleet_job_schema::metric::REQUEST_SECONDS;
use panofleet_job_schema::{Job, Lane, Metric, Operation, Region};
use panofleet_jobs_db::{Accepted, BulkAction, Then, TickOutcome};

use crate::scale::Load;

const REQUESTS: Metric = Metric::counter(
    "panofleet_producer_requests_total",
    &["method", "route", "status"],
    "Requests that the API has answered.",
);
const REQUEST_TIME: Metric = Metric::histogram(
    "panofleet_producer_request_seconds",
    &["route"],
    REQUEST_SECONDS,
    "Time from the headers of a request to the beginning of its answer.",
);
const JOBS_ACCEPTED: Metric = Metric::counter(
    "panofleet_producer_jobs_accepted_total",
    &["region", "lane"],
    "Jobs that were accepted.",
);
const OUTPUTS_ACCEPTED: Metric = Metric::counter(
    "panofleet_producer_outputs_accepted_total",
    &["lane", "operation"],
    "Outputs of accepted jobs; a job may have several.",
);
const IDEMPOTENCY_KEYS: Metric = Metric::counter(
    "panofleet_producer_idempotency_keys_found_total",
    &["outcome"],
    "Requests whose idempotency key had a job already: asked for in the same words (replayed) or others (refused).",
);
const LEADING: Metric = Metric::gauge(
    "panofleet_dispatcher_leading",
    &[],
    "1 while this process sends the fleet's jobs, 0 while it stands by.",
);
const TURN_TIME: Metric = Metric::histogram(
    "panofleet_dispatcher_turn_seconds",
    &[],
    REQUEST_SECONDS,
    "Time that one look at timers and queues took, without the wait for the next.",
);
const TURNS_FAILED: Metric = Metric::counter(
    "panofleet_dispatcher_turns_failed_total",
    &[],
    "Looks at timers and queues that ended early, because the database or the bus did not answer.",
);
const SENT: Metric = Metric::counter(
    "panofleet_dispatcher_jobs_sent_total",
    &["region", "lane", "reason"],
    "Messages that were put on a queue, by what made the dispatcher send them.",
);
const TIMERS: Metric = Metric::counter(
    "panofleet_dispatcher_timers_fired_total",
    &["reason"],
    "Timers that changed a job, by what they found.",
);
const SEALS: Metric = Metric::counter(
    "panofleet_dispatcher_seals_total",
    &["outcome"],
    "Tries to seal a job that is to end without a result.",
);
const WINDOW: Metric = Metric::gauge(
    "panofleet_dispatcher_window_jobs",
    &["region", "lane"],
    "Messages that may wait unclaimed in a queue: the slots of its live workers, at least 1.",
);
const WINDOW_FREE: Metric = Metric::gauge(
    "panofleet_dispatcher_window_free_jobs",
    &["region", "lane"],
    "Messages that the window had room for at the last look.",
);
const JOBS: Metric = Metric::gauge(
    "panofleet_dispatcher_jobs",
    &["region", "lane", "state"],
    "Jobs that have not ended. Only the leader says it.",
);
const OLDEST_QUEUED: Metric = Metric::gauge(
    "panofleet_dispatcher_oldest_queued_seconds",
    &["region", "lane"],
    "Time since the oldest job that waits for its turn was accepted. Only the leader says it.",
);
const PAUSES: Metric = Metric::gauge(
    "panofleet_dispatcher_pauses",
    &["kind"],
    "Pauses that stand. Only the leader says it.",
);
const QUEUE_PAUSED: Metric = Metric::gauge(
    "panofleet_dispatcher_queue_paused",
    &["region", "lane"],
    "1 while a queue gets no jobs, because it or its region is paused. Only the leader says it.",
);
const WORKERS: Metric = Metric::gauge(
    "panofleet_dispatcher_workers",
    &["region", "state"],
    "Workers that are heard of, by whether they take jobs. Only the leader says it.",
);
const UNREACHABLE: Metric = Metric::gauge(
    "panofleet_dispatcher_region_unreachable",
    &["region"],
    "1 while a region's workers, who fell silent together, are taken for cut off. Only the leader says it.",
);
const SLOTS: Metric = Metric::gauge(
    "panofleet_dispatcher_slots",
    &["region", "lane"],
    "Jobs that the workers of a queue who take jobs can run at once. Only the leader says it.",
);
const SLOTS_BUSY: Metric = Metric::gauge(
    "panofleet_dispatcher_slots_busy",
    &["region", "lane"],
    "Jobs that those workers hold. Only the leader says it.",
);
const WORKERS_BUSY: Metric = Metric::gauge(
    "panofleet_dispatcher_workers_busy",
    &["region", "lane"],
    "Those of them that hold a job. Only the leader says it.",
);
const WORKERS_WANTED: Metric = Metric::gauge(
    "panofleet_dispatcher_workers_wanted",
    &["region", "lane"],
    "Workers that a queue should have, by api.scale. Only the leader says it.",
);
const REPLAYED: Metric = Metric::counter(
    "panofleet_dispatcher_dead_letters_replayed_total",
    &["outcome"],
    "Dead letters that somebody asked to put back where they came from.",
);
const BULK_JOBS: Metric = Metric::counter(
    "panofleet_dispatcher_bulk_jobs_total",
    &["action"],
    "Jobs that bulk actions have changed.",
);
const REMOVED: Metric = Metric::counter(
    "panofleet_dispatcher_removed_total",
    &["kind"],
    "What was removed because its time had come.",
);
const RETENTION_FAILED: Metric = Metric::counter(
    "panofleet_dispatcher_retention_failures_total",
    &[],
    "Looks for what is to be removed that ended early, because the database or the store did not answer.",
);
const TICKS: Metric = Metric::counter(
    "panofleet_dispatcher_schedule_ticks_total",
    &["outcome"],
    "Ticks of schedules, by what came of them.",
);
const WEBHOOK_TRIES: Metric = Metric::counter(
    "panofleet_dispatcher_webhook_tries_total",
    &["outcome"],
    "Tries to tell a webhook something, by what came of them.",
);
const WEBHOOK_TIME: Metric = Metric::histogram(
    "panofleet_dispatcher_webhook_seconds",
    &[],
    REQUEST_SECONDS,
    "Time that such a try took.",
);
/// What this crate counts.
pub const METRICS: &[Metric] = &[
    REQUESTS,
    REQUEST_TIME,
    JOBS_ACCEPTED,
    OUTPUTS_ACCEPTED,
    IDEMPOTENCY_KEYS,
    LEADING,
    TURN_TIME,
    TURNS_FAILED,
    SENT,
    TIMERS,
    SEALS,
    WINDOW,
    WINDOW_FREE,
    JOBS,
    OLDEST_QUEUED,
    PAUSES,
    QUEUE_PAUSED,
    WORKERS,
    UNREACHABLE,
    SLOTS,
    SLOTS_BUSY,
    WORKERS_BUSY,
    WORKERS_WANTED,
    REPLAYED,
    BULK_JOBS,
    REMOVED,
    RETENTION_FAILED,
    TICKS,
    WEBHOOK_TRIES,
    WEBHOOK_TIME,
];

/// The API answered. `route` is a route's pattern.
pub(crate) fn answered(method: &str, route: &str, status: u16, took: Duration) {
    // A client may make up methods.
    let known = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
    let (route, status) = (route.to_owned(), status.to_string());
    counter!(REQUESTS.name, "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    histogram!(REQUEST_TIME.name, "route" => route).record(took);
}

/// A job was asked for.
pub(crate) fn accepted(job: &Job, outcome: &Accepted) {
    let key_found = match outcome {
        Accepted::Existing(_) => "replayed",
        Accepted::KeyTaken(_) | Accepted::Removed(_) => "refused",
        Accepted::Created => {
            let (region, lane) = (job.region.to_string(), job.lane.as_str());
            counter!(JOBS_ACCEPTED.name, "region" => region, "lane" => lane).increment(1);
            for operation in job.spec.outputs.values().map(Operation::name) {
                counter!(OUTPUTS_ACCEPTED.name, "lane" => lane, "operation" => operation)
                    .increment(1);
            }
            return;
        }
    };
    counter!(IDEMPOTENCY_KEYS.name, "outcome" => key_found).increment(1);
}

/// While it lives, this process leads.
#[derive(Debug)]
pub(crate) struct Leading;

impl Leading {
    pub(crate) fn begin() -> Self {
        gauge!(LEADING.name).increment(1);
        Self
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        gauge!(LEADING.name).decrement(1);
    }
}

/// A turn of the dispatcher is over.
pub(crate) fn turned(took: Duration) {
    histogram!(TURN_TIME.name).record(took);
}

/// A turn of the dispatcher ended early.
pub(crate) fn turn_failed() {
    counter!(TURNS_FAILED.name).increment(1);
}

/// A message is on its queue.
pub(crate) fn sent(job: &Job, reason: Reason) {
    let (region, lane) = (job.region.to_string(), job.lane.as_str());
    counter!(SENT.name, "region" => region, "lane" => lane, "reason" => reason.name()).increment(1);
}

/// A timer has changed a job.
pub(crate) fn timer_fired(reason: Reason) {
    counter!(TIMERS.name, "reason" => reason.name()).increment(1);
}

/// A bulk action has changed jobs.
pub(crate) fn bulk_done(action: BulkAction, jobs: u64) {
    counter!(BULK_JOBS.name, "action" => action.name()).increment(jobs);
}

/// A webhook was told something, or was to be.
pub(crate) fn told(then: Then, took: Duration) {
    let outcome = match then {
        Then::Delivered => "delivered",
        Then::Again(_) => "again",
        Then::GivenUp => "given_up",
    };
    counter!(WEBHOOK_TRIES.name, "outcome" => outcome).increment(1);
    histogram!(WEBHOOK_TIME.name).record(took.as_secs_f64());
}

/// What came of a try to seal a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealTried {
    /// It stands.
    Sealed,
    /// A manifest stood there.
    ManifestFound,
    /// The store gave no answer.
    Unanswered,
}

impl SealTried {
    pub(crate) fn count(self) {
        let outcome = match self {
            Self::Sealed => "sealed",
            Self::ManifestFound => "manifest_found",
            Self::Unanswered => "unanswered",
        };
        counter!(SEALS.name, "outcome" => outcome).increment(1);
    }
}

/// How many messages may wait in a queue, and how many more that are.
pub(crate) fn window(queue: &Queue, jobs: u32, free: u32) {
    let (region, lane) = (queue.region.to_string(), queue.lane.as_str());
    gauge!(WINDOW.name, "region" => region.clone(), "lane" => lane).set(jobs);
    gauge!(WINDOW_FREE.name, "region" => region, "lane" => lane).set(free);
}

/// Jobs of a queue that are in a state.
#[expect(clippy::cast_precision_loss, reason = "a number for people to see")]
pub(crate) fn jobs((region, lane): (&str, Lane), state: &'static str, jobs: u64) {
    let (region, lane) = (region.to_owned(), lane.as_str());
    gauge!(JOBS.name, "region" => region, "lane" => lane, "state" => state).set(jobs as f64);
}

/// How long the oldest job of a queue has waited.
pub(crate) fn oldest_queued((region, lane): (&str, Lane), waits: Duration) {
    let (region, lane) = (region.to_owned(), lane.as_str());
    gauge!(OLDEST_QUEUED.name, "region" => region, "lane" => lane).set(waits.as_secs_f64());
}

/// How many things of a kind are paused.
#[expect(clippy::cast_precision_loss, reason = "a number for people to see")]
pub(crate) fn pauses(kind: &'static str, count: usize) {
    gauge!(PAUSES.name, "kind" => kind).set(count as f64);
}

/// Whether a queue gets no jobs.
pub(crate) fn queue_paused(queue: &Queue, paused: bool) {
    let (region, lane) = (queue.region.to_string(), queue.lane.as_str());
    gauge!(QUEUE_PAUSED.name, "region" => region, "lane" => lane).set(f64::from(u8::from(paused)));
}

/// Live workers of a region: those that take jobs, those that drain.
#[expect(clippy::cast_precision_loss, reason = "a number for people to see")]
pub(crate) fn workers(region: &Region, (taking, draining): (usize, usize)) {
    for (state, count) in [("taking", taking), ("draining", draining)] {
        gauge!(WORKERS.name, "region" => region.to_string(), "state" => state).set(count as f64);
    }
}

/// What workers a queue has, and how many it should have.
pub(crate) fn scale(queue: &Queue, load: &Load, wanted: u32) {
    let Load { workers_busy, slots, slots_busy, .. } = *load;
    let (region, lane) = (queue.region.to_string(), queue.lane.as_str());
    for (metric, value) in [
        (SLOTS, slots),
        (SLOTS_BUSY, slots_busy),
        (WORKERS_BUSY, workers_busy),
        (WORKERS_WANTED, wanted),
    ] {
        gauge!(metric.name, "region" => region.clone(), "lane" => lane).set(value);
    }
}

/// Whether a region's workers are taken for cut off.
pub(crate) fn region_unreachable(region: &Region, unreachable: bool) {
    let unreachable = f64::from(u8::from(unreachable));
    gauge!(UNREACHABLE.name, "region" => region.to_string()).set(unreachable);
}

/// What came of a dead letter that was to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// It lies where it came from, at the end.
    PutBack,
    /// It cannot.
    Refused,
}

impl Replayed {
    pub(crate) fn count(self) {
        let outcome = match self {
            Self::PutBack => "put_back",
            Self::Refused => "refused",
        };
        counter!(REPLAYED.name, "outcome" => outcome).increment(1);
    }
}

/// What goes when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// An object of an attempt that lost.
    Orphan,
    /// An object of a job that is not kept any more.
    JobObject,
    /// The row of a job.
    Job,
    /// An upload.
    Upload,
    /// An idempotency key.
    IdempotencyKey,
    /// A session that was over.
    Session,
    /// An entry of the audit log.
    AuditEntry,
    /// What a webhook was told.
    WebhookDelivery,
    /// What was known of a deletion that was over.
    Deletion,
    /// What is known of an attempt that came to nothing.
    Setback,
}

/// Something was removed.
pub(crate) fn gone(kind: Gone, count: u64) {
    let kind = match kind {
        Gone::Orphan => "orphaned_object",
        Gone::JobObject => "job_object",
        Gone::Job => "job",
        Gone::Upload => "upload",
        Gone::IdempotencyKey => "idempotency_key",
        Gone::Session => "session",
        Gone::AuditEntry => "audit_entry",
        Gone::WebhookDelivery => "webhook_delivery",
        Gone::Deletion => "deletion",
        Gone::Setback => "setback",
    };
    counter!(REMOVED.name, "kind" => kind).increment(count);
}

/// A look for what is to be removed ended early.
pub(crate) fn retention_failed() {
    counter!(RETENTION_FAILED.name).increment(1);
}

/// A tick of a schedule is over.
pub(crate) fn ticked(outcome: &TickOutcome) {
    let outcome = match outcome {
        TickOutcome::Job { .. } => "job",
        TickOutcome::Skipped => "skipped",
        TickOutcome::Refused { .. } => "refused",
    };
    counter!(TICKS.name, "outcome" => outcome).increment(1);
}
