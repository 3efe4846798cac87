//! What can go wrong with the bus, by what the caller does next.

/// A call to the bus that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus did not answer, or not in time. Try again; a send may have happened.
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// The bus answered that it will never do this: a topic that does not exist, a record that is too long.
    #[error("the bus refused: {0}")]
    Refused(String),
}

impl From<sqlx::Error> for BusError {
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
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
