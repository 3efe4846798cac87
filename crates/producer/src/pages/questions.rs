//! `GET /questions`: what people ask about retries. `GET /questions/{name}`: an answer, with what acts on it.

use panofleet_job_schema::{Span, Timestamp};
use panofleet_jobs_db::Scope;

use super::html::{Button, Page, PageError, Text, age};
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::extract::{Params, Segments};
use crate::api::questions::{AskParams, Question};
use crate::api::{AnswerView, AskedGroup, AskedJob, AskedTime, Rows};

/// What can be asked.
pub(super) async fn questions(api: Granted) -> Page {
    let item = |question: Question| {
        format!("<li><a href=\"/questions/{}\">{}</a></li>\n", question.name(), question.title())
    };
    let items: String = Question::ALL.map(item).concat();
    let main = format!(
        "<h1>Questions</h1>\n<p>About jobs and attempts, answered as things stand; also by \
         <code>panofleet ask</code>.</p>\n<ul class=\"questions\">\n{items}</ul>\n"
    );
    Page { title: "Questions".to_owned(), main, ..Page::of(&api) }
}

/// An answer.
pub(super) async fn question(
    api: Granted,
    Segments(name): Segments<String>,
    Params(params): Params<AskParams>,
) -> Result<Page, PageError> {
    let answer = api.answer(&name, params).await?;
    let AnswerView { question, at, since, version, rows } = &answer;
    let told = match rows {
        Rows::Jobs { jobs } => job_table(&api, &question.column, jobs, *at),
        Rows::Attempts { groups } => group_table(&question.column, groups, *at),
        Rows::Times { times } => time_table(times, *at),
    };
    let mut main = format!("<h1>{}</h1>\n", Text(&question.title));
    if let Some(version) = version {
        main.push_str(&format!("<p class=\"quiet\">version {}</p>\n", Text(version)));
    }
    main.push_str(&form(question.within));
    main.push_str("<div id=\"live\" data-refresh-s=\"5\">\n");
    if let Some(since) = since {
        main.push_str(&format!("<p class=\"quiet\">attempts since {}</p>\n", age(*since, *at)));
    }
    main.push_str(&told);
    main.push_str("</div>\n");
    main.push_str(&format!(
        "<p class=\"quiet\"><a href=\"/questions\">Other questions</a> · \
         <code>panofleet ask {}</code></p>\n",
        Text(&question.name)
    ));
    Ok(Page { title: question.title.clone(), main, ..Page::of(&api) })
}

/// The span that is asked about, to be changed.
fn form(within: Option<Span>) -> String {
    let Some(within) = within else { return String::new() };
    format!(
        "<form class=\"within\"><label>Within <input name=\"within\" value=\"{within}\"></label> \
         <button>Ask</button></form>\n"
    )
}

fn none() -> String {
    "<p>None.</p>\n".to_owned()
}

fn job_table(api: &Granted, column: &str, jobs: &[AskedJob], now: Timestamp) -> String {
    if jobs.is_empty() {
        return none();
    }
    let may_cancel = api.has(Scope::JobsWrite);
    let rows: String = jobs.iter().map(|job| job_row(job, now, may_cancel)).collect();
    format!(
        "<table class=\"jobs asked\">\n<thead><tr><th>Job</th><th>State</th><th>{}</th><th>Worker</th>\
         <th>Attempt</th><th>Last failure</th><th></th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
        Text(capitalised(column)),
    )
}

fn job_row(job: &AskedJob, now: Timestamp, may_cancel: bool) -> String {
    let id = job.id;
    let done = job.fraction.map(|part| format!(" {:.0} %", 100.0 * part)).unwrap_or_default();
    let worker = job.worker.as_ref().map(ToString::to_string).unwrap_or_default();
    let path = format!("/v1/jobs/{id}/cancel");
    let button = match &job.command {
        Some(_) if may_cancel => {
            Button::new("Cancel").posts(&path, "").asks("Cancel this job?").to_string()
        }
        _ => String::new(),
    };
    format!(
        "<tr><td><a href=\"/view/{id}\">{id}</a><br><small>{tenant} · {region}</small></td>\
         <td><span class=\"state {state}\">{state}{done}</span></td><td>{at}</td><td>{worker}</td>\
         <td>{attempt}</td><td>{code}</td><td>{button}</td></tr>\n",
        tenant = job.tenant,
        region = job.region,
        state = Text(&job.state),
        at = when(job.at, now),
        worker = Text(worker),
        attempt = job.attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
        code = Text(job.code.as_deref().unwrap_or_default()),
    )
}

/// How long ago something was, or how long it takes until it is.
fn when(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        return age(at, now);
    }
    format!("<time datetime=\"{at}\" title=\"{at}\">in {}</time>", words::between(now, at))
}

fn group_table(column: &str, groups: &[AskedGroup], now: Timestamp) -> String {
    if groups.is_empty() {
        return none();
    }
    let rows: String = groups.iter().map(|group| group_row(group, now)).collect();
    format!(
        "<table class=\"groups\">\n<thead><tr><th>{}</th><th>Attempts</th><th>Jobs</th><th>Time held</th>\
         <th>Last</th><th>What acts on them</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
        Text(capitalised(column)),
    )
}

fn group_row(group: &AskedGroup, now: Timestamp) -> String {
    let key = if group.key.is_empty() { "not known" } else { &group.key };
    let key = match &group.query {
        Some(query) => format!("<a href=\"/?{}\">{}</a>", Text(query), Text(key)),
        None => Text(key).to_string(),
    };
    let new =
        if group.is_new == Some(true) { " <span class=\"state dead\">new</span>" } else { "" };
    let command = group.command.as_ref();
    let command = command.map(|command| format!("<code>{}</code>", Text(command)));
    format!(
        "<tr><td>{key}{new}{code}</td><td>{attempts}</td><td>{jobs}</td><td>{lost}</td><td>{last}</td>\
         <td>{command}</td></tr>\n",
        code = group
            .code
            .as_ref()
            .map(|code| format!("<br><small>{}</small>", Text(code)))
            .unwrap_or_default(),
        attempts = group.attempts,
        jobs = group.jobs,
        lost = words::span(group.lost_ms),
        last = age(group.last_at, now),
        command = command.unwrap_or_default(),
    )
}

fn time_table(times: &[AskedTime], now: Timestamp) -> String {
    let most = times.iter().map(|time| time.jobs).max().unwrap_or(0).max(1);
    let row = |time: &AskedTime| {
        format!(
            "<tr><td>{}</td><td>{jobs}</td><td><meter max=\"{most}\" value=\"{jobs}\">{jobs}</meter></td></tr>\n",
            when(time.from, now),
            jobs = time.jobs,
        )
    };
    let rows: String = times.iter().map(row).collect();
    format!(
        "<table class=\"times\">\n<thead><tr><th>From</th><th>Jobs</th><th></th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n"
    )
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
