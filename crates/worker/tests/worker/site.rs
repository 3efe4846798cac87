//! A place to run workers in: a bus, an object store, a scratch folder, and scripts for the fake runner.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use panofleet_bus::Bus;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::manifest::{Manifest, ManifestAddress};
use panofleet_job_schema::message::{
    AttemptId, ClaimEvent, ControlRecord, Heartbeat, JobMessage, Report,
};
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::trace::TraceContext;
use panofleet_job_schema::{
    Attempt, Failure, Generation, JobId, Lane, OutputName, Region, Span, Tenant, Timestamp,
};
use panofleet_objects::client::PutOptions;
use panofleet_objects::server::{ServerConfig, serve};
use panofleet_objects::{ObjectStore, ObjectsConfig, Secret, manifest};
use panofleet_service::clock::wall_clock;
use panofleet_worker::config::ChildConfig;
use panofleet_worker::{WorkerConfig, WorkerError, WorkerResources};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fake_bus::{FakeBus, State};

pub(crate) const BUCKET: &str = "media";
pub(crate) const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// Everything but the workers. Dropping it ends the store.
pub(crate) struct Site {
    pub(crate) bus: FakeBus,
    pub(crate) objects: ObjectStore,
    pub(crate) keys: KeyRing,
    pub(crate) config: WorkerConfig,
    pub(crate) folder: TempDir,
    _server: JoinSet<()>,
}

/// A running worker. Dropping it kills it like a crash.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    pub(crate) now: CancellationToken,
    ended: JoinSet<Result<(), WorkerError>>,
}

impl Running {
    /// Waits for the worker's end; fails after 20 s.
    pub(crate) async fn end(mut self) -> Result<(), WorkerError> {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.ended.join_next()).await;
        ended.expect("the worker ends").unwrap().unwrap()
    }

    /// Kills the worker as a crash would, and waits until it is gone.
    pub(crate) async fn crash(mut self) {
        self.ended.shutdown().await;
    }
}

/// The fake runner of this crate's examples, which `cargo test` builds.
pub(crate) fn fake_runner() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let profile = exe.ancestors().nth(2).unwrap();
    let runner = profile.join("examples/fake_runner");
    assert!(runner.is_file(), "build it first: cargo build -p panofleet-worker --examples");
    runner
}

