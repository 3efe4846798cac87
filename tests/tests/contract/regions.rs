//! Jobs that go on to another region. The test plays workers of both.

use std::time::Duration;

use panofleet_bus::Bus as _;
use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Attempt, ClaimId, Job, JobId, JobSpec, Span};
use panofleet_jobs_db::{Pause, PauseTarget};
use panofleet_objects::manifest::Published;

use crate::house::{House, Taken, claim_id};
use crate::{is_running, manifest_of};

const HOP_AFTER: Span = Span::from_millis(600);

/// Accepts a job that may run in both regions, and begins in the first.
pub(crate) async fn routed(house: &House, n: u128) -> JobId {
    let regions = vec![house.queue.region.clone(), house.far.region.clone()];
    let change = |spec: &mut JobSpec| {
        (spec.regions, spec.hop_after) = (regions, Some(HOP_AFTER));
    };
    house.accept_with(n, change).await
}

/// What comes of it while a worker of the second region is there.
pub(crate) async fn beside_far_worker<T>(house: &House, what: impl Future<Output = T>) -> T {
    let beats = async {
        loop {
            house.worker_is_there(2, &house.far.region).await;
            tokio::time::sleep(house.policy.heartbeat.0).await;
        }
    };
    tokio::select! {
        what = what => what,
        () = beats => unreachable!("it never ends"),
    }
}

/// The message that has gone on to the second region.
pub(crate) async fn hopped(house: &House) -> Taken {
    beside_far_worker(house, house.take_far()).await
}

pub(crate) async fn succeed(house: &House, taken: &Taken, claim: ClaimId) {
    let job = house.job(taken.message.id.job).await;
    let Published::Won(manifest) = house.publish(&manifest_of(&job, claim)).await else {
        panic!("somebody else was first")
    };
    house.report(taken, claim, Report::Succeeded { manifest }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_region_s_queued_jobs_move_and_pinned_ones_wait() {
    let house = House::closed().await;
    let near = house.queue.region.clone();
    let since = house.db.now().await.unwrap();
    let target = PauseTarget::Region(near.clone());
    house.db.pause(&Pause { target, since, reason: "maintenance".into() }).await.unwrap();
    let house = house.start();
    let (id, pinned) = (routed(&house, 1).await, house.accept(2).await);
    let before = house.job(id).await.manifest_address();
    let taken = hopped(&house).await;
    assert_eq!(taken.message.id.job, id);
    assert_eq!(taken.message.id.attempt, Attempt(1), "it was sent nowhere before");
    assert_eq!(taken.message.region, house.far.region);
    assert_eq!(taken.message.manifest, before, "its result lies where it was to lie");
    let claim = house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
    succeed(&house, &taken, claim).await;
    house.until(id, "it succeeds", |job| job.state.is_terminal()).await;
    assert_eq!(house.reasons(id).await[0], "hopped");
    let pinned = house.job(pinned).await;
    assert_eq!((pinned.state.name(), pinned.region), ("queued", near));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_returns_publishes_nothing_twice() {
    let house = House::open().await;
    let id = routed(&house, 1).await;
    let old = house.take().await; // Received, and then its region is cut off.
    let new = hopped(&house).await;
    assert_eq!((new.message.id.job, new.message.id.attempt), (id, Attempt(2)));
    let control = house.control_of(id).await;
    assert!(control.forbids_start(old.message.id), "the old region is told, in its own words");
    let new_claim = house.claim(&new).await;
    house.until(id, "it runs", is_running).await;
    // The region is back, and starts what it has: its word counts for its attempt.
    let old_claim = house.claim(&old).await;
    let both = |job: &Job| matches!(&job.state, State::Running { claims, .. } if claims.len() == 2);
    house.until(id, "both hold it", both).await;
    succeed(&house, &old, old_claim).await;
    let job = house.until(id, "it succeeds", |job| job.state.is_terminal()).await;
    let State::Succeeded { manifest } = &job.state else { panic!("{job:?}") };
    assert_eq!(manifest.claim, old_claim);
    // The other finds that, and reports the winner's.
    let second = house.publish(&manifest_of(&job, new_claim)).await;
    assert!(matches!(&second, Published::Other(won) if won.claim == old_claim), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_that_is_claimed_first_keeps_the_job() {
    let house = House::open().await;
    let id = routed(&house, 1).await;
    let old = house.take().await;
    let is_far = |job: &Job| job.region == house.far.region;
    beside_far_worker(&house, house.until(id, "it has gone on", is_far)).await;
    let claim = house.claim(&old).await;
    let job = house.until(id, "it runs", is_running).await;
    assert_eq!(job.region, old.message.region, "where it runs");
    succeed(&house, &old, claim).await;
    house.until(id, "it succeeds", |job| job.state.is_terminal()).await;
}

/// Each region has a key of its own, and says nothing of what was sent to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_s_word_counts_only_for_what_was_sent_there() {
    let house = House::open().await;
    let id = routed(&house, 1).await;
    let old = house.take().await;
    let new = hopped(&house).await;
    // The old region claims to have finished the new attempt, and the new one the old.
    let (mut forged, mut other) = (old.clone(), new.clone());
    forged.message.id.attempt = new.message.id.attempt;
    other.message.id.attempt = old.message.id.attempt;
    house.report(&forged, claim_id(), Report::Claimed).await;
    house.report(&other, claim_id(), Report::Claimed).await;
    house.beat(&forged, claim_id()).await;
    let claim = house.claim(&new).await;
    let job = house.until(id, "the good claim behind them counts", is_running).await;
    let State::Running { claims, .. } = &job.state else { panic!("{job:?}") };
    assert_eq!(claims.iter().map(|held| held.claim).collect::<Vec<_>>(), [claim]);
    let letters = house.bus.dead_letters(10).await.unwrap();
    let reasons: Vec<_> = letters.iter().rev().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("sent to far, signed with a key of local"), "{reasons:?}");
    assert!(reasons[1].contains("sent to local, signed with a key of far"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_stays_where_no_other_region_takes_jobs() {
    let house = House::open().await;
    let id = routed(&house, 1).await;
    let taken = house.take().await;
    let begun = house.db.now().await.unwrap();
    while house.db.now().await.unwrap().since(begun) < 3 * HOP_AFTER.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(house.reasons(id).await, ["dispatched"]);
    house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
}
