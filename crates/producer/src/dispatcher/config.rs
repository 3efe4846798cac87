//! The settings of the dispatcher: who goes next.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use panofleet_job_schema::{Span, Tenant};
use serde::{Deserialize, Serialize};

/// What a tenant's weight may be.
const WEIGHTS: RangeInclusive<u32> = 1..=1000;

/// Who goes next, where more jobs wait than workers have room for.
///
/// ```toml
/// ageing = "15m"
/// weights = { acme = 3 }
/// tenant_jobs_max = 200
/// tenants.acme.jobs_max = 1000
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DispatchConfig {
    /// A job counts one priority higher for each such span that it has waited for its turn.
    pub ageing: Span,
    /// The shares of tenants that do not have the share 1: out of two that both wait, one of weight 3 gets three jobs
    /// for each of the other's. From 1 to 1000.
    pub weights: BTreeMap<Tenant, u32>,
    /// Jobs of one tenant that are sent or run at once in one queue (a region's lane); no limit if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_jobs_max: Option<u32>,
    /// Jobs of all tenants that are sent or run at once in one queue; no limit if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_jobs_max: Option<u32>,
    /// What single tenants have of their own.
    pub tenants: BTreeMap<Tenant, TenantLimits>,
}

/// The limits of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLimits {
    /// In place of [`DispatchConfig::tenant_jobs_max`].
    pub jobs_max: u32,
}

impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            ageing: Span::from_secs(15 * 60),
            weights: BTreeMap::new(),
            tenant_jobs_max: None,
            queue_jobs_max: None,
            tenants: BTreeMap::new(),
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDispatchConfig {
    /// Everything would be urgent.
    #[error("dispatch.ageing must not be 0; `24h` is as good as never")]
    AgeingZero,
    /// A share that is none, or leaves the others none.
    #[error("dispatch.weights.{tenant} is {weight}; it must be {min} to {max}", min = WEIGHTS.start(), max = WEIGHTS.end())]
    Weight {
        /// Whose.
        tenant: Tenant,
        /// What it is.
        weight: u32,
    },
    /// Nothing would ever go.
    #[error("dispatch.{0} must be at least 1; leave it out for no limit")]
    LimitZero(String),
}

impl DispatchConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub fn check(&self) -> Result<(), BadDispatchConfig> {
        if self.ageing.0.is_zero() {
            return Err(BadDispatchConfig::AgeingZero);
        }
        for (tenant, &weight) in &self.weights {
            if !WEIGHTS.contains(&weight) {
                return Err(BadDispatchConfig::Weight { tenant: tenant.clone(), weight });
            }
        }
        let tenants = self.tenants.iter();
        let own =
            tenants.map(|(name, own)| (format!("tenants.{name}.jobs_max"), Some(own.jobs_max)));
        let of_all = [
            ("tenant_jobs_max".to_owned(), self.tenant_jobs_max),
            ("queue_jobs_max".to_owned(), self.queue_jobs_max),
        ];
        if let Some((setting, _)) = own.chain(of_all).find(|(_, limit)| *limit == Some(0)) {
            return Err(BadDispatchConfig::LimitZero(setting));
        }
        Ok(())
    }

    /// A tenant's share.
    pub(super) fn weight(&self, tenant: &Tenant) -> u32 {
        self.weights.get(tenant).copied().unwrap_or(1)
    }

    /// Whether anybody's jobs have to be counted.
    pub(super) fn has_limits(&self) -> bool {
        self.tenant_jobs_max.is_some() || self.queue_jobs_max.is_some() || !self.tenants.is_empty()
    }

    /// How many jobs a tenant may have in flight.
    pub(super) fn jobs_max(&self, tenant: &Tenant) -> u32 {
        let own = self.tenants.get(tenant).map(|own| own.jobs_max);
        own.or(self.tenant_jobs_max).unwrap_or(u32::MAX)
    }

    /// By how many bands a job is lifted that has waited this long.
    pub(super) fn lifts(&self, waited: Duration) -> u8 {
        let spans = waited.as_millis().checked_div(self.ageing.0.as_millis()).unwrap_or(0);
        u8::try_from(spans).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<DispatchConfig, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    fn settings_have_defaults_and_unknown_ones_are_refused() {
        let config = read(serde_json::json!({})).unwrap();
        assert_eq!(config, DispatchConfig::default());
        assert_eq!(config.check(), Ok(()));
        assert!(read(serde_json::json!({ "aging": "15m" })).is_err());
        assert!(read(serde_json::json!({ "weights": { "../x": 3 } })).is_err());
    }

    #[test]
    fn weights_have_limits() {
        for (weight, fits) in [(0, false), (1, true), (1000, true), (1001, false)] {
            let config = read(serde_json::json!({ "weights": { "acme": weight } })).unwrap();
            assert_eq!(config.check().is_ok(), fits, "{weight}");
        }
        let never = DispatchConfig { ageing: Span::from_secs(0), ..DispatchConfig::default() };
        assert_eq!(never.check(), Err(BadDispatchConfig::AgeingZero));
    }

    #[test]
    fn limits_are_at_least_one_and_a_tenant_may_have_its_own() {
        let config =
            serde_json::json!({ "tenant_jobs_max": 5, "tenants": { "acme": { "jobs_max": 9 } } });
        let config = read(config).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert!(config.has_limits() && !DispatchConfig::default().has_limits());
        let max = |config: &DispatchConfig, name| config.jobs_max(&Tenant::new(name).unwrap());
        assert_eq!((max(&config, "acme"), max(&config, "other")), (9, 5));
        assert_eq!(max(&DispatchConfig::default(), "acme"), u32::MAX);
        for zero in [
            serde_json::json!({ "tenant_jobs_max": 0 }),
            serde_json::json!({ "queue_jobs_max": 0 }),
            serde_json::json!({ "tenants": { "acme": { "jobs_max": 0 } } }),
        ] {
            assert!(read(zero.clone()).unwrap().check().is_err(), "{zero}");
        }
    }

    #[test]
    fn a_job_is_lifted_once_for_each_span() {
        let config = DispatchConfig { ageing: Span::from_secs(60), ..DispatchConfig::default() };
        for (seconds, lifts) in [(0, 0), (59, 0), (60, 1), (119, 1), (120, 2), (1_000_000, 255)] {
            assert_eq!(config.lifts(Duration::from_secs(seconds)), lifts, "{seconds}");
        }
    }
}
