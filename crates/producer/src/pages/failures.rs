//! `GET /failures`: what failed, by why. `GET /failures/{fingerprint}`: one kind, its jobs, and running them again.
//! `GET /bulk/{id}`: how far that is.

use panofleet_job_schema::{ErrorClass, Timestamp};
use panofleet_jobs_db::{Bulk, BulkAction, JobFilter, Scope};
use serde_json::json;

use super::home;
use super::html::{Button, Page, PageError, Text, age};
use super::words;
use crate::api::FailureGroupView;
use crate::api::auth::granted::Granted;
use crate::api::bulk::RETRIED;
use crate::api::error::ApiError;
use crate::api::extract::Segments;

/// Groups on the page.
const GROUPS: u32 = 100;
/// Jobs of a group on its page.
const JOBS: u32 = 50;

/// What failed, the largest group first.
pub(super) async fn failures(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let groups = api.failures(&api.own_jobs(), GROUPS).await?;
    let body = if groups.is_empty() {
        "<p>Nothing failed that was not made good.</p>".to_owned()
    } else {
        let rows: String = groups.iter().map(|group| row(group, now)).collect();
        format!(
            "<table class=\"jobs failures\">\n<thead><tr><th>Why</th><th>Jobs</th><th>Last 24 h</th><th>Where</th>\
             <th>First</th><th>Last</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"
        )
    };
    let main = format!("<h1>Failures</h1>\n<div data-refresh-s=\"5\">\n{body}</div>");
    Ok(Page { title: "Failures".to_owned(), main, ..Page::of(&api) })
}

fn row(group: &FailureGroupView, now: Timestamp) -> String {
    let regions: Vec<_> = group.regions.keys().map(ToString::to_string).collect();
    format!(
        "<tr><td><a href=\"/failures/{fingerprint}\">{pattern}</a><br><small>{code} · {class}</small></td>\
         <td>{states}</td><td>{trend}</td><td>{regions}</td><td>{first}</td><td>{last}</td></tr>\n",
        fingerprint = Text(&group.fingerprint),
        pattern = Text(words::pattern(&group.pattern)),
        code = Text(&group.code),
        class = class(group.class),
        states = states(group),
        trend = sparkline(&group.trend),
        regions = Text(regions.join(", ")),
        first = age(group.first_at, now),
        last = age(group.last_at, now),
    )
}

/// A bar for each hour; nothing if there was none.
fn sparkline(trend: &[u64]) -> String {
    const BAR: usize = 4;
    const HEIGHT: f64 = 20.0;
    let most = trend.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let bar = |(hour, count): (usize, &u64)| {
        // One is seen beside a thousand.
        let height = (HEIGHT * *count as f64 / most as f64).max(if *count > 0 { 1.0 } else { 0.0 });
        let (x, y) = (hour * BAR, HEIGHT - height);
        format!("<rect x=\"{x}\" y=\"{y:.1}\" width=\"3\" height=\"{height:.1}\"/>")
    };
    let bars: String = trend.iter().enumerate().map(bar).collect();
    let all = words::count(trend.iter().sum::<u64>(), "attempt");
    let width = trend.len() * BAR;
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" \
         aria-label=\"{all} failed in the last {hours} hours, at most {most} in one\">\
         <title>{all} failed in the last {hours} hours, at most {most} in one</title>{bars}</svg>",
        hours = trend.len(),
    )
}

/// `12 dead, 3 waiting`, each in its colour.
fn states(group: &FailureGroupView) -> String {
    let badges: Vec<String> = (group.states.iter())
        .map(|(state, jobs)| {
            format!("<span class=\"state {name}\">{jobs} {name}</span>", name = Text(state))
        })
        .collect();
    badges.join(" ")
}

const fn class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => "may pass by itself",
        ErrorClass::Rejected => "the input or the request is at fault",
        ErrorClass::Crashed => "the program that runs it died",
        ErrorClass::Bug => "a fault of Panofleet",
    }
}

