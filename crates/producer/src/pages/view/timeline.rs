//! What happened to a job: its attempts, drawn and told, and everything else in order.

use std::fmt::Write as _;

use panofleet_job_schema::{Attempt as Number, Job, Region, Timestamp, WorkerId};
use panofleet_jobs_db::HistoryEntry;

use super::{compare, curve};
use crate::api::JobView;
use crate::api::jobs::Cost;
use crate::attempts::{Attempt, attempts};
use crate::pages::html::{Text, table_head};
use crate::pages::language::say;
use crate::pages::words;

/// Entries that the page shows; the API has them all.
const SHOWN: usize = 200;
/// Width of the drawing, in its own units.
const WIDTH: f64 = 1000.0;
/// Height of an attempt's bar, and of the space for it.
const BAR: f64 = 14.0;
const ROW: f64 = 20.0;
/// Attempts that are drawn, the last ones.
const DRAWN: usize = 12;

/// How long its message waited for a worker.
pub(super) fn waited(attempt: &Attempt<'_>, now: Timestamp) -> String {
    let to = attempt.claimed_at.unwrap_or(attempt.end(now));
    attempt.sent_at.map(|from| words::between(from, to)).unwrap_or_default()
}

/// How long a worker had it.
pub(super) fn ran(attempt: &Attempt<'_>, now: Timestamp) -> String {
    attempt.claimed_at.map(|from| words::between(from, attempt.end(now))).unwrap_or_default()
}

/// Whether it went well, in the words of the style sheet.
fn class(attempt: &Attempt<'_>) -> &'static str {
    if attempt.is_good() {
        "good"
    } else if attempt.is_open() {
        "busy"
    } else {
        "bad"
    }
}

/// The section: nothing if there is nothing to tell yet.
pub(super) fn section(
    (row, job): (&Job, &JobView),
    entries: &[HistoryEntry],
    compared: (Option<u32>, Option<u32>),
    now: Timestamp,
) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let attempts = attempts(entries);
    let drawn = attempts.get(attempts.len().saturating_sub(DRAWN)..).unwrap_or_default();
    format!(
        "<h2>{}</h2>\n{}{}{}{}{}",
        say("What happened", "经过"),
        drawing(job, drawn, now),
        told((row, job), &attempts, now),
        cost(entries, now),
        compare::section(&attempts, entries, compared, now),
        log(entries),
    )
}

/// A bar for each attempt: pale while it waited for a worker, then as it ran.
fn drawing(job: &JobView, attempts: &[Attempt<'_>], now: Timestamp) -> String {
    let Some(first) = attempts.first() else { return String::new() };
    let begin = if attempts.len() < DRAWN {
        job.accepted_at
    } else {
        first.sent_at.unwrap_or(first.last.0)
    };
    let end = attempts.iter().map(|attempt| attempt.last.0).max().unwrap_or(now);
    let end = if attempts.iter().any(Attempt::is_open) { now } else { end };
    let whole = end.since(begin).as_secs_f64().max(0.001);
    let x = |at: Timestamp| (at.since(begin).as_secs_f64() / whole).clamp(0.0, 1.0) * WIDTH;
    let mut bars = String::new();
    for (place, attempt) in attempts.iter().enumerate() {
        let (y, to) = (place as f64 * ROW, attempt.end(end));
        let run = attempt.claimed_at.unwrap_or(to);
        let mut bar = |class: &str, from: Timestamp, to: Timestamp| {
            let (left, width) = (x(from), (x(to) - x(from)).max(1.0));
            let written = writeln!(
                bars,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
            );
            debug_assert!(written.is_ok(), "a string takes everything");
        };
        if let Some(sent_at) = attempt.sent_at {
            bar("wait", sent_at, run);
        }
        if attempt.claimed_at.is_some() {
            bar(class(attempt), run, to);
        }
    }
    let height = attempts.len() as f64 * ROW;
    format!(
        "<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\">\n{bars}</svg>\n",
        say!(
            "{} over {}",
            "{}，历时 {}",
            words::count(attempts.len() as u64, words::ATTEMPT),
            words::between(begin, end)
        ),
    )
}

/// What it has cost, once a worker has held it.
fn cost(entries: &[HistoryEntry], now: Timestamp) -> String {
    let Cost { worker_s, wasted_s, waited_s, .. } = Cost::of(entries, now);
    if worker_s <= 0.0 {
        return String::new();
    }
    let [worker, wasted, waited] =
        [worker_s, wasted_s, waited_s].map(|seconds| words::span((1000.0 * seconds) as u64));
    let told = say!(
        "Workers held it for {worker}, {wasted} of that for nothing; it waited {waited} for them.",
        "工作节点共占用 {worker}，其中 {wasted} 白费；等待节点 {waited}。"
    );
    format!("<p class=\"quiet\">{told}</p>\n")
}

fn told((row, job): (&Job, &JobView), attempts: &[Attempt<'_>], now: Timestamp) -> String {
    if attempts.is_empty() {
        return String::new();
    }
    let line = |attempt: &Attempt<'_>| {
        let (_, reason, detail) = attempt.last;
        let (waited, ran) = (waited(attempt, now), ran(attempt, now));
        let anew = if attempt.generation > 1 {
            let generation = attempt.generation;
            say!(" <small>of generation {generation}</small>", " <small>第 {generation} 代</small>")
        } else {
            String::new()
        };
        format!(
            "<tr><td>{}{anew}</td><td>{}</td><td>{}</td><td>{waited}</td><td>{ran}</td><td>{}</td><td class=\"{}\">{}</td><td>{}</td></tr>\n",
            attempt.number,
            Text(row.region_of(Number(attempt.number)).map(Region::as_str).unwrap_or_default()),
            Text(attempt.worker.unwrap_or_default()),
            curve::cell(attempt, job, now),
            class(attempt),
            Text(words::reason(reason)),
            Text(detail.unwrap_or_default()),
        )
    };
    let rows: String = attempts.iter().map(line).collect();
    let head = table_head([
        say("Attempt", "尝试"),
        say("Region", "区域"),
        say("Worker", "工作节点"),
        say("Waited", "等待"),
        say("Ran", "运行"),
        say("Came so far", "进度"),
        say("Came to", "结局"),
        "",
    ]);
    format!("<table class=\"attempts\">\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
}

fn log(entries: &[HistoryEntry]) -> String {
    let row = |entry: &HistoryEntry| {
        let attempt = entry.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
        format!(
            "<tr><td><time datetime=\"{at}\">{at}</time></td><td>{}</td><td>{}</td><td>{attempt}</td><td>{}</td><td>{}</td></tr>\n",
            Text(words::state(&entry.state)),
            Text(words::reason(&entry.reason)),
            Text(entry.worker.as_ref().map(WorkerId::as_str).unwrap_or_default()),
            Text(entry.detail.as_deref().unwrap_or_default()),
            at = entry.at,
        )
    };
    let begin = entries.len().saturating_sub(SHOWN);
    let rows: String = entries.get(begin..).unwrap_or_default().iter().map(row).collect();
    let cut =
        if begin > 0 { say!(", the last {SHOWN}", "，最近 {SHOWN} 个") } else { String::new() };
    let head = table_head([
        say("When", "时间"),
        say("State", "状态"),
        say("Why", "原因"),
        say("Attempt", "尝试"),
        say("Worker", "工作节点"),
        "",
    ]);
    format!(
        "<details><summary>{}{cut}</summary>\n<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n</details>\n",
        words::count(entries.len() as u64, words::EVENT),
    )
}
