//! What was read from the database lately. What there is not is not remembered, so that nobody who guesses pushes out what
//! others use.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Entries that are kept.
const KEPT_MAX: usize = 10_000;

/// Entries that are good for a while.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: Mutex<HashMap<K, (V, Instant)>>,
    good_for: Duration,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub(super) fn new(good_for: Duration) -> Self {
        Self { entries: Mutex::default(), good_for }
    }

    /// What is known, and for how long it has been.
    pub(super) fn get(&self, key: &K) -> Option<(V, Duration)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, since) = entries.get(key)?;
        let age = since.elapsed();
        (age < self.good_for).then(|| (value.clone(), age))
    }

    /// Keeps what was asked for at `since`: it is as old as the question.
    pub(super) fn keep(&self, key: K, value: V, since: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= KEPT_MAX {
            entries.retain(|_, (_, since)| since.elapsed() < self.good_for);
        }
        if entries.len() >= KEPT_MAX {
            let oldest = entries.iter().min_by_key(|(_, (_, since))| *since);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.remove(&oldest);
            }
        }
        entries.insert(key, (value, since));
    }

    pub(super) fn forget(&self, key: &K) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_as_old_as_its_question_and_goes() {
        let recent = Recent::new(Duration::from_secs(60));
        let now = Instant::now();
        recent.keep(1, "one", now - Duration::from_secs(20));
        let (value, age) = recent.get(&1).unwrap();
        assert!(value == "one" && age >= Duration::from_secs(20), "{age:?}");
        recent.keep(2, "two", now - Duration::from_secs(60));
        assert_eq!(recent.get(&2), None);
        recent.forget(&1);
        assert_eq!(recent.get(&1), None);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let recent = Recent::new(Duration::from_secs(3600));
        let now = Instant::now();
        for number in 0..=KEPT_MAX {
            recent.keep(number, (), now - Duration::from_secs(u64::from(number == 7)));
        }
        assert_eq!(recent.entries.lock().unwrap().len(), KEPT_MAX);
        assert_eq!(recent.get(&7), None, "the oldest goes");
        assert!(recent.get(&KEPT_MAX).is_some());
    }
}
