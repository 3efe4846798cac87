//! When keys were last used: noted here at once, in the database once a minute at most, and never while a request waits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::Api;

/// Time between two looks at what is to be written.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Shortest time between two writes about one key.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// Keys that are remembered; uses of more are not noted until some have been quiet.
const KEYS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Use {
    last_at: Timestamp,
    noted_at: Option<Timestamp>,
}

/// The uses of keys that this process has seen.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    seen: Mutex<HashMap<Uuid, Use>>,
}

impl Uses {
    /// A key was used.
    pub(super) fn saw(&self, id: Uuid, at: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = seen.get_mut(&id) {
            entry.last_at = entry.last_at.max(at);
        } else if seen.len() < KEYS_MAX {
            seen.insert(id, Use { last_at: at, noted_at: None });
        }
    }

    /// What is to be written now; it counts as written.
    fn take(&self) -> Vec<(Uuid, Timestamp)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = seen.values().map(|entry| entry.last_at).max() else { return vec![] };
        let is_quiet = |entry: &Use| latest.since(entry.last_at) >= NOTE_EVERY;
        let is_due = |entry: &Use| match entry.noted_at {
            Some(noted) if is_quiet(entry) => noted < entry.last_at,
            Some(noted) => entry.last_at.since(noted) >= NOTE_EVERY,
            None => true,
        };
        let mut due = Vec::new();
        for (id, entry) in seen.iter_mut().filter(|(_, entry)| is_due(entry)) {
            entry.noted_at = Some(entry.last_at);
            due.push((*id, entry.last_at));
        }
        seen.retain(|_, entry| !is_quiet(entry));
        due
    }
}

/// Writes when keys were used, until `shutdown`. What cannot be written is lost: the next use is noted again.
pub(crate) async fn keep(api: &Api, shutdown: &CancellationToken) {
    loop {
        let ends = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = shutdown.cancelled() => true,
        };
        let uses = api.uses.take();
        if !uses.is_empty()
            && let Err(error) = api.db.note_uses(&uses).await
        {
            tracing::debug!(%error, "uses of API keys are not noted");
        }
        if ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_written_at_once_and_then_once_a_minute() {
        let (uses, one) = (Uses::default(), Uuid::from_u128(1));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        uses.saw(one, at(5));
        uses.saw(one, at(3));
        assert_eq!(uses.take(), [(one, at(5))]);
        assert_eq!(uses.take(), []);
        uses.saw(one, at(64));
        assert_eq!(uses.take(), []);
        uses.saw(one, at(65));
        assert_eq!(uses.take(), [(one, at(65))]);
        uses.saw(one, at(70));
        let two = Uuid::from_u128(2);
        uses.saw(two, at(200));
        let mut last = uses.take();
        last.sort_unstable();
        assert_eq!(last, [(one, at(70)), (two, at(200))], "the last word of one that is quiet");
        assert_eq!(uses.seen.lock().unwrap().len(), 1, "then it is forgotten");
    }
}
