//! The change counter: who waits for news is woken by the write itself.

use std::time::Duration;

use tokio::sync::watch;

/// Counts the writes of this process, from 0. One process owns a SQLite file, so it misses none.
#[derive(Debug)]
pub(super) struct Changes {
    counter: watch::Sender<u64>,
}

/// Counts one write when it is dropped: also when the caller gave up on a commit that may still happen.
#[derive(Debug)]
pub(super) struct Change<'a>(&'a Changes);

impl Changes {
    pub(super) fn new() -> Self {
        Self { counter: watch::Sender::new(0) }
    }

    /// To be held over a commit.
    pub(super) const fn announce(&self) -> Change<'_> {
        Change(self)
    }

    /// Waits up to `wait` until the counter is not at `seen`, and returns it.
    pub(super) async fn since(&self, seen: u64, wait: Duration) -> u64 {
        let mut counter = self.counter.subscribe();
        let news = tokio::time::timeout(wait, counter.wait_for(|count| *count != seen)).await;
        match news {
            Ok(Ok(count)) => *count,
            Ok(Err(_)) | Err(_) => *self.counter.borrow(),
        }
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.counter.send_modify(|count| *count += 1);
    }
}
