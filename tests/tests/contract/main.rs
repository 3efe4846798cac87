//! The delivery contract, with the real dispatcher and collector over real adapters. The test plays the worker:
//! it takes messages, says what workers say, and falls silent when a worker would.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bulk;
mod deletions;
mod families;
mod house;
mod letters;
mod logs;
mod metrics;
mod reach;
mod regions;
mod retention;
mod schedules;
mod turns;

use std::time::Duration;

use house::{House, PATIENCE};
use panofleet_bus::{Bus as _, CopyFate};
use panofleet_job_schema::job::{Claim, CloseTarget, DeadReason, State};
use panofleet_job_schema::lifecycle::{Event, decide};
use panofleet_job_schema::manifest::{Manifest, SourceRecord};
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Attempt, ErrorClass, Failure, Job, Timestamp};
use panofleet_jobs_db::{Batch, JobWrite, SetbackFilter, SetbackKey, SetbackKind};
use panofleet_objects::manifest::{self, Published};
use panofleet_tests::eventually;

/// The database does not take where a message lies.
const NO_PLACES: &str = "CREATE TRIGGER no_places BEFORE UPDATE ON jobs
    WHEN json_extract(new.doc, '$.state.placement') IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'no places'); END";

fn is_running(job: &Job) -> bool {
    matches!(job.state, State::Running { .. })
}

fn manifest_of(job: &Job, claim: panofleet_job_schema::ClaimId) -> Manifest {
    let media = MediaInfo { container: "jpeg".into(), bytes: 1, ..MediaInfo::default() };
    Manifest {
        schema: 1,
        job: job.id,
        generation: job.generation,
        attempt: Attempt(1),
        claim,
        worker: house::worker(1),
        region: job.region.clone(),
        finished_at: Timestamp::from_millis(0),
        source: SourceRecord { bytes: 1, sha256: "00".into(), media },
        outputs: Default::default(),
        steps: Vec::new(),
        warnings: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_acceptance_to_its_end() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
    let job = house.job(id).await;
    let published = house.publish(&manifest_of(&job, claim)).await;
    let Published::Won(summary) = published else { panic!("{published:?}") };
    house.report(&taken, claim, Report::Succeeded { manifest: summary.clone() }).await;
    let job = house.until(id, "it succeeds", |job| job.state.is_terminal()).await;
    assert_eq!(job.state, State::Succeeded { manifest: summary });
    let reasons = house.reasons(id).await;
    assert_eq!(reasons, ["dispatched", "claimed", "succeeded"]);
}

/// The dispatcher died after it had committed `Sent` and before it produced.
#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_was_committed_and_never_made_is_made() {
    let house = House::closed().await;
    let id = house.accept(1).await;
    let found = house.db.get(&[id]).await.unwrap().pop().unwrap();
    let now = house.db.now().await.unwrap();
    let sent = decide(&found.job, &Event::Dispatched { now }, &house.policy).unwrap();
    let jobs = vec![JobWrite::of(&sent, found.version, now, &house.policy)];
    house.db.commit(Batch { jobs, ..Batch::default() }).await.unwrap();
    let house = house.start();
    let taken = house.take().await;
    assert_eq!(taken.message.id, sent.job.attempt_id(Attempt(1)), "the same attempt, not another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_worker_s_job_is_sent_again_and_its_old_message_superseded() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let first = house.take().await;
    let claim = house.claim(&first).await;
    house.until(id, "it runs", is_running).await;
    // No heartbeat ever comes.
    let second = house.take().await;
    assert_eq!((second.message.id.job, second.message.id.attempt), (id, Attempt(2)));
    let control = house.control_of(id).await;
    assert!(control.forbids_start(first.message.id) && !control.forbids_start(second.message.id));
    assert_eq!(house.job(id).await.counters.losses, 1);
    // It was alive after all, and finished first.
    let job = house.job(id).await;
    let Published::Won(manifest) = house.publish(&manifest_of(&job, claim)).await else { panic!() };
    house.report(&first, claim, Report::Succeeded { manifest }).await;
    let job = house.until(id, "it succeeds", |job| job.state.is_terminal()).await;
    assert_eq!((job.state.name(), job.counters.losses), ("succeeded", 0));
}

/// Heartbeats are in the log, and nobody applies them: silence means nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_collector_resends_nothing() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
    house.stop_collector().await;
    let begun = house.db.now().await.unwrap();
    while house.db.now().await.unwrap().since(begun) < 3 * house.policy.lease.0 {
        house.beat(&taken, claim).await;
        tokio::time::sleep(house.policy.heartbeat.0).await;
    }
    assert!(is_running(&house.job(id).await), "{:?}", house.reasons(id).await);
    house.start_collector();
    house.beat(&taken, claim).await;
    let begun = house.db.now().await.unwrap();
    while house.db.now().await.unwrap().since(begun) < house.policy.lease.0 / 2 {
        house.beat(&taken, claim).await;
        tokio::time::sleep(house.policy.heartbeat.0).await;
    }
    assert!(is_running(&house.job(id).await), "{:?}", house.reasons(id).await);
    // And when heartbeats really end, the lease does too.
    house.until(id, "the lease lapses", |job| job.counters.losses == 1).await;
}

