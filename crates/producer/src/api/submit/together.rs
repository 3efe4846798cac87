//! Jobs that are submitted one by one at about the same time, written together: a transaction costs the database far more than
//! a job in it.

use std::sync::Arc;

use futures_util::future::join_all;
use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{Accepted, JobsDb, JobsDbError, Offer};
use panofleet_service::gather::{Gather, Unanswered};

use super::super::error::ApiError;

/// Jobs of one transaction: beyond some tens it gets no cheaper, and one that is refused makes the others wait.
const TOGETHER_MAX: usize = 128;

/// The database's time, and new jobs, for requests that come at about the same time.
#[derive(Debug)]
pub(crate) struct Together {
    times: Gather<(), Result<Timestamp, JobsDbError>>,
    offers: Gather<Offer, Result<Accepted, JobsDbError>>,
}

impl Together {
    pub(crate) fn new(db: &Arc<dyn JobsDb>) -> Self {
        let (clock, jobs) = (Arc::clone(db), Arc::clone(db));
        Self {
            times: Gather::new(usize::MAX, move |asked: Vec<()>| {
                let db = Arc::clone(&clock);
                async move { vec![db.now().await; asked.len()] }
            }),
            offers: Gather::new(TOGETHER_MAX, move |offers| accept(Arc::clone(&jobs), offers)),
        }
    }

    /// The database's time, asked for after the call.
    pub(crate) async fn now(&self) -> Result<Timestamp, ApiError> {
        Ok(self.times.ask(()).await.map_err(internal)??)
    }

    /// Keeps a new job, as [`JobsDb::accept_all`] does, or finds the one that has its key.
    pub(super) async fn accept(&self, offer: Offer) -> Result<Accepted, ApiError> {
        Ok(self.offers.ask(offer).await.map_err(internal)??)
    }
}

fn internal(error: Unanswered) -> ApiError {
    ApiError::Internal(error.to_string())
}

/// What became of each. A job that the database refuses takes no other with it: then each is tried by itself.
async fn accept(db: Arc<dyn JobsDb>, offers: Vec<Offer>) -> Vec<Result<Accepted, JobsDbError>> {
    match db.accept_all(&offers).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        // It is no job's fault, and to ask for each again would only make them wait.
        Err(error @ JobsDbError::Unavailable(_)) => vec![Err(error); offers.len()],
        Err(error) if offers.len() == 1 => vec![Err(error)],
        Err(error) => {
            tracing::warn!(%error, jobs = offers.len(), "jobs could not be written together");
            let alone = offers.iter().map(|offer| db.accept(&offer.job, offer.key.as_ref()));
            join_all(alone).await
        }
    }
}
