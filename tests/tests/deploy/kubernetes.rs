//! The manifests: each overlay is put together as kustomize would, and what comes out is held to the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use panofleet_job_schema::{Lane, Region};
use panofleet_producer::api::ScaleView;
use panofleet_producer::metrics::METRICS;
use serde::Deserialize;
use serde_norway::Value;

use crate::pods::{Container, Labels, Selector, Workload, bytes};
use crate::{SECRET, Settings, assert_pinned, assert_understood, docker, documents, read, typed};

const OVERLAYS: [&str; 3] = ["hong-kong", "hangzhou", "us-west"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    namespace: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    config_map_generator: Vec<Generator>,
    #[serde(rename = "labels")]
    _labels: Option<Value>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    patches: Vec<Patch>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Generator {
    name: String,
    files: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    target: Target,
    patch: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    op: String,
    path: String,
    value: Value,
}

/// What an overlay comes to.
#[derive(Debug, Default)]
struct Cluster {
    objects: Vec<Value>,
    config_maps: BTreeMap<String, Vec<PathBuf>>,
    images: BTreeMap<String, String>,
}

impl Cluster {
    fn of(overlay: &str) -> Self {
        let mut cluster = Self::default();
        cluster.add(&docker().join("kubernetes/overlays").join(overlay));
        cluster
    }

    fn add(&mut self, folder: &Path) {
        let file = folder.join("kustomization.yaml");
        let shown = file.display().to_string();
        let found = documents(&file).pop().expect("a document");
        let found: Kustomization = typed(&found, &shown);
        assert!(found.namespace.is_none_or(|namespace| namespace == "panofleet"), "{shown}");
        for resource in found.resources.iter().chain(&found.components) {
            let path = folder.join(resource);
            if path.is_dir() {
                self.add(&path);
            } else {
                self.objects.extend(documents(&path));
            }
        }
        for Generator { name, files } in found.config_map_generator {
            let files: Vec<_> = files.iter().map(|file| folder.join(file)).collect();
            assert!(files.iter().all(|file| file.is_file()), "{shown}: {files:?}");
            self.config_maps.insert(name, files);
        }
        for Image { name, new_name, new_tag } in found.images {
            self.images.insert(name, format!("{new_name}:{new_tag}"));
        }
        for Patch { target, patch } in found.patches {
            let operations: Vec<Operation> = serde_norway::from_str(&patch).expect("a patch");
            let object = self.objects.iter_mut().find(|object| {
                object["kind"] == target.kind.as_str()
                    && object["metadata"]["name"] == target.name.as_str()
            });
            let object = object.unwrap_or_else(|| panic!("{shown}: there is no {target:?}"));
            operations.into_iter().for_each(|operation| replace(object, operation, &shown));
        }
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    fn workloads(&self) -> Vec<Workload> {
        let found =
            ["Deployment", "StatefulSet", "Job"].into_iter().flat_map(|kind| self.of_kind(kind));
        found.map(|object| typed(object, &name_of(object))).collect()
    }

    fn image(&self, container: &Container) -> String {
        self.images.get(&container.image).unwrap_or(&container.image).clone()
    }

    /// The ports that the pods open which a selector selects.
    fn ports_of(&self, selector: &Selector) -> Vec<u16> {
        let pods = self.workloads().into_iter().map(|workload| workload.spec.template);
        let selected = pods.filter(|pod| selector.matches(&pod.metadata.labels));
        let containers = selected.flat_map(|pod| pod.spec.containers);
        containers.flat_map(|container| container.ports).map(|port| port.container_port).collect()
    }
}

fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn replace(object: &mut Value, operation: Operation, place: &str) {
    let Operation { op, path, value } = operation;
    assert_eq!(op, "replace", "{place}: no other is checked");
    let mut at = object;
    for part in path.split('/').skip(1) {
        at = match part.parse::<usize>() {
            Ok(index) => at.get_mut(index),
            Err(_) => at.get_mut(part),
        }
        .unwrap_or_else(|| panic!("{place}: there is no {path}"));
    }
    *at = value;
}

/// The environment of a container, its settings where they lie in the repository, and a secret where one is wanted.
fn environment(
    cluster: &Cluster,
    workload: &Workload,
    container: &Container,
) -> BTreeMap<String, String> {
    let what = &workload.metadata.name;
    let example = read(&docker().join("kubernetes/secrets.env.example"));
    let signing = ["hangzhou", "us-west"].map(|region| {
        format!("{region} = {{ key = \"{region}-1\", keys = {{ {region}-1 = \"{SECRET}\" }} }}")
    });
    let signing = format!("{{ {} }}", signing.join(", "));
    let mut found = BTreeMap::new();
    for variable in &container.env {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), None) => value.clone(),
            (None, Some(from)) => {
                let Some(secret) = &from.secret_key_ref else { continue };
                match (secret.name.as_str(), secret.key.as_str()) {
                    ("panofleet", "signing") => signing.clone(),
                    ("panofleet", key) => {
                        assert!(example.contains(&format!("\n{key}=")), "{what}: no secret {key}");
                        SECRET.to_owned()
                    }
                    ("postgres-app", "uri") => {
                        "postgresql://panofleet:x@postgres-rw/panofleet".to_owned()
                    }
                    other => panic!("{what}: nobody makes {other:?}"),
                }
            }
            both => panic!("{what}: {}: {both:?}", variable.name),
        };
        found.insert(variable.name.clone(), value);
    }
    if let Some(file) = found.get_mut("PANOFLEET_CONFIG") {
        let (folder, name) = file.rsplit_once('/').expect("a file in a folder");
        let mount = container.volume_mounts.iter().find(|mount| mount.mount_path == folder);
        let mount = mount.unwrap_or_else(|| panic!("{what}: nothing is mounted at {folder}"));
        let volumes = &workload.spec.template.spec.volumes;
        let volume = volumes.iter().find(|volume| volume.name == mount.name).expect("its volume");
        let map = &volume.config_map.as_ref().expect("settings are a config map").name;
        let files = cluster.config_maps.get(map).expect("which the overlay makes");
        let file_here = files.iter().find(|path| path.ends_with(name)).expect("with the file");
        *file = file_here.display().to_string();
    }
    found
}

