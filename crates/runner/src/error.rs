//! What can go wrong besides the source.

use std::io;

use panofleet_job_schema::{ErrorClass, Failure};
use panofleet_media::MediaError;
use panofleet_projection::GeometryError;
use panofleet_raster::RasterError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The source, or a codec.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Pixels that the plan should not have asked for.
    #[error(transparent)]
    Raster(#[from] RasterError),
    /// A window that the plan should not have asked for.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// Numbers of a lens that no lens has.
    #[error("{name} cannot be as it is described: {error}; correct `lenses`, `lens` or `fov_deg`")]
    Lens {
        /// Which lens.
        name: &'static str,
        /// Why.
        error: GeometryError,
    },
    /// A lens that saw nothing.
    #[error(
        "{names} saw nothing: its circle is black; take the picture again, or set `dark_lens` to `leave_out` for a \
         panorama without it"
    )]
    DarkLens {
        /// Which.
        names: String,
    },
    /// A side of no pixels that the plan should not have asked for.
    #[error("the plan asks for a picture without pixels")]
    EmptySize,
    /// An output file cannot be written.
    #[error("cannot write `{path}`: {error}")]
    Write {
        /// Path from the output's folder.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The worker is gone.
    #[error("cannot report to the worker: {0}")]
    Report(#[source] io::Error),
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let message = error.to_string();
        match error {
            StepError::Media(error) => error.into(),
            // Plans are made for what was probed, so these are ours.
            StepError::Raster(_) | StepError::Geometry(_) | StepError::EmptySize => {
                Self::new(ErrorClass::Bug, "plan_impossible", message)
            }
            StepError::Lens { .. } => Self::rejected("lens_impossible", message),
            StepError::DarkLens { .. } => Self::rejected("lens_dark", message),
            StepError::Write { error, .. } => match error.kind() {
                io::ErrorKind::FileTooLarge => Self::rejected(
                    "output_file_too_large",
                    format!("{message}; ask for a smaller size or a lower quality"),
                ),
                // A full disk is a matter of this worker.
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::transient(
                    "scratch_full",
                    format!(
                        "{message}; the worker's disk is full: make room in worker.scratch or give it a larger disk, or \
                         run fewer jobs at once (worker.slots)"
                    ),
                ),
                _ => Self::transient("scratch_write_failed", message),
            },
            StepError::Report(_) => Self::transient("worker_gone", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_to_be_that_and_may_pass() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::from(StepError::Write { path: "tiles/0.jpg".to_owned(), error });
        assert_eq!((failure.class, &*failure.code), (ErrorClass::Transient, "scratch_full"));
        assert!(failure.message.contains("tiles/0.jpg"), "{failure:?}");
        assert!(failure.message.contains("worker.scratch"), "{failure:?}");
    }
}
