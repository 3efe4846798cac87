//! Dispatcher, collector, database, bus and store in one process, each of which can be stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use panofleet_bus::{Bus as _, JobSource, Queue, Received};
use panofleet_collector::Collector;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::job::Acceptance;
use panofleet_job_schema::lifecycle::{Event, next_timer};
use panofleet_job_schema::manifest::Manifest;
use panofleet_job_schema::message::{
    ClaimEvent, ControlRecord, Heartbeat, HeldClaim, JobMessage, Report, WorkerInfo,
};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{
    ClaimId, Job, JobId, JobSpec, Lane, Region, RegionKeys, Span, Tenant, Timestamp, WorkerId,
};
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_jobs_db::{Accepted, Batch, JobWrite, JobsDb, Versioned};
use panofleet_objects::manifest::{Published, publish};
use panofleet_objects::server::{ServerConfig, serve};
use panofleet_objects::{ObjectStore, ObjectsConfig, Secret};
use panofleet_producer::api::ApiConfig;
use panofleet_producer::dispatcher::{DispatchConfig, Dispatcher, RetentionConfig};
use panofleet_producer::transition::{Transition, transition};
use panofleet_service::clock::wall_clock;
use panofleet_service::trace;
use panofleet_tests::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const HEARTBEAT_PARTITION: u32 = 1;
pub(crate) const BUCKET: &str = "out";

/// Everything but a worker.
pub(crate) struct House {
    folder: tempfile::TempDir,
    file: SqliteFile,
    pub(crate) db: Arc<dyn JobsDb>,
    pub(crate) bus: EmbeddedBus,
    pub(crate) objects: ObjectStore,
    pub(crate) policy: Policy,
    pub(crate) queue: Queue,
    pub(crate) dispatch: DispatchConfig,
    pub(crate) retention: RetentionConfig,
    keys: KeyRing,
    /// A second region: its queue, its keys, and what a worker there takes from.
    pub(crate) far: Far,
    source: tokio::sync::Mutex<Box<dyn JobSource>>,
    store_address: std::net::SocketAddr,
    store: Mutex<Option<Role>>,
    collecting: Mutex<Option<Role>>,
    dispatching: Mutex<Option<Role>>,
}

/// The second region.
pub(crate) struct Far {
    pub(crate) region: Region,
    keys: KeyRing,
    source: tokio::sync::Mutex<Box<dyn JobSource>>,
}

impl Far {
    async fn open(bus: &EmbeddedBus) -> Self {
        let region = Region::new("far").unwrap();
        let queue = Queue { region: region.clone(), lane: Lane::Image };
        let source = bus.take_jobs(&queue, "the-test-far-away").await.unwrap();
        Self { region, keys: key_ring("f", 4), source: tokio::sync::Mutex::new(source) }
    }
}

fn key_ring(id: &str, byte: u8) -> KeyRing {
    KeyRing::new(id, BTreeMap::from([(id.to_owned(), vec![byte; 32])])).unwrap()
}

/// Something that runs until it is stopped.
type Role = (CancellationToken, JoinHandle<()>);

/// A message in the test's hands.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) received: Received,
    pub(crate) message: JobMessage,
    pub(crate) trace: Option<String>,
}

pub(crate) fn worker(n: u32) -> WorkerId {
    WorkerId::new(format!("worker-{n}")).unwrap()
}

pub(crate) fn claim_id() -> ClaimId {
    ClaimId(Uuid::new_v4())
}

