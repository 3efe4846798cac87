//! The fleet: queues, who works on them, and what is paused.

use std::collections::BTreeMap;

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::Pause;
use serde_json::json;

use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::fleet::worker_views;
use crate::api::scale::queue_views;
use crate::api::{ScaleView, WorkerView};

/// What anybody who runs the fleet wants to see first.
pub(super) async fn fleet(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let readings = api.kept_backlog.readings(api.db.as_ref()).await.map_err(ApiError::from)?;
    let queues = queue_views(&api, &readings, &api.config.scale);
    let workers = worker_views(&api).await?;
    let pauses = api.db.pauses().await.map_err(ApiError::from)?;
    let title = say("Fleet", "集群").to_owned();
    let main = format!(
        "<h1>{title}</h1>\n<div data-refresh-s=\"5\"></div>\n{}<h2>{}</h2>\n{}<h2>{}</h2>\n{}",
        paused(&pauses, now),
        say("Queues", "队列"),
        queue_table(&queues),
        say("Workers", "工作节点"),
        worker_table(&workers, now),
    );
    Ok(Page { title, main, ..Page::of(&api) })
}

fn paused(pauses: &[Pause], now: Timestamp) -> String {
    if pauses.is_empty() {
        return String::new();
    }
    let line = |pause: &Pause| {
        let (kind, name) = (pause.target.kind(), pause.target.name());
        let path = format!("/v1/pauses/{kind}/{name}");
        let again = json!({ "reason": pause.reason }).to_string();
        let resume = Button::new(say("Resume", "恢复")).deletes(&path);
        let resume = resume.undone_with("PUT", &path, &again);
        let (name, reason) = (Text(&name), Text(&pause.reason));
        say!(
            "<li>{kind} <b>{name}</b> was paused {}: {reason} {resume}</li>\n",
            "<li>{kind} <b>{name}</b> {}暂停：{reason} {resume}</li>\n",
            age(pause.since, now)
        )
    };
    let lines: String = pauses.iter().map(line).collect();
    format!("<ul class=\"note\">\n{lines}</ul>\n")
}

fn queue_table(queues: &[ScaleView]) -> String {
    let rows: String = queues.iter().map(queue_row).collect();
    let head = table_head([
        say("Region", "区域"),
        say("Lane", "通道"),
        say("Queued", "排队"),
        say("Sent", "已派发"),
        say("Running", "运行"),
        say("Oldest", "最早"),
        say("Slots busy", "占用槽位"),
        say("Workers", "工作节点"),
        say("Wanted", "所需节点"),
        "",
    ]);
    format!("<table class=\"numbers\">\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
}

fn queue_row(queue: &ScaleView) -> String {
    let ScaleView {
        region, lane, queued, sent, running, workers, slots, slots_busy, desired, ..
    } = queue;
    let oldest = match queue.oldest_s {
        0 => String::new(),
        seconds => words::span(seconds.saturating_mul(1000)),
    };
    let busy = say!("{slots_busy} of {slots}", "{slots_busy} / {slots}");
    let path = format!("/v1/pauses/lane/{region}.{lane}");
    let button = if queue.paused {
        say("paused", "已暂停").to_owned()
    } else {
        let question =
            say!("Send nothing more to {region}.{lane}?", "停止向 {region}.{lane} 派发？");
        Button::new(say("Pause", "暂停"))
            .puts(&path, r#"{ "reason": "by hand" }"#)
            .asks(&question)
            .undone_by("DELETE", &path)
            .to_string()
    };
    format!(
        "<tr><td>{region}</td><td>{lane}</td><td>{queued}</td><td>{sent}</td><td>{running}</td><td>{oldest}</td>\
         <td>{busy}</td><td>{workers}</td><td>{desired}</td><td>{button}</td></tr>\n"
    )
}

fn worker_table(workers: &[WorkerView], now: Timestamp) -> String {
    if workers.is_empty() {
        let none = say("No worker has said anything yet.", "还没有任何工作节点上报。");
        return format!("<p>{none}</p>\n");
    }
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.alive) {
        *versions.entry(&worker.info.version).or_default() += 1;
    }
    let count = |(version, count): (&&str, &usize)| {
        say!("{count} of {}", "{count} 个节点为 {}", Text(version))
    };
    let versions: Vec<String> = versions.iter().map(count).collect();
    let rows: String = workers.iter().map(|worker| worker_row(worker, now)).collect();
    format!(
        "<p class=\"quiet\">{}</p>\n\
         <table>\n{}<tbody>\n{rows}</tbody>\n</table>\n",
        versions.join(say(", ", "，")),
        table_head([
            say("Worker", "工作节点"),
            say("Region", "区域"),
            say("State", "状态"),
            say("Jobs", "任务"),
            say("Version", "版本"),
            say("Heard of", "最近心跳"),
            "",
        ]),
    )
}

fn worker_row(view: &WorkerView, now: Timestamp) -> String {
    let info = &view.info;
    let (class, state) = match (view.alive, view.unreachable, info.draining) {
        (false, true, _) => ("waiting", say("cut off, with its region", "与所在区域一起失联")),
        (false, false, _) => ("dead", say("silent", "失去联系")),
        (true, _, true) => ("waiting", say("draining", "正在排空")),
        (true, _, false) => ("succeeded", say("takes jobs", "接收任务")),
    };
    let worker = &info.worker;
    let path = format!("/v1/workers/{worker}/drain");
    let button = match &view.drain {
        Some(_) => Button::new(say("Take jobs again", "重新接收任务")).deletes(&path).to_string(),
        None if view.alive => {
            let question = say!(
                "Have {worker} finish what it has, and take no more?",
                "让 {worker} 完成手头任务后不再接收新任务？"
            );
            let reason = r#"{ "reason": "by hand" }"#;
            let drain = Button::new(say("Drain", "排空")).puts(&path, reason).asks(&question);
            drain.undone_by("DELETE", &path).to_string()
        }
        None => String::new(),
    };
    let held = say!("{} of {}", "{} / {}", view.claims.len(), info.slots);
    let reason =
        view.drain.as_ref().map(|drain| format!("<br><small>{}</small>", Text(&drain.reason)));
    format!(
        "<tr><td><a href=\"/?worker={worker}\">{worker}</a></td><td>{}</td>\
         <td><span class=\"state {class}\">{state}</span>{}</td><td>{held}</td><td>{}</td><td>{}</td><td>{button}</td></tr>\n",
        info.region,
        reason.unwrap_or_default(),
        Text(&info.version),
        age(view.beat_at, now),
    )
}
