//! Jobs that come again and again.

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{Schedule, Scope, TickOutcome};

use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;

/// Every schedule of a tenant.
pub(super) async fn schedules(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let found = api.db.schedules(api.tenant()).await.map_err(ApiError::from)?;
    let may = api.has(Scope::JobsWrite);
    let rows: String = found.iter().map(|found| row(&found.schedule, now, may)).collect();
    let body = if found.is_empty() {
        say(
            "<p>There are none. <code>panofleet schedules add --help</code> says how one is made.</p>\n",
            "<p>还没有定时任务。<code>panofleet schedules add --help</code> 说明如何创建。</p>\n",
        )
        .to_owned()
    } else {
        let head = table_head([
            say("Schedule", "名称"),
            say("When", "时间规则"),
            say("Next", "下一次"),
            say("Last", "上一次"),
            "",
        ]);
        format!("<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
    };
    let title = say("Schedules", "定时任务").to_owned();
    let whose = say!("of {}", "租户 {}", api.tenant());
    let main = format!("<h1>{title}</h1>\n<p class=\"quiet\">{whose}</p>\n{body}");
    Ok(Page { title, main, ..Page::of(&api) })
}

fn row(schedule: &Schedule, now: Timestamp, may: bool) -> String {
    let Schedule { name, cron, time_zone, next_at, paused, last, .. } = schedule;
    let next = match next_at {
        Some(next) => format!("<time datetime=\"{next}\">{next}</time>"),
        None if *paused => say("paused", "已暂停").to_owned(),
        None => say("never", "不再运行").to_owned(),
    };
    let last = last.as_ref().map_or_else(String::new, |last| {
        let came = match &last.outcome {
            TickOutcome::Job { job } => {
                format!("<a href=\"/view/{job}\">{}</a>", say("a job", "任务"))
            }
            TickOutcome::Skipped => {
                say("skipped: the job before had not ended", "已跳过：上一个任务尚未结束")
                    .to_owned()
            }
            TickOutcome::Refused { detail, .. } => say!("refused: {}", "被拒绝：{}", Text(detail)),
        };
        format!("{came} <small>{}</small>", age(last.at, now))
    });
    let path = |change: &str| format!("/v1/schedules/{name}/{change}");
    let button = match (may, paused) {
        (false, _) => String::new(),
        (true, true) => Button::new(say("Resume", "恢复"))
            .posts(&path("resume"), "")
            .undone_by("POST", &path("pause"))
            .to_string(),
        (true, false) => Button::new(say("Pause", "暂停"))
            .posts(&path("pause"), "")
            .undone_by("POST", &path("resume"))
            .to_string(),
    };
    format!(
        "<tr><td>{name}</td><td><code>{}</code> {}</td><td>{next}</td><td>{last}</td><td>{button}</td></tr>\n",
        Text(cron),
        Text(time_zone),
    )
}
