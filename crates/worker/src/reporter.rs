//! How this worker speaks: events about claims and heartbeats, sealed.

use bytes::Bytes;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::message::{
    AttemptId, ClaimEvent, Heartbeat, HeldClaim, Report, WorkerInfo,
};
use panofleet_job_schema::{ClaimId, Timestamp, WorkerId};
use panofleet_service::clock::wall_clock;
use panofleet_service::trace::trace_id;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing::field::Empty;

use crate::outbox::Sealed;

/// A claim as events name it; it is kept in the claim's folder, for a next life of the worker to report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimName {
    /// The attempt.
    pub(crate) id: AttemptId,
    /// The claim.
    pub(crate) claim: ClaimId,
    /// The partition of the event log to answer on.
    pub(crate) events_partition: u32,
    /// Trace context of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

impl ClaimName {
    /// The span of everything that is said about the claim.
    pub(crate) fn span(&self) -> Span {
        let AttemptId { job, generation, attempt } = self.id;
        let trace_id = trace_id(self.trace.as_deref());
        // Seen whatever the log's filter lets through.
        tracing::error_span!(
            "job", %job, %generation, %attempt, claim = %self.claim, trace_id, operation = Empty
        )
    }
}

/// Seals events and heartbeats in this worker's name.
#[derive(Debug)]
pub(crate) struct Reporter {
    keys: KeyRing,
    worker: WorkerId,
    heartbeat_partition: u32,
}

impl Reporter {
    /// A reporter for a worker, on a log of `partitions` partitions.
    pub(crate) fn new(keys: KeyRing, worker: WorkerId, partitions: u32) -> Self {
        let heartbeat_partition = heartbeat_partition(&worker, partitions);
        Self { keys, worker, heartbeat_partition }
    }

    /// An event about a claim, and where it goes.
    pub(crate) fn event(&self, name: &ClaimName, report: Report) -> Sealed {
        let event = ClaimEvent {
            id: name.id,
            claim: name.claim,
            worker: self.worker.clone(),
            heartbeat_partition: self.heartbeat_partition,
            report,
        };
        (name.events_partition, self.seal(Body::Event(Box::new(event)), name.trace.clone()))
    }

    /// A heartbeat, and where it goes.
    pub(crate) fn heartbeat(&self, worker: WorkerInfo, claims: Vec<HeldClaim>) -> Sealed {
        (self.heartbeat_partition, self.seal(Body::Heartbeat(Heartbeat { worker, claims }), None))
    }

    fn seal(&self, body: Body, trace: Option<String>) -> Bytes {
        let sent_at: Timestamp = wall_clock();
        let sealed = Envelope { sent_at, trace, body }.seal(&self.keys);
        // Failures are cut to kilobytes, and a worker holds at most 1024 claims of some hundred bytes.
        sealed.expect("events and heartbeats are far smaller than an envelope may be").into()
    }
}

/// The partition that carries a worker's heartbeats: 64-bit FNV-1a of its name's bytes, modulo the number of
/// partitions. (Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm", IETF draft, §2.)
pub(crate) fn heartbeat_partition(worker: &WorkerId, partitions: u32) -> u32 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let hash = worker.as_str().bytes().fold(OFFSET_BASIS, step);
    let partition = hash % u64::from(partitions.max(1));
    u32::try_from(partition).expect("a remainder of a division by a u32")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a's published values: "a" is af63dc4c8601ec8c, "foobar" 85944171f73967e8.
    #[test]
    fn heartbeats_keep_their_partition() {
        for (name, hash) in [("a", 0xaf63_dc4c_8601_ec8c_u64), ("foobar", 0x8594_4171_f739_67e8)] {
            let worker = WorkerId::new(name).unwrap();
            for partitions in [1, 7, 64, 1000] {
                let expected = hash % u64::from(partitions);
                assert_eq!(u64::from(heartbeat_partition(&worker, partitions)), expected, "{name}");
            }
        }
    }
}
