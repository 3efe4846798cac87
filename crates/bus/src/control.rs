//! A job's control record, ready to publish.

use bytes::Bytes;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::{Job, Timestamp};

use crate::BusError;

/// What workers may know about a job, sealed; `sent_at` is the caller's wall clock.
///
/// # Errors
/// [`BusError::Refused`] if it cannot be sealed.
pub fn sealed_control(job: &Job, keys: &KeyRing, sent_at: Timestamp) -> Result<Bytes, BusError> {
    let body = Body::Control(job.control());
    let wire = Envelope { sent_at, trace: job.trace.clone(), body }.seal(keys);
    wire.map(Bytes::from).map_err(|error| BusError::Refused(error.to_string()))
}
