//! `GET /questions`: what people ask about retries. `GET /questions/{name}`: an answer, with what acts on it.

use panofleet_job_schema::{Span, Timestamp};
use panofleet_jobs_db::Scope;

use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::extract::{Params, Segments};
use crate::api::questions::{AskParams, Question};
use crate::api::{AnswerView, AskedGroup, AskedJob, AskedTime, Rows};

/// What can be asked.
pub(super) async fn questions(api: Granted) -> Page {
    let item = |question: Question| {
        format!("<li><a href=\"/questions/{}\">{}</a></li>\n", question.name(), title(question))
    };
    let items: String = Question::ALL.map(item).concat();
    let title = say("Questions", "诊断").to_owned();
    let what = say(
        "About jobs and attempts, answered as things stand; also by <code>panofleet ask</code>.",
        "关于任务和尝试，按当前状态回答；也可用 <code>panofleet ask</code>。",
    );
    let main = format!("<h1>{title}</h1>\n<p>{what}</p>\n<ul class=\"questions\">\n{items}</ul>\n");
    Page { title, main, ..Page::of(&api) }
}

/// An answer.
pub(super) async fn question(
    api: Granted,
    Segments(name): Segments<String>,
    Params(params): Params<AskParams>,
) -> Result<Page, PageError> {
    let asked = Question::named(&name)?;
    let answer = api.answer(&name, params).await?;
    let AnswerView { question, at, since, version, rows } = &answer;
    let told = match rows {
        Rows::Jobs { jobs } => job_table(&api, column(asked), jobs, *at),
        Rows::Attempts { groups } => group_table(column(asked), groups, *at),
        Rows::Times { times } => time_table(times, *at),
    };
    let mut main = format!("<h1>{}</h1>\n", title(asked));
    if let Some(version) = version {
        let version = say!("version {}", "版本 {}", Text(version));
        main.push_str(&format!("<p class=\"quiet\">{version}</p>\n"));
    }
    main.push_str(&form(question.within));
    main.push_str("<div id=\"live\" data-refresh-s=\"5\">\n");
    if let Some(since) = since {
        let since = say!("attempts since {}", "自{}起的尝试", age(*since, *at));
        main.push_str(&format!("<p class=\"quiet\">{since}</p>\n"));
    }
    main.push_str(&told);
    main.push_str("</div>\n");
    main.push_str(&format!(
        "<p class=\"quiet\"><a href=\"/questions\">{}</a> · <code>panofleet ask {}</code></p>\n",
        say("Other questions", "其他问题"),
        Text(&question.name)
    ));
    Ok(Page { title: title(asked).to_owned(), main, ..Page::of(&api) })
}

fn title(question: Question) -> &'static str {
    let chinese = match question {
        Question::Stuck => "运行中却没有进展的任务",
        Question::RetriesDue => "即将进行的重试",
        Question::RetryForecast => "重试的时间分布",
        Question::DeadlineAtRisk => "临近截止时间的未完成任务",
        Question::OldestQueued => "每个租户最早排队的任务",
        Question::LostLeases => "各工作节点丢失的租约",
        Question::TimeLost => "各原因白费的时间",
        Question::FailedByWorker => "按工作节点统计的失败尝试",
        Question::FailedByRegion => "按区域统计的失败尝试",
        Question::FailedByVersion => "按节点版本统计的失败尝试",
        Question::FailedByAttempt => "按尝试次数统计的失败",
        Question::FailedSinceDeploy => "最新版本上线以来的失败",
        Question::RefusedResults => "因过期被拒绝的结果",
    };
    say(question.title(), chinese)
}

