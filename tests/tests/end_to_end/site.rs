//! What the tests ask of a fleet.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use panofleet_job_schema::JobId;
use panofleet_producer::api::JobView;
use panofleet_producer::api::view::StateView;
use panofleet_tests::fleet::Fleet;
use panofleet_tests::{eventually, processes, root};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Long enough for a loaded machine, short enough to notice a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = root().join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn succeeded(job: &JobView) -> bool {
    matches!(job.state, StateView::Succeeded { .. })
}

pub(crate) async fn ended(fleet: &Fleet, id: JobId) -> JobView {
    eventually(&format!("job {id} ends"), PATIENCE, async || {
        fleet.api.job(id).await.ok().filter(JobView::is_terminal)
    })
    .await
}

/// How many of these jobs have succeeded; none if the service does not answer.
pub(crate) async fn successes(fleet: &Fleet, jobs: &[JobId]) -> usize {
    let mut count = 0;
    for id in jobs {
        count += usize::from(fleet.api.job(*id).await.is_ok_and(|job| succeeded(&job)));
    }
    count
}

pub(crate) async fn at_least(fleet: &Fleet, jobs: &[JobId], count: usize) {
    eventually(&format!("{count} jobs succeed"), PATIENCE, async || {
        (successes(fleet, jobs).await >= count).then_some(())
    })
    .await;
}

pub(crate) async fn kill_a_runner(fleet: &Fleet) {
    eventually("a runner is killed at its work", PATIENCE, async || {
        let runner = fleet.runners().first().copied()?;
        // One that stands still cannot come to its end before it is killed.
        processes::signal(runner, "STOP");
        let is_at_work = processes::is_alive(runner);
        processes::signal(runner, "KILL");
        is_at_work.then_some(())
    })
    .await;
}

pub(crate) fn job(source: &str, n: usize) -> Value {
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
pub(crate) async fn check_result(fleet: &Fleet, id: JobId) {
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

/// What a command says with a key, or why it does not.
#[expect(clippy::disallowed_methods, reason = "the test is a person at a terminal")]
pub(crate) fn panofleet(
    fleet: &Fleet,
    key: Option<&str>,
    arguments: &[&str],
) -> Result<String, String> {
    let mut command = Command::new(processes::program("panofleet"));
    command.arg("--data").arg(fleet.folder()).args(arguments).env_remove("PANOFLEET_API_KEY");
    command.envs(key.map(|key| ("PANOFLEET_API_KEY", key)));
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
