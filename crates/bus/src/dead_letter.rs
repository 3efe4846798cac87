//! Records that nobody could use, and where they came from.

use bytes::Bytes;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{Lane, Region, Timestamp};

use crate::Queue;

/// A record that nobody could use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic that it came from.
    pub topic: String,
    /// Where it lay.
    pub placement: Placement,
    /// Why nobody could use it.
    pub reason: String,
    /// It, byte for byte.
    pub payload: Bytes,
}

/// A dead letter as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLetter {
    /// Its own place among the dead letters: later ones have higher ones.
    pub id: u64,
    /// When it was kept, by the clock of the bus, or of whoever kept it.
    pub kept_at: Timestamp,
    /// Length of the record, in bytes.
    pub bytes: u64,
    /// The record; its payload is cut where the page says so.
    pub letter: DeadLetter,
}

/// Which dead letters to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterPage {
    /// Only those with a lower id; all if unset.
    pub before: Option<u64>,
    /// How many, at most; at most [`LetterPage::LETTERS_MAX`] are given.
    pub limit: u32,
    /// Bytes of each payload, at most.
    pub payload_bytes_max: usize,
}

impl LetterPage {
    /// Most letters of a page.
    pub const LETTERS_MAX: u32 = 200;

    /// The one letter with this id, whole.
    pub const fn one(id: u64) -> Self {
        Self { before: Some(id + 1), limit: 1, payload_bytes_max: usize::MAX }
    }
}

/// Where a record can be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A job queue.
    Jobs(Queue),
    /// A partition of the event log.
    Events(u32),
}

impl DeadLetter {
    /// Where it came from; `None` for a topic that this program does not write to.
    pub fn origin(&self) -> Option<Origin> {
        if self.topic == "pf.events" {
            return Some(Origin::Events(self.placement.partition));
        }
        let (region, lane) = self.topic.strip_prefix("pf.jobs.")?.rsplit_once('.')?;
        let lane = Lane::ALL.into_iter().find(|known| known.as_str() == lane)?;
        Some(Origin::Jobs(Queue { region: Region::new(region).ok()?, lane }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_a_topic_of_ours_can_go_back() {
        let origin = |topic: &str| {
            let placement = Placement { partition: 7, offset: 1 };
            let letter = DeadLetter {
                topic: topic.into(),
                placement,
                reason: String::new(),
                payload: Bytes::new(),
            };
            letter.origin()
        };
        let queue = Queue { region: Region::new("us-west").unwrap(), lane: Lane::Image };
        assert_eq!(origin(&queue.topic()), Some(Origin::Jobs(queue)));
        assert_eq!(origin("pf.events"), Some(Origin::Events(7)));
        for foreign in
            ["pf.jobs.us-west", "pf.jobs.us-west.sound", "pf.jobs.US.image", "pf.control.a", ""]
        {
            assert_eq!(origin(foreign), None, "{foreign}");
        }
    }
}
