//! What clients asked for and were told. At the end it is held against what the servers keep, by the rules that the
//! simulation goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_job_schema::manifest::ManifestObject;
use panofleet_job_schema::{Job, JobId};
use panofleet_jobs_db::postgres::{PostgresConfig, PostgresJobsDb, PostgresTls, PostgresUrl};
use panofleet_jobs_db::{HistoryEntry, JobFilter, JobsDb};
use panofleet_objects::manifest::read_object;
use panofleet_producer::api::LetterList;
use panofleet_test_promises::{self as promises, Broken, Promise};
use panofleet_tests::eventually;
use panofleet_tests::fleet::Fleet;
use serde_json::{Value, json};

use crate::site::PATIENCE;

/// How long a client waits for an answer before it asks another API.
const ANSWER: Duration = Duration::from_secs(4);
/// More jobs than one scenario has.
const JOBS_MAX: u32 = 1000;

/// What clients asked for in one scenario, and the jobs that they were told of.
#[derive(Debug)]
pub(crate) struct Ledger {
    scenario: &'static str,
    accepted: BTreeMap<String, JobId>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Account {
    /// Every job, and what happened to it.
    pub(crate) jobs: Vec<(Job, Vec<HistoryEntry>)>,
}

impl Ledger {
    /// Nothing was asked for yet.
    pub(crate) const fn new(scenario: &'static str) -> Self {
        Self { scenario, accepted: BTreeMap::new() }
    }

    /// How many jobs were accepted.
    pub(crate) fn len(&self) -> usize {
        self.accepted.len()
    }

    /// Asks for a job that reads nothing and makes nothing, for so long.
    pub(crate) async fn nothing(&mut self, fleet: &Fleet, run_ms: u32) -> JobId {
        let outputs = json!({ "n": { "op": "fleet.noop", "run_ms": run_ms } });
        self.ask(fleet, json!({ "source": "none", "outputs": outputs })).await
    }

    /// Asks for a small picture of a source.
    pub(crate) async fn picture(&mut self, fleet: &Fleet, source: &str) -> JobId {
        let outputs = json!({ "small": { "op": "image.thumbnail", "width_px": 128 } });
        self.ask(fleet, json!({ "source": source, "outputs": outputs })).await
    }

    /// Asks as a client does that must have its job once: with a key, and again until there is an answer.
    async fn ask(&mut self, fleet: &Fleet, mut job: Value) -> JobId {
        let key = format!("{}-{}", self.scenario, self.accepted.len());
        job["idempotency_key"] = json!(key);
        job["labels"] = json!({ "scenario": self.scenario });
        let mut apis = fleet.apis.iter().cycle();
        let answered = eventually("a job is accepted", PATIENCE, async || {
            let api = apis.next()?;
            tokio::time::timeout(ANSWER, api.submit(&job)).await.ok()?.ok()
        });
        let id = answered.await.id;
        self.accepted.insert(key, id);
        id
    }

    /// Waits until every job has ended and nothing runs any more, and holds every promise against what is left.
    ///
    /// # Panics
    /// If one is broken.
    pub(crate) async fn settle(&self, fleet: &Fleet) -> Account {
        let db = connect(fleet).await;
        let ids: Vec<JobId> = self.accepted.values().copied().collect();
        let what = format!("{}: every job ends", self.scenario);
        let ended = eventually(&what, PATIENCE, async || {
            let found = db.get(&ids).await.ok()?;
            found.iter().all(|row| row.job.state.is_terminal()).then_some(found)
        });
        let found: Vec<Job> = ended.await.into_iter().map(|row| row.job).collect();
        kept(self.all_are_there(&db, &found).await);
        let mut jobs = Vec::new();
        for job in found {
            let history = db.history(job.id).await.unwrap();
            kept(promises::check_history(&job, &history));
            check_objects(fleet, &job).await;
            jobs.push((job, history));
        }
        self.nothing_runs_on(fleet, &db).await;
        let letters = fleet.api.get("/v1/dead-letters").await.unwrap();
        let letters: LetterList = serde_json::from_value(letters).unwrap();
        assert!(letters.letters.is_empty(), "{}: {letters:?}", self.scenario);
        Account { jobs }
    }

