//! What goes to a region's workers, sealed and ready to publish.

use bytes::Bytes;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::{Job, Region, RegionKeys, Timestamp};

use crate::BusError;

/// What workers may know about a job, sealed for each region that may have heard of it; `sent_at` is the caller's wall
/// clock.
///
/// # Errors
/// [`BusError::Refused`] if it cannot be sealed.
pub fn sealed_control(
    job: &Job,
    keys: &RegionKeys,
    sent_at: Timestamp,
) -> Result<Vec<(Region, Bytes)>, BusError> {
    let body = Body::Control(job.control());
    let envelope = Envelope { sent_at, trace: job.trace.clone(), body };
    job.regions().map(|region| Ok((region.clone(), seal(&envelope, keys, region)?))).collect()
}

/// What a worker of a region is told, sealed with the region's key.
///
/// # Errors
/// [`BusError::Refused`] if it cannot be sealed.
pub fn sealed_order(
    order: &WorkerOrder,
    keys: &RegionKeys,
    (region, sent_at): (&Region, Timestamp),
) -> Result<Bytes, BusError> {
    seal(&Envelope { sent_at, trace: None, body: Body::Order(order.clone()) }, keys, region)
}

/// An envelope for a region, sealed with the region's key.
///
/// # Errors
/// [`BusError::Refused`] if it cannot be sealed.
pub fn seal(envelope: &Envelope, keys: &RegionKeys, region: &Region) -> Result<Bytes, BusError> {
    let ring = keys.ring(region).ok_or_else(|| {
        BusError::Refused(format!("there is no key to sign messages for region {region} with"))
    })?;
    let wire = envelope.seal(ring);
    wire.map(Bytes::from).map_err(|error| BusError::Refused(error.to_string()))
}
