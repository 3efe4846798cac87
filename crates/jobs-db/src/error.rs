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
    /// The database will never do this: a write that breaks one of its rules, a file that belongs to a newer
    /// program or to another process. Nothing was written.
    #[error("the job database refused: {0}")]
    Refused(String),
    /// A row that this program cannot read. Somebody must look.
    #[error("the job database holds a row that cannot be read: {0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for JobsDbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        match &error {
            sqlx::Error::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation
                | ErrorKind::ForeignKeyViolation
                | ErrorKind::NotNullViolation
                | ErrorKind::CheckViolation => Self::Refused(database.message().to_owned()),
                _ => Self::Unavailable(database.message().to_owned()),
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
