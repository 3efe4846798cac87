//! Does the store honour `If-None-Match: *`? Everything that is published depends on it.

use bytes::Bytes;
use futures_util::future::join_all;
use uuid::Uuid;

use super::{Backoff, ObjectStore, PutIfAbsent};
use crate::error::ObjectsError;

/// Writers that race for one key.
const WRITERS: u32 = 8;
/// Races that the store has to pass.
const RACES: u32 = 3;
/// Where the probe's objects go; they are deleted again.
///
/// Not in a folder of their own: a store over a file system takes an empty folder away, and may refuse what another
/// process is just putting into it (versitygw does, with 409).
const PREFIX: &str = ".panofleet-probe-";

impl ObjectStore {
    /// Checks that of several conditional puts exactly one wins: one after the other, and eight at once.
    ///
    /// # Errors
    /// [`ObjectsError::ConditionsNotHonoured`]: do not use this bucket for results. Otherwise what
    /// kept the probe from its answer: [`ObjectsError::Unavailable`], [`ObjectsError::NotFound`]
    /// (the bucket), [`ObjectsError::Refused`].
    pub async fn probe_conditional_writes(&self, bucket: &str) -> Result<(), ObjectsError> {
        let key = format!("{PREFIX}{}", Uuid::new_v4());
        let finding = self.probe_in_turn(bucket, &key).await;
        self.delete(bucket, &key).await?;
        refuse(bucket, finding?)?;
        for _ in 0..RACES {
            let key = format!("{PREFIX}{}", Uuid::new_v4());
            let finding = self.probe_race(bucket, &key).await;
            self.delete(bucket, &key).await?;
            refuse(bucket, finding?)?;
        }
        Ok(())
    }

    /// What is wrong with two puts in turn, if anything.
    async fn probe_in_turn(&self, bucket: &str, key: &str) -> Result<Option<String>, ObjectsError> {
        let first = self.probe_put(bucket, key, 1).await?;
        let second = self.probe_put(bucket, key, 2).await?;
        Ok(match (first, second) {
            (PutIfAbsent::Created, PutIfAbsent::Exists) => None,
            (PutIfAbsent::Created, PutIfAbsent::Created) => {
                Some("a second put replaced the object".to_owned())
            }
            (PutIfAbsent::Exists, _) => Some("a new key was reported as existing".to_owned()),
        })
    }

    /// What is wrong with puts at the same time, if anything.
    async fn probe_race(&self, bucket: &str, key: &str) -> Result<Option<String>, ObjectsError> {
        let race = (1..=WRITERS).map(|writer| self.probe_put(bucket, key, writer));
        let mut winners = Vec::new();
        for (outcome, writer) in join_all(race).await.into_iter().zip(1..=WRITERS) {
            if outcome? == PutIfAbsent::Created {
                winners.push(writer);
            }
        }
        let [winner] = winners[..] else {
            return Ok(Some(format!("{} of {WRITERS} racing puts won", winners.len())));
        };
        let stands = self.get_bytes(bucket, key, 64).await?;
        let lost = stands != winner.to_string().as_bytes();
        Ok(lost.then(|| "the winner of a race was overwritten".to_owned()))
    }

    async fn probe_put(
        &self,
        bucket: &str,
        key: &str,
        writer: u32,
    ) -> Result<PutIfAbsent, ObjectsError> {
        let mut backoff = Backoff::new();
        for _ in 1..self.config.attempts_max {
            let content = Bytes::from(writer.to_string());
            match self.put_if_absent(bucket, key, content, "text/plain").await {
                Err(ObjectsError::Conflict { .. }) => backoff.wait().await,
                Err(ObjectsError::Refused { status: 501, message, .. }) => {
                    refuse(bucket, Some(format!("the store does not implement it: {message}")))?;
                }
                // A lost answer says nothing about the condition; the probe starts anew another time.
                settled => return settled,
            }
        }
        self.put_if_absent(bucket, key, Bytes::from(writer.to_string()), "text/plain").await
    }
}

fn refuse(bucket: &str, finding: Option<String>) -> Result<(), ObjectsError> {
    let bucket = bucket.to_owned();
    finding.map_or(Ok(()), |finding| Err(ObjectsError::ConditionsNotHonoured { bucket, finding }))
}
