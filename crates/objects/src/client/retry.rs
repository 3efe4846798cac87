//! The one place that repeats requests: bounded, with exponential backoff and full jitter.
//!
//! The SDK's own retries are off. They would repeat a conditional put whose answer was lost, and the
//! 412 that follows would read as "somebody else's object" when it is our own.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ObjectsError;
use crate::metrics::Operation;

/// The first wait is up to this.
const FIRST: Duration = Duration::from_millis(100);
/// No wait is longer than this.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait before the next try: a random share of a bound that doubles.
#[derive(Debug)]
pub(crate) struct Backoff {
    bound: Duration,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { bound: FIRST }
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = rand::random_range(Duration::ZERO..=self.bound);
        self.bound = (self.bound * 2).min(LONGEST);
        wait
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

/// How often a request is tried, and how long one try may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    pub(crate) operation: Operation,
    pub(crate) attempts_max: u32,
    /// Tries go on for so long all the same.
    pub(crate) patience: Duration,
    pub(crate) timeout: Duration,
}

/// Tries in a row that came to nothing.
#[derive(Debug)]
pub(crate) struct Fruitless {
    tries: Tries,
    count: u32,
    since: Instant,
}

impl Fruitless {
    /// One more; whether that is enough.
    pub(crate) fn count(&mut self, object: &str) -> bool {
        self.count += 1;
        if self.count < self.tries.attempts_max {
            return false;
        }
        let left = self.tries.patience.saturating_sub(self.since.elapsed());
        if !left.is_zero() && self.count == self.tries.attempts_max {
            tracing::warn!(object, patience = ?left, "the object store is away; it is waited for");
        }
        left.is_zero()
    }
}

impl Tries {
    /// None has failed so far.
    pub(crate) fn begin(self) -> Fruitless {
        Fruitless { tries: self, count: 0, since: Instant::now() }
    }

    /// Runs one try, cut off at the timeout. The SDK's futures are tens of kilobytes, so they go to
    /// the heap here, once for all callers.
    pub(crate) fn once<T>(
        self,
        object: &str,
        request: impl Future<Output = Result<T, ObjectsError>>,
    ) -> impl Future<Output = Result<T, ObjectsError>> {
        let answer = tokio::time::timeout(self.timeout, Box::pin(request));
        async move {
            let begun = Instant::now();
            let settled = answer.await.unwrap_or_else(|_| {
                let reason = format!("no answer within {:?}", self.timeout);
                Err(ObjectsError::unavailable(object, reason))
            });
            self.operation.tried(&settled, begun.elapsed());
            settled
        }
    }

    /// Repeats `request` while its error is [`ObjectsError::Unavailable`] and tries or patience are left.
    pub(crate) async fn repeat<T, F>(
        self,
        object: &str,
        mut request: impl FnMut() -> F,
    ) -> Result<T, ObjectsError>
    where
        F: Future<Output = Result<T, ObjectsError>>,
    {
        let mut backoff = Backoff::new();
        let mut fruitless = self.begin();
        loop {
            match self.once(object, request()).await {
                Err(ObjectsError::Unavailable { .. }) if !fruitless.count(object) => {
                    backoff.wait().await;
                    self.operation.repeated();
                }
                settled => return settled,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_under_their_doubling_bound() {
        let mut backoff = Backoff::new();
        for round in 0..12 {
            let bound = (FIRST * 2_u32.pow(round)).min(LONGEST);
            let wait = backoff.next();
            assert!(wait <= bound, "round {round}: {wait:?} > {bound:?}");
        }
    }

    async fn calls_made(fails: u32, error: fn() -> ObjectsError) -> (u32, bool) {
        let timeout = Duration::from_secs(1);
        let patience = Duration::ZERO;
        let tries = Tries { operation: Operation::Get, attempts_max: 3, patience, timeout };
        let mut calls = 0;
        let settled = tries
            .repeat("s3://b/k", || {
                calls += 1;
                let result = if calls <= fails { Err(error()) } else { Ok(()) };
                async move { result }
            })
            .await;
        (calls, settled.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_transient_errors_are_repeated_and_only_so_often() {
        let unavailable = || ObjectsError::unavailable("s3://b/k", "503");
        let missing = || ObjectsError::NotFound { object: String::new() };
        assert_eq!(calls_made(0, unavailable).await, (1, true));
        assert_eq!(calls_made(2, unavailable).await, (3, true));
        assert_eq!(calls_made(9, unavailable).await, (3, false));
        assert_eq!(calls_made(1, missing).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_is_waited_for_as_long_as_patience_lasts() {
        let back_after = async |away: Duration| {
            let (timeout, patience) = (Duration::from_secs(1), Duration::from_secs(300));
            let tries = Tries { operation: Operation::Get, attempts_max: 3, patience, timeout };
            let begun = Instant::now();
            let request = || async move {
                let is_back = begun.elapsed() >= away;
                is_back.then_some(()).ok_or_else(|| ObjectsError::unavailable("s3://b/k", "503"))
            };
            (tries.repeat("s3://b/k", request).await.is_ok(), begun.elapsed())
        };
        assert!(back_after(Duration::from_secs(290)).await.0);
        let (came_back, waited) = back_after(Duration::from_secs(3600)).await;
        assert!(!came_back);
        assert!((300..=306).contains(&waited.as_secs()), "{waited:?}");
    }
}
