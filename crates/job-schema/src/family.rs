//! Families: a job that is split into children, and joined when they have ended.
//!
//! The first attempt of a long job looks at its source and reports [`Report::Expanded`](crate::message::Report): the
//! children, and how they are joined. They run as jobs of their own, wherever there is room; the parent is `Blocked`
//! until all have ended. Then it is sent once more, and the message of that attempt says where the children's
//! manifests are. A child has no children: one level is enough to spread work, and everybody can see who waits for whom.
//!
//! Which jobs are children of a generation of a job is decided once: their ids are a hash of it, and they are written
//! with the transition that blocks the parent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::failure::Failure;
use crate::ids::{Attempt, ClaimId, Generation, JobId, OutputName};
use crate::job::{Counters, Job, State};
use crate::limits;
use crate::manifest::ManifestAddress;
use crate::message::AttemptId;
use crate::operation::Operation;
use crate::policy::Policy;
use crate::source::{Source, SourceLocation};
use crate::spec::{BadSpec, JobSpec};
use crate::time::{Span, Timestamp};

/// What one child is to do. Everything that it does not say, it has from its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildSpec {
    /// Its source, if it is not the parent's: a file that the expanding attempt has uploaded, by its path from that
    /// attempt's folder. A worker can name nothing outside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What to make of it.
    pub outputs: BTreeMap<OutputName, Operation>,
    /// Longest time that one attempt may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Failed attempts before it is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
}

/// How children become one result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// What becomes of the family when a child ends without a result.
    #[serde(default)]
    pub on_failure: OnChildFailure,
}

/// What becomes of a family when a child ends without a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnChildFailure {
    /// The others are cancelled, and the parent is dead.
    #[default]
    FailFast,
    /// The others go on. The join is told which have no result: it makes what it can of the rest, or fails.
    WaitForAll,
}

/// What a parent knows of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// How many there are.
    pub children: u32,
    /// How they are joined.
    pub join: Join,
    /// The attempt that split the job.
    pub attempt: Attempt,
    /// The claim of that attempt: its folder holds what the children and the join may need.
    pub claim: ClaimId,
    /// The last attempt that was sent before. Whatever belongs to it or an earlier one is over; later ones join.
    pub last_before: Attempt,
}

/// Whose child a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildOf {
    /// The job that was split.
    pub parent: JobId,
    /// The generation of the parent that was.
    pub generation: Generation,
    /// Its place among the children, from 0.
    pub index: u32,
}

/// How the children of a generation stand, counted from their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children {
    /// Those that have a result.
    pub succeeded: u32,
    /// Those that have ended without one.
    pub failed: u32,
    /// Those that have not ended.
    pub open: u32,
    /// The first of those that have ended without a result.
    pub first_failed: Option<FailedChild>,
}

/// A child that has ended without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedChild {
    /// Which job.
    pub job: JobId,
    /// Its place among the children.
    pub index: u32,
    /// How it ended: a state's name.
    pub state: &'static str,
    /// Its last failure.
    pub failure: Option<Failure>,
}

/// What the message of a joining attempt says about the children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinTask {
    /// The attempt that split the job.
    pub attempt: Attempt,
    /// The claim of that attempt; with the attempt it names the folder of what was uploaded then.
    pub claim: ClaimId,
    /// The children, in their order.
    pub children: Vec<JoinedChild>,
}

/// A child, as the join sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinedChild {
    /// Which job it was.
    pub job: JobId,
    /// Where its manifest lies; none if it ended without a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestAddress>,
}

/// The id of a child: the time of its parent's, its place, and 62 bits of SHA-256 over parent, generation and place.
///
/// A UUID of version 8 (RFC 9562, section 5.8). Children lie behind their parent in the order of ids, in their own.
pub fn child_id(parent: JobId, generation: Generation, index: u32) -> JobId {
    let mut hash = Sha256::new();
    hash.update(parent.0.as_bytes());
    hash.update(generation.0.to_be_bytes());
    hash.update(index.to_be_bytes());
    let hashed: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&parent.0.as_bytes()[..6]);
    // Twelve bits: the limit on children is far below.
    let [.., high, low] = index.to_be_bytes();
    (bytes[6], bytes[7]) = (0x80 | high & 0x0f, low);
    bytes[8..].copy_from_slice(&hashed[..8]);
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    JobId(Uuid::from_bytes(bytes))
}

/// Checks what a worker asks for.
///
/// # Errors
/// What is wrong with the first child that does not fit.
pub(crate) fn check(children: &[ChildSpec]) -> Result<(), String> {
    if children.is_empty() {
        return Err("no children".to_owned());
    }
    if children.len() > limits::CHILDREN_MAX {
        return Err(format!("{} children, {} allowed", children.len(), limits::CHILDREN_MAX));
    }
    for (index, child) in children.iter().enumerate() {
        child.check().map_err(|bad| format!("child {index}: {bad}"))?;
    }
    Ok(())
}

impl ChildSpec {
    fn check(&self) -> Result<(), String> {
        if let Some(part) = &self.part {
            let whole = part.len() <= limits::SOURCE_BYTES_MAX;
            let plain = |name: &str| !matches!(name, "" | "." | "..");
            if !whole || part.contains('\\') || !part.split('/').all(plain) {
                return Err("part is not a path below the attempt's folder".to_owned());
            }
        }
        self.to_spec(&Source::Upload(Uuid::nil())).check().map_err(|bad: BadSpec| bad.to_string())
    }

