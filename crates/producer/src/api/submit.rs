//! `POST /v1/jobs`: what was asked for becomes a row, once.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use panofleet_job_schema::job::Acceptance;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::spec::BadSpec;
use panofleet_job_schema::{Job, JobId, JobSpec, Region, Tenant, Timestamp};
use panofleet_jobs_db::{Accepted, IdempotencyKey, JobsDb, Offer, Versioned};
use panofleet_objects::ObjectStore;
use panofleet_service::trace;
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;
use uuid::Uuid;

use super::auth::check_regions;
use super::auth::granted::Granted;
use super::config::RegionConfig;
use super::error::ApiError;
use super::extract::{JsonBody, has_type};
use super::view::Beside;
use super::{ApiConfig, source};
use crate::metrics;

mod batch;
mod together;

pub(crate) use together::Together;

/// Accepts a job: 201, or 200 with the job that has its idempotency key already. With the content type
/// `application/x-ndjson` the body has a job on each line, and so has the answer a verdict.
///
/// The header `Idempotency-Key` stands in for a missing `idempotency_key` of a single job.
pub(super) async fn submit(api: Granted, request: Request) -> Result<Response, ApiError> {
    if has_type(request.headers(), "application/x-ndjson") {
        let (parts, body) = request.into_parts();
        return batch::submit(&api, &parts.headers, body).await;
    }
    let rate = api.admit(1).await?;
    let headers = request.headers().clone();
    let JsonBody(mut spec) = JsonBody::<JobSpec>::from_request(request, &()).await?;
    if spec.idempotency_key.is_none() {
        spec.idempotency_key = key_header(&headers)?;
    }
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let now = api.together.now().await?;
    let offer = offer(&api.acceptor(), spec, trace::hop(given).to_string(), now).await?;
    let span = trace::job_span(offer.job.id, offer.job.trace.as_deref());
    let mut response = accept(&api, offer).instrument(span).await?;
    rate.iter().for_each(|state| state.write(response.headers_mut()));
    Ok(response)
}

async fn accept(api: &Granted, offer: Offer) -> Result<Response, ApiError> {
    let job = offer.job.clone();
    panofleet_service::CrashPoint::ApiBeforeCommit.pass();
    let outcome = api.together.accept(offer).await?;
    panofleet_service::CrashPoint::ApiAfterCommit.pass();
    metrics::accepted(&job, &outcome);
    match outcome {
        Accepted::Created => {
            tracing::info!(region = %job.region, lane = %job.lane, "job accepted");
            Ok(answer(api, StatusCode::CREATED, &Versioned { job, version: 1 }))
        }
        Accepted::Existing(existing) => {
            tracing::info!(existing = %existing.id, "job was accepted before");
            Ok(answer(api, StatusCode::OK, &api.job(existing.id).await?))
        }
        Accepted::KeyTaken(other) => Err(key_taken(other)),
        Accepted::Removed(removed) => Err(job_removed(removed)),
    }
}

fn job_removed(removed: JobId) -> ApiError {
    let detail = format!(
        "the idempotency key belongs to job {removed}, which has ended and is not kept any more; \
         use a new key to run it again"
    );
    ApiError::refused(StatusCode::GONE, "job_removed", detail)
}

fn key_taken(other: JobId) -> ApiError {
    let detail = format!(
        "the idempotency key belongs to job {other}, which was asked for in other words; \
         use a new key for a new job"
    );
    ApiError::conflict("idempotency_key_reused", detail)
}

fn answer(api: &Granted, status: StatusCode, found: &Versioned) -> Response {
    let view = api.show(found, Beside::default());
    (status, [(header::LOCATION, view.links.this.clone())], Json(view)).into_response()
}

fn refuse(bad: &BadSpec) -> ApiError {
    ApiError::unfit("does_not_fit", bad.to_string())
}

fn key_header(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_unreadable| {
        ApiError::unfit("does_not_fit", "the Idempotency-Key header must be plain ASCII")
    })?;
    Ok(Some(text.to_owned()))
}

/// SHA-256 of what was asked for, defaults filled in and keys in order: how it was written does not matter.
fn fingerprint(spec: &JobSpec) -> [u8; 32] {
    let canonical = serde_json::to_vec(spec).expect("a spec has only string keys");
    Sha256::digest(&canonical).into()
}

/// What a job is made by, for a request as for a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptor<'a> {
    pub(crate) db: &'a dyn JobsDb,
    pub(crate) objects: &'a ObjectStore,
    pub(crate) config: &'a ApiConfig,
    pub(crate) policy: &'a Policy,
    pub(crate) event_partitions: u32,
    /// Whose jobs.
    pub(crate) tenant: &'a Tenant,
    /// The regions that they may run in; all if there are none.
    pub(crate) allowed: &'a BTreeSet<Region>,
}

impl Granted {
    pub(super) fn acceptor(&self) -> Acceptor<'_> {
        Acceptor {
            tenant: self.tenant(),
            allowed: &self.principal().regions,
            db: self.db.as_ref(),
            objects: &self.objects,
            config: &self.config,
            policy: &self.policy,
            event_partitions: self.bus.event_partitions(),
        }
    }
}

/// A job that no request asked for, with every check of one that was; its key is `key`.
pub(crate) async fn offer_under(
    acceptor: &Acceptor<'_>,
    spec: JobSpec,
    key: String,
    now: Timestamp,
) -> Result<Offer, ApiError> {
    let payload_sha256 = fingerprint(&spec);
    let made = offer(acceptor, spec, trace::hop(None).to_string(), now).await?;
    Ok(Offer { key: Some(IdempotencyKey { key, payload_sha256 }), ..made })
}

