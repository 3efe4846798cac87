//! New jobs.

use panofleet_job_schema::{Job, JobId, Tenant, Timestamp};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::row::versioned;
use crate::row::to_doc;
use crate::write::first_timer;
use crate::{Accepted, IdempotencyKey, JobsDbError};

pub(super) async fn accept(
    pool: &PgPool,
    job: &Job,
    key: Option<&IdempotencyKey>,
) -> Result<Accepted, JobsDbError> {
    let mut transaction = pool.begin().await?;
    let Some(key) = key else {
        insert_job(&mut transaction, job).await?;
        transaction.commit().await?;
        return Ok(Accepted::Created);
    };
    if let Some(accepted) = find(&mut transaction, &job.tenant, key).await? {
        return Ok(accepted);
    }
    insert_job(&mut transaction, job).await?;
    if insert_key(&mut transaction, job, key).await? {
        transaction.commit().await?;
        return Ok(Accepted::Created);
    }
    // Somebody else came between the look and the insert, and has committed by now.
    transaction.rollback().await?;
    let mut connection = pool.acquire().await?;
    let found = find(&mut connection, &job.tenant, key).await?;
    found.ok_or_else(|| JobsDbError::Conflict(format!("the idempotency key of job {}", job.id)))
}

/// What has the key already.
async fn find(
    connection: &mut PgConnection,
    tenant: &Tenant,
    key: &IdempotencyKey,
) -> Result<Option<Accepted>, JobsDbError> {
    let row: Option<(Uuid, i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT jobs.id, jobs.version, jobs.doc, idempotency_keys.payload_sha256
         FROM idempotency_keys JOIN jobs ON jobs.id = idempotency_keys.job
         WHERE idempotency_keys.tenant = $1 AND idempotency_keys.key = $2",
    )
    .bind(tenant.as_str())
    .bind(key.key.as_bytes())
    .fetch_optional(connection)
    .await?;
    let Some((id, version, doc, payload_sha256)) = row else { return Ok(None) };
    if payload_sha256 != key.payload_sha256 {
        return Ok(Some(Accepted::KeyTaken(JobId(id))));
    }
    Ok(Some(Accepted::Existing(Box::new(versioned((id, version, doc))?.job))))
}

async fn insert_job(connection: &mut PgConnection, job: &Job) -> Result<(), JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO jobs (id, tenant, region, lane, state, band, deadline_at, timer_at, version, doc)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) ON CONFLICT (id) DO NOTHING",
    )
    .bind(job.id.0)
    .bind(job.tenant.as_str())
    .bind(job.region.as_str())
    .bind(job.lane.as_str())
    .bind(job.state.name())
    .bind(i16::from(job.spec.priority.band()))
    .bind(job.deadline_at.as_millis())
    .bind(first_timer(job).map(Timestamp::as_millis))
    .bind(to_doc(job))
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(JobsDbError::Conflict(format!("job {}", job.id)));
    }
    if job.spec.labels.is_empty() {
        return Ok(());
    }
    let (keys, values): (Vec<&[u8]>, Vec<&[u8]>) =
        job.spec.labels.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).unzip();
    sqlx::query(
        "INSERT INTO labels (job, key, value) SELECT $1, * FROM unnest($2::bytea[], $3::bytea[])",
    )
    .bind(job.id.0)
    .bind(keys)
    .bind(values)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the key was free.
async fn insert_key(
    connection: &mut PgConnection,
    job: &Job,
    key: &IdempotencyKey,
) -> Result<bool, JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO idempotency_keys (tenant, key, job, payload_sha256) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, key) DO NOTHING",
    )
    .bind(job.tenant.as_str())
    .bind(key.key.as_bytes())
    .bind(job.id.0)
    .bind(key.payload_sha256.as_slice())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
