//! `GET /overview`: what is on fire, what comes and goes, how long it waits, when retries are due, and whose it is.

use std::collections::BTreeSet;

use panofleet_job_schema::job::State as JobState;
use panofleet_jobs_db::{PauseTarget, Scope, Traffic};

use super::alarms::alarms;
use super::html::{Button, Page, PageError, Text, table_head};
use super::language::say;
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::{OverviewView, QueueOverview, TenantOverview};

/// Width and height of a chart, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

/// How things go.
pub(super) async fn overview(api: Granted) -> Result<Page, PageError> {
    let view = api.overview().await?;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let title = say("Overview", "概览").to_owned();
    let mut main = format!(
        "<h1>{title}</h1>\n<div id=\"live\" data-refresh-s=\"3\" data-live=\"/v1/changes\">\n{}{}",
        alarms(&api, now).await?,
        counts(&api).await?,
    );
    main.push_str(&course(&view));
    main.push_str(&retries(&view));
    main.push_str(&queue_table(&view));
    if api.has(Scope::Ops) && !view.tenants.is_empty() {
        let pauses = api.db.pauses().await.map_err(ApiError::from)?;
        let paused = pauses.into_iter().filter_map(|pause| match pause.target {
            PauseTarget::Tenant(tenant) => Some(tenant.to_string()),
            PauseTarget::Region(_) | PauseTarget::Lane(..) => None,
        });
        main.push_str(&tenant_table(&view.tenants, &paused.collect()));
    }
    main.push_str("</div>\n");
    Ok(Page { title, main, ..Page::of(&api) })
}

/// Links to the jobs of each state, with how many there are.
pub(super) async fn counts(api: &Granted) -> Result<String, ApiError> {
    let whose = api.whose();
    let counts = api.kept_counts.get(whose.cloned(), api.db.counts(whose)).await?;
    let link = |name: &str| {
        let count = counts.get(name).filter(|count| **count > 0)?;
        Some(format!(
            "<li><a class=\"state {name}\" href=\"/?state={name}\">{count} {}</a></li>\n",
            words::state(name),
        ))
    };
    let links: String = JobState::NAMES.into_iter().filter_map(link).collect();
    Ok(format!("<ul class=\"counts\">\n{links}</ul>\n"))
}

/// What came and what went in the last hour, as two lines.
fn course(view: &OverviewView) -> String {
    let (course, counts) = (&view.course, &view.course.counts);
    let came = words::count(counts.accepted.iter().sum::<u64>(), words::JOB);
    let went: u64 = counts.ended.iter().sum();
    let most = counts.accepted.iter().chain(&counts.ended).copied().max().unwrap_or(0);
    let minutes = course.step.0.as_secs() / 60;
    let told = say!(
        "In the last hour {came} came and {went} ended; at most {most} in {minutes} min",
        "最近一小时受理 {came}，结束 {went} 个；每 {minutes} 分钟最多 {most} 个"
    );
    format!(
        "<h2>{}</h2>\n<figure class=\"course\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{told}\">{}{}</svg>\n\
         <figcaption><span class=\"came\">{}</span> <span class=\"went\">{}</span> {told}</figcaption></figure>\n",
        say("Last hour", "最近一小时"),
        line("came", &counts.accepted, most),
        line("went", &counts.ended, most),
        say("accepted", "受理"),
        say("ended", "结束"),
    )
}

fn line(class: &str, counts: &[u64], most: u64) -> String {
    let last = counts.len().saturating_sub(1).max(1) as f64;
    let point = |(place, count): (usize, &u64)| {
        let x = WIDTH * place as f64 / last;
        // A stroke at the edge would be cut in half.
        let y = HEIGHT - 2.0 - (HEIGHT - 4.0) * *count as f64 / most.max(1) as f64;
        format!("{x:.1},{y:.1}")
    };
    let points: Vec<String> = counts.iter().enumerate().map(point).collect();
    format!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))
}

/// When retries are due in the next hour.
fn retries(view: &OverviewView) -> String {
    let all: u64 = view.retries.iter().sum();
    let most = view.retries.iter().copied().max().unwrap_or(0).max(1);
    let title = say("Retries due within an hour", "一小时内到期的重试");
    if all == 0 {
        return format!("<h2>{title}</h2>\n<p>{}</p>\n", say("None.", "没有。"));
    }
    let width = WIDTH / view.retries.len() as f64;
    let bar = |(place, count): (usize, &u64)| {
        let height = HEIGHT * *count as f64 / most as f64;
        let (x, y) = (width * place as f64, HEIGHT - height);
        let wide = width - 4.0;
        format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\"/>")
    };
    let bars: String = view.retries.iter().enumerate().map(bar).collect();
    let told = say!(
        "{all} in all, at most {most} within five minutes",
        "共 {all} 个，五分钟内最多 {most} 个"
    );
    format!(
        "<h2>{title}</h2>\n<figure class=\"due\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{told}\">{bars}</svg>\n\
         <figcaption><a href=\"/questions/retry-forecast\">{told}</a></figcaption></figure>\n",
    )
}

