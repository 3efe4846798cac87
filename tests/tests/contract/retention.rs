//! What goes when its time has come, and what never does.

use std::time::Duration;

use panofleet_job_schema::family::OnChildFailure;
use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Attempt, ClaimId, Job, Span};
use panofleet_jobs_db::{Upload, UploadParts};
use panofleet_objects::ObjectsError;
use panofleet_objects::client::{PartsUpload, PutOptions};
use panofleet_objects::manifest::{self, Published};
use panofleet_producer::dispatcher::{Keep, RetentionConfig};
use panofleet_tests::eventually;
use uuid::Uuid;

use crate::families::{children, claimed, ended, reject, split, succeed};
use crate::house::{BUCKET, House, PATIENCE};
use crate::{is_running, manifest_of};

impl House {
    pub(crate) async fn put_object(&self, key: &str) {
        let options = PutOptions::of_type("image/jpeg");
        self.objects.put_bytes(BUCKET, key, "pixels".into(), &options).await.unwrap();
    }

    /// The keys of a job's objects, without the job's folder.
    async fn objects_of(&self, job: &Job) -> Vec<String> {
        let folder = format!("{}/{}/", job.tenant, job.id);
        let page = self.objects.list(BUCKET, &folder, None).await.unwrap();
        page.keys.iter().map(|key| key.strip_prefix(&folder).unwrap().to_owned()).collect()
    }

    pub(crate) async fn until_objects(&self, job: &Job, expected: &[String]) {
        eventually("just these objects are left", PATIENCE, async || {
            (self.objects_of(job).await == expected).then_some(())
        })
        .await;
    }

    async fn until_swept(&self, job: &Job) {
        let late = job.deadline_at + Duration::from_secs(86_400);
        eventually("the sweep is done", PATIENCE, async || {
            self.db.sweeps_due(late, 9).await.unwrap().is_empty().then_some(())
        })
        .await;
    }

    /// Two attempts: the first falls silent, the second succeeds. Both leave files.
    async fn contested(&self, n: u128) -> (Job, ClaimId, ClaimId) {
        let id = self.accept(n).await;
        let lost = self.take().await;
        let loser = self.claim(&lost).await;
        self.until(id, "it runs", is_running).await;
        let taken = self.take().await;
        let winner = self.claim(&taken).await;
        let running = |job: &Job| is_running(job) && job.counters.last_attempt == 2;
        let job = self.until(id, "it runs again", running).await;
        let mut manifest = manifest_of(&job, winner);
        manifest.attempt = Attempt(2);
        let Published::Won(summary) = self.publish(&manifest).await else { panic!() };
        self.report(&taken, winner, Report::Succeeded { manifest: summary }).await;
        let job = self.until(id, "it succeeds", |job| job.state.is_terminal()).await;
        for (attempt, claim) in [(1, loser), (2, winner)] {
            let folder = job.manifest_address().attempt_prefix(Attempt(attempt), claim);
            for file in ["tiles/1.jpg", "tiles/2.jpg"] {
                self.put_object(&format!("{folder}/{file}")).await;
            }
        }
        (job, loser, winner)
    }

    fn keeping(mut self, change: impl FnOnce(&mut RetentionConfig)) -> Self {
        change(&mut self.retention);
        self
    }
}

fn kept_after(winner: ClaimId) -> Vec<String> {
    let folder = format!("g1/a2-{}", winner.short());
    let files = ["tiles/1.jpg", "tiles/2.jpg"].map(|file| format!("{folder}/{file}"));
    files.into_iter().chain(["g1/manifest.json".to_owned()]).collect()
}

