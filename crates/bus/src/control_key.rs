//! What the control records of a region are kept by: the last record of each key stands.

use panofleet_job_schema::{JobId, WorkerId};

/// The key of a job: its 16 bytes.
pub(crate) fn of_job(job: JobId) -> Vec<u8> {
    job.0.as_bytes().to_vec()
}

/// The key of a worker. No job has it: a job's id begins with its time, and no job is of the year 6000.
pub(crate) fn of_worker(worker: &WorkerId) -> Vec<u8> {
    format!("worker/{worker}").into_bytes()
}
