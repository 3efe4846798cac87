//! Each way to fail has its class and its code.

use std::time::{Duration, Instant};

use panofleet_job_schema::ErrorClass::{self, Bug, Crashed, Rejected, Transient};
use panofleet_job_schema::family::JoinTask;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{ClaimId, Failure, Span};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::site::{LONG_PAST, Site, begun, eventually, lives, progress, script};

async fn failure_of(scripted: Value) -> Failure {
    let site = Site::new().await;
    let message = site.submit(scripted).await;
    let _running = site.start();
    let failure = site.failure(&message).await;
    site.scratch_is_empty().await;
    assert_eq!(site.manifest(&message).await, None);
    failure
}

async fn check(act: Value, class: ErrorClass, code: &str, said: &str) {
    let failure = failure_of(begun(std::slice::from_ref(&act))).await;
    assert_eq!((failure.class, failure.code.as_str()), (class, code), "{act} {failure:?}");
    let told = format!("{} {}", failure.message, failure.detail.unwrap_or_default());
    assert!(told.contains(said), "{act}: {told}");
}

#[tokio::test]
async fn a_child_that_dies_is_crashed_and_its_last_words_are_kept() {
    let signal = |signal: Signal| json!({ "act": "signal", "number": signal.as_raw() });
    check(signal(Signal::SEGV), Crashed, "child_signal", "SIGSEGV").await;
    check(signal(Signal::XCPU), Crashed, "cpu_limit", "worker.child.cpu_s").await;
    check(signal(Signal::KILL), Crashed, "child_killed", "killed from outside").await;
    check(json!({ "act": "exit", "code": 3 }), Crashed, "child_exit", "code 3").await;
    let out_of_memory =
        json!({ "act": "abort", "last_words": "memory allocation of 9 bytes failed" });
    check(out_of_memory, Crashed, "out_of_memory", "memory allocation of 9 bytes failed").await;
    check(json!({ "act": "abort", "last_words": "odd" }), Crashed, "child_signal", "SIGABRT").await;
    check(json!({ "act": "panic" }), Bug, "child_panicked", "on purpose").await;
}

#[tokio::test]
async fn a_child_that_breaks_the_protocol_is_a_bug() {
    let file = |path: &str| json!({ "act": "file", "output": "tiles", "path": path, "bytes": 5 });
    let lie = |said: u64| json!({ "act": "file", "output": "tiles", "path": "a", "bytes": 5, "said_bytes": said });
    let link = json!({ "act": "link", "output": "tiles", "path": "a", "to": "/etc/hostname" });
    check(file("../tiles/a"), Bug, "runner_protocol", "no path of plain names").await;
    check(lie(4), Bug, "runner_protocol", "the child said 4").await;
    check(lie(6), Bug, "runner_protocol", "the child said 6").await;
    check(lie(5 << 20), Bug, "runner_protocol", "the child said 5242880").await;
    check(link, Bug, "runner_protocol", "tiles/a").await;
    check(
        json!({ "act": "file", "output": "other", "path": "a", "bytes": 5 }),
        Bug,
        "runner_protocol",
        "not asked for",
    )
    .await;
    check(
        json!({ "act": "garbage", "text": "hello, I am no frame" }),
        Bug,
        "runner_protocol",
        "no frame",
    )
    .await;
    check(json!({ "act": "done" }), Bug, "runner_protocol", "without output `tiles`").await;
    check(
        json!({ "act": "exit", "code": 0 }),
        Bug,
        "runner_protocol",
        "without having said `done`",
    )
    .await;
    check(json!({ "act": "half_a_frame" }), Bug, "runner_protocol", "without having said `done`")
        .await;
}

#[tokio::test]
async fn a_frame_that_is_cut_by_the_childs_death_is_the_childs_death() {
    let abort = json!({ "act": "abort", "last_words": "" });
    let failure = failure_of(begun(&[json!({ "act": "half_a_frame" }), abort])).await;
    assert_eq!((failure.class, failure.code.as_str()), (Crashed, "child_signal"));
}

#[tokio::test]
async fn a_child_says_itself_why_it_gives_up() {
    let failure = Failure::rejected("not_a_picture", "the source is no picture; send one");
    let told = failure_of(begun(&[
        json!({ "act": "failed", "failure": failure }),
        json!({ "act": "exit", "code": 1 }),
    ]))
    .await;
    assert_eq!(told, failure);
}

#[tokio::test]
async fn a_child_without_its_sandbox_is_refused_where_one_is_required() {
    let mut site = Site::new().await;
    site.config.child.require_sandbox = true;
    let message =
        site.submit(json!([{ "act": "started", "sandbox": false }, { "act": "hang" }])).await;
    let _running = site.start();
    let failure = site.failure(&message).await;
    assert_eq!((failure.class, failure.code.as_str()), (Bug, "runner_protocol"));
}