/// What a row's time is, or what a row is about.
fn column(question: Question) -> &'static str {
    let chinese = match question {
        Question::Stuck => "无进展自",
        Question::RetriesDue => "预定",
        Question::RetryForecast => "起始",
        Question::DeadlineAtRisk => "截止",
        Question::OldestQueued => "受理",
        Question::LostLeases | Question::FailedByWorker => "工作节点",
        Question::TimeLost => "原因",
        Question::FailedByRegion => "区域",
        Question::FailedByVersion => "版本",
        Question::FailedByAttempt => "第几次尝试",
        Question::FailedSinceDeploy => "失败",
        Question::RefusedResults => "原因",
    };
    say(question.column(), chinese)
}

/// The span that is asked about, to be changed.
fn form(within: Option<Span>) -> String {
    let Some(within) = within else { return String::new() };
    format!(
        "<form class=\"within\"><label>{} <input name=\"within\" value=\"{within}\"></label> \
         <button>{}</button></form>\n",
        say("Within", "时间范围"),
        say("Ask", "查询"),
    )
}

fn none() -> String {
    format!("<p>{}</p>\n", say("None.", "没有。"))
}

fn job_table(api: &Granted, column: &str, jobs: &[AskedJob], now: Timestamp) -> String {
    if jobs.is_empty() {
        return none();
    }
    let may_cancel = api.has(Scope::JobsWrite);
    let rows: String = jobs.iter().map(|job| job_row(job, now, may_cancel)).collect();
    let head = table_head([
        say("Job", "任务"),
        say("State", "状态"),
        &capitalised(column),
        say("Worker", "工作节点"),
        say("Attempt", "尝试"),
        say("Last failure", "最近失败"),
        "",
    ]);
    format!("<table class=\"jobs asked\">\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
}

fn job_row(job: &AskedJob, now: Timestamp, may_cancel: bool) -> String {
    let id = job.id;
    let done = job.fraction.map(|part| format!(" {:.0} %", 100.0 * part)).unwrap_or_default();
    let worker = job.worker.as_ref().map(ToString::to_string).unwrap_or_default();
    let path = format!("/v1/jobs/{id}/cancel");
    let button = match &job.command {
        Some(_) if may_cancel => {
            let question = say("Cancel this job?", "取消这个任务？");
            Button::new(say("Cancel", "取消")).posts(&path, "").asks(question).to_string()
        }
        _ => String::new(),
    };
    format!(
        "<tr><td><a href=\"/view/{id}\">{id}</a><br><small>{tenant} · {region}</small></td>\
         <td><span class=\"state {state}\">{said}{done}</span></td><td>{at}</td><td>{worker}</td>\
         <td>{attempt}</td><td>{code}</td><td>{button}</td></tr>\n",
        tenant = job.tenant,
        region = job.region,
        state = Text(&job.state),
        said = Text(words::state(&job.state)),
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
    let until = words::between(now, at);
    let until = say!("in {until}", "{until}后");
    format!("<time datetime=\"{at}\" title=\"{at}\">{until}</time>")
}

fn group_table(column: &str, groups: &[AskedGroup], now: Timestamp) -> String {
    if groups.is_empty() {
        return none();
    }
    let rows: String = groups.iter().map(|group| group_row(group, now)).collect();
    let head = table_head([
        &capitalised(column),
        say("Attempts", "尝试"),
        say("Jobs", "任务"),
        say("Time held", "占用时间"),
        say("Last", "最近"),
        say("What acts on them", "处理命令"),
    ]);
    format!("<table class=\"groups\">\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
}

fn group_row(group: &AskedGroup, now: Timestamp) -> String {
    let key = if group.key.is_empty() { say("not known", "未知") } else { &group.key };
    let key = match &group.query {
        Some(query) => format!("<a href=\"/?{}\">{}</a>", Text(query), Text(key)),
        None => Text(key).to_string(),
    };
    let new = if group.is_new == Some(true) {
        format!(" <span class=\"state dead\">{}</span>", say("new", "新"))
    } else {
        String::new()
    };
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
    let head = table_head([say("From", "起始"), say("Jobs", "任务"), ""]);
    format!("<table class=\"times\">\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
