//! What becomes of jobs that are offered together, whatever database keeps them.

use std::collections::BTreeMap;

use panofleet_job_schema::{Job, JobId, Tenant};

/// A client's key for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The client's own words.
    pub key: String,
    /// SHA-256 of what was asked for, so that another job under the same key is noticed.
    pub payload_sha256: [u8; 32],
}

/// A new job.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The job.
    pub job: Job,
    /// The client's key, if it gave one.
    pub key: Option<IdempotencyKey>,
}

/// What became of a job that was offered.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// The job is new.
    Created,
    /// The key has this job, asked for in the same words.
    Existing(Box<Job>),
    /// The key has this job, asked for in other words.
    KeyTaken(JobId),
    /// The key had this job, asked for in the same words, and retention has removed it.
    Removed(JobId),
}

/// A tenant's key.
pub(crate) type KeyName<'a> = (&'a Tenant, &'a str);

/// Who has a key.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// The job's id.
    pub(crate) id: JobId,
    /// The job; `None` if retention has removed it.
    pub(crate) job: Option<Job>,
    /// What was asked for under it.
    pub(crate) payload_sha256: Vec<u8>,
}

impl Offer {
    /// The key that it is asked for under.
    pub(crate) fn key_name(&self) -> Option<KeyName<'_>> {
        self.key.as_ref().map(|key| (&self.job.tenant, &*key.key))
    }
}

/// The answer to each offer, in their order. An offer whose key another one of them has comes after it.
pub(crate) fn answers<'a>(
    offers: &'a [Offer],
    mut holders: BTreeMap<KeyName<'a>, Holder>,
) -> Vec<Accepted> {
    let answer = |offer: &'a Offer| {
        let (Some(name), Some(key)) = (offer.key_name(), &offer.key) else {
            return Accepted::Created;
        };
        match holders.get(&name) {
            None => {
                let payload_sha256 = key.payload_sha256.to_vec();
                let (id, job) = (offer.job.id, Some(offer.job.clone()));
                holders.insert(name, Holder { id, job, payload_sha256 });
                Accepted::Created
            }
            Some(holder) if holder.payload_sha256 == key.payload_sha256 => match &holder.job {
                Some(job) => Accepted::Existing(Box::new(job.clone())),
                None => Accepted::Removed(holder.id),
            },
            Some(holder) => Accepted::KeyTaken(holder.id),
        }
    };
    offers.iter().map(answer).collect()
}

/// The offers that are new.
pub(crate) fn created<'a>(offers: &'a [Offer], answers: &[Accepted]) -> Vec<&'a Offer> {
    let pairs = offers.iter().zip(answers);
    pairs.filter(|(_, answer)| **answer == Accepted::Created).map(|(offer, _)| offer).collect()
}
