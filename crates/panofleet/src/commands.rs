//! The subcommands, one file each, and what they have in common.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use panofleet_job_schema::{Secret, Tenant};
use panofleet_jobs_db::BulkAction;
use panofleet_service::telemetry;

use crate::client::{Client, Credentials};
use crate::config::{self, Config, Layered, Sources};
use crate::uploading::Notes;

mod act;
mod ask;
mod audit;
mod bench;
mod bulk;
mod collector;
mod config_cmd;
mod dead_letters;
mod deletions;
mod dispatcher;
mod doctor;
mod failures;
mod job;
mod jobs;
mod keys;
mod lifecycle;
mod operations;
mod outputs;
mod pauses;
mod presets;
mod producer;
mod ready;
mod role;
mod run;
mod scale;
mod schedules;
mod shells;
mod submit;
mod top;
mod topics;
mod up;
mod views;
mod waiting;
mod watch;
mod webhooks;
mod which;
mod worker;
mod workers;

/// Something could not be done: the service is away, a file cannot be read, a setting does not fit.
pub(crate) const EXIT_TROUBLE: u8 = 1;
/// The job ended without a result.
pub(crate) const EXIT_JOB_FAILED: u8 = 3;
/// The variable of the environment that holds an API key.
const KEY_VARIABLE: &str = "PANOFLEET_API_KEY";

