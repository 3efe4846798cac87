//! New jobs.
//!
//! However many are offered, they take a few statements.

use std::collections::BTreeMap;

use panofleet_job_schema::{Job, JobId, Timestamp};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::row::{id_list, versioned};
use crate::offers::{Holder, KeyName, answers, created};
use crate::row::to_doc;
use crate::write::first_timer;
use crate::{Accepted, JobsDbError, Offer, filter};

/// Times that somebody else may take one of the keys between the look and the insert.
const TRIES_MAX: u32 = 8;

pub(super) async fn accept_all(
    connection: &mut PgConnection,
    offers: &[Offer],
) -> Result<Vec<Accepted>, JobsDbError> {
    if let [offer @ Offer { key: None, job }] = offers
        && job.spec.labels.is_empty()
    {
        // One statement is all or nothing by itself.
        insert_jobs(connection, &[offer]).await?;
        return Ok(answers(offers, BTreeMap::new()));
    }
    for _ in 0..TRIES_MAX {
        let mut transaction = connection.begin().await?;
        let holders = holders(&mut transaction, offers).await?;
        let answers = answers(offers, holders);
        let new = created(offers, &answers);
        insert_jobs(&mut transaction, &new).await?;
        insert_labels(&mut transaction, &new).await?;
        if insert_keys(&mut transaction, &new).await? {
            transaction.commit().await?;
            return Ok(answers);
        }
        // Somebody else came in between, and has committed by now.
        transaction.rollback().await?;
    }
    Err(JobsDbError::Conflict("an idempotency key of the jobs that are offered".to_owned()))
}

/// The key's place among those asked for; its job; its version and doc, unless retention has removed it; the key's
/// `payload_sha256`.
type KeyColumns = (i64, Uuid, Option<i64>, Option<String>, Vec<u8>);

/// Who has the keys already.
async fn holders<'a>(
    connection: &mut PgConnection,
    offers: &'a [Offer],
) -> Result<BTreeMap<KeyName<'a>, Holder>, JobsDbError> {
    let names: Vec<KeyName<'a>> = offers.iter().filter_map(Offer::key_name).collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<KeyColumns> = sqlx::query_as(
        "SELECT asked.place, idempotency_keys.job, jobs.version, jobs.doc, idempotency_keys.payload_sha256
         FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS asked (tenant, key, place)
            JOIN idempotency_keys USING (tenant, key)
            LEFT JOIN jobs ON jobs.id = idempotency_keys.job",
    )
    .bind(names.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(names.iter().map(|(_, key)| key.as_bytes()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut holders = BTreeMap::new();
    for (place, id, version, doc, payload_sha256) in rows {
        let name = usize::try_from(place - 1).ok().and_then(|place| names.get(place));
        if let Some(name) = name {
            let job = match version.zip(doc) {
                Some((version, doc)) => Some(versioned((id, version, doc))?.job),
                None => None,
            };
            holders.insert(*name, Holder { id: JobId(id), job, payload_sha256 });
        }
    }
    Ok(holders)
}

async fn insert_jobs(connection: &mut PgConnection, offers: &[&Offer]) -> Result<(), JobsDbError> {
    if offers.is_empty() {
        return Ok(());
    }
    let jobs = || offers.iter().map(|offer| &offer.job);
    let inserted = sqlx::query(
        "INSERT INTO jobs (id, tenant, region, lane, state, band, deadline_at, timer_at, version, doc, operations,
            upload)
         SELECT id, tenant, region, lane, state, band, deadline_at, timer_at, 1, doc, operations, upload
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[],
                $8::bigint[], $9::text[], $10::text[], $11::uuid[])
            AS new (id, tenant, region, lane, state, band, deadline_at, timer_at, doc, operations, upload)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id_list(jobs().map(|job| job.id)))
    .bind(jobs().map(|job| job.tenant.as_str()).collect::<Vec<_>>())
    .bind(jobs().map(|job| job.region.as_str()).collect::<Vec<_>>())
    .bind(jobs().map(|job| job.lane.as_str()).collect::<Vec<_>>())
    .bind(jobs().map(|job| job.state.name()).collect::<Vec<_>>())
    .bind(jobs().map(|job| i16::from(job.spec.priority.band())).collect::<Vec<_>>())
    .bind(jobs().map(|job| job.deadline_at.as_millis()).collect::<Vec<_>>())
    .bind(jobs().map(|job| first_timer(job).map(Timestamp::as_millis)).collect::<Vec<_>>())
    .bind(jobs().map(to_doc).collect::<Vec<_>>())
    .bind(jobs().map(filter::operations).collect::<Vec<_>>())
    .bind(jobs().map(filter::upload).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    if inserted.rows_affected() == offers.len() as u64 {
        return Ok(());
    }
    let ids: Vec<String> = jobs().take(3).map(|job: &Job| job.id.to_string()).collect();
    Err(JobsDbError::Conflict(format!("one of {} jobs: {}", offers.len(), ids.join(", "))))
}

async fn insert_labels(
    connection: &mut PgConnection,
    offers: &[&Offer],
) -> Result<(), JobsDbError> {
    let (mut jobs, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for job in offers.iter().map(|offer| &offer.job) {
        for (key, value) in &job.spec.labels {
            jobs.push(job.id.0);
            keys.push(key.as_bytes());
            values.push(value.as_bytes());
        }
    }
    if jobs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO labels (job, key, value) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[])",
    )
    .bind(jobs)
    .bind(keys)
    .bind(values)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether all keys were free. Every batch takes its keys in one order, so two wait for each other at most.
async fn insert_keys(
    connection: &mut PgConnection,
    offers: &[&Offer],
) -> Result<bool, JobsDbError> {
    let mut keyed: Vec<_> = offers
        .iter()
        .filter_map(|offer| Some((offer.key_name()?, offer.job.id.0, offer.key.as_ref()?)))
        .collect();
    if keyed.is_empty() {
        return Ok(true);
    }
    keyed.sort_by_key(|(name, ..)| *name);
    let inserted = sqlx::query(
        "INSERT INTO idempotency_keys (tenant, key, job, payload_sha256)
         SELECT * FROM unnest($1::text[], $2::bytea[], $3::uuid[], $4::bytea[])
         ON CONFLICT (tenant, key) DO NOTHING",
    )
    .bind(keyed.iter().map(|((tenant, _), ..)| tenant.as_str()).collect::<Vec<_>>())
    .bind(keyed.iter().map(|((_, key), ..)| key.as_bytes()).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(_, job, _)| *job).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(.., key)| key.payload_sha256.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == keyed.len() as u64)
}
