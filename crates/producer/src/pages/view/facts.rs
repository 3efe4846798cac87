//! What there is to say about a job and its result besides the outputs.

use panofleet_job_schema::job::DeadReason;
use panofleet_job_schema::manifest::Manifest;
use panofleet_job_schema::{Operation, Timestamp};

use crate::api::JobView;
use crate::api::view::{FailureView, StateView};
use crate::pages::html::Text;
use crate::pages::language::say;
use crate::pages::words;

/// What was odd, and what was assumed.
pub(super) fn warnings(manifest: &Manifest) -> String {
    if manifest.warnings.is_empty() {
        return String::new();
    }
    let items: String =
        manifest.warnings.iter().map(|text| format!("<li>{}</li>\n", Text(text))).collect();
    format!("<ul class=\"note\">\n{items}</ul>\n")
}

/// In the place of a result: how far it is, or why there is none.
pub(super) fn unfinished(job: &JobView) -> String {
    let failure = job.failure.as_ref().map(|FailureView { failure, .. }| {
        format!(
            "<p class=\"failure\">{} <small>{}</small></p>\n",
            Text(&failure.message),
            Text(&failure.code)
        )
    });
    let failure = failure.unwrap_or_default();
    let said = match &job.state {
        StateView::Running { .. } | StateView::Blocked => {
            return format!("{failure}{}", progress(job));
        }
        StateView::Waiting { due_at } if job.attempt.is_none() => {
            say!("Is not to begin before {due}.", "不早于 {due} 开始。", due = moment(*due_at))
        }
        StateView::Waiting { due_at } => {
            say!(
                "The last attempt failed; it is tried again at {due}.",
                "上一次尝试失败，将于 {due} 重试。",
                due = moment(*due_at)
            )
        }
        StateView::Queued { .. } => say("Waits for its turn.", "排队等待。").to_owned(),
        StateView::Sent { .. } => {
            say!("Waits for a worker of region {}.", "等待区域 {} 的工作节点。", Text(&job.region))
        }
        StateView::Closing { .. } => say(
            "Ends without a result, as soon as that is certain.",
            "即将结束，不产生结果，正在确认。",
        )
        .to_owned(),
        StateView::Succeeded { .. } if job.links.manifest.is_none() => {
            say("Succeeded: there was nothing to make.", "成功：没有需要生成的内容。").to_owned()
        }
        StateView::Succeeded { .. } => {
            say("The manifest cannot be found in the object store.", "对象存储中找不到清单文件。")
                .to_owned()
        }
        StateView::Dead { reason } => {
            say!("Given up: {}.", "已放弃：{}。", dead_reason(*reason))
        }
        StateView::Cancelled => {
            say("Cancelled: there is no result.", "已取消：没有结果。").to_owned()
        }
        StateView::Expired => {
            say!(
                "Not finished by its deadline, {}.",
                "未能在截止时间 {} 前完成。",
                moment(job.deadline_at)
            )
        }
    };
    format!("{failure}<p>{said}</p>\n{}", keep_up(job))
}

/// What the page's script reads to keep up with a job.
fn keep_up(job: &JobView) -> String {
    if job.is_terminal() {
        return String::new();
    }
    format!("<div data-wait=\"/v1/jobs/{}/wait\" data-version=\"{}\"></div>\n", job.id, job.version)
}

fn progress(job: &JobView) -> String {
    let fraction = job.progress.as_ref().map_or(0.0, |progress| progress.fraction.clamp(0.0, 1.0));
    let step =
        job.progress.as_ref().map_or(say("begins", "开始"), |progress| progress.step.as_str());
    format!(
        "<p class=\"progress\"><progress max=\"1\" value=\"{fraction}\"></progress> \
         <span class=\"step\">{}</span></p>\n{}",
        Text(step),
        keep_up(job)
    )
}

