//! One job without any service.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use panofleet_job_schema::ErrorClass;
use panofleet_worker::config::ChildConfig;
use panofleet_worker::{LocalReport, LocalRun, run_local};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{begun, fake_runner, output, progress, script};

fn run(folder: &Path, scripted: &Value) -> LocalRun {
    let source = folder.join("source.json");
    std::fs::write(&source, scripted.to_string()).unwrap();
    LocalRun {
        runner: fake_runner(),
        source,
        outputs: BTreeMap::from([(
            output("tiles"),
            serde_json::from_value(json!({ "op": "pano.tiles" })).unwrap(),
        )]),
        out: folder.join("out"),
        limits: ChildConfig { require_sandbox: false, ..ChildConfig::default() }.into(),
        stall: Duration::from_secs(60),
        timeout: Duration::from_secs(60),
    }
}

#[tokio::test]
async fn a_local_run_leaves_files_and_a_manifest_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let run = run(
        folder.path(),
        &script(&[progress(0.5, "remap")], &[("b/0.jpg", 100), ("a.jpg", 5 << 20)]),
    );
    let out = run.out.clone();
    let mut steps = Vec::new();
    let report =
        run_local(run, |progress| steps.push((progress.fraction, progress.step))).await.unwrap();
    assert_eq!(steps, [(0.5, "remap".to_owned())]);
    let tiles = &report.outputs[&output("tiles")];
    assert_eq!(
        (tiles.prefix.as_str(), tiles.total_bytes, tiles.files.len()),
        ("tiles", (5 << 20) + 100, 2)
    );
    for file in &tiles.files {
        assert_eq!(
            std::fs::metadata(out.join("tiles").join(&file.path)).unwrap().len(),
            file.bytes
        );
    }
    let written: LocalReport =
        serde_json::from_slice(&std::fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(written, report);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2, "tiles and manifest.json");
}

#[tokio::test]
async fn a_local_run_fails_like_an_attempt() {
    let folder = TempDir::new().unwrap();
    let crash = run(folder.path(), &begun(&[json!({ "act": "abort", "last_words": "odd" })]));
    let out = crash.out.clone();
    let failure = run_local(crash, |_| {}).await.unwrap_err();
    assert_eq!((failure.class, failure.code.as_str()), (ErrorClass::Crashed, "child_signal"));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}

#[tokio::test]
async fn a_local_run_refuses_what_it_cannot_start_with() {
    let folder = TempDir::new().unwrap();
    let mut missing = run(folder.path(), &json!([]));
    missing.source = folder.path().join("missing");
    assert_eq!(run_local(missing, |_| {}).await.unwrap_err().code, "source_not_found");

    let full = run(folder.path(), &json!([]));
    std::fs::create_dir_all(&full.out).unwrap();
    std::fs::write(full.out.join("something"), "").unwrap();
    assert_eq!(run_local(full, |_| {}).await.unwrap_err().code, "out_not_empty");
}
