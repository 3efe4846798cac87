//! `panofleet ask`: what people ask about retries.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::{Span, Timestamp};
use panofleet_producer::api::{AnswerView, AskedGroup, AskedJob, AskedTime, Rows};

use super::Shared;
use crate::terminal::{duration, say, table};

/// Ask about retries: what is stuck, what is due, what was lost, by whom. Without a name: what can be asked
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question
    #[arg(value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// The span that is asked about, such as 24h
    #[arg(long, value_name = "TIME", requires = "name")]
    within: Option<Span>,
    /// Rows at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

/// It becomes a part of a path.
fn name(text: &str) -> Result<String, String> {
    let is_name =
        !text.is_empty() && text.chars().all(|char| char.is_ascii_lowercase() || char == '-');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("`panofleet ask` lists the questions".to_owned())
    }
}

impl Ask {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let Some(name) = &self.name else {
            let list = client.questions().await?;
            if shared.json {
                say(serde_json::to_string_pretty(&list)?);
                return Ok(ExitCode::SUCCESS);
            }
            let within = |span: Option<Span>| span.map(|span| span.to_string()).unwrap_or_default();
            let rows: Vec<_> = (list.questions.into_iter())
                .map(|question| vec![question.name, within(question.within), question.title])
                .collect();
            say(table(&["question", "within", "what"], &rows));
            say("ask one: panofleet ask QUESTION");
            return Ok(ExitCode::SUCCESS);
        };
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(self.within.iter().map(|within| ("within", within.to_string())));
        let answer = client.answer(name, &query).await?;
        say(if shared.json { serde_json::to_string_pretty(&answer)? } else { told(&answer) });
        Ok(ExitCode::SUCCESS)
    }
}

/// An answer as people read it.
fn told(answer: &AnswerView) -> String {
    let AnswerView { question, at, since, version, rows } = answer;
    let within = question.within.map(|within| format!(", within {within}")).unwrap_or_default();
    let mut text = format!("{}{within}\n", question.title);
    if let (Some(version), Some(since)) = (version, since) {
        text.push_str(&format!("version {version} since {since}\n"));
    }
    let column = question.column.as_str();
    let (is_empty, rows) = match rows {
        Rows::Jobs { jobs } => {
            let rows: Vec<_> = jobs.iter().map(|job| job_row(job, *at)).collect();
            let header = [
                "job",
                "tenant",
                "state",
                column,
                "worker",
                "attempt",
                "done",
                "code",
                "acts on it",
            ];
            (jobs.is_empty(), table(&header, &rows))
        }
        Rows::Attempts { groups } => {
            let rows: Vec<_> = groups.iter().map(|group| group_row(group, *at)).collect();
            let header =
                [column, "attempts", "jobs", "time held", "last", "code", "", "acts on them"];
            (groups.is_empty(), table(&header, &rows))
        }
        Rows::Times { times } => {
            let rows: Vec<_> = times.iter().map(time_row).collect();
            (times.iter().all(|time| time.jobs == 0), table(&["from", "to", "jobs"], &rows))
        }
    };
    text.push_str(if is_empty { "none" } else { rows.trim_end() });
    text
}

fn job_row(job: &AskedJob, now: Timestamp) -> Vec<String> {
    let (passed, left) = (now.since(job.at), job.at.since(now));
    let at = if left.is_zero() {
        format!("{} ago", duration(passed))
    } else {
        format!("in {}", duration(left))
    };
    vec![
        job.id.to_string(),
        job.tenant.to_string(),
        job.state.clone(),
        at,
        job.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
        job.attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
        job.fraction.map(|part| format!("{:.0} %", 100.0 * part)).unwrap_or_default(),
        job.code.clone().unwrap_or_default(),
        job.command.clone().unwrap_or_default(),
    ]
}

fn group_row(group: &AskedGroup, now: Timestamp) -> Vec<String> {
    let key = if group.key.is_empty() { "not known" } else { &group.key };
    vec![
        key.to_owned(),
        group.attempts.to_string(),
        group.jobs.to_string(),
        duration(Duration::from_millis(group.lost_ms)),
        format!("{} ago", duration(now.since(group.last_at))),
        group.code.clone().unwrap_or_default(),
        if group.is_new == Some(true) { "new" } else { "" }.to_owned(),
        group.command.clone().unwrap_or_default(),
    ]
}

fn time_row(time: &AskedTime) -> Vec<String> {
    vec![time.from.to_string(), time.to.to_string(), time.jobs.to_string()]
}
