//! The promises of the main job, held by every kind of fleet.

use std::collections::BTreeSet;
use std::time::Duration;

use panofleet_job_schema::trace::TraceContext;
use panofleet_producer::api::view::StateView;
use panofleet_tests::fleet::{Fleet, Kind};
use panofleet_tests::{eventually, processes};
use serde_json::{Value, json};

use crate::site::{
    PATIENCE, at_least, check_result, ended, fixture, job, kill_a_runner, succeeded,
};

/// Fifty jobs; a runner is killed in the middle, then everything, as by a power cut, and started again.
pub(crate) async fn fifty_jobs_survive_a_killed_runner_and_a_killed_service(kind: Kind) {
    let mut fleet = Fleet::start(kind, &[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..50 {
        jobs.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    at_least(&fleet, &jobs, 3).await;
    kill_a_runner(&fleet).await;
    at_least(&fleet, &jobs, 12).await;
    let orphans = eventually("a runner is at work", PATIENCE, async || {
        Some(fleet.runners()).filter(|runners| !runners.is_empty())
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
pub(crate) async fn bad_input_gets_an_answer_and_harms_nobody(kind: Kind) {
    let fleet = Fleet::start(kind, &[]).await;
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
        let failure = &failure.failure;
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
pub(crate) async fn a_cancelled_job_stops_and_leaves_a_seal(kind: Kind) {
    let fleet = Fleet::start(kind, &["worker.slots=1"]).await;
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
pub(crate) async fn a_frozen_service_goes_on_where_it_was(kind: Kind) {
    let fleet = Fleet::start(kind, &[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..6 {
        jobs.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    at_least(&fleet, &jobs, 1).await;
    fleet.pids().into_iter().for_each(|pid| processes::signal(pid, "STOP"));
    // Longer than the lease by far; nothing can be waited for while everything stands still.
    tokio::time::sleep(Duration::from_secs(5)).await;
    fleet.pids().into_iter().for_each(|pid| processes::signal(pid, "CONT"));
    at_least(&fleet, &jobs, 6).await;
    for id in jobs {
        check_result(&fleet, id).await;
        let history = fleet.api.history(id).await.unwrap();
        assert!(history.iter().all(|entry| entry.reason != "lease_lapsed"), "{history:?}");
    }
}

/// Whoever looks for a job in the logs of all processes finds its way, and nothing without its trace.
pub(crate) async fn one_trace_joins_what_every_process_says_of_a_job(kind: Kind) {
    let mut fleet = Fleet::start(kind, &["log.filter=info,panofleet=debug"]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let id = fleet.api.submit(&job(&source, 0)).await.unwrap().id;
    let job = ended(&fleet, id).await;
    assert!(succeeded(&job));
    let trace = TraceContext::parse(&job.trace.unwrap()).unwrap();
    assert_eq!(fleet.stop().await, Some(0));

    let mut said = BTreeSet::new();
    for process in fleet.names() {
        for line in fleet.log(&process).lines() {
            let line: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if line["job"] == id.to_string() {
                assert_eq!(line["trace_id"], trace.trace_id(), "{process}: {line}");
                said.insert(line["message"].as_str().unwrap().to_owned());
            } else {
                assert!(!line.to_string().contains(&id.to_string()), "{process}: {line}");
            }
        }
    }
    for step in ["job accepted", "job sent", "attempt begins", "succeeded", "event applied"] {
        assert!(said.contains(step), "{step}: {said:?}");
    }
}
