//! What a job looks like from outside in each of its states.

use std::time::Duration;

use panofleet_job_schema::lifecycle::{Event, Horizon};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{ClaimId, Failure, Job, JobId, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::Fleet;
use crate::results::tiles;

/// A job as the API shows it, a line for each field; what differs from run to run is blanked.
async fn shown(fleet: &Fleet, id: JobId) -> Vec<String> {
    let mut job = fleet.get(&format!("/v1/jobs/{id}")).await.ok();
    blank(&mut job, &id.to_string());
    job.as_object().unwrap().iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

/// Replaces times, traces and the job's id.
fn blank(value: &mut Value, id: &str) {
    match value {
        Value::String(text) if text.contains(id) => *text = text.replace(id, "<id>"),
        Value::String(text) if text.starts_with("20") && text.ends_with('Z') => {
            "<time>".clone_into(text);
        }
        Value::String(text) if text.starts_with("00-") => "<trace>".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| blank(item, id)),
        Value::Object(fields) => fields.values_mut().for_each(|field| blank(field, id)),
        _ => {}
    }
}

/// A job that was just submitted, and what is shown of it.
async fn queued(fleet: &Fleet) -> (JobId, Vec<String>) {
    let id = fleet.submitted(&json!({ "labels": { "album": "42" } })).await;
    (id, shown(fleet, id).await)
}

/// The fields that are not as in the job that was just submitted; one that is gone has a minus.
async fn news(fleet: &Fleet, (id, before): &(JobId, Vec<String>)) -> String {
    let now = shown(fleet, *id).await;
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let gone = before
        .iter()
        .map(|line| name(line))
        .filter(|old| now.iter().all(|line| name(line) != *old));
    let gone: Vec<String> = gone.map(|name| format!("-{name}")).collect();
    let new = now.iter().filter(|line| !before.contains(line)).cloned();
    new.chain(gone).collect::<Vec<_>>().join("\n")
}

/// A timer that is due this long before the deadline.
fn tick(before_deadline: Duration) -> impl Fn(Timestamp, &Job) -> Event + Send + Sync {
    move |_, job| Event::Tick {
        now: job.deadline_at - before_deadline,
        horizon: Horizon::default(),
    }
}

#[tokio::test]
async fn a_job_that_was_just_submitted() {
    let fleet = Fleet::start().await;
    insta::assert_snapshot!(queued(&fleet).await.1.join("\n"), @r##"
    accepted_at: "<time>"
    counters: {"before_generation":0,"charged":0,"crashes":0,"last_attempt":0,"losses":0,"releases":0}
    deadline_at: "<time>"
    generation: 1
    id: "<id>"
    labels: {"album":"42"}
    lane: "image"
    links: {"history":"/v1/jobs/<id>/history","self":"/v1/jobs/<id>","view":"/view/<id>"}
    max_attempts: 5
    outputs: {"tiles":{"background":"#000000","base_url":null,"center_pitch_deg":null,"eye":"left","format":"jpeg","haov_deg":null,"icc":"srgb","layout":"cube","op":"pano.tiles","phone_px":4096,"projection":null,"quality":85,"quality_report":true,"stereo":"auto","vaov_deg":null}}
    priority: "normal"
    region: "home"
    since: "<time>"
    source: "https://example.com/reef.jpg"
    state: "queued"
    tenant: "default"
    timeout: "10m"
    trace: "<trace>"
    version: 1
    "##);
}

#[tokio::test]
async fn a_job_on_its_way_to_a_result() {
    let fleet = Fleet::start().await;
    let job = queued(&fleet).await;
    fleet.send(job.0).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 1
    counters: {"before_generation":0,"charged":0,"crashes":0,"last_attempt":1,"losses":0,"releases":0}
    sent_at: "<time>"
    state: "sent"
    version: 3
    -since
    "#);
    let claim = ClaimId(Uuid::new_v4());
    fleet.report(job.0, claim, &Report::Claimed).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 1
    claims: [{"attempt":1,"claimed_at":"<time>","worker":"w1"}]
    counters: {"before_generation":0,"charged":0,"crashes":0,"last_attempt":1,"losses":0,"releases":0}
    state: "running"
    version: 4
    -since
    "#);
    let failure = Failure::transient("store_away", "the store did not answer");
    fleet.report(job.0, claim, &Report::Failed { failure }).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 1
    counters: {"before_generation":0,"charged":1,"crashes":0,"last_attempt":1,"losses":0,"releases":0}
    due_at: "<time>"
    failure: {"class":"transient","code":"store_away","fingerprint":"2ab2108694462faf","message":"the store did not answer"}
    state: "waiting"
    version: 5
    -since
    "#);
    fleet.apply(job.0, tick(Duration::from_secs(3600))).await;
    fleet.succeed(job.0, &[tiles()]).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 2
    counters: {"before_generation":0,"charged":1,"crashes":0,"last_attempt":2,"losses":0,"releases":0}
    finished_at: "<time>"
    links: {"history":"/v1/jobs/<id>/history","manifest":"/v1/jobs/<id>/manifest","outputs":{"tiles":"/o/<id>.1/tiles/"},"self":"/v1/jobs/<id>","view":"/view/<id>"}
    result: {"attempt":2,"files":3,"outputs":1,"total_bytes":14}
    state: "succeeded"
    version: 10
    -since
    "#);
}

#[tokio::test]
async fn jobs_that_end_without_a_result() {
    let fleet = Fleet::start().await;
    let job = queued(&fleet).await;
    fleet.reject(job.0).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 1
    counters: {"before_generation":0,"charged":1,"crashes":0,"last_attempt":1,"losses":0,"releases":0}
    failure: {"class":"rejected","code":"not_a_picture","fingerprint":"73df97b6585cf26f","message":"the source is not a picture"}
    finished_at: "<time>"
    reason: "rejected"
    state: "dead"
    version: 6
    -since
    "#);

    let job = queued(&fleet).await;
    fleet.run(job.0).await;
    fleet.apply(job.0, |now, _| Event::CancelRequested { now }).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 1
    counters: {"before_generation":0,"charged":0,"crashes":0,"last_attempt":1,"losses":0,"releases":0}
    state: "closing"
    target: "cancelled"
    version: 5
    -since
    "#);
    fleet.apply(job.0, |now, job| Event::Sealed { generation: job.generation, now }).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    attempt: 1
    counters: {"before_generation":0,"charged":0,"crashes":0,"last_attempt":1,"losses":0,"releases":0}
    finished_at: "<time>"
    state: "cancelled"
    version: 6
    -since
    "#);

    let job = queued(&fleet).await;
    fleet.apply(job.0, tick(Duration::ZERO)).await;
    insta::assert_snapshot!(news(&fleet, &job).await, @r#"
    finished_at: "<time>"
    state: "expired"
    version: 2
    -since
    "#);
}
