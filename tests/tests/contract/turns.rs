//! Who goes next, with the real dispatcher. Nobody says how many slots there are: one message waits at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Failure, JobId, Span, Tenant};
use panofleet_jobs_db::{Pause, PauseTarget};
use panofleet_producer::dispatcher::TenantLimits;

use panofleet_tests::eventually;

use crate::house::{House, PATIENCE};

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// So many jobs, as a worker with one slot gets them.
async fn order(house: &House, jobs: usize) -> Vec<JobId> {
    let mut order = Vec::new();
    for _ in 0..jobs {
        let taken = house.take().await;
        house.claim(&taken).await;
        order.push(taken.message.id.job);
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_tenant_leaves_the_others_their_share() {
    let mut house = House::closed().await;
    house.dispatch.weights = BTreeMap::from([(tenant("paying"), 2)]);
    let (mut flood, mut paying) = (Vec::new(), Vec::new());
    for n in 0..6 {
        flood.push(house.accept_for("flood", n, |_| {}).await);
    }
    for n in 6..10 {
        paying.push(house.accept_for("paying", n, |_| {}).await);
    }
    let urgent = house.accept_for("flood", 10, |spec| spec.priority = Priority::High).await;
    let house = house.start();
    let expected = [
        urgent, flood[0], paying[0], paying[1], flood[1], paying[2], paying[3], flood[2], flood[3],
        flood[4], flood[5],
    ];
    assert_eq!(order(&house, expected.len()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_waited_long_enough_goes_with_the_more_urgent() {
    let house = House::closed().await;
    let normal = house.accept(1).await;
    let low = house.accept_with(2, |spec| spec.priority = Priority::Low).await;
    let aged = house.accept_for("aged", 3, |spec| spec.priority = Priority::Low).await;
    let now = house.db.now().await.unwrap();
    let since = now - house.dispatch.ageing.0 - Duration::from_secs(1);
    house.put(aged, |job| job.state = State::Queued { since }).await;
    let house = house.start();
    assert_eq!(order(&house, 3).await, [aged, normal, low]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_at_its_limit_waits_and_the_others_do_not() {
    let mut house = House::closed().await;
    house.dispatch.tenant_jobs_max = Some(1);
    house.dispatch.tenants = BTreeMap::from([(tenant("b"), TenantLimits { jobs_max: 2 })]);
    house.dispatch.queue_jobs_max = Some(4);
    let mut jobs = BTreeMap::new();
    for (n, who) in (0..).zip(["a", "a", "b", "b", "b", "c", "d"]) {
        jobs.entry(who).or_insert_with(Vec::new).push(house.accept_for(who, n, |_| {}).await);
    }
    let house = house.start();
    let first = house.take().await;
    let claim = house.claim(&first).await;
    assert_eq!(first.message.id.job, jobs["a"][0]);
    assert_eq!(order(&house, 3).await, [jobs["b"][0], jobs["c"][0], jobs["d"][0]]);
    assert!(house.nothing_to_take().await, "the queue has its limit");
    let rejected = || Report::Failed { failure: Failure::rejected("broken", "upload it again") };
    house.report(&first, claim, rejected()).await;
    let next = house.take().await;
    assert_eq!(next.message.id.job, jobs["a"][1], "its place is free again");
    let claim = house.claim(&next).await;
    assert!(house.nothing_to_take().await);
    house.report(&next, claim, rejected()).await;
    assert_eq!(order(&house, 1).await, [jobs["b"][1]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_a_tenant_holds_with_room_in_the_queue() {
    let mut house = House::closed().await;
    house.dispatch.tenant_jobs_max = Some(2);
    for n in 0..4 {
        house.accept(n).await;
    }
    let house = house.start();
    order(&house, 2).await;
    assert!(house.nothing_to_take().await, "two are running");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_gets_nothing_and_what_was_sent_runs_on() {
    let house = House::open().await;
    let sent = house.accept_for("a", 1, |_| {}).await;
    let taken = house.take().await;
    let pause = async |kind, name| {
        let target = PauseTarget::new(kind, name).unwrap();
        let since = house.db.now().await.unwrap();
        house
            .db
            .pause(&Pause { target: target.clone(), since, reason: String::new() })
            .await
            .unwrap();
        target
    };
    let acme = pause("tenant", "a").await;
    // A turn that began before the pause may still send; one that begins with this job does not.
    let other = house.accept_for("b", 2, |_| {}).await;
    house.claim(&taken).await;
    house.until(sent, "it runs on", |job| job.state.name() == "running").await;
    let held = house.accept_for("a", 0, |_| {}).await;
    assert_eq!(order(&house, 1).await, [other]);
    assert!(house.nothing_to_take().await, "the tenant is paused");
    for (kind, name) in [("region", "local"), ("lane", "local.image")] {
        let queue = pause(kind, name).await;
        if kind == "region" {
            house.db.resume(&acme).await.unwrap();
        }
        assert!(house.nothing_to_take().await, "the {kind} is paused");
        if kind == "lane" {
            house.db.resume(&PauseTarget::new("region", "local").unwrap()).await.unwrap();
            assert!(house.nothing_to_take().await, "the {kind} still is");
            house.db.resume(&queue).await.unwrap();
        }
    }
    assert_eq!(order(&house, 1).await, [held]);
}

/// A window that is nearly full waits until there is more room, and is filled in one step then.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_nearly_full_is_left_alone() {
    let mut house = House::closed().await;
    house.policy.lease = Span::from_secs(600);
    for n in 0..200 {
        house.accept(n).await;
    }
    let house = house.start();
    house.arrive(64).await;
    let sent = async || {
        let queue = (house.queue.region.clone(), house.queue.lane);
        house.db.outlook(&[queue], None).await.unwrap().queues[0].sent
    };
    let until = async |expected: u32| {
        let what = format!("{expected} are sent");
        eventually(&what, PATIENCE, async || (sent().await == expected).then_some(())).await;
    };
    until(64).await;
    // An eighth of 64 is 8: with room for 7, nobody goes.
    order(&house, 7).await;
    until(57).await;
    order(&house, 1).await;
    until(64).await;
}
