//! One reader of the event log: the group says which partitions, the caller says from where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use rdkafka::Message as _;
use rdkafka::consumer::{Consumer as _, DefaultConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::clients::{index, number, offset};
use super::reader_group::{self, Member};
use super::{Shared, events};
use crate::{BusError, EventPoll, EventReader, EventRecord, PartitionBounds};

/// Records that are gathered at once, of all partitions together.
const READ_RECORDS_MAX: usize = 4000;
/// Gathering ends after the record that reaches this.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One member of the readers of a fleet.
pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    log_id: String,
    topic: String,
    member: Option<Member>,
    assigned: watch::Receiver<BTreeSet<u32>>,
    /// By assigned partition.
    positions: BTreeMap<u32, Position>,
    data: StreamConsumer,
    /// What was gathered and not given yet, by partition. Partitions come interleaved, a few records of each at a time;
    /// whoever applies them wants many of one.
    gathered: BTreeMap<u32, Vec<EventRecord>>,
    /// What failed after some records were gathered: the next poll's error.
    failure: Option<KafkaError>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// The next offset to read; `None` until it was sought.
    next: Option<u64>,
    /// Whether it is read from there.
    started: bool,
}

impl fmt::Debug for KafkaReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KafkaReader")
            .field("topic", &self.topic)
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl KafkaReader {
    pub(super) async fn join(shared: Arc<Shared>) -> Result<Self, BusError> {
        let log_id = events::log_id(&shared).await?;
        let topic = shared.config.events_topic();
        let (member, assigned) = reader_group::join(&shared)?;
        // It joins nothing: the group's name is only one that this process may use.
        let group = shared.config.readers_group();
        let data = shared.clients.consumer(&group, "error", DefaultConsumerContext)?;
        Ok(Self {
            shared,
            log_id,
            topic,
            member: Some(member),
            assigned,
            positions: BTreeMap::new(),
            data,
            gathered: BTreeMap::new(),
            failure: None,
        })
    }

    fn member(&self) -> &Member {
        self.member.as_ref().expect("the member leaves when the reader is dropped")
    }

    /// What this reader has now, if that has changed.
    fn settle(&mut self) -> Result<Option<Vec<u32>>, BusError> {
        if !self.assigned.has_changed().unwrap_or(false) {
            return Ok(None);
        }
        let assigned: Vec<u32> = self.assigned.borrow_and_update().iter().copied().collect();
        if assigned.is_empty() && self.positions.is_empty() {
            return Ok(None);
        }
        self.data.unassign()?;
        self.gathered.clear();
        self.positions = assigned.iter().map(|at| (*at, Position::default())).collect();
        Ok(Some(assigned))
    }

    /// Begins to read the partitions that were sought since the last poll.
    async fn start(&mut self) -> Result<(), BusError> {
        let sought = self.positions.iter().filter(|(_, position)| !position.started);
        let sought: BTreeMap<u32, u64> =
            sought.filter_map(|(partition, position)| Some((*partition, position.next?))).collect();
        if sought.is_empty() {
            return Ok(());
        }
        let partitions: Vec<u32> = sought.keys().copied().collect();
        for PartitionBounds { partition, start, end } in
            self.shared.clients.bounds(&self.topic, &partitions).await?
        {
            let next = sought[&partition];
            if !(start..=end).contains(&next) {
                return Err(BusError::Refused(format!(
                    "partition {partition} of the event log has offsets {start} to {end}, not {next}"
                )));
            }
            let mut place = TopicPartitionList::new();
            let from = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
            place.add_partition_offset(&self.topic, number(partition), from)?;
            self.data.incremental_assign(&place)?;
            self.positions.insert(partition, Position { next: Some(next), started: true });
        }
        Ok(())
    }

    /// Stops reading a partition; it has to be started again.
    fn stop(&mut self, partition: u32) -> Result<(), BusError> {
        self.gathered.remove(&partition);
        let Some(position) = self.positions.get_mut(&partition) else {
            return Ok(());
        };
        if std::mem::take(&mut position.started) {
            let mut place = TopicPartitionList::new();
            place.add_partition(&self.topic, number(partition));
            self.data.incremental_unassign(&place)?;
        }
        Ok(())
    }

    /// Gathers a first record and whatever else is at hand.
    fn gather(&mut self, partition: u32, first: EventRecord) {
        let (mut bytes, mut records) = (first.payload.len(), 1);
        self.gathered.entry(partition).or_default().push(first);
        while bytes < READ_BYTES_MAX && records < READ_RECORDS_MAX {
            match self.data.recv().now_or_never() {
                Some(Ok(message)) => {
                    let (partition, record) = owned(&message);
                    bytes += record.payload.len();
                    records += 1;
                    self.gathered.entry(partition).or_default().push(record);
                }
                Some(Err(error)) => {
                    self.failure = Some(error);
                    break;
                }
                None => break,
            }
        }
    }

    /// The records of one partition that were gathered, in their turn: those that were fetched before it was sought
    /// anew are left out. `None` if nothing is left.
    fn give(&mut self) -> Result<Option<EventPoll>, BusError> {
        while let Some((partition, gathered)) = self.gathered.pop_first() {
            let Some(Position { next: Some(next), started: true }) =
                self.positions.get_mut(&partition)
            else {
                continue;
            };
            let begin = *next;
            let mut records = Vec::with_capacity(gathered.len());
            for record in gathered.into_iter().skip_while(|record| record.offset < begin) {
                if record.offset > *next {
                    let (next, found) = (*next, record.offset);
                    self.stop(partition)?;
                    return Err(BusError::Refused(format!(
                        "partition {partition} of the event log goes on at {found}, not {next}"
                    )));
                }
                *next += 1;
                records.push(record);
            }
            if !records.is_empty() {
                return Ok(Some(EventPoll::Records { partition, records }));
            }
        }
        Ok(None)
    }

    /// After this every partition's bounds are looked at before it is read on.
    fn failed(&mut self, error: KafkaError) -> BusError {
        let error = BusError::from(error);
        if matches!(error, BusError::Refused(_)) {
            let partitions: Vec<u32> = self.positions.keys().copied().collect();
            for partition in partitions {
                if let Err(error) = self.stop(partition) {
                    return error;
                }
            }
        }
        error
    }
}