/// What is asked for as a job, at the database's time `now`.
async fn offer(
    acceptor: &Acceptor<'_>,
    spec: JobSpec,
    trace: String,
    now: Timestamp,
) -> Result<Offer, ApiError> {
    let Acceptor { policy, event_partitions, tenant, .. } = *acceptor;
    // Of what was asked for: a preset may come to mean something else, and the same words are the same job all the same.
    let key = spec
        .idempotency_key
        .clone()
        .map(|key| IdempotencyKey { key, payload_sha256: fingerprint(&spec) });
    let spec = checked(acceptor, spec)?;
    let source = source::resolve(acceptor, &spec.source).await?;
    check_checksum(&spec, &source.location)?;
    let (region, settings) = region_of(acceptor, &spec, source.region)?;
    spec.check_start(now).map_err(|bad| refuse(&bad))?;
    let id = JobId(Uuid::now_v7());
    let acceptance = Acceptance {
        id,
        tenant: tenant.clone(),
        source: source.location.with_sha256(spec.source_sha256.as_ref()),
        region,
        bucket: settings.bucket.clone(),
        events_partition: events_partition(id, event_partitions),
        trace: Some(trace),
        now,
    };
    let route = route(acceptor, &spec, &acceptance.region)?;
    let job = Job::accept(spec, acceptance, policy).routed(route, policy);
    Ok(Offer { job, key })
}

/// Refuses a checksum that an upload cannot have: it was announced with another one.
fn check_checksum(spec: &JobSpec, location: &SourceLocation) -> Result<(), ApiError> {
    let (Some(asked), SourceLocation::Object { sha256: Some(announced), .. }) =
        (&spec.source_sha256, location)
    else {
        return Ok(());
    };
    if asked == announced {
        return Ok(());
    }
    let detail = format!("source_sha256 is {asked}, and the upload was begun with {announced}");
    Err(ApiError::unfit("source_checksum_differs", detail))
}

/// What is asked for, with the outputs of its preset, once everything that can be known without the source is checked.
pub(super) fn checked(acceptor: &Acceptor<'_>, spec: JobSpec) -> Result<JobSpec, ApiError> {
    let spec = spec.expand(&acceptor.config.presets).map_err(|bad| refuse(&bad))?;
    spec.check().map_err(|bad| refuse(&bad))?;
    Ok(spec)
}

/// The region that a job begins in: what is asked for, or where its source lies, or the configured one.
pub(super) fn region_of<'a>(
    acceptor: &Acceptor<'a>,
    spec: &JobSpec,
    of_source: Option<Region>,
) -> Result<(Region, &'a RegionConfig), ApiError> {
    let config = acceptor.config;
    let asked = spec.region.clone().or_else(|| spec.regions.first().cloned()).or(of_source);
    let region = asked.unwrap_or_else(|| config.default_region.clone());
    match config.regions.get(&region) {
        Some(settings) => Ok((region, settings)),
        None => Err(unknown_region(config, &region)),
    }
}

/// The regions that a job may run in, the one that it begins in first.
fn route(acceptor: &Acceptor<'_>, spec: &JobSpec, first: &Region) -> Result<Vec<Region>, ApiError> {
    let known = &acceptor.config.regions;
    if let Some(unknown) = spec.regions.iter().find(|region| !known.contains_key(*region)) {
        return Err(unknown_region(acceptor.config, unknown));
    }
    check_regions(acceptor.allowed, spec.regions.iter().chain([first]))?;
    if !spec.any_region {
        return Ok(spec.regions.clone());
    }
    let may = |region: &&Region| check_regions(acceptor.allowed, [*region]).is_ok();
    let others = known.keys().filter(|region| *region != first).filter(may);
    Ok(std::iter::once(first).chain(others).cloned().collect())
}

pub(super) fn unknown_region(config: &ApiConfig, region: &Region) -> ApiError {
    let known: Vec<&str> = config.regions.keys().map(Region::as_str).collect();
    let detail = format!("there is no region `{region}`; there are: {}", known.join(", "));
    ApiError::unfit("region_unknown", detail)
}

/// The partition that carries a job's events: the last eight bytes of its id, which are random in a UUID
/// version 7, as a big-endian number, modulo the number of partitions.
///
/// It is kept with the job and travels with its message, so nobody has to compute it again.
fn events_partition(id: JobId, partitions: u32) -> u32 {
    let rest = id.0.as_u64_pair().1 % u64::from(partitions.max(1));
    u32::try_from(rest).expect("the rest is below a u32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_stable_and_even() {
        let id: JobId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(events_partition(id, 16), 7);
        assert_eq!(events_partition(id, 1), 0);
        let mut counts = [0_u32; 8];
        for _ in 0..8000 {
            counts[events_partition(JobId(Uuid::now_v7()), 8) as usize] += 1;
        }
        // 1000 ± 6σ, σ = √(8000·⅛·⅞) ≈ 30.
        assert!(counts.iter().all(|count| (820..1180).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_fingerprint_is_of_what_was_asked_not_of_how_it_was_written() {
        let read = |text: &str| fingerprint(&serde_json::from_str(text).unwrap());
        let plain = r#"{"source": "s3://b/k", "outputs": {"a": {"op": "media.probe"},
                       "t": {"op": "image.thumbnail"}}, "timeout": "10m"}"#;
        let same = r#"{"timeout": "600s", "priority": "normal", "outputs": {"t": {"width_px": 1024,
                      "op": "image.thumbnail"}, "a": {"op": "media.probe"}}, "source": "s3://b/k"}"#;
        assert_eq!(read(plain), read(same));
        assert_ne!(read(plain), read(&plain.replace("10m", "11m")));
    }
}
