//! The attempts of a job, put together from its history.
//!
//! Most lines say which attempt they are about. One that ends the job without saying so, as a cancellation does, ends whatever
//! attempt was open.

use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{Timestamp, WorkerId};
use panofleet_jobs_db::HistoryEntry;

/// One attempt, put together from what was said of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Attempt<'a> {
    pub(crate) generation: u32,
    pub(crate) number: u32,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) claimed_at: Option<Timestamp>,
    pub(crate) worker: Option<&'a str>,
    /// When it was last heard of, what that was, and the words that came with it.
    pub(crate) last: (Timestamp, &'a str, Option<&'a str>),
    /// How far it was when it ended, if anything was heard of it.
    pub(crate) progress: Option<&'a Progress>,
}

impl Attempt<'_> {
    /// Whether nothing has ended it yet.
    pub(crate) fn is_open(&self) -> bool {
        let goes_on = [
            "dispatched",
            "sent_again",
            "claimed",
            "probed",
            "joined",
            "revived",
            "release_requested",
        ];
        goes_on.contains(&self.last.1)
    }

    /// Whether what it made counts.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.last.1, "succeeded" | "expanded" | "manifest_found" | "cancel_lost_race")
    }

    /// When it ended, or `now`.
    pub(crate) fn end(&self, now: Timestamp) -> Timestamp {
        if self.is_open() { now } else { self.last.0 }
    }

    /// How long a worker had it, until it ended or until `now`; nothing if none ever had it.
    pub(crate) fn held(&self, now: Timestamp) -> Duration {
        self.claimed_at.map(|claimed_at| self.end(now).since(claimed_at)).unwrap_or_default()
    }
}

/// The attempts of a history, in their order.
pub(crate) fn attempts(entries: &[HistoryEntry]) -> Vec<Attempt<'_>> {
    let mut found: Vec<Attempt<'_>> = Vec::new();
    for entry in entries {
        let Some(number) = entry.attempt else {
            if !State::OPEN_NAMES.contains(&entry.state.as_str()) || entry.state == "closing" {
                end_open(&mut found, entry);
            }
            continue;
        };
        let is_it = |attempt: &&mut Attempt<'_>| {
            attempt.number == number && attempt.generation == entry.generation
        };
        let last = (entry.at, entry.reason.as_str(), entry.detail.as_deref());
        let attempt = match found.iter_mut().find(is_it) {
            Some(attempt) => attempt,
            None => {
                let generation = entry.generation;
                let (sent_at, claimed_at, worker, progress) = (None, None, None, None);
                found.push(Attempt {
                    generation,
                    number,
                    sent_at,
                    claimed_at,
                    worker,
                    last,
                    progress,
                });
                let Some(attempt) = found.last_mut() else { continue };
                attempt
            }
        };
        match entry.reason.as_str() {
            "dispatched" => attempt.sent_at = attempt.sent_at.or(Some(entry.at)),
            "claimed" => attempt.claimed_at = attempt.claimed_at.or(Some(entry.at)),
            _ => {}
        }
        attempt.worker = entry.worker.as_ref().map(WorkerId::as_str).or(attempt.worker);
        attempt.last = last;
        attempt.progress = entry.progress.as_ref().or(attempt.progress);
    }
    found
}

/// The job has ended, or is about to, and with it what was at work for it.
fn end_open<'a>(found: &mut [Attempt<'a>], entry: &'a HistoryEntry) {
    for attempt in found.iter_mut().filter(|attempt| attempt.is_open()) {
        attempt.last = (entry.at, entry.reason.as_str(), entry.detail.as_deref());
        attempt.progress = entry.progress.as_ref().or(attempt.progress);
    }
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::curve::Curve;

    use super::*;

    fn entry(ms: i64, reason: &str, attempt: Option<u32>, worker: Option<&str>) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp::from_millis(ms),
            state: "running".to_owned(),
            reason: reason.to_owned(),
            generation: 1,
            attempt,
            worker: worker.map(|name| WorkerId::new(name).unwrap()),
            detail: None,
            code: None,
            failure: None,
            held_ms: None,
            progress: None,
        }
    }

    #[test]
    fn what_was_said_of_an_attempt_is_put_together() {
        let entries = [
            entry(100, "dispatched", Some(1), None),
            entry(300, "claimed", Some(1), Some("w1")),
            entry(900, "lease_lapsed", Some(1), Some("w1")),
            entry(950, "due", None, None),
            entry(1000, "dispatched", Some(2), None),
            entry(1100, "claimed", Some(2), Some("w2")),
        ];
        let found = attempts(&entries);
        let told: Vec<_> = found
            .iter()
            .map(|attempt| (attempt.number, attempt.worker, attempt.is_good(), attempt.is_open()))
            .collect();
        assert_eq!(told, [(1, Some("w1"), false, false), (2, Some("w2"), false, true)]);
        let at = |ms| Some(Timestamp::from_millis(ms));
        assert_eq!((found[0].sent_at, found[0].claimed_at), (at(100), at(300)));
        let now = Timestamp::from_millis(5000);
        let held: Vec<_> = found.iter().map(|attempt| attempt.held(now).as_millis()).collect();
        assert_eq!(held, [600, 3900], "one that is at work, until now");
        // The same number in another generation is another attempt.
        let anew = HistoryEntry { generation: 2, ..entry(2000, "succeeded", Some(2), None) };
        let found = [entries.as_slice(), &[anew]].concat();
        assert_eq!(attempts(&found).len(), 3);
    }

    #[test]
    fn an_attempt_ends_with_its_job() {
        let progress = Progress {
            fraction: 0.5,
            step: "tiles".to_owned(),
            uploaded_bytes: 0,
            curve: Curve::default(),
        };
        let in_state = |state: &str, progress: Option<&Progress>, line: HistoryEntry| {
            HistoryEntry { state: state.to_owned(), progress: progress.cloned(), ..line }
        };
        let entries = [
            entry(100, "dispatched", Some(1), None),
            entry(300, "claimed", Some(1), Some("w1")),
            in_state("running", None, entry(400, "reprioritised", None, None)),
            in_state("closing", Some(&progress), entry(700, "cancel_requested", None, None)),
            in_state("cancelled", None, entry(900, "sealed", None, None)),
        ];
        let now = Timestamp::from_millis(90_000);
        let [attempt] = &*attempts(&entries) else { panic!("one attempt") };
        assert_eq!((attempt.last.1, attempt.held(now).as_millis()), ("cancel_requested", 400));
        assert_eq!(attempt.progress, Some(&progress));
        let [attempt] = &*attempts(&entries[..3]) else { panic!("one attempt") };
        assert!(attempt.is_open(), "another band ends nothing");
    }
}
