//! What `docker/` ships, held to the programs: every command line, setting, port, metric and file that it names is there.
//!
//! | what | file |
//! |---|---|
//! | Dockerfiles | `images.rs` |
//! | compose files | `compose.rs` |
//! | manifests for Kubernetes | `kubernetes.rs`; what a pod is, `pods.rs` |
//! | the sidecar of workers | `deletion_cost.rs` |
//! | alerts and the dashboard | `observed.rs` |
//! | docs/operations.md | `operations.rs` |
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail their test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use panofleet_tests::{processes, root};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::Value;

mod compose;
mod deletion_cost;
mod images;
mod kubernetes;
mod observed;
mod operations;
mod pods;

/// A secret that fits wherever one is wanted: 32 bytes in hexadecimal digits.
const SECRET: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// What a worker needs beside its children.
const WORKER_BYTES: u64 = 512 << 20;

/// A folder of what is shipped.
fn docker() -> PathBuf {
    root().join("docker")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document of a YAML file, with what `<<` brings in its place.
fn documents(path: &Path) -> Vec<Value> {
    let text = read(path);
    let documents = serde_norway::Deserializer::from_str(&text).map(|document| {
        let mut value = Value::deserialize(document)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // What is merged may itself merge something.
        for _depth in 0..4 {
            value.apply_merge().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        value
    });
    documents.collect()
}

fn typed<T: DeserializeOwned>(value: &Value, what: &str) -> T {
    serde_norway::from_value(value.clone()).unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "the tests ask the program what it knows")]
fn panofleet(arguments: &[&str], environment: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(processes::program("panofleet"));
    command.env_clear().envs(environment).args(arguments).output().expect("panofleet starts")
}

/// A whole command line is one that panofleet understands.
fn assert_understood(words: &[&str], what: &str) {
    let ["panofleet", arguments @ ..] = words else { panic!("{what}: no panofleet in {words:?}") };
    let arguments: Vec<_> = arguments.iter().copied().chain(["--help"]).collect();
    let output = panofleet(&arguments, &BTreeMap::new());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: panofleet does not know {words:?}: {said}");
}

/// The settings that a container has: by path, as `panofleet config` prints them.
#[derive(Debug)]
struct Settings(BTreeMap<String, serde_json::Value>);

impl Settings {
    /// With its environment, in which `PANOFLEET_CONFIG` names the file as it lies in the repository.
    fn of(words: &[&str], environment: &BTreeMap<String, String>, what: &str) -> Self {
        let flags = words.windows(2).filter(|pair| pair[0] == "--set").flatten().copied();
        let arguments: Vec<_> = ["config", "--json"].into_iter().chain(flags).collect();
        let output = panofleet(&arguments, environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: the settings do not fit: {said}");
        Self(serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    fn text(&self, path: &str) -> &str {
        let setting = self.0.get(path).unwrap_or_else(|| panic!("{path} is not set"));
        setting["value"].as_str().unwrap_or_else(|| panic!("{path} is no text: {setting}"))
    }

    fn number(&self, path: &str) -> u64 {
        self.0[path]["value"].as_u64().unwrap_or_else(|| panic!("{path} is no number"))
    }

    /// The port of an address that the process listens at.
    fn port(&self, path: &str) -> u16 {
        let (_, port) = self.text(path).rsplit_once(':').expect("an address");
        port.parse().expect("a port")
    }

    /// How long the process may take to end by itself.
    fn grace_s(&self) -> u64 {
        ["shutdown_grace", "worker.drain_grace"].map(|path| self.span_s(path)).into_iter().sum()
    }

    fn span_s(&self, path: &str) -> u64 {
        let span: panofleet_job_schema::Span = self.text(path).parse().expect("a span");
        span.0.as_secs()
    }

    /// The memory that a worker needs if each of its children takes what it may.
    fn worker_bytes(&self) -> u64 {
        let slots = self.number("worker.slots") + self.number("worker.video_slots");
        slots * self.number("worker.child.memory_bytes") + WORKER_BYTES
    }
}

/// An image that we build, or one with a registry and a version; never the latest of anything.
fn assert_pinned(image: &str, what: &str) {
    let (name, tag) =
        image.rsplit_once(':').unwrap_or_else(|| panic!("{what}: {image} has no tag"));
    let version = tag.trim_start_matches('v');
    assert!(
        version.starts_with(|c: char| c.is_ascii_digit()) || tag.contains("bookworm"),
        "{what}: {image}"
    );
    if name.contains('/') {
        let registry = name.split('/').next().expect("a part");
        assert!(registry.contains('.'), "{what}: {image} does not say from which registry");
    } else {
        let dockerfile = docker().join(name.strip_prefix("panofleet-").unwrap_or(name));
        assert!(dockerfile.join("Dockerfile").is_file(), "{what}: nobody builds {image}");
        let built = read(&docker().join("panofleet/Dockerfile"));
        assert!(
            built.contains(&format!("-t {image} ")),
            "{what}: nobody builds {image}, of this tag"
        );
    }
}
