//! Dead letters that somebody wants put back where they came from.

use async_trait::async_trait;
use panofleet_job_schema::Timestamp;

use crate::JobsDbError;
use crate::row::{corrupt, integer, time};

/// Dead letters that are to go back, or have gone.
#[async_trait]
pub trait ReplaysDb {
    /// Asks for a letter to be put back, and says how that stands. One that has gone back stays so; one that could not is
    /// tried anew.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn request_replay(&self, letter: LetterKey, at: Timestamp)
    -> Result<Replay, JobsDbError>;

    /// How it stands with those of these letters that were ever asked for.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn replays(&self, letters: &[LetterKey]) -> Result<Vec<Replay>, JobsDbError>;

    /// Letters that are to go back, first asked for first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn open_replays(&self, limit: u32) -> Result<Vec<Replay>, JobsDbError>;

    /// Notes that a letter has gone back, or why it cannot.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn end_replay(
        &self,
        letter: LetterKey,
        at: Timestamp,
        failure: Option<&str>,
    ) -> Result<(), JobsDbError>;
}

/// A dead letter: its id alone comes again when the dead letters are deleted and made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterKey {
    /// Its place among the dead letters.
    pub id: u64,
    /// When it was kept.
    pub kept_at: Timestamp,
}

/// A letter that is to go back, or has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Which.
    pub letter: LetterKey,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it went back, or could not.
    pub ended_at: Option<Timestamp>,
    /// Why it could not, for people.
    pub failure: Option<String>,
}

/// The columns of `replays`: `letter`, `kept_at`, `requested_at`, `ended_at`, `failure`.
pub(crate) type ReplayColumns = (i64, i64, i64, Option<i64>, Option<String>);

pub(crate) fn replay(columns: ReplayColumns) -> Result<Replay, JobsDbError> {
    let (letter, kept_at, requested_at, ended_at, failure) = columns;
    let id = u64::try_from(letter).map_err(|error| corrupt("the id of a dead letter", error))?;
    Ok(Replay {
        letter: LetterKey { id, kept_at: time(kept_at) },
        requested_at: time(requested_at),
        ended_at: ended_at.map(time),
        failure,
    })
}

impl LetterKey {
    /// The columns `letter` and `kept_at`.
    pub(crate) fn columns(self) -> (i64, i64) {
        (integer(self.id), self.kept_at.as_millis())
    }
}
