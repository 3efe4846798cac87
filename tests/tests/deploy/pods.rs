//! What of Kubernetes' own objects the manifests use. A field that is not here is a field that nobody checks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_norway::Value;

pub(crate) type Labels = BTreeMap<String, String>;

/// A Deployment, a `StatefulSet` or a Job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Workload {
    pub(crate) kind: String,
    #[serde(rename = "apiVersion")]
    _api_version: String,
    pub(crate) metadata: Metadata,
    pub(crate) spec: WorkloadSpec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) labels: Labels,
    #[serde(default, rename = "annotations")]
    _annotations: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct WorkloadSpec {
    pub(crate) replicas: Option<u32>,
    pub(crate) selector: Option<Selector>,
    #[serde(rename = "strategy")]
    _strategy: Option<Value>,
    pub(crate) service_name: Option<String>,
    #[serde(default)]
    pub(crate) volume_claim_templates: Vec<Value>,
    #[serde(rename = "backoffLimit")]
    _backoff_limit: Option<u32>,
    pub(crate) template: Template,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Selector {
    #[serde(default)]
    pub(crate) match_labels: Labels,
    #[serde(default)]
    pub(crate) match_expressions: Vec<Expression>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expression {
    pub(crate) key: String,
    pub(crate) operator: String,
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    pub(crate) metadata: Metadata,
    pub(crate) spec: PodSpec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PodSpec {
    pub(crate) service_account_name: Option<String>,
    pub(crate) automount_service_account_token: bool,
    pub(crate) termination_grace_period_seconds: Option<u64>,
    pub(crate) restart_policy: Option<String>,
    pub(crate) security_context: PodSecurity,
    #[serde(default)]
    pub(crate) init_containers: Vec<Container>,
    pub(crate) containers: Vec<Container>,
    #[serde(default)]
    pub(crate) volumes: Vec<Volume>,
    #[serde(rename = "topologySpreadConstraints")]
    _topology_spread_constraints: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PodSecurity {
    pub(crate) run_as_non_root: bool,
    pub(crate) run_as_user: u32,
    #[serde(rename = "runAsGroup")]
    _run_as_group: u32,
    #[serde(rename = "fsGroup")]
    _fs_group: Option<u32>,
    pub(crate) seccomp_profile: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    #[serde(default)]
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    pub(crate) restart_policy: Option<String>,
    #[serde(default)]
    pub(crate) env: Vec<Variable>,
    #[serde(default)]
    pub(crate) ports: Vec<Port>,
    pub(crate) startup_probe: Option<Probe>,
    pub(crate) liveness_probe: Option<Probe>,
    pub(crate) readiness_probe: Option<Probe>,
    pub(crate) resources: Resources,
    pub(crate) security_context: Value,
    #[serde(default)]
    pub(crate) volume_mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) value_from: Option<ValueFrom>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ValueFrom {
    pub(crate) secret_key_ref: Option<SecretKey>,
    #[serde(rename = "fieldRef")]
    _field_ref: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretKey {
    pub(crate) name: String,
    pub(crate) key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) container_port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Probe {
    pub(crate) http_get: Option<HttpGet>,
    pub(crate) tcp_socket: Option<TcpSocket>,
    #[serde(rename = "periodSeconds")]
    _period_seconds: Option<u32>,
    #[serde(rename = "timeoutSeconds")]
    _timeout_seconds: Option<u32>,
    #[serde(rename = "failureThreshold")]
    _failure_threshold: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpGet {
    pub(crate) path: String,
    pub(crate) port: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TcpSocket {
    pub(crate) port: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resources {
    pub(crate) requests: Labels,
    pub(crate) limits: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Mount {
    pub(crate) name: String,
    pub(crate) mount_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) config_map: Option<Named>,
    pub(crate) secret: Option<SecretVolume>,
    #[serde(rename = "emptyDir")]
    _empty_dir: Option<Value>,
    #[serde(rename = "projected")]
    _projected: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SecretVolume {
    pub(crate) secret_name: String,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    #[serde(rename = "key")]
    _key: String,
    pub(crate) path: String,
}

impl PodSpec {
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }
}

impl Selector {
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        let is_in = |term: &Expression| {
            assert_eq!(term.operator, "In", "no other is checked");
            labels.get(&term.key).is_some_and(|value| term.values.contains(value))
        };
        self.match_labels.iter().all(has) && self.match_expressions.iter().all(is_in)
    }
}

/// `6656Mi`
pub(crate) fn bytes(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 2);
    let number: u64 = number.parse().expect("a number");
    number
        << match unit {
            "Mi" => 20,
            "Gi" => 30,
            _ => panic!("{text} has no unit"),
        }
}