    fn to_spec(&self, source: &Source) -> JobSpec {
        JobSpec {
            source: source.clone(),
            outputs: self.outputs.clone(),
            region: None,
            regions: Vec::new(),
            any_region: false,
            hop_after: None,
            priority: crate::spec::Priority::Normal,
            start_at: None,
            timeout: self.timeout,
            deadline: None,
            max_attempts: self.max_attempts,
            idempotency_key: None,
            labels: BTreeMap::new(),
            preset: None,
            source_sha256: None,
        }
    }
}

impl Job {
    /// The children of this generation. `by` is the attempt, and its claim, that has asked for them.
    pub(crate) fn children(
        &self,
        specs: &[ChildSpec],
        by: (AttemptId, ClaimId),
        now: Timestamp,
        policy: &Policy,
    ) -> Vec<Self> {
        let folder = self.manifest_address().attempt_prefix(by.0.attempt, by.1);
        let child = |(index, spec): (u32, &ChildSpec)| {
            let child = self.child(index, spec, &folder, policy);
            Self { accepted_at: now, state: State::Queued { since: now }, ..child }
        };
        (0..).zip(specs).map(child).collect()
    }

    fn child(&self, index: u32, spec: &ChildSpec, folder: &str, policy: &Policy) -> Self {
        let (source, location) = match &spec.part {
            None => (self.spec.source.clone(), self.source.clone()),
            Some(part) => {
                let (bucket, key) = (self.bucket.clone(), format!("{folder}/{part}"));
                let source = Source::S3 { bucket: bucket.clone(), key: key.clone() };
                (source, SourceLocation::object(bucket, key))
            }
        };
        let spec = JobSpec {
            region: self.spec.region.clone(),
            regions: self.spec.regions.clone(),
            any_region: self.spec.any_region,
            hop_after: self.spec.hop_after,
            priority: self.spec.priority,
            labels: self.spec.labels.clone(),
            ..spec.to_spec(&source)
        };
        let lane = spec.lane();
        Self {
            id: child_id(self.id, self.generation, index),
            source: location,
            lane,
            timeout: spec.timeout.unwrap_or(policy.attempt_timeout(lane)),
            max_attempts: spec.max_attempts.unwrap_or(self.max_attempts),
            spec,
            generation: Generation(1),
            counters: Counters::default(),
            sent_to: Vec::new(),
            child_of: Some(ChildOf { parent: self.id, generation: self.generation, index }),
            family: None,
            lapsed_claims: Vec::new(),
            ended_claims: Vec::new(),
            failure: None,
            finished_at: None,
            ..self.clone()
        }
    }

    /// What a joining attempt is told, if the job was split. `children` are those of this generation, in their order.
    pub fn join_task(&self, children: &[Self]) -> Option<JoinTask> {
        let Family { attempt, claim, .. } = self.family?;
        let joined = |child: &Self| JoinedChild {
            job: child.id,
            manifest: matches!(child.state, State::Succeeded { .. })
                .then(|| child.manifest_address()),
        };
        Some(JoinTask { attempt, claim, children: children.iter().map(joined).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_ids_are_stable_ordered_and_differ() {
        let parent: JobId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let id = |generation, index| child_id(parent, Generation(generation), index);
        assert_eq!(id(1, 0).to_string(), "01890a5d-ac96-8000-acc7-1612a6963cab");
        assert_eq!(id(1, 0).0.get_version_num(), 8);
        let mut last = parent;
        for index in 0..u32::try_from(limits::CHILDREN_MAX).unwrap() {
            let next = id(1, index);
            assert!(next > last && next != id(2, index), "{index}");
            last = next;
        }
        let other = JobId(Uuid::from_u128(parent.0.as_u128() + 1));
        assert_ne!(child_id(other, Generation(1), 0), id(1, 0));
    }

    #[test]
    fn what_a_worker_may_not_ask_for_is_named() {
        let outputs: BTreeMap<OutputName, Operation> =
            serde_json::from_str(r#"{"p": {"op": "media.probe"}}"#).unwrap();
        let child = ChildSpec { part: None, outputs, timeout: None, max_attempts: None };
        assert_eq!(check(std::slice::from_ref(&child)), Ok(()));
        let part = |part: &str| ChildSpec { part: Some(part.into()), ..child.clone() };
        assert_eq!(check(&[part("segments/1.mp4")]), Ok(()));
        for bad in ["", "/etc/passwd", "../other/a.mp4", "a//b", "a/./b", "a\\..\\b"] {
            assert!(check(&[part(bad)]).unwrap_err().contains("child 0: part"), "{bad}");
        }
        assert_eq!(check(&[]).unwrap_err(), "no children");
        let many = vec![child.clone(); limits::CHILDREN_MAX + 1];
        assert_eq!(check(&many).unwrap_err(), "1001 children, 1000 allowed");
        let empty = ChildSpec { outputs: BTreeMap::new(), ..child };
        assert!(check(&[empty]).unwrap_err().contains("outputs is empty"));
    }
}