#[test]
fn pods_have_no_more_than_they_need() {
    for overlay in OVERLAYS {
        let cluster = Cluster::of(overlay);
        for workload in cluster.workloads() {
            let (what, spec) = (&workload.metadata.name, &workload.spec.template.spec);
            let security = &spec.security_context;
            assert!(security.run_as_non_root && security.run_as_user > 0, "{what}");
            assert_eq!(security.seccomp_profile["type"], "RuntimeDefault", "{what}");
            assert!(!spec.automount_service_account_token, "{what}: tokens are for sidecars");
            let labels = &workload.spec.template.metadata.labels;
            let selects = workload.spec.selector.as_ref();
            assert!(selects.is_none_or(|selector| selector.matches(labels)), "{what}");
            let service = workload.spec.service_name.as_ref();
            let has = |name: &str| {
                cluster.of_kind("Service").any(|found| found["metadata"]["name"] == name)
            };
            assert!(service.is_none_or(|name| has(name.as_str())), "{what}");
            for container in spec.all_containers() {
                let place = format!("{overlay}, {what}, {}", container.name);
                assert_pinned(&cluster.image(container), &place);
                let expected: Value = serde_norway::from_str(
                    "{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }",
                )
                .expect("YAML");
                assert_eq!(container.security_context, expected, "{place}");
                let requests = bytes(&container.resources.requests["memory"]);
                assert!(requests <= bytes(&container.resources.limits["memory"]), "{place}");
                for mount in &container.volume_mounts {
                    let claims = workload.spec.volume_claim_templates.iter();
                    let mut claims = claims.map(|claim| claim["metadata"]["name"].as_str());
                    let is_there = spec.volumes.iter().any(|volume| volume.name == mount.name)
                        || claims.any(|name| name == Some(mount.name.as_str()));
                    assert!(is_there, "{place}: no volume {}", mount.name);
                }
                let probes = [
                    &container.startup_probe,
                    &container.liveness_probe,
                    &container.readiness_probe,
                ];
                for probe in probes.into_iter().flatten() {
                    let http = probe.http_get.as_ref();
                    let port = http
                        .map(|http| &http.port)
                        .or(probe.tcp_socket.as_ref().map(|tcp| &tcp.port));
                    let port = port.expect("a probe asks somebody");
                    assert!(container.ports.iter().any(|found| found.name == *port), "{place}");
                    let paths = ["/healthz", "/readyz"];
                    assert!(http.is_none_or(|http| paths.contains(&&*http.path)), "{place}");
                }
            }
            for volume in &spec.volumes {
                let made = |name| cluster.config_maps.contains_key(name);
                let map = volume.config_map.as_ref();
                assert!(map.is_none_or(|map| made(map.name.as_str())), "{what}: {volume:?}");
            }
        }
    }
}

