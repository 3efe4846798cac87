//! What this crate counts; `docs/metrics.md` says what to read from it.

use std::time::Duration;

use ::metrics::{counter, histogram};
use panofleet_job_schema::Metric;
use panofleet_job_schema::metric::REQUEST_SECONDS;

use crate::error::ObjectsError;

const REQUESTS: Metric = Metric::counter(
    "panofleet_objects_requests_total",
    &["operation", "result"],
    "Requests to the object store, each try counted.",
);
const RETRIES: Metric = Metric::counter(
    "panofleet_objects_retries_total",
    &["operation"],
    "Requests to the object store that are repeats of one that failed.",
);
const SECONDS: Metric = Metric::histogram(
    "panofleet_objects_request_seconds",
    &["operation"],
    REQUEST_SECONDS,
    "Time that one try of a request to the object store took.",
);
/// What this crate counts.
pub const METRICS: &[Metric] = &[REQUESTS, RETRIES, SECONDS];

/// A request of S3 that the client makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Abort,
    Begin,
    Complete,
    CreateBucket,
    Delete,
    Get,
    Head,
    HeadBucket,
    List,
    ListParts,
    Put,
    PutIfAbsent,
    UploadPart,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort_multipart_upload",
            Self::Begin => "create_multipart_upload",
            Self::Complete => "complete_multipart_upload",
            Self::CreateBucket => "create_bucket",
            Self::Delete => "delete_object",
            Self::Get => "get_object",
            Self::Head => "head_object",
            Self::HeadBucket => "head_bucket",
            Self::List => "list_objects",
            Self::ListParts => "list_parts",
            Self::Put => "put_object",
            Self::PutIfAbsent => "put_object_if_absent",
            Self::UploadPart => "upload_part",
        }
    }

    /// One try came to its end.
    pub(crate) fn tried<T>(self, result: &Result<T, ObjectsError>, took: Duration) {
        let result = result.as_ref().err().map_or("ok", ObjectsError::kind);
        counter!(REQUESTS.name, "operation" => self.name(), "result" => result).increment(1);
        histogram!(SECONDS.name, "operation" => self.name()).record(took);
    }

    /// It is tried once more.
    pub(crate) fn repeated(self) {
        counter!(RETRIES.name, "operation" => self.name()).increment(1);
    }
}
