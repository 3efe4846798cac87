//! What workers are told to do, and since when.

use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::{Span, Timestamp, WorkerId};

use crate::JobsDbError;
use crate::row::{corrupt, time};

/// What workers are told to do.
#[async_trait]
pub trait OrdersDb {
    /// Gives a worker another order, with the next revision. Its time stays if it drained, or did not, before.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn order(&self, order: &NewOrder) -> Result<OrderRow, JobsDbError>;

    /// The last order of each worker that ever got one, by name.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn orders(&self) -> Result<Vec<OrderRow>, JobsDbError>;
}

/// What a worker is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Who.
    pub worker: WorkerId,
    /// Whether it is to drain.
    pub draining: bool,
    /// How long what it runs may go on.
    pub grace: Option<Span>,
    /// Why, for people.
    pub reason: String,
    /// Now, by the database's clock.
    pub at: Timestamp,
}

/// The order that stands for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// As it is sent.
    pub order: WorkerOrder,
    /// Since when it drains, or does not.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// The columns of `worker_orders`: `worker`, `revision`, `draining`, `grace_ms`, `since`, `reason`.
pub(crate) type OrderColumns = (String, i64, bool, Option<i64>, i64, String);

pub(crate) fn order_row(columns: OrderColumns) -> Result<OrderRow, JobsDbError> {
    let (worker, revision, draining, grace_ms, since, reason) = columns;
    let name = format!("the order of worker {worker}");
    let ms = |ms: i64| u64::try_from(ms).map_err(|error| corrupt(&name, error));
    let order = WorkerOrder {
        worker: WorkerId::new(worker).map_err(|error| corrupt(&name, error))?,
        revision: ms(revision)?,
        draining,
        grace: grace_ms.map(ms).transpose()?.map(|ms| Span(Duration::from_millis(ms))),
    };
    Ok(OrderRow { order, since: time(since), reason })
}

/// A grace as it is kept.
pub(crate) fn grace_ms(grace: Option<Span>) -> Option<i64> {
    grace.map(|grace| i64::try_from(grace.0.as_millis()).unwrap_or(i64::MAX))
}