pub(crate) fn job_id(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

impl House {
    /// With dispatcher and collector at work.
    pub(crate) async fn open() -> Self {
        Self::closed().await.start()
    }

    /// With nobody at work yet.
    pub(crate) async fn closed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteFile::open(&folder.path().join("jobs.sqlite")).await.unwrap();
        let db: Arc<dyn JobsDb> = Arc::new(SqliteJobsDb::open(file.clone()).await.unwrap());
        let config = EmbeddedConfig { lock: Span::from_secs(5), ..EmbeddedConfig::default() };
        let bus =
            EmbeddedBus::open(file.writer.clone(), file.readers.clone(), config).await.unwrap();
        let queue = Queue { region: Region::new("local").unwrap(), lane: Lane::Image };
        let source = bus.take_jobs(&queue, "the-test").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store_address = listener.local_addr().unwrap();
        let store = start_store(listener, folder.path().join("objects"));
        let mut config =
            ObjectsConfig::new(&format!("http://{store_address}"), "key", Secret::new("secret"));
        config.attempts_max = 2;
        config.request_timeout = Span::from_secs(1);
        let objects = ObjectStore::new(&config).unwrap();
        objects.create_bucket(BUCKET).await.unwrap();
        let policy = Policy {
            queue_timeout: Span::from_millis(500),
            heartbeat: Span::from_millis(300),
            lease: Span::from_millis(1500),
            place_timeout: Span::from_millis(300),
            seal_retry: Span::from_millis(500),
            backoff_base: Span::from_millis(50),
            ..Policy::default()
        };
        policy.check().unwrap();
        let keys = key_ring("k", 3);
        let far = Far::open(&bus).await;
        Self {
            folder,
            file,
            db,
            bus,
            objects,
            policy,
            queue,
            dispatch: DispatchConfig::default(),
            retention: RetentionConfig::default(),
            keys,
            far,
            source: tokio::sync::Mutex::new(source),
            store_address,
            store: Mutex::new(Some(store)),
            collecting: Mutex::default(),
            dispatching: Mutex::default(),
        }
    }

    pub(crate) fn start(self) -> Self {
        self.start_collector();
        self.start_dispatcher()
    }

    pub(crate) fn start_dispatcher(self) -> Self {
        self.dispatch();
        self
    }

    fn dispatch(&self) {
        let dispatcher = Dispatcher {
            db: Arc::clone(&self.db),
            bus: Arc::new(self.bus.clone()),
            objects: self.objects.clone(),
            keys: self.region_keys(),
            policy: self.policy,
            regions: vec![self.queue.region.clone(), self.far.region.clone()],
            config: self.dispatch.clone(),
            retention: self.retention,
            api: self.api_config(),
        };
        let token = CancellationToken::new();
        *self.dispatching.lock().unwrap() = Some(role(token.clone(), dispatcher.run(token)));
    }

    pub(crate) async fn stop_dispatcher(&self) {
        let stopped = self.dispatching.lock().unwrap().take();
        stop(stopped).await;
    }

    /// Another leads from now on.
    pub(crate) fn restart_after_stop(&self) {
        self.dispatch();
    }

    /// As a crash of the leader would: another leads from then on.
    pub(crate) async fn restart_dispatcher(&self) {
        self.stop_dispatcher().await;
        self.dispatch();
    }

    fn api_config(&self) -> ApiConfig {
        let mut api = ApiConfig::of_one_region(self.queue.region.clone(), BUCKET);
        api.source_buckets.insert("in".into(), self.queue.region.clone());
        api
    }

    fn region_keys(&self) -> RegionKeys {
        let (near, far) = (self.queue.region.clone(), self.far.region.clone());
        let rings = BTreeMap::from([(near, self.keys.clone()), (far, self.far.keys.clone())]);
        RegionKeys::new(rings).unwrap()
    }

    pub(crate) fn collector(&self) -> Collector {
        Collector {
            db: Arc::clone(&self.db),
            bus: Arc::new(self.bus.clone()),
            keys: self.region_keys(),
            policy: self.policy,
            member: "collector".into(),
        }
    }

    pub(crate) fn start_collector(&self) {
        let token = CancellationToken::new();
        let collector = self.collector();
        let work = {
            let token = token.clone();
            async move { collector.run(token).await.unwrap() }
        };
        *self.collecting.lock().unwrap() = Some(role(token, work));
    }

    pub(crate) async fn stop_collector(&self) {
        let stopped = self.collecting.lock().unwrap().take();
        stop(stopped).await;
    }

    pub(crate) async fn stop_store(&self) {
        let stopped = self.store.lock().unwrap().take();
        stop(stopped).await;
    }

    pub(crate) async fn start_store(&self) {
        let store = start_store(self.store_port().await, self.folder.path().join("objects"));
        *self.store.lock().unwrap() = Some(store);
    }

    /// In place of the store, something that takes connections and never answers, until it is dropped.
    pub(crate) async fn deafen_store(&self) -> TcpListener {
        self.stop_store().await;
        self.store_port().await
    }

    async fn store_port(&self) -> TcpListener {
        eventually("the store's port is free again", PATIENCE, async || {
            TcpListener::bind(self.store_address).await.ok()
        })
        .await
    }

    pub(crate) async fn accept(&self, n: u128) -> JobId {
        self.accept_with(n, |_| {}).await
    }

    pub(crate) async fn accept_with(&self, n: u128, change: impl FnOnce(&mut JobSpec)) -> JobId {
        self.accept_for("default", n, change).await
    }

    pub(crate) async fn accept_for(
        &self,
        tenant: &str,
        n: u128,
        change: impl FnOnce(&mut JobSpec),
    ) -> JobId {
        let spec = r#"{"source": "s3://in/a.jpg", "outputs": {"probe": {"op": "media.probe"}}}"#;
        let mut spec: JobSpec = serde_json::from_str(spec).unwrap();
        change(&mut spec);
        let acceptance = Acceptance {
            id: job_id(n),
            tenant: Tenant::new(tenant).unwrap(),
            source: SourceLocation::object("in", "a.jpg"),
            region: self.queue.region.clone(),
            bucket: BUCKET.into(),
            events_partition: 0,
            trace: Some(trace::hop(None).to_string()),
            now: self.db.now().await.unwrap(),
        };
        let route = spec.regions.clone();
        let job = Job::accept(spec, acceptance, &self.policy).routed(route, &self.policy);
        assert_eq!(self.db.accept(&job, None).await.unwrap(), Accepted::Created);
        job.id
    }

    /// Makes a job what no event makes of it so quickly.
    pub(crate) async fn put(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        let Versioned { mut job, version } = self.db.get(&[id]).await.unwrap().pop().unwrap();
        change(&mut job);
        let timer_at = next_timer(&job, &self.policy);
        let write = JobWrite {
            expected_version: version,
            job,
            timer_at,
            children: Vec::new(),
            history: Vec::new(),
        };
        self.db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    }

    /// Changes the database behind everybody's back.
    pub(crate) async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.file.writer).await.unwrap();
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.db.get(&[id]).await.unwrap().pop().unwrap().job
    }

    pub(crate) async fn until(&self, id: JobId, what: &str, is: impl Fn(&Job) -> bool) -> Job {
        eventually(what, PATIENCE, async || Some(self.job(id).await).filter(&is)).await
    }

    pub(crate) async fn reasons(&self, id: JobId) -> Vec<String> {
        self.db.history(id).await.unwrap().into_iter().map(|entry| entry.reason).collect()
    }

    /// The next message, as a worker with one free slot gets it.
    pub(crate) async fn take(&self) -> Taken {
        self.taken(&self.source, &self.keys).await
    }

    /// The next message of the second region.
    pub(crate) async fn take_far(&self) -> Taken {
        self.taken(&self.far.source, &self.far.keys).await
    }

    async fn taken(
        &self,
        source: &tokio::sync::Mutex<Box<dyn JobSource>>,
        keys: &KeyRing,
    ) -> Taken {
        let mut source = source.lock().await;
        let mut received = source.receive(1, PATIENCE).await.unwrap();
        let received = received.pop().expect("a message within the wait");
        let Envelope { body, trace, .. } = Envelope::open(&received.payload, keys).unwrap();
        let Body::Job(message) = body else { panic!("no job in the queue of jobs") };
        Taken { received, message: *message, trace }
    }

    pub(crate) async fn nothing_to_take(&self) -> bool {
        let mut source = self.source.lock().await;
        source.receive(1, Duration::from_millis(300)).await.unwrap().is_empty()
    }

    pub(crate) async fn acknowledge(&self, taken: &Taken) {
        let receipt = taken.received.receipt.clone();
        let far = taken.message.region == self.far.region;
        let source = if far { &self.far.source } else { &self.source };
        source.lock().await.acknowledge(&[receipt]).await.unwrap();
    }

    /// `Claimed`, then the acknowledgement.
    pub(crate) async fn claim(&self, taken: &Taken) -> ClaimId {
        let claim = claim_id();
        self.report(taken, claim, Report::Claimed).await;
        self.acknowledge(taken).await;
        claim
    }

    /// What a worker says about a claim.
    pub(crate) fn said(&self, taken: &Taken, claim: ClaimId, report: Report) -> ClaimEvent {
        let (id, heartbeat_partition) = (taken.message.id, HEARTBEAT_PARTITION);
        ClaimEvent { id, claim, worker: worker(1), heartbeat_partition, report }
    }

    pub(crate) async fn report(&self, taken: &Taken, claim: ClaimId, report: Report) {
        let event = self.said(taken, claim, report);
        let trace = trace::hop(taken.trace.as_deref()).to_string();
        let body = Body::Event(Box::new(event));
        self.send(taken.message.events_partition, Some(trace), &taken.message.region, body).await;
    }

    /// A worker with one slot, that takes jobs.
    fn info(&self, n: u32, region: &Region) -> WorkerInfo {
        WorkerInfo {
            worker: worker(n),
            region: region.clone(),
            lanes: vec![self.queue.lane],
            slots: 1,
            lane_slots: BTreeMap::new(),
            version: "test".into(),
            draining: false,
            order_revision: 0,
            started_at: Timestamp::from_millis(1),
        }
    }

    /// A worker says that it is there, with so many slots.
    pub(crate) async fn arrive(&self, slots: u32) {
        let region = &self.queue.region;
        let worker = WorkerInfo { slots, ..self.info(1, region) };
        let body = Body::Heartbeat(Heartbeat { worker, claims: Vec::new() });
        self.send(HEARTBEAT_PARTITION, None, region, body).await;
    }

    pub(crate) async fn beat(&self, taken: &Taken, claim: ClaimId) {
        let info = self.info(1, &taken.message.region);
        let claims = vec![HeldClaim { id: taken.message.id, claim, progress: None }];
        let body = Body::Heartbeat(Heartbeat { worker: info, claims });
        self.send(HEARTBEAT_PARTITION, None, &taken.message.region, body).await;
    }

    /// What a worker said when it claimed a message, as it was on the wire.
    pub(crate) fn claimed_wire(&self, taken: &Taken, claim: ClaimId) -> Bytes {
        let body = Body::Event(Box::new(self.said(taken, claim, Report::Claimed)));
        let trace = trace::hop(taken.trace.as_deref()).to_string();
        Envelope { sent_at: wall_clock(), trace: Some(trace), body }
            .seal(&self.keys)
            .unwrap()
            .into()
    }

    /// A worker of a region says that it is there, with one slot, and holds nothing.
    pub(crate) async fn worker_is_there(&self, n: u32, region: &Region) {
        let info = self.info(n, region);
        let body = Body::Heartbeat(Heartbeat { worker: info, claims: Vec::new() });
        self.send(HEARTBEAT_PARTITION, None, region, body).await;
    }

    async fn send(&self, partition: u32, trace: Option<String>, region: &Region, body: Body) {
        let keys = if *region == self.far.region { &self.far.keys } else { &self.keys };
        let wire = Envelope { sent_at: wall_clock(), trace, body }.seal(keys).unwrap();
        self.bus.publish_events(vec![(partition, Bytes::from(wire))]).await.unwrap();
    }

    pub(crate) async fn publish(&self, manifest: &Manifest) -> Published {
        let address = self.job(manifest.job).await.manifest_address();
        let deadline = wall_clock() + PATIENCE;
        publish(&self.objects, &address, manifest, deadline, wall_clock).await.unwrap()
    }

    /// As the API does it.
    pub(crate) async fn cancel(&self, id: JobId) {
        self.apply(id, |now| Event::CancelRequested { now }).await;
    }

    pub(crate) async fn apply(&self, id: JobId, event: impl Fn(Timestamp) -> Event + Send + Sync) {
        let asked = |now, _: &Job| event(now);
        let done = transition(self.db.as_ref(), id, &self.policy, asked).await.unwrap();
        assert!(matches!(done, Transition::Changed(_)), "{done:?}");
    }

    /// What a worker that reads control now would know about a job.
    pub(crate) async fn control_of(&self, id: JobId) -> ControlRecord {
        eventually("a control record", PATIENCE, async || {
            let mut follower = self.bus.follow_control(&self.queue.region).await.unwrap();
            let records = follower.catch_up().await.unwrap();
            let records = records.iter().filter_map(|wire| {
                match Envelope::open(wire, &self.keys).unwrap().body {
                    Body::Control(record) => Some(record),
                    _ => None,
                }
            });
            records.filter(|record| record.job == id).reduce(ControlRecord::merge)
        })
        .await
    }
}

#[expect(clippy::disallowed_methods, reason = "the test stops what it starts")]
fn role(token: CancellationToken, work: impl Future<Output = ()> + Send + 'static) -> Role {
    (token, tokio::spawn(work))
}

async fn stop(role: Option<Role>) {
    let (token, handle) = role.expect("it runs");
    token.cancel();
    handle.await.unwrap();
}

fn start_store(listener: TcpListener, root: PathBuf) -> Role {
    std::fs::create_dir_all(&root).unwrap();
    let token = CancellationToken::new();
    let config = ServerConfig {
        root,
        access_key: "key".into(),
        secret_key: Secret::new("secret"),
        cors: false,
    };
    let shutdown = token.clone();
    role(token, async move { serve(listener, config, shutdown).await.unwrap() })
}