fn dead_reason(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::Rejected => say("the input or the request is at fault", "输入或请求有问题"),
        DeadReason::AttemptsExhausted => say("every attempt failed", "每次尝试都失败了"),
        DeadReason::CrashLimit => {
            say("it crashed the program that runs it too often", "执行程序崩溃次数过多")
        }
        DeadReason::LossLimit => {
            say("the workers that ran it were lost too often", "运行它的工作节点丢失次数过多")
        }
        DeadReason::ReleaseLimit => say("workers let it go too often", "被工作节点交还次数过多"),
        DeadReason::ChildFailed => {
            say("one of the parts that it was split into failed", "拆分出的某个子任务失败")
        }
    }
}

/// Where the result came from, and how long it took.
pub(super) fn of_result(manifest: &Manifest) -> String {
    let source = &manifest.source;
    let picture = source.media.picture.as_ref();
    let picture =
        picture.map(|picture| format!(", {} × {} px", picture.width_px, picture.height_px));
    let steps: Vec<String> = manifest
        .steps
        .iter()
        .map(|step| format!("{} {}", step.step, words::span(step.wall_ms)))
        .collect();
    let rows = [
        (
            say("Source", "来源"),
            format!(
                "{} {}{}",
                source.media.container,
                words::size(source.bytes),
                picture.unwrap_or_default()
            ),
        ),
        ("SHA-256", source.sha256.clone()),
        (
            say("Made by", "执行"),
            say!(
                "{} in {}, attempt {}",
                "{}，区域 {}，第 {} 次尝试",
                manifest.worker,
                manifest.region,
                manifest.attempt
            ),
        ),
        (say("Steps", "步骤"), steps.join(say(", ", "，"))),
    ];
    let rows = rows.map(|(name, value)| (name, text(value)));
    format!("<h2>{}</h2>\n{}", say("Result", "结果"), table(&rows))
}

/// What was asked for, and what became of it.
pub(super) fn of_job(job: &JobView) -> String {
    let asked: Vec<String> =
        job.outputs.iter().map(|(name, op)| asked(name.as_str(), op)).collect();
    let labels: Vec<String> =
        job.labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let mut rows = vec![
        (say("Source", "来源"), text(words::address(&job.source))),
        (say("Asked for", "请求"), text(asked.join(say(", ", "，")))),
        (say("Region", "区域"), say!("{}, lane {}", "{}，通道 {}", job.region, job.lane)),
        (say("Accepted", "受理"), moment(job.accepted_at)),
        (say("Deadline", "截止"), moment(job.deadline_at)),
    ];
    if let Some(finished_at) = job.finished_at {
        let took = finished_at.since(job.accepted_at).as_millis();
        let took = words::span(u64::try_from(took).unwrap_or(u64::MAX));
        let at = moment(finished_at);
        let told = say!("{at}, {took} after it was accepted", "{at}，受理后 {took}");
        rows.push((say("Finished", "结束"), told));
    }
    if let Some(attempt) = job.attempt {
        let told = say!("{attempt} of generation {}", "{attempt}（第 {} 代）", job.generation);
        rows.push((say("Attempt", "尝试"), told));
    }
    if !labels.is_empty() {
        rows.push((say("Labels", "标签"), text(labels.join(say(", ", "，")))));
    }
    let id = job.id;
    let manifest = job.links.manifest.as_ref();
    let manifest = manifest
        .map(|_| format!(" · <a href=\"/v1/jobs/{id}/manifest\">{}</a>", say("manifest", "清单")));
    format!(
        "<h2>{}</h2>\n{}<p><a href=\"/v1/jobs/{id}\">{}</a> · \
         <a href=\"/v1/jobs/{id}/history\">{}</a>{}</p>\n",
        say("Job", "任务"),
        table(&rows),
        say("as JSON", "JSON 格式"),
        say("history", "历史"),
        manifest.unwrap_or_default()
    )
}

fn asked(name: &str, operation: &Operation) -> String {
    format!("{name} ({})", operation.name())
}

/// A time, which the page's script shows in the reader's zone.
fn moment(at: Timestamp) -> String {
    format!("<time datetime=\"{at}\">{at}</time>")
}

fn text(text: String) -> String {
    Text(text).to_string()
}

/// Rows of names and HTML.
fn table(rows: &[(&str, String)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{value}</td></tr>\n"))
        .collect();
    format!("<table class=\"facts\">\n{rows}</table>\n")
}
