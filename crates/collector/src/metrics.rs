//! What this crate counts; `docs/metrics.md` says what to read from it.

use std::collections::BTreeMap;
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use panofleet_job_schema::lifecycle::Refusal;
use panofleet_job_schema::metric::JOB_SECONDS;
use panofleet_job_schema::{Metric, Timestamp};

const EVENTS: Metric = Metric::counter(
    "panofleet_collector_events_total",
    &["kind"],
    "Events of workers that were applied, each once; with those that changed nothing.",
);
const REFUSALS: Metric = Metric::counter(
    "panofleet_collector_refusals_total",
    &["refusal"],
    "Events about jobs that changed nothing, by why. Some are normal: what is reported twice is refused once.",
);
const DEAD_LETTERS: Metric = Metric::counter(
    "panofleet_collector_dead_letters_total",
    &[],
    "Records of the event log that nobody could apply, and that were put away.",
);
const LOST_RACES: Metric = Metric::counter(
    "panofleet_collector_lost_races_total",
    &[],
    "Batches that were decided anew, because somebody else had changed one of their jobs.",
);
const BATCH: Metric = Metric::histogram(
    "panofleet_collector_batch_events",
    &[],
    &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0],
    "Records that were applied in one transaction.",
);
const AGE: Metric = Metric::histogram(
    "panofleet_collector_event_age_seconds",
    &[],
    JOB_SECONDS,
    "Time from the sending of an event, by its worker's clock, to its being applied, by this machine's.",
);
const BEHIND: Metric = Metric::gauge(
    "panofleet_collector_behind_events",
    &["partition"],
    "Records of the event log that are not applied yet, as of the last look at the log's end.",
);
const CAUGHT_UP: Metric = Metric::gauge(
    "panofleet_collector_caught_up_timestamp_seconds",
    &["partition"],
    "The watermark: everything up to a log end seen at this time, by the database's clock, is applied.",
);
/// What this crate counts.
pub const METRICS: &[Metric] =
    &[EVENTS, REFUSALS, DEAD_LETTERS, LOST_RACES, BATCH, AGE, BEHIND, CAUGHT_UP];

/// What a fold came to; counted when it is committed, and not before.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    events: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<&'static str, u64>,
    ages: Vec<Duration>,
}

impl Tally {
    /// An event of this kind is applied.
    pub(crate) fn event(&mut self, kind: &'static str, age: Duration) {
        *self.events.entry(kind).or_default() += 1;
        self.ages.push(age);
    }

    /// It changed nothing.
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        *self.refusals.entry(refusal.name()).or_default() += 1;
    }

    /// A batch of so many records is committed.
    pub(crate) fn committed(self, records: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        histogram!(BATCH.name).record(records as f64);
        for (kind, events) in self.events {
            counter!(EVENTS.name, "kind" => kind).increment(events);
        }
        for (refusal, events) in self.refusals {
            counter!(REFUSALS.name, "refusal" => refusal).increment(events);
        }
        for age in self.ages {
            histogram!(AGE.name).record(age);
        }
    }
}

/// A record was put away.
pub(crate) fn buried() {
    counter!(DEAD_LETTERS.name).increment(1);
}

/// Somebody else was faster.
pub(crate) fn lost_race() {
    counter!(LOST_RACES.name).increment(1);
}

/// How many records of a partition are not applied.
#[expect(clippy::cast_precision_loss, reason = "a number for people to see")]
pub(crate) fn behind(partition: u32, events: u64) {
    gauge!(BEHIND.name, "partition" => partition.to_string()).set(events as f64);
}

/// Everything up to an end that was seen then is applied.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit for as long as anybody counts"
)]
pub(crate) fn caught_up(partition: u32, at: Timestamp) {
    gauge!(CAUGHT_UP.name, "partition" => partition.to_string()).set(at.as_millis() as f64 / 1e3);
}