/// A fleet of workers for panoramas and 360° video.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 trouble, 2 wrong arguments, 3 the job ended without a result."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shared {
    /// The configuration file (TOML)
    #[arg(long, global = true, env = "PANOFLEET_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one setting, such as policy.lease=30s; repeatable
    #[arg(long = "set", global = true, value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// The folder of a service that runs in one process; clients find its address there
    #[arg(long, global = true, env = "PANOFLEET_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the API, such as `http://127.0.0.1:8360`
    #[arg(long, global = true, env = "PANOFLEET_API", value_name = "URL")]
    api: Option<String>,
    /// A file with the API key to send; the variable `PANOFLEET_API_KEY` holds the key itself
    #[arg(long, global = true, env = "PANOFLEET_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Whose jobs it is about, where the API key is for all tenants
    #[arg(long, global = true, env = "PANOFLEET_TENANT", value_name = "TENANT")]
    pub(crate) tenant: Option<Tenant>,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Die at a place of the program, for a test of what follows
    #[cfg(debug_assertions)]
    #[arg(long, global = true, hide = true, value_name = "PLACE:PASS:MARKER")]
    crash_at: Option<panofleet_service::crash_points::Crash>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in this process, with embedded parts
    Up(up::Up),
    /// A fleet's API, and a dispatcher beside it
    Producer(producer::Producer),
    /// A fleet's dispatcher: of several, one leads
    Dispatcher(dispatcher::Dispatcher),
    /// A fleet's collector: several share the event log
    Collector(collector::Collector),
    /// A fleet's worker, in one region
    Worker(worker::Worker),
    /// Make and check what a fleet needs in Kafka
    Topics(topics::Topics),
    /// Wait until the service is ready
    Ready(ready::Ready),
    /// Submit jobs for files, s3:// objects or https:// addresses
    Submit(submit::Submit),
    /// List jobs
    Jobs(jobs::Jobs),
    /// Show one job: where it stands, and what happened to it
    Job(job::Job),
    /// Follow jobs: each change of every job that matches
    Watch(watch::Watch),
    /// What a job has made: list its files, get them
    Outputs(outputs::Outputs),
    /// Cancel a job
    Cancel(act::Target),
    /// Start a job that has ended anew, or have one that waits for its time go at once
    Retry(act::Retry),
    /// Ask whoever holds a job to let it go, so that it goes again
    Release(act::Target),
    /// Have a job wait in another band of the queue
    Reprioritise(act::Reprioritise),
    /// Delete a job with its outputs, its uploaded source and all that is known of it
    Delete(deletions::Delete),
    /// What failed, by why
    Failures(failures::Failures),
    /// Ask about retries: what is stuck, what is due, what was lost, by whom
    Ask(ask::Ask),
    /// Watch the fleet in the terminal: what runs, what is tried again, what failed, who works
    Top(top::Top),
    /// Start all jobs anew that match, after a look at how many there are
    RetryAll(bulk::RetryAll),
    /// Cancel all jobs that match, after a look at how many there are
    CancelAll(bulk::All),
    /// Have all jobs that match wait in another band of the queue, after a look at how many there are
    ReprioritiseAll(bulk::ReprioritiseAll),
    /// Delete all jobs that match, after a look at how many there are
    DeleteAll(bulk::All),
    /// Delete all that there is of a tenant but the audit log
    DeleteTenant(deletions::DeleteTenant),
    /// What was deleted by request, or is about to be
    Deletions(deletions::Deletions),
    /// Send no more jobs to a region, a lane or for a tenant; what was sent runs on
    Pause(pauses::Pause),
    /// Send jobs again
    Resume(pauses::Target),
    /// List what is paused
    Pauses(pauses::Pauses),
    Views(views::Views),
    /// List workers: which take jobs, which drain, which are silent
    Workers(workers::Workers),
    /// How many workers each queue has, and how many it should have
    Scale(scale::Scale),
    /// Tell a worker to finish what it has and take no more jobs
    Drain(workers::Drain),
    /// Have a worker take jobs again
    Undrain(workers::Target),
    /// Records that nobody could use: list them, look at one, put them back
    DeadLetters(dead_letters::DeadLetters),
    /// Print an S3 lifecycle configuration: a net for what nobody sweeps
    Lifecycle(lifecycle::Lifecycle),
    /// Jobs that come again and again: make, list, pause and remove schedules
    Schedules(schedules::Schedules),
    /// Whom to tell when jobs end: make, list, change, try out and remove webhooks; what they were told
    Webhooks(webhooks::Webhooks),
    /// Who may use the API: make, list, rotate and revoke keys
    Keys(keys::Keys),
    /// Show what the API key at hand may do
    Whoami(keys::Whoami),
    /// Who has changed what
    Audit(audit::Audit),
    /// Run one job here, without any service, in the same sandbox
    Run(run::Run),
    /// Check what this machine and the service need, and say what to do
    Doctor(doctor::Doctor),
    /// Run jobs that do nothing through the fleet, and say how fast that went
    Bench(bench::Bench),
    /// Describe the operations: parameters, units, defaults, examples
    Operations(operations::Operations),
    /// List the presets: named sets of outputs
    Presets(presets::Presets),
    /// Print what a shell completes the commands with
    Completions(shells::Completions),
    /// Write manual pages: one for each command
    Man(shells::Man),
    /// Print the merged configuration and where each value came from
    Config(config_cmd::ConfigCommand),
}