#[tokio::test]
async fn a_child_that_stands_still_is_killed() {
    let mut site = Site::new().await;
    site.config.image_stall = Span::from_secs(1);
    let acts = [json!({ "act": "grandchild" }), json!({ "act": "hang" })];
    let message = site.submit(begun(&acts)).await;
    let _running = site.start();
    let step = site.step(&message, "pids").await;
    let failure = site.failure(&message).await;
    assert_eq!((failure.class, failure.code.as_str()), (Crashed, "stalled"));
    for pid in step.split(' ').skip(1) {
        eventually("the process to be gone", || !lives(pid)).await;
    }
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_ended() {
    let site = Site::new().await;
    let mut message = site.job(begun(&[progress(0.1, "slow"), json!({ "act": "hang" })])).await;
    message.timeout = Span::from_millis(300);
    site.send(&message);
    let _running = site.start();
    let failure = site.failure(&message).await;
    assert_eq!((failure.class, failure.code.as_str()), (Transient, "timed_out"));
    site.scratch_is_empty().await;
}

/// A picture of 2 megapixels has 2 s, also where attempts have less; unless its submitter said how long it may take.
#[tokio::test]
async fn a_large_source_has_the_time_that_it_takes_and_everybody_is_told() {
    let site = Site::new().await;
    let acts = json!([
        { "act": "started", "sandbox": true },
        { "act": "probed", "side_px": 1400 },
        { "act": "hang" }
    ]);
    let (mut message, mut own) = (site.job(acts.clone()).await, site.job(acts).await);
    own.own_timeout = true;
    for message in [&mut message, &mut own] {
        message.timeout = Span::from_millis(300);
        site.send(message);
    }
    let begun = Instant::now();
    let _running = site.start();
    let failure = site.failure(&own).await;
    assert_eq!((failure.class, failure.code.as_str()), (Transient, "timed_out"));
    let events = site.events_of(message.id, 3).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    let reports: Vec<_> = events.into_iter().map(|event| event.report).collect();
    let probed = Report::Probed { timeout: Span::from_secs(2) };
    assert_eq!(reports[..2], [Report::Claimed, probed]);
    let timed_out = |report: &Report| matches!(report, Report::Failed { failure } if failure.code == "timed_out");
    assert!(timed_out(&reports[2]), "{reports:?}");
}

#[tokio::test]
async fn a_job_past_its_deadline_is_not_run() {
    let site = Site::new().await;
    let mut message = site.job(script(&[], &[("a.jpg", 10)])).await;
    message.deadline = LONG_PAST;
    site.send(&message);
    let _running = site.start();
    let failure = site.failure(&message).await;
    assert_eq!((failure.class, failure.code.as_str()), (Transient, "deadline_passed"));
    assert_eq!(site.manifest(&message).await, None);
}

#[tokio::test]
async fn a_source_that_is_not_there_or_too_large_is_rejected_with_what_to_do() {
    let mut site = Site::new().await;
    site.config.source_bytes_max = 500;
    let mut missing = site.job(json!([])).await;
    missing.source = SourceLocation::object("media", "missing.jpg");
    let large = site
        .job(begun(&[
            progress(0.1, &"x".repeat(100)),
            json!({ "act": "garbage", "text": "y".repeat(500) }),
        ]))
        .await;
    let _running = site.start();
    for (message, code, advice) in [
        (missing, "source_not_found", "finish the upload"),
        (large, "source_too_large", "submit a smaller one"),
    ] {
        site.send(&message);
        let failure = site.failure(&message).await;
        assert_eq!((failure.class, failure.code.as_str()), (Rejected, code));
        assert!(failure.message.contains(advice), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_source_that_is_not_what_was_announced_is_rejected() {
    let site = Site::new().await;
    let announced = async |sum: &dyn Fn(&[u8]) -> String| {
        let mut message = site.job(script(&[], &[("a.jpg", 10)])).await;
        let SourceLocation::Object { bucket, key, sha256 } = &mut message.source else { panic!() };
        *sha256 = Some(sum(&site.objects.get_bytes(bucket, key, 1 << 20).await.unwrap()));
        message
    };
    let right = announced(&|source| hex::encode(Sha256::digest(source))).await;
    let wrong = announced(&|_| "0".repeat(64)).await;
    let _running = site.start();
    site.send(&wrong);
    let failure = site.failure(&wrong).await;
    assert_eq!((failure.class, failure.code.as_str()), (Rejected, "source_checksum_differs"));
    for said in ["0".repeat(64).as_str(), "submit the file"] {
        assert!(failure.message.contains(said), "{}", failure.message);
    }
    site.send(&right);
    let outcome = site.outcome(&right).await;
    assert!(matches!(outcome, Report::Succeeded { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_store_that_does_not_take_the_outputs_is_transient() {
    let site = Site::new().await;
    let mut message = site.job(script(&[], &[("a.jpg", 10)])).await;
    message.manifest.bucket = "no-such-bucket".into();
    site.send(&message);
    let _running = site.start();
    let failure = site.failure(&message).await;
    assert_eq!((failure.class, failure.code.as_str()), (Transient, "store_refused"));
}

/// A join that is run as if it were the job would do all the work again, and split it again.
#[tokio::test]
async fn a_join_that_this_program_does_not_know_is_left_to_a_later_one() {
    let site = Site::new().await;
    let mut message = site.job(script(&[], &[])).await;
    message.join = Some(JoinTask {
        attempt: message.id.attempt,
        claim: ClaimId(Uuid::nil()),
        children: vec![],
    });
    site.send(&message);
    let _running = site.start();
    let failure = site.failure(&message).await;
    assert_eq!((failure.class, failure.code.as_str()), (Transient, "join_unknown"));
}
