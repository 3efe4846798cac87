//! What stands in the store when a job has ended.

use panofleet_job_schema::Job;
use panofleet_job_schema::job::State;
use panofleet_job_schema::manifest::{Manifest, ManifestObject};

use crate::{Broken, Promise, shown};

/// A job, and what stands at the manifest key of its generation. A job that has not ended breaks nothing.
///
/// # Errors
/// The promise that they break.
pub fn check_end(job: &Job, found: Option<&ManifestObject>) -> Result<(), Broken> {
    let broken = |promise, how: &str| {
        Err(Broken::new(promise, format!("{}: {how}: {}", job.id, shown(job))))
    };
    match (&job.state, found) {
        (State::Succeeded { manifest }, Some(ManifestObject::Manifest(found)))
            if found.claim == manifest.claim && names(found, job) =>
        {
            Ok(())
        }
        (State::Succeeded { .. }, _) if !job.spec.makes_nothing() => {
            broken(Promise::SuccessHasItsManifest, "its manifest is not there")
        }
        (State::Dead { .. } | State::Cancelled | State::Expired, found)
            if job.possibly_sent()
                && !matches!(found, Some(ManifestObject::Seal(seal)) if seal.job == job.id) =>
        {
            broken(Promise::AnEndWithoutResultIsSealed, "no seal stands")
        }
        _ => Ok(()),
    }
}

fn names(manifest: &Manifest, job: &Job) -> bool {
    manifest.job == job.id && manifest.generation == job.generation
}

/// Every file that a result names: its key in the job's bucket, and its length in bytes.
pub fn files_of(manifest: &Manifest) -> impl Iterator<Item = (String, u64)> {
    manifest.outputs.values().flat_map(|output| {
        output
            .files
            .iter()
            .map(move |file| (format!("{}/{}", output.prefix, file.path), file.bytes))
    })
}
