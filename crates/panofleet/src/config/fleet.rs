//! The servers of a fleet, and the keys of its regions.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use panofleet_bus::kafka::KafkaConfig;
use panofleet_job_schema::envelope::KeyRing;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Region, RegionKeys};
use panofleet_jobs_db::postgres::PostgresConfig;
use panofleet_objects::{ObjectsConfig, Secret};
use serde::{Deserialize, Serialize};

/// What every role of a fleet shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetConfig {
    /// Job queues, event log, control.
    #[serde(default)]
    pub(crate) kafka: KafkaConfig,
    /// The job database: for every role but the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) postgres: Option<PostgresConfig>,
    /// The object store.
    pub(crate) objects: ObjectsConfig,
    /// The keys that messages and events are signed with, by region. A worker needs its own region's only.
    pub(crate) signing: BTreeMap<Region, SigningConfig>,
}

/// The keys of one region. To change them: give everybody the new key, then sign with it, then take the old one away
/// once nothing that it signed is on the bus any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningConfig {
    /// The id of the key that signs.
    pub(crate) key: String,
    /// Keys by id, in hexadecimal, at least 32 bytes each; what any of them has signed is taken.
    pub(crate) keys: BTreeMap<String, Secret>,
}

impl FleetConfig {
    /// Checks the parts, and the parts against each other.
    pub(super) fn check(&self, policy: &Policy) -> Result<()> {
        self.kafka.validate().context("fleet.kafka")?;
        self.objects.validate().context("fleet.objects")?;
        if let Some(postgres) = &self.postgres {
            postgres.validate().context("fleet.postgres")?;
        }
        if policy.place_timeout <= self.kafka.timeout {
            bail!(
                "policy.place_timeout is {}; it must be longer than fleet.kafka.timeout ({}), or messages that are \
                 merely slow to arrive are sent twice",
                policy.place_timeout,
                self.kafka.timeout
            );
        }
        self.region_keys().map(drop)
    }

    /// The keys of every region.
    pub(crate) fn region_keys(&self) -> Result<RegionKeys> {
        let rings = self.signing.iter().map(|(region, signing)| {
            let ring = signing.ring().with_context(|| format!("fleet.signing.{region}"))?;
            Ok((region.clone(), ring))
        });
        RegionKeys::new(rings.collect::<Result<_>>()?).context("fleet.signing")
    }

    /// The keys of one region.
    pub(crate) fn key_ring(&self, region: &Region) -> Result<KeyRing> {
        let signing = self.signing.get(region).ok_or_else(|| {
            anyhow!("fleet.signing has no keys for region `{region}`; set fleet.signing.{region}.key and .keys")
        })?;
        signing.ring().with_context(|| format!("fleet.signing.{region}"))
    }
}

impl SigningConfig {
    fn ring(&self) -> Result<KeyRing> {
        let keys = self.keys.iter().map(|(id, secret)| {
            // What cannot be read is not repeated: it is a secret all the same.
            let bytes = hex::decode(secret.expose())
                .map_err(|_unsaid| anyhow!("keys.{id} must be written in hexadecimal digits"))?;
            Ok((id.clone(), bytes))
        });
        Ok(KeyRing::new(&self.key, keys.collect::<Result<_>>()?)?)
    }
}
