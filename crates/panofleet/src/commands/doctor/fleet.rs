//! The servers of a fleet: each is there, and keeps what Panofleet builds on.

use std::fmt::Display;
use std::time::Duration;

use panofleet_bus::Bus as _;
use panofleet_bus::kafka::KafkaBus;
use panofleet_jobs_db::JobsDb as _;
use panofleet_jobs_db::postgres::PostgresJobsDb;
use panofleet_objects::ObjectStore;

use super::Finding;
use crate::config::{Config, FleetConfig};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Looks at each server; all at once, since each may take its time to be away.
pub(super) async fn check(config: &Config, fleet: &FleetConfig) -> Vec<Finding> {
    let (kafka, postgres, objects) =
        tokio::join!(check_kafka(fleet), check_postgres(fleet), check_objects(config, fleet));
    let mut findings = vec![kafka, postgres];
    findings.extend(objects);
    findings
}

/// What came of a question, or why it came to nothing.
async fn within<T, E: Display>(answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn check_kafka(fleet: &FleetConfig) -> Finding {
    let servers = fleet.kafka.bootstrap_servers.join(", ");
    match within(KafkaBus::connect(&fleet.kafka)).await {
        Ok(bus) => {
            let partitions = bus.event_partitions();
            let found = format!("{servers}: the event log has {partitions} partitions");
            Finding::good("Kafka", found + "; `panofleet topics check` looks at the rest")
        }
        Err(error) => Finding::bad(
            "Kafka",
            format!("{servers}: {error}"),
            "is fleet.kafka right, are the brokers up, and have the topics been made (`panofleet topics apply`)?",
        ),
    }
}

async fn check_postgres(fleet: &FleetConfig) -> Finding {
    let Some(postgres) = &fleet.postgres else {
        return Finding::good("PostgreSQL", "not set; a worker needs none, every other role does");
    };
    let counted = async { PostgresJobsDb::connect(postgres).await?.counts(None).await };
    match within(counted).await {
        Ok(counts) => {
            let jobs: u64 = counts.values().sum();
            Finding::good("PostgreSQL", format!("answers, and holds {jobs} jobs"))
        }
        Err(error) => Finding::bad(
            "PostgreSQL",
            error,
            "is fleet.postgres.url right, does the user own the database, and does fleet.postgres.tls fit the server?",
        ),
    }
}

async fn check_objects(config: &Config, fleet: &FleetConfig) -> Vec<Finding> {
    let endpoint = &fleet.objects.endpoint;
    let objects = match ObjectStore::new(&fleet.objects) {
        Ok(objects) => objects,
        Err(error) => {
            return vec![Finding::bad("objects", error.to_string(), "correct fleet.objects")];
        }
    };
    let mut findings = Vec::new();
    for (region, settings) in &config.api.regions {
        let bucket = &settings.bucket;
        let place = format!("{endpoint}, bucket {bucket} of region {region}");
        findings.push(match within(objects.probe_conditional_writes(bucket)).await {
            Ok(()) => Finding::good("objects", format!("{place}: If-None-Match holds")),
            Err(error) => Finding::bad(
                "objects",
                format!("{place}: {error}"),
                "the store must be there with this bucket and these keys, and must honour `If-None-Match: *`; without \
                 it two results of one job could be published",
            ),
        });
    }
    findings
}
