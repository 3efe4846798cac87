//! Bulk actions: done to every job that matches, once, whoever leads.

use std::time::Duration;

use panofleet_job_schema::family::OnChildFailure;
use panofleet_job_schema::job::{DeadReason, State};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Failure, Job, JobId, JobSpec, Rerun};
use panofleet_jobs_db::{Bulk, BulkAction, JobFilter, Pause, PauseTarget};
use panofleet_tests::eventually;
use uuid::Uuid;

use crate::families::{children, claimed, ended, split, succeed};
use crate::house::{House, PATIENCE};
use crate::regions::{self, hopped};

/// More than a page.
const JOBS: u128 = 300;

fn too_large() -> Failure {
    Failure::rejected("picture_too_large", "the picture is too large")
}

impl House {
    async fn bulk(&self, action: BulkAction, filter: JobFilter) -> Bulk {
        self.begin(self.about(action, filter).await).await
    }

    async fn begin(&self, bulk: Bulk) -> Bulk {
        self.db.put_bulk(&bulk).await.unwrap();
        bulk
    }

    async fn about(&self, action: BulkAction, filter: JobFilter) -> Bulk {
        let matched = self.db.count(&filter).await.unwrap();
        Bulk {
            id: Uuid::now_v7(),
            tenant: "default".parse().unwrap(),
            action,
            priority: None,
            rerun: Rerun::default(),
            filter,
            matched,
            done: 0,
            refused: 0,
            requested_at: self.db.now().await.unwrap(),
            ended_at: None,
            stopped: false,
        }
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

fn of_album() -> JobFilter {
    JobFilter {
        tenant: Some("default".parse().unwrap()),
        label: Some(("album".into(), "42".into())),
        ..JobFilter::default()
    }
}

fn in_album(spec: &mut JobSpec) {
    spec.labels.insert("album".into(), "42".into());
}

/// What is urgent goes first, however long the others have been there.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_moved_to_another_band_and_go_first() {
    let house = House::closed().await;
    for n in 1..=20 {
        house.accept(n).await;
    }
    let moved = house.accept_with(21, in_album).await;
    let ended = house.accept_with(22, in_album).await;
    house.put(ended, |job: &mut Job| job.state = State::Cancelled).await;
    let tenant = PauseTarget::Tenant("default".parse().unwrap());
    let since = house.db.now().await.unwrap();
    let pause = Pause { target: tenant.clone(), since, reason: "test".into() };
    house.db.pause(&pause).await.unwrap();
    let house = house.start_dispatcher();
    let open = State::OPEN_NAMES.map(str::to_owned).to_vec();
    let filter = JobFilter { states: open, ..of_album() };
    let about = house.about(BulkAction::Reprioritise, filter).await;
    let bulk = house.begin(Bulk { priority: Some(Priority::High), ..about }).await;
    let over = house.ended(&bulk).await;
    assert_eq!((over.matched, over.done, over.refused), (1, 1, 0));
    assert_eq!(house.job(moved).await.spec.priority, Priority::High);
    assert!(house.reasons(moved).await.contains(&"reprioritised".to_owned()));
    assert_eq!(house.job(ended).await.spec.priority, Priority::Normal);
    house.db.resume(&tenant).await.unwrap();
    assert_eq!(house.take().await.message.id.job, moved);
}

/// Those that have not ended: what waits for its parts waits for them in their band.
#[tokio::test(flavor = "multi_thread")]
async fn children_are_moved_with_their_parent() {
    let house = House::open().await;
    let (first, _) = split(&house, 2, OnChildFailure::WaitForAll).await;
    let id = first.message.id.job;
    let done = claimed(&house).await;
    succeed(&house, &done).await;
    let done = ended(&house, done.0.message.id.job).await.id;
    let open = State::OPEN_NAMES.map(str::to_owned).to_vec();
    let tenant = Some("default".parse().unwrap());
    let filter = JobFilter { tenant, states: open, ..JobFilter::default() };
    let about = house.about(BulkAction::Reprioritise, filter).await;
    let bulk = house.begin(Bulk { priority: Some(Priority::High), ..about }).await;
    let over = house.ended(&bulk).await;
    assert_eq!((over.matched, over.done, over.refused), (1, 1, 0), "children are not counted");
    assert_eq!(house.job(id).await.spec.priority, Priority::High);
    for child in children(&house, id).await {
        let expected = if child.id == done { Priority::Normal } else { Priority::High };
        assert_eq!(child.spec.priority, expected, "{}", child.state.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_in_a_region_runs_anew_in_another_one() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.report(&taken, claim, Report::Failed { failure: too_large() }).await;
    house.until(id, "is dead", |job| job.state.name() == "dead").await;
    let filter = JobFilter {
        region: Some(house.queue.region.clone()),
        states: vec!["dead".to_owned()],
        tenant: Some("default".parse().unwrap()),
        ..JobFilter::default()
    };
    let rerun = Rerun { region: Some(house.far.region.clone()), ..Rerun::default() };
    let about = house.about(BulkAction::Retry, filter).await;
    let bulk = house.begin(Bulk { rerun, ..about }).await;
    let over = house.ended(&bulk).await;
    assert_eq!((over.matched, over.done, over.refused), (1, 1, 0));
    let taken = hopped(&house).await;
    assert_eq!(taken.message.id.job, id);
    let claim = house.claim(&taken).await;
    regions::succeed(&house, &taken, claim).await;
    let job = house.until(id, "has succeeded", |job| job.state.name() == "succeeded").await;
    assert_eq!(
        (&job.region, job.spec.region.as_ref()),
        (&house.far.region, Some(&house.far.region))
    );
}

/// Those that have ended and those that have not; another one may be asked for meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_album_is_deleted_whole() {
    let house = House::open().await;
    let mut album = Vec::new();
    for n in 1..=3 {
        album.push(house.accept_with(n, in_album).await);
    }
    let other = house.accept(4).await;
    let bulk = house.bulk(BulkAction::Delete, of_album()).await;
    let ended = house.ended(&bulk).await;
    assert_eq!((ended.matched, ended.done, ended.refused), (3, 3, 0));
    for id in album {
        let found = eventually("its outputs are gone", PATIENCE, async || {
            let found = house.db.deletion(id).await.unwrap()?;
            found.outputs_gone_at.is_some().then_some(found)
        })
        .await;
        assert_eq!(found.bulk, Some(bulk.id));
        // One that was never sent is gone altogether.
        let left = house.db.get(&[id]).await.unwrap();
        assert!(left.iter().all(|found| found.job.state.is_terminal()), "{left:?}");
    }
    assert!(!house.job(other).await.state.is_terminal());
    assert_eq!(house.db.deletion(other).await.unwrap(), None);
}
