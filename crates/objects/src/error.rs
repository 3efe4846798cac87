//! What can go wrong with an object store, by what the caller does next.

use std::io;
use std::path::{Path, PathBuf};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use panofleet_job_schema::ErrorClass;

use crate::client::distrust;

mod cause;

pub(crate) use cause::causes;

/// A call to an object store that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// There is no such object, bucket or upload.
    #[error("{object} does not exist")]
    NotFound {
        /// What was asked for, as `s3://bucket/key`.
        object: String,
    },
    /// The store did not answer, or not in time, or said that it cannot now. Try again later.
    #[error("the store is not available for {object}: {reason}")]
    Unavailable {
        /// What was asked for.
        object: String,
        /// What happened.
        reason: String,
    },
    /// The store's certificate is not to be trusted: it has expired, is for another host, or none of the CAs that we
    /// trust has signed it. Nothing was sent.
    #[error(
        "the store's certificate is not trusted for {object}: {reason}; is its CA in tls_ca_file?"
    )]
    Untrusted {
        /// What was asked for.
        object: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// A conditional put was sent and its answer was lost: it may or may not have happened. Put it
    /// again; if that finds an object, read whose it is.
    #[error("it is unknown whether {object} was put: {reason}")]
    OutcomeUnknown {
        /// What was to be put.
        object: String,
        /// What happened.
        reason: String,
    },
    /// Another conditional request for the same key is under way (409). Back off and put again.
    #[error("another conditional request for {object} is under way")]
    Conflict {
        /// What was to be put.
        object: String,
    },
    /// The object is not (or no longer) the one that the request was conditional on (412).
    #[error("{object} has changed")]
    Changed {
        /// What was asked for.
        object: String,
    },
    /// The store will never do this: wrong credentials, no permission, a key that is too long.
    #[error("the store refused {object}: {code} ({status}): {message}")]
    Refused {
        /// What was asked for.
        object: String,
        /// HTTP status.
        status: u16,
        /// The store's error code.
        code: String,
        /// What the store says.
        message: String,
    },
    /// The object is larger than the caller allows.
    #[error("{object} is larger than {bytes_max} bytes")]
    TooLarge {
        /// What was asked for.
        object: String,
        /// The limit.
        bytes_max: u64,
    },
    /// The range begins past the end of the object (416).
    #[error("{object} has no such range")]
    RangeNotSatisfiable {
        /// What was asked for.
        object: String,
    },
    /// The store does not honour `If-None-Match: *`: results published on it could overwrite each other.
    #[error("bucket {bucket} does not honour conditional writes: {finding}")]
    ConditionsNotHonoured {
        /// The bucket that was probed.
        bucket: String,
        /// What the probe saw.
        finding: String,
    },
    /// The deadline passed before the manifest could be put, and none was found.
    #[error("the deadline passed before {object} could be put")]
    DeadlinePassed {
        /// The manifest.
        object: String,
    },
    /// What stands at a manifest key is neither a manifest nor a seal.
    #[error("{object} is neither a manifest nor a seal")]
    NotAManifest {
        /// The manifest's key.
        object: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A local file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    LocalFile {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another object server has the folder.
    #[error("{} is in use by another object server", path.display())]
    FolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The configuration cannot work.
    #[error("object store configuration: {0}")]
    Config(String),
}

impl ObjectsError {
    /// What a job does about it.
    ///
    /// `Refused` is a rejection because repeating it changes nothing; a caller that talks to its own
    /// output store, where only an operator can be at fault, may know better.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::RangeNotSatisfiable { .. }
            | Self::ConditionsNotHonoured { .. }
            | Self::FolderInUse { .. }
            | Self::Config(_) => ErrorClass::Rejected,
            // An operator repairs a certificate, and the jobs should be there then.
            Self::Unavailable { .. }
            | Self::Untrusted { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Conflict { .. }
            | Self::Changed { .. }
            | Self::DeadlinePassed { .. }
            | Self::LocalFile { .. } => ErrorClass::Transient,
            Self::NotAManifest { .. } => ErrorClass::Bug,
        }
    }

    /// Its name in metrics.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Unavailable { .. } => "unavailable",
            Self::Untrusted { .. } => "untrusted",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Conflict { .. } => "conflict",
            Self::Changed { .. } => "changed",
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too_large",
            Self::RangeNotSatisfiable { .. } => "range_not_satisfiable",
            Self::ConditionsNotHonoured { .. } => "conditions_not_honoured",
            Self::DeadlinePassed { .. } => "deadline_passed",
            Self::NotAManifest { .. } => "not_a_manifest",
            Self::LocalFile { .. } => "local_file",
            Self::FolderInUse { .. } => "folder_in_use",
            Self::Config(_) => "config",
        }
    }

    /// Whether the same call may succeed when it is repeated.
    pub const fn is_transient(&self) -> bool {
        matches!(self.class(), ErrorClass::Transient)
    }

    pub(crate) fn unavailable(object: &str, reason: impl Into<String>) -> Self {
        Self::Unavailable { object: object.to_owned(), reason: reason.into() }
    }

    pub(crate) fn local(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::LocalFile { action, path, source }
    }

    /// Sorts an SDK error by the answer's status and code; without an answer it is `Unavailable`.
    pub(crate) fn from_sdk<E>(object: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let owned = object.to_owned();
        let SdkError::ServiceError(context) = error else {
            return Self::without_answer(object, error);
        };
        let status = context.raw().status().as_u16();
        let code = context.err().code().unwrap_or_default();
        match (status, code) {
            // Some stores answer 404 to an access key that they do not know: that is a refusal.
            (404, "" | "NotFound" | "NoSuchKey" | "NoSuchBucket" | "NoSuchUpload") => {
                Self::NotFound { object: owned }
            }
            (412, _) => Self::Changed { object: owned },
            (409, "ConditionalRequestConflict") => Self::Conflict { object: owned },
            (416, _) => Self::RangeNotSatisfiable { object: owned },
            // The first three are bodies that were damaged or cut on the way.
            (400, "BadDigest" | "IncompleteBody" | "RequestTimeout")
            | (408 | 429 | 500 | 502..=599, _)
            | (409, "OperationAborted") => {
                let message = context.err().message().unwrap_or_default();
                Self::unavailable(object, format!("{status} {code} {message}"))
            }
            _ => Self::Refused {
                object: owned,
                status,
                code: code.to_owned(),
                message: context.err().message().unwrap_or_default().to_owned(),
            },
        }
    }

    fn without_answer<E>(object: &str, error: &SdkError<E>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        if let SdkError::ConstructionFailure(_) = error {
            return Self::Refused {
                object: object.to_owned(),
                status: 0,
                code: "InvalidRequest".to_owned(),
                message: cause::root(error),
            };
        }
        if let Some(reason) = distrust(error) {
            return Self::Untrusted { object: object.to_owned(), reason };
        }
        Self::unavailable(object, cause::root(error))
    }
}
