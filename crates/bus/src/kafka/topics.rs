//! Which topics and share groups a fleet needs, and with which settings.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use krafka::admin::{
    AdminClient, ConfigOp, ConfigResource, CreatePartitionsOptions, CreateTopicsOptions,
    DescribeClusterOptions, DescribeConfigsOptions, DescribeTopicsOptions,
    IncrementalAlterConfigsOptions, NewTopic,
};
use krafka::error::{ErrorCode, KrafkaError};
use panofleet_job_schema::{Lane, Region};

use super::clients::{self, number};
use super::{KafkaConfig, KafkaGroups, Queue};
use crate::BusError;

/// How often what was changed is looked at until it is there.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something in the cluster that is not as the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The topic or group, prefix included; `broker 1`; or a user, `User:worker`.
    pub name: String,
    /// What of it: `partitions`, `topic`, the name of a Kafka setting, or what a user may do.
    pub setting: String,
    /// What was there; `None` for nothing.
    pub found: Option<String>,
    /// What the settings say.
    pub wanted: String,
    /// Whether it was put right.
    pub applied: bool,
    /// Who has to put it right, if applying does not.
    pub advice: Option<&'static str>,
}

/// A topic as it should be.
struct Wanted {
    name: String,
    partitions: u32,
    settings: BTreeMap<&'static str, String>,
}

/// What is not as it should be, and what makes it so.
#[derive(Default)]
struct Plan {
    differences: Vec<Difference>,
    missing: Vec<NewTopic>,
    short: Vec<(String, i32)>,
    changes: HashMap<ConfigResource, Vec<ConfigOp>>,
}

