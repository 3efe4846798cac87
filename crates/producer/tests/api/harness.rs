//! A producer's API over real HTTP, with every embedded part behind it, in a folder of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use panofleet_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use panofleet_job_schema::envelope::KeyRing;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::message::{ClaimEvent, Report, WorkerInfo};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{
    Attempt, ClaimId, Failure, Job, JobId, Lane, Region, RegionKeys, Timestamp, WorkerId,
};
use panofleet_jobs_db::JobsDb;
use panofleet_jobs_db::postgres::{PostgresConfig, PostgresJobsDb, PostgresTls, PostgresUrl};
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_objects::server::{self, ServerConfig};
use panofleet_objects::{ObjectStore, ObjectsConfig, Secret};
use panofleet_producer::api::{self, ApiConfig, ApiState, Auth};
use panofleet_producer::transition::{Transition, transition};
use panofleet_test_servers::PostgresServer;
use reqwest::redirect::Policy as Redirects;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The region that everything is in unless a test says otherwise.
pub(crate) const HOME: &str = "home";
/// The bucket of its outputs and uploads.
pub(crate) const OUTPUTS: &str = "outputs";
/// The key of the configuration, where the API asks for keys.
pub(crate) const ADMIN_KEY: &str = "an-admin-key-of-the-configuration-that-nobody-guesses";
/// The longest that any test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Fleet {
    pub(crate) address: String,
    pub(crate) base: String,
    pub(crate) db: Arc<dyn JobsDb>,
    pub(crate) bus: EmbeddedBus,
    pub(crate) objects: ObjectStore,
    pub(crate) keys: KeyRing,
    pub(crate) policy: Policy,
    pub(crate) state: ApiState,
    pub(crate) client: Client,
    pub(crate) shutdown: CancellationToken,
    pub(crate) file: SqliteFile,
    /// What every request carries, unless a test says otherwise.
    key: Option<&'static str>,
    store_down: CancellationToken,
    pub(crate) servers: JoinSet<()>,
    _folder: TempDir,
}

