//! What can go wrong with the job database, by what the caller does next.

/// A call to the job database that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum JobsDbError {
    /// A row or an offset was not as expected. Nothing was written: read again and decide again.
    #[error("{0} was changed by somebody else")]
    Conflict(String),
    /// The database did not answer, or not in time. A write may have happened: read again.
    #[error("the job database is not available: {0}")]
    Unavailable(String),
    /// A row that this program cannot read. Somebody must look.
    #[error("the job database holds a row that cannot be read: {0}")]
    Corrupt(String),
}
