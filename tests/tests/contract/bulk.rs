//! Bulk actions: done to every job that matches, once, whoever leads.

use std::time::Duration;

use panofleet_job_schema::job::{DeadReason, State};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Failure, Job, JobId, JobSpec};
use panofleet_jobs_db::{Bulk, BulkAction, JobFilter};
use panofleet_tests::eventually;
use uuid::Uuid;

use crate::house::{House, PATIENCE};

/// More than a page.
const JOBS: u128 = 300;

fn too_large() -> Failure {
    Failure::rejected("picture_too_large", "the picture is too large")
}

impl House {
    async fn bulk(&self, action: BulkAction, filter: JobFilter) -> Bulk {
        let matched = self.db.count(&filter).await.unwrap();
        let bulk = Bulk {
            id: Uuid::now_v7(),
            tenant: "default".parse().unwrap(),
            action,
            filter,
            matched,
            done: 0,
            refused: 0,
            requested_at: self.db.now().await.unwrap(),
            ended_at: None,
            stopped: false,
        };
        self.db.put_bulk(&bulk).await.unwrap();
        bulk
    }

    async fn ended(&self, bulk: &Bulk) -> Bulk {
        eventually("the bulk action has ended", PATIENCE, async || {
            let found = self.db.bulk(bulk.id).await.unwrap().unwrap().bulk;
            found.ended_at.is_some().then_some(found)
        })
        .await
    }

    /// A dead job that failed so.
    async fn dead(&self, n: u128) -> JobId {
        let id = self.accept(n).await;
        let now = self.db.now().await.unwrap();
        self.put(id, |job: &mut Job| {
            job.state = State::Dead { reason: DeadReason::Rejected };
            job.failure = Some(too_large());
            job.finished_at = Some(now);
        })
        .await;
        id
    }
}

fn alike() -> JobFilter {
    JobFilter {
        tenant: Some("default".parse().unwrap()),
        states: vec!["dead".to_owned(), "expired".to_owned()],
        failure: Some(too_large().fingerprint()),
        ..JobFilter::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_failed_alike_are_started_anew_once() {
    let house = House::closed().await;
    let mut dead = Vec::new();
    for n in 1..=JOBS {
        dead.push(house.dead(n).await);
    }
    let other = house.accept(JOBS + 1).await;
    let bulk = house.bulk(BulkAction::Retry, alike()).await;
    assert_eq!(bulk.matched, JOBS as u64);
    // One leader begins, another ends.
    let house = house.start_dispatcher();
    eventually("a page is done", PATIENCE, async || {
        let found = house.db.bulk(bulk.id).await.unwrap().unwrap().bulk;
        (found.done > 0).then_some(())
    })
    .await;
    house.restart_dispatcher().await;
    let ended = house.ended(&bulk).await;
    assert_eq!((ended.done + ended.refused, ended.stopped), (JOBS as u64, false));
    for id in dead {
        let job = house.job(id).await;
        assert_eq!(job.generation.0, 2, "started anew once: {:?}", job.state);
        assert!(!job.state.is_terminal());
    }
    assert_eq!(house.job(other).await.generation.0, 1, "what does not match is left alone");
    assert_eq!(house.db.count(&alike()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_ended_is_cancelled_wherever_it_is() {
    let house = House::open().await;
    let album = |spec: &mut JobSpec| {
        spec.labels.insert("album".into(), "42".into());
    };
    let running = house.accept_with(1, album).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.until(running, "it runs", |job| matches!(job.state, State::Running { .. })).await;
    let in_an_hour = house.db.now().await.unwrap() + Duration::from_secs(3600);
    let later = house
        .accept_with(2, |spec| {
            album(spec);
            spec.start_at = Some(in_an_hour);
        })
        .await;
    let other = house.accept(3).await;
    let open = ["waiting", "queued", "sent", "running", "blocked", "closing"];
    let filter = JobFilter {
        tenant: Some("default".parse().unwrap()),
        states: open.map(str::to_owned).to_vec(),
        label: Some(("album".into(), "42".into())),
        ..JobFilter::default()
    };
    let bulk = house.bulk(BulkAction::Cancel, filter).await;
    let ended = house.ended(&bulk).await;
    assert_eq!((ended.matched, ended.done, ended.refused), (2, 2, 0));
    for id in [running, later] {
        house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await;
    }
    assert!(!house.job(other).await.state.is_terminal());
    // What its worker says afterwards changes nothing.
    house.report(&taken, claim, Report::Failed { failure: too_large() }).await;
    assert_eq!(house.job(running).await.state, State::Cancelled);
}
