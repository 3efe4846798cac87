//! Who may do what: the ACLs of each role, and no more.
//!
//! [`acls_of`] says what a role needs; [`apply`] gives it to the users that the settings name. Nothing is ever taken
//! away: what a user may do beyond its role is reported.

use std::fmt;

use panofleet_job_schema::{Lane, Region};
use serde::{Deserialize, Serialize};

use super::{KafkaConfig, topics};

mod cluster;

pub use cluster::{apply, check};

/// A part of a fleet, as Kafka sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The API.
    Producer,
    /// Sends jobs. A producer that is its own dispatcher has both roles.
    Dispatcher,
    /// Reads what workers report.
    Collector,
    /// Takes the jobs of some queues.
    Worker {
        /// The regions whose jobs it takes.
        regions: Vec<Region>,
        /// What it runs.
        lanes: Vec<Lane>,
    },
    /// Makes topics and the settings of groups ([`super::topics::apply`]). Whoever makes ACLs must be one who may
    /// alter the cluster, and could give anybody any right; that is no role of a fleet.
    Operator,
}

/// Who comes as what. Names are of users, without `User:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaUsers {
    /// Users of the API.
    pub producers: Vec<String>,
    /// Users of dispatchers, those beside the API included.
    pub dispatchers: Vec<String>,
    /// Users of collectors.
    pub collectors: Vec<String>,
    /// Users of workers: best one for each region.
    pub workers: Vec<WorkerUser>,
    /// Users who apply topics.
    pub operators: Vec<String>,
}

/// A user that workers come as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerUser {
    /// Its name.
    pub user: String,
    /// The regions whose jobs it takes.
    pub regions: Vec<Region>,
    /// What it runs; everything if unset.
    #[serde(default = "all_lanes")]
    pub lanes: Vec<Lane>,
}

fn all_lanes() -> Vec<Lane> {
    Lane::ALL.to_vec()
}

impl KafkaUsers {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each user with each of its roles.
    fn roles(&self) -> Vec<(&str, Role)> {
        let named = [
            (&self.producers, Role::Producer),
            (&self.dispatchers, Role::Dispatcher),
            (&self.collectors, Role::Collector),
            (&self.operators, Role::Operator),
        ];
        let mut roles = Vec::new();
        for (users, role) in named {
            roles.extend(users.iter().map(|user| (&**user, role.clone())));
        }
        roles.extend(self.workers.iter().map(|WorkerUser { user, regions, lanes }| {
            (&**user, Role::Worker { regions: regions.clone(), lanes: lanes.clone() })
        }));
        roles
    }
}

/// What a user is allowed to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// What kind of thing it is about.
    pub resource: Resource,
    /// Its name, all of it.
    pub name: String,
    /// What may be done.
    pub operation: Operation,
}

/// What an [`Acl`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "Kafka's own names")]
pub enum Resource {
    Topic,
    Group,
    Cluster,
}

/// What an [`Acl`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "Kafka's own names")]
pub enum Operation {
    Describe,
    Read,
    Write,
    Create,
    Alter,
    DescribeConfigs,
    AlterConfigs,
}

impl fmt::Display for Acl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, name, operation } = self;
        write!(formatter, "{operation:?} {resource:?} {name}")
    }
}

/// What a role needs in a fleet of these regions and lanes, and no more. What implies another right (`Read` and `Write`
/// do `Describe`) stands alone.
///
/// A client that reads without sharing asks all the same who coordinates a group: one of its topic's name.
pub fn acls_of(
    config: &KafkaConfig,
    (regions, lanes): (&[Region], &[Lane]),
    role: &Role,
) -> Vec<Acl> {
    use Operation::{Alter, AlterConfigs, Create, Describe, DescribeConfigs, Read, Write};
    use Resource::{Cluster, Group, Topic};
    let acl = |operation, resource, name: String| Acl { resource, name, operation };
    let (events, letters) = (config.events_topic(), config.dead_letters_topic());
    let write_control =
        || regions.iter().map(|region| acl(Write, Topic, config.control_topic(region)));
    match role {
        Role::Producer => {
            let own = [
                acl(Describe, Topic, events),
                acl(Read, Topic, letters.clone()),
                acl(Describe, Group, letters),
            ];
            own.into_iter().chain(write_control()).collect()
        }
        Role::Dispatcher => {
            // It puts dead letters back where they came from.
            let mut acls = vec![
                acl(Write, Topic, events),
                acl(Read, Topic, letters.clone()),
                acl(Describe, Group, letters),
            ];
            acls.extend(write_control());
            let queues = topics::queues(regions, lanes);
            acls.extend(queues.iter().map(|queue| acl(Write, Topic, config.jobs_topic(queue))));
            let groups = config.workers_groups(&queues);
            acls.extend(groups.into_iter().map(|group| acl(Describe, Group, group)));
            acls
        }
        Role::Collector => {
            let own = [
                acl(Read, Topic, events),
                acl(Read, Group, config.readers_group()),
                acl(Write, Topic, letters),
            ];
            own.into_iter().chain(write_control()).collect()
        }
        Role::Worker { regions, lanes } => {
            let mut acls = vec![acl(Write, Topic, events), acl(Write, Topic, letters)];
            for region in regions {
                acls.push(acl(Read, Topic, config.control_topic(region)));
                acls.push(acl(Describe, Group, config.control_topic(region)));
            }
            let queues = topics::queues(regions, lanes);
            acls.extend(queues.iter().map(|queue| acl(Read, Topic, config.jobs_topic(queue))));
            let groups = config.workers_groups(&queues);
            acls.extend(groups.into_iter().map(|group| acl(Read, Group, group)));
            acls
        }
        Role::Operator => {
            let mut acls = vec![acl(DescribeConfigs, Cluster, CLUSTER.to_owned())]; // The brokers' limits.
            for topic in topics::names(config, regions, lanes) {
                for operation in [Create, Alter, DescribeConfigs, AlterConfigs] {
                    acls.push(acl(operation, Topic, topic.clone()));
                }
            }
            for group in config.workers_groups(&topics::queues(regions, lanes)) {
                for operation in [DescribeConfigs, AlterConfigs] {
                    acls.push(acl(operation, Group, group.clone()));
                }
            }
            acls
        }
    }
}

/// How Kafka calls itself.
const CLUSTER: &str = "kafka-cluster";

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in `docs/kafka.md` is what is given.
    #[test]
    fn the_table_for_people_is_what_the_code_says() {
        let config = KafkaConfig::default();
        // One lane stands for all.
        let fleet = ([Region::new("region").unwrap()], [Lane::Image]);
        let worker = Role::Worker { regions: fleet.0.to_vec(), lanes: fleet.1.to_vec() };
        let mut table = String::new();
        for (name, role) in [
            ("producers", Role::Producer),
            ("dispatchers", Role::Dispatcher),
            ("collectors", Role::Collector),
            ("workers", worker),
        ] {
            for acl in acls_of(&config, (&fleet.0, &fleet.1), &role) {
                let on = acl.name.replace(".region", ".<region>").replace(".image", ".<lane>");
                let (operation, resource) = (acl.operation, acl.resource);
                table += &format!("| {name} | {operation:?} | {resource:?} | `{on}` |\n");
            }
        }
        let page = include_str!("../../../../docs/kafka.md");
        assert!(page.contains(&table), "docs/kafka.md must have these lines:\n{table}");
    }
}
