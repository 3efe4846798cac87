//! New jobs.

use panofleet_job_schema::{Job, JobId, Tenant, Timestamp};
use sqlx::SqliteConnection;

use super::file::SqliteFile;
use super::row::{job_id, versioned};
use crate::row::to_doc;
use crate::write::first_timer;
use crate::{Accepted, IdempotencyKey, JobsDbError};

pub(super) async fn accept(
    file: &SqliteFile,
    job: &Job,
    key: Option<&IdempotencyKey>,
) -> Result<Accepted, JobsDbError> {
    let mut transaction = file.write().await?;
    if let Some(key) = key {
        if let Some(accepted) = find(&mut transaction, &job.tenant, key).await? {
            return Ok(accepted);
        }
        insert_job(&mut transaction, job).await?;
        insert_key(&mut transaction, job, key).await?;
    } else {
        insert_job(&mut transaction, job).await?;
    }
    transaction.commit().await?;
    Ok(Accepted::Created)
}

/// What has the key already.
async fn find(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    key: &IdempotencyKey,
) -> Result<Option<Accepted>, JobsDbError> {
    let row: Option<(Vec<u8>, i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT jobs.id, jobs.version, jobs.doc, idempotency_keys.payload_sha256
         FROM idempotency_keys JOIN jobs ON jobs.id = idempotency_keys.job
         WHERE idempotency_keys.tenant = ? AND idempotency_keys.key = ?",
    )
    .bind(tenant.as_str())
    .bind(&key.key)
    .fetch_optional(connection)
    .await?;
    let Some((id, version, doc, payload_sha256)) = row else { return Ok(None) };
    if payload_sha256 != key.payload_sha256 {
        return Ok(Some(Accepted::KeyTaken(job_id(&id)?)));
    }
    Ok(Some(Accepted::Existing(Box::new(versioned((id, version, doc))?.job))))
}

async fn insert_job(connection: &mut SqliteConnection, job: &Job) -> Result<(), JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO jobs (id, tenant, region, lane, state, band, deadline_at, timer_at, version, doc)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (id) DO NOTHING",
    )
    .bind(job_key(job.id))
    .bind(job.tenant.as_str())
    .bind(job.region.as_str())
    .bind(job.lane.as_str())
    .bind(job.state.name())
    .bind(job.spec.priority.band())
    .bind(job.deadline_at.as_millis())
    .bind(first_timer(job).map(Timestamp::as_millis))
    .bind(to_doc(job))
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(JobsDbError::Conflict(format!("job {}", job.id)));
    }
    for (key, value) in &job.spec.labels {
        sqlx::query("INSERT INTO labels (job, key, value) VALUES (?, ?, ?)")
            .bind(job_key(job.id))
            .bind(key)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert_key(
    connection: &mut SqliteConnection,
    job: &Job,
    key: &IdempotencyKey,
) -> Result<(), JobsDbError> {
    sqlx::query(
        "INSERT INTO idempotency_keys (tenant, key, job, payload_sha256) VALUES (?, ?, ?, ?)",
    )
    .bind(job.tenant.as_str())
    .bind(&key.key)
    .bind(job_key(job.id))
    .bind(key.payload_sha256.as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

/// A job's id as the key of its row.
pub(super) fn job_key(id: JobId) -> Vec<u8> {
    id.0.as_bytes().to_vec()
}
