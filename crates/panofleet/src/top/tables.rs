//! What each part of the screen says, as text: for the screen, and for `--once`.

use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_producer::api::{AskedJob, FailureGroupView, JobView, ScaleView, WorkerView};

use super::app::{App, Tab};
use super::snapshot::Snapshot;
use crate::terminal::duration;

/// Blocks of a bar, by eighths.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Cells of a bar of progress.
const BAR: usize = 10;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// What is said where there is no row.
    pub(super) empty: &'static str,
}

/// The table of a part.
pub(super) fn table_of(tab: Tab, snapshot: &Snapshot) -> Shown {
    let Snapshot { at, running, retries, failures, workers, queues, .. } = snapshot;
    let no_ops = "the key may not see workers: it takes the scope ops";
    let no_scale = "the key may not see queues: it takes the scope scale";
    match tab {
        Tab::Overview => Shown {
            header: vec![
                "queue", "queued", "sent", "running", "oldest", "slots", "workers", "wanted", "",
            ],
            rows: queues.iter().flatten().map(queue).collect(),
            empty: if queues.is_some() { "no queues" } else { no_scale },
        },
        Tab::Running => Shown {
            header: vec!["job", "tenant", "progress", "step", "attempt", "age", "outputs"],
            rows: running.iter().map(|job| running_job(job, snapshot)).collect(),
            empty: "nothing runs",
        },
        Tab::Retries => Shown {
            header: vec!["due", "job", "tenant", "attempt", "code"],
            rows: retries.iter().map(|job| retry(job, snapshot)).collect(),
            empty: "no retry is due within the hour",
        },
        Tab::Failures => Shown {
            header: vec!["jobs", "states", "last", "code", "why", "failure"],
            rows: failures.iter().map(|group| failure(group, at.since(group.last_at))).collect(),
            empty: "nothing failed",
        },
        Tab::Workers => Shown {
            header: vec!["worker", "region", "state", "jobs", "version", "heard of"],
            rows: workers.iter().flatten().map(|view| worker(view, snapshot)).collect(),
            empty: if workers.is_some() { "no worker has said anything yet" } else { no_ops },
        },
    }
}

fn queue(queue: &ScaleView) -> Vec<String> {
    let ScaleView { region, lane, queued, sent, running, oldest_s, slots, slots_busy, .. } = queue;
    let oldest = match oldest_s {
        0 => String::new(),
        seconds => duration(Duration::from_secs(*seconds)),
    };
    vec![
        format!("{region}.{lane}"),
        queued.to_string(),
        sent.to_string(),
        running.to_string(),
        oldest,
        format!("{slots_busy} of {slots}"),
        queue.workers.to_string(),
        queue.desired.to_string(),
        if queue.paused { "paused" } else { "" }.to_owned(),
    ]
}

fn running_job(job: &JobView, snapshot: &Snapshot) -> Vec<String> {
    let progress = job.progress.as_ref();
    let outputs: Vec<_> = job.outputs.keys().map(ToString::to_string).collect();
    vec![
        job.id.to_string(),
        job.tenant.to_string(),
        progress.map_or_else(String::new, |progress| bar(progress.fraction)),
        progress.map_or_else(String::new, |progress| progress.step.clone()),
        job.attempt.map_or_else(String::new, |attempt| attempt.to_string()),
        duration(snapshot.at.since(job.accepted_at)),
        outputs.join(","),
    ]
}

fn retry(job: &AskedJob, snapshot: &Snapshot) -> Vec<String> {
    let left = job.at.since(snapshot.at);
    vec![
        if left.is_zero() { "now".to_owned() } else { format!("in {}", duration(left)) },
        job.id.to_string(),
        job.tenant.to_string(),
        job.attempt.map_or_else(String::new, |attempt| attempt.to_string()),
        job.code.clone().unwrap_or_default(),
    ]
}

fn failure(group: &FailureGroupView, last: Duration) -> Vec<String> {
    let states: Vec<_> =
        group.states.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
    vec![
        group.jobs.to_string(),
        states.join(", "),
        format!("{} ago", duration(last)),
        group.code.clone(),
        group.pattern.clone(),
        group.fingerprint.clone(),
    ]
}

fn worker(view: &WorkerView, snapshot: &Snapshot) -> Vec<String> {
    let state = match (view.alive, view.unreachable, view.drain.is_some() || view.info.draining) {
        (false, true, _) => "cut off",
        (false, false, _) => "silent",
        (true, _, true) => "draining",
        (true, _, false) => "takes jobs",
    };
    vec![
        view.info.worker.to_string(),
        view.info.region.to_string(),
        state.to_owned(),
        format!("{} of {}", view.claims.len(), view.info.slots),
        view.info.version.clone(),
        format!("{} ago", duration(snapshot.at.since(view.beat_at))),
    ]
}

/// `████      40 %`.
fn bar(fraction: f64) -> String {
    let fraction = fraction.clamp(0.0, 1.0);
    let full = (fraction * BAR as f64).floor() as usize;
    let (full_cells, empty) = ("█".repeat(full), "░".repeat(BAR - full));
    format!("{full_cells}{empty} {:3.0} %", 100.0 * fraction)
}

/// What stands above the queues: states, rates, what is due, what fails most.
pub(super) fn overview(app: &App) -> Vec<String> {
    let Some(snapshot) = &app.last else { return Vec::new() };
    let states: Vec<String> = (State::NAMES.iter())
        .filter(|state| snapshot.jobs(state) > 0)
        .map(|state| format!("{} {state}", snapshot.jobs(state)))
        .collect();
    let states = if states.is_empty() { "none".to_owned() } else { states.join(" · ") };
    let rates = app.rates.map_or_else(
        || "known after the next look".to_owned(),
        |rates| format!("{:.1} a second come, {:.1} end", rates.accepted, rates.ended),
    );
    let due: u64 = snapshot.forecast.iter().map(|time| time.jobs).sum();
    let most = snapshot.forecast.iter().map(|time| time.jobs).max().unwrap_or(0).max(1);
    let height = |jobs: u64| BLOCKS.get((jobs * 8).div_ceil(most) as usize).copied().unwrap_or('█');
    let forecast: String = snapshot.forecast.iter().map(|time| height(time.jobs)).collect();
    let failing = snapshot.failures.first().map_or_else(
        || "nothing".to_owned(),
        |group| format!("{} jobs: {} ({})", group.jobs, group.pattern, group.code),
    );
    vec![
        format!("jobs      {states}"),
        format!("rate      {rates}"),
        format!("retries   {due} due within the hour  ▕{forecast}▏"),
        format!("failed    {failing}"),
        String::new(),
    ]
}

/// Everything, for whoever reads it once.
pub(crate) fn text(app: &App) -> String {
    let Some(snapshot) = &app.last else { return String::new() };
    let mut text = format!("{} at {}\n\n", app.url, snapshot.at);
    for line in overview(app) {
        text.push_str(&line);
        text.push('\n');
    }
    for tab in Tab::ALL {
        let Shown { header, rows, empty } = table_of(tab, snapshot);
        if tab != Tab::Overview {
            text.push_str(&format!("\n{}\n", tab.title()));
        }
        if rows.is_empty() {
            text.push_str(&format!("{empty}\n"));
        } else {
            text.push_str(&crate::terminal::table(&header, &rows));
        }
    }
    text.trim_end().to_owned()
}
