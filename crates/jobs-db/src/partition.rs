//! How far the event log is applied.

use panofleet_job_schema::Timestamp;

/// How far one partition of the event log is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRow {
    /// The next offset to apply.
    pub next_offset: u64,
    /// When the log's end was last observed.
    pub observed_at: Timestamp,
    /// Every event up to an end that was observed at this time is applied.
    pub caught_up_at: Timestamp,
    /// No lease counts from before this time: the end could not be observed until then.
    pub restarted_at: Timestamp,
}

/// That a partition's end was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The partition.
    pub partition: u32,
    /// When, by the database's clock, read before the end was asked for.
    pub observed_at: Timestamp,
    /// The newest observation whose events are all applied, if there is one.
    pub caught_up_at: Option<Timestamp>,
}
