//! What there is to say about a job and its result besides the outputs.

use panofleet_job_schema::Operation;
use panofleet_job_schema::job::DeadReason;
use panofleet_job_schema::manifest::Manifest;

use crate::api::JobView;
use crate::api::view::{FailureView, StateView};
use crate::pages::html::Text;
use crate::pages::words;

/// What was odd, and what was assumed.
pub(super) fn warnings(manifest: &Manifest) -> String {
    if manifest.warnings.is_empty() {
        return String::new();
    }
    let items: String =
        manifest.warnings.iter().map(|text| format!("<li>{}</li>\n", Text(text))).collect();
    format!("<ul class=\"note\">\n{items}</ul>\n")
}

/// In the place of a result: how far it is, or why there is none.
pub(super) fn unfinished(job: &JobView) -> String {
    let failure = job.failure.as_ref().map(|FailureView { failure, .. }| {
        format!(
            "<p class=\"failure\">{} <small>{}</small></p>\n",
            Text(&failure.message),
            Text(&failure.code)
        )
    });
    let failure = failure.unwrap_or_default();
    let said = match &job.state {
        StateView::Running { .. } | StateView::Blocked => {
            return format!("{failure}{}", progress(job));
        }
        StateView::Waiting { due_at } if job.attempt.is_none() => {
            format!("Is not to begin before {due_at}.")
        }
        StateView::Waiting { due_at } => {
            format!("The last attempt failed; it is tried again at {due_at}.")
        }
        StateView::Queued { .. } => "Waits for its turn.".to_owned(),
        StateView::Sent { .. } => format!("Waits for a worker of region {}.", job.region),
        StateView::Closing { .. } => {
            "Ends without a result, as soon as that is certain.".to_owned()
        }
        StateView::Succeeded { .. } if job.links.manifest.is_none() => {
            "Succeeded: there was nothing to make.".to_owned()
        }
        StateView::Succeeded { .. } => {
            "The manifest cannot be found in the object store.".to_owned()
        }
        StateView::Dead { reason } => format!("Given up: {}.", dead_reason(*reason)),
        StateView::Cancelled => "Cancelled: there is no result.".to_owned(),
        StateView::Expired => format!("Not finished by its deadline, {}.", job.deadline_at),
    };
    format!("{failure}<p>{}</p>\n{}", Text(said), keep_up(job))
}

/// What the page's script reads to keep up with a job.
fn keep_up(job: &JobView) -> String {
    if job.is_terminal() {
        return String::new();
    }
    format!("<div data-wait=\"/v1/jobs/{}/wait\" data-version=\"{}\"></div>\n", job.id, job.version)
}

fn progress(job: &JobView) -> String {
    let fraction = job.progress.as_ref().map_or(0.0, |progress| progress.fraction.clamp(0.0, 1.0));
    let step = job.progress.as_ref().map_or("begins", |progress| progress.step.as_str());
    format!(
        "<p class=\"progress\"><progress max=\"1\" value=\"{fraction}\"></progress> \
         <span class=\"step\">{}</span></p>\n{}",
        Text(step),
        keep_up(job)
    )
}

const fn dead_reason(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::Rejected => "the input or the request is at fault",
        DeadReason::AttemptsExhausted => "every attempt failed",
        DeadReason::CrashLimit => "it crashed the program that runs it too often",
        DeadReason::LossLimit => "the workers that ran it were lost too often",
        DeadReason::ReleaseLimit => "workers let it go too often",
        DeadReason::ChildFailed => "one of the parts that it was split into failed",
    }
}

/// Where the result came from, and how long it took.
pub(super) fn of_result(manifest: &Manifest) -> String {
    let source = &manifest.source;
    let picture = source.media.picture.as_ref();
    let picture =
        picture.map(|picture| format!(", {} × {} px", picture.width_px, picture.height_px));
    let steps: Vec<String> = manifest
        .steps
        .iter()
        .map(|step| format!("{} {}", step.step, words::span(step.wall_ms)))
        .collect();
    let rows = [
        (
            "Source",
            format!(
                "{} {}{}",
                source.media.container,
                words::size(source.bytes),
                picture.unwrap_or_default()
            ),
        ),
        ("SHA-256", source.sha256.clone()),
        (
            "Made by",
            format!("{} in {}, attempt {}", manifest.worker, manifest.region, manifest.attempt),
        ),
        ("Steps", steps.join(", ")),
    ];
    format!("<h2>Result</h2>\n{}", table(&rows))
}

/// What was asked for, and what became of it.
pub(super) fn of_job(job: &JobView) -> String {
    let asked: Vec<String> =
        job.outputs.iter().map(|(name, op)| asked(name.as_str(), op)).collect();
    let labels: Vec<String> =
        job.labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let mut rows = vec![
        ("Source", words::address(&job.source)),
        ("Asked for", asked.join(", ")),
        ("Region", format!("{}, lane {}", job.region, job.lane)),
        ("Accepted", job.accepted_at.to_string()),
        ("Deadline", job.deadline_at.to_string()),
    ];
    if let Some(finished_at) = job.finished_at {
        let took = finished_at.since(job.accepted_at).as_millis();
        let took = words::span(u64::try_from(took).unwrap_or(u64::MAX));
        rows.push(("Finished", format!("{finished_at}, {took} after it was accepted")));
    }
    if let Some(attempt) = job.attempt {
        rows.push(("Attempt", format!("{attempt} of generation {}", job.generation)));
    }
    if !labels.is_empty() {
        rows.push(("Labels", labels.join(", ")));
    }
    let id = job.id;
    let manifest = job.links.manifest.as_ref();
    let manifest = manifest.map(|_| format!(" · <a href=\"/v1/jobs/{id}/manifest\">manifest</a>"));
    format!(
        "<h2>Job</h2>\n{}<p><a href=\"/v1/jobs/{id}\">as JSON</a> · \
         <a href=\"/v1/jobs/{id}/history\">history</a>{}</p>\n",
        table(&rows),
        manifest.unwrap_or_default()
    )
}

fn asked(name: &str, operation: &Operation) -> String {
    format!("{name} ({})", operation.name())
}

fn table(rows: &[(&str, String)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>\n", Text(value)))
        .collect();
    format!("<table class=\"facts\">\n{rows}</table>\n")
}
