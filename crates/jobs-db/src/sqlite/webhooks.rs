//! Webhooks, and what there is to tell them.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use sqlx::{QueryBuilder, SqliteConnection};
use uuid::Uuid;

use super::SqliteJobsDb;
use super::accept::job_key;
use crate::row::{corrupt, integer, is_new, to_doc};
use crate::webhook::{
    DUE_MAX, DeliveryColumns, DueColumns, WebhookColumns, delivery, due_delivery, ends_of,
    events_column, secrets_column, stored_webhook,
};
use crate::{
    Delivery, DeliveryState, DueDelivery, JobWrite, JobsDbError, StoredWebhook, Then, Tried,
    Webhook, WebhookEvent, WebhookSecret, WebhooksDb,
};

/// Notes what webhooks are to be told of writes that were just made, inside their transaction.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    writes: impl IntoIterator<Item = &JobWrite>,
) -> Result<(), JobsDbError> {
    for (job, at) in ends_of(writes) {
        sqlx::query(
            "INSERT INTO deliveries (id, webhook, event, job, job_version, job_doc, happened_at, due_at)
             SELECT randomblob(16), webhooks.id, 'job.' || jobs.state, jobs.id, jobs.version, jobs.doc, ?1, ?1
             FROM jobs JOIN webhooks ON webhooks.tenant = jobs.tenant AND webhooks.enabled
                AND (webhooks.events = '' OR instr(webhooks.events, ',job.' || jobs.state || ',') > 0)
             WHERE jobs.id = ?2",
        )
        .bind(at.as_millis())
        .bind(job_key(job))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn key(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn uuid(key: &[u8]) -> Result<Uuid, JobsDbError> {
    Uuid::from_slice(key).map_err(|error| corrupt("an id of a delivery", error))
}

#[async_trait]
impl WebhooksDb for SqliteJobsDb {
    async fn put_webhook(
        &self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
    ) -> Result<(), JobsDbError> {
        let inserted = sqlx::query(
            "INSERT INTO webhooks (id, tenant, enabled, events, secrets, version, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(key(webhook.id))
        .bind(webhook.tenant.as_str())
        .bind(webhook.disabled.is_none())
        .bind(events_column(webhook))
        .bind(secrets_column(secrets))
        .bind(to_doc(webhook))
        .execute(&self.file.writer)
        .await?;
        is_new(inserted.rows_affected(), || format!("webhook {}", webhook.id))
    }

    async fn webhook(&self, id: Uuid) -> Result<Option<StoredWebhook>, JobsDbError> {
        let row: Option<WebhookColumns> =
            sqlx::query_as("SELECT secrets, version, doc FROM webhooks WHERE id = ?1")
                .bind(key(id))
                .fetch_optional(&self.file.readers)
                .await?;
        row.map(stored_webhook).transpose()
    }

    async fn webhooks(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<StoredWebhook>, JobsDbError> {
        let rows: Vec<WebhookColumns> = sqlx::query_as(
            "SELECT secrets, version, doc FROM webhooks WHERE (?1 IS NULL OR tenant = ?1)
             ORDER BY id DESC LIMIT ?2",
        )
        .bind(tenant.map(Tenant::as_str))
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(stored_webhook).collect()
    }

    async fn write_webhook(
        &self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
        expected_version: u64,
    ) -> Result<bool, JobsDbError> {
        let written = sqlx::query(
            "UPDATE webhooks SET enabled = ?1, events = ?2, secrets = ?3, doc = ?4, version = version + 1
             WHERE id = ?5 AND version = ?6",
        )
        .bind(webhook.disabled.is_none())
        .bind(events_column(webhook))
        .bind(secrets_column(secrets))
        .bind(to_doc(webhook))
        .bind(key(webhook.id))
        .bind(integer(expected_version))
        .execute(&self.file.writer)
        .await?;
        Ok(written.rows_affected() > 0)
    }

    async fn remove_webhook(&self, id: Uuid) -> Result<bool, JobsDbError> {
        let mut transaction = self.file.write().await?;
        let removed = sqlx::query("DELETE FROM webhooks WHERE id = ?1")
            .bind(key(id))
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM deliveries WHERE webhook = ?1")
            .bind(key(id))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(removed.rows_affected() > 0)
    }

    async fn put_test_delivery(&self, webhook: Uuid, now: Timestamp) -> Result<Uuid, JobsDbError> {
        let _change = self.changes.announce();
        let id = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO deliveries (id, webhook, event, happened_at, due_at) VALUES (?1, ?2, ?3, ?4, ?4)",
        )
        .bind(key(id))
        .bind(key(webhook))
        .bind(WebhookEvent::Test.name())
        .bind(now.as_millis())
        .execute(&self.file.writer)
        .await?;
        Ok(id)
    }

    async fn deliveries_due(
        &self,
        now: Timestamp,
        each: u32,
    ) -> Result<Vec<DueDelivery>, JobsDbError> {
        let rows: Vec<DueColumns<Vec<u8>>> = sqlx::query_as(
            "SELECT due.id, webhook, event, job, happened_at, delivered, tries, due_at, last, job_version, job_doc,
                secrets, version, doc FROM (
                SELECT deliveries.*, row_number() OVER (PARTITION BY webhook ORDER BY due_at, seq) AS place
                FROM deliveries
                WHERE due_at <= ?1 AND NOT EXISTS (
                    SELECT 1 FROM deliveries AS earlier
                    WHERE earlier.job = deliveries.job AND earlier.webhook = deliveries.webhook
                        AND earlier.seq < deliveries.seq AND earlier.due_at IS NOT NULL)
             ) AS due JOIN webhooks ON webhooks.id = due.webhook AND webhooks.enabled
             WHERE due.place <= ?2 ORDER BY due_at, seq LIMIT ?3",
        )
        .bind(now.as_millis())
        .bind(each)
        .bind(DUE_MAX)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(|row| due_delivery(row, |key| uuid(&key))).collect()
    }

    async fn end_try(
        &self,
        delivery: Uuid,
        tries_before: u32,
        tried: &Tried,
        then: Then,
    ) -> Result<(), JobsDbError> {
        let _change = self.changes.announce();
        let due_at = match then {
            Then::Again(at) => Some(at.as_millis()),
            Then::Delivered | Then::GivenUp => None,
        };
        sqlx::query(
            "UPDATE deliveries SET tries = tries + 1, last = ?1, due_at = ?2, delivered = ?3
             WHERE id = ?4 AND tries = ?5 AND due_at IS NOT NULL",
        )
        .bind(to_doc(tried))
        .bind(due_at)
        .bind(then == Then::Delivered)
        .bind(key(delivery))
        .bind(tries_before)
        .execute(&self.file.writer)
        .await?;
        Ok(())
    }

    async fn deliveries(
        &self,
        webhook: Uuid,
        state: Option<DeliveryState>,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Delivery>, JobsDbError> {
        let mut query = QueryBuilder::new(
            "SELECT id, webhook, event, job, happened_at, delivered, tries, due_at, last
             FROM deliveries WHERE webhook = ",
        );
        query.push_bind(key(webhook));
        query.push(match state {
            None => "",
            Some(DeliveryState::Pending) => " AND due_at IS NOT NULL",
            Some(DeliveryState::Delivered) => " AND due_at IS NULL AND delivered",
            Some(DeliveryState::Failed) => " AND due_at IS NULL AND NOT delivered",
        });
        if let Some(before) = before {
            query.push(" AND seq < (SELECT seq FROM deliveries WHERE id = ").push_bind(key(before));
            query.push(")");
        }
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(limit);
        let rows: Vec<DeliveryColumns<Vec<u8>>> =
            query.build_query_as().fetch_all(&self.file.readers).await?;
        rows.into_iter().map(|row| delivery(row, |key| uuid(&key))).collect()
    }

    async fn replay_deliveries(
        &self,
        webhook: Uuid,
        one: Option<Uuid>,
        now: Timestamp,
    ) -> Result<u64, JobsDbError> {
        let _change = self.changes.announce();
        let replayed = sqlx::query(
            "UPDATE deliveries SET due_at = ?1, tries = 0, delivered = FALSE
             WHERE webhook = ?2 AND due_at IS NULL AND CASE WHEN ?3 IS NULL THEN NOT delivered ELSE id = ?3 END",
        )
        .bind(now.as_millis())
        .bind(key(webhook))
        .bind(one.map(key))
        .execute(&self.file.writer)
        .await?;
        Ok(replayed.rows_affected())
    }

    async fn remove_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM deliveries WHERE seq IN (
                SELECT seq FROM deliveries WHERE happened_at < ?1 ORDER BY happened_at LIMIT ?2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(&self.file.writer)
        .await?;
        Ok(removed.rows_affected())
    }
}
