//! Which topics and share groups a fleet needs, and with which settings.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use krafka::admin::{
    AdminClient, ConfigOp, ConfigResource, CreatePartitionsOptions, CreateTopicsOptions,
    DescribeConfigsOptions, DescribeTopicsOptions, IncrementalAlterConfigsOptions, NewTopic,
};
use krafka::error::{ErrorCode, KrafkaError};
use panofleet_job_schema::{Lane, Region};

use super::clients::{self, number};
use super::{KafkaConfig, Queue};
use crate::BusError;

/// How often new topics are looked at until each partition has a leader.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something in the cluster that was not as the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The topic or group, prefix included.
    pub name: String,
    /// What of it: `partitions`, `topic`, or the name of a Kafka setting.
    pub setting: String,
    /// What was there; `None` for nothing.
    pub found: Option<String>,
    /// What the settings say.
    pub wanted: String,
    /// Whether it was put right; partitions are never taken away.
    pub applied: bool,
}

/// A topic as it should be.
struct Wanted {
    name: String,
    partitions: u32,
    settings: BTreeMap<&'static str, String>,
}

/// Makes the topics and share-group settings of these regions and lanes what they should be, and returns what was
/// not. Safe to repeat, and while the fleet runs.
///
/// # Errors
/// [`BusError`]; then some of it may be done.
pub async fn apply(
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Vec<Difference>, BusError> {
    clients::within(config.timeout.0 * 2, put_right(config, regions, lanes)).await
}

async fn put_right(
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Vec<Difference>, BusError> {
    config.validate()?;
    let admin = clients::admin(config).await?;
    let queues: Vec<Queue> = regions
        .iter()
        .flat_map(|region| lanes.iter().map(|lane| Queue { region: region.clone(), lane: *lane }))
        .collect();
    let topics = wanted_topics(config, regions, &queues);
    let mut differences = make(&admin, config, &topics).await?;
    await_leaders(&admin, config, &topics).await?;

    let mut settings: Settings = topics
        .into_iter()
        .map(|topic| (ConfigResource::topic(topic.name), topic.settings))
        .collect();
    for queue in &queues {
        let group = config.workers_group(queue);
        settings.push((ConfigResource::group(group), group_settings(config)));
    }
    differences.extend(configure(&admin, config, &settings).await?);
    Ok(differences)
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

/// Makes the topics and partitions that are missing.
async fn make(
    admin: &AdminClient,
    config: &KafkaConfig,
    topics: &[Wanted],
) -> Result<Vec<Difference>, BusError> {
    let mut found = admin
        .describe_topics(topics.iter().map(|topic| &topic.name), DescribeTopicsOptions::default())
        .await?;
    let mut differences = Vec::new();
    let (mut missing, mut short) = (Vec::new(), Vec::new());
    for topic in topics {
        let difference = |setting: &str, found: Option<usize>, applied| Difference {
            name: topic.name.clone(),
            setting: setting.to_owned(),
            found: found.map(|found| found.to_string()),
            wanted: topic.partitions.to_string(),
            applied,
        };
        let absent = || Err(KrafkaError::unknown_topic(&topic.name));
        match found.remove(&topic.name).unwrap_or_else(absent) {
            Err(error) if is_absent(&error) => {
                let replicas = i16::try_from(config.replication).unwrap_or(i16::MAX);
                let new = NewTopic::new(&topic.name, number(topic.partitions), replicas)?;
                let with =
                    |new: NewTopic, (key, value): (&&str, &String)| new.with_config(*key, value);
                missing.push(topic.settings.iter().fold(new, with));
                differences.push(difference("topic", None, true));
            }
            Err(error) => return Err(error.into()),
            Ok(found) if found.partitions.len() != topic.partitions as usize => {
                let grows = found.partitions.len() < topic.partitions as usize;
                if grows {
                    short.push((topic.name.clone(), number(topic.partitions)));
                }
                differences.push(difference("partitions", Some(found.partitions.len()), grows));
            }
            Ok(_) => {}
        }
    }
    for (_, made) in admin.create_topics(missing, CreateTopicsOptions::default()).await? {
        match made {
            // Somebody else applies the same settings.
            Ok(()) | Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (_, grown) in admin.create_partitions(short, CreatePartitionsOptions::default()).await? {
        grown?;
    }
    Ok(differences)
}

fn is_absent(error: &KrafkaError) -> bool {
    matches!(
        error,
        KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }
            | KrafkaError::UnknownTopic { .. }
    )
}

/// Waits until every partition can be written to.
async fn await_leaders(
    admin: &AdminClient,
    config: &KafkaConfig,
    topics: &[Wanted],
) -> Result<(), BusError> {
    let deadline = Instant::now() + config.timeout.0;
    loop {
        let names = topics.iter().map(|topic| &topic.name);
        let found = admin.describe_topics(names, DescribeTopicsOptions::default()).await?;
        let leads = |topic: &Wanted| match found.get(&topic.name) {
            Some(Ok(found)) => {
                found.partitions.len() >= topic.partitions as usize
                    && found.partitions.iter().all(|partition| partition.leader.is_some())
            }
            Some(Err(_)) | None => false,
        };
        let Some(waiting) = topics.iter().find(|topic| !leads(topic)) else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            let reason = format!("topic {} has partitions without a leader", waiting.name);
            return Err(BusError::Unavailable(reason));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Settings by the topic or group that has them.
type Settings = Vec<(ConfigResource, BTreeMap<&'static str, String>)>;

/// Puts the settings right that are not as wanted, and waits until the cluster says so: a group's settings must
/// stand before its first member comes.
async fn configure(
    admin: &AdminClient,
    config: &KafkaConfig,
    wanted: &Settings,
) -> Result<Vec<Difference>, BusError> {
    let deadline = Instant::now() + config.timeout.0;
    let (differences, changes) = compare(admin, wanted).await?;
    let options = IncrementalAlterConfigsOptions::default();
    for (_, changed) in admin.incremental_alter_configs(changes, options).await? {
        changed?;
    }
    let mut left = differences.clone();
    while let Some(difference) = left.first() {
        if Instant::now() >= deadline {
            let Difference { name, setting, .. } = difference;
            return Err(BusError::Unavailable(format!("{setting} of {name} does not change")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        left = compare(admin, wanted).await?.0;
    }
    Ok(differences)
}

/// What is not as wanted, and what makes it so.
async fn compare(
    admin: &AdminClient,
    wanted: &Settings,
) -> Result<(Vec<Difference>, HashMap<ConfigResource, Vec<ConfigOp>>), BusError> {
    let resources = wanted.iter().map(|(resource, _)| resource.clone());
    let mut found = admin.describe_configs(resources, DescribeConfigsOptions::default()).await?;
    let mut differences = Vec::new();
    let mut changes = HashMap::<ConfigResource, Vec<ConfigOp>>::new();
    for (resource, settings) in wanted {
        let entries = found.remove(resource).unwrap_or_else(|| Ok(Vec::new()))?;
        let mut values: HashMap<String, Option<String>> =
            entries.into_iter().map(|entry| (entry.name, entry.value)).collect();
        for (setting, wanted) in settings {
            let found = values.remove(*setting).flatten();
            if found.as_ref() != Some(wanted) {
                let change = ConfigOp::set(*setting, wanted);
                changes.entry(resource.clone()).or_default().push(change);
                differences.push(Difference {
                    name: resource.name.clone(),
                    setting: (*setting).to_owned(),
                    found,
                    wanted: wanted.clone(),
                    applied: true,
                });
            }
        }
    }
    Ok((differences, changes))
}
