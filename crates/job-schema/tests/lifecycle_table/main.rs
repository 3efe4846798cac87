//! `docs/lifecycle.md`: what every event makes of every state, as the lifecycle decides it.
//!
//! The page is written from the code and checked in, so that a change of the contract is a change that people
//! read. After one, run this test with `PANOFLEET_WRITE_SAMPLES=1`, and look at the difference.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use panofleet_job_schema::Job;
use panofleet_job_schema::job::{CloseTarget, Counters, DeadReason, State};
use panofleet_job_schema::lifecycle::{Decision, Effect, decide};
use panofleet_job_schema::policy::Policy;

use crate::events::{endings, events};
use crate::states::{Case, cases, claim_name};

mod events;
mod states;

const HEAD: &str = "\
# The lifecycle, event by event

Written by a test from `job_schema::lifecycle::decide`; do not edit. `crates/job-schema/tests/lifecycle_table`
says how to write it anew.

Every job below was sent once before, unless it says otherwise: attempt 1 is over, attempt 2 is the last. Claims *A* and
*B* hold the job where it is running. Claim *L* fell silent in attempt 1 and was given up; claim *E* has ended by its own
word. *New* is a claim that was never heard of. *Then* is what the dispatcher, or whoever decided, does afterwards:
send the message, publish the control record, put the seal. A claim that *splits it* asks for two children.

The log is *caught up* when everything is applied that lay before an end that was observed after the timer was due.
";

#[test]
fn the_page_says_what_the_lifecycle_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lifecycle.md");
    let page = page();
    #[expect(clippy::disallowed_methods, reason = "a switch for developers, not for the program")]
    if std::env::var("PANOFLEET_WRITE_SAMPLES").is_ok() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let differ = kept.lines().zip(page.lines()).find(|(kept, now)| kept != now);
    assert!(
        kept == page,
        "docs/lifecycle.md is not what the lifecycle does; first difference: {differ:#?}"
    );
}

#[test]
fn states_are_open_or_terminal() {
    for Case { job, .. } in cases() {
        let is_open = State::OPEN_NAMES.contains(&job.state.name());
        assert_ne!(is_open, job.state.is_terminal(), "{}", job.state.name());
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for case in cases() {
        section(&mut page, &case);
    }
    page
}

/// One state: a line for each event that changes something, and what the others are refused with.
fn section(page: &mut String, case: &Case) {
    let policy = Policy::default();
    let mut lines = String::new();
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, event) in events(&case.job) {
        match decide(&case.job, &event, &policy) {
            Ok(decision) => writeln!(lines, "{}", line(&name, &case.job, &decision)).unwrap(),
            Err(refusal) => refused.entry(refusal.to_string()).or_default().push(name),
        }
    }
    writeln!(page, "\n## {}\n", case.name).unwrap();
    if !lines.is_empty() {
        page.push_str("| event | becomes | reason | then | counts |\n|---|---|---|---|---|\n");
        page.push_str(&lines);
        page.push('\n');
    }
    page.push_str("Nothing changes:\n\n");
    for (refusal, names) in refused {
        writeln!(page, "- *{refusal}*: {}", in_short(names).join("; ")).unwrap();
    }
}

/// Says once what is true of every end of a claim.
fn in_short(mut names: Vec<String>) -> Vec<String> {
    for claim in ["A", "B", "L", "E", "New"] {
        let ends: Vec<_> = endings().iter().map(|(says, _)| format!("{claim} {says}")).collect();
        let Some(first) = names.iter().position(|name| ends.contains(name)) else { continue };
        let refused = ends.iter().filter(|end| names.contains(end)).count();
        let succeeds = names.contains(&format!("{claim} succeeds"));
        if refused == ends.len() - usize::from(!succeeds) {
            names.retain(|name| !ends.contains(name));
            let or_succeeds = if succeeds { " or succeeds" } else { "" };
            names.insert(first, format!("{claim} ends in any way{or_succeeds}"));
        }
    }
    names
}

fn line(name: &str, before: &Job, decision: &Decision) -> String {
    let Decision { job, reason, effects, .. } = decision;
    let effects: Vec<_> = effects.iter().map(|effect| effect_name(*effect)).collect();
    let becomes = state_name(job);
    let counts = counted(before, job);
    format!("| {name} | {becomes} | {} | {} | {counts} |", reason.name(), effects.join(", "))
}

fn effect_name(effect: Effect) -> String {
    match effect {
        Effect::Produce(attempt) => format!("send {attempt}"),
        Effect::Control => "control".to_owned(),
        Effect::Close => "seal".to_owned(),
    }
}

fn state_name(job: &Job) -> String {
    let detail = match &job.state {
        State::Queued { .. } if !job.sent_to.is_empty() => {
            return format!("queued ({})", job.region);
        }
        State::Waiting { .. }
        | State::Queued { .. }
        | State::Blocked { .. }
        | State::Cancelled
        | State::Expired => {
            return job.state.name().to_owned();
        }
        State::Sent { attempt, placement, gone_at, .. } => {
            let place = if placement.is_some() { "placed" } else { "not placed" };
            let gone = if gone_at.is_some() { ", found gone" } else { "" };
            format!("{attempt}, {place}{gone}")
        }
        State::Running { claims, .. } => {
            let names: Vec<_> = claims.iter().map(|claim| claim_name(claim.claim)).collect();
            names.join(", ")
        }
        State::Closing { target, .. } => target_name(*target),
        State::Succeeded { .. } => return "succeeded".to_owned(),
        State::Dead { reason } => dead_name(*reason),
    };
    format!("{} ({detail})", job.state.name())
}

fn target_name(target: CloseTarget) -> String {
    match target {
        CloseTarget::Dead { reason } => format!("dead: {}", dead_name(reason)),
        CloseTarget::Cancelled => "cancelled".to_owned(),
        CloseTarget::Expired => "expired".to_owned(),
    }
}

fn dead_name(reason: DeadReason) -> String {
    serde_json::to_value(reason).unwrap().as_str().unwrap().replace('_', " ")
}

/// What the event has cost, or given back.
fn counted(before: &Job, after: &Job) -> String {
    if after.generation != before.generation {
        return format!("generation {}, from zero", after.generation);
    }
    let of = |counters: &Counters| {
        let Counters { charged, crashes, losses, releases, .. } = *counters;
        [("charged", charged), ("crashes", crashes), ("losses", losses), ("releases", releases)]
    };
    let changes = of(&before.counters).into_iter().zip(of(&after.counters));
    let said: Vec<_> = changes
        .filter(|((_, before), (_, after))| before != after)
        .map(|((name, before), (_, after))| {
            format!("{name} {:+}", i64::from(after) - i64::from(before))
        })
        .collect();
    said.join(", ")
}

/// Every case and every event has a name of its own.
#[test]
fn names_are_used_once() {
    let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for case in cases() {
        let mut names: Vec<_> = events(&case.job).into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "{}: {names:?}", case.name);
    }
}
