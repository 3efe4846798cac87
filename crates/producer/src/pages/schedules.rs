//! Jobs that come again and again.

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{Schedule, Scope, TickOutcome};

use super::html::{Button, Page, PageError, Text, age};
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;

/// Every schedule of a tenant.
pub(super) async fn schedules(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let found = api.db.schedules(api.tenant()).await.map_err(ApiError::from)?;
    let may = api.has(Scope::JobsWrite);
    let rows: String = found.iter().map(|found| row(&found.schedule, now, may)).collect();
    let body = if found.is_empty() {
        "<p>There are none. <code>panofleet schedules add --help</code> says how one is made.</p>\n"
            .to_owned()
    } else {
        format!(
            "<table>\n<thead><tr><th>Schedule</th><th>When</th><th>Next</th><th>Last</th><th></th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n"
        )
    };
    let main = format!("<h1>Schedules</h1>\n<p class=\"quiet\">of {}</p>\n{body}", api.tenant());
    Ok(Page { title: "Schedules".to_owned(), main, ..Page::of(&api) })
}

fn row(schedule: &Schedule, now: Timestamp, may: bool) -> String {
    let Schedule { name, cron, time_zone, next_at, paused, last, .. } = schedule;
    let next = match next_at {
        Some(next) => format!("<time datetime=\"{next}\">{next}</time>"),
        None if *paused => "paused".to_owned(),
        None => "never".to_owned(),
    };
    let last = last.as_ref().map_or_else(String::new, |last| {
        let came = match &last.outcome {
            TickOutcome::Job { job } => format!("<a href=\"/view/{job}\">a job</a>"),
            TickOutcome::Skipped => "skipped: the job before had not ended".to_owned(),
            TickOutcome::Refused { detail, .. } => format!("refused: {}", Text(detail)),
        };
        format!("{came} <small>{}</small>", age(last.at, now))
    });
    let path = |change: &str| format!("/v1/schedules/{name}/{change}");
    let button = match (may, paused) {
        (false, _) => String::new(),
        (true, true) => Button::new("Resume").posts(&path("resume"), "").to_string(),
        (true, false) => Button::new("Pause").posts(&path("pause"), "").to_string(),
    };
    format!(
        "<tr><td>{name}</td><td><code>{}</code> {}</td><td>{next}</td><td>{last}</td><td>{button}</td></tr>\n",
        Text(cron),
        Text(time_zone),
    )
}
