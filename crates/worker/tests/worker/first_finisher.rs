//! The first manifest counts, whoever else runs.

use panofleet_job_schema::job::CloseTarget;
use panofleet_job_schema::manifest::{ManifestSummary, Seal};
use panofleet_job_schema::message::{JobMessage, Report};
use panofleet_job_schema::source::SourceLocation;
use panofleet_objects::manifest;
use panofleet_service::clock::wall_clock;

use crate::site::{BUCKET, Site, script};

fn summary(report: Report) -> ManifestSummary {
    match report {
        Report::Succeeded { manifest } => manifest,
        report => panic!("{report:?}"),
    }
}

/// A source that is not there: a job that is run all the same fails.
fn nowhere() -> SourceLocation {
    SourceLocation::object(BUCKET, "none")
}

#[tokio::test]
async fn a_second_attempt_adopts_the_manifest_without_work() {
    let site = Site::new().await;
    let first = site.submit(script(&[], &[("a.jpg", 10)])).await;
    let _running = site.start();
    let won = summary(site.outcome(&first).await);
    let mut second = first.clone();
    second.id.attempt.0 = 2;
    second.source = nowhere();
    site.send(&second);
    assert_eq!(summary(site.outcome(&second).await), won);
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn of_two_that_run_at_once_both_report_the_first_manifest() {
    let site = Site::new().await;
    let first = site.job(site.patient()).await;
    let mut second = first.clone();
    second.id.attempt.0 = 2;
    site.send(&first);
    site.send(&second);
    let _running = site.start();
    site.step(&first, "ready").await;
    site.step(&second, "ready").await;
    site.go();
    let (one, other) = (summary(site.outcome(&first).await), summary(site.outcome(&second).await));
    assert_eq!(one, other);
    assert_eq!(site.manifest(&first).await.unwrap().claim, one.claim);
}

fn seal(message: &JobMessage) -> Seal {
    let id = message.id;
    Seal {
        schema: 1,
        job: id.job,
        generation: id.generation,
        target: CloseTarget::Cancelled,
        sealed_at: wall_clock(),
    }
}

#[tokio::test]
async fn a_seal_that_comes_first_ends_the_attempt_in_silence() {
    let site = Site::new().await;
    let mut before = site.job(script(&[], &[("a.jpg", 10)])).await;
    before.source = nowhere();
    manifest::put_seal(&site.objects, &before.manifest, &seal(&before)).await.unwrap();
    site.send(&before);
    let during = site.submit(site.patient()).await;
    let _running = site.start();
    site.step(&during, "ready").await;
    manifest::put_seal(&site.objects, &during.manifest, &seal(&during)).await.unwrap();
    site.go();
    site.scratch_is_empty().await;
    for message in [before, during] {
        let reports: Vec<_> =
            site.events(message.id).into_iter().map(|event| event.report).collect();
        assert_eq!(reports, [Report::Claimed]);
    }
}
