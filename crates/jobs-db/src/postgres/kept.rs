//! Connections at hand, for the calls that a dispatcher and a collector make all the time.
//!
//! The pool asks a connection whether it lives before each use and after it: two more trips to the server for every call.
//! One that has just been of use is believed to live instead. If it does not, the call fails as it would if the server had
//! gone a moment later, and the connection goes back to the pool, which looks at it.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::JobsDbError;

/// One that has rested for so long is asked whether it lives.
const BELIEVED: Duration = Duration::from_millis(500);
/// How many are kept: a dispatcher's, a collector's, one that tells of writes, and some for requests.
pub(super) const KEPT_MAX: u32 = 6;

/// Connections that are not given back at once. Whoever finds all of them in use has another one of the pool.
#[derive(Debug)]
pub(super) struct Kept {
    pool: PgPool,
    own: PgPool,
    free: Arc<Semaphore>,
    resting: Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
}

/// A connection in use. Dropped, it goes back to its pool, which looks at it.
#[derive(Debug)]
pub(super) struct InUse {
    connection: PoolConnection<Postgres>,
    /// Of one that may be kept.
    place: Option<OwnedSemaphorePermit>,
}

impl Kept {
    /// Keeps connections of `own`, which nobody else uses and which has [`KEPT_MAX`].
    pub(super) fn of(pool: PgPool, own: PgPool) -> Self {
        let free = Arc::new(Semaphore::new(KEPT_MAX as usize));
        Self { pool, own, free, resting: Mutex::default() }
    }

    /// A connection. Give it back with [`Kept::keep`] after a call that went well.
    pub(super) async fn take(&self) -> Result<InUse, JobsDbError> {
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else {
            return Ok(InUse { connection: self.pool.acquire().await?, place: None });
        };
        let rested = self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some((mut connection, since)) = rested
            && (since.elapsed() < BELIEVED || connection.ping().await.is_ok())
        {
            return Ok(InUse { connection, place: Some(place) });
        }
        Ok(InUse { connection: self.own.acquire().await?, place: Some(place) })
    }

    /// Keeps a connection whose last call went well, outside of a transaction.
    pub(super) fn keep(&self, InUse { connection, place }: InUse) {
        if place.is_some() {
            let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
            resting.push((connection, Instant::now()));
        }
    }
}

impl Deref for InUse {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for InUse {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