/// Runs what was asked for.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    // Ring for every TLS connection of the process. A second call changes nothing.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let Arguments { shared, command } = arguments;
    #[cfg(debug_assertions)]
    shared.crash_at.iter().for_each(panofleet_service::crash_points::arm);
    // What needs no runtime.
    match &command {
        Command::Operations(command) => return command.run(&shared),
        Command::Completions(command) => return command.run(),
        Command::Man(command) => return command.run(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the async runtime cannot start")?;
    runtime.block_on(async move {
        match command {
            Command::Up(command) => Box::pin(command.run(&shared)).await,
            Command::Producer(command) => Box::pin(command.run(&shared)).await,
            Command::Dispatcher(command) => Box::pin(command.run(&shared)).await,
            Command::Collector(command) => Box::pin(command.run(&shared)).await,
            Command::Worker(command) => Box::pin(command.run(&shared)).await,
            Command::Topics(command) => Box::pin(command.run(&shared)).await,
            Command::Ready(command) => command.run(&shared).await,
            Command::Submit(command) => Box::pin(command.run(&shared)).await,
            Command::Jobs(command) => command.run(&shared).await,
            Command::Job(command) => command.run(&shared).await,
            Command::Watch(command) => Box::pin(command.run(&shared)).await,
            Command::Outputs(command) => command.run(&shared).await,
            Command::Cancel(target) => target.cancel(&shared).await,
            Command::Retry(retry) => retry.run(&shared).await,
            Command::Release(target) => target.release(&shared).await,
            Command::Reprioritise(command) => command.run(&shared).await,
            Command::Delete(command) => command.run(&shared).await,
            Command::Failures(command) => command.run(&shared).await,
            Command::Ask(command) => command.run(&shared).await,
            Command::Top(command) => Box::pin(command.run(&shared)).await,
            Command::RetryAll(retry) => retry.run(&shared).await,
            Command::CancelAll(all) => all.run(BulkAction::Cancel, &shared).await,
            Command::ReprioritiseAll(command) => command.run(&shared).await,
            Command::DeleteAll(all) => all.run(BulkAction::Delete, &shared).await,
            Command::DeleteTenant(command) => command.run(&shared).await,
            Command::Deletions(command) => command.run(&shared).await,
            Command::Pause(command) => command.run(&shared).await,
            Command::Resume(target) => target.resume(&shared).await,
            Command::Pauses(command) => command.run(&shared).await,
            Command::Views(command) => command.run(&shared).await,
            Command::Workers(command) => command.run(&shared).await,
            Command::Scale(command) => command.run(&shared).await,
            Command::Drain(command) => command.run(&shared).await,
            Command::Undrain(target) => target.undrain(&shared).await,
            Command::DeadLetters(command) => command.run(&shared).await,
            Command::Lifecycle(command) => command.run(&shared),
            Command::Schedules(command) => command.run(&shared).await,
            Command::Webhooks(command) => command.run(&shared).await,
            Command::Keys(command) => command.run(&shared).await,
            Command::Whoami(command) => command.run(&shared).await,
            Command::Audit(command) => command.run(&shared).await,
            Command::Run(command) => Box::pin(command.run(&shared)).await,
            Command::Doctor(command) => Box::pin(command.run(&shared)).await,
            Command::Bench(command) => Box::pin(command.run(&shared)).await,
            Command::Config(command) => command.run(&shared),
            Command::Operations(command) => command.run(&shared),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
            Command::Presets(command) => command.run(&shared).await,
        }
    })
}

impl Shared {
    /// The configuration that the flags, the environment and the file make.
    pub(crate) fn load(&self) -> Result<Layered> {
        let mut flags = self.settings.clone();
        if let Some(data) = &self.data {
            flags.push(format!("data_dir={}", toml::Value::String(data.display().to_string())));
        }
        let environment = environment();
        config::load(&Sources { file: self.config.as_deref(), environment, flags: &flags })
    }

    /// Starts logs as the configuration says.
    pub(crate) fn start_logs(layered: &Layered) -> Result<()> {
        let log = &layered.config.log;
        Ok(telemetry::start(&log.filter, log.format)?)
    }

    /// A client of the API: at `--api`, else where the service in `--data` says, else at the default address.
    pub(crate) fn client(&self) -> Result<Client> {
        let config = self.load()?.config;
        let credentials = Credentials { key: self.key(&config)?, tenant: self.tenant.clone() };
        if let Some(url) = &self.api {
            return Client::new(url, credentials);
        }
        match up::Address::read(&config.data_dir) {
            Some(address) => Client::new(&address.api, credentials),
            None => Client::new(&format!("http://{}", config.api.listen), credentials),
        }
    }

    /// Where it is noted which uploads are under way.
    pub(crate) fn upload_notes(&self) -> Notes {
        Notes::new(&environment(), self.tenant.clone())
    }

    /// The API key: of `--key-file`, else of the environment, else of the configuration. No flag holds one, because other
    /// users of a machine see flags.
    fn key(&self, config: &Config) -> Result<Option<Secret>> {
        if let Some(path) = &self.key_file {
            return keys::read_key(path).map(Some);
        }
        let given = environment().remove(KEY_VARIABLE).filter(|key| !key.is_empty());
        Ok(given.map(Secret::new).or_else(|| config.client.key.clone()))
    }
}

fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
