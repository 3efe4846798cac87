//! The change counter: who waits for news is woken by writes of this process at once, and by those of others when
//! PostgreSQL tells of them.
//!
//! A write does not notify inside its own transaction: commits that notify queue for one lock of the whole server,
//! through their sync. A task notifies afterwards, once for all writes since it last did. If the process dies in
//! between, the others see the write when their wait is over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::kept::Kept;
use crate::JobsDbError;
use crate::counter::Counter;

const CHANNEL: &str = "panofleet_jobs";
/// The time before something is tried again that the server did not do.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Counts the writes that this process made or has heard of, from 0.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) counter: Counter,
    untold: Arc<Notify>,
    /// Ended when this is dropped.
    _tasks: JoinSet<()>,
}

/// Counts one write when it is dropped: also when the caller gave up on a commit that may still happen.
#[derive(Debug)]
pub(super) struct Change<'a>(&'a Changes);

impl Changes {
    /// Listens from the time that this returns.
    pub(super) async fn start(kept: Arc<Kept>, listener_pool: PgPool) -> Result<Self, JobsDbError> {
        let counter = Counter::default();
        let untold = Arc::new(Notify::new());
        let this_process = Uuid::new_v4().to_string();
        let listener = listen(&listener_pool).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(hear(listener, listener_pool, counter.clone(), this_process.clone()));
        tasks.spawn(tell(kept, Arc::clone(&untold), this_process));
        Ok(Self { counter, untold, _tasks: tasks })
    }

    /// To be held over a commit.
    pub(super) const fn announce(&self) -> Change<'_> {
        Change(self)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.counter.add();
        self.0.untold.notify_one();
    }
}

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Counts what other processes tell.
async fn hear(mut listener: PgListener, pool: PgPool, counter: Counter, this_process: String) {
    loop {
        let Err(_lost) = hear_until_lost(&mut listener, &counter, &this_process).await;
        drop(listener);
        listener = loop {
            tokio::time::sleep(RETRY_AFTER).await;
            if let Ok(listener) = listen(&pool).await {
                break listener;
            }
        };
        // Something may have been told while nobody listened.
        counter.add();
    }
}

async fn hear_until_lost(
    listener: &mut PgListener,
    counter: &Counter,
    this_process: &str,
) -> Result<Infallible, sqlx::Error> {
    loop {
        match listener.try_recv().await? {
            Some(told) if told.payload() == this_process => {}
            // `None` is a connection that was lost and is there again.
            Some(_) | None => counter.add(),
        }
    }
}

/// Tells other processes of this one's writes.
async fn tell(kept: Arc<Kept>, untold: Arc<Notify>, this_process: String) {
    loop {
        untold.notified().await;
        if notify(&kept, &this_process).await.is_err() {
            tokio::time::sleep(RETRY_AFTER).await;
            untold.notify_one();
        }
    }
}

async fn notify(kept: &Kept, this_process: &str) -> Result<(), JobsDbError> {
    let mut connection = kept.take().await?;
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(this_process)
        .execute(&mut *connection)
        .await?;
    kept.keep(connection);
    Ok(())
}
