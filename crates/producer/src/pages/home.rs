//! `GET /`: how much there is to do, and the newest jobs.

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::job::State as JobState;

use super::html::{Page, PageError, Text, age};
use super::words;
use crate::api::JobView;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::view::StateView;

/// Jobs on the page.
const JOBS: u32 = 50;

/// The newest jobs.
pub(super) async fn home(api: Granted) -> Result<Page, PageError> {
    let counts = api.db.counts(api.whose()).await.map_err(ApiError::from)?;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let jobs = api.job_views(&api.own_jobs(), JOBS).await?;
    let counts = JobState::NAMES.into_iter().filter_map(|name| {
        let count = counts.get(name).filter(|count| **count > 0)?;
        Some(format!("<li class=\"state {name}\">{count} {name}</li>\n"))
    });
    let counts: String = counts.collect();
    let body = if jobs.is_empty() { empty() } else { table(&jobs, now, api.whose().is_none()) };
    let main =
        format!("<h1>Jobs</h1>\n<ul class=\"counts\" data-refresh-s=\"3\">\n{counts}</ul>\n{body}");
    Ok(Page { title: "Jobs".to_owned(), main, ..Page::of(&api) })
}

fn empty() -> String {
    "<p>No jobs yet. Submit one:</p>\n\
     <pre>panofleet submit FILE --output tiles=pano.tiles --wait</pre>"
        .to_owned()
}

/// Jobs, and whose they are if they are not one tenant's.
pub(super) fn table(jobs: &[JobView], now: Timestamp, of_all: bool) -> String {
    let rows: String = jobs.iter().map(|job| row(job, now, of_all)).collect();
    format!(
        "<table class=\"jobs\">\n<thead><tr><th>Source</th><th>State</th><th>Outputs</th>\
         <th>Result</th><th>Accepted</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"
    )
}

fn row(job: &JobView, now: Timestamp, of_all: bool) -> String {
    let tenant = if of_all { format!("{} · ", job.tenant) } else { String::new() };
    let outputs: Vec<String> = job
        .outputs
        .iter()
        .map(|(name, operation)| format!("{name} ({})", operation.name()))
        .collect();
    format!(
        "<tr><td><a href=\"/view/{id}\">{source}</a><br><small>{tenant}{id}</small></td>\
         <td>{state}</td><td>{outputs}</td><td>{result}</td>\
         <td>{age}</td></tr>\n",
        id = job.id,
        source = Text(words::source(&job.source, &job.labels)),
        state = badge(job),
        outputs = Text(outputs.join(", ")),
        result = Text(result(job)),
        age = age(job.accepted_at, now),
    )
}

/// What there is to say in a line about how it went.
fn result(job: &JobView) -> String {
    match &job.state {
        StateView::Succeeded { result } => {
            let files = words::count(result.files, "file");
            format!("{files}, {}", words::size(result.total_bytes))
        }
        StateView::Running { .. } | StateView::Blocked => {
            job.progress.as_ref().map(|progress| progress.step.clone()).unwrap_or_default()
        }
        _ => job.failure.as_ref().map(|view| view.failure.message.clone()).unwrap_or_default(),
    }
}

/// A job's state, with how far it is.
pub(super) fn badge(job: &JobView) -> String {
    let name = job.state.name();
    let percent = job.progress.as_ref().map(|progress| 100.0 * progress.fraction.clamp(0.0, 1.0));
    let percent = percent.map(|percent| format!(" {percent:.0} %")).unwrap_or_default();
    format!("<span class=\"state {name}\">{name}{percent}</span>")
}
