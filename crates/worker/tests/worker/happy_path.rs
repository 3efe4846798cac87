//! A job from its message to its manifest.

use std::collections::BTreeMap;

use panofleet_job_schema::Lane;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::source::SourceLocation;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::site::{BUCKET, Site, eventually, output, progress, script};

#[tokio::test]
async fn a_job_is_claimed_run_uploaded_and_reported() {
    let site = Site::new().await;
    let large = 17 << 20;
    let message = site
        .submit(script(&[progress(0.5, "tiles")], &[("b/0_1.jpg", 100), ("a.jpg", large)]))
        .await;
    let running = site.start();
    let Report::Succeeded { manifest: summary } = site.outcome(&message).await else {
        panic!("no success")
    };

    let manifest = site.manifest(&message).await.unwrap();
    assert_eq!(manifest.summary(&message.manifest), summary);
    assert_eq!((manifest.attempt, summary.files, summary.outputs), (message.id.attempt, 2, 1));
    let tiles = &manifest.outputs[&output("tiles")];
    let paths: Vec<_> = tiles.files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
    assert_eq!(paths, [("a.jpg", large as u64), ("b/0_1.jpg", 100)]);
    let claim8 = manifest.claim.short();
    assert_eq!(tiles.prefix, format!("acme/{}/g1/a1-{claim8}/tiles", message.id.job));
    for file in &tiles.files {
        let key = format!("{}/{}", tiles.prefix, file.path);
        let bytes = site.objects.get_bytes(BUCKET, &key, 1 << 30).await.unwrap();
        assert_eq!(hex::encode(Sha256::digest(&bytes)), file.sha256);
        let head = site.objects.head(BUCKET, &key).await.unwrap();
        assert_eq!(head.content_type.as_deref(), Some("image/jpeg"));
        assert!(head.cache_control.unwrap().contains("immutable"));
    }
    let source =
        script(&[progress(0.5, "tiles")], &[("b/0_1.jpg", 100), ("a.jpg", large)]).to_string();
    assert_eq!(manifest.source.sha256, hex::encode(Sha256::digest(&source)));
    let steps: Vec<_> = manifest.steps.iter().map(|timing| timing.step.as_str()).collect();
    assert_eq!(steps, ["download", "fake", "upload"]);

    site.scratch_is_empty().await;
    running.shutdown.cancel();
    running.end().await.unwrap();
    assert_eq!(site.bus.look(|state| state.acknowledged.clone()), [0]);
}

#[tokio::test]
async fn a_child_has_nothing_of_ours() {
    let site = Site::new().await;
    let acts = [json!({ "act": "surroundings", "output": "tiles" })];
    let message = site.submit(script(&acts, &[])).await;
    let _running = site.start();
    site.outcome(&message).await;
    let manifest = site.manifest(&message).await.unwrap();
    let key = format!("{}/surroundings.json", manifest.outputs[&output("tiles")].prefix);
    let told = site.objects.get_bytes(BUCKET, &key, 1 << 20).await.unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["environment"], 0, "{told}");
    assert_eq!(told["folder"], told["scratch"], "{told}");
    assert_eq!(told["leads_its_group"], true, "{told}");
    // Whoever started the tests may have left pipes open for every process; sockets and files are ours.
    let open_files: Vec<String> = serde_json::from_value(told["open_files"].clone()).unwrap();
    let ours = |file: &String| {
        file.starts_with("socket:") || file.contains(site.folder.path().to_str().unwrap())
    };
    assert!(!open_files.iter().any(ours), "{told}");
}

