//! The commit protocol: the first attempt that puts its manifest is the one that counts.
//!
//! A manifest and a seal compete for one key, put with `If-None-Match: *`. What an answer means:
//!
//! | answer to the put | what is done |
//! |---|---|
//! | created | ours stands |
//! | none, or a server error | unknown: put again; if ours is there the next answer is 412 |
//! | 409 | another put is under way: back off, put again |
//! | 412 | something stands there: read it, and see whose it is |
//! | 412, then 404 on reading | it went away (a failed put of another): put again |
//!
//! Nothing is ever listed, and no manifest is put after its deadline.

use bytes::Bytes;
use panofleet_job_schema::manifest::{
    Manifest, ManifestAddress, ManifestObject, ManifestSummary, Seal,
};
use panofleet_job_schema::{ClaimId, Timestamp};

use crate::client::{Backoff, ObjectStore, PutIfAbsent, address as object_name};
use crate::error::ObjectsError;

/// Bytes of a manifest: 200,000 files, and room.
const MANIFEST_BYTES_MAX: u64 = 128 * 1024 * 1024;
const CONTENT_TYPE: &str = "application/json";

/// How the race for a generation's result ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Our manifest is the result.
    Won(ManifestSummary),
    /// Another claim finished first: report its result.
    Other(ManifestSummary),
    /// The job ended without a result: stop.
    Sealed,
}

/// What came of sealing a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealOutcome {
    /// A seal stands; no manifest can come any more.
    Sealed,
    /// A result was first: the job succeeded.
    ManifestFound(ManifestSummary),
}

/// Puts a manifest, and stays with it until it is known whose stands there or `deadline` has passed
/// by the clock `now`. Dropping the future leaves that open; call again or [`read`] to find out.
///
/// # Errors
/// [`ObjectsError::DeadlinePassed`] if no put was answered by then and nothing is found.
/// [`ObjectsError::TooLarge`], [`ObjectsError::NotAManifest`], [`ObjectsError::Refused`],
/// [`ObjectsError::NotFound`] (the bucket).
pub async fn publish(
    store: &ObjectStore,
    address: &ManifestAddress,
    manifest: &Manifest,
    deadline: Timestamp,
    now: impl Fn() -> Timestamp,
) -> Result<Published, ObjectsError> {
    let ours = ManifestObject::Manifest(Box::new(manifest.clone()));
    let body = encode(address, &ours)?;
    let mut backoff = Backoff::new();
    loop {
        let left = deadline.since(now());
        if left.is_zero() {
            let found = read_object(store, address).await?;
            let late = || ObjectsError::DeadlinePassed { object: name(address) };
            return found.map(|found| judge(address, &found, manifest.claim)).ok_or_else(late);
        }
        // An answer that comes after the deadline is not waited for: reading tells as much.
        let step = tokio::time::timeout(left, put_or_find(store, address, &body)).await;
        match step {
            Ok(Ok(Step::Put)) => return Ok(Published::Won(manifest.summary(address))),
            Ok(Ok(Step::Found(found))) => return Ok(judge(address, &found, manifest.claim)),
            Ok(Ok(Step::Again)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => continue,
        }
        tokio::time::sleep(backoff.next().min(left)).await;
    }
}

/// The manifest of a generation; `None` if there is none yet, or a seal says that there will be none.
///
/// # Errors
/// [`ObjectsError::Unavailable`], [`ObjectsError::NotAManifest`], [`ObjectsError::TooLarge`],
/// [`ObjectsError::Refused`].
pub async fn read(
    store: &ObjectStore,
    address: &ManifestAddress,
) -> Result<Option<Manifest>, ObjectsError> {
    Ok(match read_object(store, address).await? {
        Some(ManifestObject::Manifest(manifest)) => Some(*manifest),
        Some(ManifestObject::Seal(_)) | None => None,
    })
}

/// What stands at the manifest key of a generation.
///
/// # Errors
/// As [`read`].
pub async fn read_object(
    store: &ObjectStore,
    address: &ManifestAddress,
) -> Result<Option<ManifestObject>, ObjectsError> {
    let key = address.manifest_key();
    let bytes = match store.get_bytes(&address.bucket, &key, MANIFEST_BYTES_MAX).await {
        Err(ObjectsError::NotFound { .. }) => return Ok(None),
        found => found?,
    };
    let object = name(address);
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| ObjectsError::NotAManifest { object, source })
}

/// Seals a generation that is to end without a result, unless it has one.
///
/// # Errors
/// [`ObjectsError::Unavailable`] if the store gave no clear answer in `attempts_max` tries: the seal
/// may stand or not; seal again until it is answered. Otherwise as [`publish`].
pub async fn put_seal(
    store: &ObjectStore,
    address: &ManifestAddress,
    seal: &Seal,
) -> Result<SealOutcome, ObjectsError> {
    let body = encode(address, &ManifestObject::Seal(seal.clone()))?;
    let mut backoff = Backoff::new();
    for _ in 0..store.config().attempts_max {
        match put_or_find(store, address, &body).await? {
            Step::Put => return Ok(SealOutcome::Sealed),
            Step::Found(ManifestObject::Seal(_)) => return Ok(SealOutcome::Sealed),
            Step::Found(ManifestObject::Manifest(manifest)) => {
                return Ok(SealOutcome::ManifestFound(manifest.summary(address)));
            }
            Step::Again => backoff.wait().await,
        }
    }
    Err(ObjectsError::unavailable(&name(address), "no clear answer to the seal"))
}

/// What one try came to.
enum Step {
    /// Ours was created.
    Put,
    /// Something stands there; it may be ours from a try whose answer was lost.
    Found(ManifestObject),
    /// Nothing is known: back off and put again.
    Again,
}

async fn put_or_find(
    store: &ObjectStore,
    address: &ManifestAddress,
    body: &Bytes,
) -> Result<Step, ObjectsError> {
    let key = address.manifest_key();
    let put = store.put_if_absent(&address.bucket, &key, body.clone(), CONTENT_TYPE).await;
    let found = match put {
        Ok(PutIfAbsent::Created) => return Ok(Step::Put),
        Ok(PutIfAbsent::Exists) => read_object(store, address).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(Some(found)) => Ok(Step::Found(found)),
        Ok(None) => Ok(Step::Again),
        Err(error) if error.is_transient() => {
            tracing::debug!(key, %error, "the manifest key gave no clear answer");
            Ok(Step::Again)
        }
        Err(error) => Err(error),
    }
}

fn judge(address: &ManifestAddress, found: &ManifestObject, claim: ClaimId) -> Published {
    match found {
        ManifestObject::Seal(_) => Published::Sealed,
        ManifestObject::Manifest(manifest) if manifest.claim == claim => {
            Published::Won(manifest.summary(address))
        }
        ManifestObject::Manifest(manifest) => Published::Other(manifest.summary(address)),
    }
}

fn encode(address: &ManifestAddress, object: &ManifestObject) -> Result<Bytes, ObjectsError> {
    let body = serde_json::to_vec(object).expect("manifests and seals have only string keys");
    if body.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(ObjectsError::TooLarge {
            object: name(address),
            bytes_max: MANIFEST_BYTES_MAX,
        });
    }
    Ok(Bytes::from(body))
}

fn name(address: &ManifestAddress) -> String {
    object_name(&address.bucket, &address.manifest_key())
}
