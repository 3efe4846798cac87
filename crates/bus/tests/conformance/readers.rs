//! Several readers of one event log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use panofleet_bus::{EventPoll, EventReader};

use crate::fixture::{Fixture, PARTITIONS, PATIENCE, events, read_some};

/// Polls the readers in turn until they have all partitions between them, each exactly one, and no reader
/// has none. At no time may two have the same.
async fn settle(readers: &mut [Box<dyn EventReader>]) -> Vec<Vec<u32>> {
    let begun_at = Instant::now();
    let mut shares: Vec<Vec<u32>> = Vec::new();
    for reader in &mut *readers {
        let held = reader.bounds().await.unwrap();
        shares.push(held.iter().map(|bounds| bounds.partition).collect());
    }
    loop {
        // The newest first: it must not have what nobody has let go of.
        for at in (0..readers.len()).rev() {
            let poll = readers[at].poll(Duration::from_millis(10)).await.unwrap();
            if let EventPoll::Assigned(partitions) = poll {
                shares[at] = partitions;
                let mut all: Vec<u32> = shares.iter().flatten().copied().collect();
                all.sort_unstable();
                assert!(all.is_sorted_by(|a, b| a < b), "a partition has two readers: {shares:?}");
            }
        }
        let shared: usize = shares.iter().map(Vec::len).sum();
        if shared == PARTITIONS as usize && shares.iter().all(|share| !share.is_empty()) {
            return shares;
        }
        assert!(begun_at.elapsed() < PATIENCE, "the partitions are not shared: {shares:?}");
    }
}

pub(crate) async fn two_readers_share_the_log_and_one_takes_over(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let mut readers = vec![bus.read_events("first").await.unwrap()];
    assert_eq!(settle(&mut readers).await[0].len(), PARTITIONS as usize);
    readers.push(bus.read_events("second").await.unwrap());
    let shares = settle(&mut readers).await;

    bus.publish_events(events([(0, "0"), (1, "1"), (2, "2"), (3, "3")])).await.unwrap();
    for (reader, share) in readers.iter_mut().zip(&shares) {
        let mut read = BTreeMap::new();
        for partition in share {
            reader.seek(*partition, 0).await.unwrap();
        }
        while read.len() < share.len() {
            read.extend(
                read_some(&mut **reader)
                    .await
                    .into_iter()
                    .map(|(partition, _, text)| (partition, text)),
            );
        }
        let expected = share.iter().map(|partition| (*partition, partition.to_string()));
        assert_eq!(read, expected.collect(), "each reads its own partitions only");
    }

    readers.remove(0);
    let taken_over = settle(&mut readers).await.remove(0);
    assert_eq!(taken_over.len(), PARTITIONS as usize);
    // It reads on from where it is told, in the partitions of the one that left too.
    for partition in taken_over {
        readers[0].seek(partition, u64::from(shares[1].contains(&partition))).await.unwrap();
    }
    let mut read = Vec::new();
    while read.len() < shares[0].len() {
        for (partition, _, text) in read_some(&mut *readers[0]).await {
            assert_eq!(text, partition.to_string());
            read.push(partition);
        }
    }
    read.sort_unstable();
    assert_eq!(read, shares[0]);
    let quiet = readers[0].poll(Duration::from_millis(100)).await.unwrap();
    assert!(matches!(quiet, EventPoll::Quiet), "{quiet:?}");
}
