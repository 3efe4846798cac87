//! Where an object store is and how patient we are with it.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use panofleet_job_schema::{Secret, Span};
use serde::{Deserialize, Serialize};

use crate::error::ObjectsError;

/// One S3-compatible store. Buckets are addressed by path (`https://host/bucket/key`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// Where this process reaches the store: `http://127.0.0.1:9000`, `https://s3.eu-west-1.amazonaws.com`.
    pub endpoint: String,
    /// Where browsers reach it, for presigned URLs; `endpoint` if unset.
    #[serde(default)]
    pub public_endpoint: Option<String>,
    /// The region that requests are signed for.
    #[serde(default = "default_region")]
    pub region: String,
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: Secret,
    /// PEM file of the CAs of which one has to have signed the store's certificate; the machine's own if unset.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// Longest wait for a connection.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,
    /// Longest wait for an answer, not counting the time that the body takes at `slowest_bytes_per_s`.
    #[serde(default = "default_request_timeout")]
    pub request_timeout: Span,
    /// The slowest network that an upload is expected to survive: a request that carries `n` bytes
    /// may take `request_timeout + n / slowest_bytes_per_s`.
    #[serde(default = "default_slowest_bytes_per_s")]
    pub slowest_bytes_per_s: u64,
    /// How often one request is tried before its error is reported; at least 1.
    #[serde(default = "default_attempts_max")]
    pub attempts_max: u32,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

const fn default_connect_timeout() -> Span {
    Span::from_secs(5)
}

const fn default_request_timeout() -> Span {
    Span::from_secs(30)
}

const fn default_slowest_bytes_per_s() -> u64 {
    32 * 1024
}

const fn default_attempts_max() -> u32 {
    5
}

impl ObjectsConfig {
    /// A store with every setting that has one at its default.
    pub fn new(endpoint: &str, access_key: &str, secret_key: Secret) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            public_endpoint: None,
            region: default_region(),
            access_key: access_key.to_owned(),
            secret_key,
            tls_ca_file: None,
            connect_timeout: default_connect_timeout(),
            request_timeout: default_request_timeout(),
            slowest_bytes_per_s: default_slowest_bytes_per_s(),
            attempts_max: default_attempts_max(),
        }
    }

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// [`ObjectsError::Config`], naming the setting.
    pub fn validate(&self) -> Result<(), ObjectsError> {
        let endpoints = std::iter::once(&self.endpoint).chain(&self.public_endpoint);
        for endpoint in endpoints {
            if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                return Err(ObjectsError::Config(format!(
                    "endpoint `{endpoint}` must begin with http:// or https://"
                )));
            }
        }
        if self.tls_ca_file.is_some() && !self.endpoint.starts_with("https://") {
            let problem =
                format!("tls_ca_file is set, but endpoint `{}` has no TLS", self.endpoint);
            return Err(ObjectsError::Config(problem));
        }
        if self.attempts_max == 0 {
            return Err(ObjectsError::Config("attempts_max must be at least 1".to_owned()));
        }
        if self.slowest_bytes_per_s == 0 {
            return Err(ObjectsError::Config("slowest_bytes_per_s must be at least 1".to_owned()));
        }
        Ok(())
    }

    /// The first endpoint that is reached over a network without TLS: whoever is on the way reads the objects and can
    /// change answers. The secret key never travels.
    pub(crate) fn exposed_endpoint(&self) -> Option<&str> {
        let mut endpoints = std::iter::once(&self.endpoint).chain(&self.public_endpoint);
        endpoints.find(|endpoint| is_exposed(endpoint)).map(String::as_str)
    }
}

fn is_exposed(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback =
        host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback());
    uri.scheme_str() == Some("http") && !loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_show_nowhere() {
        let config = ObjectsConfig::new("http://localhost:1", "key", Secret::new("hunter2"));
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn unknown_settings_and_impossible_values_are_refused() {
        let good = r#"{"endpoint": "http://x", "access_key": "a", "secret_key": "b"}"#;
        let config: ObjectsConfig = serde_json::from_str(good).unwrap();
        config.validate().unwrap();
        assert!(serde_json::from_str::<ObjectsConfig>(&good.replace("endpoint", "end")).is_err());
        for broken in [
            ObjectsConfig { endpoint: "x:9000".to_owned(), ..config.clone() },
            ObjectsConfig { public_endpoint: Some("ftp://x".to_owned()), ..config.clone() },
            ObjectsConfig { tls_ca_file: Some("ca.crt".into()), ..config.clone() },
            ObjectsConfig { attempts_max: 0, ..config.clone() },
            ObjectsConfig { slowest_bytes_per_s: 0, ..config },
        ] {
            assert!(matches!(broken.validate(), Err(ObjectsError::Config(_))), "{broken:?}");
        }
    }
    #[test]
    fn plain_http_over_a_network_is_noticed() {
        for (endpoint, exposed) in [
            ("http://127.0.0.1:9000", false),
            ("http://127.8.8.8", false),
            ("http://[::1]:9000", false),
            ("http://localhost:9000", false),
            ("https://s3.example.com", false),
            ("http://localhost.example.com", true),
            ("http://10.0.0.1:9000", true),
            ("http://[fe80::1]", true),
            ("http://s3", true),
        ] {
            let config = ObjectsConfig::new(endpoint, "a", Secret::new("b"));
            assert_eq!(config.exposed_endpoint(), exposed.then_some(endpoint));
            let inside = ObjectsConfig::new("http://127.0.0.1", "a", Secret::new("b"));
            let config = ObjectsConfig { public_endpoint: Some(endpoint.to_owned()), ..inside };
            assert_eq!(config.exposed_endpoint(), exposed.then_some(endpoint));
        }
    }
}
