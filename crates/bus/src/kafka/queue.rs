//! One job queue: sending a message, and what became of it.

use krafka::admin::{
    DescribeShareGroupOffsetsOptions, ListConsumerGroupOffsetsOptions, TopicPartition,
};
use panofleet_job_schema::JobId;
use panofleet_job_schema::job::Placement;
use rdkafka::producer::FutureRecord;

use super::clients::{check_length, place};
use super::{KafkaGroups, Shared, classic};
use crate::{BusError, CopyFate, Queue};

pub(super) async fn send(
    shared: &Shared,
    queue: &Queue,
    job: JobId,
    payload: &[u8],
) -> Result<Placement, BusError> {
    check_length(payload)?;
    let topic = shared.config.jobs_topic(queue);
    let record = FutureRecord::to(&topic).key(job.0.as_bytes().as_slice()).payload(payload);
    let (partition, offset) = shared.clients.produce(record).await?;
    Ok(Placement { partition, offset })
}

/// Gone when the share group or the log begins above it, or when the group has nothing left to hand out up to the
/// log's end. The group's start is as it was before the last settlement that the broker wrote down, so that the last
/// of several settled messages is `Present` until another one is settled or released, or nothing is left.
pub(super) async fn fate(
    shared: &Shared,
    queue: &Queue,
    placement: Placement,
) -> Result<CopyFate, BusError> {
    let topic = shared.config.jobs_topic(queue);
    // Before the group is asked: what it has left then goes at least up to this end.
    let bounds = shared.clients.bounds(&topic, &[placement.partition]).await?;
    let sent = bounds.iter().any(|bounds| placement.offset < bounds.end);
    if bounds.iter().any(|bounds| placement.offset < bounds.start) {
        return Ok(CopyFate::Gone);
    }
    let place = place(&topic, placement.partition);
    if shared.config.groups == KafkaGroups::Classic {
        return committed_fate(shared, queue, (place, placement.offset)).await;
    }
    let options = DescribeShareGroupOffsetsOptions::default().partitions(vec![place.clone()]);
    let group = shared.config.workers_group(queue);
    let asked = shared.clients.admin.describe_share_group_offsets(group, options);
    let mut offsets = shared.clients.within(asked).await?;
    let Some(known) = offsets.remove(&place) else {
        return Ok(CopyFate::Present);
    };
    let known = known?;
    // The start is negative until the group's first member has come.
    let gone = u64::try_from(known.start_offset)
        .is_ok_and(|start| placement.offset < start || (sent && known.lag == Some(0)));
    Ok(if gone { CopyFate::Gone } else { CopyFate::Present })
}

/// Gone when a classic group has committed that it is settled.
async fn committed_fate(
    shared: &Shared,
    queue: &Queue,
    (place, offset): (TopicPartition, u64),
) -> Result<CopyFate, BusError> {
    let options = ListConsumerGroupOffsetsOptions::default().partitions(vec![place.clone()]);
    let group = shared.config.workers_group(queue);
    let asked = shared.clients.admin.list_consumer_group_offsets(group, options);
    let committed = shared.clients.within(asked).await?.remove(&place).transpose()?;
    let Some((position, note)) = committed.and_then(|committed| {
        let position = u64::try_from(committed.offset?).ok()?;
        Some((position, committed.metadata.unwrap_or_default()))
    }) else {
        return Ok(CopyFate::Present);
    };
    let gone = offset.checked_sub(position).is_none_or(|above| classic::is_settled(&note, above));
    Ok(if gone { CopyFate::Gone } else { CopyFate::Present })
}
