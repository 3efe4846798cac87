//! A fleet under test. Today it is one process with embedded parts; the tests do not know.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use panofleet_objects::{ObjectStore, ObjectsConfig, Secret};
use serde_json::Value;
use tempfile::TempDir;

use crate::api::Api;
use crate::{eventually, processes};

/// How long a fleet may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// Timers that let a test see a lost worker within seconds. Leases outlive three lost heartbeats as ever.
const QUICK: [&str; 6] = [
    "policy.heartbeat=500ms",
    "policy.lease=3s",
    "policy.backoff_base=200ms",
    "policy.backoff_cap=1s",
    "policy.place_timeout=500ms",
    "policy.seal_retry=1s",
];

/// A running fleet. It is killed when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    folder: TempDir,
    service: Option<Child>,
    settings: Vec<String>,
    /// Its API.
    pub api: Api,
    /// Its object store, with the fleet's own credentials.
    pub objects: ObjectStore,
    /// The bucket of its outputs.
    pub bucket: String,
}

impl Fleet {
    /// Starts a fleet with quick timers and further settings, such as `worker.slots=1`.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings: Vec<_> =
            QUICK.iter().chain(settings).map(|setting| (*setting).to_owned()).collect();
        let service = spawn(folder.path(), &settings);
        let (api, objects) = connect(folder.path()).await;
        Self { folder, service: Some(service), settings, api, objects, bucket: "panofleet".into() }
    }

    /// The process that runs everything.
    ///
    /// # Panics
    /// If it was killed and not started again.
    pub fn pid(&self) -> u32 {
        self.service.as_ref().expect("a running service").id()
    }

    /// Ends the whole service as a power cut would.
    ///
    /// # Panics
    /// If it is not there.
    pub fn kill(&mut self) {
        let mut service = self.service.take().expect("a running service");
        service.kill().expect("it can be killed");
        service.wait().expect("it has ended");
        // Whoever looks for the address would find the dead one.
        std::fs::remove_file(self.folder.path().join("up.json"))
            .expect("a running service has an address");
    }

    /// Starts it again over what is left.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start_again(&mut self) {
        self.service = Some(spawn(self.folder.path(), &self.settings));
        (self.api, self.objects) = connect(self.folder.path()).await;
    }

    /// What clients find the service by.
    ///
    /// # Panics
    /// If it is not there.
    pub fn address(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("up.json")).expect("the service's address")
    }

    /// Starts another service on the same folder, and gives what it says when it ends.
    ///
    /// # Panics
    /// If it stays.
    pub async fn start_a_second(&self) -> String {
        let log = self.folder.path().join("log");
        let said_before = std::fs::read_to_string(&log).expect("a log").len();
        let mut second = spawn(self.folder.path(), &self.settings);
        let ended = eventually("the second service ends", READY, async || {
            second.try_wait().expect("a child of ours")
        });
        assert!(!ended.await.success(), "two services own one folder");
        std::fs::read_to_string(&log).expect("a log").split_off(said_before)
    }

    /// Asks it to end, and gives its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(&mut self) -> Option<i32> {
        let mut service = self.service.take().expect("a running service");
        processes::signal(service.id(), "TERM");
        let status = eventually("the service ends when it is told to", READY, async || {
            service.try_wait().expect("a child of ours")
        });
        status.await.code()
    }

    /// Keys below a prefix of the bucket.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let (mut keys, mut page) = (Vec::new(), None);
        loop {
            let found =
                self.objects.list(&self.bucket, prefix, page.as_deref()).await.expect("a listing");
            keys.extend(found.keys);
            page = found.next;
            if page.is_none() {
                return keys;
            }
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            // It may have ended by itself.
            drop(service.kill());
            drop(service.wait());
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("the fleet's last words:");
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests start the programs that they test")]
fn spawn(folder: &Path, settings: &[String]) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
    let mut command = Command::new(processes::program("panofleet"));
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(folder);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log"));
    command.spawn().expect("panofleet starts")
}

async fn connect(folder: &Path) -> (Api, ObjectStore) {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
    };
    let address =
        eventually("the service writes its address", READY, async || read("up.json")).await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let api = Api::new(&text(&address["api"]));
    eventually("the service is ready", READY, async || api.is_ready().await.then_some(())).await;
    let secrets = read("secrets.json").expect("the fleet's secrets");
    let secret = Secret::new(text(&secrets["secret_key"]));
    let config =
        ObjectsConfig::new(&text(&address["store"]), &text(&secrets["access_key"]), secret);
    (api, ObjectStore::new(&config).expect("an object store"))
}