/// Only once nobody adds to them, and never the winner's; killed in the middle, it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn folders_of_lost_attempts_are_swept_and_the_winner_s_stays() {
    let house = House::open().await;
    let (job, loser, winner) = house.contested(1).await;
    let all = house.objects_of(&job).await;
    assert_eq!(all.len(), 5, "{all:?}");
    // It is not due for a day.
    assert!(house.db.sweeps_due(house.db.now().await.unwrap(), 9).await.unwrap().is_empty());
    house.stop_dispatcher().await;
    // The dispatcher died in the middle of the last sweep: one file of two is gone.
    let folder = job.manifest_address().attempt_prefix(Attempt(1), loser);
    house.objects.delete(BUCKET, &format!("{folder}/tiles/1.jpg")).await.unwrap();
    house.stop_store().await;
    house.sql("UPDATE sweeps SET due_at = 0").await;
    let house = house.start_dispatcher();
    // The store is away: the sweep waits, and everything else goes on.
    let other = house.accept(2).await;
    let taken = house.take().await;
    assert_eq!(taken.message.id.job, other);
    house.start_store().await;
    house.restart_dispatcher().await;
    house.until_objects(&job, &kept_after(winner)).await;
    house.until_swept(&job).await;
    let found = manifest::read(&house.objects, &job.manifest_address()).await.unwrap();
    assert_eq!(found.unwrap().claim, winner);
}

/// Nobody knows what comes of a generation without a result or a seal.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_without_result_or_seal_is_left_alone() {
    let house = House::open().await;
    let (job, ..) = house.contested(1).await;
    house.stop_dispatcher().await;
    house.objects.delete(BUCKET, &job.manifest_address().manifest_key()).await.unwrap();
    let before = house.objects_of(&job).await;
    house.sql("UPDATE sweeps SET due_at = 0").await;
    let house = house.start_dispatcher();
    house.until_swept(&job).await;
    assert_eq!(house.objects_of(&job).await, before);
}

/// A sealed job leaves its seal, until the job itself goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_ended_job_goes_with_all_it_left_when_it_was_kept_long_enough() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    let job = house.until(id, "it runs", is_running).await;
    let folder = job.manifest_address().attempt_prefix(Attempt(1), claim);
    house.put_object(&format!("{folder}/probe/1.json")).await;
    house.cancel(id).await;
    let job = house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await;
    house.sql("UPDATE sweeps SET due_at = 0").await;
    house.restart_dispatcher().await;
    house.until_objects(&job, &["g1/manifest.json".to_owned()]).await;
    house.stop_dispatcher().await;

    // Kept for a moment only; but a seal outlives the deadline by a day.
    let house = house.keeping(|keep| keep.cancelled = Keep::For(Span::from_millis(1)));
    let house = house.start_dispatcher();
    let young = house.accept(2).await;
    house.take().await;
    assert_eq!(house.objects_of(&job).await, ["g1/manifest.json"]);
    house.stop_dispatcher().await;
    let long_ago = house.db.now().await.unwrap() - Duration::from_secs(10 * 86_400);
    house
        .put(id, |job| {
            (job.accepted_at, job.deadline_at, job.finished_at) =
                (long_ago, long_ago, Some(long_ago));
        })
        .await;
    let house = house.start_dispatcher();
    eventually("the job is gone", PATIENCE, async || {
        house.db.get(&[id]).await.unwrap().is_empty().then_some(())
    })
    .await;
    house.until_objects(&job, &[]).await;
    assert_eq!(house.job(young).await.id, young);
}

