//! A process for each role, over Kafka, PostgreSQL and an S3 server of others.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use panofleet_objects::{ObjectStore, ObjectsConfig, Secret};
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server, free_ports};

use super::{Fleet, Process, Processes, QUICK, await_ready};
use crate::api::Api;
use crate::processes;

/// The one region of a fleet under test.
const REGION: &str = "hangzhou";

/// How many processes of each role there are.
#[derive(Clone, Debug)]
pub struct Roles {
    /// APIs, each with a dispatcher beside it.
    pub producers: u32,
    /// Dispatchers on their own.
    pub dispatchers: u32,
    /// Collectors.
    pub collectors: u32,
    /// Workers.
    pub workers: u32,
    /// A broker of their own, so that it can be crashed.
    pub kafka: Option<&'static KafkaServer>,
    /// Where the first API listens, and the next ones behind it; on any free ports without it.
    pub first_port: Option<u16>,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            producers: 1,
            dispatchers: 0,
            collectors: 1,
            workers: 1,
            kafka: None,
            first_port: None,
        }
    }
}

pub(super) async fn start(roles: &Roles, settings: &[&str]) -> Fleet {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir().expect("a folder");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let kafka = roles.kafka.unwrap_or_else(KafkaServer::shared);
    let bucket = format!("fleet-{number}");
    let config = config(kafka, number, &bucket);
    std::fs::write(folder.path().join("fleet.toml"), config).expect("a writable folder");
    apply_topics(folder.path());
    let s3 = S3Server::shared();
    let objects = ObjectsConfig::new(&s3.endpoint(), s3.access_key(), Secret::new(s3.secret_key()));
    let objects = ObjectStore::new(&objects).expect("an object store");
    objects.create_bucket(&bucket).await.expect("a bucket");

    let mut processes = Processes(Vec::new());
    let role = |name: &str, number: u32, arguments: &[&str]| {
        let mut arguments = arguments_of(name, arguments, settings);
        let [port] = free_ports();
        let address = format!("127.0.0.1:{port}");
        arguments.extend(["--set".to_owned(), format!("metrics.listen={address}")]);
        let mut process = Process::new(format!("{name}-{number}"), arguments, folder.path());
        process.admin = Some(format!("http://{address}"));
        process
    };
    let mut urls = Vec::new();
    for number in 1..=roles.producers {
        let [free] = free_ports();
        let port =
            roles.first_port.map_or(free, |first| first + u16::try_from(number - 1).unwrap_or(0));
        let address = format!("127.0.0.1:{port}");
        urls.push(format!("http://{address}"));
        processes.0.push(role("producer", number, &["--listen", &address]));
    }
    for number in 1..=roles.dispatchers {
        processes.0.push(role("dispatcher", number, &[]));
    }
    for number in 1..=roles.collectors {
        processes.0.push(role("collector", number, &[]));
    }
    for number in 1..=roles.workers {
        let name = format!("worker.name=worker-{number}");
        processes.0.push(role("worker", number, &["--set", &name]));
    }
    processes.0.iter_mut().for_each(Process::start);
    let apis: Vec<_> = urls.iter().map(|url| Api::new(url)).collect();
    // It is a fleet from here on: if it does not come up, its processes end with it.
    let fleet = Fleet { folder, processes, api: apis[0].clone(), apis, objects, bucket };
    for api in &fleet.apis {
        await_ready(api).await;
    }
    fleet
}

fn arguments_of(role: &str, arguments: &[&str], settings: &[&str]) -> Vec<String> {
    let mut all = vec![role, "--config", "fleet.toml"];
    all.extend(arguments);
    settings.iter().for_each(|setting| all.extend(["--set", setting]));
    all.into_iter().map(str::to_owned).collect()
}

/// The configuration file that all roles share.
fn config(kafka: &KafkaServer, number: u32, bucket: &str) -> String {
    let (s3, database) = (S3Server::shared(), PostgresServer::shared().create_database());
    let policy = QUICK.map(|setting| {
        let (path, value) = setting.split_once('=').expect("path=value");
        format!("{} = \"{value}\"\n", path.trim_start_matches("policy."))
    });
    format!(
        r#"
[policy]
{policy}
[fleet.kafka]
bootstrap_servers = ["{kafka}"]
prefix = "fleet-{number}."
replication = 1
replicas_in_sync = 1
event_partitions = 4
[fleet.postgres]
url = "{database}"
tls = "off"
[fleet.objects]
endpoint = "{endpoint}"
access_key = "{access_key}"
secret_key = "{secret_key}"
[fleet.signing.{REGION}]
key = "{REGION}-1"
keys.{REGION}-1 = "{key}"
[api]
default_region = "{REGION}"
regions.{REGION}.bucket = "{bucket}"
[worker]
region = "{REGION}"
drain_grace = "10s"
"#,
        policy = policy.concat(),
        kafka = kafka.address(),
        endpoint = s3.endpoint(),
        access_key = s3.access_key(),
        secret_key = s3.secret_key(),
        key = "5a".repeat(32),
    )
}

#[expect(clippy::disallowed_methods, reason = "tests start the programs that they test")]
fn apply_topics(folder: &Path) {
    let applied = Command::new(processes::program("panofleet"))
        .args(["topics", "apply", "--config", "fleet.toml"])
        .current_dir(folder)
        .output()
        .expect("panofleet starts");
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}