impl Site {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let root = folder.path().join("objects");
        let secret_key = Secret::new("a secret for tests");
        let server = ServerConfig {
            root,
            access_key: "key".into(),
            secret_key: secret_key.clone(),
            cors: false,
        };
        let mut tasks = JoinSet::new();
        tasks
            .spawn(async move { serve(listener, server, CancellationToken::new()).await.unwrap() });
        let objects = ObjectStore::new(&ObjectsConfig::new(&endpoint, "key", secret_key)).unwrap();
        objects.create_bucket(BUCKET).await.unwrap();
        let keys = KeyRing::new("k1", BTreeMap::from([("k1".to_owned(), vec![7; 32])])).unwrap();
        let config = WorkerConfig {
            lanes: vec![Lane::Image],
            slots: 2.try_into().ok(),
            scratch: folder.path().join("scratch"),
            runner: fake_runner(),
            child: ChildConfig { require_sandbox: false, ..ChildConfig::default() },
            source_networks: vec!["127.0.0.0/8".parse().unwrap()],
            drain_grace: Span::from_secs(60),
            ..WorkerConfig::default()
        };
        Self { bus: FakeBus::new(), objects, keys, config, folder, _server: tasks }
    }

    /// Starts a worker.
    pub(crate) fn start(&self) -> Running {
        self.start_on(Arc::new(self.bus.clone()), self.config.clone())
    }

    /// Starts a worker on another bus, or with other settings.
    pub(crate) fn start_on(&self, bus: Arc<dyn Bus>, config: WorkerConfig) -> Running {
        let resources = WorkerResources {
            bus,
            objects: self.objects.clone(),
            keys: self.keys.clone(),
            config,
            heartbeat: Span::from_millis(20),
        };
        let (shutdown, now) = (CancellationToken::new(), CancellationToken::new());
        let mut ended = JoinSet::new();
        ended.spawn(panofleet_worker::run(resources, shutdown.clone(), now.clone()));
        Running { shutdown, now, ended }
    }

    /// A job whose source is a script, in the store but not sent yet.
    pub(crate) async fn job(&self, script: Value) -> JobMessage {
        let id = AttemptId {
            job: JobId(Uuid::new_v4()),
            generation: Generation(1),
            attempt: Attempt(1),
        };
        let key = format!("scripts/{}", id.job);
        let options = PutOptions::of_type("application/json");
        self.objects.put_bytes(BUCKET, &key, script.to_string().into(), &options).await.unwrap();
        let tenant = Tenant::new("acme").unwrap();
        JobMessage {
            id,
            manifest: ManifestAddress::new(BUCKET, &tenant, id.job, id.generation),
            tenant,
            region: Region::new("local").unwrap(),
            lane: Lane::Image,
            source: SourceLocation::object(BUCKET, key),
            outputs: BTreeMap::from([(
                output("tiles"),
                serde_json::from_value(json!({ "op": "pano.tiles" })).unwrap(),
            )]),
            events_partition: 2,
            timeout: Span::from_secs(60),
            own_timeout: false,
            deadline: wall_clock() + Duration::from_secs(3600),
            due_at: Some(wall_clock()),
            join: None,
        }
    }

    /// An act: the child goes on at [`Site::go`].
    pub(crate) fn wait_for_go(&self) -> Value {
        json!({ "act": "wait_for", "path": self.folder.path().join("go") })
    }

    /// A script that makes a file at [`Site::go`]; until then its step is `ready`.
    pub(crate) fn patient(&self) -> Value {
        script(&[progress(0.5, "ready"), self.wait_for_go()], &[("a.jpg", 10)])
    }

    /// A worker, and a job that it runs until [`Site::go`].
    pub(crate) async fn waiting(&self) -> (Running, JobMessage) {
        let message = self.submit(self.patient()).await;
        let running = self.start();
        self.step(&message, "ready").await;
        (running, message)
    }

    /// Lets every child that waits go on.
    pub(crate) fn go(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }

    /// Sends a job.
    pub(crate) fn send(&self, message: &JobMessage) -> u64 {
        self.send_to(Lane::Image, message)
    }

    /// Puts a job into the queue of a lane.
    pub(crate) fn send_to(&self, lane: Lane, message: &JobMessage) -> u64 {
        self.bus.send(lane, self.seal(Body::Job(Box::new(message.clone()))).into())
    }

    /// Makes and sends a job.
    pub(crate) async fn submit(&self, script: Value) -> JobMessage {
        let message = self.job(script).await;
        self.send(&message);
        message
    }

    pub(crate) fn seal(&self, body: Body) -> Vec<u8> {
        Envelope {
            sent_at: wall_clock(),
            trace: Some(format!("00-{TRACE_ID}-b7ad6b7169203331-01")),
            body,
        }
        .seal(&self.keys)
        .unwrap()
    }

    /// Publishes a control record.
    pub(crate) fn control(&self, id: AttemptId, cancelled: bool, closed: bool, lowest_live: u32) {
        let (AttemptId { job, generation, .. }, lowest_live) = (id, Attempt(lowest_live));
        self.publish(ControlRecord {
            job,
            generation,
            cancelled,
            closed,
            lowest_live,
            let_go: None,
        });
    }

    /// Publishes that an attempt is to be let go.
    pub(crate) fn let_go(&self, AttemptId { job, generation, attempt }: AttemptId) {
        let (cancelled, closed, lowest_live) = (false, false, attempt);
        let let_go = Some(attempt);
        self.publish(ControlRecord { job, generation, cancelled, closed, lowest_live, let_go });
    }

    fn publish(&self, record: ControlRecord) {
        let payload = self.seal(Body::Control(record)).into();
        self.bus.change(|state| state.control.push(payload));
    }

    /// Publishes an order to the worker.
    pub(crate) fn order(&self, revision: u64, draining: bool, grace: Option<Span>) {
        let worker = self.config.name.clone();
        self.order_to(WorkerOrder { worker, revision, draining, grace });
    }

    /// Publishes an order.
    pub(crate) fn order_to(&self, order: WorkerOrder) {
        let payload = self.seal(Body::Order(order)).into();
        self.bus.change(|state| state.control.push(payload));
    }

    /// The events of an attempt so far, in order.
    pub(crate) fn events(&self, id: AttemptId) -> Vec<ClaimEvent> {
        self.bus.look(|state| self.events_in(state, id))
    }

    fn events_in(&self, state: &State, id: AttemptId) -> Vec<ClaimEvent> {
        let opened = state.events.iter().filter_map(|(partition, payload)| {
            let envelope = Envelope::open(payload, &self.keys).unwrap();
            let Body::Event(event) = envelope.body else { return None };
            (event.id == id).then(|| {
                // Another hop of the same trace.
                let trace = envelope.trace.as_deref().and_then(TraceContext::parse).unwrap();
                assert_eq!((*partition, &*trace.trace_id()), (2, TRACE_ID));
                assert!(!trace.to_string().contains("b7ad6b7169203331"), "{trace}");
                *event
            })
        });
        opened.collect()
    }

    /// Waits until an attempt has `count` events, and gives them.
    pub(crate) async fn events_of(&self, id: AttemptId, count: usize) -> Vec<ClaimEvent> {
        let what = format!("{count} events");
        self.bus
            .until(&what, |state| {
                Some(self.events_in(state, id)).filter(|events| events.len() >= count)
            })
            .await
    }

    /// Waits for the end of an attempt that was started, and gives its last report.
    pub(crate) async fn outcome(&self, message: &JobMessage) -> Report {
        let mut events = self.events_of(message.id, 2).await;
        assert_eq!(events[0].report, Report::Claimed);
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!(events[0].claim, events[1].claim);
        events.remove(1).report
    }

    /// Waits for the end of an attempt that fails, and gives its failure.
    pub(crate) async fn failure(&self, message: &JobMessage) -> Failure {
        match self.outcome(message).await {
            Report::Failed { failure } => failure,
            report => panic!("{report:?}"),
        }
    }

    /// Waits for a heartbeat, from now on, that `wanted` finds something in.
    pub(crate) async fn heartbeat<T>(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Heartbeat) -> Option<T>,
    ) -> T {
        let keys = self.keys.clone();
        let mut seen = self.bus.look(|state| state.events.len());
        let find = |state: &State| {
            let new = &state.events[seen..];
            seen = state.events.len();
            new.iter().find_map(|(_, payload)| match Envelope::open(payload, &keys).unwrap().body {
                Body::Heartbeat(heartbeat) => wanted(&heartbeat),
                Body::Job(_) | Body::Event(_) | Body::Control(_) | Body::Order(_) => None,
            })
        };
        self.bus.until(what, find).await
    }

    /// Waits until an attempt says that it is at a step that begins so, and gives the whole step.
    pub(crate) async fn step(&self, message: &JobMessage, begins: &str) -> String {
        let what = format!("step {begins}");
        self.heartbeat(&what, |heartbeat| {
            let held = heartbeat.claims.iter().find(|held| held.id == message.id)?;
            held.progress
                .as_ref()
                .map(|progress| progress.step.clone())
                .filter(|step| step.starts_with(begins))
        })
        .await
    }

    pub(crate) async fn manifest(&self, message: &JobMessage) -> Option<Manifest> {
        manifest::read(&self.objects, &message.manifest).await.unwrap()
    }

    /// The folders of claims in scratch.
    pub(crate) fn claim_folders(&self) -> Vec<PathBuf> {
        let claims = self.config.scratch.join(self.config.name.as_str()).join("claims");
        let entries = std::fs::read_dir(claims)
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
        entries.unwrap_or_default()
    }

    /// The claims that a next life of the worker would find in its journal.
    pub(crate) fn claims_held(&self) -> BTreeSet<String> {
        let folder = self.config.scratch.join(self.config.name.as_str());
        let journal = std::fs::read_to_string(folder.join("claims.journal")).unwrap_or_default();
        let mut held = BTreeSet::new();
        for line in journal.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(claim) = line["claimed"]["claim"].as_str() {
                held.insert(claim.to_owned());
            } else {
                assert!(held.remove(line["ended"].as_str().unwrap()), "ended once: {line}");
            }
        }
        held
    }

    /// Waits until scratch holds no claim; fails after 20 s.
    pub(crate) async fn scratch_is_empty(&self) {
        let is_empty = || self.claim_folders().is_empty() && self.claims_held().is_empty();
        eventually("scratch to be empty", is_empty).await;
    }
}