#[test]
fn roles_run_with_these_settings() {
    let mut roles = Vec::new();
    for overlay in OVERLAYS {
        let cluster = Cluster::of(overlay);
        for workload in cluster.workloads() {
            let spec = &workload.spec.template.spec;
            let ours = spec.containers.iter().filter(|container| container.image == "panofleet");
            for container in ours {
                let place = format!("{overlay}, {}", workload.metadata.name);
                let words: Vec<_> =
                    container.command.iter().chain(&container.args).map(String::as_str).collect();
                let ["tini", "--", command @ ..] = words.as_slice() else {
                    panic!("{place}: {words:?}")
                };
                assert_understood(command, &place);
                let environment = environment(&cluster, &workload, container);
                let settings = Settings::of(command, &environment, &place);
                let is_job = workload.kind == "Job";
                if !is_job {
                    let grace = spec.termination_grace_period_seconds.expect("a time to drain");
                    assert!(grace > settings.grace_s(), "{place} is killed before it has drained");
                    let probes = [
                        &container.startup_probe,
                        &container.liveness_probe,
                        &container.readiness_probe,
                    ];
                    assert!(probes.into_iter().all(Option::is_some), "{place}");
                }
                for port in &container.ports {
                    let setting = if port.name == "http" { "api.listen" } else { "metrics.listen" };
                    assert_eq!(port.container_port, settings.port(setting), "{place}");
                }
                check_servers(&cluster, &workload, (container, &settings), &place);
                if command[1] == "worker" {
                    assert_eq!(settings.text("worker.region"), overlay);
                    let limit = bytes(&container.resources.limits["memory"]);
                    assert!(limit >= settings.worker_bytes(), "{place}");
                    assert!(
                        !environment.contains_key("PANOFLEET__FLEET__POSTGRES__URL"),
                        "{place}"
                    );
                    assert_eq!(workload.spec.replicas, None, "{place}: that is the autoscaler's");
                }
                let words = command.iter().skip(1).filter(|word| !word.starts_with("--"));
                let role = words.copied().find(|word| !word.contains('=')).expect("a role");
                roles.push((overlay, role.to_owned()));
                assert_eq!(is_job, spec.restart_policy.is_some(), "{place}");
            }
        }
    }
    roles.sort_unstable();
    let expected = [
        ("hangzhou", "worker"),
        ("hong-kong", "collector"),
        ("hong-kong", "dispatcher"),
        ("hong-kong", "producer"),
        ("hong-kong", "topics"),
        ("us-west", "worker"),
    ];
    assert_eq!(roles, expected.map(|(overlay, role)| (overlay, role.to_owned())));
}

