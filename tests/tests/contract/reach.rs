//! Regions whose workers fall silent together. The test plays workers of both regions.

use std::sync::Arc;

use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Attempt, ClaimId, Job, JobId, Span, Timestamp};
use panofleet_objects::manifest::Published;
use panofleet_service::telemetry;
use panofleet_tests::eventually;
use serde_json::Value;

use crate::house::{House, PATIENCE, Taken};
use crate::regions::{beside_far_worker, hopped, routed};
use crate::{is_running, manifest_of};

/// The worker of the first region that runs nothing; the other one is number 1.
const IDLE: u32 = 4;

/// A job that the first of the first region's two workers runs. From here on neither says anything by itself.
async fn running(house: &House) -> (JobId, Taken, ClaimId) {
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
    house.beat(&taken, claim).await;
    house.worker_is_there(IDLE, &house.queue.region).await;
    eventually("both are known", PATIENCE, async || {
        (house.db.workers().await.unwrap().len() >= 2).then_some(())
    })
    .await;
    (id, taken, claim)
}

fn excused_at(job: &Job) -> Option<Timestamp> {
    match &job.state {
        State::Running { claims, .. } => claims.first()?.excused_at,
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_cut_off_for_longer_than_a_lease_is_not_sent_again() {
    let house = House::open().await;
    let (id, taken, claim) = running(&house).await;
    let cut_off = async {
        let excused = house.until(id, "its lease is over", |job| excused_at(job).is_some()).await;
        // Who leads from now on comes to the same conclusion.
        house.restart_dispatcher().await;
        let later = |job: &Job| excused_at(job) > excused_at(&excused);
        house.until(id, "it is over once more", later).await;
        // Back: the other worker is heard of first, and this one a while later.
        house.worker_is_there(IDLE, &house.queue.region).await;
        assert!(house.nothing_to_take().await);
    };
    beside_far_worker(&house, cut_off).await;
    let job = house.until(id, "it still runs", is_running).await;
    let published = house.publish(&manifest_of(&job, claim)).await;
    let Published::Won(manifest) = published else { panic!("{published:?}") };
    house.report(&taken, claim, Report::Succeeded { manifest }).await;
    let job = house.until(id, "it succeeds", |job| job.state.is_terminal()).await;
    assert_eq!((job.counters.last_attempt, job.counters.losses), (1, 0));
    assert_eq!(house.reasons(id).await, ["dispatched", "claimed", "succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_with_a_region_that_is_cut_off_ends() {
    let mut house = House::closed().await;
    house.policy.region_patience = Span::from_secs(4);
    let house = house.start();
    let (id, taken, _) = running(&house).await;
    let heard_at = house.db.workers().await.unwrap().iter().map(|row| row.beat_at).max().unwrap();
    let again = house.take().await;
    assert_eq!((again.message.id.job, again.message.id.attempt), (id, Attempt(2)));
    assert!(house.db.now().await.unwrap().since(heard_at) >= house.policy.region_patience.0);
    assert!(house.control_of(id).await.forbids_start(taken.message.id));
    assert_eq!(house.job(id).await.counters.losses, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_region_that_is_cut_off_goes_on_to_another() {
    let house = House::open().await;
    let (id, ..) = running(&house).await;
    house.until(id, "its lease is over", |job| excused_at(job).is_some()).await;
    let waiting = routed(&house, 2).await;
    let taken = hopped(&house).await;
    assert_eq!((taken.message.id.job, &taken.message.region), (waiting, &house.far.region));
    house.until(id, "the other still runs", is_running).await;
}

/// On one thread, so that everything that is said is said to this test's log.
#[tokio::test]
async fn it_is_said_that_a_region_is_cut_off_and_that_it_is_back() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(file.reopen().unwrap());
    let _log = telemetry::capture("warn,panofleet=info", writer).unwrap();
    let said = |level: &str, what: &str| {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_said = |line: &Value| {
            line["level"] == level && line["message"].as_str().is_some_and(|m| m.contains(what))
        };
        lines.filter(is_said).map(|line| line["region"].clone()).collect::<Vec<_>>()
    };
    let house = House::open().await;
    let (id, taken, claim) = running(&house).await;
    let unreachable = eventually("it is cut off", PATIENCE, async || {
        Some(said("WARN", "region is unreachable")).filter(|said| !said.is_empty())
    });
    assert_eq!(beside_far_worker(&house, unreachable).await, ["local"]);
    eventually("it is back", PATIENCE, async || {
        house.beat(&taken, claim).await;
        house.worker_is_there(IDLE, &house.queue.region).await;
        Some(said("INFO", "region is heard of again")).filter(|said| *said == ["local"])
    })
    .await;
    assert!(is_running(&house.job(id).await));
    assert_eq!(said("WARN", "region"), ["local"], "said once");
}