    /// Every job that somebody was told of is there, and of each key one.
    async fn all_are_there(&self, db: &PostgresJobsDb, found: &[Job]) -> Result<(), Broken> {
        let told: BTreeSet<JobId> = self.accepted.values().copied().collect();
        let label = Some(("scenario".to_owned(), self.scenario.to_owned()));
        let filter = JobFilter { label, ..JobFilter::default() };
        let listed = db.list(&filter, JOBS_MAX).await.unwrap();
        let there: BTreeSet<JobId> = listed.into_iter().map(|row| row.job.id).collect();
        if told.len() != self.accepted.len() || found.len() != told.len() || there != told {
            let how = format!(
                "{}: {} keys were accepted as {} jobs; there are {}",
                self.scenario,
                self.accepted.len(),
                told.len(),
                there.len()
            );
            return Err(Broken::new(Promise::AcceptedIsNeverLost, how));
        }
        Ok(())
    }

    /// No worker that lives holds a claim of these jobs, and no runner is at work.
    async fn nothing_runs_on(&self, fleet: &Fleet, db: &PostgresJobsDb) {
        let what = format!("{}: nothing runs on", self.scenario);
        eventually(&what, PATIENCE, async || {
            let workers = db.workers().await.ok()?;
            let lives = |name: &str| fleet.is_running(name);
            let mut alive = workers.iter().filter(|row| lives(row.worker.worker.as_str()));
            (fleet.runners().is_empty() && alive.all(|row| row.claims.is_empty())).then_some(())
        })
        .await;
    }
}

impl Account {
    /// Every reason that any job has for a change.
    pub(crate) fn reasons(&self) -> BTreeSet<&str> {
        let lines = self.jobs.iter().flat_map(|(_, history)| history);
        lines.map(|line| line.reason.as_str()).collect()
    }

    /// Nothing was sent again, as far as these reasons tell.
    ///
    /// # Panics
    /// If something was.
    pub(crate) fn nothing_repeated(&self, for_nothing: &[&str]) {
        for (job, history) in &self.jobs {
            kept(promises::nothing_repeated(job, history, for_nothing));
        }
    }

    /// Every job has its result.
    ///
    /// # Panics
    /// If one has not.
    pub(crate) fn all_succeeded(&self) {
        for (job, history) in &self.jobs {
            let is_good = matches!(job.state, State::Succeeded { .. });
            assert!(is_good, "{}: {}: {history:?}", job.id, promises::shown(job));
        }
    }
}

async fn connect(fleet: &Fleet) -> PostgresJobsDb {
    let url = fleet.database.clone().expect("a fleet over servers");
    let mut config = PostgresConfig::new(PostgresUrl::new(url));
    config.tls = PostgresTls::Off;
    config.max_connections = 2;
    PostgresJobsDb::connect(&config).await.unwrap()
}

/// One manifest of each result and no other, with every file that it names; a seal where there is none.
async fn check_objects(fleet: &Fleet, job: &Job) {
    let address = job.manifest_address();
    let found = read_object(&fleet.objects, &address).await.unwrap();
    kept(promises::check_end(job, found.as_ref()));
    let keys = fleet.keys(&format!("{}/{}/", job.tenant, job.id)).await;
    let at_manifests: Vec<_> = keys.iter().filter(|key| key.ends_with("/manifest.json")).collect();
    let expected: Vec<_> = found.iter().map(|_| address.manifest_key()).collect();
    assert!(at_manifests.iter().copied().eq(&expected), "{}: {at_manifests:?}", job.id);
    let Some(ManifestObject::Manifest(manifest)) = found else { return };
    for (key, bytes) in promises::files_of(&manifest) {
        let head = fleet.objects.head(&job.bucket, &key).await;
        let is_whole = head.as_ref().is_ok_and(|head| head.bytes == bytes);
        let how = format!("{key} is not in the store as the manifest says: {head:?}");
        kept(if is_whole { Ok(()) } else { Err(Broken::new(Promise::ResultsAreWhole, how)) });
    }
}

fn kept(rule: Result<(), Broken>) {
    if let Err(Broken { promise, how }) = rule {
        panic!("{promise:?}: {how}");
    }
}
