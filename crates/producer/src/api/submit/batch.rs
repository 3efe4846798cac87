//! Many jobs in one request: JSON objects, one a line; the answer has a verdict for each.
//!
//! Lines are accepted in groups, each group all or nothing in the database. A client whose connection breaks sends the
//! same lines again, with idempotency keys where a job must not be made twice.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use panofleet_job_schema::{JobId, JobSpec, Timestamp, limits};
use panofleet_jobs_db::{Accepted, Offer};
use panofleet_service::trace;
use serde::Serialize;

use super::super::auth::granted::Granted;
use super::super::error::{ApiError, Problem};
use super::super::extract::parse;
use super::offer;
use crate::metrics;

/// Jobs that are written together.
const GROUP_JOBS: usize = 1000;
/// Sources that are looked for at once.
const SOURCES_CONCURRENT: usize = 16;

/// What one line has come to.
#[derive(Debug, Serialize)]
struct Verdict {
    /// Which line, from 1. Empty lines count too, and have no verdict.
    line: usize,
    /// 201, or 200 for a job that there was already; otherwise the problem's.
    status: u16,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<JobId>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl Verdict {
    fn job(line: usize, status: StatusCode, id: JobId) -> Self {
        Self { line, status: status.as_u16(), id: Some(id), problem: None }
    }

    fn refusal(line: usize, error: &ApiError) -> Self {
        let problem = error.problem();
        Self { line, status: problem.status, id: None, problem: Some(problem) }
    }
}

/// Accepts jobs, as many as the body has lines; the answer is 200, whatever the verdicts are.
///
/// # Errors
/// [`ApiError`] if the body is too large, or has too many lines: then none was accepted.
pub(super) async fn submit(
    api: &Granted,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = to_bytes(body, limits::BATCH_BODY_BYTES_MAX).await.map_err(|_cut| {
        let detail = format!(
            "the body broke off, or is larger than {} bytes; send it in parts",
            limits::BATCH_BODY_BYTES_MAX
        );
        ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    })?;
    let lines: Vec<(usize, Bytes)> = (1..)
        .zip(body.split(|byte| *byte == b'\n'))
        .map(|(number, line)| (number, body.slice_ref(line.trim_ascii())))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    if lines.len() > limits::BATCH_JOBS_MAX {
        let detail = format!(
            "{} jobs in one request, {} allowed; send them in parts",
            lines.len(),
            limits::BATCH_JOBS_MAX
        );
        return Err(ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "too_many_jobs", detail));
    }
    let rate = api.admit(u32::try_from(lines.len()).unwrap_or(u32::MAX)).await?;
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let mut answer = Vec::with_capacity(lines.len() * 80);
    for group in lines.chunks(GROUP_JOBS) {
        for verdict in accept(api, group, given).await {
            serde_json::to_writer(&mut answer, &verdict)
                .map_err(|error| ApiError::Internal(error.to_string()))?;
            answer.push(b'\n');
        }
    }
    let mut response = ([(header::CONTENT_TYPE, "application/x-ndjson")], answer).into_response();
    rate.iter().for_each(|state| state.write(response.headers_mut()));
    Ok(response)
}

/// A verdict for each line of a group, in order.
async fn accept(api: &Granted, group: &[(usize, Bytes)], given: Option<&str>) -> Vec<Verdict> {
    let now = match api.db.now().await {
        Ok(now) => now,
        Err(error) => return refuse_all(group.iter().map(|(line, _)| *line), &error.into()),
    };
    let offers: Vec<(usize, Result<Offer, ApiError>)> = stream::iter(group.to_vec())
        .map(|(line, text)| read(api, (line, text), trace::hop(given).to_string(), now))
        .buffered(SOURCES_CONCURRENT)
        .collect()
        .await;
    let (mut lines, mut good, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for (line, offer) in offers {
        match offer {
            Ok(offer) => {
                lines.push(line);
                good.push(offer);
            }
            Err(error) => {
                error.log();
                verdicts.push(Verdict::refusal(line, &error));
            }
        }
    }
    match api.db.accept_all(&good).await {
        Ok(answers) => {
            let accepted = lines.into_iter().zip(good.iter().zip(answers));
            verdicts.extend(accepted.map(|(line, (offer, answer))| verdict(line, offer, answer)));
        }
        Err(error) => verdicts.extend(refuse_all(lines.into_iter(), &error.into())),
    }
    verdicts.sort_by_key(|verdict| verdict.line);
    tracing::info!(jobs = good.len(), lines = group.len(), "jobs accepted together");
    verdicts
}

async fn read(
    api: &Granted,
    (line, text): (usize, Bytes),
    trace: String,
    now: Timestamp,
) -> (usize, Result<Offer, ApiError>) {
    let read = async { offer(&api.acceptor(), parse::<JobSpec>(&text)?, trace, now).await };
    (line, read.await)
}

fn verdict(line: usize, offer: &Offer, answer: Accepted) -> Verdict {
    metrics::accepted(&offer.job, &answer);
    match answer {
        Accepted::Created => Verdict::job(line, StatusCode::CREATED, offer.job.id),
        Accepted::Existing(existing) => Verdict::job(line, StatusCode::OK, existing.id),
        Accepted::KeyTaken(other) => Verdict::refusal(line, &super::key_taken(other)),
        Accepted::Removed(removed) => Verdict::refusal(line, &super::job_removed(removed)),
    }
}

/// Nothing of the group was accepted.
fn refuse_all(lines: impl Iterator<Item = usize>, error: &ApiError) -> Vec<Verdict> {
    error.log();
    lines.map(|line| Verdict::refusal(line, error)).collect()
}
