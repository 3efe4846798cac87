//! What workers are told to do.

use async_trait::async_trait;

use super::PostgresJobsDb;
use crate::order::{OrderColumns, grace_ms, order_row};
use crate::{JobsDbError, NewOrder, OrderRow, OrdersDb};

#[async_trait]
impl OrdersDb for PostgresJobsDb {
    async fn order(&self, order: &NewOrder) -> Result<OrderRow, JobsDbError> {
        let _change = self.changes.announce();
        let row: OrderColumns = sqlx::query_as(
            "INSERT INTO worker_orders (worker, revision, draining, grace_ms, since, reason)
             VALUES ($1, 1, $2, $3, $4, $5)
             ON CONFLICT (worker) DO UPDATE SET
                revision = worker_orders.revision + 1, draining = excluded.draining,
                grace_ms = excluded.grace_ms, reason = excluded.reason,
                since = CASE WHEN worker_orders.draining = excluded.draining
                             THEN worker_orders.since ELSE excluded.since END
             RETURNING worker, revision, draining, grace_ms, since, reason",
        )
        .bind(order.worker.as_str())
        .bind(order.draining)
        .bind(grace_ms(order.grace))
        .bind(order.at.as_millis())
        .bind(&order.reason)
        .fetch_one(&self.pool)
        .await?;
        order_row(row)
    }

    async fn orders(&self) -> Result<Vec<OrderRow>, JobsDbError> {
        let rows: Vec<OrderColumns> = sqlx::query_as(
            "SELECT worker, revision, draining, grace_ms, since, reason FROM worker_orders
             ORDER BY worker",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(order_row).collect()
    }
}
