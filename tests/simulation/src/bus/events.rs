//! The event log, and its readers: a partition passes on when its reader has let go, or has fallen silent.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::{BusError, EventPoll, EventReader, EventRecord, PartitionBounds};
use tokio::time::timeout_at;

use crate::link::Link;
use crate::mutant::Mutant;
use crate::splitting;
use crate::world::Shared;

/// Records that one poll gives at most.
const POLL_MAX: usize = 64;

/// The log's partitions, and who reads them.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    partitions: BTreeMap<u32, Vec<Bytes>>,
    /// When each reader was last heard of.
    readers: BTreeMap<u64, Duration>,
    owners: BTreeMap<u32, u64>,
    joined: u64,
    /// Turned at each rebalance, so that another reader has the first partition.
    turns: usize,
}

impl EventLog {
    pub(super) fn rebalance(&mut self) {
        self.turns += 1;
    }

    fn bounds(&self, partition: u32) -> PartitionBounds {
        let end = self.partitions.get(&partition).map_or(0, Vec::len) as u64;
        PartitionBounds { partition, start: 0, end }
    }

    /// Gives up what is another's, takes what is free. `None` if nothing changes.
    fn settle(&mut self, reader: u64, partitions: u32) -> Option<Vec<u32>> {
        let readers: Vec<u64> = self.readers.keys().copied().collect();
        let mut changed = false;
        for partition in 0..partitions {
            let place = partition as usize + self.turns;
            let wanted = readers[place % readers.len()];
            let owner = self.owners.get(&partition).copied();
            if owner == Some(reader) && wanted != reader {
                self.owners.remove(&partition);
                changed = true;
            } else if owner.is_none() && wanted == reader {
                self.owners.insert(partition, reader);
                changed = true;
            }
        }
        let mine = self.owners.iter().filter(|(_, owner)| **owner == reader);
        changed.then(|| mine.map(|(partition, _)| *partition).collect())
    }
}

/// Appends records, or some of them if that is not answered; a mutant may lose some.
pub(super) fn append(shared: &mut Shared, events: &[(u32, Bytes)]) {
    let all = events.len() as u64;
    let count = if shared.is_answered { all } else { shared.random.between(0, all) };
    let events = &events[..usize::try_from(count).unwrap_or(events.len())];
    for (partition, payload) in events {
        if crate::checker::is_lost_by_mutant(shared, payload) {
            continue;
        }
        let payload = splitting::from_worker(shared, payload);
        let line = crate::checker::event_published(shared, &payload);
        let log = shared.bus.log.partitions.entry(*partition).or_default();
        log.push(payload);
        let offset = log.len() - 1;
        shared.note(format_args!("bus: events {partition}/{offset} ← {line}"));
    }
}

pub(super) fn join(shared: &mut Shared) -> u64 {
    let now = shared.now;
    let log = &mut shared.bus.log;
    log.joined += 1;
    log.readers.insert(log.joined, now);
    log.joined
}

/// One collector's membership.
#[derive(Debug)]
pub(super) struct Reader {
    link: Link,
    id: u64,
    /// The next offset of each assigned partition, once it was sought.
    positions: BTreeMap<u32, Option<u64>>,
    last_read: u32,
}

/// What a look at the log finds.
enum Look {
    /// This reader was given up, and is another one now.
    Joined(u64),
    Assigned(Vec<u32>),
    /// Records of a partition, and the offset behind them.
    Records(u32, Vec<EventRecord>, u64),
    Outside(PartitionBounds, u64),
    Nothing,
}

impl Reader {
    pub(super) const fn new(link: Link, id: u64) -> Self {
        Self { link, id, positions: BTreeMap::new(), last_read: 0 }
    }

    async fn look(&mut self) -> Result<Look, BusError> {
        let (id, last_read) = (self.id, self.last_read);
        let sought = self.positions.iter().filter_map(|(at, position)| Some((*at, (*position)?)));
        let mut sought: Vec<(u32, u64)> = sought.collect();
        sought.sort_by_key(|(partition, _)| (*partition <= last_read, *partition));
        Ok(self.link.call("poll", move |shared| look(shared, id, &sought)).await?)
    }
}