/// What in the cluster is not as these regions and lanes need it. Changes nothing.
///
/// # Errors
/// [`BusError`].
pub async fn check(
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Vec<Difference>, BusError> {
    let admin = clients::admin(config).await?;
    let planning = plan(&admin, config, regions, lanes);
    Ok(clients::within(config.timeout.0, planning).await?.differences)
}

/// Makes the topics and share-group settings of these regions and lanes what they should be, and returns what was
/// not. Safe to repeat, and while the fleet runs. Settings stand when this returns: a group's must, before its first
/// member comes.
///
/// # Errors
/// [`BusError`]; then some of it may be done.
pub async fn apply(
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Vec<Difference>, BusError> {
    let admin = clients::admin(config).await?;
    let putting_right = async {
        let Plan { mut differences, missing, short, changes } =
            plan(&admin, config, regions, lanes).await?;
        for (_, made) in admin.create_topics(missing, CreateTopicsOptions::default()).await? {
            match made {
                // Somebody else applies the same settings.
                Ok(()) | Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (_, grown) in admin.create_partitions(short, CreatePartitionsOptions::default()).await?
        {
            grown?;
        }
        let options = IncrementalAlterConfigsOptions::default();
        for (_, changed) in admin.incremental_alter_configs(changes, options).await? {
            changed?;
        }
        mark_applied(&mut differences);
        await_all(&admin, config, regions, lanes).await?;
        Ok::<_, BusError>(differences)
    };
    clients::within(config.timeout.0 * 2, putting_right).await
}

/// Notes that everything was put right that applying can put right.
pub(super) fn mark_applied(differences: &mut [Difference]) {
    for difference in differences {
        difference.applied = difference.advice.is_none();
    }
}

/// Waits until all that can be put right is, and every partition can be written to.
async fn await_all(
    admin: &AdminClient,
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<(), BusError> {
    let deadline = Instant::now() + config.timeout.0;
    loop {
        let left = plan(admin, config, regions, lanes).await?.differences;
        let left = left.into_iter().find(|difference| difference.advice.is_none());
        let waiting = match left {
            Some(Difference { name, setting, .. }) => {
                format!("{setting} of {name} is not there yet")
            }
            None => match without_leader(admin, config, regions, lanes).await? {
                Some(name) => format!("topic {name} has partitions without a leader"),
                None => return Ok(()),
            },
        };
        if Instant::now() >= deadline {
            return Err(BusError::Unavailable(waiting));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

pub(super) fn queues(regions: &[Region], lanes: &[Lane]) -> Vec<Queue> {
    let queue = |region: &Region, lane: &Lane| Queue { region: region.clone(), lane: *lane };
    regions.iter().flat_map(|region| lanes.iter().map(move |lane| queue(region, lane))).collect()
}

/// Every topic of a fleet.
pub(super) fn names(config: &KafkaConfig, regions: &[Region], lanes: &[Lane]) -> Vec<String> {
    let topics = wanted_topics(config, regions, &queues(regions, lanes));
    topics.into_iter().map(|topic| topic.name).collect()
}

async fn plan(
    admin: &AdminClient,
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Plan, BusError> {
    let queues = queues(regions, lanes);
    let topics = wanted_topics(config, regions, &queues);
    let mut plan = Plan::default();
    let mut settings = plan.topics(admin, config, topics).await?;
    if config.groups == KafkaGroups::Classic {
        plan.settings(admin, &settings).await?;
        return Ok(plan);
    }
    for group in config.workers_groups(&queues) {
        settings.push((ConfigResource::group(group), group_settings(config)));
    }
    plan.settings(admin, &settings).await?;
    plan.brokers(admin, config).await?;
    Ok(plan)
}

fn wanted_topics(config: &KafkaConfig, regions: &[Region], queues: &[Queue]) -> Vec<Wanted> {
    let settings = |policy: &str, retention: Duration| {
        BTreeMap::from([
            ("cleanup.policy", policy.to_owned()),
            ("retention.ms", retention.as_millis().to_string()),
            ("min.insync.replicas", config.replicas_in_sync.to_string()),
        ])
    };
    let kept = settings("delete", config.retention.0);
    let topic = |name, partitions| Wanted { name, partitions, settings: kept.clone() };
    let mut topics = vec![
        topic(config.events_topic(), config.event_partitions),
        topic(config.dead_letters_topic(), 1),
    ];
    topics
        .extend(queues.iter().map(|queue| topic(config.jobs_topic(queue), config.job_partitions)));
    topics.extend(regions.iter().map(|region| Wanted {
        name: config.control_topic(region),
        partitions: 1,
        settings: settings("compact,delete", config.control_retention.0),
    }));
    topics
}

/// A share group begins at the log's end unless it is told otherwise before its first member comes.
fn group_settings(config: &KafkaConfig) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("share.auto.offset.reset", "earliest".to_owned()),
        ("share.record.lock.duration.ms", config.lock.0.as_millis().to_string()),
        ("share.delivery.count.limit", (config.delivery_limit + 1).to_string()),
    ])
}

impl Plan {
    /// Topics and partitions that are missing; returns the settings of the topics that are there.
    async fn topics(
        &mut self,
        admin: &AdminClient,
        config: &KafkaConfig,
        topics: Vec<Wanted>,
    ) -> Result<Settings, BusError> {
        let names = topics.iter().map(|topic| &topic.name);
        let mut found = admin.describe_topics(names, DescribeTopicsOptions::default()).await?;
        let mut settings = Settings::new();
        for topic in topics {
            let absent = || Err(KrafkaError::unknown_topic(&topic.name));
            match found.remove(&topic.name).unwrap_or_else(absent) {
                Err(error) if is_absent(&error) => {
                    self.differences.push(topic.differs("topic", None));
                    let replicas = i16::try_from(config.replication).unwrap_or(i16::MAX);
                    let new = NewTopic::new(&topic.name, number(topic.partitions), replicas)?;
                    let with = |new: NewTopic, (key, value): (&&str, &String)| {
                        new.with_config(*key, value)
                    };
                    self.missing.push(topic.settings.iter().fold(new, with));
                }
                Err(error) => return Err(error.into()),
                Ok(found) => {
                    let (is, should) = (found.partitions.len(), topic.partitions as usize);
                    if is < should {
                        self.short.push((topic.name.clone(), number(topic.partitions)));
                    }
                    if is != should {
                        let mut difference = topic.differs("partitions", Some(is));
                        difference.advice =
                            (is > should).then_some("partitions are never taken away");
                        self.differences.push(difference);
                    }
                    settings.push((ConfigResource::topic(topic.name), topic.settings));
                }
            }
        }
        Ok(settings)
    }

    /// Settings that are not as wanted.
    async fn settings(&mut self, admin: &AdminClient, wanted: &Settings) -> Result<(), BusError> {
        let resources = wanted.iter().map(|(resource, _)| resource.clone());
        let mut found =
            admin.describe_configs(resources, DescribeConfigsOptions::default()).await?;
        for (resource, settings) in wanted {
            let entries = found.remove(resource).unwrap_or_else(|| Ok(Vec::new()))?;
            let mut values: HashMap<String, Option<String>> =
                entries.into_iter().map(|entry| (entry.name, entry.value)).collect();
            for (setting, wanted) in settings {
                let found = values.remove(*setting).flatten();
                if found.as_ref() != Some(wanted) {
                    let change = ConfigOp::set(*setting, wanted);
                    self.changes.entry(resource.clone()).or_default().push(change);
                    self.differences.push(Difference {
                        name: resource.name.clone(),
                        setting: (*setting).to_owned(),
                        found,
                        wanted: wanted.clone(),
                        applied: false,
                        advice: None,
                    });
                }
            }
        }
        Ok(())
    }

    /// Limits that only the brokers' own configuration sets.
    async fn brokers(&mut self, admin: &AdminClient, config: &KafkaConfig) -> Result<(), BusError> {
        const GROUP_SIZE: &str = "group.share.max.size";
        let cluster = admin.describe_cluster(DescribeClusterOptions::default()).await?;
        let brokers = cluster.brokers.iter().map(|broker| ConfigResource::broker(broker.id));
        let described = admin.describe_configs(brokers, DescribeConfigsOptions::default()).await?;
        for (broker, entries) in described {
            let entry = entries?.into_iter().find(|entry| entry.name == GROUP_SIZE);
            let found = entry.and_then(|entry| entry.value);
            let size = found.as_ref().and_then(|found| found.parse::<u32>().ok());
            if size.is_none_or(|size| size < config.group_size) {
                self.differences.push(Difference {
                    name: format!("broker {}", broker.name),
                    setting: GROUP_SIZE.to_owned(),
                    found,
                    wanted: format!("{} or more", config.group_size),
                    applied: false,
                    advice: Some(
                        "set it in the broker's own configuration, and restart the broker",
                    ),
                });
            }
        }
        Ok(())
    }
}

impl Wanted {
    fn differs(&self, setting: &str, found: Option<usize>) -> Difference {
        Difference {
            name: self.name.clone(),
            setting: setting.to_owned(),
            found: found.map(|found| found.to_string()),
            wanted: self.partitions.to_string(),
            applied: false,
            advice: None,
        }
    }
}

/// Settings by the topic or group that has them.
type Settings = Vec<(ConfigResource, BTreeMap<&'static str, String>)>;

fn is_absent(error: &KrafkaError) -> bool {
    matches!(
        error,
        KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }
            | KrafkaError::UnknownTopic { .. }
    )
}

/// A topic that cannot be written to everywhere.
async fn without_leader(
    admin: &AdminClient,
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Option<String>, BusError> {
    let topics = wanted_topics(config, regions, &queues(regions, lanes));
    let names = topics.iter().map(|topic| &topic.name);
    let found = admin.describe_topics(names, DescribeTopicsOptions::default()).await?;
    let leads = |topic: &Wanted| match found.get(&topic.name) {
        Some(Ok(found)) => found.partitions.iter().all(|partition| partition.leader.is_some()),
        Some(Err(_)) | None => false,
    };
    Ok(topics.into_iter().find(|topic| !leads(topic)).map(|topic| topic.name))
}
