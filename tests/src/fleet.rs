//! A fleet under test: one process with embedded parts, or a process for each role over real servers. The tests that
//! both must pass do not know which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use panofleet_bus::kafka::KafkaConfig;
use panofleet_objects::ObjectStore;
use panofleet_service::CrashPoint;
use tempfile::TempDir;

use crate::api::Api;
use crate::{eventually, processes};

mod links;
mod one_process;
mod over_servers;

pub use links::Links;
pub use over_servers::{Roles, SECOND_REGION};

/// The key of the configuration (`api.admin_key`), where a test has the API ask for keys.
pub const ADMIN_KEY: &str = "an-admin-key-of-the-configuration-that-nobody-guesses";

/// How long a fleet may take to be ready.
const READY: Duration = Duration::from_secs(90);

/// Timers that let a test see a lost worker within seconds. Leases outlive three lost heartbeats as ever.
const QUICK: [&str; 5] = [
    "policy.heartbeat=500ms",
    "policy.lease=3s",
    "policy.backoff_base=200ms",
    "policy.backoff_cap=1s",
    "policy.seal_retry=1s",
];

/// What a fleet is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `panofleet up`.
    OneProcess,
    /// A process for each role, over Kafka, PostgreSQL and an S3 server of others.
    OverServers,
}

/// A running fleet. It is killed when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    // Before the folder, which the processes write to.
    processes: Processes,
    links: BTreeMap<String, Links>,
    folder: TempDir,
    /// Its API; where there are several, one of them.
    pub api: Api,
    /// All of them: that of the process `producer-<n>` is at n − 1.
    pub apis: Vec<Api>,
    /// Its object store, with the fleet's own credentials.
    pub objects: ObjectStore,
    /// The bucket of its outputs.
    pub bucket: String,
    /// The URL of its job database, if that is on a server of its own.
    pub database: Option<String>,
    /// How its broker is reached, if that is a server of its own that asks nobody who they are.
    pub kafka: Option<KafkaConfig>,
}

/// Killed when they are dropped.
#[derive(Debug)]
struct Processes(Vec<Process>);

/// One process of a fleet.
#[derive(Debug)]
struct Process {
    /// Its role, and which of it: `worker-2`.
    name: String,
    arguments: Vec<String>,
    /// Further ones, if it is to die somewhere.
    crash: Vec<String>,
    /// The size of a disk of its own for its scratch folder.
    disk_mib: Option<u32>,
    /// Where it can be looked at: `http://127.0.0.1:port`.
    admin: Option<String>,
    /// Where it runs, and what it says goes.
    folder: PathBuf,
    child: Option<Child>,
}

