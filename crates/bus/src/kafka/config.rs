//! Where the brokers are, as whom we come, and what topics and groups are like.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use panofleet_job_schema::{Region, Secret, Span};
use serde::{Deserialize, Serialize};

use super::acls::KafkaUsers;
use crate::{BusError, Queue};

/// Whether connections to brokers are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KafkaTls {
    /// TLS, with certificates that are valid for the brokers' names.
    Verified,
    /// Plain: for brokers on this machine, or in a network of their own.
    Off,
}

/// How messages are handed out to workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KafkaGroups {
    /// Share groups, of Kafka 4.2 or later: whoever is idle takes the next message.
    #[default]
    Share,
    /// Classic consumer groups, for older brokers: each partition has one member at a time, so that `job_partitions`
    /// must be no fewer than the workers of a queue.
    Classic,
}

/// A user of the cluster, who proves it by SCRAM-SHA-512.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSasl {
    /// The user's name; the principal is `User:<username>`.
    pub username: String,
    /// The user's password.
    pub password: Secret,
}

impl KafkaSasl {
    fn is_incomplete(&self) -> bool {
        self.username.is_empty() || self.password.expose().is_empty()
    }
}

/// Settings of the bus on Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to ask first, each `host:port`; at least one.
    pub bootstrap_servers: Vec<String>,
    /// Whether connections are encrypted. If unset, they are, unless all of `bootstrap_servers` are this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<KafkaTls>,
    /// The certificates that may sign the brokers', in a PEM file; the machine's own if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<PathBuf>,
    /// As whom we come; nobody in particular if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<KafkaSasl>,
    /// What the brokers' logs and quotas call this process.
    pub client_id: String,
    /// Put before the name of every topic and group, so that several fleets can share a cluster. Receipts and
    /// dead letters name topics without it.
    pub prefix: String,
    /// Replicas of every topic; at least 1, and 3 where anything is at stake.
    pub replication: u16,
    /// Replicas that must have a record before it counts as written; fewer than `replication`, unless that is 1.
    pub replicas_in_sync: u16,
    /// Partitions of the event log, at least 1; a log's can only grow.
    pub event_partitions: u32,
    /// How messages are handed out to workers. One fleet has one way: their progress is not the same thing.
    pub groups: KafkaGroups,
    /// Partitions of each job queue, at least 1. Kafka's assignor for share groups gives each partition to few
    /// members when there are several partitions, so that a busy worker's partition waits for that worker; with
    /// one, every idle worker takes the next job.
    pub job_partitions: u32,
    /// How long the broker locks a received message. A receiver is promised four fifths of it.
    pub lock: Span,
    /// How often a message is handed out before it becomes a dead letter, from 1 to one less than the brokers'
    /// `group.share.max.delivery.count.limit`, by default 10.
    pub delivery_limit: u32,
    /// Members that the workers' group of one queue may have: workers, times the batches of claims that each has in
    /// hand (one, rarely two). The brokers' `group.share.max.size` must allow it.
    pub group_size: u32,
    /// How long messages, events and dead letters are kept.
    pub retention: Span,
    /// How long control records are kept; more than the longest deadline.
    pub control_retention: Span,
    /// Who comes as what, for the ACLs.
    #[serde(skip_serializing_if = "KafkaUsers::is_empty")]
    pub users: KafkaUsers,
    /// How long one request to a broker may take, and how long a record may wait to be acknowledged.
    pub timeout: Span,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        let days = |days: u64| Span::from_secs(days * 24 * 3600);
        Self {
            bootstrap_servers: vec!["127.0.0.1:9092".to_owned()],
            tls: None,
            tls_ca_file: None,
            sasl: None,
            client_id: "panofleet".to_owned(),
            prefix: String::new(),
            replication: 3,
            replicas_in_sync: 2,
            event_partitions: 16,
            groups: KafkaGroups::Share,
            job_partitions: 1,
            lock: Span::from_secs(15),
            delivery_limit: 9,
            group_size: 200,
            retention: days(15),
            control_retention: days(15),
            users: KafkaUsers::default(),
            timeout: Span::from_secs(30),
        }
    }
}

