//! The change counter: who waits for news is woken by the write itself.

use std::time::Duration;

use tokio::sync::watch;

/// Counts writes that this process knows of, from 0. Clones are the same counter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(watch::Sender<u64>);

impl Counter {
    /// To be held over a commit: counts one write when it is dropped, also when the caller gave up on a commit that
    /// may still happen.
    pub(crate) const fn announce(&self) -> Announced<'_> {
        Announced(self)
    }

    /// Counts one write.
    pub(crate) fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Waits up to `wait` until the counter is not at `seen`, and returns it.
    pub(crate) async fn since(&self, seen: u64, wait: Duration) -> u64 {
        let mut counter = self.0.subscribe();
        let news = tokio::time::timeout(wait, counter.wait_for(|count| *count != seen)).await;
        match news {
            Ok(Ok(count)) => *count,
            Ok(Err(_)) | Err(_) => *self.0.borrow(),
        }
    }
}

/// A write that is about to happen.
#[derive(Debug)]
pub(crate) struct Announced<'a>(&'a Counter);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.add();
    }
}
