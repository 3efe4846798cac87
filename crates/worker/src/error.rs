//! What ends a worker. Failures of jobs are [`panofleet_job_schema::Failure`]s and end nothing.

use std::io;
use std::path::PathBuf;

use panofleet_bus::BusError;

use crate::config::BadWorkerConfig;

/// Why a worker could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The settings do not fit.
    #[error(transparent)]
    Config(#[from] BadWorkerConfig),
    /// The scratch folder cannot be used.
    #[error("scratch folder {folder}: {source}")]
    Scratch {
        /// The folder or file.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process works under this name.
    #[error(
        "{0} is locked: another worker of this name runs on this machine; give each its own worker.name"
    )]
    NameTaken(PathBuf),
    /// The bus refused what a worker cannot do without.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The client for `https://` sources cannot be made.
    #[error("the client for https sources: {0}")]
    Https(String),
}
