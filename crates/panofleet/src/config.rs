//! The configuration: defaults < one TOML file < environment < flags, each value with where it came from.
//!
//! A setting is named by its path: `policy.lease` in the file's terms, `PANOFLEET__POLICY__LEASE` in the
//! environment, `--set policy.lease=30s` on the command line. Values are TOML; what is not TOML is taken as text.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Result, bail};
use panofleet_bus::embedded::EmbeddedConfig;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Region, Secret, Span, WorkerId};
use panofleet_producer::api::ApiConfig;
use panofleet_producer::dispatcher::{DispatchConfig, RetentionConfig};
use panofleet_service::metrics::MetricsConfig;
use panofleet_service::telemetry::LogFormat;
use panofleet_worker::WorkerConfig;
use serde::{Deserialize, Serialize};

mod fleet;
mod layers;

pub(crate) use fleet::FleetConfig;
pub(crate) use layers::{Layered, Sources, load};

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
    /// Where Prometheus and orchestrators look at this process.
    pub(crate) metrics: MetricsConfig,
    /// The embedded object store.
    pub(crate) store: StoreConfig,
    /// The embedded bus.
    pub(crate) bus: EmbeddedConfig,
    /// The HTTP API.
    pub(crate) api: ApiConfig,
    /// Who goes next.
    pub(crate) dispatch: DispatchConfig,
    /// How long what is kept.
    #[serde(default)]
    pub(crate) retention: RetentionConfig,
    /// The worker.
    pub(crate) worker: WorkerConfig,
    /// What the lifecycle decides by.
    pub(crate) policy: Policy,
    /// What the commands say to the API.
    #[serde(default)]
    pub(crate) client: ClientConfig,
    /// The servers of a fleet; a service that runs in one process has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fleet: Option<FleetConfig>,
}

/// What the commands say to the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientConfig {
    /// The API key; `PANOFLEET_API_KEY` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Secret>,
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

impl Config {
    /// The defaults of a service that runs in one process.
    fn of_one_process() -> Self {
        let region = Region::new(REGION).expect("the name keeps its own rule");
        Self {
            data_dir: "panofleet-data".into(),
            shutdown_grace: Span::from_secs(30),
            log: LogConfig { filter: "info,s3s=off".into(), format: LogFormat::Auto },
            metrics: MetricsConfig::default(),
            store: StoreConfig {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8361)),
                public_url: None,
                bucket: BUCKET.into(),
            },
            bus: EmbeddedConfig::default(),
            api: ApiConfig::of_one_region(region.clone(), BUCKET),
            dispatch: DispatchConfig::default(),
            retention: RetentionConfig::default(),
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
            client: ClientConfig::default(),
            fleet: None,
        }
    }

    /// The defaults of a role of a fleet: patient with bad networks. Which regions there are has no default.
    fn of_a_fleet() -> Self {
        let one = Self::of_one_process();
        let worker = WorkerConfig::default();
        let named = host_name().and_then(|name| WorkerId::new(name).ok());
        Self {
            shutdown_grace: Span::from_secs(30),
            worker: WorkerConfig { name: named.unwrap_or(worker.name.clone()), ..worker },
            // A message must have had its time to arrive before it counts as not sent.
            policy: Policy { place_timeout: Span::from_secs(45), ..Policy::default() },
            ..one
        }
    }

    /// Checks the parts, and the parts against each other.
    fn check(&self) -> Result<()> {
        self.policy.check()?;
        self.worker.check()?;
        self.api.check()?;
        self.dispatch.check()?;
        self.retention.check(self.api.uploads.expires)?;
        if !self.api.regions.contains_key(&self.worker.region) {
            bail!("worker.region `{}` is not under api.regions", self.worker.region);
        }
        match &self.fleet {
            Some(fleet) => fleet.check(&self.policy),
            None => Ok(()),
        }
    }
}

/// The machine's name; a container's is its own.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_lowercase())
}
