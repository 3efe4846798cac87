//! What workers are told to do.

use std::time::Duration;

use panofleet_job_schema::Span;
use panofleet_job_schema::order::WorkerOrder;
use panofleet_jobs_db::{NewOrder, OrderRow};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, WAIT, at, within, worker};

fn new(name: &str, draining: bool, seconds: i64) -> NewOrder {
    let reason = format!("“{name}” at {seconds}");
    let grace = draining.then_some(Span::from_millis(1500));
    NewOrder { worker: worker(name), draining, grace, reason, at: at(seconds) }
}

fn row(order: &NewOrder, revision: u64, since: i64) -> OrderRow {
    let NewOrder { worker, draining, grace, reason, .. } = order.clone();
    OrderRow { order: WorkerOrder { worker, revision, draining, grace }, since: at(since), reason }
}

pub(crate) async fn the_last_order_stands_and_revisions_grow(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.orders().await.unwrap().is_empty());
    let orders = [new("w2", true, 1), new("w2", true, 2), new("w2", false, 3), new("w1", true, 4)];
    let expected = [
        row(&orders[0], 1, 1),
        // It drains since it did first.
        row(&orders[1], 2, 1),
        row(&orders[2], 3, 3),
        row(&orders[3], 1, 4),
    ];
    for (order, expected) in orders.iter().zip(&expected) {
        assert_eq!(db.order(order).await.unwrap(), *expected);
    }
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(db.orders().await.unwrap(), [expected[3].clone(), expected[2].clone()]);
}

pub(crate) async fn racing_orders_have_revisions_of_their_own(fixture: &mut dyn Fixture) {
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let db = fixture.db();
        writers.spawn(async move { db.order(&new("w1", n % 2 == 0, n)).await.unwrap() });
    }
    let mut revisions: Vec<u64> =
        writers.join_all().await.into_iter().map(|row| row.order.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=8).collect::<Vec<_>>());
}

/// Whoever waits for news goes on at once.
pub(crate) async fn an_order_is_news(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let seen = db.changed(0, Duration::ZERO).await.unwrap();
    db.order(&new("w1", true, 1)).await.unwrap();
    within(db.changed(seen, WAIT)).await.unwrap();
}