/// Waits for what tells nobody when it comes about; fails after 20 s.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited for {what}"));
}

pub(crate) fn output(name: &str) -> OutputName {
    OutputName::new(name).unwrap()
}

/// Whether a process is there and no zombie.
pub(crate) fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// A time long past.
pub(crate) const LONG_PAST: Timestamp = Timestamp::from_millis(1);

/// `acts` after the sandbox stands and the source is probed.
pub(crate) fn begun(acts: &[Value]) -> Value {
    let begin = [json!({ "act": "started", "sandbox": true }), json!({ "act": "probed" })];
    Value::Array(begin.into_iter().chain(acts.iter().cloned()).collect())
}

/// A whole script that makes these files of the output `tiles`, after `acts`.
pub(crate) fn script(acts: &[Value], files: &[(&str, usize)]) -> Value {
    let mut all = acts.to_vec();
    for (path, bytes) in files {
        all.push(json!({ "act": "file", "output": "tiles", "path": path, "bytes": bytes }));
    }
    all.push(json!({ "act": "output_done", "output": "tiles" }));
    all.push(json!({ "act": "done" }));
    begun(&all)
}

pub(crate) fn progress(fraction: f64, step: &str) -> Value {
    json!({ "act": "progress", "fraction": fraction, "step": step })
}
