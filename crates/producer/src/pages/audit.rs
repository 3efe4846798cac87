//! Who has changed what.

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{AuditEntry, AuditFilter};

use super::html::{Page, PageError, Text, age, table_head};
use super::language::say;
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
    let title = say("Audit log", "审计日志").to_owned();
    let head = table_head([
        say("When", "时间"),
        say("Who", "操作者"),
        say("What", "操作"),
        say("To what", "对象"),
        say("Tenant", "租户"),
        say("Outcome", "结果"),
    ]);
    let main = format!("<h1>{title}</h1>\n<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n");
    Ok(Page { title, main, ..Page::of(&api) })
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