fn look(shared: &mut Shared, id: u64, sought: &[(u32, u64)]) -> Look {
    let (now, settings) = (shared.now, shared.bus.settings);
    let log = &mut shared.bus.log;
    let silent: Vec<u64> = (log.readers.iter())
        .filter(|(reader, seen)| **reader != id && **seen + settings.session <= now)
        .map(|(reader, _)| *reader)
        .collect();
    for reader in silent {
        log.readers.remove(&reader);
        log.owners.retain(|_, owner| *owner != reader);
    }
    if !log.readers.contains_key(&id) {
        return Look::Joined(join(shared));
    }
    log.readers.insert(id, now);
    if let Some(assigned) = log.settle(id, settings.partitions) {
        return Look::Assigned(assigned);
    }
    for &(partition, position) in sought {
        let bounds = log.bounds(partition);
        if position > bounds.end {
            return Look::Outside(bounds, position);
        }
        if position < bounds.end {
            let records = log.partitions[&partition].iter().enumerate();
            let records =
                records.skip(usize::try_from(position).unwrap_or(usize::MAX)).take(POLL_MAX);
            let record = |(offset, payload): (usize, &Bytes)| EventRecord {
                offset: offset as u64,
                payload: payload.clone(),
            };
            let mut records: Vec<EventRecord> = records.map(record).collect();
            let next = position + records.len() as u64;
            if shared.is_mutant(Mutant::RecordsAreSkipped) && shared.random.happens(3000) {
                records.remove(0);
            }
            return Look::Records(partition, records, next);
        }
    }
    Look::Nothing
}

#[async_trait]
impl EventReader for Reader {
    fn log_id(&self) -> &str {
        super::LOG_ID
    }

    async fn poll(&mut self, wait: Duration) -> Result<EventPoll, BusError> {
        let deadline = tokio::time::Instant::now() + wait;
        let arrivals = std::sync::Arc::clone(&self.link.world.arrivals);
        loop {
            let mut arrival = std::pin::pin!(arrivals.notified());
            arrival.as_mut().enable();
            match self.look().await? {
                Look::Joined(id) => {
                    self.id = id;
                    self.positions.clear();
                    arrivals.notify_waiters();
                    return Ok(EventPoll::Assigned(Vec::new()));
                }
                Look::Assigned(assigned) => {
                    self.positions = assigned.iter().map(|partition| (*partition, None)).collect();
                    arrivals.notify_waiters();
                    return Ok(EventPoll::Assigned(assigned));
                }
                Look::Records(partition, records, next) => {
                    self.positions.insert(partition, Some(next));
                    self.last_read = partition;
                    if !records.is_empty() {
                        return Ok(EventPoll::Records { partition, records });
                    }
                }
                Look::Outside(PartitionBounds { partition, start, end }, position) => {
                    let why = format!("partition {partition} has {start} to {end}, not {position}");
                    return Err(BusError::Refused(why));
                }
                Look::Nothing if tokio::time::Instant::now() >= deadline => {
                    return Ok(EventPoll::Quiet);
                }
                Look::Nothing => drop(timeout_at(deadline, arrival).await),
            }
        }
    }

    async fn seek(&mut self, partition: u32, offset: u64) -> Result<(), BusError> {
        match self.positions.get_mut(&partition) {
            Some(position) => *position = Some(offset),
            None => {
                return Err(BusError::Refused(format!("partition {partition} is not assigned")));
            }
        }
        Ok(())
    }

    async fn bounds(&mut self) -> Result<Vec<PartitionBounds>, BusError> {
        let mine: Vec<u32> = self.positions.keys().copied().collect();
        let look = move |shared: &mut Shared| {
            mine.iter().map(|partition| shared.bus.log.bounds(*partition)).collect()
        };
        Ok(self.link.call("bounds", look).await?)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut world = self.link.world.lock();
        if !world.is_alive(self.link.process, self.link.life) {
            return;
        }
        world.bus.log.readers.remove(&self.id);
        world.bus.log.owners.retain(|_, owner| *owner != self.id);
        drop(world);
        self.link.world.arrivals.notify_waiters();
    }
}
