//! Every filter of a list of jobs, by two tenants that have the same jobs.

use std::time::Duration;

use panofleet_job_schema::lifecycle::{Event, Horizon};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{ClaimId, Failure, Job, JobId, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Database, Fleet, spec};

/// A tenant's jobs, in the order in which they were submitted, and its key.
struct Jobs {
    key: String,
    queued: JobId,
    dead: JobId,
    waiting: JobId,
    running: JobId,
}

impl Fleet {
    async fn jobs_of(&self, tenant: &str) -> Jobs {
        let (_, key) = self.new_key(Some(tenant), &["jobs:read", "jobs:write"]).await;
        let submit = async |extra: Value| -> JobId {
            let made = self.post_by(&key, "/v1/jobs", &spec(&extra)).await.ok();
            made["id"].as_str().unwrap().parse().unwrap()
        };
        let labels = json!({ "album": "42", "city": "Oslo" });
        let queued = submit(json!({ "region": "south", "labels": labels })).await;
        let probe = json!({ "p": { "op": "media.probe" } });
        let dead = submit(json!({ "region": "south", "outputs": probe })).await;
        self.reject(dead).await;
        let waiting = submit(json!({})).await;
        self.fail(waiting).await;
        let running = submit(json!({ "labels": { "album": "43" } })).await;
        self.fail(running).await;
        self.apply(running, |_, job: &Job| Event::Tick {
            now: job.deadline_at - Duration::from_secs(3600),
            horizon: Horizon::default(),
        })
        .await;
        self.send(running).await;
        let claim = ClaimId(Uuid::new_v4());
        self.report_of("w2", running, claim, &Report::Claimed).await;
        Jobs { key, queued, dead, waiting, running }
    }

    /// An attempt of `w1` fails; there will be another one.
    async fn fail(&self, id: JobId) {
        let claim = self.run(id).await;
        let failure = Failure::transient("disk_full", "the disk is full");
        self.report(id, claim, &Report::Failed { failure }).await;
    }
}

/// When the clock of whoever made it stood as its id says.
fn made_at(id: JobId) -> Timestamp {
    let (s, ns) = id.0.get_timestamp().unwrap().to_unix();
    Timestamp::from_millis(i64::try_from(s).unwrap() * 1000 + i64::from(ns / 1_000_000))
}

/// Every filter, as a bulk action takes it, and the jobs that match, the newest first.
fn filters(jobs: &Jobs, failure: &str) -> Vec<(Value, Vec<JobId>)> {
    let &Jobs { queued, dead, waiting, running, .. } = jobs;
    let since = made_at(waiting).to_string();
    vec![
        (json!({ "states": ["dead"] }), vec![dead]),
        (json!({ "states": ["queued", "running"] }), vec![running, queued]),
        (json!({ "states": ["expired"] }), vec![]),
        (json!({ "operation": "media.probe" }), vec![dead]),
        (json!({ "operation": "pano.tiles" }), vec![running, waiting, queued]),
        (json!({ "region": "south" }), vec![dead, queued]),
        (json!({ "worker": "w1" }), vec![waiting, dead]),
        (json!({ "worker": "w1", "states": ["waiting"] }), vec![waiting]),
        (json!({ "worker": "w2" }), vec![running]),
        (json!({ "label": "album:42" }), vec![queued]),
        (json!({ "label": "city:Oslo", "region": "home" }), vec![]),
        (json!({ "attempt": 1 }), vec![waiting, dead]),
        (json!({ "attempt": 2 }), vec![running]),
        (json!({ "failure": failure }), vec![dead]),
        (json!({ "failed_within": "1h" }), vec![waiting, dead]),
        (json!({ "accepted_since": since }), vec![running, waiting]),
        (json!({ "accepted_until": since }), vec![dead, queued]),
        (json!({ "accepted_until": since, "worker": "w1" }), vec![dead]),
        (json!({ "accepted_since": since, "failed_within": "1h" }), vec![waiting]),
    ]
}

/// The same as the parameters of a list.
fn query(filter: &Value) -> String {
    let parameter = |(name, value): (&String, &Value)| match value {
        Value::Array(states) => {
            let states: Vec<_> = states.iter().map(|state| state.as_str().unwrap()).collect();
            format!("state={}", states.join(","))
        }
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    filter.as_object().unwrap().iter().map(parameter).collect::<Vec<_>>().join("&")
}

fn listed(answer: &Answer) -> Vec<JobId> {
    let jobs = answer.ok()["jobs"].as_array().unwrap().clone();
    jobs.iter().map(|job| job["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn every_filter_finds_a_tenant_s_own_jobs() {
    every_filter(Database::Sqlite).await;
}

#[tokio::test]
async fn every_filter_finds_a_tenant_s_own_jobs_on_postgresql() {
    every_filter(Database::Postgres).await;
}

async fn every_filter(database: Database) {
    let fleet = Fleet::start_with_keys_over(database, |config| {
        let home = config.regions[&config.default_region].clone();
        config.regions.insert("south".parse().unwrap(), home);
    })
    .await;
    let (acme, other) = (fleet.jobs_of("acme").await, fleet.jobs_of("other").await);
    for jobs in [&acme, &other] {
        let list = async |query: &str| fleet.get_by(&jobs.key, &format!("/v1/jobs?{query}")).await;
        let failed = fleet.job(jobs.dead).await.failure.unwrap().fingerprint();
        for (filter, wanted) in filters(jobs, &failed) {
            assert_eq!(listed(&list(&query(&filter)).await), wanted, "{filter}");
            let all = json!(panofleet_job_schema::job::State::NAMES);
            let mut filter = filter;
            filter.as_object_mut().unwrap().entry("states").or_insert(all);
            let count = json!({ "action": "retry", "filter": filter, "dry_run": true });
            let counted = fleet.post_by(&jobs.key, "/v1/bulk", &count).await.ok();
            assert_eq!(counted["matched"], wanted.len(), "{filter}");
        }
        let &Jobs { queued, dead, waiting, running, .. } = jobs;
        let page = list("limit=3").await;
        assert_eq!(listed(&page), [running, waiting, dead]);
        let next = page.json()["next"].as_str().unwrap().to_owned();
        let page = list(&format!("limit=3&before={next}")).await;
        assert_eq!((listed(&page), page.json().get("next")), (vec![queued], Some(&Value::Null)));
        assert_eq!(listed(&list(&format!("parent={running}")).await), []);
        let counts = fleet.get_by(&jobs.key, "/v1/counts").await.ok();
        for state in ["queued", "dead", "waiting", "running"] {
            assert_eq!(counts["states"][state], 1, "{counts}");
        }
        assert_eq!(counts["total"], 4);
    }
    // Whoever sees all tenants sees both, or the one that is named.
    let both = [&other, &acme].map(|jobs| [jobs.waiting, jobs.dead]).concat();
    assert_eq!(listed(&fleet.get("/v1/jobs?worker=w1").await), both);
    let one = fleet.request(Method::GET, "/v1/jobs?worker=w1").header("panofleet-tenant", "acme");
    let one = Answer::of(one.send().await.unwrap()).await;
    assert_eq!(listed(&one), [acme.waiting, acme.dead]);
    let bad = fleet.get("/v1/jobs?accepted_since=yesterday").await.problem(400, "bad_parameter");
    assert!(bad.contains("accepted_since"), "{bad}");
}
