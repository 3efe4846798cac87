//! The event log, with one reader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::{BusError, EventPoll, PartitionBounds};
use tokio::task::JoinSet;

use crate::fixture::{
    Fixture, PARTITIONS, WAIT, events, read_count, read_some, reader_of_all, within,
};

pub(crate) async fn offsets_are_dense_and_each_publisher_keeps_its_order(fleet: &mut dyn Fixture) {
    const PUBLISHERS: u32 = 4;
    const BATCHES: u32 = 50;
    let bus = fleet.bus();
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let bus = Arc::clone(&bus);
        publishers.spawn(async move {
            for batch in 0..BATCHES {
                // Two in a row for one partition, and one for each of the others.
                let partitions = (0..PARTITIONS).chain([batch % PARTITIONS]);
                let event = |(at, partition)| {
                    (partition, Bytes::from(format!("{publisher} {batch:03} {at}")))
                };
                bus.publish_events((0..).zip(partitions).map(event).collect::<Vec<(u32, Bytes)>>())
                    .await
                    .unwrap();
            }
        });
    }
    let mut reader = reader_of_all(&*bus).await;
    let count = (PUBLISHERS * BATCHES * (PARTITIONS + 1)) as usize;
    let records = read_count(&mut *reader, count).await;
    publishers.join_all().await;
    assert_eq!(records.len(), count);
    let mut next = BTreeMap::<u32, u64>::new();
    let mut last = BTreeMap::<(u32, String), String>::new();
    for (partition, offset, text) in records {
        assert_eq!(offset, *next.entry(partition).or_default(), "offsets of partition {partition}");
        next.insert(partition, offset + 1);
        let (publisher, order) = text.split_once(' ').unwrap();
        let before = last.insert((partition, publisher.to_owned()), order.to_owned());
        assert!(
            before.is_none_or(|before| *before < *order),
            "publisher {publisher} in {partition}"
        );
    }
    let quiet = reader.poll(Duration::ZERO).await.unwrap();
    assert!(matches!(quiet, EventPoll::Quiet), "{quiet:?}");
}

pub(crate) async fn a_reader_that_seeks_back_reads_the_same(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut reader = reader_of_all(&*bus).await;
    bus.publish_events(events([(2, "a"), (2, "b"), (2, "c")])).await.unwrap();
    let first = read_count(&mut *reader, 3).await;
    reader.seek(2, 1).await.unwrap();
    assert_eq!(read_count(&mut *reader, 2).await, first[1..]);
    reader.seek(2, 3).await.unwrap();
    bus.publish_events(events([(2, "d")])).await.unwrap();
    assert_eq!(read_some(&mut *reader).await, [(2, 3, "d".to_owned())]);
}

pub(crate) async fn bounds_are_the_start_and_the_next_offset(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut reader = reader_of_all(&*bus).await;
    let of = |partition, end| PartitionBounds { partition, start: 0, end };
    assert_eq!(
        reader.bounds().await.unwrap(),
        (0..PARTITIONS).map(|at| of(at, 0)).collect::<Vec<_>>()
    );
    bus.publish_events(events([(1, "a"), (3, "b"), (1, "c")])).await.unwrap();
    assert_eq!(reader.bounds().await.unwrap(), [of(0, 0), of(1, 2), of(2, 0), of(3, 1)]);
}

pub(crate) async fn an_assigned_partition_is_silent_until_it_is_sought(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    bus.publish_events(events([(0, "a"), (1, "b")])).await.unwrap();
    let mut reader = bus.read_events("reader").await.unwrap();
    let assigned = within(reader.poll(WAIT)).await.unwrap();
    assert!(matches!(assigned, EventPoll::Assigned(_)), "{assigned:?}");
    let quiet = reader.poll(Duration::from_millis(50)).await.unwrap();
    assert!(matches!(quiet, EventPoll::Quiet), "{quiet:?}");
    reader.seek(1, 0).await.unwrap();
    assert_eq!(read_some(&mut *reader).await, [(1, 0, "b".to_owned())]);
}

pub(crate) async fn a_waiting_reader_wakes_when_an_event_is_published(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut reader = reader_of_all(&*bus).await;
    for text in ["one", "two"] {
        let (records, published) =
            tokio::join!(read_some(&mut *reader), bus.publish_events(events([(3, text)])));
        published.unwrap();
        assert_eq!(records[0].2, text);
    }
}

pub(crate) async fn the_log_survives_a_crash(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let log_id = bus.event_log_id().await.unwrap();
    bus.publish_events(events([(0, "a"), (1, "b"), (0, "c")])).await.unwrap();
    let before = read_count(&mut *reader_of_all(&*bus).await, 3).await;
    drop(bus);

    fleet.crash().await;
    let bus = fleet.bus();
    let mut reader = reader_of_all(&*bus).await;
    assert_eq!(
        (reader.log_id(), bus.event_log_id().await.unwrap()),
        (log_id.as_str(), log_id.clone())
    );
    assert_eq!(read_count(&mut *reader, 3).await, before);
    bus.publish_events(events([(0, "d")])).await.unwrap();
    assert_eq!(read_some(&mut *reader).await, [(0, 2, "d".to_owned())]);
}

pub(crate) async fn a_partition_that_is_not_there_is_refused(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    assert_eq!(bus.event_partitions(), PARTITIONS);
    let refused = bus.publish_events(events([(PARTITIONS, "a")])).await;
    assert!(matches!(refused, Err(BusError::Refused(_))), "{refused:?}");
    let refused = reader_of_all(&*bus).await.seek(PARTITIONS, 0).await;
    assert!(matches!(refused, Err(BusError::Refused(_))), "{refused:?}");
}

pub(crate) async fn an_offset_outside_the_bounds_is_refused(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut reader = reader_of_all(&*bus).await;
    bus.publish_events(events([(1, "a")])).await.unwrap();
    reader.seek(1, 2).await.unwrap();
    let refused = within(reader.poll(WAIT)).await;
    assert!(matches!(refused, Err(BusError::Refused(_))), "{refused:?}");
    reader.seek(1, 0).await.unwrap();
    assert_eq!(read_some(&mut *reader).await, [(1, 0, "a".to_owned())]);
}
