//! How much a tenant may ask for.

use std::collections::BTreeMap;

use panofleet_job_schema::Tenant;
use serde::{Deserialize, Serialize};

/// How much a tenant may ask for. By default nothing is limited.
///
/// ```toml
/// tenant_jobs_per_s = 100
/// tenant_jobs_burst = 2500
/// tenant_open_jobs_max = 100_000
/// tenant_upload_bytes_max = 1_000_000_000_000
/// tenants.acme = { jobs_per_s = 1000, open_jobs_max = 1_000_000 }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Jobs that one tenant may submit a second, at each producer; no limit if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_jobs_per_s: Option<u32>,
    /// Jobs that one tenant may submit at once; a second's if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_jobs_burst: Option<u32>,
    /// Jobs of one tenant that have not ended, parts of split ones not counted; no limit if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_open_jobs_max: Option<u64>,
    /// Bytes of one tenant's uploads, as announced, until they are removed; no limit if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_upload_bytes_max: Option<u64>,
    /// What single tenants have of their own.
    pub tenants: BTreeMap<Tenant, TenantQuota>,
}

/// The limits of one tenant; what is unset is as for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantQuota {
    /// In place of [`LimitsConfig::tenant_jobs_per_s`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs_per_s: Option<u32>,
    /// In place of [`LimitsConfig::tenant_jobs_burst`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs_burst: Option<u32>,
    /// In place of [`LimitsConfig::tenant_open_jobs_max`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_jobs_max: Option<u64>,
    /// In place of [`LimitsConfig::tenant_upload_bytes_max`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_bytes_max: Option<u64>,
}

/// How fast a tenant may submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Jobs a second, at least 1.
    pub(crate) per_s: u32,
    /// Jobs at once, at least 1.
    pub(crate) burst: u32,
}

/// The limits that count for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) rate: Option<Rate>,
    pub(crate) open_jobs_max: Option<u64>,
    pub(crate) upload_bytes_max: Option<u64>,
}

impl LimitsConfig {
    /// The limits of a tenant.
    pub(crate) fn of(&self, tenant: &Tenant) -> Limits {
        let own = self.tenants.get(tenant).copied().unwrap_or_default();
        let per_s = own.jobs_per_s.or(self.tenant_jobs_per_s);
        let burst = own.jobs_burst.or(self.tenant_jobs_burst);
        Limits {
            rate: per_s.map(|per_s| Rate { per_s, burst: burst.unwrap_or(per_s) }),
            open_jobs_max: own.open_jobs_max.or(self.tenant_open_jobs_max),
            upload_bytes_max: own.upload_bytes_max.or(self.tenant_upload_bytes_max),
        }
    }

    /// The first limit that lets nothing through.
    pub(crate) fn zero(&self) -> Option<String> {
        let own = self.tenants.iter().flat_map(|(name, own)| {
            let at = |what: &str| format!("tenants.{name}.{what}");
            [
                (at("jobs_per_s"), own.jobs_per_s.map(u64::from)),
                (at("jobs_burst"), own.jobs_burst.map(u64::from)),
                (at("open_jobs_max"), own.open_jobs_max),
                (at("upload_bytes_max"), own.upload_bytes_max),
            ]
        });
        let of_all = [
            ("tenant_jobs_per_s".to_owned(), self.tenant_jobs_per_s.map(u64::from)),
            ("tenant_jobs_burst".to_owned(), self.tenant_jobs_burst.map(u64::from)),
            ("tenant_open_jobs_max".to_owned(), self.tenant_open_jobs_max),
            ("tenant_upload_bytes_max".to_owned(), self.tenant_upload_bytes_max),
        ];
        let mut all = of_all.into_iter().chain(own);
        all.find(|(_, limit)| *limit == Some(0)).map(|(setting, _)| setting)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> LimitsConfig {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn nothing_is_limited_unless_it_is_said_and_a_tenant_may_have_its_own() {
        let limits = |config: &LimitsConfig, name| {
            let Limits { rate, open_jobs_max, .. } = config.of(&Tenant::new(name).unwrap());
            (rate.map(|rate| (rate.per_s, rate.burst)), open_jobs_max)
        };
        assert_eq!(limits(&LimitsConfig::default(), "acme"), (None, None));
        let config = read(json!({
            "tenant_jobs_per_s": 10, "tenant_open_jobs_max": 5,
            "tenants": { "acme": { "jobs_per_s": 100 }, "calm": { "jobs_burst": 50 } },
        }));
        assert_eq!(limits(&config, "other"), (Some((10, 10)), Some(5)));
        assert_eq!(limits(&config, "acme"), (Some((100, 100)), Some(5)));
        assert_eq!(limits(&config, "calm"), (Some((10, 50)), Some(5)));
    }

    #[test]
    fn a_limit_that_lets_nothing_through_is_named() {
        assert_eq!(read(json!({ "tenant_jobs_per_s": 1 })).zero(), None);
        let zero = read(json!({ "tenants": { "acme": { "open_jobs_max": 0 } } })).zero();
        assert_eq!(zero.as_deref(), Some("tenants.acme.open_jobs_max"));
        assert!(serde_json::from_value::<LimitsConfig>(json!({ "jobs_per_s": 1 })).is_err());
    }
}
