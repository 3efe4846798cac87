//! Two attempts of a job, side by side.

use panofleet_job_schema::{Timestamp, WorkerId};
use panofleet_jobs_db::HistoryEntry;

use super::curve;
use super::timeline::{ran, waited};
use crate::attempts::Attempt;
use crate::pages::html::{Text, table_head};
use crate::pages::language::say;
use crate::pages::words;

/// Events of an attempt that are told.
const EVENTS_MAX: usize = 50;

/// The section: nothing if there is only one attempt. Without a choice, or with one that there is not, it is the last two.
pub(super) fn section(
    attempts: &[Attempt<'_>],
    entries: &[HistoryEntry],
    (one, other): (Option<u32>, Option<u32>),
    now: Timestamp,
) -> String {
    let [.., before, last] = attempts else { return String::new() };
    let chosen = |number: Option<u32>| attempts.iter().find(|it| Some(it.number) == number);
    let pair = [chosen(one).unwrap_or(before), chosen(other).unwrap_or(last)];
    let open = if one.is_some() || other.is_some() { " open" } else { "" };
    let facts = [
        (say("Worker", "工作节点"), pair.map(|it| it.worker.unwrap_or_default().to_owned())),
        (
            say("Sent", "派发"),
            pair.map(|it| it.sent_at.map(|at| at.to_string()).unwrap_or_default()),
        ),
        (say("Waited", "等待"), pair.map(|it| waited(it, now))),
        (say("Ran", "运行"), pair.map(|it| ran(it, now))),
        (
            say("Came so far", "进度"),
            pair.map(|it| it.progress.map(curve::told).unwrap_or_default()),
        ),
        (say("Came to", "结局"), pair.map(|it| words::reason(it.last.1))),
        (say("Because", "原因"), pair.map(|it| it.last.2.unwrap_or_default().to_owned())),
    ];
    let rows: String = facts.iter().map(|(name, cells)| row(name, cells)).collect();
    let told = pair.map(|attempt| events(attempt, entries));
    format!(
        "<details class=\"compare\"{open}><summary>{}</summary>\n{}\
         <table class=\"facts pair\">\n{}\
         <tbody>\n{rows}<tr><th>{}</th><td>{}</td><td>{}</td></tr>\n</tbody>\n</table>\n</details>\n",
        say("Two attempts side by side", "两次尝试对比"),
        form(attempts, pair.map(|attempt| attempt.number)),
        table_head(["", &numbered(pair[0].number), &numbered(pair[1].number)]),
        say("Events", "事件"),
        told[0],
        told[1],
    )
}

fn numbered(attempt: u32) -> String {
    say!("Attempt {attempt}", "第 {attempt} 次尝试")
}

/// What differs stands out.
fn row(name: &str, cells: &[String; 2]) -> String {
    let [one, other] = cells;
    let class = if one == other { "" } else { " class=\"differs\"" };
    format!("<tr{class}><th>{name}</th><td>{}</td><td>{}</td></tr>\n", Text(one), Text(other))
}

/// Which two, if there are more.
fn form(attempts: &[Attempt<'_>], chosen: [u32; 2]) -> String {
    if attempts.len() < 3 {
        return String::new();
    }
    let choice = |name: &str, chosen: u32| {
        let option = |attempt: &Attempt<'_>| {
            let number = attempt.number;
            let selected = if number == chosen { " selected" } else { "" };
            format!("<option{selected}>{number}</option>")
        };
        let options: String = attempts.iter().map(option).collect();
        let title = say("Attempt", "尝试");
        format!("<label>{title} <select name=\"{name}\">{options}</select></label>\n")
    };
    format!(
        "<form>{}{}<button>{}</button></form>\n",
        choice("attempt", chosen[0]),
        choice("with", chosen[1]),
        say("Compare", "对比"),
    )
}

/// What was said of an attempt, and how long after the first word.
fn events(attempt: &Attempt<'_>, entries: &[HistoryEntry]) -> String {
    let ours: Vec<&HistoryEntry> = (entries.iter())
        .filter(|entry| {
            entry.attempt == Some(attempt.number) && entry.generation == attempt.generation
        })
        .take(EVENTS_MAX)
        .collect();
    let Some(first) = ours.first() else { return String::new() };
    let line = |entry: &&HistoryEntry| {
        let worker = entry.worker.as_ref().map(WorkerId::as_str).unwrap_or_default();
        format!(
            "<li>{} <small>{} {}</small></li>",
            Text(words::reason(&entry.reason)),
            say!("after {}", "{}后", words::between(first.at, entry.at)),
            Text(worker),
        )
    };
    let lines: String = ours.iter().map(line).collect();
    format!("<ol>{lines}</ol>")
}
