//! What is on fire, above everything else: what failed lately, who is silent, what waits too long, what is paused.

use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{JobFilter, Scope};

use super::language::say;
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::bulk::RETRIED;
use crate::api::error::ApiError;
use crate::api::fleet::worker_views;
use crate::api::scale::queue_views;

/// How long ago something is that is still news.
const LATELY: Duration = Duration::from_secs(3600);
/// A worker that was silent for longer has gone for good.
const GONE: Duration = Duration::from_secs(24 * 3600);
/// A queue's oldest job may wait so long before anybody is told.
const WAITS_S: u64 = 600;

/// Lines with links, nothing if all is well.
pub(super) async fn alarms(api: &Granted, now: Timestamp) -> Result<String, ApiError> {
    let mut lines = failed(api, now).await?;
    if api.has(Scope::Ops) {
        lines.extend(fleet(api, now).await?);
    }
    if lines.is_empty() {
        return Ok(String::new());
    }
    let items: String = lines.iter().map(|line| format!("<li>{line}</li>\n")).collect();
    Ok(format!("<ul class=\"note\">\n{items}</ul>\n"))
}

async fn failed(api: &Granted, now: Timestamp) -> Result<Vec<String>, ApiError> {
    let lately = |states: &[&str]| JobFilter {
        states: states.iter().map(ToString::to_string).collect(),
        failed_since: Some(now - LATELY),
        ..api.own_jobs()
    };
    let count = async {
        let dead = api.db.count(&lately(&RETRIED)).await?;
        Ok::<_, ApiError>((dead, api.db.count(&lately(&["waiting"])).await?))
    };
    let (dead, waiting) = api.kept_failed.get(api.whose().cloned(), count).await?;
    let mut lines = Vec::new();
    if dead > 0 {
        let jobs = words::count(dead, words::JOB);
        lines.push(say!(
            "<a href=\"/failures\">{jobs} failed for good within an hour</a>",
            "<a href=\"/failures\">一小时内有 {jobs}最终失败</a>"
        ));
    }
    if waiting > 0 {
        let jobs = words::count(waiting, words::JOB);
        let link = "/?state=waiting&amp;failed_within=1h";
        lines.push(say!(
            "<a href=\"{link}\">{jobs} failed within an hour, and wait to be tried again</a>",
            "<a href=\"{link}\">一小时内有 {jobs}失败，等待重试</a>"
        ));
    }
    Ok(lines)
}

async fn fleet(api: &Granted, now: Timestamp) -> Result<Vec<String>, ApiError> {
    let mut lines = Vec::new();
    let workers = worker_views(api).await?;
    let silent = workers.iter().filter(|worker| !worker.alive && now.since(worker.beat_at) < GONE);
    let silent = silent.count() as u64;
    if silent > 0 {
        let workers = words::count(silent, words::WORKER);
        lines.push(say!(
            "<a href=\"/fleet\">{workers} fell silent within a day</a>",
            "<a href=\"/fleet\">一天内有 {workers}失去联系</a>"
        ));
    }
    let readings = api.kept_backlog.readings(api.db.as_ref()).await?;
    for queue in queue_views(api, &readings, &api.config.scale) {
        let name = format!("{}.{}", queue.region, queue.lane);
        if queue.oldest_s > WAITS_S {
            let span = words::span(queue.oldest_s.saturating_mul(1000));
            lines.push(say!(
                "<a href=\"/fleet\">The oldest job of {name} has waited {span}</a>",
                "<a href=\"/fleet\">{name} 中最早的任务已等待 {span}</a>"
            ));
        }
        if queue.workers == 0 && queue.queued + queue.sent > 0 {
            lines.push(say!(
                "<a href=\"/fleet\">Nobody takes the jobs of {name}</a>",
                "<a href=\"/fleet\">没有工作节点处理 {name} 的任务</a>"
            ));
        }
    }
    let pauses = api.db.pauses().await?.len() as u64;
    if pauses > 0 {
        let pauses = words::count(pauses, words::PAUSE);
        lines.push(say!(
            "<a href=\"/fleet\">Jobs are held back by {pauses}</a>",
            "<a href=\"/fleet\">{pauses}正在阻止任务派发</a>"
        ));
    }
    Ok(lines)
}
