//! Where the server is, how it is reached, and how patient we are with it.

use std::path::PathBuf;
use std::str::FromStr as _;

use panofleet_job_schema::{Secret, Span};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::JobsDbError;

/// A connection URL, which may hold a password: `Debug` and `Serialize` do not show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PostgresUrl(Secret);

impl PostgresUrl {
    /// `postgres://user:password@host:port/database`, or with `?host=/folder` for a Unix socket.
    pub fn new(url: impl Into<String>) -> Self {
        Self(Secret::new(url))
    }
}

/// Whether the connection is encrypted. What the URL says of it (`sslmode`, `sslrootcert`) does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostgresTls {
    /// TLS, with a certificate that is valid for the host's name.
    #[default]
    Verified,
    /// Plain: for a Unix socket, or a server on this machine.
    Off,
}

/// One PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where it is, and as whom we come. What it leaves open is taken from libpq's variables (`PGPASSWORD`, …).
    ///
    /// Each connection keeps its session: a pooler in between must not share them by transaction.
    pub url: PostgresUrl,
    /// Whether the connection is encrypted.
    #[serde(default)]
    pub tls: PostgresTls,
    /// The certificates that may sign the server's, in a PEM file; those of the web if unset.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// Connections for calls, at least 1. Three more are for what dispatchers and collectors do all the time, one hears
    /// what other processes write, and a leader has one.
    #[serde(default = "default_max_connections")]
    pub max_connections: u32,
    /// Longest wait for a connection.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,
    /// Longest time that the server spends on one statement.
    #[serde(default = "default_statement_timeout")]
    pub statement_timeout: Span,
}

const fn default_max_connections() -> u32 {
    16
}

const fn default_connect_timeout() -> Span {
    Span::from_secs(10)
}

const fn default_statement_timeout() -> Span {
    Span::from_secs(30)
}

impl PostgresConfig {
    /// A database with every setting that has one at its default.
    pub const fn new(url: PostgresUrl) -> Self {
        Self {
            url,
            tls: PostgresTls::Verified,
            tls_ca_file: None,
            max_connections: default_max_connections(),
            connect_timeout: default_connect_timeout(),
            statement_timeout: default_statement_timeout(),
        }
    }

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// [`JobsDbError::Refused`], naming the setting.
    pub fn validate(&self) -> Result<(), JobsDbError> {
        let refused = |why: &str| Err(JobsDbError::Refused(why.to_owned()));
        if self.max_connections == 0 {
            return refused("max_connections must be at least 1");
        }
        if self.tls == PostgresTls::Off && self.tls_ca_file.is_some() {
            return refused("tls_ca_file says whom to trust, yet tls is off");
        }
        if self.connect_timeout.0.is_zero() || self.statement_timeout.0.is_zero() {
            return refused("connect_timeout and statement_timeout must not be 0");
        }
        self.options().map(drop)
    }

    /// How each connection is made.
    pub(super) fn options(&self) -> Result<PgConnectOptions, JobsDbError> {
        // The parser's reason is left out: it may repeat a part of the URL.
        let options = PgConnectOptions::from_str(self.url.0.expose()).map_err(|_unsaid| {
            JobsDbError::Refused(
                "url is not of the form postgres://user:password@host:port/database".to_owned(),
            )
        })?;
        let options = match self.tls {
            PostgresTls::Off => options.ssl_mode(PgSslMode::Disable),
            PostgresTls::Verified => options.ssl_mode(PgSslMode::VerifyFull),
        };
        let options = match &self.tls_ca_file {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        };
        let statement_ms = self.statement_timeout.0.as_millis().to_string();
        Ok(options.application_name("panofleet").options([
            // The queries count on each statement seeing what was committed before it.
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", &statement_ms),
            // A process that vanished in the middle of a write must not keep its locks.
            ("idle_in_transaction_session_timeout", &statement_ms),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://me:hunter2@db.example.org:5433/panofleet";

    #[test]
    fn the_url_is_shown_to_nobody() {
        let config = PostgresConfig::new(PostgresUrl::new(URL));
        let (debug, json) = (format!("{config:?}"), serde_json::to_string(&config).unwrap());
        assert!(!debug.contains("hunter2") && !json.contains("hunter2"), "{debug} {json}");
        let broken = PostgresConfig::new(PostgresUrl::new("postgres://me:hunter2@db:notaport/x"));
        let error = broken.validate().unwrap_err().to_string();
        assert!(error.contains("url is not") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn settings_have_defaults_and_unknown_ones_are_refused() {
        let config: PostgresConfig =
            serde_json::from_value(serde_json::json!({ "url": URL })).unwrap();
        assert_eq!(config, PostgresConfig::new(PostgresUrl::new(URL)));
        config.validate().unwrap();
        let unknown = serde_json::json!({ "url": URL, "max_conections": 3 });
        assert!(serde_json::from_value::<PostgresConfig>(unknown).is_err());
        let off = serde_json::json!({ "url": URL, "tls": "off", "tls_ca_file": "/ca.pem" });
        let off: PostgresConfig = serde_json::from_value(off).unwrap();
        assert!(off.validate().is_err(), "a certificate that nobody looks at");
        assert!(PostgresConfig { max_connections: 0, ..config }.validate().is_err());
    }

    #[test]
    fn the_url_cannot_switch_encryption_off() {
        let url = PostgresUrl::new(format!("{URL}?sslmode=disable"));
        let options = PostgresConfig::new(url).options().unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
    }
}