/// Where jobs are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A new database on a real server.
async fn postgres() -> PostgresJobsDb {
    let url = PostgresUrl::new(PostgresServer::shared().create_database());
    let config =
        PostgresConfig { tls: PostgresTls::Off, max_connections: 8, ..PostgresConfig::new(url) };
    PostgresJobsDb::connect(&config).await.unwrap()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let path = response.url().path().to_owned();
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        // A stream has no end.
        let body = if is_stream { Vec::new() } else { response.bytes().await.unwrap().to_vec() };
        let answer = Self { status, headers, body };
        if status.is_success() && answer.header("content-type") == Some("application/json") {
            crate::told::check(&path, &answer.body);
        }
        answer
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of an answer that has to be a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()
    }

    /// Checks that it is a problem of this status and code, and returns what it tells people.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(body["type"], format!("urn:panofleet:problem:{code}"));
        assert_eq!(body["status"], status);
        assert!(!body["title"].as_str().unwrap().is_empty());
        body["detail"].as_str().unwrap().to_owned()
    }
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// An API that asks for keys. The test itself has the one of the configuration.
    pub(crate) async fn start_with_keys(change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::start_with_keys_over(Database::Sqlite, change).await
    }

    /// The same over a job database of this kind.
    pub(crate) async fn start_with_keys_over(
        database: Database,
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let mut fleet = Self::start_over(database, |config| {
            config.auth = Auth::Keys;
            config.admin_key = Some(Secret::new(ADMIN_KEY));
            change(config);
        })
        .await;
        fleet.key = Some(ADMIN_KEY);
        fleet
    }

    /// Another producer over the same database, with other settings; where it listens.
    pub(crate) async fn start_another(&mut self, change: impl FnOnce(&mut ApiConfig)) -> String {
        let mut state = self.state.clone();
        change(&mut state.config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        self.servers.spawn(api::serve(listener, state, self.shutdown.clone()));
        base
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::start_over(Database::Sqlite, change).await
    }

    async fn start_over(database: Database, change: impl FnOnce(&mut ApiConfig)) -> Self {
        install_tls();
        let folder = tempfile::tempdir().unwrap();
        let (shutdown, store_down) = (CancellationToken::new(), CancellationToken::new());
        let mut servers = JoinSet::new();
        let objects = start_store(&folder, &mut servers, store_down.clone()).await;
        let file = SqliteFile::open(&folder.path().join("fleet.sqlite")).await.unwrap();
        let db: Arc<dyn JobsDb> = match database {
            Database::Sqlite => Arc::new(SqliteJobsDb::open(file.clone()).await.unwrap()),
            Database::Postgres => Arc::new(postgres().await),
        };
        let (writer, readers) = (file.writer.clone(), file.readers.clone());
        let bus = EmbeddedBus::open(writer, readers, EmbeddedConfig::default()).await.unwrap();
        let keys = KeyRing::new("k1", BTreeMap::from([("k1".to_owned(), vec![7; 32])])).unwrap();
        let mut config = ApiConfig::of_one_region(Region::new(HOME).unwrap(), OUTPUTS);
        change(&mut config);
        config.check().unwrap();
        let policy = Policy::default();
        let state = ApiState {
            db: db.clone(),
            bus: Arc::new(bus.clone()),
            objects: objects.clone(),
            keys: RegionKeys::of_one(Region::new(HOME).unwrap(), keys.clone()),
            policy,
            config,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        servers.spawn(api::serve(listener, state.clone(), shutdown.clone()));
        Self {
            base: format!("http://{address}"),
            address,
            db,
            bus,
            objects,
            keys,
            policy,
            state,
            client: Client::builder()
                .timeout(DEADLINE)
                .redirect(Redirects::none())
                .build()
                .unwrap(),
            shutdown,
            file,
            key: None,
            store_down,
            servers,
            _folder: folder,
        }
    }

    /// Ends the object store and waits until nothing listens there any more.
    pub(crate) async fn stop_store(&mut self) {
        self.store_down.cancel();
        self.servers.join_next().await.unwrap().unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// A request by somebody with this key, or with none.
    pub(crate) async fn by(
        &self,
        key: Option<&str>,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = key.into_iter().fold(request, RequestBuilder::bearer_auth);
        request = body.into_iter().fold(request, |request, body| request.json(body));
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get_by(&self, key: &str, path: &str) -> Answer {
        self.by(Some(key), (Method::GET, path), None).await
    }

    pub(crate) async fn post_by(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.by(Some(key), (Method::POST, path), Some(body)).await
    }

    /// A new key: its id and its secret.
    pub(crate) async fn new_key(&self, of: Option<&str>, scopes: &[&str]) -> (String, String) {
        let new = json!({ "name": scopes.join("+"), "tenant": of, "scopes": scopes });
        let made = self.post("/v1/keys", &new).await.ok();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// Sends JSON objects, one a line.
    pub(crate) async fn post_lines(&self, path: &str, body: &str) -> Answer {
        let request =
            self.request(Method::POST, path).header("content-type", "application/x-ndjson");
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    /// Submits the least that is a job, with these fields besides.
    pub(crate) async fn submit(&self, extra: &Value) -> Answer {
        self.post("/v1/jobs", &spec(extra)).await
    }

    /// The id of a job that was just submitted.
    pub(crate) async fn submitted(&self, extra: &Value) -> JobId {
        self.submit(extra).await.ok()["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.db.get(&[id]).await.unwrap().pop().unwrap().job
    }

    /// Applies an event, which must change the job.
    pub(crate) async fn apply(
        &self,
        id: JobId,
        event: impl Fn(Timestamp, &Job) -> Event + Send + Sync,
    ) -> Job {
        match transition(self.db.as_ref(), id, &self.policy, event).await.unwrap() {
            Transition::Changed(decision) => decision.job,
            other => panic!("the job did not change: {other:?}"),
        }
    }

    /// Sends a job, as the dispatcher would.
    pub(crate) async fn send(&self, id: JobId) -> Attempt {
        let job = self.apply(id, |now, _| Event::Dispatched { now }).await;
        let attempt = Attempt(job.counters.last_attempt);
        let placement = Placement { partition: 0, offset: u64::from(attempt.0) };
        self.apply(id, |now, _| Event::Placed { attempt, placement, now }).await;
        attempt
    }

    /// What a worker reports about the last attempt, as the collector would fold it.
    pub(crate) async fn report(&self, id: JobId, claim: ClaimId, report: &Report) -> Job {
        self.report_of("w1", id, claim, report).await
    }

    /// What this worker reports about the last attempt.
    pub(crate) async fn report_of(
        &self,
        worker: &str,
        id: JobId,
        claim: ClaimId,
        report: &Report,
    ) -> Job {
        let worker = WorkerId::new(worker).unwrap();
        self.apply(id, |now, job| Event::Reported {
            event: ClaimEvent {
                id: job.attempt_id(Attempt(job.counters.last_attempt)),
                claim,
                worker: worker.clone(),
                heartbeat_partition: 0,
                report: report.clone(),
            },
            now,
        })
        .await
    }

    /// Sends a job and has a worker take it.
    pub(crate) async fn run(&self, id: JobId) -> ClaimId {
        self.send(id).await;
        let claim = ClaimId(Uuid::new_v4());
        self.report(id, claim, &Report::Claimed).await;
        claim
    }

    /// Runs a job into a failure that no retry can mend, and ends it as the dispatcher would.
    pub(crate) async fn reject(&self, id: JobId) {
        let claim = self.run(id).await;
        let failure = Failure::rejected("not_a_picture", "the source is not a picture");
        self.report(id, claim, &Report::Failed { failure }).await;
        self.apply(id, |now, job| Event::Sealed { generation: job.generation, now }).await;
    }
}

/// A worker with two slots for pictures, as its heartbeats tell of it.
pub(crate) fn worker_info(name: &str) -> WorkerInfo {
    WorkerInfo {
        worker: WorkerId::new(name).unwrap(),
        region: Region::new(HOME).unwrap(),
        lanes: vec![Lane::Image],
        slots: 2,
        lane_slots: BTreeMap::new(),
        version: "1".into(),
        draining: false,
        order_revision: 0,
        started_at: Timestamp::from_millis(1),
    }
}

/// The least that is a job, with these fields besides.
pub(crate) fn spec(extra: &Value) -> Value {
    let mut spec = json!({
        "source": "https://example.com/reef.jpg",
        "outputs": { "tiles": { "op": "pano.tiles" } },
    });
    let fields = extra.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    spec
}

async fn start_store(
    folder: &TempDir,
    servers: &mut JoinSet<()>,
    down: CancellationToken,
) -> ObjectStore {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let config = ServerConfig {
        root: folder.path().join("objects"),
        access_key: "test".to_owned(),
        secret_key: Secret::new("testtesttest"),
        cors: true,
    };
    servers.spawn(async move { server::serve(listener, config, down).await.unwrap() });
    let mut config = ObjectsConfig::new(&endpoint, "test", Secret::new("testtesttest"));
    config.attempts_max = 1;
    let objects = ObjectStore::new(&config).unwrap();
    objects.create_bucket(OUTPUTS).await.unwrap();
    objects
}

/// The client wants to know who does TLS, even where nobody does.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
}
