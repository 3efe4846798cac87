//! What one worker is told to do, by a control record of its own.

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;
use crate::time::Span;

/// Whether a worker takes jobs. The record with the highest revision stands.
///
/// It travels as control records do: a worker has no database to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerOrder {
    /// Who is told.
    pub worker: WorkerId,
    /// Grows with every order to this worker, from 1.
    pub revision: u64,
    /// It takes no jobs until it is told otherwise.
    pub draining: bool,
    /// How long what it runs may go on from when it hears of this; then it lets it go. `None`: until its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
}

impl WorkerOrder {
    /// Before anybody has said anything: take jobs.
    pub const fn none(worker: WorkerId) -> Self {
        Self { worker, revision: 0, draining: false, grace: None }
    }

    /// The one of two orders to a worker that stands; the order does not matter, and merging twice changes nothing.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if other.revision > self.revision { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_revision_stands_in_any_order() {
        let worker = WorkerId::new("w1").unwrap();
        let order = |revision, draining| WorkerOrder {
            revision,
            draining,
            ..WorkerOrder::none(worker.clone())
        };
        let orders = [WorkerOrder::none(worker.clone()), order(1, true), order(2, false)];
        for a in &orders {
            for b in &orders {
                let merged = a.clone().merge(b.clone());
                assert_eq!(merged, b.clone().merge(a.clone()));
                assert_eq!(merged.clone().merge(b.clone()), merged);
                assert_eq!(merged.revision, a.revision.max(b.revision));
            }
        }
    }
}
