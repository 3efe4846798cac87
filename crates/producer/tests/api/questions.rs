//! What people ask about retries: every number is held to the histories of the jobs.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::message::{Progress, Report, WorkerInfo};
use panofleet_job_schema::{Attempt, ClaimId, Failure, JobId, Timestamp, WorkerId};
use panofleet_jobs_db::{Batch, HeartbeatWrite, RefusedResult};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Fleet, HOME, worker_info};

const NAMES: [&str; 13] = [
    "stuck",
    "retries-due",
    "retry-forecast",
    "deadline-at-risk",
    "oldest-queued",
    "lost-leases",
    "time-lost",
    "failed-by-worker",
    "failed-by-region",
    "failed-by-version",
    "failed-by-attempt",
    "failed-since-deploy",
    "refused-results",
];

impl Fleet {
    /// A worker takes the job, and reports this.
    async fn attempt(&self, id: JobId, worker: &str, report: &Report) {
        self.send(id).await;
        let claim = ClaimId(Uuid::new_v4());
        for report in [&Report::Claimed, report] {
            self.report_of(worker, id, claim, report).await;
        }
    }

    /// A worker says who it is, and how far a job is.
    async fn beat(
        &self,
        worker: &str,
        (version, started_at): (&str, Timestamp),
        said: Option<JobId>,
    ) {
        let worker = WorkerInfo { version: version.to_owned(), started_at, ..worker_info(worker) };
        let step = || Progress {
            fraction: 0.25,
            step: "tiles".into(),
            uploaded_bytes: 0,
            curve: Curve::default(),
        };
        let progress = said.into_iter().map(|id| (id, step())).collect();
        let at = self.db.now().await.unwrap();
        let heartbeat = HeartbeatWrite { worker, claims: vec![], progress, at };
        self.db.commit(Batch { heartbeats: vec![heartbeat], ..Batch::default() }).await.unwrap();
    }

    /// What a worker said of the job came too late.
    async fn refuse(&self, id: JobId, why: &'static str) {
        let job = self.job(id).await;
        let refused = RefusedResult {
            at: self.db.now().await.unwrap(),
            job: id,
            tenant: job.tenant,
            region: job.region,
            worker: WorkerId::new("w1").unwrap(),
            attempt: Attempt(1),
            why,
        };
        let batch = Batch { refusals: vec![refused], ..Batch::default() };
        self.db.commit(batch).await.unwrap();
    }

    async fn ask(&self, name: &str) -> Value {
        self.get(&format!("/v1/questions/{name}")).await.ok()
    }

    /// The attempts of a job that came to nothing were so much longer ago.
    async fn move_back(&self, id: JobId, ms: i64) {
        sqlx::query("UPDATE setbacks SET at = at - ? WHERE job = ?")
            .bind(ms)
            .bind(id.0.as_bytes().to_vec())
            .execute(&self.file.writer)
            .await
            .unwrap();
    }

    async fn histories(&self, jobs: &[JobId]) -> Vec<(JobId, Value)> {
        let mut lines = Vec::new();
        for id in jobs {
            let history = self.get(&format!("/v1/jobs/{id}/history")).await.ok();
            let entries = history["entries"].as_array().unwrap().iter().cloned();
            lines.extend(entries.map(|line| (*id, line)));
        }
        lines
    }
}

fn away(code: &str) -> Report {
    Report::Failed { failure: Failure::transient(code, format!("the {code} was away")) }
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_default()
}

fn ms(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millis()
}

/// What the histories say of attempts that ended for one of these reasons, by a key: attempts, jobs, milliseconds.
fn counted(
    lines: &[(JobId, Value)],
    reasons: &[&str],
    key: impl Fn(&Value) -> String,
) -> BTreeMap<String, (u64, u64, u64)> {
    let mut claimed: BTreeMap<(JobId, u64), i64> = BTreeMap::new();
    let mut counts: BTreeMap<String, (u64, BTreeSet<JobId>, i64)> = BTreeMap::new();
    for (job, line) in lines {
        let attempt = (*job, line["attempt"].as_u64().unwrap_or(0));
        if text(line, "reason") == "claimed" {
            claimed.insert(attempt, ms(text(line, "at")));
        }
        if reasons.contains(&text(line, "reason")) {
            let (attempts, jobs, lost) = counts.entry(key(line)).or_default();
            *attempts += 1;
            jobs.insert(*job);
            *lost += ms(text(line, "at")) - claimed[&attempt];
        }
    }
    let count = |(key, (attempts, jobs, lost)): (String, (u64, BTreeSet<JobId>, i64))| {
        (key, (attempts, jobs.len() as u64, lost as u64))
    };
    counts.into_iter().map(count).collect()
}