impl Fleet {
    /// Starts a fleet with quick timers and further settings, such as `worker.slots=1`.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start(kind: Kind, settings: &[&str]) -> Self {
        match kind {
            Kind::OneProcess => one_process::start(settings).await,
            Kind::OverServers => Self::of_roles(&Roles::default(), settings).await,
        }
    }

    /// Starts so many processes of each role over real servers.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn of_roles(roles: &Roles, settings: &[&str]) -> Self {
        over_servers::start(roles, settings).await
    }

    /// The one region of a fleet under test.
    pub const fn region(&self) -> &'static str {
        over_servers::REGION
    }

    /// The links of one process, by its name.
    ///
    /// # Panics
    /// If the fleet was not started by links.
    pub fn links(&self, name: &str) -> &Links {
        self.links.get(name).unwrap_or_else(|| panic!("{name} has no links of its own"))
    }

    /// The links of every process.
    pub fn all_links(&self) -> impl Iterator<Item = &Links> {
        self.links.values()
    }

    /// The folder of everything that the fleet keeps on this machine.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The names of its processes.
    pub fn names(&self) -> Vec<String> {
        self.processes.0.iter().map(|process| process.name.clone()).collect()
    }

    /// The processes that run now.
    pub fn pids(&self) -> Vec<u32> {
        self.processes.0.iter().filter_map(Process::pid).collect()
    }

    /// One process, by its name.
    ///
    /// # Panics
    /// If it is not there.
    pub fn pid(&self, name: &str) -> u32 {
        let process = self.processes.0.iter().find(|process| process.name == name);
        process.and_then(Process::pid).unwrap_or_else(|| panic!("no {name} is running"))
    }

    /// Whether a process of this name was started, and not killed since.
    pub fn is_running(&self, name: &str) -> bool {
        self.processes.0.iter().any(|process| process.name == name && process.child.is_some())
    }

    /// The process that dispatches now, if one has said so since the one before has ended.
    pub fn leader(&self) -> Option<String> {
        let running = self.processes.0.iter().filter(|process| process.child.is_some());
        let mut leaders = running
            .map(|process| &process.name)
            .filter(|name| self.log(name).contains("leading: this dispatcher sends jobs"));
        leaders.next().cloned()
    }

    /// The runners at work.
    pub fn runners(&self) -> Vec<u32> {
        let below = |pid| processes::descendants(pid, "panofleet-runner");
        self.pids().into_iter().flat_map(below).collect()
    }

    /// Ends one process as a power cut would.
    ///
    /// # Panics
    /// If it is not there.
    pub fn kill_one(&mut self, name: &str) {
        let process = self.processes.0.iter_mut().find(|process| process.name == name);
        process.unwrap_or_else(|| panic!("there is no {name}")).kill();
    }

    /// Starts it again over what is left.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn start_one(&mut self, name: &str) {
        let process = self.processes.0.iter_mut().find(|process| process.name == name);
        process.unwrap_or_else(|| panic!("there is no {name}")).start();
    }

    /// Starts a process that is not running, to die at a place of its program: at that pass from now on, and once. Gives
    /// the file that is there from then on.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn start_to_crash(&mut self, name: &str, at: CrashPoint, pass: u32) -> PathBuf {
        let marker = self.folder.path().join(format!("{name}-crashed-at-{}", at.name()));
        let process = self.processes.0.iter_mut().find(|process| process.name == name);
        let process = process.unwrap_or_else(|| panic!("there is no {name}"));
        let crash = format!("{}:{pass}:{}", at.name(), marker.display());
        process.crash = vec!["--crash-at".to_owned(), crash];
        process.start();
        marker
    }

    /// Gives the processes of a worker a scratch folder on a disk of so many MiB, from its next start on: each life has
    /// an empty one.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn give_small_disk(&mut self, name: &str, mib: u32) {
        let process = self.processes.0.iter_mut().find(|process| process.name == name);
        let process = process.unwrap_or_else(|| panic!("there is no {name}"));
        process.disk_mib = Some(mib);
        let scratch = process.disk();
        process.arguments.extend(["--set".into(), format!("worker.scratch={}", scratch.display())]);
    }

    /// Ends every process as a power cut would.
    pub fn kill(&mut self) {
        self.processes.0.iter_mut().for_each(Process::kill);
        one_process::forget_address(self.folder.path());
    }

    /// Starts everything again over what is left.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start_again(&mut self) {
        self.processes.0.iter_mut().for_each(Process::start);
        if self.processes.0.iter().any(|process| process.name == one_process::NAME) {
            (self.api, self.objects) = one_process::connect(self.folder.path()).await;
        }
        await_ready(&self.api).await;
    }

    /// Starts another process like one that runs, and gives what it says when it ends.
    ///
    /// # Panics
    /// If it stays.
    pub async fn start_a_second(&self, name: &str) -> String {
        let like = self.processes.0.iter().find(|process| process.name == name).expect("its name");
        let mut second =
            Process::new(format!("{name}-second"), like.arguments.clone(), self.folder.path());
        second.start();
        let child = second.child.as_mut().expect("it was started");
        let ended = eventually("the second process ends", READY, async || {
            child.try_wait().expect("a child of ours")
        });
        assert!(!ended.await.success(), "two of {name} run");
        second.log()
    }

    /// Where each process can be looked at, by its name.
    pub fn admins(&self) -> Vec<(String, String)> {
        let seen = |process: &Process| Some((process.name.clone(), process.admin.clone()?));
        self.processes.0.iter().filter_map(seen).collect()
    }

    /// What a process has said.
    pub fn log(&self, name: &str) -> String {
        let process = self.processes.0.iter().find(|process| process.name == name);
        process.map(Process::log).unwrap_or_default()
    }

    /// Asks every process to end, and gives the worst exit code.
    ///
    /// # Panics
    /// If one does not end.
    pub async fn stop(&mut self) -> Option<i32> {
        self.pids().into_iter().for_each(|pid| processes::signal(pid, "TERM"));
        let mut worst = Some(0);
        for process in &mut self.processes.0 {
            let Some(mut child) = process.child.take() else { continue };
            let what = format!("{} ends when it is told to", process.name);
            let status =
                eventually(&what, READY, async || child.try_wait().expect("a child of ours"));
            worst = worst.max(status.await.code().or(Some(i32::MAX)));
        }
        worst
    }

    /// Keys below a prefix of the bucket.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let (mut keys, mut page) = (Vec::new(), None);
        loop {
            let found =
                self.objects.list(&self.bucket, prefix, page.as_deref()).await.expect("a listing");
            keys.extend(found.keys);
            page = found.next;
            if page.is_none() {
                return keys;
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Process::kill);
        if std::thread::panicking() {
            for process in &self.0 {
                eprintln!("the last words of {}:", process.name);
                let log = process.log();
                let last: Vec<_> = log.lines().rev().take(25).collect();
                last.iter().rev().for_each(|line| eprintln!("  {line}"));
            }
        }
    }
}

impl Process {
    fn new(name: impl Into<String>, arguments: Vec<String>, folder: &Path) -> Self {
        Self {
            name: name.into(),
            arguments,
            crash: Vec::new(),
            disk_mib: None,
            admin: None,
            folder: folder.to_owned(),
            child: None,
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Where it has a disk of its own, if it has one.
    fn disk(&self) -> PathBuf {
        self.folder.join(format!("{}-disk", self.name))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn start(&mut self) {
        if self.child.is_some() {
            return;
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file());
        let mut command = self.command();
        command.args(&self.arguments).args(&self.crash).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log"));
        self.child = Some(command.spawn().expect("panofleet starts"));
    }

    #[expect(clippy::disallowed_methods, reason = "tests start the programs that they test")]
    fn command(&self) -> Command {
        let program = processes::program("panofleet");
        let Some(mib) = self.disk_mib else { return Command::new(program) };
        let scratch = self.disk();
        std::fs::create_dir_all(&scratch).expect("a writable folder");
        processes::on_small_disk(&scratch, mib, &program)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

async fn await_ready(api: &Api) {
    eventually("the fleet is ready", READY, async || api.is_ready().await.then_some(())).await;
}
