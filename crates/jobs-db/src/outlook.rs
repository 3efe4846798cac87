//! What a dispatcher looks at before it does anything.

use panofleet_job_schema::{Lane, Region, Timestamp};

use crate::Pause;

/// How things stand, read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The database's clock.
    pub now: Timestamp,
    /// The time of the next timer, if timers were asked about and it is not further ahead.
    pub next_due: Option<Timestamp>,
    /// What is paused, by kind and name.
    pub pauses: Vec<Pause>,
    /// The queues that were asked about, in their order.
    pub queues: Vec<QueueOutlook>,
}

impl Outlook {
    /// Whether a timer is due.
    pub fn is_due(&self) -> bool {
        self.next_due.is_some_and(|due| due <= self.now)
    }
}

/// A region's lane.
pub type QueueName = (Region, Lane);

/// How a queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOutlook {
    /// Jobs that are sent and that no claim holds.
    pub sent: u32,
    /// Whether anybody waits for a turn.
    pub has_queued: bool,
}