fn answered(answer: &Value) -> BTreeMap<String, (u64, u64, u64)> {
    let number = |group: &Value, name: &str| group[name].as_u64().unwrap();
    let groups = answer["groups"].as_array().unwrap().iter();
    let row = |group: &Value| {
        let numbers = (number(group, "attempts"), number(group, "jobs"), number(group, "lost_ms"));
        (text(group, "key").to_owned(), numbers)
    };
    groups.map(row).collect()
}

#[tokio::test]
async fn attempts_that_came_to_nothing_are_counted_as_the_histories_tell() {
    let fleet = Fleet::start().await;
    let now = fleet.db.now().await.unwrap();
    fleet.beat("w1", ("1.0", Timestamp::from_millis(1)), None).await;
    fleet.beat("w2", ("1.1", now), None).await;
    let mut jobs = Vec::new();
    for (worker, report) in [
        ("w1", away("store")),
        ("w1", away("store")),
        ("w2", away("disk")),
        ("w2", Report::Abandoned),
        ("w3", Report::Released { started: true, reason: "it ends".into() }),
        ("w1", Report::Failed { failure: Failure::rejected("not_a_picture", "it is none") }),
    ] {
        let id = fleet.submitted(&json!({})).await;
        fleet.attempt(id, worker, &report).await;
        jobs.push(id);
    }
    // One of them is tried once more, and fails in the same way.
    fleet.apply(jobs[3], |now, _| Event::CancelRequested { now }).await;
    fleet.apply(jobs[3], |now, job| Event::Sealed { generation: job.generation, now }).await;
    fleet.post(&format!("/v1/jobs/{}/retry", jobs[3]), &json!({})).await.ok();
    fleet.attempt(jobs[3], "w2", &Report::Abandoned).await;
    // And one that got on is not counted.
    let good = fleet.submitted(&json!({})).await;
    fleet.run(good).await;
    jobs.push(good);

    let lines = fleet.histories(&jobs).await;
    let failed = ["attempt_failed", "attempt_timed_out"];
    let by_worker = counted(&lines, &failed, |line| text(line, "worker").to_owned());
    assert_eq!(by_worker["w1"].0, 3);
    assert_eq!(answered(&fleet.ask("failed-by-worker").await), by_worker);
    let lost =
        counted(&lines, &["lease_lapsed", "abandoned"], |line| text(line, "worker").to_owned());
    assert_eq!(lost["w2"], (2, 1, lost["w2"].2));
    assert_eq!(answered(&fleet.ask("lost-leases").await), lost);
    let all = ["attempt_failed", "attempt_timed_out", "lease_lapsed", "abandoned", "released"];
    let by_cause = counted(&lines, &all, |line| {
        line["code"].as_str().map_or_else(|| text(line, "reason").to_owned(), str::to_owned)
    });
    assert_eq!((by_cause["store"].0, by_cause["released"].0), (2, 1));
    assert_eq!(answered(&fleet.ask("time-lost").await), by_cause);
    let by_region = counted(&lines, &failed, |_| HOME.to_owned());
    assert_eq!(answered(&fleet.ask("failed-by-region").await), by_region);
    let by_attempt = counted(&lines, &failed, |line| line["attempt"].to_string());
    assert_eq!(answered(&fleet.ask("failed-by-attempt").await), by_attempt);
    let by_version = counted(&lines, &failed, |line| match text(line, "worker") {
        "w1" => "1.0".to_owned(),
        _ => "1.1".to_owned(),
    });
    assert_eq!(answered(&fleet.ask("failed-by-version").await), by_version);

    // What acts on an answer finds the jobs that it speaks of.
    let answer = fleet.ask("failed-by-worker").await;
    let group =
        answer["groups"].as_array().unwrap().iter().find(|group| group["key"] == "w1").unwrap();
    assert_eq!(group["command"], "panofleet retry-all --worker w1 --failed-within 24h");
    let listed = fleet.get(&format!("/v1/jobs?{}", text(group, "query"))).await.ok();
    assert_eq!(listed["jobs"].as_array().unwrap().len() as u64, group["jobs"].as_u64().unwrap());
    // The newest version began after none of it was known: everything that failed since is new.
    let answer = fleet.ask("failed-since-deploy").await;
    assert_eq!((&answer["version"], &answer["since"]), (&json!("1.1"), &json!(now)));
    let since = counted(&lines, &failed, |line| text(line, "failure").to_owned());
    assert_eq!(answered(&answer), since);
    assert!(answer["groups"].as_array().unwrap().iter().all(|group| group["is_new"] == true));
    fleet
        .beat(
            "w4",
            ("1.2", fleet.db.now().await.unwrap() + std::time::Duration::from_secs(9)),
            None,
        )
        .await;
    assert_eq!(fleet.ask("failed-since-deploy").await["groups"], json!([]));
}

