//! `panofleet run`: one job here, without any service, through the same sandboxed runner.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use panofleet_job_schema::ids::PresetName;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::{Failure, JobSpec};
use panofleet_worker::{LocalReport, LocalRun, run_local};
use serde_json::{Value, json};

use super::submit::{named_outputs, read_job};
use super::{EXIT_JOB_FAILED, Shared};
use crate::terminal::{Paint, bytes, paint, say, table, work_bar};

/// Run one job here, without any service
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The job as JSON
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["outputs", "preset"],
        required_unless_present_any = ["outputs", "preset"]
    )]
    job: Option<PathBuf>,
    /// An output to make, as `panofleet submit` takes it; repeatable
    #[arg(long = "output", value_name = "NAME=OPERATION")]
    outputs: Vec<String>,
    /// A named set of outputs, as `panofleet submit` takes it
    #[arg(long, value_name = "NAME")]
    preset: Option<PresetName>,
    /// The source file, in place of the job's
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Folder of the results; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Run {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let layered = shared.load()?;
        let config = layered.config;
        let spec = self.spec()?.expand(&config.api.presets)?;
        spec.check()?;
        let Source::File(source) = spec.source.clone() else {
            bail!("a local run needs a file: give --source FILE, or `file:…` as the job's source");
        };
        let lane = spec.lane();
        let timeout = spec.timeout.unwrap_or(config.policy.attempt_timeout(lane));
        let local = LocalRun {
            runner: panofleet_worker::config::find_runner(&config.worker.runner)?,
            source,
            outputs: spec.outputs,
            out: self.out.clone(),
            limits: config.worker.child.into(),
            stall: config.worker.stall(lane).0,
            timeout: timeout.0,
        };
        let bar = work_bar("starting", shared.json);
        let moved = |progress: Progress| {
            bar.set_message(progress.step.chars().take(12).collect::<String>());
            bar.set_position((progress.fraction * 1000.0) as u64);
        };
        let ended = run_local(local, moved).await;
        bar.finish_and_clear();
        self.report(ended, shared.json)
    }

    fn spec(&self) -> Result<JobSpec> {
        let mut spec = match &self.job {
            Some(path) => read_job(path)?,
            None => named_outputs(&self.outputs, self.preset.as_ref())?,
        };
        if let Some(source) = &self.source {
            spec.insert("source".into(), json!(format!("file:{}", source.display())));
        }
        serde_json::from_value(Value::Object(spec)).context("the job does not fit")
    }

    fn report(&self, ended: Result<LocalReport, Failure>, as_json: bool) -> Result<ExitCode> {
        let report = match ended {
            Ok(report) => report,
            Err(failure) if as_json => {
                say(serde_json::to_string_pretty(&json!({ "failure": failure }))?);
                return Ok(ExitCode::from(EXIT_JOB_FAILED));
            }
            Err(failure) => {
                say(format!("{} {}: {}", paint(Paint::Bad, "✗"), failure.code, failure.message));
                for line in failure.detail.iter().flat_map(|detail| detail.lines()) {
                    say(format!("  {line}"));
                }
                return Ok(ExitCode::from(EXIT_JOB_FAILED));
            }
        };
        if as_json {
            say(serde_json::to_string_pretty(&report)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = report
            .outputs
            .iter()
            .map(|(name, output)| {
                let entries: Vec<_> = output.entry_points.values().map(String::as_str).collect();
                vec![
                    format!("  {}", self.out.join(name.as_str()).display()),
                    output.files.len().to_string(),
                    bytes(output.total_bytes),
                    entries.join(", "),
                ]
            })
            .collect();
        say(table(&["  output", "files", "size", "begin with"], &rows));
        for warning in &report.warnings {
            say(format!("  {} {warning}", paint(Paint::Strong, "note:")));
        }
        Ok(ExitCode::SUCCESS)
    }
}
