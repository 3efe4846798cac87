//! Waking those who wait for news.

use std::time::Instant;

use tokio::sync::watch;

/// Says that something may have happened. Whoever waits looks again; a signal too many costs one look.
#[derive(Debug)]
pub(super) struct Signal(watch::Sender<()>);

/// Raises the signal when it is dropped: also when the caller gave up on a commit that may still happen.
#[derive(Debug)]
pub(super) struct Raise<'a>(&'a Signal);

/// Someone who waits for a signal, and misses none that is raised after [`Waiter::arm`].
#[derive(Debug)]
pub(super) struct Waiter(watch::Receiver<()>);

impl Signal {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Raises it at the end of the scope; to be held over a commit.
    pub(super) const fn raise_on_drop(&self) -> Raise<'_> {
        Raise(self)
    }

    pub(super) fn raise(&self) {
        self.0.send_replace(());
    }

    pub(super) fn waiter(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }
}

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.raise();
    }
}

impl Waiter {
    /// Forgets the signals so far. Call it before looking.
    pub(super) fn arm(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits for a signal since [`Waiter::arm`], until `deadline` at the latest.
    pub(super) async fn wait_until(&mut self, deadline: Instant) {
        // Either way the caller looks again, and looks at the clock itself. A bus that is gone signals no more.
        match tokio::time::timeout_at(deadline.into(), self.0.changed()).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(_)) => tokio::time::sleep_until(deadline.into()).await,
        }
    }
}
