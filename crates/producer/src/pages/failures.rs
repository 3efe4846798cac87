//! `GET /failures`: what failed, by why. `GET /failures/{fingerprint}`: one kind, its jobs, and running them again.
//! `GET /bulk/{id}`: how far that is.

use panofleet_job_schema::{ErrorClass, Timestamp};
use panofleet_jobs_db::{Bulk, BulkAction, JobFilter, Scope};
use serde_json::json;

use super::home;
use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
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
        format!("<p>{}</p>", say("Nothing failed that was not made good.", "没有尚未恢复的失败。"))
    } else {
        let rows: String = groups.iter().map(|group| row(group, now)).collect();
        let head = table_head([
            say("Why", "原因"),
            say("Jobs", "任务"),
            say("Last 24 h", "最近 24 小时"),
            say("Where", "区域"),
            say("First", "首次"),
            say("Last", "最近"),
        ]);
        format!("<table class=\"jobs failures\">\n{head}<tbody>\n{rows}</tbody>\n</table>")
    };
    let title = say("Failures", "失败").to_owned();
    let main = format!("<h1>{title}</h1>\n<div data-refresh-s=\"5\">\n{body}</div>");
    Ok(Page { title, main, ..Page::of(&api) })
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
    let all = words::count(trend.iter().sum::<u64>(), words::ATTEMPT);
    let (width, hours) = (trend.len() * BAR, trend.len());
    let told = say!(
        "{all} failed in the last {hours} hours, at most {most} in one",
        "最近 {hours} 小时内{all}失败，每小时最多 {most} 次"
    );
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{told}\">\
         <title>{told}</title>{bars}</svg>",
    )
}

/// `12 dead, 3 waiting`, each in its colour.
fn states(group: &FailureGroupView) -> String {
    let badges: Vec<String> = (group.states.iter())
        .map(|(state, jobs)| {
            let (name, said) = (Text(state), Text(words::state(state)));
            format!("<span class=\"state {name}\">{jobs} {said}</span>")
        })
        .collect();
    badges.join(" ")
}

fn class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => say("may pass by itself", "可能自行恢复"),
        ErrorClass::Rejected => say("the input or the request is at fault", "输入或请求有问题"),
        ErrorClass::Crashed => say("the program that runs it died", "执行程序崩溃"),
        ErrorClass::Bug => say("a fault of Panofleet", "Panofleet 自身的缺陷"),
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
        "<p class=\"quiet\">{code} · {class} · {times}</p>\n<p>{states} {trend}</p>\n\
         <p class=\"failure\">{message}</p>\n{again}<h2>{title}</h2>\n{jobs}",
        code = Text(&group.code),
        class = class(group.class),
        times = say!(
            "first {}, last {}",
            "首次 {}，最近 {}",
            age(group.first_at, now),
            age(group.last_at, now)
        ),
        title = say("Jobs", "任务"),
        states = states(&group),
        trend = sparkline(&group.trend),
        message = Text(&group.sample.message),
        again = run_again(&api, &fingerprint, ended),
        jobs = home::table(&jobs, now, api.whose().is_none()),
    ));
    Ok(Page { title: say("Failure", "失败").to_owned(), main, ..Page::of(&api) })
}

/// A button that starts all ended jobs of a kind anew, once somebody has said yes.
fn run_again(api: &Granted, fingerprint: &str, ended: u64) -> String {
    if ended == 0 {
        let none = say(
            "None of them has ended: each is tried again by itself.",
            "它们都还没有结束，会自动重试。",
        );
        return format!("<p>{none}</p>\n");
    }
    if !api.has(Scope::JobsWrite) {
        return String::new();
    }
    if api.whose().is_none() {
        let one = say(
            "Sign in for one tenant to start its jobs anew.",
            "请以单个租户登录，再重新运行它的任务。",
        );
        return format!("<p>{one}</p>\n");
    }
    let jobs = words::count(ended, words::JOB);
    let body = json!({ "action": "retry", "filter": { "failure": fingerprint } }).to_string();
    let states = json!({ "states": RETRIED, "failure": fingerprint });
    let discard = json!({ "action": "delete", "filter": states }).to_string();
    format!(
        "<p class=\"buttons\">{} {}</p>\n",
        Button::new(&say!("Start {jobs} anew", "重新运行 {jobs}"))
            .posts("/v1/bulk", &body)
            .then("/bulk/")
            .asks(&say!("Start {jobs} anew?", "重新运行 {jobs}？")),
        Button::new(say("Discard them", "全部丢弃")).posts("/v1/bulk", &discard).then("/bulk/").counts(say(
            "Delete {} with outputs, uploads and all that is known of them? Nobody can undo this.",
            "删除 {}及其输出、上传文件和全部记录？此操作无法撤销。",
        )),
    )
}

/// A bulk action, and how far it is.
pub(super) async fn bulk(api: Granted, Segments(id): Segments<String>) -> Result<Page, PageError> {
    let Bulk { action, matched, done, refused, requested_at, ended_at, stopped, filter, .. } =
        api.bulk(&id).await?.bulk;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let (did, title) = match action {
        BulkAction::Retry => (say("started anew", "已重新开始"), say("Retry", "重新运行")),
        BulkAction::Cancel => (say("cancelled", "已取消"), say("Cancel", "取消")),
        BulkAction::Reprioritise => {
            (say("in their new band", "已调整优先级"), say("Reprioritise", "调整优先级"))
        }
        BulkAction::Delete => (say("to be deleted", "将被删除"), say("Delete", "删除")),
    };
    let stands = match (ended_at, stopped) {
        (None, _) => say("under way", "进行中"),
        (Some(_), true) => say("stopped", "已停止"),
        (Some(_), false) => say("done", "完成"),
    };
    let share = (done + refused) as f64 / matched.max(1) as f64;
    let mut main = format!(
        "<h1>{title} {} <span class=\"state\">{stands}</span></h1>\n<p class=\"quiet\">{}</p>\n",
        words::count(matched, words::JOB),
        say!("asked for {}", "{}请求", age(requested_at, now)),
    );
    main.push_str(&format!(
        "<div{refresh}>\n<p class=\"progress\"><progress max=\"1\" value=\"{share}\"></progress></p>\n\
         <p>{} {did}",
        words::count(done, words::JOB),
        share = if ended_at.is_some() { 1.0 } else { share.min(1.0) },
        refresh = if ended_at.is_none() { " data-refresh-s=\"1\"" } else { "" },
    ));
    if refused > 0 {
        main.push_str(&say!(
            "; {} had changed before it came to them",
            "；{}在处理之前已发生变化",
            words::count(refused, words::JOB)
        ));
    }
    main.push_str(say(".</p>\n</div>\n", "。</p>\n</div>\n"));
    if let Some(failure) = &filter.failure {
        main.push_str(&format!(
            "<p><a href=\"/failures/{}\">{}</a></p>\n",
            Text(failure),
            say("What is left of this kind of failure", "此类失败还剩哪些"),
        ));
    }
    if ended_at.is_none() && api.has(Scope::JobsWrite) {
        let path = format!("/v1/bulk/{id}/stop");
        let stop = Button::new(say("Stop", "停止")).posts(&path, "").then("/bulk/");
        main.push_str(&format!("<p>{stop}</p>\n"));
    }
    Ok(Page { title: title.to_owned(), main, ..Page::of(&api) })
}