/// The store is a service of the cluster, and files of CAs are mounted where the settings look for them.
fn check_servers(
    cluster: &Cluster,
    workload: &Workload,
    (container, settings): (&Container, &Settings),
    place: &str,
) {
    let endpoint = settings.text("fleet.objects.endpoint").trim_start_matches("http://");
    let (host, port) = endpoint.split_once(':').expect("host:port");
    let port: u16 = port.parse().expect("a port");
    let is_there = cluster.of_kind("Service").any(|service| {
        service["metadata"]["name"] == host
            && service["spec"]["ports"][0]["port"] == u64::from(port)
    });
    assert!(is_there, "{place}: there is no service {endpoint}");
    let volumes = &workload.spec.template.spec.volumes;
    for setting in ["fleet.kafka.tls_ca_file", "fleet.postgres.tls_ca_file"] {
        if !settings.0.contains_key(setting) {
            continue;
        }
        let (folder, name) = settings.text(setting).rsplit_once('/').expect("a file in a folder");
        let mount = container.volume_mounts.iter().find(|mount| mount.mount_path == folder);
        let mount = mount.unwrap_or_else(|| panic!("{place}: nothing is mounted at {folder}"));
        let volume = volumes.iter().find(|volume| volume.name == mount.name).expect("its volume");
        let secret = volume.secret.as_ref().expect("a secret");
        assert!(
            ["kafka-cluster-ca-cert", "postgres-ca"].contains(&&*secret.secret_name),
            "{place}"
        );
        assert!(secret.items.iter().any(|item| item.path == name), "{place}: no {name}");
    }
}

#[test]
fn what_selects_finds_something() {
    for overlay in OVERLAYS {
        let cluster = Cluster::of(overlay);
        for object in &cluster.objects {
            let what = format!("{overlay}, {}", name_of(object));
            let spec = &object["spec"];
            let (selector, ports): (Selector, Vec<Value>) = match object["kind"].as_str() {
                Some("Service") => {
                    let labels: Labels = typed(&spec["selector"], &what);
                    let selector = Selector { match_labels: labels, match_expressions: vec![] };
                    let targets = spec["ports"].as_sequence().expect("ports");
                    (selector, targets.iter().map(|port| port["port"].clone()).collect())
                }
                Some("PodDisruptionBudget") => (typed(&spec["selector"], &what), vec![]),
                Some("NetworkPolicy") => {
                    let rules = spec["ingress"].as_sequence().into_iter().flatten();
                    let ports =
                        rules.flat_map(|rule| rule["ports"].as_sequence().into_iter().flatten());
                    (
                        typed(&spec["podSelector"], &what),
                        ports.map(|port| port["port"].clone()).collect(),
                    )
                }
                _ => continue,
            };
            let open = cluster.ports_of(&selector);
            assert!(!open.is_empty(), "{what} selects nothing");
            let is_service = object["kind"] == "Service";
            for port in ports.iter().filter(|_| !is_service) {
                let port = port.as_u64().expect("a number");
                assert!(open.iter().any(|found| u64::from(*found) == port), "{what}: {port}");
            }
        }
    }
}