impl KafkaConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// [`BusError::Refused`], naming the setting.
    pub fn validate(&self) -> Result<(), BusError> {
        let wrong = if self.bootstrap_servers.is_empty() {
            "bootstrap_servers must name a broker"
        } else if self.tls() == KafkaTls::Off && self.tls_ca_file.is_some() {
            "tls_ca_file says whom to trust, yet tls is off"
        } else if self.tls() == KafkaTls::Off && self.sasl.is_some() && !self.is_local() {
            "sasl.password would go over the network without encryption: tls must not be \"off\""
        } else if self.sasl.as_ref().is_some_and(KafkaSasl::is_incomplete) {
            "sasl.username and sasl.password must not be empty"
        } else if self.event_partitions == 0 || self.job_partitions == 0 {
            "event_partitions and job_partitions must not be 0"
        } else if self.replication == 0 || self.replicas_in_sync == 0 {
            "replication and replicas_in_sync must not be 0"
        } else if self.delivery_limit == 0 {
            "delivery_limit must not be 0"
        } else if self.timeout.0 < Duration::from_secs(1) {
            "timeout must be at least 1s: clients look at their clocks that often"
        } else if self.lock.0 < Duration::from_secs(1) {
            "lock must be at least 1s: Kafka takes no less"
        } else {
            return Ok(());
        };
        Err(BusError::Refused(wrong.to_owned()))
    }

    /// Whether connections are encrypted.
    pub fn tls(&self) -> KafkaTls {
        self.tls.unwrap_or(if self.is_local() { KafkaTls::Off } else { KafkaTls::Verified })
    }

    /// Whether nothing leaves this machine.
    fn is_local(&self) -> bool {
        let is_local = |server: &String| {
            let host = server.rsplit_once(':').map_or(&**server, |(host, _port)| host);
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        };
        self.bootstrap_servers.iter().all(is_local)
    }

    pub(super) fn events_topic(&self) -> String {
        format!("{}pf.events", self.prefix)
    }

    pub(super) fn dead_letters_topic(&self) -> String {
        format!("{}pf.dead-letters", self.prefix)
    }

    pub(super) fn control_topic(&self, region: &Region) -> String {
        format!("{}pf.control.{region}", self.prefix)
    }

    pub(super) fn jobs_topic(&self, queue: &Queue) -> String {
        format!("{}{}", self.prefix, queue.topic())
    }

    /// The group of a queue's workers: each queue has its own. Where members are more than partitions, brokers give each
    /// member of a share group one partition: in a group of several queues most would have the wrong one. A name can be of
    /// one kind of group only.
    pub(super) fn workers_group(&self, queue: &Queue) -> String {
        let Queue { region, lane } = queue;
        match self.groups {
            KafkaGroups::Share => format!("{}pf.workers.{region}.{lane}", self.prefix),
            KafkaGroups::Classic => format!("{}pf.takers.{region}.{lane}", self.prefix),
        }
    }

    /// The groups of these queues' workers.
    pub(super) fn workers_groups(&self, queues: &[Queue]) -> BTreeSet<String> {
        queues.iter().map(|queue| self.workers_group(queue)).collect()
    }

    /// The group that shares out the event log's partitions.
    pub(super) fn readers_group(&self) -> String {
        format!("{}pf.collectors", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sasl(password: &str) -> KafkaSasl {
        KafkaSasl { username: "worker".to_owned(), password: Secret::new(password) }
    }

    #[test]
    fn a_password_is_shown_to_nobody() {
        let config = KafkaConfig { sasl: Some(sasl("hunter2")), ..KafkaConfig::default() };
        let (debug, json) = (format!("{config:?}"), serde_json::to_string(&config).unwrap());
        assert!(!debug.contains("hunter2") && !json.contains("hunter2"), "{debug} {json}");
        assert!(debug.contains("worker") && json.contains(r#""password":"***""#), "{debug} {json}");
    }

    #[test]
    fn settings_have_defaults_and_unknown_ones_are_refused() {
        let read = |json| serde_json::from_str::<KafkaConfig>(json);
        assert_eq!(read("{}").unwrap(), KafkaConfig::default());
        KafkaConfig::default().validate().unwrap();
        let known = r#"{"tls": "verified", "sasl": {"username": "worker", "password": "hunter2"}}"#;
        let known = read(known).unwrap();
        assert_eq!((known.tls, known.sasl), (Some(KafkaTls::Verified), Some(sasl("hunter2"))));
        for unknown in [r#"{"tsl": "off"}"#, r#"{"tls": "maybe"}"#, r#"{"sasl": {"user": "a"}}"#] {
            assert!(read(unknown).is_err(), "{unknown}");
        }
    }

    /// What of servers, `tls`, a CA, and a password goes together, and whether connections are then encrypted.
    #[test]
    fn a_password_leaves_the_machine_encrypted_only() {
        use KafkaTls::{Off, Verified};
        let check =
            |servers: &[&str], tls, password: Option<&str>, expected: Result<KafkaTls, &str>| {
                let config = KafkaConfig {
                    bootstrap_servers: servers.iter().map(ToString::to_string).collect(),
                    tls,
                    sasl: password.map(sasl),
                    ..KafkaConfig::default()
                };
                match (config.validate(), expected) {
                    (Ok(()), Ok(tls)) => assert_eq!(config.tls(), tls, "{servers:?}"),
                    (Err(error), Err(reason)) if error.to_string().contains(reason) => {}
                    (found, _) => panic!("{servers:?} {tls:?}: {found:?}"),
                }
            };
        let (local, remote) = (["127.0.0.1:9092", "[::1]:9092", "localhost:9"], ["10.0.0.1:9092"]);
        let mixed = ["127.0.0.1:9092", "kafka:9092"];
        check(&local, None, None, Ok(Off));
        check(&local, None, Some("secret"), Ok(Off));
        check(&local, Some(Verified), Some("secret"), Ok(Verified));
        check(&remote, None, None, Ok(Verified));
        check(&remote, None, Some("secret"), Ok(Verified));
        check(&remote, Some(Off), None, Ok(Off));
        check(&remote, Some(Off), Some("secret"), Err("without encryption"));
        check(&mixed, None, None, Ok(Verified));
        check(&mixed, Some(Off), Some("secret"), Err("without encryption"));
        check(
            &["localhost.example.org:9092"],
            Some(Off),
            Some("secret"),
            Err("without encryption"),
        );
        check(&local, Some(Verified), Some(""), Err("sasl.password"));
        check(&[], None, None, Err("bootstrap_servers"));
    }

    #[test]
    fn a_certificate_that_nobody_looks_at_is_refused() {
        let config = KafkaConfig {
            tls: Some(KafkaTls::Off),
            tls_ca_file: Some("/ca.pem".into()),
            ..KafkaConfig::default()
        };
        let refused = config.validate().unwrap_err().to_string();
        assert!(refused.contains("tls is off"), "{refused}");
    }
}
