//! The one place that repeats requests: bounded, with exponential backoff and full jitter.
//!
//! The SDK's own retries are off. They would repeat a conditional put whose answer was lost, and the
//! 412 that follows would read as "somebody else's object" when it is our own.

use std::future::Future;
use std::time::{Duration, Instant};

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
    pub(crate) timeout: Duration,
}

impl Tries {
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

    /// Repeats `request` while its error is [`ObjectsError::Unavailable`] and tries are left.
    pub(crate) async fn repeat<T, F>(
        self,
        object: &str,
        mut request: impl FnMut() -> F,
    ) -> Result<T, ObjectsError>
    where
        F: Future<Output = Result<T, ObjectsError>>,
    {
        let mut backoff = Backoff::new();
        let mut tried = 0;
        loop {
            tried += 1;
            match self.once(object, request()).await {
                Err(ObjectsError::Unavailable { .. }) if tried < self.attempts_max => {
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
        let tries = Tries { operation: Operation::Get, attempts_max: 3, timeout };
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
}
