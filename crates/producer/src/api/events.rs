//! `GET /v1/jobs/{id}/events`: news of a job as they come, until it has ended (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use panofleet_job_schema::JobId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::JobView;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::JobPath;

/// Longest life of a stream: whoever reads it then asks again, and shows its key again.
pub(super) const LIFE: Duration = Duration::from_secs(3600);
/// Time between two signs of life while there is no news: proxies cut what is silent.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Where a stream stands.
struct News {
    api: Granted,
    id: JobId,
    /// What was read last, and whether the client knows it.
    job: JobView,
    is_known: bool,
    /// The change counter before that was read.
    seen: u64,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The job now, unless the client knows it by `Last-Event-ID`, and then whenever it or its progress changes.
pub(super) async fn events(
    api: Granted,
    JobPath(id): JobPath,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let permit = api.stream_permit()?;
    // Read before the job: what is written in between ends the first wait.
    let seen = api.db.changed(0, Duration::ZERO).await?;
    let now = api.job_view(id).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let is_known = last == Some(now.version.to_string().as_str()) && !now.is_terminal();
    let until = Instant::now() + LIFE;
    let news = News { api, id, job: now, is_known, seen, until, _permit: permit };
    let stream = stream::unfold(Some(news), async |news| next(news?).await);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

impl Granted {
    /// Room for a stream.
    pub(super) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_none_left| {
            let most = self.config.http.streams_max;
            let detail =
                format!("{most} streams are open already; ask GET /v1/jobs/{{id}}/wait instead");
            ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail)
        })
    }
}

/// The next piece of news; none when the job has ended, the time is up, or the process is about to end.
async fn next(mut news: News) -> Option<(Result<Event, Infallible>, Option<News>)> {
    if news.is_known {
        let changed = news.api.news(news.id, news.job.clone(), news.seen, news.until);
        let view = tokio::select! {
            changed = changed => changed.ok()?,
            () = news.api.shutdown.cancelled() => return None,
        };
        if view == news.job {
            return None;
        }
        news.job = view;
    }
    news.is_known = true;
    let event = Event::default().event("job").id(news.job.version.to_string());
    let event = event.json_data(&news.job).ok()?;
    let goes_on = !news.job.is_terminal();
    Some((Ok(event), goes_on.then_some(news)))
}
