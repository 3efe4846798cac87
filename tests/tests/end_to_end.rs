//! The promises of the main job, held by a fleet of real processes: the same file for every kind of fleet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::time::Duration;

use panofleet_job_schema::JobId;
use panofleet_producer::api::JobView;
use panofleet_producer::api::view::StateView;
use panofleet_tests::fleet::Fleet;
use panofleet_tests::{eventually, processes, root};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Long enough for a loaded machine, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(180);

fn fixture(name: &str) -> Vec<u8> {
    let path = root().join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn succeeded(job: &JobView) -> bool {
    matches!(job.state, StateView::Succeeded { .. })
}

async fn ended(fleet: &Fleet, id: JobId) -> JobView {
    eventually(&format!("job {id} ends"), PATIENCE, async || {
        fleet.api.job(id).await.ok().filter(JobView::is_terminal)
    })
    .await
}

/// How many of these jobs have succeeded; none if the service does not answer.
async fn successes(fleet: &Fleet, jobs: &[JobId]) -> usize {
    let mut count = 0;
    for id in jobs {
        count += usize::from(fleet.api.job(*id).await.is_ok_and(|job| succeeded(&job)));
    }
    count
}

async fn at_least(fleet: &Fleet, jobs: &[JobId], count: usize) {
    eventually(&format!("{count} jobs succeed"), PATIENCE, async || {
        (successes(fleet, jobs).await >= count).then_some(())
    })
    .await;
}

async fn kill_a_runner(fleet: &Fleet) {
    let runner = eventually("a runner is at work", PATIENCE, async || {
        processes::descendants(fleet.pid(), "panofleet-runner").first().copied()
    })
    .await;
    processes::signal(runner, "KILL");
}

fn job(source: &str, n: usize) -> Value {
    json!({
        "source": source,
        "outputs": {
            "tiles": { "op": "pano.tiles", "quality": 80 },
            "preview": { "op": "image.thumbnail", "width_px": 256 },
        },
        "idempotency_key": format!("picture-{n}"),
        "labels": { "n": n.to_string() },
    })
}

/// The manifest names every file of the result, byte for byte, and there is no other manifest of the job.
async fn check_result(fleet: &Fleet, id: JobId) {
    let manifest = fleet.api.manifest(id).await.unwrap();
    assert_eq!(manifest.outputs.len(), 2);
    let keys = fleet.keys(&format!("default/{id}/")).await;
    let manifests: Vec<_> = keys.iter().filter(|key| key.ends_with("/manifest.json")).collect();
    assert_eq!(manifests, [&format!("default/{id}/g1/manifest.json")]);
    let keys: BTreeSet<_> = keys.iter().map(String::as_str).collect();
    for output in manifest.outputs.values() {
        assert!(!output.files.is_empty());
        for file in &output.files {
            let key = format!("{}/{}", output.prefix, file.path);
            assert!(keys.contains(key.as_str()), "{key} is in the manifest and not in the store");
        }
        let file = &output.files[0];
        let key = format!("{}/{}", output.prefix, file.path);
        let bytes = fleet.objects.get_bytes(&fleet.bucket, &key, file.bytes).await.unwrap();
        assert_eq!(hex::encode(Sha256::digest(&bytes)), file.sha256, "{key}");
    }
}

/// Fifty jobs; a runner is killed in the middle, then everything, as by a power cut, and started again.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_jobs_survive_a_killed_runner_and_a_killed_service() {
    let mut fleet = Fleet::start(&[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..50 {
        jobs.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    at_least(&fleet, &jobs, 3).await;
    kill_a_runner(&fleet).await;
    at_least(&fleet, &jobs, 12).await;
    let orphans = eventually("a runner is at work", PATIENCE, async || {
        let runners = processes::descendants(fleet.pid(), "panofleet-runner");
        (!runners.is_empty()).then_some(runners)
    })
    .await;
    fleet.kill();
    for orphan in orphans {
        eventually("no runner outlives its worker", PATIENCE, async || {
            (!processes::is_alive(orphan)).then_some(())
        })
        .await;
    }
    fleet.start_again().await;
    // A client that never got its answer asks again, and gets the same job.
    let again = fleet.api.submit(&job(&source, 7)).await.unwrap();
    assert_eq!(again.id, jobs[7]);

    at_least(&fleet, &jobs, 50).await;
    let mut reasons = BTreeSet::new();
    for id in &jobs {
        check_result(&fleet, *id).await;
        let history = fleet.api.history(*id).await.unwrap();
        assert_eq!(history.iter().filter(|entry| entry.reason == "succeeded").count(), 1);
        reasons.extend(history.into_iter().map(|entry| entry.reason));
    }
    assert!(reasons.contains("attempt_failed"), "the killed runner was noticed: {reasons:?}");
    let lost = reasons.contains("abandoned") || reasons.contains("lease_lapsed");
    assert!(lost, "the killed worker's claims were noticed: {reasons:?}");
    assert_eq!(fleet.stop().await, Some(0));
}

/// What is wrong with the input is said once, to a person, and the fleet goes on.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_an_answer_and_harms_nobody() {
    let fleet = Fleet::start(&[]).await;
    for (name, code) in [
        ("broken/truncated.jpg", "file_truncated"),
        ("broken/bomb.png", "picture_too_large"),
        ("broken/huge-header.jpg", "picture_too_large"),
        ("broken/garbage.jpg", "format_unknown"),
        ("broken/three-to-one.png", "panorama_extent_unknown"),
        ("broken/playlist.mp4", "playlist_refused"),
    ] {
        let source = fleet.api.upload(fixture(name)).await.unwrap();
        let outputs = json!({ "tiles": { "op": "pano.tiles" } });
        let submitted =
            fleet.api.submit(&json!({ "source": source, "outputs": outputs })).await.unwrap();
        let job = ended(&fleet, submitted.id).await;
        let failure = job.failure.as_ref().unwrap_or_else(|| panic!("{name}: no failure"));
        assert!(matches!(job.state, StateView::Dead { .. }), "{name}: {:?}", job.state);
        assert_eq!(job.counters.charged, 1, "{name}: bad input is not tried again");
        assert_eq!(failure.code, code, "{name}: {failure:?}");
        assert!(failure.message.len() > 20, "{name}: {failure:?}");
        let object = format!("default/{}/g1/manifest.json", job.id);
        let sealed = fleet.objects.get_bytes(&fleet.bucket, &object, 10_000).await.unwrap();
        let seal: Value = serde_json::from_slice(&sealed).unwrap();
        assert_eq!(seal["kind"], "seal", "{name}");
    }
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let good = fleet.api.submit(&job(&source, 0)).await.unwrap();
    assert!(succeeded(&ended(&fleet, good.id).await));
}

/// Cancelling reaches a running child, and what is cancelled leaves no result.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_stops_and_leaves_a_seal() {
    let fleet = Fleet::start(&["worker.slots=1"]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..8 {
        jobs.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    // The last waits behind the others; one of the first may be at work.
    for id in [jobs[7], jobs[1]] {
        fleet.api.cancel(id).await.unwrap();
        let job = ended(&fleet, id).await;
        if succeeded(&job) {
            let history = fleet.api.history(id).await.unwrap();
            let lost = history.iter().any(|entry| entry.reason == "cancel_lost_race");
            assert!(lost, "{history:?}");
        } else {
            assert_eq!(job.state, StateView::Cancelled);
            assert!(fleet.api.manifest(id).await.is_err());
        }
    }
    for id in [0, 2, 3, 4, 5, 6].map(|n| jobs[n]) {
        assert!(succeeded(&ended(&fleet, id).await), "the others are not touched");
    }
}

/// Silence while nobody could have listened means nothing: no claim is given up for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_service_goes_on_where_it_was() {
    let fleet = Fleet::start(&[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..6 {
        jobs.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    at_least(&fleet, &jobs, 1).await;
    processes::signal(fleet.pid(), "STOP");
    // Longer than the lease by far; nothing can be waited for while everything stands still.
    tokio::time::sleep(Duration::from_secs(5)).await;
    processes::signal(fleet.pid(), "CONT");
    at_least(&fleet, &jobs, 6).await;
    for id in jobs {
        check_result(&fleet, id).await;
        let history = fleet.api.history(id).await.unwrap();
        assert!(history.iter().all(|entry| entry.reason != "lease_lapsed"), "{history:?}");
    }
}

/// A second service on the folder of a running one is refused, and the first one is found as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_the_same_folder_leaves_the_first_alone() {
    let fleet = Fleet::start(&[]).await;
    let before = fleet.address();
    let refused = fleet.start_a_second().await;
    assert!(refused.contains("another process"), "{refused}");
    assert_eq!(fleet.address(), before);
    assert!(fleet.api.is_ready().await);
}
