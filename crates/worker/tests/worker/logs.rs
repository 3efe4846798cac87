//! What a worker's log says about a job, as a machine reads it.

use std::sync::Arc;

use panofleet_service::telemetry;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tracing::subscriber::DefaultGuard;

use crate::site::{Site, TRACE_ID, begun, progress, script};

/// The log of this thread, from now on.
struct Log {
    file: NamedTempFile,
    _guard: DefaultGuard,
}

impl Log {
    fn begin(filter: &str) -> Self {
        let file = NamedTempFile::new().unwrap();
        let guard = telemetry::capture(filter, Arc::new(file.reopen().unwrap())).unwrap();
        Self { file, _guard: guard }
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn every_line_about_an_attempt_names_its_job_and_trace() {
    let log = Log::begin("debug,hyper=off,h2=off,aws=off");
    let site = Site::new().await;
    let acts = [progress(0.5, "tiles")];
    let message = site.submit(script(&acts, &[("a.jpg", 10), ("b.jpg", 17 << 20)])).await;
    let running = site.start();
    site.outcome(&message).await;
    running.shutdown.cancel();
    running.end().await.unwrap();

    let job = message.id.job.to_string();
    let lines = log.lines();
    let about: Vec<_> = lines.iter().filter(|line| line["job"] == *job).collect();
    for line in &about {
        assert_eq!(line["trace_id"], TRACE_ID, "{line}");
        assert_eq!((&line["attempt"], &line["generation"]), (&json!("1"), &json!("1")), "{line}");
        assert_eq!(line["operation"], "pano.tiles", "{line}");
        assert!(line["claim"].is_string(), "{line}");
    }
    let said: Vec<_> = about.iter().map(|line| line["message"].as_str().unwrap()).collect();
    for expected in ["attempt begins", "child started", "succeeded"] {
        assert!(said.contains(&expected), "{said:?}");
    }
    // Nobody speaks about the attempt outside its span.
    const INSIDE: [&str; 4] = ["attempt", "conversation", "execute", "store"];
    for line in lines.iter().filter(|line| line["job"].is_null()) {
        let target = line["target"].as_str().unwrap();
        let module = target.strip_prefix("panofleet_worker::").unwrap_or_default();
        assert!(!INSIDE.contains(&module), "{line}");
    }
}

#[tokio::test]
async fn a_failure_names_its_job_whatever_the_filter_lets_through() {
    let log = Log::begin("warn");
    let site = Site::new().await;
    let message = site.submit(begun(&[json!({ "act": "exit", "code": 3 })])).await;
    let _running = site.start();
    site.failure(&message).await;
    let lines = log.lines();
    let failed = lines.iter().find(|line| line["message"] == "failed").unwrap();
    assert_eq!(failed["job"], message.id.job.to_string());
    assert_eq!(failed["trace_id"], TRACE_ID);
    assert_eq!((&failed["code"], &failed["level"]), (&json!("child_exit"), &json!("WARN")));
}
