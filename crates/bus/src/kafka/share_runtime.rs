//! The thread that share consumers live on.
//!
//! `krafka` asks for more for as long as somebody waits, and stops when that is over. On a runtime with several threads
//! its sender can run in between, and ask for one batch too many: messages that lie locked where nobody looks. On one
//! thread the two cannot overlap.

use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::BusError;

/// The thread of one bus; it ends with its last user.
#[derive(Clone, Debug)]
pub(super) struct ShareRuntime {
    handle: Handle,
    _ends_when_dropped: Arc<oneshot::Sender<()>>,
}

impl ShareRuntime {
    pub(super) fn start() -> Result<Self, BusError> {
        let failed = |error: std::io::Error| BusError::Unavailable(format!("no thread: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (users, gone) = oneshot::channel();
        let live = move || runtime.block_on(async { drop(gone.await) });
        std::thread::Builder::new().name("share-consumers".into()).spawn(live).map_err(failed)?;
        Ok(Self { handle, _ends_when_dropped: Arc::new(users) })
    }

    /// Runs something there. Its caller may go away: then it still runs to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, BusError> {
        let done = self.handle.spawn(work).await;
        done.map_err(|error| BusError::Unavailable(error.to_string()))
    }

    /// Starts something there.
    pub(super) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::AbortHandle {
        self.handle.spawn(work).abort_handle()
    }
}
