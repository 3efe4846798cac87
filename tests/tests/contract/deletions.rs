//! Jobs that somebody wants gone: everything of them goes, whoever dies on the way.

use std::time::Duration;

use panofleet_job_schema::family::OnChildFailure;
use panofleet_job_schema::job::State;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::{Attempt, Job, JobId};
use panofleet_jobs_db::{Deletion, SourceEnd, Upload};
use panofleet_tests::eventually;
use uuid::Uuid;

use crate::families::{children, claimed, ended, split, succeed};
use crate::house::{BUCKET, House, PATIENCE};
use crate::is_running;

impl House {
    async fn delete(&self, id: JobId) {
        let (tenant, now) = (self.job(id).await.tenant, self.db.now().await.unwrap());
        self.db.request_deletions(&[Deletion::requested(id, tenant, now)]).await.unwrap();
    }

    async fn deletion(&self, id: JobId, what: &str, is: impl Fn(&Deletion) -> bool) -> Deletion {
        eventually(what, PATIENCE, async || {
            self.db.deletion(id).await.unwrap().filter(|found| is(found))
        })
        .await
    }

    /// Nobody can add to a job any more.
    async fn grow_old(&self, id: JobId) {
        let long_ago = self.db.now().await.unwrap() - Duration::from_secs(10 * 86_400);
        self.put(id, |job: &mut Job| {
            (job.accepted_at, job.deadline_at, job.finished_at) =
                (long_ago, long_ago, Some(long_ago));
        })
        .await;
    }
}

/// Its worker is told to stop; what it put meanwhile goes; what it puts afterwards goes in the end, with the row.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled_and_then_nothing_of_it_is_left() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let other = house.accept(2).await;
    let taken = house.take().await;
    assert_eq!(taken.message.id.job, id);
    let claim = house.claim(&taken).await;
    let job = house.until(id, "it runs", is_running).await;
    let folder = job.manifest_address().attempt_prefix(Attempt(1), claim);
    house.put_object(&format!("{folder}/tiles/1.jpg")).await;
    house.delete(id).await;
    house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await;
    assert!(house.control_of(id).await.cancelled);
    let half = house.deletion(id, "its outputs go", |found| found.rows_go_at.is_some()).await;
    assert_eq!((half.objects, half.gone_at), (2, None), "a file and the seal: {half:?}");
    assert!(half.outputs_gone_at.is_some() && half.source.is_none());
    house.until_objects(&job, &[]).await;
    // The row stays until no attempt that was lost can add to it: a day after the deadline, and more.
    assert!(half.rows_go_at.unwrap() > job.deadline_at + Duration::from_secs(86_400));

    // An attempt that nobody could stop puts its result after all.
    house.put_object(&format!("{folder}/tiles/2.jpg")).await;
    house.put_object(&job.manifest_address().manifest_key()).await;
    house.stop_dispatcher().await;
    house.grow_old(id).await;
    house.sql("UPDATE deletions SET look_at = 0").await;
    // The leader died between the row and the note that it is gone.
    let house = house.start_dispatcher();
    let over = house.deletion(id, "it is gone", |found| found.gone_at.is_some()).await;
    assert_eq!(over.objects, 4);
    assert_eq!(over.outputs_gone_at, half.outputs_gone_at, "when they were gone first");
    house.until_objects(&job, &[]).await;
    assert!(house.db.get(&[id]).await.unwrap().is_empty());
    assert!(house.db.history(id).await.unwrap().is_empty());
    assert_eq!(house.job(other).await.id, other, "others stay");
    // Said once more of a row that is gone already, it is over at once.
    house.sql("UPDATE deletions SET look_at = 0, gone_at = NULL").await;
    eventually("it is over again", PATIENCE, async || {
        let now = house.db.now().await.unwrap();
        house.db.deletions_due(now, 9).await.unwrap().is_empty().then_some(())
    })
    .await;
}