/// One kind of failure.
pub(super) async fn failure(
    api: Granted,
    Segments(fingerprint): Segments<String>,
) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let filter = JobFilter { failure: Some(fingerprint.clone()), ..api.own_jobs() };
    let Some(group) = api.failures(&filter, 1).await?.pop() else {
        let detail =
            "no failed job has a failure of this kind any more; /failures lists what there is";
        return Err(ApiError::absent("failure_not_found", detail).into());
    };
    let jobs = api.job_views(&filter, JOBS).await?;
    let ended = RETRIED.iter().filter_map(|state| group.states.get(*state)).sum();
    let mut main = format!("<h1>{}</h1>\n", Text(words::pattern(&group.pattern)));
    main.push_str(&format!(
        "<p class=\"quiet\">{code} · {class} · first {first}, last {last}</p>\n<p>{states} {trend}</p>\n\
         <p class=\"failure\">{message}</p>\n{again}<h2>Jobs</h2>\n{jobs}",
        code = Text(&group.code),
        class = class(group.class),
        first = age(group.first_at, now),
        last = age(group.last_at, now),
        states = states(&group),
        trend = sparkline(&group.trend),
        message = Text(&group.sample.message),
        again = run_again(&api, &fingerprint, ended),
        jobs = home::table(&jobs, now, api.whose().is_none()),
    ));
    Ok(Page { title: "Failure".to_owned(), main, ..Page::of(&api) })
}

/// A button that starts all ended jobs of a kind anew, once somebody has said yes.
fn run_again(api: &Granted, fingerprint: &str, ended: u64) -> String {
    if ended == 0 {
        return "<p>None of them has ended: each is tried again by itself.</p>\n".to_owned();
    }
    if !api.has(Scope::JobsWrite) {
        return String::new();
    }
    if api.whose().is_none() {
        return "<p>Sign in for one tenant to start its jobs anew.</p>\n".to_owned();
    }
    let jobs = words::count(ended, "job");
    let body = json!({ "action": "retry", "filter": { "failure": fingerprint } }).to_string();
    format!(
        "<p>{}</p>\n",
        Button::new(&format!("Start {jobs} anew"))
            .posts("/v1/bulk", &body)
            .then("/bulk/")
            .asks(&format!("Start {jobs} anew?")),
    )
}

/// A bulk action, and how far it is.
pub(super) async fn bulk(api: Granted, Segments(id): Segments<String>) -> Result<Page, PageError> {
    let Bulk { action, matched, done, refused, requested_at, ended_at, stopped, filter, .. } =
        api.bulk(&id).await?.bulk;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let (did, title) = match action {
        BulkAction::Retry => ("started anew", "Retry"),
        BulkAction::Cancel => ("cancelled", "Cancel"),
        BulkAction::Reprioritise => ("in their new band", "Reprioritise"),
        BulkAction::Delete => ("to be deleted", "Delete"),
    };
    let stands = match (ended_at, stopped) {
        (None, _) => "under way",
        (Some(_), true) => "stopped",
        (Some(_), false) => "done",
    };
    let share = (done + refused) as f64 / matched.max(1) as f64;
    let mut main = format!(
        "<h1>{title} {} <span class=\"state\">{stands}</span></h1>\n<p class=\"quiet\">asked for {}</p>\n",
        words::count(matched, "job"),
        age(requested_at, now),
    );
    main.push_str(&format!(
        "<div{refresh}>\n<p class=\"progress\"><progress max=\"1\" value=\"{share}\"></progress></p>\n\
         <p>{} {did}",
        words::count(done, "job"),
        share = if ended_at.is_some() { 1.0 } else { share.min(1.0) },
        refresh = if ended_at.is_none() { " data-refresh-s=\"1\"" } else { "" },
    ));
    if refused > 0 {
        main.push_str(&format!(
            "; {} had changed before it came to them",
            words::count(refused, "job")
        ));
    }
    main.push_str(".</p>\n</div>\n");
    if let Some(failure) = &filter.failure {
        main.push_str(&format!(
            "<p><a href=\"/failures/{}\">What is left of this kind of failure</a></p>\n",
            Text(failure)
        ));
    }
    if ended_at.is_none() && api.has(Scope::JobsWrite) {
        let path = format!("/v1/bulk/{id}/stop");
        let stop = Button::new("Stop").posts(&path, "").then("/bulk/");
        main.push_str(&format!("<p>{stop}</p>\n"));
    }
    Ok(Page { title: title.to_owned(), main, ..Page::of(&api) })
}
