//! What can go wrong with the job database, by what the caller does next.

/// A call to the job database that did not do what it should.
#[derive(Clone, Debug, thiserror::Error)]
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
                _ => of_code(database.code().as_deref(), database.message()),
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// By PostgreSQL's code (appendix A of its manual), five characters of which two are the class. SQLite's codes are
/// plain numbers and mean nothing here.
fn of_code(code: Option<&str>, message: &str) -> JobsDbError {
    let message = message.to_owned();
    match code.and_then(|code| code.split_at_checked(2)) {
        // Serialization failure and deadlock: another transaction was there first.
        Some(("40", "001" | "P01")) => JobsDbError::Conflict(format!("a row ({message})")),
        // A value that does not fit, a wrong password, a database that does not exist, no permission.
        Some(("22" | "28" | "3D", sub)) if sub.len() == 3 => JobsDbError::Refused(message),
        Some(("42", "501")) => JobsDbError::Refused(message),
        _ => JobsDbError::Unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_the_caller_does_next() {
        for (code, conflict, refused) in [
            (Some("40001"), true, false),
            (Some("40P01"), true, false),
            (Some("40003"), false, false),
            (Some("22021"), false, true),
            (Some("28P01"), false, true),
            (Some("3D000"), false, true),
            (Some("42501"), false, true),
            (Some("57P01"), false, false),
            (Some("5"), false, false),
            (Some("22"), false, false),
            (None, false, false),
        ] {
            let error = of_code(code, "why");
            assert_eq!(matches!(error, JobsDbError::Conflict(_)), conflict, "{code:?}");
            assert_eq!(matches!(error, JobsDbError::Refused(_)), refused, "{code:?}");
        }
    }
}