fn queue_table(view: &OverviewView) -> String {
    let title = say("Queues", "队列");
    if view.queues.is_empty() {
        let none = say(
            "Nothing came in the last five minutes, and nothing waits.",
            "最近五分钟没有任务，也没有排队。",
        );
        return format!("<h2>{title}</h2>\n<p>{none}</p>\n");
    }
    let minutes = view.within.0.as_secs_f64() / 60.0;
    let rows: String = view.queues.iter().map(|queue| queue_row(queue, minutes)).collect();
    let head = table_head([
        say("Region", "区域"),
        say("Lane", "通道"),
        say("In / min", "受理/分钟"),
        say("Out / min", "完成/分钟"),
        say("Failed / min", "失败/分钟"),
        say("Queued", "排队"),
        say("Half wait less than", "等待中位数"),
        say("99 % wait less than", "等待 99 分位"),
        say("Running", "运行"),
    ]);
    let what =
        say!("Rates of the last {} min.", "速率按最近 {} 分钟计算。", view.within.0.as_secs() / 60);
    format!(
        "<h2>{title}</h2>\n<div class=\"wide\"><table class=\"numbers\">\n{head}<tbody>\n{rows}</tbody>\n</table></div>\n\
         <p class=\"quiet\">{what}</p>\n"
    )
}

fn queue_row(queue: &QueueOverview, minutes: f64) -> String {
    let QueueOverview { traffic, queued, .. } = queue;
    let Traffic { region, lane, accepted, succeeded, failed, cancelled } = traffic;
    let rate = |jobs: u64| match jobs as f64 / minutes {
        0.0 => "0".to_owned(),
        few @ ..10.0 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    };
    let age = |seconds: Option<u64>| {
        seconds.map(|seconds| words::span(seconds.saturating_mul(1000))).unwrap_or_default()
    };
    let running = match (queue.running, queue.slots) {
        (Some(running), Some(slots)) => say!("{running} of {slots}", "{running} / {slots}"),
        _ => String::new(),
    };
    let link = format!("/?region={region}&amp;state=queued");
    format!(
        "<tr><td><a href=\"/?region={region}\">{region}</a></td><td>{lane}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td><a href=\"{link}\">{queued}</a></td><td>{}</td><td>{}</td><td>{running}</td></tr>\n",
        rate(*accepted),
        rate(succeeded + failed + cancelled),
        rate(*failed),
        age(queue.age_p50_s),
        age(queue.age_p99_s),
    )
}

/// Whose jobs wait and run, and a button that holds them back.
fn tenant_table(tenants: &[TenantOverview], paused: &BTreeSet<String>) -> String {
    let all: u64 = tenants.iter().map(|tenant| tenant.at_work).sum();
    let row = |of: &TenantOverview| {
        let TenantOverview { tenant, queued, at_work, oldest_s } = of;
        let path = format!("/v1/pauses/tenant/{tenant}");
        let button = if paused.contains(tenant.as_str()) {
            let button = Button::new(say("Resume", "恢复")).deletes(&path);
            format!("{} {button}", say("paused", "已暂停"))
        } else {
            let question = say!("Send no more jobs of {tenant}?", "停止派发 {tenant} 的任务？");
            let pause = Button::new(say("Pause", "暂停")).puts(&path, r#"{ "reason": "by hand" }"#);
            pause.asks(&question).undone_by("DELETE", &path).to_string()
        };
        let oldest = oldest_s.map(|seconds| words::span(seconds.saturating_mul(1000)));
        format!(
            "<tr><td>{}</td><td>{queued}</td><td>{}</td><td>{at_work}</td><td>{:.0} %</td><td>{button}</td></tr>\n",
            Text(tenant),
            oldest.unwrap_or_default(),
            100.0 * *at_work as f64 / all.max(1) as f64,
        )
    };
    let rows: String = tenants.iter().map(row).collect();
    let head = table_head([
        say("Tenant", "租户"),
        say("Queued", "排队"),
        say("Oldest", "最早"),
        say("At work", "处理中"),
        say("Share", "占比"),
        "",
    ]);
    format!(
        "<h2>{}</h2>\n<div class=\"wide\"><table class=\"tenants\">\n{head}<tbody>\n{rows}</tbody>\n</table></div>\n",
        say("Tenants", "租户"),
    )
}
