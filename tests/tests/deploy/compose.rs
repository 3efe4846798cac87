//! The compose files: what they start fits together, and is what the program understands.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_norway::{Mapping, Value};

use crate::{SECRET, Settings, assert_pinned, assert_understood, docker, documents, read, typed};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compose {
    #[serde(rename = "name")]
    _name: String,
    services: BTreeMap<String, Service>,
    configs: BTreeMap<String, ConfigFile>,
    volumes: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    image: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    configs: Vec<Mount>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    healthcheck: Option<Health>,
    restart: Option<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    tmpfs: Vec<String>,
    cap_drop: Vec<String>,
    #[serde(default, rename = "cap_add")]
    _cap_add: Vec<String>,
    security_opt: Vec<String>,
    stop_grace_period: Option<String>,
    mem_limit: String,
    #[serde(rename = "cpus")]
    _cpus: Option<f64>,
    #[serde(rename = "pids_limit")]
    _pids_limit: Option<u32>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    hostname: Option<String>,
    #[serde(rename = "user")]
    _user: Option<String>,
    #[serde(rename = "network_mode")]
    _network_mode: Option<String>,
    #[serde(rename = "shm_size")]
    _shm_size: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mount {
    source: String,
    target: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    condition: Condition,
}

#[derive(Debug, Deserialize)]
enum Condition {
    #[serde(rename = "service_started")]
    Started,
    #[serde(rename = "service_healthy")]
    Healthy,
    #[serde(rename = "service_completed_successfully")]
    CompletedSuccessfully,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Health {
    #[serde(default)]
    test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: Option<String>,
    #[serde(rename = "timeout")]
    _timeout: Option<String>,
    #[serde(rename = "start_period")]
    _start_period: Option<String>,
    #[serde(rename = "retries")]
    _retries: Option<u32>,
    #[serde(default)]
    disable: bool,
}

/// One file over another, as compose lays them: mappings are merged, everything else is replaced.
fn lay_over(below: &mut Mapping, above: Mapping) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Mapping(below)), Value::Mapping(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

fn compose(files: &[&str]) -> Compose {
    let mut all = Mapping::new();
    for file in files {
        let Some(Value::Mapping(mut found)) = documents(&docker().join(file)).pop() else {
            panic!("{file} is no mapping")
        };
        found.retain(|key, _| !key.as_str().is_some_and(|key| key.starts_with("x-")));
        lay_over(&mut all, found);
    }
    typed(&Value::Mapping(all), files[files.len() - 1])
}

fn both() -> [Compose; 2] {
    [compose(&["compose.yaml"]), compose(&["compose.yaml", "compose.us-west.yaml"])]
}

/// `${NAME:?why}` becomes a secret, if docker/secrets.sh makes one of that name.
fn filled_in(text: &str) -> String {
    let made = read(&docker().join("secrets.sh"));
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("a brace");
        let (name, _) = variable.split_once(":?").expect("what is missing is said");
        assert!(made.contains(&format!("{name}=$(secret)")), "secrets.sh makes no {name}");
        filled.push_str(SECRET);
        filled.push_str(rest);
    }
    filled
}

impl Service {
    fn is_ours(&self) -> bool {
        self.image.starts_with("panofleet:")
    }

    fn words(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }

    /// Its settings, with the files where they lie in the repository.
    fn settings(&self, name: &str, compose: &Compose) -> Settings {
        let mut environment: BTreeMap<_, _> =
            self.environment.iter().map(|(name, value)| (name.clone(), filled_in(value))).collect();
        let file = environment.get_mut("PANOFLEET_CONFIG").expect("a file of settings");
        let mount = self.configs.iter().find(|mount| mount.target == *file);
        let mount = mount.unwrap_or_else(|| panic!("{name}: nobody mounts {file}"));
        let source = docker().join(&compose.configs[&mount.source].file);
        *file = source.display().to_string();
        Settings::of(&self.words(), &environment, name)
    }
}

/// `512m`, `2g`
fn bytes(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.parse().expect("a number");
    number
        << match unit {
            "m" => 20,
            "g" => 30,
            _ => panic!("{text} has no unit"),
        }
}

#[test]
fn what_services_wait_for_comes() {
    for compose in both() {
        for (name, service) in &compose.services {
            assert_pinned(&service.image, name);
            for (on, Dependency { condition }) in &service.depends_on {
                let other = compose.services.get(on);
                let other =
                    other.unwrap_or_else(|| panic!("{name} waits for {on}, which is not there"));
                let restarts = other.restart.as_deref() == Some("unless-stopped");
                let is_checked = other.healthcheck.as_ref().is_some_and(|health| !health.disable);
                match condition {
                    Condition::Started => {}
                    Condition::Healthy => assert!(is_checked, "{name} waits for {on}"),
                    Condition::CompletedSuccessfully => {
                        assert!(!restarts, "{name} waits for the end of {on}");
                    }
                }
            }
            for volume in &service.volumes {
                let (volume, _) = volume.split_once(':').expect("volume:place");
                assert!(compose.volumes.contains_key(volume), "{name}: {volume} is not declared");
            }
        }
    }
}

#[test]
fn services_have_no_more_than_they_need() {
    for compose in both() {
        for (name, service) in &compose.services {
            assert_eq!(service.cap_drop, ["ALL"], "{name}");
            assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
            bytes(&service.mem_limit);
            if service.is_ours() {
                assert!(service.read_only, "{name}: the image works so");
                assert!(
                    service.tmpfs.iter().any(|tmpfs| tmpfs.starts_with("/tmp:size=")),
                    "{name}"
                );
            }
            let is_worker = service.command.contains(&"worker".to_owned());
            let knows_database = service.environment.contains_key("PGPASSWORD");
            assert!(!is_worker || !knows_database, "{name}: a worker has no database");
        }
    }
}

#[test]
fn roles_run_with_these_settings() {
    for compose in both() {
        let mut roles = BTreeMap::<&str, u32>::new();
        for (name, service) in compose.services.iter().filter(|(_, service)| service.is_ours()) {
            assert_understood(&service.words(), name);
            *roles.entry(&service.command[1]).or_default() += 1;
            let settings = service.settings(name, &compose);
            let health = service.healthcheck.as_ref().expect("the template has one");
            if health.disable {
                continue;
            }
            let ["CMD", check @ ..] = &*health.test.iter().map(String::as_str).collect::<Vec<_>>()
            else {
                panic!("{name}: {health:?}")
            };
            assert_understood(check, name);
            let asked = format!("http://127.0.0.1:{}", settings.port("metrics.listen"));
            assert!(check.contains(&&*asked), "{name} is asked where it does not answer");
            let grace = service.stop_grace_period.as_deref().expect("a time to drain");
            let grace: u64 = grace.trim_end_matches('s').parse().expect("seconds");
            assert!(grace > settings.grace_s(), "{name} is killed before it has drained");
            for port in &service.ports {
                let inside = port.rsplit(':').next().expect("a port");
                assert_eq!(inside, settings.port("api.listen").to_string(), "{name}");
                assert!(port.starts_with("127.0.0.1:"), "{name}: the API asks nobody who comes");
            }
            if service.command[1] == "worker" {
                assert!(bytes(&service.mem_limit) >= settings.worker_bytes(), "{name}");
                assert!(service.hostname.is_some(), "{name}: its name must stay");
            }
            check_servers(name, &settings, &compose);
        }
        let workers = if compose.services.contains_key("us-west-1") { 4 } else { 2 };
        let expected = [
            ("collector", 1),
            ("dispatcher", 1),
            ("producer", 1),
            ("topics", 1),
            ("worker", workers),
        ];
        assert_eq!(roles, BTreeMap::from(expected));
    }
}

/// The servers that a role is told of are services, at the ports where they listen.
fn check_servers(name: &str, settings: &Settings, compose: &Compose) {
    let endpoint = settings.text("fleet.objects.endpoint").trim_start_matches("http://");
    let (host, port) = endpoint.split_once(':').expect("host:port");
    let store = compose.services.get(host).unwrap_or_else(|| panic!("{name}: no service {host}"));
    let listens = match store.command.is_empty() {
        true => read(&docker().join("fleet/objects.conf")).contains(&format!("listen {port};")),
        false => store.command.contains(&format!(":{port}")),
    };
    assert!(listens, "{name}: {host} does not listen at {port}");
    let brokers = settings.0["fleet.kafka.bootstrap_servers"]["value"].to_string();
    let advertised = &compose.services["kafka"].environment["KAFKA_ADVERTISED_LISTENERS"];
    let advertised = advertised.trim_start_matches("PLAINTEXT://");
    assert_eq!(brokers, format!("[\"{advertised}\"]"), "{name}");
}

#[test]
fn each_region_has_its_bucket_and_its_keys() {
    let [_, compose] = both();
    let settings = |name: &str| compose.services[name].settings(name, &compose);
    for (region, worker) in [("hangzhou", "worker-1"), ("us-west", "us-west-1")] {
        let (worker, dispatcher) = (settings(worker), settings("dispatcher"));
        let bucket = format!("api.regions.{region}.bucket");
        assert_eq!(worker.text(&bucket), dispatcher.text(&bucket));
        let maker = compose.services.values().find(|service| {
            service.command.iter().any(|word| *word == format!("/buckets/{}", worker.text(&bucket)))
        });
        assert!(maker.is_some(), "nobody makes the bucket of {region}");
        let keys = |settings: &Settings| {
            let names = settings.0.keys().filter(|path| path.starts_with("fleet.signing."));
            names.filter(|path| path.ends_with(".key")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&worker), [format!("fleet.signing.{region}.key")]);
        assert_eq!(keys(&dispatcher).len(), 2);
    }
}