/// Nothing can be left of it anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_never_sent_is_gone_at_once_and_its_upload_with_it() {
    let house = House::closed().await;
    let now = house.db.now().await.unwrap();
    let begun = now - Duration::from_secs(600);
    let upload = |n: u128| Upload {
        id: Uuid::from_u128(n),
        tenant: "default".parse().unwrap(),
        bucket: BUCKET.into(),
        key: format!("default/uploads/{n}"),
        bytes: 6,
        created_at: begun,
        sha256: None,
        parts: None,
    };
    for upload in [upload(1), upload(2)] {
        house.db.put_upload(&upload).await.unwrap();
        house.put_object(&upload.key).await;
        house.db.use_upload(upload.id, begun).await.unwrap();
    }
    let naming = async |n: u128, upload: u128| {
        let name = |spec: &mut panofleet_job_schema::JobSpec| {
            spec.source = Source::Upload(Uuid::from_u128(upload));
            spec.start_at = Some(now + Duration::from_secs(3600));
        };
        house.accept_with(n, name).await
    };
    let (alone, shared, kept) = (naming(1, 1).await, naming(2, 2).await, naming(3, 2).await);
    house.delete(alone).await;
    house.delete(shared).await;
    let house = house.start_dispatcher();
    let gone = house.deletion(alone, "it is gone", |found| found.gone_at.is_some()).await;
    assert_eq!((gone.source, gone.objects), (Some(SourceEnd::Gone), 1));
    assert!(house.objects.head(BUCKET, &upload(1).key).await.is_err());
    assert_eq!(house.db.upload(upload(1).id).await.unwrap(), None);
    // The other upload is the source of a job that stays.
    let gone = house.deletion(shared, "it is gone", |found| found.gone_at.is_some()).await;
    assert_eq!((gone.source, gone.objects), (Some(SourceEnd::Shared), 0));
    house.objects.head(BUCKET, &upload(2).key).await.unwrap();
    assert_eq!(house.job(kept).await.state.name(), "waiting");
    house.delete(kept).await;
    let gone = house.deletion(kept, "it is gone", |found| found.gone_at.is_some()).await;
    assert_eq!(gone.source, Some(SourceEnd::Gone), "the last one takes it along");
    assert!(house.objects.head(BUCKET, &upload(2).key).await.is_err());
}

/// Its children have files of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_with_its_parts() {
    let house = House::open().await;
    let (first, _) = split(&house, 2, OnChildFailure::WaitForAll).await;
    let id = first.message.id.job;
    for _ in 0..3 {
        succeed(&house, &claimed(&house).await).await;
    }
    let job = ended(&house, id).await;
    let parts = children(&house, id).await;
    assert_eq!(parts.len(), 2);
    for part in &parts {
        house.put_object(&format!("{}/a1-0/1.jpg", part.manifest_address().prefix)).await;
        house.grow_old(part.id).await;
    }
    house.grow_old(id).await;
    house.delete(id).await;
    house.deletion(id, "it is gone", |found| found.gone_at.is_some()).await;
    for gone in parts.iter().chain([&job]) {
        house.until_objects(gone, &[]).await;
        assert!(house.db.get(&[gone.id]).await.unwrap().is_empty());
    }
}

/// Nothing is lost while the object store is away.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_the_object_store() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let claim = house.claim(&house.take().await).await;
    let job = house.until(id, "it runs", is_running).await;
    let folder = job.manifest_address().attempt_prefix(Attempt(1), claim);
    house.put_object(&format!("{folder}/tiles/1.jpg")).await;
    house.cancel(id).await;
    house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await;
    house.stop_store().await;
    house.delete(id).await;
    let next = house.accept(2).await;
    assert_eq!(house.take().await.message.id.job, next, "everything else goes on");
    assert_eq!(house.db.deletion(id).await.unwrap().unwrap().outputs_gone_at, None);
    house.start_store().await;
    house.restart_dispatcher().await;
    house.deletion(id, "its outputs go", |found| found.outputs_gone_at.is_some()).await;
    house.until_objects(&job, &[]).await;
}

/// A bucket that cannot be read is trouble of the jobs that lie in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_holds_up_no_other() {
    let house = House::open().await;
    let mut jobs = Vec::new();
    for n in [1, 2] {
        let id = house.accept(n).await;
        house.claim(&house.take().await).await;
        house.until(id, "it runs", is_running).await;
        house.cancel(id).await;
        jobs.push(house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await);
    }
    let [stuck, other] = &jobs[..] else { unreachable!() };
    house.put(stuck.id, |job: &mut Job| job.bucket = "not a bucket".into()).await;
    // Both are due at the same look, the one that fails first.
    house.stop_dispatcher().await;
    house.delete(stuck.id).await;
    house.delete(other.id).await;
    let house = house.start_dispatcher();
    house.deletion(other.id, "its outputs go", |found| found.outputs_gone_at.is_some()).await;
    let waits = house.db.deletion(stuck.id).await.unwrap().unwrap();
    assert_eq!(waits.outputs_gone_at, None);
    // Once the bucket is there, it goes too.
    house.put(stuck.id, |job: &mut Job| job.bucket = BUCKET.into()).await;
    house.sql("UPDATE deletions SET look_at = 0").await;
    house.restart_dispatcher().await;
    house.deletion(stuck.id, "its outputs go", |found| found.outputs_gone_at.is_some()).await;
}