#[test]
fn autoscalers_ask_for_what_there_is() {
    let view = ScaleView {
        region: Region::new("hangzhou").expect("a name"),
        lane: Lane::Image,
        queued: 0,
        sent: 0,
        running: 0,
        oldest_s: 0,
        workers: 0,
        workers_busy: 0,
        slots: 0,
        slots_busy: 0,
        paused: false,
        desired: 0,
    };
    let view = serde_json::to_value(view).expect("JSON");
    let mut seen = 0;
    for overlay in OVERLAYS {
        let cluster = Cluster::of(overlay);
        let scalers =
            cluster.of_kind("ScaledObject").chain(cluster.of_kind("HorizontalPodAutoscaler"));
        for scaler in scalers {
            let spec = &scaler["spec"];
            let target = &spec["scaleTargetRef"]["name"];
            assert!(
                cluster.of_kind("Deployment").any(|found| found["metadata"]["name"] == *target)
            );
            for (at, lane) in Lane::ALL.into_iter().enumerate() {
                if scaler["kind"] == "ScaledObject" {
                    let trigger = &spec["triggers"][at];
                    assert_eq!(
                        (&trigger["type"], &trigger["metricType"]),
                        (&"metrics-api".into(), &"AverageValue".into())
                    );
                    let field = trigger["metadata"]["valueLocation"].as_str().expect("a field");
                    assert!(view[field].is_number(), "{field}");
                    let url = trigger["metadata"]["url"].as_str().expect("a URL");
                    let (address, query) = url.split_once('?').expect("a bound");
                    assert!(address.ends_with(&format!("/v1/scale/{overlay}/{lane}")), "{url}");
                    let max = spec["maxReplicaCount"].as_u64().expect("a number");
                    assert_eq!(query, format!("max={max}"), "both have one bound");
                    assert_eq!(trigger["metadata"]["authMode"], "bearer");
                    let name = &trigger["authenticationRef"]["name"];
                    let mut known = cluster.of_kind("TriggerAuthentication");
                    let known = known.find(|found| found["metadata"]["name"] == *name);
                    let token = &known.expect("who carries the key")["spec"]["secretTargetRef"][0];
                    assert_eq!(
                        (&token["parameter"], &token["name"]),
                        (&"token".into(), &"panofleet".into())
                    );
                    let key = token["key"].as_str().expect("a key");
                    let example = read(&docker().join("kubernetes/secrets.env.example"));
                    assert!(example.contains(&format!("\n{key}=")), "no secret {key}");
                } else {
                    let metric = &spec["metrics"][at]["external"]["metric"];
                    let name = metric["name"].as_str().expect("a name");
                    let known =
                        METRICS.iter().find(|metric| metric.name == name).expect("it is counted");
                    let labels: Labels = typed(&metric["selector"]["matchLabels"], name);
                    assert!(
                        labels.keys().all(|label| known.labels.contains(&&**label)),
                        "{labels:?}"
                    );
                    assert_eq!((&*labels["region"], &*labels["lane"]), (overlay, lane.as_str()));
                }
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 2, "one of each kind");
}

#[test]
fn regions_have_a_bucket_and_a_way_to_it() {
    for region in ["hangzhou", "us-west"] {
        let cluster = Cluster::of(region);
        let workloads = cluster.workloads();
        let store = workloads.iter().find(|found| found.metadata.name == "store").expect("a store");
        let made = &store.spec.template.spec.init_containers[0].args;
        assert_eq!(*made, [format!("/buckets/panofleet-{region}")]);
        let settings = read(&cluster.config_maps["fleet"][0]);
        assert!(settings.contains(&format!("regions.{region}.bucket = \"panofleet-{region}\"")));
        for overlay in OVERLAYS {
            let proxy = read(&Cluster::of(overlay).config_maps["objects"][0]);
            let server = match overlay == region {
                true => "store:9000".to_owned(),
                false => format!("objects.{region}.panofleet.example.com:443"),
            };
            let upstream = format!("upstream {region} {{ server {server};");
            assert!(proxy.contains(&upstream), "{overlay}: {upstream}");
        }
    }
    let sidecar = Cluster::of("hangzhou");
    let workloads = sidecar.workloads();
    let worker = workloads.iter().find(|found| found.metadata.name == "worker").expect("a worker");
    let spec = &worker.spec.template.spec;
    let account = spec.service_account_name.as_deref();
    assert!(
        sidecar
            .of_kind("ServiceAccount")
            .any(|found| found["metadata"]["name"].as_str() == account)
    );
    let cost = &spec.init_containers[0];
    assert_eq!(cost.restart_policy.as_deref(), Some("Always"), "it runs beside the worker");
    let script = &sidecar.config_maps["deletion-cost"][0];
    assert!(cost.command[1].ends_with(&*script.file_name().expect("a name").to_string_lossy()));
}
