//! Records that nobody could use: the record as it was, and in headers where it came from and why.

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::job::Placement;
use rdkafka::Message as _;
use rdkafka::consumer::{Consumer as _, DefaultConsumerContext};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::{Offset, TopicPartitionList};

use super::Shared;
use super::clients::{check_length, offset};
use crate::{BusError, DeadLetter, KeptLetter, LetterPage};

/// The one partition: letters are few, and their order is worth more than their rate.
const PARTITION: u32 = 0;
/// The most that one call reads.
const LETTERS_MAX: u32 = 10_000;

const TOPIC: &str = "pf-origin-topic";
const ORIGIN_PARTITION: &str = "pf-origin-partition";
const OFFSET: &str = "pf-origin-offset";
const REASON: &str = "pf-reason";

pub(super) async fn publish(shared: &Shared, letter: &DeadLetter) -> Result<(), BusError> {
    check_length(&letter.payload)?;
    let (partition, offset) =
        (letter.placement.partition.to_string(), letter.placement.offset.to_string());
    let headers = [
        (TOPIC, letter.topic.as_str()),
        (ORIGIN_PARTITION, &partition),
        (OFFSET, &offset),
        (REASON, &letter.reason),
    ];
    let headers = headers.into_iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let topic = shared.config.dead_letters_topic();
    let record = FutureRecord::to(&topic)
        .partition(super::clients::number(PARTITION))
        .payload(letter.payload.as_ref())
        .headers(headers);
    shared.clients.produce(record).await.map(|_| ())
}

pub(super) async fn newest(shared: &Shared, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
    let kept = read(shared, (None, limit.min(LETTERS_MAX)), usize::MAX).await?;
    Ok(kept.into_iter().map(|kept| kept.letter).collect())
}

pub(super) async fn page(shared: &Shared, page: LetterPage) -> Result<Vec<KeptLetter>, BusError> {
    let LetterPage { before, limit, payload_bytes_max } = page;
    read(shared, (before, limit.min(LetterPage::LETTERS_MAX)), payload_bytes_max).await
}

/// The newest letters below `before`, newest first.
async fn read(
    shared: &Shared,
    (before, limit): (Option<u64>, u32),
    payload_bytes_max: usize,
) -> Result<Vec<KeptLetter>, BusError> {
    let topic = shared.config.dead_letters_topic();
    let bounds = shared.clients.bounds(&topic, &[PARTITION]).await?;
    let Some(bounds) = bounds.first() else {
        return Ok(Vec::new());
    };
    let end = before.map_or(bounds.end, |before| before.min(bounds.end));
    let mut next = bounds.start.max(end.saturating_sub(limit.into()));
    if next >= end {
        return Ok(Vec::new());
    }
    let consumer = shared.clients.consumer(&topic, "earliest", DefaultConsumerContext)?;
    let mut assignment = TopicPartitionList::new();
    let from = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
    assignment.add_partition_offset(&topic, super::clients::number(PARTITION), from)?;
    consumer.assign(&assignment)?;
    let mut letters = Vec::new();
    while next < end {
        let message = consumer.recv().await?;
        next = offset(message.offset()) + 1;
        if next <= end {
            letters.extend(kept(&message, payload_bytes_max));
        }
    }
    letters.reverse();
    Ok(letters)
}

/// `None` if somebody else wrote it.
fn kept(message: &BorrowedMessage<'_>, payload_bytes_max: usize) -> Option<KeptLetter> {
    let payload = message.payload().unwrap_or_default();
    let cut = payload.get(..payload_bytes_max).unwrap_or(payload);
    Some(KeptLetter {
        id: offset(message.offset()),
        kept_at: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0)),
        bytes: payload.len() as u64,
        letter: letter(message, cut)?,
    })
}

/// `None` if somebody else wrote it.
fn letter(message: &BorrowedMessage<'_>, payload: &[u8]) -> Option<DeadLetter> {
    let headers = message.headers()?;
    let text = |key| {
        let header = headers.iter().find(|header| header.key == key)?;
        std::str::from_utf8(header.value.unwrap_or_default()).ok()
    };
    let placement = Placement {
        partition: text(ORIGIN_PARTITION)?.parse().ok()?,
        offset: text(OFFSET)?.parse().ok()?,
    };
    Some(DeadLetter {
        topic: text(TOPIC)?.to_owned(),
        placement,
        reason: text(REASON)?.to_owned(),
        payload: bytes::Bytes::copy_from_slice(payload),
    })
}
