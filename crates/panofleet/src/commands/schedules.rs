//! `panofleet schedules`: jobs that come again and again.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use panofleet_jobs_db::{Missed, Overlap, Schedule, TickOutcome};
use serde_json::json;

use super::Shared;
use super::submit::Submit;
use crate::terminal::{say, table};

/// Jobs that come again and again
#[derive(Debug, Args)]
pub(crate) struct Schedules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a schedule; what follows `--` is what `panofleet submit` takes
    #[command(after_help = "A schedule that makes tiles of one object each night:
  panofleet schedules add nightly --cron '0 3 * * *' --tz Europe/Paris -- s3://in/lobby.jpg --output tiles=pano.tiles")]
    Add(Box<Add>),
    /// List the schedules, when each ticks next, and what came of its last tick
    List,
    /// Remove a schedule; the jobs that it has made stay
    Remove {
        /// The schedule
        name: String,
    },
    /// Stop a schedule's ticks
    Pause {
        /// The schedule
        name: String,
    },
    /// Let a schedule tick again, from the next tick on
    Resume {
        /// The schedule
        name: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Its name
    name: String,
    /// When it ticks: minute, hour, day, month, weekday
    #[arg(long, value_name = "EXPRESSION")]
    cron: String,
    /// In which time zone
    #[arg(long = "tz", value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Make up for so many ticks that were missed in an outage, instead of the latest alone
    #[arg(long, value_name = "TICKS")]
    catch_up: Option<u32>,
    /// No job for a tick while the job of the last one has not ended
    #[arg(long)]
    skip_overlap: bool,
    /// What `panofleet submit` takes
    #[arg(last = true, required = true)]
    submit: Vec<String>,
}

/// Reads the words behind `--` as `panofleet submit` would.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    submit: Submit,
}

impl Schedules {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let schedule = match &self.command {
            Command::List => return list(&client.schedules().await?, shared.json),
            Command::Add(add) => client.add_schedule(&add.name, &add.body()?).await?,
            Command::Remove { name } => client.remove_schedule(name).await?,
            Command::Pause { name } => client.change_schedule(name, "pause").await?,
            Command::Resume { name } => client.change_schedule(name, "resume").await?,
        };
        if shared.json {
            say(serde_json::to_string_pretty(&schedule)?);
            return Ok(ExitCode::SUCCESS);
        }
        let next = match (&self.command, schedule.next_at) {
            (Command::Remove { .. }, _) => "removed".to_owned(),
            (_, Some(next)) => format!("ticks next at {next}"),
            (_, None) => "does not tick".to_owned(),
        };
        say(format!("schedule {} {next}", schedule.name));
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    fn body(&self) -> Result<serde_json::Value> {
        let words = Words::try_parse_from(&self.submit)?;
        let missed =
            self.catch_up.map_or(Missed::Latest, |ticks_max| Missed::CatchUp { ticks_max });
        let overlap = if self.skip_overlap { Overlap::Skip } else { Overlap::Allow };
        Ok(json!({
            "cron": self.cron, "time_zone": self.time_zone, "job": words.submit.spec(words.submit.only_source()?)?,
            "missed": missed, "overlap": overlap,
        }))
    }
}

fn list(schedules: &[Schedule], json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(schedules)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = schedules.iter().map(row).collect();
    say(table(&["schedule", "cron", "zone", "next", "last", ""], &rows));
    Ok(ExitCode::SUCCESS)
}

fn row(schedule: &Schedule) -> Vec<String> {
    let Schedule { name, cron, time_zone, next_at, paused, last, .. } = schedule;
    let next = match next_at {
        Some(next) => next.to_string(),
        None if *paused => "paused".to_owned(),
        None => "never".to_owned(),
    };
    let came = last.as_ref().map(|last| match &last.outcome {
        TickOutcome::Job { job } => format!("job {job}"),
        TickOutcome::Skipped => "skipped: the job before had not ended".to_owned(),
        TickOutcome::Refused { code, detail } => format!("refused: {detail} ({code})"),
    });
    let last = last.as_ref().map(|last| last.at.to_string());
    vec![
        name.clone(),
        cron.clone(),
        time_zone.clone(),
        next,
        last.unwrap_or_default(),
        came.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_behind_the_dashes_are_a_job() {
        let add = |submit: &[&str]| Add {
            name: "nightly".into(),
            cron: "0 3 * * *".into(),
            time_zone: "UTC".into(),
            catch_up: Some(3),
            skip_overlap: true,
            submit: submit.iter().map(ToString::to_string).collect(),
        };
        let body = add(&["s3://in/a.jpg", "--output", "t=pano.tiles", "--priority", "low"]).body();
        let body = body.unwrap();
        assert_eq!(body["job"]["source"], "s3://in/a.jpg");
        assert_eq!(body["job"]["priority"], "low");
        assert_eq!(body["missed"], json!({ "policy": "catch_up", "ticks_max": 3 }));
        assert_eq!(body["overlap"], "skip");
        assert!(add(&["s3://in/a.jpg", "--nonsense"]).body().is_err());
    }
}
