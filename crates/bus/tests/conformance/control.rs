//! Control records.

use std::time::{Duration, Instant};

use bytes::Bytes;
use panofleet_bus::{Bus, ControlFollower};
use panofleet_job_schema::WorkerId;

use crate::fixture::{Fixture, WAIT, job, region, text, within};

async fn publish(bus: &dyn Bus, region_name: &str, job_number: u128, record: &str) {
    let payload = Bytes::copy_from_slice(record.as_bytes());
    bus.publish_control(&region(region_name), job(job_number), payload).await.unwrap();
}

async fn catch_up(follower: &mut dyn ControlFollower) -> Vec<String> {
    follower.catch_up().await.unwrap().iter().map(text).collect()
}

pub(crate) async fn a_follower_sees_everything_that_was_published_before(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    publish(&*bus, "a", 1, "job 1").await;
    let mut follower = bus.follow_control(&region("a")).await.unwrap();
    publish(&*bus, "a", 2, "job 2").await;
    assert_eq!(catch_up(&mut *follower).await, ["job 1", "job 2"]);
    assert!(catch_up(&mut *follower).await.is_empty(), "nothing is new");
    for number in 3..300 {
        publish(&*bus, "a", number, &format!("job {number}")).await;
    }
    let seen = catch_up(&mut *follower).await;
    assert!(seen.into_iter().eq((3..300).map(|number| format!("job {number}"))));
}

pub(crate) async fn the_last_record_of_a_job_stands(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut early = bus.follow_control(&region("a")).await.unwrap();
    publish(&*bus, "a", 1, "job 1, first").await;
    publish(&*bus, "a", 2, "job 2").await;
    assert_eq!(catch_up(&mut *early).await, ["job 1, first", "job 2"]);
    publish(&*bus, "a", 1, "job 1, last").await;
    assert_eq!(catch_up(&mut *early).await, ["job 1, last"]);
    // A late follower may still see the record that was replaced, but never after the one in its place.
    let late = catch_up(&mut *bus.follow_control(&region("a")).await.unwrap()).await;
    assert_eq!(late.last().unwrap(), "job 1, last");
    assert!(late.contains(&"job 2".to_owned()));
}

/// A job and a worker have records of their own, whatever they are called.
pub(crate) async fn the_last_order_of_a_worker_stands(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let order = async |name: &str, record: &'static str| {
        let worker = WorkerId::new(name).unwrap();
        bus.publish_order(&region("a"), &worker, record.into()).await.unwrap();
    };
    order("w1", "w1, first").await;
    order("w2", "w2").await;
    publish(&*bus, "a", 1, "job 1").await;
    order("w1", "w1, last").await;
    let seen = catch_up(&mut *bus.follow_control(&region("a")).await.unwrap()).await;
    assert_eq!(seen.last().unwrap(), "w1, last");
    assert!(seen.contains(&"w2".to_owned()) && seen.contains(&"job 1".to_owned()), "{seen:?}");
}

pub(crate) async fn regions_do_not_see_each_other(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    publish(&*bus, "a", 1, "of a").await;
    publish(&*bus, "b", 1, "of b").await;
    for (name, record) in [("a", "of a"), ("b", "of b")] {
        let mut follower = bus.follow_control(&region(name)).await.unwrap();
        assert_eq!(catch_up(&mut *follower).await, [record]);
    }
}

pub(crate) async fn a_waiting_follower_wakes_when_a_record_is_published(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut follower = bus.follow_control(&region("a")).await.unwrap();
    let (asked_at, wait) = (Instant::now(), Duration::from_millis(50));
    assert!(follower.next(wait).await.unwrap().is_empty());
    assert!(asked_at.elapsed() >= wait);
    for record in ["one", "two"] {
        let (seen, ()) = tokio::join!(within(follower.next(WAIT)), publish(&*bus, "a", 1, record));
        assert_eq!(seen.unwrap(), [record.as_bytes()]);
    }
}

pub(crate) async fn records_survive_a_crash(fleet: &mut dyn Fixture) {
    publish(&*fleet.bus(), "a", 1, "before").await;
    fleet.crash().await;
    let bus = fleet.bus();
    let mut follower = bus.follow_control(&region("a")).await.unwrap();
    assert_eq!(catch_up(&mut *follower).await, ["before"]);
    publish(&*bus, "a", 1, "after").await;
    assert_eq!(catch_up(&mut *follower).await, ["after"]);
}
