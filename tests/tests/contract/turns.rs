//! Who goes next, with the real dispatcher. Nobody says how many slots there are: one message waits at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{JobId, Tenant};

use crate::house::House;

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
