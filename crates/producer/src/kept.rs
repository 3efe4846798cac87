//! Counts that look at many rows, kept for whoever asks next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A count that takes no longer is not kept: it costs nothing, and is better true.
const QUICK: Duration = Duration::from_millis(20);
/// How much longer a count is good than it took: to count takes no more than a fiftieth of the time, whoever looks.
const KEPT_TIMES: u32 = 50;
/// How long it is good at most.
const KEPT_MAX: Duration = Duration::from_secs(30);
/// Counts that are remembered; beyond that they are made anew.
const KEYS_MAX: usize = 1000;

/// A count, and until when it is good.
type Place<V> = Arc<Mutex<Option<(Instant, V)>>>;

/// The last counts by what was counted: for pages that many people leave open.
#[derive(Debug)]
pub(crate) struct Kept<K, V>(StdMutex<BTreeMap<K, Place<V>>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(StdMutex::default())
    }
}

impl<K: Ord, V: Clone> Kept<K, V> {
    /// The count, which may have been made a while ago. Of several who look at once, one counts. A count that fails is
    /// not kept.
    pub(crate) async fn get<E>(
        &self,
        key: K,
        count: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let place = self.place(key);
        let mut kept = place.lock().await;
        let begun = Instant::now();
        if let Some((until, value)) = &*kept
            && begun < *until
        {
            return Ok(value.clone());
        }
        let value = count.await?;
        let took = begun.elapsed();
        let until = Instant::now() + (took * KEPT_TIMES).min(KEPT_MAX);
        *kept = (took > QUICK).then(|| (until, value.clone()));
        Ok(value)
    }

    fn place(&self, key: K) -> Place<V> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= KEYS_MAX && !places.contains_key(&key) {
            places.clear();
        }
        Arc::clone(places.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Counts how often it was counted.
    #[derive(Debug, Default)]
    struct Counter(AtomicU64);

    impl Counter {
        async fn count(&self, takes: Duration) -> Result<u64, String> {
            tokio::time::sleep(takes).await;
            Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
        }
    }

    const TENTH: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn of_several_who_look_at_once_one_counts_and_it_is_good_for_fifty_times_as_long() {
        let (kept, counter) = (Kept::default(), Counter::default());
        let looks = (0..8).map(|_| kept.get((), counter.count(TENTH)));
        assert_eq!(join_all(looks).await, vec![Ok(1); 8]);
        tokio::time::advance(Duration::from_millis(4_990)).await;
        assert_eq!(kept.get((), counter.count(TENTH)).await, Ok(1));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(kept.get((), counter.count(TENTH)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_count_is_good_for_half_a_minute() {
        let (kept, counter) = (Kept::default(), Counter::default());
        let slow = Duration::from_secs(20);
        assert_eq!(kept.get((), counter.count(slow)).await, Ok(1));
        tokio::time::advance(Duration::from_millis(29_990)).await;
        assert_eq!(kept.get((), counter.count(slow)).await, Ok(1));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(kept.get((), counter.count(slow)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn each_thing_is_counted_by_itself_and_what_fails_is_not_kept() {
        let (kept, counter) = (Kept::default(), Counter::default());
        assert_eq!(kept.get("one", counter.count(TENTH)).await, Ok(1));
        assert_eq!(kept.get("other", counter.count(TENTH)).await, Ok(2));
        assert_eq!(kept.get("one", counter.count(TENTH)).await, Ok(1));
        let fails = async { Err("away".to_owned()) };
        assert_eq!(kept.get("third", fails).await, Err("away".to_owned()));
        assert_eq!(kept.get("third", counter.count(TENTH)).await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_count_is_made_each_time() {
        let (kept, counter) = (Kept::default(), Counter::default());
        for times in 1..4 {
            assert_eq!(kept.get((), counter.count(QUICK)).await, Ok(times));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let kept = Kept::default();
        for key in 0..3 * KEYS_MAX {
            assert_eq!(kept.get(key, async { Ok::<_, ()>(key) }).await, Ok(key));
            assert!(kept.0.lock().unwrap().len() <= KEYS_MAX);
        }
    }
}
