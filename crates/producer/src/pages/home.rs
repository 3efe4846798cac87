//! `GET /`: how much there is to do, and the newest jobs, those that somebody looks for.

use axum::extract::RawQuery;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Operation, Region, Timestamp};
use panofleet_jobs_db::{BulkAction, Scope, View};
use serde_json::json;

use super::alarms::alarms;
use super::asked::Asked;
use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
use super::{overview, words};
use crate::api::JobView;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::jobs::{ListParams, page};
use crate::api::view::StateView;
use crate::api::views::query_of;

/// What one may look for: the parameter of `GET /v1/jobs`, what to call it, how it is written.
fn text_fields() -> [(&'static str, &'static str, &'static str); 8] {
    [
        ("label", say("Label", "标签"), "album:42"),
        ("region", say("Region", "区域"), ""),
        ("worker", say("Worker", "工作节点"), ""),
        ("attempt", say("Attempt", "第几次尝试"), "1"),
        ("accepted_since", say("Accepted since", "受理不早于"), "2026-11-30T14:00:00Z"),
        ("accepted_until", say("Accepted until", "受理早于"), "2026-11-30T15:00:00Z"),
        ("failed_within", say("Failed within", "失败时间范围"), "24h"),
        ("failure", say("Failure", "失败"), say("fingerprint", "指纹")),
    ]
}

/// The newest jobs that are looked for.
pub(super) async fn home(api: Granted, RawQuery(query): RawQuery) -> Result<Page, PageError> {
    let asked = Asked::of("/", query.as_deref());
    let params: ListParams = asked.params()?;
    let page = page(&api, &params).await?;
    let views = api.db.views(api.whose()).await.map_err(ApiError::from)?;
    let counts = overview::counts(&api).await?;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let alarms = alarms(&api, now).await?;
    let body = match (page.jobs.is_empty(), asked.is_empty()) {
        (true, true) => empty(),
        (true, false) => {
            let none = say("No job is like that.", "没有符合条件的任务。");
            format!("<p>{none} <a href=\"/\">{}</a></p>\n", say("All jobs", "所有任务"))
        }
        (false, _) => table(&page.jobs, now, api.whose().is_none()),
    };
    let older = page.next.map_or_else(String::new, |next| {
        let older = asked.with("before", &next.to_string()).address();
        format!("<p><a href=\"{}\">{}</a></p>\n", Text(older), say("Older", "更早"))
    });
    let all = if page.jobs.is_empty() { String::new() } else { all_that_match(&api, &params) };
    let title = say("Jobs", "任务").to_owned();
    let main = format!(
        "<h1>{title}</h1>\n{}{all}<div id=\"live\" data-refresh-s=\"3\" data-live=\"/v1/changes\">\n\
         {alarms}{counts}{body}{older}</div>\n",
        saved(&api, &views) + &search(&asked, &known_regions(&api)) + &save(&api, &params),
    );
    Ok(Page { title, main, ..Page::of(&api) })
}

/// What may be meant by the first letters of a region.
fn known_regions(api: &Granted) -> String {
    let option = |region: &Region| format!("<option value=\"{region}\"></option>");
    let options: String = api.config.regions.keys().map(option).collect();
    format!("<datalist id=\"regions\">{options}</datalist>\n")
}

/// The form, with what was looked for in it.
fn search(asked: &Asked, known: &str) -> String {
    let given = |name: &str| asked.given(name);
    let choice = |name: &str, title: &str, of: &[&str]| {
        let option = |value: &&str| {
            let selected = if *value == given(name) { " selected" } else { "" };
            let text = words::state(value);
            format!("<option value=\"{value}\"{selected}>{text}</option>")
        };
        let options: String = of.iter().map(option).collect();
        format!(
            "<label>{title} <select name=\"{name}\"><option></option>{options}</select></label>\n"
        )
    };
    let operations: Vec<&str> = Operation::docs().iter().map(|doc| doc.name).collect();
    let mut fields = choice("state", say("State", "状态"), &JobState::NAMES);
    fields.push_str(&choice("operation", say("Operation", "操作"), &operations));
    for (name, title, example) in text_fields() {
        fields.push_str(&format!(
            "<label>{title} <input name=\"{name}\" value=\"{}\" placeholder=\"{example}\"{}></label>\n",
            Text(given(name)),
            if name == "region" { " list=\"regions\"" } else { "" },
        ));
    }
    let open = if asked.is_empty() { "" } else { " open" };
    format!(
        "<details class=\"search\"{open}><summary>{}</summary>\n<form action=\"/\">\n{fields}{known}\
         <button>{}</button> <a href=\"/\">{}</a>\n</form>\n</details>\n",
        say("Look for", "查找"),
        say("Look", "查找"),
        say("All", "全部"),
    )
}

/// Links to filters that were saved, which whoever may can remove.
fn saved(api: &Granted, views: &[View]) -> String {
    let may = api.has(Scope::JobsWrite) && api.whose().is_some();
    let link = |view: &View| {
        let address = Asked::new("/", query_of(view)).address();
        let remove = may.then(|| {
            let path = format!("/v1/views/{}", percent(&view.name));
            let again = json!({ "filter": view.filter }).to_string();
            let question = say!("Remove the view “{}”?", "删除视图“{}”？", view.name);
            let button = Button::new("×").deletes(&path).asks(&question);
            format!(" {}", button.undone_with("PUT", &path, &again))
        });
        let tenant =
            if api.whose().is_none() { format!("{} · ", view.tenant) } else { String::new() };
        format!(
            "<li><a href=\"{}\">{tenant}{}</a>{}</li>\n",
            Text(address),
            Text(&view.name),
            remove.unwrap_or_default(),
        )
    };
    let links: String = views.iter().map(link).collect();
    if views.is_empty() {
        return String::new();
    }
    let title = say("Views", "视图");
    format!("<ul class=\"views\" aria-label=\"{title}\">\n{links}</ul>\n")
}

/// A field to save the filter at hand, for whoever may.
fn save(api: &Granted, asked: &ListParams) -> String {
    let may = api.has(Scope::JobsWrite) && api.whose().is_some();
    let filter = json!(asked.which());
    if !may || filter == json!({}) || asked.parent.is_some() {
        return String::new();
    }
    format!(
        "<form class=\"within\" data-method=\"PUT\" data-path=\"/v1/views/\" data-append=\"name\" \
         data-body=\"{}\"><label>{} <input name=\"name\" required maxlength=\"64\"></label> <button>{}</button></form>\n",
        Text(json!({ "filter": filter })),
        say("Save this view as", "将此视图另存为"),
        say("Save", "保存"),
    )
}

/// A text as a part of a path.
fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// What may be done to all jobs that are looked for, once somebody has seen how many there are.
fn all_that_match(api: &Granted, asked: &ListParams) -> String {
    let filter = json!(asked.which());
    let is_any = filter == json!({});
    // Children are their parent's matter.
    if !api.has(Scope::JobsWrite) || api.whose().is_none() || is_any || asked.parent.is_some() {
        return String::new();
    }
    let button = |text: &str, action: BulkAction, priority: Option<Priority>, count: &str| {
        let mut body = json!({ "action": action, "filter": filter });
        if let Some(priority) = priority {
            body["priority"] = json!(priority);
        }
        let body = body.to_string();
        Button::new(text).posts("/v1/bulk", &body).then("/bulk/").counts(count).to_string()
    };
    let buttons = [
        button(
            say("Start anew", "重新运行"),
            BulkAction::Retry,
            None,
            say("Start {} anew?", "重新运行 {}？"),
        ),
        button(
            say("Cancel", "取消"),
            BulkAction::Cancel,
            None,
            say("End {} without a result?", "终止 {}，不产生结果？"),
        ),
        button(
            say("Move to high", "调到高优先级"),
            BulkAction::Reprioritise,
            Some(Priority::High),
            say("Let {} go before those of other bands?", "让 {}排在其他优先级之前？"),
        ),
        button(
            say("Delete", "删除"),
            BulkAction::Delete,
            None,
            say(
                "Delete {} with outputs, uploads and all that is known of them? Nobody can undo this.",
                "删除 {}及其输出、上传文件和全部记录？此操作无法撤销。",
            ),
        ),
    ];
    let all = say("All that match:", "所有符合条件的：");
    format!("<p class=\"buttons\">{all} {}</p>\n", buttons.join(" "))
}

fn empty() -> String {
    format!(
        "<p>{}</p>\n<pre>panofleet submit FILE --output tiles=pano.tiles --wait</pre>",
        say("No jobs yet. Submit one:", "还没有任务。提交一个："),
    )
}

/// Jobs, and whose they are if they are not one tenant's.
pub(super) fn table(jobs: &[JobView], now: Timestamp, of_all: bool) -> String {
    let rows: String = jobs.iter().map(|job| row(job, now, of_all)).collect();
    let head = table_head([
        say("Source", "来源"),
        say("State", "状态"),
        say("Outputs", "输出"),
        say("Result", "结果"),
        say("Accepted", "受理"),
    ]);
    format!("<table class=\"jobs\">\n{head}<tbody>\n{rows}</tbody>\n</table>")
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
            let files = words::count(result.files, words::FILE);
            say!("{files}, {}", "{files}，{}", words::size(result.total_bytes))
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
    let said = words::state(name);
    format!("<span class=\"state {name}\" data-state=\"{said}\">{said}{percent}</span>")
}
