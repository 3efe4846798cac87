//! The embedded bus in place of the one in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use panofleet_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use panofleet_bus::{Bus, EventPoll, EventReader, Queue};
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::message::{AttemptId, Report};
use panofleet_job_schema::{Lane, WorkerId};
use panofleet_jobs_db::sqlite::SqliteFile;

use crate::site::{Site, script};

/// What each attempt's claims have reported, in the log's order.
type Reports = BTreeMap<AttemptId, Vec<Report>>;

async fn read(site: &Site, reader: &mut dyn EventReader, reports: &mut Reports) {
    match reader.poll(Duration::from_millis(500)).await.unwrap() {
        EventPoll::Assigned(partitions) => {
            for partition in partitions {
                reader.seek(partition, 0).await.unwrap();
            }
        }
        EventPoll::Records { records, .. } => {
            for record in records {
                if let Body::Event(event) =
                    Envelope::open(&record.payload, &site.keys).unwrap().body
                {
                    reports.entry(event.id).or_default().push(event.report);
                }
            }
        }
        EventPoll::Quiet => {}
    }
}

#[tokio::test]
async fn two_workers_share_the_jobs_of_an_embedded_bus() {
    let site = Site::new().await;
    let file = SqliteFile::open(&site.folder.path().join("bus.db")).await.unwrap();
    let config = EmbeddedConfig::default();
    let bus = EmbeddedBus::open(file.writer.clone(), file.readers.clone(), config).await.unwrap();
    let bus: Arc<dyn Bus> = Arc::new(bus);
    let queue = Queue { region: site.config.region.clone(), lane: Lane::Image };
    let mut messages = Vec::new();
    for _ in 0..8 {
        let message = site.job(script(&[], &[("a.jpg", 10)])).await;
        let payload = site.seal(Body::Job(Box::new(message.clone())));
        bus.send_job(&queue, message.id.job, payload.into()).await.unwrap();
        messages.push(message);
    }
    let workers = ["worker-1", "worker-2"].map(|name| {
        let mut config = site.config.clone();
        config.name = WorkerId::new(name).unwrap();
        site.start_on(Arc::clone(&bus), config)
    });

    let mut reader = bus.read_events("test").await.unwrap();
    let mut reports = Reports::new();
    let reading = async {
        while reports.values().map(Vec::len).sum::<usize>() < 2 * messages.len() {
            read(&site, &mut *reader, &mut reports).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("every job ends");
    for message in &messages {
        let reported = &reports[&message.id];
        assert!(
            matches!(reported[..], [Report::Claimed, Report::Succeeded { .. }]),
            "{reported:?}"
        );
    }
    for worker in workers {
        worker.shutdown.cancel();
        worker.end().await.unwrap();
    }
}
