//! The settings of the HTTP API.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use panofleet_job_schema::ids::PresetName;
use panofleet_job_schema::preset::Presets;
use panofleet_job_schema::spec::BadSpec;
use panofleet_job_schema::{Region, Secret, Span, Tenant, limits};
use panofleet_objects::client::{PART_BYTES_MIN, PUT_BYTES_MAX};
use serde::{Deserialize, Serialize};

use super::auth::Auth;
use super::auth::oidc::config::{BadOidc, OidcConfig};
use super::cors::{ORIGINS_MAX, is_origin};
use super::quota::config::LimitsConfig;
use crate::scale::{BadScale, ScaleConfig};
use crate::webhooks::config::WebhooksConfig;

/// Longest life of a presigned URL that S3 knows.
const UPLOAD_EXPIRES_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of the key of the configuration: 32 random ones are 43 letters at least.
const ADMIN_KEY_BYTES_MIN: usize = 40;
/// Longest time that a revoked key may be of use.
const KEY_CACHE_MAX: Duration = Duration::from_secs(60);

/// Where the API listens, and what it knows about regions and buckets.
///
/// ```toml
/// listen = "127.0.0.1:8360"
/// default_region = "hangzhou"
/// regions.hangzhou.bucket = "panofleet-hangzhou"
/// source_buckets.camera-photos = "hangzhou"
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// How clients reach the API: `https://panofleet.example.com`, without a slash at the end. Without it,
    /// links in answers are paths.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Whose jobs these are that name no tenant, and of an open API all of them.
    #[serde(default = "default_tenant")]
    pub tenant: Tenant,
    /// Whether requests must carry an API key.
    #[serde(default)]
    pub auth: Auth,
    /// A key that may do everything, to make the first keys with; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<Secret>,
    /// Where people sign in for the pages, beside with a key; nowhere if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcConfig>,
    /// How long what was read of a key is good: the longest time that one is of use after it was revoked.
    #[serde(default = "default_key_cache")]
    pub key_cache: Span,
    /// Where a job runs that does not say, and whose source lies in no known bucket; uploads go there too.
    pub default_region: Region,
    /// The regions that jobs may name.
    pub regions: BTreeMap<Region, RegionConfig>,
    /// The buckets that `s3://` sources may lie in, and the region where each lies.
    #[serde(default)]
    pub source_buckets: BTreeMap<String, Region>,
    /// Uploads of sources.
    #[serde(default)]
    pub uploads: UploadsConfig,
    /// What a tenant may ask for.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What one client, or all of them, may hold on to.
    #[serde(default)]
    pub http: HttpConfig,
    /// Sets of outputs that jobs may name, beside the built-in ones or in their place.
    #[serde(default)]
    pub presets: Presets,
    /// How many workers a queue may ask for, of whoever asks without saying.
    #[serde(default)]
    pub scale: ScaleConfig,
    /// How webhooks are told.
    #[serde(default)]
    pub webhooks: WebhooksConfig,
}

/// One region, as the API sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    /// The bucket of the outputs of its jobs.
    pub bucket: String,
}

/// Uploads of sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UploadsConfig {
    /// The largest source that may be uploaded.
    pub bytes_max: u64,
    /// How long an upload may begin after it was asked for; at most 7 days. A part's address works as long.
    pub expires: Span,
    /// Files above this are sent in parts whatever their client says; at most S3's 5 GiB for one request.
    pub parts_above: u64,
    /// Size of a part, but where a file would have more than 10,000 of them.
    pub part_bytes: u64,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            bytes_max: 5 * 1024 * 1024 * 1024,
            expires: Span::from_secs(3600),
            parts_above: PUT_BYTES_MAX,
            part_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What clients may hold on to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Connections that are open at once; more wait to be accepted.
    pub connections_max: u32,
    /// Longest time for the headers of a request to arrive, counted from the end of the one before; it closes
    /// idle connections too.
    pub header_timeout: Span,
    /// Longest time from the end of the headers to the beginning of the answer, the body included.
    pub request_timeout: Span,
    /// Longest `seconds` that a client may wait for a job to change.
    pub wait_max: Span,
    /// Streams of news that are open at once.
    pub streams_max: u32,
    /// How long open requests may go on after shutdown has begun.
    pub drain: Span,
    /// Origins whose pages may use the API from a browser, such as `https://app.example.com`; the pages of other sites
    /// may not.
    pub cors_origins: Vec<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_timeout: Span::from_secs(30),
            request_timeout: Span::from_secs(20),
            wait_max: Span::from_secs(60),
            streams_max: 256,
            drain: Span::from_secs(10),
            cors_origins: Vec::new(),
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8360))
}

