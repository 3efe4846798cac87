//! The fleet: queues, who works on them, and what is paused.

use std::collections::BTreeMap;

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::Pause;

use super::html::{Button, Page, PageError, Text, age};
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::fleet::worker_views;
use crate::api::scale::queue_views;
use crate::api::{ScaleView, WorkerView};

/// What anybody who runs the fleet wants to see first.
pub(super) async fn fleet(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let readings = api.kept_backlog.readings(api.db.as_ref()).await.map_err(ApiError::from)?;
    let queues = queue_views(&api, &readings, &api.config.scale);
    let workers = worker_views(&api).await?;
    let pauses = api.db.pauses().await.map_err(ApiError::from)?;
    let main = format!(
        "<h1>Fleet</h1>\n<div data-refresh-s=\"5\"></div>\n{}<h2>Queues</h2>\n{}<h2>Workers</h2>\n{}",
        paused(&pauses, now),
        queue_table(&queues),
        worker_table(&workers, now),
    );
    Ok(Page { title: "Fleet".to_owned(), main, ..Page::of(&api) })
}

fn paused(pauses: &[Pause], now: Timestamp) -> String {
    if pauses.is_empty() {
        return String::new();
    }
    let line = |pause: &Pause| {
        let (kind, name) = (pause.target.kind(), pause.target.name());
        let path = format!("/v1/pauses/{kind}/{name}");
        let resume = Button::new("Resume").deletes(&path);
        let (name, reason) = (Text(&name), Text(&pause.reason));
        format!(
            "<li>{kind} <b>{name}</b> is paused {}: {reason} {resume}</li>\n",
            age(pause.since, now)
        )
    };
    let lines: String = pauses.iter().map(line).collect();
    format!("<ul class=\"note\">\n{lines}</ul>\n")
}

fn queue_table(queues: &[ScaleView]) -> String {
    let rows: String = queues.iter().map(queue_row).collect();
    format!(
        "<table class=\"numbers\">\n<thead><tr><th>Region</th><th>Lane</th><th>Queued</th><th>Sent</th><th>Running</th>\
         <th>Oldest</th><th>Slots busy</th><th>Workers</th><th>Wanted</th><th></th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n"
    )
}

fn queue_row(queue: &ScaleView) -> String {
    let ScaleView {
        region, lane, queued, sent, running, workers, slots, slots_busy, desired, ..
    } = queue;
    let oldest = match queue.oldest_s {
        0 => String::new(),
        seconds => words::span(seconds.saturating_mul(1000)),
    };
    let path = format!("/v1/pauses/lane/{region}.{lane}");
    let button = if queue.paused {
        "paused".to_owned()
    } else {
        let question = format!("Send nothing more to {region}.{lane}?");
        Button::new("Pause").puts(&path, r#"{ "reason": "by hand" }"#).asks(&question).to_string()
    };
    format!(
        "<tr><td>{region}</td><td>{lane}</td><td>{queued}</td><td>{sent}</td><td>{running}</td><td>{oldest}</td>\
         <td>{slots_busy} of {slots}</td><td>{workers}</td><td>{desired}</td><td>{button}</td></tr>\n"
    )
}

fn worker_table(workers: &[WorkerView], now: Timestamp) -> String {
    if workers.is_empty() {
        return "<p>No worker has said anything yet.</p>\n".to_owned();
    }
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.alive) {
        *versions.entry(&worker.info.version).or_default() += 1;
    }
    let versions: Vec<String> =
        versions.iter().map(|(version, count)| format!("{count} of {}", Text(version))).collect();
    let rows: String = workers.iter().map(|worker| worker_row(worker, now)).collect();
    format!(
        "<p class=\"quiet\">{}</p>\n\
         <table>\n<thead><tr><th>Worker</th><th>Region</th><th>State</th><th>Jobs</th><th>Version</th><th>Heard of</th>\
         <th></th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
        versions.join(", "),
    )
}

fn worker_row(view: &WorkerView, now: Timestamp) -> String {
    let info = &view.info;
    let (class, state) = match (view.alive, view.unreachable, info.draining) {
        (false, true, _) => ("waiting", "cut off, with its region"),
        (false, false, _) => ("dead", "silent"),
        (true, _, true) => ("waiting", "draining"),
        (true, _, false) => ("succeeded", "takes jobs"),
    };
    let worker = &info.worker;
    let path = format!("/v1/workers/{worker}/drain");
    let button = match &view.drain {
        Some(_) => Button::new("Take jobs again").deletes(&path).to_string(),
        None if view.alive => {
            let question = format!("Have {worker} finish what it has, and take no more?");
            let reason = r#"{ "reason": "by hand" }"#;
            Button::new("Drain").puts(&path, reason).asks(&question).to_string()
        }
        None => String::new(),
    };
    let reason =
        view.drain.as_ref().map(|drain| format!("<br><small>{}</small>", Text(&drain.reason)));
    format!(
        "<tr><td><a href=\"/?worker={worker}\">{worker}</a></td><td>{}</td>\
         <td><span class=\"state {class}\">{state}</span>{}</td><td>{} of {}</td><td>{}</td><td>{}</td><td>{button}</td></tr>\n",
        info.region,
        reason.unwrap_or_default(),
        view.claims.len(),
        info.slots,
        Text(&info.version),
        age(view.beat_at, now),
    )
}
