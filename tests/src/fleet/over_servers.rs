//! A process for each role, over Kafka, PostgreSQL and an S3 server of others.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use panofleet_bus::kafka::KafkaConfig;
use panofleet_objects::{ObjectStore, ObjectsConfig, Secret};
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server, free_ports};

use super::links::Links;
use super::{Fleet, Process, Processes, QUICK, await_ready};
use crate::api::Api;
use crate::processes;

/// The one region of a fleet under test.
pub(super) const REGION: &str = "hangzhou";
/// The region of workers abroad.
pub const SECOND_REGION: &str = "lanzhou";
/// The users of a secured broker, by their roles.
const USERS: [&str; 5] = ["producer", "dispatcher", "collector", "worker", "operator"];

/// How many processes of each role there are.
#[derive(Clone, Debug)]
pub struct Roles {
    /// APIs, each with a dispatcher beside it.
    pub producers: u32,
    /// Whose jobs each of them takes, the first API's first; those that are not named have the tenant of the settings.
    pub tenants: &'static [&'static str],
    /// Dispatchers on their own.
    pub dispatchers: u32,
    /// Collectors.
    pub collectors: u32,
    /// Workers.
    pub workers: u32,
    /// Workers of [`SECOND_REGION`], numbered behind the others. Without any there is no such region.
    pub workers_abroad: u32,
    /// The APIs have no dispatchers beside them.
    pub api_only: bool,
    /// A broker of their own, so that it can be crashed.
    pub kafka: Option<&'static KafkaServer>,
    /// A database server of their own, so that it can be crashed.
    pub postgres: Option<&'static PostgresServer>,
    /// Every process reaches each server by a link of its own, which can be made bad: [`Fleet::links`]. The broker needs a
    /// door for each process.
    pub by_links: bool,
    /// Every link encrypted, and each role a Kafka user of its own with its own rights.
    pub secured: bool,
    /// Where the first API listens, and the next ones behind it; on any free ports without it.
    pub first_port: Option<u16>,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            producers: 1,
            tenants: &[],
            dispatchers: 0,
            collectors: 1,
            workers: 1,
            workers_abroad: 0,
            api_only: false,
            kafka: None,
            postgres: None,
            by_links: false,
            secured: false,
            first_port: None,
        }
    }
}

pub(super) async fn start(roles: &Roles, settings: &[&str]) -> Fleet {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir().expect("a folder");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let servers = if roles.secured { Servers::secured() } else { Servers::plain(roles) };
    let bucket = format!("fleet-{number}");
    let database = servers.postgres.create_database();
    let config = servers.config(number, (&bucket, &database));
    std::fs::write(folder.path().join("fleet.toml"), config).expect("a writable folder");
    let abroad = roles.settings_of_second_region(&bucket);
    let settings: Vec<&str> =
        settings.iter().copied().chain(abroad.iter().map(String::as_str)).collect();
    if roles.secured {
        topics(folder.path(), &["apply", "--acls"], &servers.as_user("admin"), &settings);
    }
    topics(folder.path(), &["apply"], &servers.as_user("operator"), &settings);
    let objects = servers.store();
    objects.create_bucket(&bucket).await.expect("a bucket");

    let mut processes = Processes(Vec::new());
    let mut links = BTreeMap::new();
    let mut urls = Vec::new();
    for (role, number) in roles.all() {
        let name = format!("{role}-{number}");
        let mut arguments = vec![role.to_owned(), "--config".to_owned(), "fleet.toml".to_owned()];
        if role == "producer" {
            let address = format!("127.0.0.1:{}", roles.port_of_api(number));
            urls.push(format!("http://{address}"));
            arguments.extend(["--listen".to_owned(), address]);
            arguments.extend(roles.api_only.then(|| "--api-only".to_owned()));
        }
        let [port] = free_ports();
        let mut own = vec![format!("metrics.listen=127.0.0.1:{port}")];
        let tenant = roles.tenants.get(number as usize - 1).filter(|_| role == "producer");
        own.extend(tenant.map(|tenant| format!("api.tenant={tenant}")));
        own.extend(roles.settings_of_worker(role, number));
        if roles.by_links {
            let of_process = Links::start(&servers).await;
            own.extend(of_process.settings(&database));
            links.insert(name.clone(), of_process);
        }
        let all = settings.iter().map(|setting| (*setting).to_owned()).chain(own);
        arguments.extend(all.flat_map(|setting| ["--set".to_owned(), setting]));
        arguments.extend(servers.as_user(role));
        let mut process = Process::new(name, arguments, folder.path());
        process.admin = Some(format!("http://127.0.0.1:{port}"));
        processes.0.push(process);
    }
    processes.0.iter_mut().for_each(Process::start);
    let mut apis: Vec<_> = urls.iter().map(|url| Api::new(url)).collect();
    if roles.secured {
        apis = apis.iter().map(|api| api.trusting(&servers.s3.ca_file())).collect();
    }
    // It is a fleet from here on: if it does not come up, its processes end with it.
    let fleet = Fleet {
        folder,
        processes,
        links,
        api: apis[0].clone(),
        apis,
        objects,
        bucket,
        database: Some(database),
        kafka: (!roles.secured).then(|| servers.kafka_config(number)),
    };
    for api in &fleet.apis {
        await_ready(api).await;
    }
    fleet
}

impl Roles {
    /// Every process: its role, and which of it.
    fn all(&self) -> impl Iterator<Item = (&'static str, u32)> + use<> {
        let counts = [
            ("producer", self.producers),
            ("dispatcher", self.dispatchers),
            ("collector", self.collectors),
            ("worker", self.workers + self.workers_abroad),
        ];
        counts.into_iter().flat_map(|(role, count)| (1..=count).map(move |number| (role, number)))
    }