const fn default_key_cache() -> Span {
    Span::from_secs(5)
}

fn default_tenant() -> Tenant {
    Tenant::new("default").expect("the name keeps its own rule")
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadApiConfig {
    /// A region is named that is not configured.
    #[error("api.{setting} names region `{region}`, which is not under api.regions")]
    UnknownRegion {
        /// Where it is named.
        setting: String,
        /// The name.
        region: Region,
    },
    /// Not a URL that a path can be appended to.
    #[error("api.public_url `{0}` must begin with http:// or https:// and not end with a slash")]
    PublicUrl(String),
    /// Somebody could guess it.
    #[error(
        "api.admin_key must have {ADMIN_KEY_BYTES_MIN} bytes or more; make one: openssl rand -hex 32"
    )]
    AdminKey,
    /// No job could have such outputs.
    #[error("api.presets.{name}: {bad}")]
    Preset {
        /// Which preset.
        name: PresetName,
        /// What is wrong with it.
        bad: BadSpec,
    },
    /// Nothing could ever be submitted.
    #[error("api.limits.{0} must be at least 1; leave it out for no limit")]
    LimitZero(String),
    /// Zero, or past its limit.
    #[error("api.{setting} is {value}; it must be {allowed}")]
    Outside {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// Nobody could sign in, or anybody.
    #[error("api.oidc {0}")]
    Oidc(#[from] BadOidc),
    /// Bounds that cannot work.
    #[error("api.scale.{0}")]
    Scale(#[from] BadScale),
}

impl ApiConfig {
    /// Settings for one region and its bucket, everything else at its default.
    pub fn of_one_region(region: Region, bucket: impl Into<String>) -> Self {
        Self {
            listen: default_listen(),
            public_url: None,
            tenant: default_tenant(),
            auth: Auth::default(),
            admin_key: None,
            oidc: None,
            key_cache: default_key_cache(),
            default_region: region.clone(),
            regions: BTreeMap::from([(region, RegionConfig { bucket: bucket.into() })]),
            source_buckets: BTreeMap::new(),
            uploads: UploadsConfig::default(),
            limits: LimitsConfig::default(),
            http: HttpConfig::default(),
            presets: Presets::new(),
            scale: ScaleConfig::default(),
            webhooks: WebhooksConfig::default(),
        }
    }

    /// Whether anybody on the network may do everything.
    pub fn is_open_to_the_network(&self) -> bool {
        self.auth == Auth::Open && !self.listen.ip().is_loopback()
    }

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<(), BadApiConfig> {
        self.check_region("default_region".to_owned(), &self.default_region)?;
        for (bucket, region) in &self.source_buckets {
            self.check_region(format!("source_buckets.{bucket}"), region)?;
        }
        if let Some(url) = &self.public_url {
            let begins = url.starts_with("http://") || url.starts_with("https://");
            if !begins || url.ends_with('/') {
                return Err(BadApiConfig::PublicUrl(url.clone()));
            }
        }
        for (name, preset) in &self.presets {
            let bad = |bad: BadSpec| BadApiConfig::Preset { name: name.clone(), bad };
            preset.check().map_err(bad)?;
        }
        if let Some(oidc) = &self.oidc {
            oidc.check(self)?;
        }
        self.scale.check()?;
        self.check_numbers()
    }

    fn check_region(&self, setting: String, region: &Region) -> Result<(), BadApiConfig> {
        if self.regions.contains_key(region) {
            return Ok(());
        }
        Err(BadApiConfig::UnknownRegion { setting, region: region.clone() })
    }

    fn check_numbers(&self) -> Result<(), BadApiConfig> {
        let outside = |setting, value: &dyn ToString, allowed: &dyn ToString| {
            Err(BadApiConfig::Outside {
                setting,
                value: value.to_string(),
                allowed: allowed.to_string(),
            })
        };
        if self.admin_key.as_ref().is_some_and(|key| key.expose().len() < ADMIN_KEY_BYTES_MIN) {
            return Err(BadApiConfig::AdminKey);
        }
        if self.key_cache.0 > KEY_CACHE_MAX {
            return outside("key_cache", &self.key_cache, &"up to 1m");
        }
        if let Some(setting) = self.limits.zero() {
            return Err(BadApiConfig::LimitZero(setting));
        }
        let (uploads, http) = (&self.uploads, &self.http);
        if !(1..=limits::SOURCE_FILE_BYTES_MAX).contains(&uploads.bytes_max) {
            let allowed = format!("1 to {}", limits::SOURCE_FILE_BYTES_MAX);
            return outside("uploads.bytes_max", &uploads.bytes_max, &allowed);
        }
        if uploads.expires.0.is_zero() || uploads.expires.0 > UPLOAD_EXPIRES_MAX {
            return outside("uploads.expires", &uploads.expires, &"1s to 7d");
        }
        if !(1..=PUT_BYTES_MAX).contains(&uploads.parts_above) {
            let allowed = format!("1 to {PUT_BYTES_MAX}");
            return outside("uploads.parts_above", &uploads.parts_above, &allowed);
        }
        if !(PART_BYTES_MIN..=PUT_BYTES_MAX).contains(&uploads.part_bytes) {
            let allowed = format!("{PART_BYTES_MIN} to {PUT_BYTES_MAX}");
            return outside("uploads.part_bytes", &uploads.part_bytes, &allowed);
        }
        if let Some(origin) = http.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return outside(
                "http.cors_origins",
                origin,
                &"an origin, such as https://app.example.com",
            );
        }
        if http.cors_origins.len() > ORIGINS_MAX {
            let allowed = format!("at most {ORIGINS_MAX} origins");
            return outside("http.cors_origins", &http.cors_origins.len(), &allowed);
        }
        if http.connections_max == 0 {
            return outside("http.connections_max", &0, &"at least 1");
        }
        for (setting, span) in [
            ("http.header_timeout", http.header_timeout),
            ("http.request_timeout", http.request_timeout),
            ("http.wait_max", http.wait_max),
            ("webhooks.timeout", self.webhooks.timeout),
        ] {
            if span.0.is_zero() {
                return outside(setting, &span, &"longer than nothing");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let region = |name| Region::new(name).unwrap();
        let good = ApiConfig::of_one_region(region("here"), "outputs");
        assert_eq!(good.check(), Ok(()));
        let with = |change: &dyn Fn(&mut ApiConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        for (said, expected) in [
            (with(&|c| c.default_region = region("there")), "api.default_region"),
            (
                with(&|c| c.source_buckets = [("b".to_owned(), region("there"))].into()),
                "api.source_buckets.b names region `there`",
            ),
            (with(&|c| c.public_url = Some("https://x/".into())), "api.public_url"),
            (with(&|c| c.public_url = Some("x.example".into())), "api.public_url"),
            (with(&|c| c.uploads.bytes_max = 0), "api.uploads.bytes_max"),
            (with(&|c| c.uploads.expires = Span::from_secs(8 * 24 * 3600)), "api.uploads.expires"),
            (with(&|c| c.uploads.parts_above = PUT_BYTES_MAX + 1), "api.uploads.parts_above"),
            (with(&|c| c.uploads.part_bytes = 1), "api.uploads.part_bytes is 1"),
            (with(&|c| c.admin_key = Some(Secret::new("hunter2"))), "api.admin_key"),
            (with(&|c| c.limits.tenant_jobs_burst = Some(0)), "api.limits.tenant_jobs_burst"),
            (with(&|c| c.key_cache = Span::from_secs(61)), "api.key_cache"),
            (with(&|c| c.http.connections_max = 0), "api.http.connections_max"),
            (with(&|c| c.http.cors_origins = vec!["*".into()]), "api.http.cors_origins is *"),
            (with(&|c| c.scale.slots = 0), "api.scale.slots is 0"),
            (with(&|c| c.http.wait_max = Span::from_secs(0)), "api.http.wait_max"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn an_api_without_keys_is_open_to_those_who_can_reach_it() {
        let config = ApiConfig::of_one_region(Region::new("here").unwrap(), "outputs");
        for (listen, auth, open) in [
            ("127.0.0.1:1", Auth::Open, false),
            ("[::1]:1", Auth::Open, false),
            ("0.0.0.0:1", Auth::Open, true),
            ("10.0.0.1:1", Auth::Open, true),
            ("0.0.0.0:1", Auth::Keys, false),
        ] {
            let config = ApiConfig { listen: listen.parse().unwrap(), auth, ..config.clone() };
            assert_eq!(config.is_open_to_the_network(), open, "{listen} {auth:?}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        let text = r#"{"default_region": "a", "regions": {"a": {"bucket": "b"}}, "color": 1}"#;
        let said = serde_json::from_str::<ApiConfig>(text).unwrap_err().to_string();
        assert!(said.contains("unknown field `color`"), "{said}");
    }
}
