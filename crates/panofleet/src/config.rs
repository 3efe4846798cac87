//! The configuration: defaults < one TOML file < environment < flags, each value with where it came from.
//!
//! A setting is named by its path: `policy.lease` in the file's terms, `PANOFLEET__POLICY__LEASE` in the
//! environment, `--set policy.lease=30s` on the command line. Values are TOML; what is not TOML is taken as text.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use panofleet_bus::embedded::EmbeddedConfig;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Region, Span};
use panofleet_producer::api::ApiConfig;
use panofleet_service::telemetry::LogFormat;
use panofleet_worker::WorkerConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Variables of the environment that set something begin with this.
const PREFIX: &str = "PANOFLEET__";
/// The region and the bucket of a service that runs in one process.
const REGION: &str = "local";
const BUCKET: &str = "panofleet";

/// Every setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where a service that runs in one process keeps everything.
    pub(crate) data_dir: PathBuf,
    /// How long tasks may take to end at shutdown.
    pub(crate) shutdown_grace: Span,
    /// Logs.
    pub(crate) log: LogConfig,
    /// The embedded object store.
    pub(crate) store: StoreConfig,
    /// The embedded bus.
    pub(crate) bus: EmbeddedConfig,
    /// The HTTP API.
    pub(crate) api: ApiConfig,
    /// The worker.
    pub(crate) worker: WorkerConfig,
    /// What the lifecycle decides by.
    pub(crate) policy: Policy,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// What is logged, such as `info,panofleet_worker=debug`.
    pub(crate) filter: String,
    /// How.
    pub(crate) format: LogFormat,
}

/// The embedded object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreConfig {
    /// Address and port; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// How browsers reach it, for uploads, where that is another address: `https://store.example.com`.
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    /// The bucket of uploads and outputs.
    pub(crate) bucket: String,
}

impl Default for Config {
    fn default() -> Self {
        let region = Region::new(REGION).expect("the name keeps its own rule");
        Self {
            data_dir: "panofleet-data".into(),
            shutdown_grace: Span::from_secs(30),
            log: LogConfig { filter: "info,s3s=off".into(), format: LogFormat::Auto },
            store: StoreConfig {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8361)),
                public_url: None,
                bucket: BUCKET.into(),
            },
            bus: EmbeddedConfig::default(),
            api: ApiConfig::of_one_region(region.clone(), BUCKET),
            // Somebody who stops a service on a terminal does not wait for minutes.
            worker: WorkerConfig {
                region,
                drain_grace: Span::from_secs(10),
                ..WorkerConfig::default()
            },
            // One machine: a lost worker is noticed sooner, and progress moves.
            policy: Policy {
                heartbeat: Span::from_secs(2),
                lease: Span::from_secs(15),
                ..Policy::default()
            },
        }
    }
}

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub(crate) struct Layered {
    /// The result.
    pub(crate) config: Config,
    /// The result as TOML, by path, with its origin.
    pub(crate) origins: BTreeMap<String, (Value, String)>,
}

/// Where the layers come from; the caller reads the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources<'a> {
    /// The file, if there is one.
    pub(crate) file: Option<&'a Path>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// `path=value`, in order.
    pub(crate) flags: &'a [String],
}

/// Merges the layers and checks the result.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Layered> {
    let mut table =
        Table::try_from(Config::default()).context("the defaults cannot be written as TOML")?;
    let mut origins = BTreeMap::new();
    note(&mut origins, "", &table, "default");
    if let Some(path) = sources.file {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let layer: Table = text.parse().with_context(|| format!("{shown} is not TOML"))?;
        note(&mut origins, "", &layer, &format!("file {shown}"));
        merge(&mut table, layer);
    }
    for (name, text) in &sources.environment {
        if let Some(path) = name.strip_prefix(PREFIX) {
            let path = path.to_lowercase().replace("__", ".");
            set(&mut table, &mut origins, (&path, text), &format!("environment {name}"))?;
        }
    }
    for flag in sources.flags {
        let (path, text) = flag.split_once('=').ok_or_else(|| {
            anyhow!("--set {flag} needs the form path=value, such as policy.lease=30s")
        })?;
        set(&mut table, &mut origins, (path, text), "flag")?;
    }
    let config: Config = table.try_into().context("the configuration does not fit")?;
    config.check()?;
    Ok(Layered { config, origins })
}

impl Config {
    /// Checks the parts, and the parts against each other.
    fn check(&self) -> Result<()> {
        self.policy.check()?;
        self.worker.check()?;
        self.api.check()?;
        if !self.api.regions.contains_key(&self.worker.region) {
            bail!("worker.region `{}` is not under api.regions", self.worker.region);
        }
        Ok(())
    }
}

/// Lays one table over another; a value takes the place of a value or a whole table.
fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn set(
    table: &mut Table,
    origins: &mut BTreeMap<String, (Value, String)>,
    (path, text): (&str, &str),
    origin: &str,
) -> Result<()> {
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let layer = path
        .rsplit('.')
        .fold(value, |inner, key| Value::Table(Table::from_iter([(key.to_owned(), inner)])));
    let Value::Table(layer) = layer else { bail!("{origin}: no setting is named") };
    note(origins, "", &layer, origin);
    merge(table, layer);
    Ok(())
}

/// Notes the origin of every value of a layer.
fn note(origins: &mut BTreeMap<String, (Value, String)>, below: &str, layer: &Table, origin: &str) {
    for (key, value) in layer {
        let path = if below.is_empty() { key.clone() } else { format!("{below}.{key}") };
        match value {
            Value::Table(layer) => note(origins, &path, layer, origin),
            value => {
                origins.insert(path, (value.clone(), origin.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("panofleet.toml");
        std::fs::write(
            &file,
            "[policy]\nlease = \"90s\"\nheartbeat = \"20s\"\n[worker]\nslots = 3\n",
        )
        .unwrap();
        let flags = ["policy.heartbeat=15s".to_owned(), "api.listen=127.0.0.1:0".to_owned()];
        let sources = Sources {
            file: Some(&file),
            environment: environment(&[("PANOFLEET__POLICY__LEASE", "80s"), ("HOME", "/")]),
            flags: &flags,
        };
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.config.policy.lease, Span::from_secs(80));
        assert_eq!(loaded.config.policy.heartbeat, Span::from_secs(15));
        assert_eq!(loaded.config.worker.slot_count(), 3);
        assert_eq!(loaded.config.api.listen.port(), 0);
        let origin = |path: &str| loaded.origins[path].1.clone();
        assert_eq!(origin("policy.lease"), "environment PANOFLEET__POLICY__LEASE");
        assert_eq!(origin("policy.heartbeat"), "flag");
        assert!(origin("worker.slots").starts_with("file "));
        assert_eq!(origin("policy.deadline"), "default");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refusal = |flag: &str| {
            let flags = [flag.to_owned()];
            let refused = load(&Sources { flags: &flags, ..Sources::default() }).unwrap_err();
            format!("{refused:#}")
        };
        for (flag, expected) in [
            ("policy.laese=3s", "laese"),
            ("policy.lease=5s", "policy.lease"),
            ("policy.lease=soon", "`soon`"),
            ("worker.slots=0", "slots"),
            ("worker.region=mars", "mars"),
            ("policy", "path=value"),
        ] {
            let said = refusal(flag);
            assert!(said.contains(expected), "{flag}: {said}");
        }
    }
}
