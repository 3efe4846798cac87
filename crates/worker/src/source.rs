//! Gets a job's source to this machine.

use std::path::Path;

use panofleet_job_schema::Failure;
use panofleet_job_schema::source::SourceLocation;
use panofleet_objects::client::DownloadTo;
use panofleet_objects::{ObjectStore, ObjectsError};
use panofleet_service::egress::shown;
use url::Url;

use crate::store::scratch_failure;

mod https;

pub(crate) use https::HttpsClient;

/// A source on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Size.
    pub(crate) bytes: u64,
    /// SHA-256, hexadecimal.
    pub(crate) sha256: String,
}

/// Where sources come from.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The region's store.
    pub(crate) objects: ObjectStore,
    /// The public internet.
    pub(crate) https: HttpsClient,
    /// Bytes of a source.
    pub(crate) bytes_max: u64,
}

impl Sources {
    /// Downloads a source to `path`. `moved` hears how many bytes of how many are there.
    ///
    /// # Errors
    /// `Rejected` with what to do if the source is at fault, `Transient` if it may pass.
    pub(crate) async fn fetch(
        &self,
        source: &SourceLocation,
        path: &Path,
        mut moved: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<Fetched, Failure> {
        let (fetched, sha256, named) = match source {
            SourceLocation::Object { bucket, key, sha256 } => {
                let to = DownloadTo { path, bytes_max: self.bytes_max };
                let downloaded = self.objects.get_to_file(bucket, key, to, moved).await;
                let downloaded = downloaded.map_err(|error| object_failure(&error))?;
                let fetched = Fetched { bytes: downloaded.bytes, sha256: downloaded.sha256 };
                (fetched, sha256, format!("s3://{bucket}/{key}"))
            }
            SourceLocation::Https { url, sha256 } => {
                let fetched = self.https.fetch(url, path, self.bytes_max, &mut moved).await?;
                // Without what is behind the path: it may be a signature.
                let named = Url::parse(url).map(|url| shown(&url)).unwrap_or_default();
                (fetched, sha256, named)
            }
            SourceLocation::Nothing => {
                return Err(Failure::rejected(
                    "no_source",
                    "the job has no source, and its operations read one; submit it with a source",
                ));
            }
        };
        match sha256 {
            Some(sha256) if *sha256 != fetched.sha256 => {
                Err(differs(&named, (&fetched.sha256, sha256)))
            }
            _ => Ok(fetched),
        }
    }
}

fn differs(named: &str, (found, announced): (&str, &str)) -> Failure {
    Failure::rejected(
        "source_checksum_differs",
        format!(
            "the source {named} has the SHA-256 {found}, and {announced} was announced; submit the file that was meant"
        ),
    )
}

fn object_failure(error: &ObjectsError) -> Failure {
    match error {
        ObjectsError::NotFound { object } => Failure::rejected(
            "source_not_found",
            format!(
                "the source {object} does not exist; finish the upload before the job is submitted"
            ),
        ),
        ObjectsError::TooLarge { object, bytes_max } => too_large(object, *bytes_max),
        ObjectsError::Refused { object, code, .. } => Failure::rejected(
            "source_forbidden",
            format!(
                "the store refuses to give the source {object} ({code}); grant the worker read access"
            ),
        ),
        ObjectsError::LocalFile { source, .. } => scratch_failure(source),
        error => Failure::transient(
            "source_unavailable",
            format!("the source cannot be read now: {error}"),
        ),
    }
}

fn too_large(source: &str, bytes_max: u64) -> Failure {
    Failure::rejected(
        "source_too_large",
        format!(
            "the source {source} is larger than {bytes_max} bytes; submit a smaller one, or raise worker.source_bytes_max"
        ),
    )
}