/// A worker acknowledged and died before its `Claimed` was anywhere: the copy is provably gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_vanished_is_sent_again() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    house.acknowledge(&taken).await;
    let placement = taken.received.receipt.placement;
    assert_eq!(house.bus.copy_fate(&house.queue, placement).await.unwrap(), CopyFate::Gone);
    let again = house.take().await;
    assert_eq!((again.message.id.job, again.message.id.attempt), (id, Attempt(2)));
    assert_eq!(house.job(id).await.counters.charged, 0, "nobody's failure");
}

/// A message that waits for a worker is left alone, however long that takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_in_the_queue_is_not_sent_twice() {
    let house = House::open().await;
    let id = house.accept(1).await;
    house
        .until(id, "it is sent", |job| matches!(job.state, State::Sent { placement: Some(_), .. }))
        .await;
    let begun = house.db.now().await.unwrap();
    while house.db.now().await.unwrap().since(begun) < 4 * house.policy.queue_timeout.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(house.reasons(id).await, ["dispatched"]);
    house.take().await;
    assert!(house.nothing_to_take().await);
}

/// A database that cannot be written while a message is on its way costs no second copy of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_in_time_is_written_later() {
    let house = House::open().await;
    house.sql(NO_PLACES).await;
    let id = house.accept(1).await;
    let since = |job: &Job| match job.state {
        State::Sent { sent_at, .. } => Some(sent_at),
        _ => None,
    };
    let sent = house.until(id, "it is sent", |job| since(job).is_some()).await;
    let begun = since(&sent).unwrap();
    while house.db.now().await.unwrap().since(begun) < 8 * house.policy.place_timeout.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    house.sql("DROP TRIGGER no_places").await;
    house
        .until(id, "it has a place", |job| {
            matches!(job.state, State::Sent { placement: Some(_), .. })
        })
        .await;
    assert_eq!(house.reasons(id).await, ["dispatched"]);
    house.take().await;
    assert!(house.nothing_to_take().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_small_and_the_urgent_go_first() {
    let house = House::closed().await;
    let mut normal = Vec::new();
    for n in 0..4 {
        normal.push(house.accept(n).await);
    }
    let urgent = house
        .accept_with(9, |spec| spec.priority = panofleet_job_schema::spec::Priority::High)
        .await;
    let house = house.start();
    // Nobody has said how many slots there are: one message at a time.
    let first = house.take().await;
    assert_eq!(first.message.id.job, urgent, "the last to come, and the first to go");
    house.claim(&first).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        let queue = (house.queue.region.clone(), house.queue.lane);
        assert!(house.db.outlook(&[queue], Some(Duration::MAX)).await.unwrap().queues[0].sent <= 1);
        let taken = house.take().await;
        house.claim(&taken).await;
        order.push(taken.message.id.job);
    }
    assert_eq!(order, normal);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_seals_first_and_a_manifest_that_is_there_wins() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
    house.cancel(id).await;
    let job = house.until(id, "it ends", |job| job.state.is_terminal()).await;
    assert_eq!(job.state, State::Cancelled);
    // The worker finishes all the same, too late.
    assert_eq!(house.publish(&manifest_of(&job, claim)).await, Published::Sealed);
    assert_eq!(manifest::read(&house.objects, &job.manifest_address()).await.unwrap(), None);
    assert!(house.control_of(id).await.stops(taken.message.id));
    // What it says of it is refused, and somebody may ask about that.
    let failure = Failure::transient("late", "it was too late");
    house.report(&taken, claim, Report::Failed { failure }).await;
    let filter = SetbackFilter {
        tenant: None,
        kinds: &[SetbackKind::Refused],
        since: Timestamp::from_millis(0),
        until: None,
    };
    let refused = eventually("its word is refused", PATIENCE, async || {
        let report = house.db.setbacks(&filter, SetbackKey::Cause, 9).await.unwrap();
        report.groups.into_iter().next()
    })
    .await;
    assert_eq!((refused.key.as_str(), refused.attempts), ("ended", 1));

    let id = house.accept(2).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    let job = house.until(id, "it runs", is_running).await;
    let Published::Won(summary) = house.publish(&manifest_of(&job, claim)).await else { panic!() };
    house.cancel(id).await;
    let job = house.until(id, "it ends", |job| job.state.is_terminal()).await;
    assert_eq!(job.state, State::Succeeded { manifest: summary });
    assert!(house.reasons(id).await.contains(&"cancel_lost_race".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_a_store_that_is_away() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    house.claim(&taken).await;
    house.until(id, "it runs", is_running).await;
    house.stop_store().await;
    house.cancel(id).await;
    let closing =
        |job: &Job| matches!(job.state, State::Closing { target: CloseTarget::Cancelled, .. });
    house.until(id, "it is closing", closing).await;
    let begun = house.db.now().await.unwrap();
    while house.db.now().await.unwrap().since(begun) < 3 * house.policy.seal_retry.0 {
        assert!(closing(&house.job(id).await), "no end without a seal");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    house.start_store().await;
    house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await;
}

/// Each seal that waits for the store takes its time; nobody else's job waits behind them.
#[tokio::test(flavor = "multi_thread")]
async fn closing_jobs_hold_up_nobody() {
    let house = House::open().await;
    let mut closing = Vec::new();
    for n in 0..30 {
        closing.push(house.accept(n).await);
        house.claim(&house.take().await).await;
    }
    let _deaf = house.deafen_store().await;
    for id in &closing {
        house.cancel(*id).await;
    }
    let first_closing = house.job(closing[0]).await;
    house.until(first_closing.id, "a seal was tried", |job| *job != first_closing).await;
    let id = house.accept(99).await;
    // Leases may have lapsed on a slow machine, and their jobs be sent again.
    let its_turn = async { while house.take().await.message.id.job != id {} };
    // One after the other, the seals would take thirty times `seal_retry`.
    let gone_out = tokio::time::timeout(10 * house.policy.seal_retry.0, its_turn).await;
    gone_out.expect("the next job goes out meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_retried_and_bad_input_is_not() {
    let house = House::open().await;
    let id = house.accept(1).await;
    for attempt in 1..=5 {
        let taken = house.take().await;
        assert_eq!(taken.message.id.attempt, Attempt(attempt));
        let claim = house.claim(&taken).await;
        let failure =
            Failure::new(ErrorClass::Transient, "store_unavailable", "the store was away");
        house.report(&taken, claim, Report::Failed { failure }).await;
    }
    let job = house.until(id, "it is dead", |job| job.state.is_terminal()).await;
    assert_eq!(job.state, State::Dead { reason: DeadReason::AttemptsExhausted });
    assert_eq!(job.failure.unwrap().code, "store_unavailable");

    let id = house.accept(2).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    let failure = Failure::rejected("file_truncated", "upload it again");
    house.report(&taken, claim, Report::Failed { failure }).await;
    let job = house.until(id, "it is dead", |job| job.state.is_terminal()).await;
    assert_eq!(job.state, State::Dead { reason: DeadReason::Rejected });
}

/// What cannot be applied is kept with the reason, and everything behind it is applied.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_can_use_go_to_the_dead_letters() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let partition = taken.message.events_partition;
    house.bus.publish_events(vec![(partition, "garbage".into())]).await.unwrap();
    house.bus.publish_events(vec![(partition, "pf7 k 00\n{}".into())]).await.unwrap();
    let mut forged = taken.clone();
    forged.message.id.attempt = Attempt(9);
    house.report(&forged, house::claim_id(), Report::Claimed).await;
    forged.message.id.job = house::job_id(99);
    house.report(&forged, house::claim_id(), Report::Claimed).await;
    house.claim(&taken).await;
    house.until(id, "the good event behind them is applied", is_running).await;
    let letters = house.bus.dead_letters(10).await.unwrap();
    let reasons: Vec<_> = letters.iter().rev().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert!(reasons[0].contains("not an envelope"), "{reasons:?}");
    assert!(reasons[1].contains("version 7"), "{reasons:?}");
    assert_eq!(reasons[2], "the attempt was never sent");
    assert_eq!(reasons[3], "the job is not known");
    assert_eq!(letters[3].payload, "garbage");
}

/// Each letter is written before the commit that could be lost, and once however often it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_writes_no_letter_twice() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    house.stop_collector().await;
    let mut forged = taken.clone();
    forged.message.id.attempt = Attempt(9);
    house.report(&forged, house::claim_id(), Report::Claimed).await;
    house.claim(&taken).await;
    // Somebody else is faster, between the letter and the commit of what stood behind it.
    house
        .sql(
            "CREATE TRIGGER race AFTER INSERT ON bus_dead_letters
             BEGIN UPDATE jobs SET version = version + 1; END",
        )
        .await;
    house.start_collector();
    house.until(id, "the good event is applied", is_running).await;
    let letters = house.bus.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
}

/// A database from another time than the log: going on would lose or repeat work.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_out_of_step_stops_the_collector() {
    let house = House::closed().await;
    let log_id = house.bus.event_log_id().await.unwrap();
    let offset = panofleet_jobs_db::OffsetAdvance { log_id, partition: 0, from: 0, to: 7 };
    house.db.commit(Batch { offset: Some(offset), ..Batch::default() }).await.unwrap();
    let ended = house.collector().run(Default::default()).await;
    let said = ended.unwrap_err().to_string();
    assert!(said.contains("applied up to 7") && said.contains("another time"), "{said}");
}

/// While nobody collects, no lease may lapse. Jobs that wait for that hold up nobody else's timer.
#[tokio::test(flavor = "multi_thread")]
async fn timers_that_may_not_fire_hold_up_no_others() {
    let house = House::closed().await;
    for n in 1..=600 {
        house.accept(n).await;
        let id = house::job_id(n);
        let silent = |job: &mut Job| {
            let renewed_at = Timestamp::from_millis(0);
            let claim = Claim {
                claim: house::claim_id(),
                attempt: Attempt(1),
                worker: house::worker(1),
                heartbeat_partition: 1,
                claimed_at: renewed_at,
                renewed_at,
                excused_at: None,
            };
            job.counters.last_attempt = 1;
            job.state = State::Running { claims: vec![claim], placement: None };
        };
        house.put(id, silent).await;
    }
    let id = house.accept(601).await;
    let now = house.db.now().await.unwrap();
    house.put(id, |job| job.state = State::Waiting { due_at: now }).await;
    let house = house.start_dispatcher();
    let taken = house.take().await;
    assert_eq!(taken.message.id.job, id);
    assert!(is_running(&house.job(house::job_id(1)).await), "nothing is concluded from silence");
}

/// A job that is to start later is sent when it is due, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_starts_later_is_sent_at_its_time() {
    let house = House::open().await;
    let start_at = house.db.now().await.unwrap() + Duration::from_millis(700);
    let later = house.accept_with(1, |spec| spec.start_at = Some(start_at)).await;
    let at_once = house.accept(2).await;
    let first = house.take().await;
    assert_eq!(first.message.id.job, at_once);
    house.claim(&first).await;
    assert_eq!(house.take().await.message.id.job, later);
    assert!(house.db.now().await.unwrap() >= start_at);
    assert_eq!(house.reasons(later).await[..2], ["due", "dispatched"]);
}