    /// Who a worker is, and where it stands; nothing for other roles.
    fn settings_of_worker(&self, role: &str, number: u32) -> Vec<String> {
        if role != "worker" {
            return Vec::new();
        }
        let name = format!("worker.name=worker-{number}");
        let abroad = (number > self.workers).then(|| format!("worker.region={SECOND_REGION}"));
        [name].into_iter().chain(abroad).collect()
    }

    /// What every process is told of the second region, if there is one: it shares the bucket.
    fn settings_of_second_region(&self, bucket: &str) -> Vec<String> {
        if self.workers_abroad == 0 {
            return Vec::new();
        }
        vec![
            format!("api.regions.{SECOND_REGION}.bucket={bucket}"),
            format!("fleet.signing.{SECOND_REGION}.key={SECOND_REGION}-1"),
            format!("fleet.signing.{SECOND_REGION}.keys.{SECOND_REGION}-1={}", "7c".repeat(32)),
        ]
    }

    fn port_of_api(&self, number: u32) -> u16 {
        let [free] = free_ports();
        self.first_port.map_or(free, |first| first + u16::try_from(number - 1).unwrap_or(0))
    }
}

/// What a fleet stands on.
pub(super) struct Servers {
    pub(super) kafka: &'static KafkaServer,
    pub(super) postgres: &'static PostgresServer,
    pub(super) s3: &'static S3Server,
    is_secured: bool,
}

impl Servers {
    fn plain(roles: &Roles) -> Self {
        let kafka = roles.kafka.unwrap_or_else(KafkaServer::shared);
        let postgres = roles.postgres.unwrap_or_else(PostgresServer::shared);
        Self { kafka, postgres, s3: S3Server::shared(), is_secured: false }
    }

    /// Servers that speak TLS only, and a broker that lets nobody do what is not their work.
    fn secured() -> Self {
        static KAFKA: OnceLock<KafkaServer> = OnceLock::new();
        static S3: OnceLock<S3Server> = OnceLock::new();
        let kafka = KAFKA.get_or_init(|| KafkaServer::start_secured(&USERS));
        let (postgres, s3) = (PostgresServer::shared(), S3.get_or_init(S3Server::start_with_tls));
        Self { kafka, postgres, s3, is_secured: true }
    }

    /// Arguments of a process that comes to Kafka as this user; none where nobody asks.
    fn as_user(&self, user: &str) -> Vec<String> {
        if !self.is_secured {
            return Vec::new();
        }
        let password = self.kafka.password(user);
        let settings = [
            format!("fleet.kafka.sasl.username={user}"),
            format!("fleet.kafka.sasl.password={password}"),
        ];
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    }

    /// The object store, with the fleet's own credentials.
    fn store(&self) -> ObjectStore {
        let s3 = self.s3;
        let mut config =
            ObjectsConfig::new(&s3.endpoint(), s3.access_key(), Secret::new(s3.secret_key()));
        config.tls_ca_file = self.is_secured.then(|| s3.ca_file());
        // Another test of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        ObjectStore::new(&config).expect("an object store")
    }

    /// How a test comes to the same broker.
    fn kafka_config(&self, number: u32) -> KafkaConfig {
        KafkaConfig {
            bootstrap_servers: vec![self.kafka.address()],
            prefix: format!("fleet-{number}."),
            ..KafkaConfig::default()
        }
    }

    /// The configuration file that all roles share.
    fn config(&self, number: u32, (bucket, database): (&str, &str)) -> String {
        let (kafka_more, postgres, objects_more) = self.links(database);
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
{kafka_more}
[fleet.postgres]
{postgres}
[fleet.objects]
endpoint = "{endpoint}"
access_key = "{access_key}"
secret_key = "{secret_key}"
{objects_more}
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
            kafka = self.kafka.address(),
            endpoint = self.s3.endpoint(),
            access_key = self.s3.access_key(),
            secret_key = self.s3.secret_key(),
            key = "5a".repeat(32),
        )
    }

    /// How the servers are reached: further settings of Kafka, all of PostgreSQL, further ones of the object store.
    fn links(&self, database: &str) -> (String, String, String) {
        if !self.is_secured {
            let postgres = format!("url = \"{database}\"\ntls = \"off\"");
            return (String::new(), postgres, String::new());
        }
        let (url, certificate) = self.postgres.by_tcp(database);
        let users = USERS.map(|user| match user {
            "worker" => format!("workers = [{{ user = \"worker\", regions = [\"{REGION}\"] }}]\n"),
            user => format!("{user}s = [\"{user}\"]\n"),
        });
        // A producer is a dispatcher too.
        let users = users.concat().replace("[\"dispatcher\"]", "[\"dispatcher\", \"producer\"]");
        let ca_file = self.kafka.ca_file();
        (
            format!("tls = \"verified\"\ntls_ca_file = {ca_file:?}\n[fleet.kafka.users]\n{users}"),
            format!("url = \"{url}\"\ntls = \"verified\"\ntls_ca_file = {certificate:?}"),
            format!("tls_ca_file = {:?}", self.s3.ca_file()),
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "tests start the programs that they test")]
fn topics(folder: &Path, action: &[&str], user: &[String], settings: &[&str]) {
    let applied = Command::new(processes::program("panofleet"))
        .args(["topics", "--config", "fleet.toml"])
        .args(action)
        .args(user)
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .current_dir(folder)
        .output()
        .expect("panofleet starts");
    let said = [applied.stdout, applied.stderr].concat();
    assert!(applied.status.success(), "{action:?}: {}", String::from_utf8_lossy(&said));
}
