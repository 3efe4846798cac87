//! What those who run a fleet tell it.

use panofleet_producer::api::WorkerView;
use panofleet_tests::eventually;
use panofleet_tests::exposition::parse;
use panofleet_tests::fleet::{Fleet, Kind};
use serde_json::json;

use crate::site::{PATIENCE, ended, fixture, job, succeeded};

async fn workers(fleet: &Fleet) -> Vec<WorkerView> {
    let mut answer = fleet.api.get("/v1/workers").await.unwrap();
    serde_json::from_value(answer["workers"].take()).unwrap()
}

/// Waits until every worker is alive, drains, or does not, and follows the last order.
async fn all_draining(fleet: &Fleet, draining: bool) -> Vec<WorkerView> {
    eventually("every worker does as it is told", PATIENCE, async || {
        let all = workers(fleet).await;
        let follows = |view: &WorkerView| {
            view.alive
                && view.info.draining == draining
                && view.drain.as_ref().is_none_or(|drain| drain.followed)
        };
        (!all.is_empty() && all.iter().all(follows)).then_some(all)
    })
    .await
}

/// Whether a gauge of the leading dispatcher stands at `value`.
async fn is_at(fleet: &Fleet, gauge: &str, labels: &[(&str, &str)], value: f64) -> bool {
    let apis = fleet.apis.iter().map(|api| api.url.clone());
    let urls: Vec<_> = apis.chain(fleet.admins().into_iter().map(|(_, url)| url)).collect();
    for url in urls {
        let Ok(text) = fleet.api.bytes(&format!("{url}/metrics")).await else { continue };
        let families = parse(&String::from_utf8(text).unwrap());
        if families.get(gauge).is_some_and(|family| family.sum(labels) == value) {
            return true;
        }
    }
    false
}

/// The order stands over the death of everything, and nothing is taken until it is lifted.
pub(crate) async fn a_drained_worker_takes_nothing_until_it_is_told_to(kind: Kind) {
    let mut fleet = Fleet::start(kind, &[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let first = fleet.api.submit(&job(&source, 0)).await.unwrap().id;
    assert!(succeeded(&ended(&fleet, first).await));
    let all = all_draining(&fleet, false).await;
    for view in &all {
        let path = format!("/v1/workers/{}/drain", view.info.worker);
        fleet.api.put(&path, &json!({ "reason": "a new kernel" })).await.unwrap();
    }
    all_draining(&fleet, true).await;
    fleet.api.put("/v1/pauses/tenant/acme", &json!({ "reason": "" })).await.unwrap();
    eventually("the leader counts it", PATIENCE, async || {
        let draining = all.len() as f64;
        let workers = "panofleet_dispatcher_workers";
        let all = is_at(&fleet, workers, &[("state", "draining")], draining).await
            && is_at(&fleet, "panofleet_dispatcher_pauses", &[("kind", "tenant")], 1.0).await;
        all.then_some(())
    })
    .await;

    let second = fleet.api.submit(&job(&source, 1)).await.unwrap().id;
    fleet.kill();
    fleet.start_again().await;
    let lives = eventually("a next life of every worker drains", PATIENCE, async || {
        let now = all_draining(&fleet, true).await;
        let is_new = |view: &WorkerView| {
            all.iter().any(|old| {
                old.info.worker == view.info.worker && old.info.started_at < view.info.started_at
            })
        };
        now.iter().all(is_new).then_some(now)
    })
    .await;
    let history = fleet.api.history(second).await.unwrap();
    assert!(history.iter().all(|entry| entry.reason != "claimed"), "{history:?}");
    for view in &lives {
        fleet.api.delete(&format!("/v1/workers/{}/drain", view.info.worker)).await.unwrap();
    }
    assert!(succeeded(&ended(&fleet, second).await));
    all_draining(&fleet, false).await;
}