/// A part goes when its job does, and not before, whatever it ended as: a dead one would be kept for longer by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_job_go_with_it() {
    let house = House::open().await;
    let (first, _) = split(&house, 2, OnChildFailure::WaitForAll).await;
    let id = first.message.id.job;
    succeed(&house, &claimed(&house).await).await;
    reject(&house, &claimed(&house).await).await;
    succeed(&house, &claimed(&house).await).await;
    let job = ended(&house, id).await;
    let parts = children(&house, id).await;
    let mut states: Vec<_> = parts.iter().map(|part| part.state.name()).collect();
    states.sort_unstable();
    assert_eq!(states, ["dead", "succeeded"]);
    house.stop_dispatcher().await;
    let long_ago = house.db.now().await.unwrap() - Duration::from_secs(10 * 86_400);
    for part in &parts {
        house.put_object(&format!("{}/a1-0/1.jpg", part.manifest_address().prefix)).await;
    }
    for job in parts.iter().chain([&job]) {
        house
            .put(job.id, |job| {
                (job.accepted_at, job.deadline_at, job.finished_at) =
                    (long_ago, long_ago, Some(long_ago));
            })
            .await;
    }
    let house = house.keeping(|keep| keep.succeeded = Keep::For(Span::from_secs(86_400)));
    let house = house.start_dispatcher();
    let all: Vec<_> = parts.iter().chain([&job]).map(|job| job.id).collect();
    eventually("the job is gone, and its parts", PATIENCE, async || {
        house.db.get(&all).await.unwrap().is_empty().then_some(())
    })
    .await;
    for job in parts.iter().chain([&job]) {
        house.until_objects(job, &[]).await;
    }
}

/// Somebody starts the job anew between the deletion of its objects and that of its row.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_started_anew_stays_and_so_does_its_new_generation() {
    let house = House::open().await;
    let id = house.accept(1).await;
    house.claim(&house.take().await).await;
    house.until(id, "it runs", is_running).await;
    house.cancel(id).await;
    let job = house.until(id, "it is cancelled", |job| job.state == State::Cancelled).await;
    house.stop_dispatcher().await;
    let found = house.db.get(&[id]).await.unwrap().pop().unwrap();
    house.put(id, |job| job.generation.0 = 2).await;
    let next = house.job(id).await.manifest_address().prefix;
    house.put_object(&format!("{next}/a2-0/1.jpg")).await;
    let now = house.db.now().await.unwrap();
    assert!(!house.db.remove_job(id, found.version, now).await.unwrap());
    assert_eq!(house.objects_of(&job).await.len(), 2);
    assert_eq!(house.job(id).await.generation.0, 2);
}

/// An upload that no job named goes; one that a job named stays.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_were_never_submitted_go() {
    let house = House::closed().await;
    let now = house.db.now().await.unwrap();
    let upload = |n: u128| Upload {
        id: Uuid::from_u128(n),
        tenant: "default".parse().unwrap(),
        bucket: BUCKET.into(),
        key: format!("default/uploads/{n}"),
        bytes: 6,
        created_at: now - Duration::from_secs(3 * 86_400),
        sha256: None,
        parts: None,
    };
    let young = Upload { created_at: now, ..upload(3) };
    let mut in_parts = upload(4);
    let options = PutOptions::of_type("video/mp4");
    let store_upload = house.objects.begin_parts(BUCKET, &in_parts.key, &options).await.unwrap();
    in_parts.parts = Some(UploadParts { store_upload: store_upload.clone(), part_bytes: 6 });
    house.db.put_upload(&in_parts).await.unwrap();
    for upload in [&upload(1), &upload(2), &young] {
        house.db.put_upload(upload).await.unwrap();
        house.put_object(&upload.key).await;
    }
    house.db.use_upload(upload(2).id, now).await.unwrap();
    let house = house.start_dispatcher();
    eventually("the unused one is gone", PATIENCE, async || {
        let gone = house.objects.head(BUCKET, &upload(1).key).await.is_err();
        (gone && house.db.upload(upload(1).id).await.unwrap().is_none()).then_some(())
    })
    .await;
    eventually("the one in parts is gone, and so are its parts", PATIENCE, async || {
        house.db.upload(in_parts.id).await.unwrap().is_none().then_some(())
    })
    .await;
    let parts = PartsUpload { bucket: BUCKET, key: &in_parts.key, id: &store_upload };
    let listed = house.objects.list_parts(&parts, 0).await;
    assert!(matches!(listed, Err(ObjectsError::NotFound { .. })), "{listed:?}");
    for upload in [upload(2), young] {
        assert_eq!(house.db.upload(upload.id).await.unwrap(), Some(upload.clone()));
        house.objects.head(BUCKET, &upload.key).await.unwrap();
    }
}
