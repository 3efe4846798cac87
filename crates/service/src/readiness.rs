//! Whether a process can do its work now, and what is in the way.

use std::fmt::{self, Display};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

/// Longest wait for one part to answer.
const CHECK_WAIT: Duration = Duration::from_secs(2);

/// How one part that a process needs is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The part.
    pub part: &'static str,
    /// Whether it answered as it should.
    pub ok: bool,
    /// What does not work meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// Asks a part, for 2 s at most. What it said instead of an answer goes to the log; `otherwise` is for everybody.
pub async fn check<T, E: Display>(
    part: &'static str,
    otherwise: &'static str,
    answer: impl Future<Output = Result<T, E>>,
) -> Checked {
    let trouble = match tokio::time::timeout(CHECK_WAIT, answer).await {
        Ok(Ok(_)) => return Checked { part, ok: true, reason: None },
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => "no answer in time".to_owned(),
    };
    tracing::warn!(part, error = trouble, "not ready");
    Checked { part, ok: false, reason: Some(otherwise) }
}

type Answer = Pin<Box<dyn Future<Output = Checked> + Send>>;

/// The parts that a process cannot do without.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<Box<dyn Fn() -> Answer + Send + Sync>>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("checks", &self.checks.len()).finish()
    }
}

impl Readiness {
    /// A process that needs nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one part more: `ask` is called for each look, `otherwise` says what does not work without it.
    #[must_use]
    pub fn with<T, E, F>(
        mut self,
        part: &'static str,
        otherwise: &'static str,
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Display + Send + 'static,
    {
        self.checks.push(Box::new(move || Box::pin(check(part, otherwise, ask()))));
        self
    }

    /// Asks every part at once, so that a look takes 2 s at most; the answers are in the order of [`Self::with`].
    pub async fn look(&self) -> Vec<Checked> {
        join_all(self.checks.iter().map(|ask| ask())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn parts_that_never_answer_cost_one_wait_together() {
        let deaf = || std::future::pending::<Result<(), String>>();
        let readiness =
            Readiness::new().with("bus", "no jobs", deaf).with("database", "nothing", deaf);
        let begun = tokio::time::Instant::now();
        let found = readiness.look().await;
        assert_eq!(begun.elapsed(), CHECK_WAIT);
        let reasons: Vec<_> = found.iter().map(|check| (check.part, check.reason)).collect();
        assert_eq!(reasons, [("bus", Some("no jobs")), ("database", Some("nothing"))]);
    }
}
