//! `GET /v1/audit`: what people and their programs have changed, or tried to. And how the log is written.
//!
//! The [gate](super::auth::gate) writes an entry before a change is tried, and once more when it is known what came of it.
//! Without the first nothing is changed.

use std::time::Duration;

use axum::Json;
use axum::http::HeaderMap;
use axum::response::Response;
use panofleet_job_schema::{Span, Tenant, Timestamp};
use panofleet_jobs_db::{AuditEntry, AuditFilter};
use panofleet_service::trace;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::auth::Principal;
use super::auth::granted::{Granted, Noted};
use super::error::{ApiError, Code};
use super::extract::Params;
use super::paging::{cut, page_size};

/// Entries of a page, unless the request says less or more.
const PAGE_ENTRIES: u32 = 50;
/// Most entries of a page.
const PAGE_ENTRIES_MAX: u32 = 200;
/// Bytes of what an entry repeats of a request.
const WORDS_BYTES_MAX: usize = 256;
/// Longest time that the end of an entry may take.
const END_WAIT: Duration = Duration::from_secs(2);

/// What came of something that has not ended, or that broke off.
const BEGUN: &str = "begun";
/// What came of what was done.
const DONE: &str = "done";

/// What an entry repeats of a request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    subject: Option<String>,
    request: Option<String>,
    trace: Option<String>,
}

impl Asked {
    /// Of a request with these variable parts of its path and these headers.
    pub(crate) fn new(segments: &[String], headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let subject = (!segments.is_empty()).then(|| words(&segments.join("/")));
        Self {
            subject,
            request: header("x-request-id").map(words),
            trace: trace::trace_id(header("traceparent")),
        }
    }
}

/// Words of a stranger, cut and without what could hide or break others.
fn words(text: &str) -> String {
    let mut kept: String = text.chars().filter(|letter| !letter.is_control()).collect();
    let end = (0..=WORDS_BYTES_MAX.min(kept.len())).rev().find(|end| kept.is_char_boundary(*end));
    kept.truncate(end.unwrap_or(0));
    kept
}

/// An entry about something that is about to be tried. Its time comes when it is written.
pub(crate) fn begun(
    action: &str,
    (principal, tenant): (&Principal, Option<&Tenant>),
    asked: &Asked,
) -> AuditEntry {
    let Asked { subject, request, trace } = asked.clone();
    AuditEntry {
        id: Uuid::now_v7(),
        at: Timestamp::from_millis(0),
        actor: principal.actor.clone(),
        tenant: tenant.cloned(),
        action: action.to_owned(),
        subject,
        outcome: BEGUN.to_owned(),
        status: None,
        request,
        trace,
    }
}

/// The same entry, when it is known what came of it.
pub(crate) fn ended(entry: AuditEntry, noted: &Noted, response: &Response) -> AuditEntry {
    let refused = response.extensions().get::<Code>().map(|Code(code)| *code);
    let status = response.status();
    // A page that did it sends the browser on.
    let is_done = status.is_success() || status.is_redirection();
    let done = || if is_done { noted.outcome.unwrap_or(DONE) } else { "failed" };
    AuditEntry {
        outcome: refused.unwrap_or_else(done).to_owned(),
        status: Some(status.as_u16()),
        subject: noted.subject.as_deref().map(words).or(entry.subject),
        tenant: noted.tenant.clone().or(entry.tenant),
        ..entry
    }
}

impl Api {
    /// Keeps an entry, with the time.
    pub(crate) async fn put_audit(&self, entry: AuditEntry) -> Result<AuditEntry, ApiError> {
        let entry = AuditEntry { at: self.db.now().await?, ..entry };
        self.db.put_audit(&entry).await?;
        Ok(entry)
    }

    /// Notes what came of it. If that fails, the entry goes on saying that it was begun, and the log says the rest.
    pub(super) async fn end_audit(&self, entry: AuditEntry) {
        let said = match tokio::time::timeout(END_WAIT, self.db.end_audit(&entry)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        let AuditEntry { id, action, subject, outcome, .. } = entry;
        tracing::warn!(%id, action, subject, outcome, error = said, "an audit entry has no end");
    }
}

/// Which entries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditParams {
    /// What was done: `job.cancel`.
    action: Option<String>,
    /// To what: a job's id, a worker's name.
    subject: Option<String>,
    /// By which key.
    key: Option<Uuid>,
    /// By whom, of those who sign in: what people call them, such as an e-mail address.
    person: Option<String>,
    /// At most so long ago, such as `24h`.
    within: Option<Span>,
    /// The `next` of the page before.
    before: Option<Uuid>,
    /// Entries of a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// A page of entries.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditList {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// What `before` gets for the next page; none on the last.
    pub next: Option<Uuid>,
}

/// What was changed, newest first: everything, or what was a tenant's.
pub(super) async fn list(
    api: Granted,
    Params(params): Params<AuditParams>,
) -> Result<Json<AuditList>, ApiError> {
    Ok(Json(api.audited(params).await?))
}

impl Granted {
    /// A page of what this caller may see of the log.
    pub(crate) async fn audited(&self, params: AuditParams) -> Result<AuditList, ApiError> {
        let AuditParams { action, subject, key, person, within, before, limit } = params;
        let limit = page_size(limit, PAGE_ENTRIES, PAGE_ENTRIES_MAX)?;
        let since = self.ago(within).await?;
        let tenant = self.administered().cloned();
        let filter = AuditFilter { tenant, key, person, action, subject, since, before };
        let mut entries = self.db.audit(&filter, limit + 1).await?;
        let next = cut(&mut entries, limit).map(|entry| entry.id);
        Ok(AuditList { entries, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_strangers_are_cut_between_letters() {
        assert_eq!(words("a\u{0}b\n\u{1b}[31m"), "ab[31m");
        let long = words(&"é".repeat(200));
        assert_eq!((long.len(), long.chars().count()), (256, 128));
        assert_eq!(words(&format!("x{}", "é".repeat(200))).len(), 255);
    }
}
