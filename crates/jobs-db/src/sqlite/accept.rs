//! New jobs.

use std::collections::BTreeMap;

use panofleet_job_schema::{Job, JobId, Timestamp};
use sqlx::SqliteConnection;

use super::file::SqliteFile;
use super::row::{job_id, versioned};
use crate::offers::{Holder, KeyName, answers, created};
use crate::row::to_doc;
use crate::write::first_timer;
use crate::{Accepted, IdempotencyKey, JobsDbError, Offer, filter};

pub(super) async fn accept_all(
    file: &SqliteFile,
    offers: &[Offer],
) -> Result<Vec<Accepted>, JobsDbError> {
    let mut transaction = file.write().await?;
    let mut holders = BTreeMap::new();
    for name in offers.iter().filter_map(Offer::key_name) {
        if let Some(holder) = holder(&mut transaction, name).await? {
            holders.insert(name, holder);
        }
    }
    let answers = answers(offers, holders);
    for Offer { job, key } in created(offers, &answers) {
        insert_job(&mut transaction, job).await?;
        if let Some(key) = key {
            insert_key(&mut transaction, job, key).await?;
        }
    }
    transaction.commit().await?;
    Ok(answers)
}

/// The job of a key; its version and doc, unless retention has removed it; the key's `payload_sha256`.
type KeyColumns = (Vec<u8>, Option<i64>, Option<String>, Vec<u8>);

/// Who has a key already.
async fn holder(
    connection: &mut SqliteConnection,
    (tenant, key): KeyName<'_>,
) -> Result<Option<Holder>, JobsDbError> {
    let row: Option<KeyColumns> = sqlx::query_as(
        "SELECT idempotency_keys.job, jobs.version, jobs.doc, idempotency_keys.payload_sha256
         FROM idempotency_keys LEFT JOIN jobs ON jobs.id = idempotency_keys.job
         WHERE idempotency_keys.tenant = ? AND idempotency_keys.key = ?",
    )
    .bind(tenant.as_str())
    .bind(key)
    .fetch_optional(connection)
    .await?;
    let Some((id, version, doc, payload_sha256)) = row else { return Ok(None) };
    let job = match version.zip(doc) {
        Some((version, doc)) => Some(versioned((id.clone(), version, doc))?.job),
        None => None,
    };
    Ok(Some(Holder { id: job_id(&id)?, job, payload_sha256 }))
}

/// Whether the row is new.
pub(super) async fn insert_row(
    connection: &mut SqliteConnection,
    job: &Job,
) -> Result<bool, JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO jobs (id, tenant, region, lane, state, band, deadline_at, timer_at, version, doc,
            parent, parent_generation, operations, upload)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
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
    .bind(job.child_of.map(|of| job_key(of.parent)))
    .bind(job.child_of.map(|of| of.generation.0))
    .bind(filter::operations(job))
    // Children go with their parent, whose upload theirs is.
    .bind(filter::upload(job).filter(|_| job.child_of.is_none()).map(|id| id.as_bytes().to_vec()))
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

async fn insert_job(connection: &mut SqliteConnection, job: &Job) -> Result<(), JobsDbError> {
    if !insert_row(connection, job).await? {
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