#[tokio::test]
async fn what_failed_before_the_newest_version_is_not_new() {
    let fleet = Fleet::start().await;
    let old = fleet.submitted(&json!({})).await;
    fleet.attempt(old, "w1", &away("store")).await;
    fleet.move_back(old, 60_000).await;
    fleet.beat("w1", ("2.0", fleet.db.now().await.unwrap()), None).await;
    for code in ["store", "disk"] {
        let id = fleet.submitted(&json!({})).await;
        fleet.attempt(id, "w1", &away(code)).await;
    }
    let answer = fleet.ask("failed-since-deploy").await;
    let groups = answer["groups"].as_array().unwrap();
    let new: BTreeMap<_, _> =
        groups.iter().map(|group| (text(group, "code"), group["is_new"] == true)).collect();
    assert_eq!(new, BTreeMap::from([("disk", true), ("store", false)]), "{answer:#}");
}

#[tokio::test]
async fn jobs_that_need_a_look_are_found() {
    let fleet = Fleet::start().await;
    let deadline = |deadline: &str| json!({ "deadline": deadline });
    let stuck = fleet.submitted(&deadline("10h")).await;
    fleet.run(stuck).await;
    let waits = fleet.submitted(&deadline("9h")).await;
    fleet.attempt(waits, "w1", &away("store")).await;
    let near = fleet.submitted(&deadline("10m")).await;
    let later = fleet.submitted(&deadline("1h")).await;
    let found = async |query: &str| {
        let answer = fleet.ask(query).await;
        let jobs = answer["jobs"].as_array().unwrap().iter();
        jobs.map(|job| text(job, "id").parse::<JobId>().unwrap()).collect::<Vec<_>>()
    };
    assert!(found("stuck").await.is_empty(), "not for two minutes yet");
    assert_eq!(found("stuck?within=1ms").await, [stuck]);
    assert_eq!(found("deadline-at-risk").await, [near]);
    assert_eq!(found("deadline-at-risk?within=2h").await, [near, later]);
    assert_eq!(found("deadline-at-risk?within=24h").await, [near, later, waits, stuck]);
    assert_eq!(found("deadline-at-risk?within=24h&limit=2").await, [near, later]);
    assert_eq!(found("oldest-queued").await, [near]);
    assert_eq!(found("retries-due?within=1h").await, [waits]);
    fleet.beat("w1", ("1", Timestamp::from_millis(1)), Some(stuck)).await;
    let job = &fleet.ask("stuck?within=1ms").await["jobs"][0];
    assert_eq!((&job["worker"], &job["fraction"]), (&json!("w1"), &json!(0.25)));
    assert_eq!(job["command"], format!("panofleet cancel {stuck}"));

    let shown = fleet.get(&format!("/v1/jobs/{waits}")).await.ok();
    let job = &fleet.ask("retries-due?within=1h").await["jobs"][0];
    assert_eq!((&job["at"], &job["code"]), (&shown["due_at"], &json!("store")));
    let forecast = fleet.ask("retry-forecast?within=1h").await;
    let due = ms(text(&shown, "due_at"));
    for time in forecast["times"].as_array().unwrap() {
        let holds = ms(text(time, "from")) <= due && due < ms(text(time, "to"));
        assert_eq!(time["jobs"], u64::from(holds), "{forecast:#}");
    }
    assert_eq!(forecast["times"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn questions_are_listed_and_what_cannot_be_asked_is_refused() {
    let fleet = Fleet::start().await;
    let list = fleet.get("/v1/questions").await.ok();
    let names = list["questions"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|question| text(question, "name")).collect();
    assert_eq!(names, NAMES);
    let page = fleet.get("/questions").await.text();
    for name in NAMES {
        fleet.ask(name).await;
        let shown = fleet.get(&format!("/questions/{name}")).await;
        assert!(shown.status == 200 && page.contains(&format!("/questions/{name}\"")), "{name}");
    }
    fleet.get("/v1/questions/why").await.problem(404, "question_not_found");
    assert_eq!(fleet.get("/questions/why").await.status, 404);
    for bad in [
        "stuck?within=0s",
        "stuck?within=25h",
        "time-lost?within=169h",
        "oldest-queued?within=1h",
        "stuck?limit=0",
        "stuck?limit=201",
        "stuck?since=1h",
    ] {
        fleet.get(&format!("/v1/questions/{bad}")).await.problem(400, "bad_parameter");
    }
}

#[tokio::test]
async fn nobody_is_told_of_another_tenant_s_jobs() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let submit = async |tenant: &str| -> JobId {
        let (_, key) = fleet.new_key(Some(tenant), &["jobs:write"]).await;
        let made = fleet.post_by(&key, "/v1/jobs", &crate::harness::spec(&json!({}))).await.ok();
        text(&made, "id").parse().unwrap()
    };
    for report in [away("store"), Report::Abandoned] {
        fleet.attempt(submit("acme").await, "w1", &report).await;
    }
    fleet.run(submit("acme").await).await;
    fleet.refuse(submit("acme").await, "ended").await;
    fleet.beat("w1", ("1", Timestamp::from_millis(1)), None).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let (_, other) = fleet.new_key(Some("other"), &["jobs:read"]).await;
    for name in NAMES {
        let within = match name {
            "oldest-queued" | "failed-since-deploy" => "",
            "stuck" => "?within=1ms",
            _ => "?within=24h",
        };
        let path = format!("/v1/questions/{name}{within}");
        let rows = |answer: &Answer| {
            let answer = answer.ok();
            let of = |rows: &str| answer[rows].as_array().map_or(0, Vec::len);
            let times = answer["times"].as_array().into_iter().flatten();
            of("jobs") + of("groups") + times.filter(|time| time["jobs"] != 0).count()
        };
        assert!(rows(&fleet.get_by(&acme, &path).await) > 0, "{name}");
        assert_eq!(rows(&fleet.get_by(&other, &path).await), 0, "{name}");
        assert!(rows(&fleet.get(&path).await) > 0, "{name}: who runs the fleet sees all");
    }
}

#[tokio::test]
async fn a_group_of_failures_has_a_trend_by_the_hour() {
    let fleet = Fleet::start().await;
    for hours_ago in [0, 0, 5, 23, 30] {
        let id = fleet.submitted(&json!({})).await;
        fleet.attempt(id, "w1", &away("store")).await;
        fleet.move_back(id, hours_ago * 3_600_000 + 60_000).await;
    }
    let groups = fleet.get("/v1/failures").await.ok();
    let mut trend = vec![0; 24];
    (trend[23], trend[18], trend[0]) = (2, 1, 1);
    assert_eq!(groups["groups"][0]["trend"], json!(trend));
    let page = fleet.get("/failures").await.text();
    assert!(page.contains("4 attempts failed in the last 24 hours, at most 2 in one"), "{page}");
    assert_eq!(page.matches("<rect").count(), 24, "{page}");
}

#[tokio::test]
async fn two_attempts_stand_side_by_side() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.attempt(id, "w1", &Report::Abandoned).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(!page.contains("side by side"), "there is one only: {page}");
    fleet.attempt(id, "w2", &Report::Abandoned).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(
        page.contains("<th>Attempt 1</th><th>Attempt 2</th>") && !page.contains("<select"),
        "{page}"
    );
    let differs = "<tr class=\"differs\"><th>Worker</th><td>w1</td><td>w2</td></tr>";
    let same = "<tr><th>Came to</th><td>abandoned</td><td>abandoned</td></tr>";
    assert!(page.contains(differs) && page.contains(same), "{page}");
    fleet.attempt(id, "w2", &away("<store>")).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(page.contains("<th>Attempt 2</th><th>Attempt 3</th>"), "the last two: {page}");
    let page = fleet.get(&format!("/view/{id}?attempt=3&with=1")).await.text();
    assert!(page.contains("<th>Attempt 3</th><th>Attempt 1</th>"), "{page}");
    assert!(
        page.contains("details class=\"compare\" open") && page.contains("&lt;store&gt;"),
        "{page}"
    );
    assert!(page.contains("<option selected>3</option>"), "{page}");
    assert_eq!(fleet.get(&format!("/view/{id}?attempt=x")).await.status, 400);
    assert!(
        fleet.get(&format!("/view/{id}?attempt=9")).await.text().contains("<th>Attempt 2</th>")
    );
}

#[tokio::test]
async fn results_that_came_too_late_are_answered_for() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    for why in ["closing", "closing", "ended_claim"] {
        fleet.refuse(id, why).await;
    }
    let answer = fleet.ask("refused-results").await;
    let expected = [("closing".to_owned(), (2, 1, 0)), ("ended_claim".to_owned(), (1, 1, 0))];
    assert_eq!(answered(&answer), expected.into());
    assert_eq!(fleet.ask("time-lost").await["groups"], json!([]), "they cost nobody anything");
}