fn owned(message: &BorrowedMessage<'_>) -> (u32, EventRecord) {
    let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
    (index(message.partition()), EventRecord { offset: offset(message.offset()), payload })
}

#[async_trait]
impl EventReader for KafkaReader {
    fn log_id(&self) -> &str {
        &self.log_id
    }

    async fn poll(&mut self, wait: Duration) -> Result<EventPoll, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            // The member speaks first: records without end must not keep it from answering its group.
            if let Some(Err(error)) = self.member().recv().now_or_never() {
                return Err(error.into());
            }
            if let Some(assigned) = self.settle()? {
                return Ok(EventPoll::Assigned(assigned));
            }
            if let Some(records) = self.give()? {
                return Ok(records);
            }
            if let Some(error) = self.failure.take() {
                return Err(self.failed(error));
            }
            self.start().await?;
            let member = self.member.as_ref().expect("the member leaves with the reader");
            let read = tokio::select! {
                biased;
                _ = self.assigned.changed() => {
                    self.assigned.mark_changed();
                    continue;
                }
                said = member.recv() => match said {
                    Ok(_) => continue,
                    Err(error) => return Err(error.into()),
                },
                message = self.data.recv() => message.as_ref().map(owned).map_err(Clone::clone),
                () = tokio::time::sleep_until(deadline.into()) => {
                    // The member may have let go in this very turn, and another may read on from now.
                    if self.assigned.has_changed().unwrap_or(false) {
                        continue;
                    }
                    return Ok(EventPoll::Quiet);
                }
            };
            let (partition, record) = read.map_err(|error| self.failed(error))?;
            self.gather(partition, record);
        }
    }

    async fn seek(&mut self, partition: u32, offset: u64) -> Result<(), BusError> {
        self.stop(partition)?;
        let Some(position) = self.positions.get_mut(&partition) else {
            return Err(BusError::Refused(format!(
                "partition {partition} is not assigned to this reader"
            )));
        };
        position.next = Some(offset);
        Ok(())
    }

    async fn bounds(&mut self) -> Result<Vec<PartitionBounds>, BusError> {
        let partitions: Vec<u32> = self.positions.keys().copied().collect();
        self.shared.clients.bounds(&self.topic, &partitions).await
    }
}

impl Drop for KafkaReader {
    /// Leaving the group waits for the broker, so it happens on a thread that may wait.
    fn drop(&mut self) {
        let member = self.member.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || drop(member)));
        }
    }
}
