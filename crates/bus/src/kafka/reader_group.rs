//! Which reader has which partition of the event log: Kafka's consumer group says.

use std::collections::BTreeSet;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::watch;

use super::Shared;
use super::clients::index;
use crate::BusError;

/// The member that only learns what is assigned to it. It fetches nothing: reading is another consumer's, so that
/// nothing is read before the partition was sought.
pub(super) type Member = StreamConsumer<Assignments>;

/// Tells what is assigned, from within the calls that poll the member. The protocol is the eager one: everything
/// is given up before anything is given to another.
pub(super) struct Assignments {
    assigned: watch::Sender<BTreeSet<u32>>,
}

/// Joins the readers of the event log.
pub(super) fn join(shared: &Shared) -> Result<(Member, watch::Receiver<BTreeSet<u32>>), BusError> {
    let (assigned, told) = watch::channel(BTreeSet::new());
    let group = shared.config.readers_group();
    let member = shared.clients.consumer(&group, "error", Assignments { assigned })?;
    member.subscribe(&[&shared.config.events_topic()])?;
    Ok((member, told))
}

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn rebalance(
        &self,
        member: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigned = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            partitions.elements().iter().map(|element| index(element.partition())).collect()
        } else {
            BTreeSet::new()
        };
        // The group goes on only after its answer; an empty one is an answer, and nothing is fetched.
        let answered = if assigned.is_empty() {
            member.unassign()
        } else {
            member.assign(&TopicPartitionList::new())
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "a rebalance of the event log's readers was not answered");
        }
        self.assigned.send_replace(assigned);
    }
}
