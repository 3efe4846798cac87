//! Who has changed what.

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{AuditEntry, AuditFilter};

use super::html::{Page, PageError, Text, age};
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;

/// Entries of the page.
const SHOWN: u32 = 100;

/// The newest entries.
pub(super) async fn audit(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let filter = AuditFilter { tenant: api.administered().cloned(), ..AuditFilter::default() };
    let entries = api.db.audit(&filter, SHOWN).await.map_err(ApiError::from)?;
    let rows: String = entries.iter().map(|entry| row(entry, now)).collect();
    let main = format!(
        "<h1>Audit log</h1>\n<table>\n<thead><tr><th>When</th><th>Who</th><th>What</th><th>To what</th><th>Tenant</th>\
         <th>Outcome</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    );
    Ok(Page { title: "Audit log".to_owned(), main, ..Page::of(&api) })
}

fn row(entry: &AuditEntry, now: Timestamp) -> String {
    let AuditEntry { at, actor, tenant, action, subject, outcome, .. } = entry;
    let class = if outcome == "done" { "" } else { " class=\"state dead\"" };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><span{class}>{}</span></td></tr>\n",
        age(*at, now),
        Text(actor),
        Text(action),
        Text(subject.as_deref().unwrap_or_default()),
        tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
        Text(outcome),
    )
}
