//! Dead letters that go back where they came from, because somebody asked for it.
//!
//! A letter is put back, then noted as gone: one whose note is lost with its process goes back once more, which changes
//! nothing, because everything on the bus may come twice.

use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::{BusError, LetterPage, Origin};
use panofleet_job_schema::JobId;
use panofleet_job_schema::envelope::Body;
use panofleet_jobs_db::{LetterKey, Replay};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Dispatcher, TurnError};
use crate::metrics::Replayed;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Letters that one look puts back.
const LETTERS_MAX: u32 = 32;

impl Dispatcher {
    /// Puts letters back until `shutdown`. What fails for now is tried at the next look.
    pub(super) async fn replay_letters(&self, shutdown: &CancellationToken) {
        loop {
            if let Err(error) = self.replay_open().await {
                tracing::debug!(%error, "dead letters are replayed later");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn replay_open(&self) -> Result<(), TurnError> {
        for Replay { letter, .. } in self.db.open_replays(LETTERS_MAX).await? {
            let failure = match self.put_back(letter).await {
                Ok(failure) => failure,
                Err(BusError::Refused(reason)) => Some(reason),
                Err(error @ BusError::Unavailable(_)) => return Err(error.into()),
            };
            self.db.end_replay(letter, self.db.now().await?, failure.as_deref()).await?;
            match &failure {
                None => Replayed::PutBack.count(),
                Some(_) => Replayed::Refused.count(),
            }
            tracing::info!(letter = letter.id, failure, "a dead letter is replayed");
        }
        Ok(())
    }

    /// Puts a letter back, or says why that cannot be.
    async fn put_back(&self, key: LetterKey) -> Result<Option<String>, BusError> {
        let kept = self.bus.letters(LetterPage::one(key.id)).await?.pop();
        let Some(kept) = kept.filter(|kept| kept.id == key.id && kept.kept_at == key.kept_at)
        else {
            return Ok(Some("the letter is not kept any more".to_owned()));
        };
        let payload = kept.letter.payload.clone();
        match kept.letter.origin() {
            Some(Origin::Jobs(queue)) => {
                self.bus.send_job(&queue, self.job_of(&payload), payload).await?;
            }
            Some(Origin::Events(partition)) => {
                self.bus.publish_events(vec![(partition, payload)]).await?;
            }
            None => {
                let topic = kept.letter.topic;
                return Ok(Some(format!("it came from `{topic}`, where nothing is put back")));
            }
        }
        Ok(None)
    }

    /// The job that a message is about, as far as anybody can tell. It only chooses a partition.
    fn job_of(&self, payload: &Bytes) -> JobId {
        match self.keys.open(payload).map(|(envelope, _)| envelope.body) {
            Ok(Body::Job(message)) => message.id.job,
            _ => JobId(Uuid::nil()),
        }
    }
}