#[tokio::test]
async fn more_jobs_than_slots_all_end_and_no_poll_asks_for_more_than_is_free() {
    let site = Site::new().await;
    let mut messages = Vec::new();
    for _ in 0..9 {
        messages.push(site.submit(script(&[], &[("a.jpg", 10)])).await);
    }
    let _running = site.start();
    for message in &messages {
        assert!(matches!(site.outcome(message).await, Report::Succeeded { .. }));
    }
    site.bus.look(|state| assert!(state.receives.iter().all(|&asked| (1..=2).contains(&asked))));
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn videos_that_take_long_hold_up_no_picture() {
    let mut site = Site::new().await;
    site.config.lanes = Lane::ALL.to_vec();
    (site.config.slots, site.config.video_slots) = (2.try_into().ok(), 1.try_into().ok());
    let mut videos = Vec::new();
    for _ in 0..2 {
        let video = site.job(script(&[site.wait_for_go()], &[("a.mp4", 10)])).await;
        site.send_to(Lane::Video, &video);
        videos.push(video);
    }
    let _running = site.start();
    let info = site
        .heartbeat("a video", |heartbeat| {
            (!heartbeat.claims.is_empty()).then(|| heartbeat.worker.clone())
        })
        .await;
    assert_eq!((info.slots, Lane::ALL.map(|lane| info.slots_of(lane))), (3, [2, 1]));
    for _ in 0..5 {
        let picture = site.submit(script(&[], &[("a.jpg", 10)])).await;
        assert!(matches!(site.outcome(&picture).await, Report::Succeeded { .. }));
    }
    assert!(site.events(videos[1].id).is_empty(), "one video at a time");
    site.go();
    for video in &videos {
        assert!(matches!(site.outcome(video).await, Report::Succeeded { .. }));
    }
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn heartbeats_list_claims_with_their_progress() {
    let site = Site::new().await;
    let message =
        site.submit(script(&[progress(0.5, "remap"), site.wait_for_go()], &[("a.jpg", 10)])).await;
    let _running = site.start();
    let (fraction, info) = site
        .heartbeat("progress", |heartbeat| {
            let held = heartbeat.claims.iter().find(|held| held.id == message.id)?;
            let progress = held.progress.as_ref().filter(|progress| progress.step == "remap")?;
            Some((progress.fraction, heartbeat.worker.clone()))
        })
        .await;
    assert!((fraction - 0.55).abs() < 1e-9, "{fraction}");
    assert_eq!((info.worker.as_str(), info.slots, info.draining), ("worker-1", 2, false));
    site.go();
    site.outcome(&message).await;
    site.heartbeat("no claims", |heartbeat| heartbeat.claims.is_empty().then_some(())).await;
}

#[tokio::test]
async fn files_leave_scratch_while_the_child_goes_on() {
    let site = Site::new().await;
    let early = json!({ "act": "file", "output": "tiles", "path": "early.jpg", "bytes": 10 });
    let acts = [early, progress(0.5, "ready"), site.wait_for_go()];
    let message = site.submit(script(&acts, &[("late.jpg", 10)])).await;
    let _running = site.start();
    site.step(&message, "ready").await;
    let folder = site.claim_folders().remove(0).join("out/tiles");
    eventually("the file to be uploaded", || folder.exists() && !folder.join("early.jpg").exists())
        .await;
    site.go();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    assert_eq!(site.manifest(&message).await.unwrap().outputs[&output("tiles")].files.len(), 2);
}

#[tokio::test]
async fn chatter_on_standard_error_holds_nobody_up() {
    let site = Site::new().await;
    let chatter = json!({ "act": "chatter", "bytes": 1 << 20 });
    let message = site.submit(script(&[chatter], &[("a.jpg", 10)])).await;
    let _running = site.start();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
}

#[tokio::test]
async fn two_workers_of_one_name_do_not_share_a_folder() {
    let site = Site::new().await;
    let _first = site.start();
    eventually("the first to have its folder", || {
        site.config.scratch.join("worker-1/lock").exists()
    })
    .await;
    let refused = site.start().end().await.unwrap_err();
    assert!(refused.to_string().contains("another worker of this name"), "{refused}");
}

/// No child, no source, no manifest.
#[tokio::test]
async fn a_noop_succeeds_and_leaves_nothing() {
    let site = Site::new().await;
    let mut message = site.job(script(&[], &[])).await;
    message.source = SourceLocation::Nothing;
    let noop = serde_json::from_value(json!({ "op": "fleet.noop", "run_ms": 1 })).unwrap();
    message.outputs = BTreeMap::from([(output("nothing"), noop)]);
    site.send(&message);
    let _running = site.start();
    let Report::Succeeded { manifest } = site.outcome(&message).await else { panic!("no success") };
    assert_eq!((manifest.attempt, manifest.files, manifest.outputs), (message.id.attempt, 0, 0));
    assert!(site.manifest(&message).await.is_none());
    site.scratch_is_empty().await;
}
