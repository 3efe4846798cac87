//! Draining a worker, and having it take jobs again.

use panofleet_bus::Bus as _;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::{Region, Span, WorkerId, limits};
use panofleet_jobs_db::{Batch, HeartbeatWrite};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, HOME, worker_info};

impl Fleet {
    async fn drain(&self, worker: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, &format!("/v1/workers/{worker}/drain")).json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    async fn undrain(&self, worker: &str) -> Answer {
        let request = self.request(Method::DELETE, &format!("/v1/workers/{worker}/drain"));
        Answer::of(request.send().await.unwrap()).await
    }

    /// A heartbeat is applied.
    pub(crate) async fn hear(&self, worker: &str, order_revision: u64) {
        let info =
            WorkerInfo { draining: order_revision % 2 == 1, order_revision, ..worker_info(worker) };
        let at = self.db.now().await.unwrap();
        let heartbeat = HeartbeatWrite { worker: info, claims: vec![], progress: vec![], at };
        self.db.commit(Batch { heartbeats: vec![heartbeat], ..Batch::default() }).await.unwrap();
    }

    /// The orders that a worker that starts now reads.
    async fn orders(&self) -> Vec<WorkerOrder> {
        let mut follower = self.bus.follow_control(&Region::new(HOME).unwrap()).await.unwrap();
        let records = follower.catch_up().await.unwrap();
        let orders =
            records.iter().map(|wire| match Envelope::open(wire, &self.keys).unwrap().body {
                Body::Order(order) => order,
                other => panic!("{other:?}"),
            });
        orders.collect()
    }

    async fn first_worker(&self) -> Value {
        self.get("/v1/workers").await.ok()["workers"][0].clone()
    }
}

#[tokio::test]
async fn a_worker_is_told_to_drain_until_it_is_told_otherwise() {
    let fleet = Fleet::start().await;
    fleet.hear("w1", 0).await;
    let view = fleet.drain("w1", &json!({ "reason": "fire", "grace": "90s" })).await.ok();
    assert_eq!(
        (&view["draining"], &view["reason"], &view["grace"], &view["followed"]),
        (&json!(true), &json!("fire"), &json!("1m 30s"), &json!(false))
    );
    let told = WorkerOrder {
        worker: WorkerId::new("w1").unwrap(),
        revision: 1,
        draining: true,
        grace: Some(Span::from_secs(90)),
    };
    assert_eq!(fleet.orders().await, [told]);
    assert_eq!(fleet.first_worker().await["drain"]["followed"], false);
    fleet.hear("w1", 1).await;
    let worker = fleet.first_worker().await;
    assert_eq!((&worker["draining"], &worker["drain"]["followed"]), (&json!(true), &json!(true)));
    assert_eq!(worker["drain"]["since"], view["since"]);

    let view = fleet.undrain("w1").await.ok();
    assert_eq!((&view["draining"], &view["followed"]), (&json!(false), &json!(false)));
    let told = WorkerOrder { revision: 2, ..WorkerOrder::none(WorkerId::new("w1").unwrap()) };
    assert_eq!(fleet.orders().await, [told]);
    assert_eq!(fleet.first_worker().await["drain"], Value::Null);
    fleet.undrain("w1").await.problem(404, "not_draining");
}

#[tokio::test]
async fn what_cannot_be_drained_is_refused() {
    let fleet = Fleet::start().await;
    let why = json!({ "reason": "" });
    fleet.drain("w1", &why).await.problem(404, "worker_unknown");
    fleet.undrain("w1").await.problem(404, "worker_unknown");
    fleet.hear("w1", 0).await;
    let long = Span::from_secs(limits::DRAIN_GRACE_S_MAX + 1).to_string();
    let body = json!({ "reason": "", "grace": long });
    fleet.drain("w1", &body).await.problem(422, "bad_drain");
    fleet.drain("w1", &json!({ "reason": "a\u{0}b" })).await.problem(422, "bad_pause");
    fleet.drain("w1", &json!({})).await.problem(422, "does_not_fit");
    assert!(fleet.orders().await.is_empty());
}
