//! `GET /v1/events`: news of all jobs that match, as they come (server-sent events).
//!
//! A stream begins with every job that has not ended, as it stands, and goes on with each change of them and of those that
//! come. It tells states, not steps: of two changes between two looks, the last one. Whoever lost it shows the last id that it
//! got, and hears of what ended meanwhile. Ids of messages are times of the database's clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::{JobId, Region, Timestamp};
use panofleet_jobs_db::{JobFilter, Versioned};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::auth::granted::Granted;
use super::bulk::BulkFilter;
use super::error::ApiError;
use super::events::{ALIVE_EVERY, LIFE};
use super::extract::Params;

/// Jobs that a stream follows at once.
const FOLLOWED_MAX: u32 = 1000;
/// Jobs that are read at once.
const PAGE_JOBS: u32 = 200;
/// Jobs that have ended and are looked through for those that ended while nobody listened.
const ENDED_MAX: u32 = 1000;
/// Shortest time between two looks: under load the database changes all the time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A job may be seen so much later than it says that it was accepted: its transaction took a while.
const LATE: Duration = Duration::from_secs(60);

/// Which jobs: by what never changes of one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedParams {
    /// `key:value`, parted at the first colon.
    label: Option<String>,
    /// Where they are.
    region: Option<Region>,
    /// With an output of this operation.
    operation: Option<String>,
    /// The children of this job; without it, jobs that are nobody's children.
    parent: Option<JobId>,
}

/// Where a stream stands.
struct Feed {
    api: Granted,
    filter: JobFilter,
    /// Jobs that were told, and their versions; those that have ended stay for a while.
    told: BTreeMap<JobId, Told>,
    /// What is still to be sent.
    news: VecDeque<Event>,
    /// The change counter, and the clock, before the last look.
    seen: u64,
    looked_at: Timestamp,
    is_over: bool,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

/// What the client knows of a job.
#[derive(Clone, Copy, Debug)]
struct Told {
    version: u64,
    accepted_at: Timestamp,
    has_ended: bool,
}

impl Told {
    const fn of(found: &Versioned) -> Self {
        Self {
            version: found.version,
            accepted_at: found.job.accepted_at,
            has_ended: found.job.state.is_terminal(),
        }
    }
}

/// News of jobs until the client goes, or for an hour.
pub(super) async fn feed(
    api: Granted,
    Params(params): Params<FeedParams>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let FeedParams { label, region, operation, parent } = params;
    let which = BulkFilter { label, region, operation, ..BulkFilter::default() };
    let filter = JobFilter { parent, ..which.of(&api, api.own_jobs()).await? };
    let permit = api.stream_permit()?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    // Read before the jobs: what is written in between ends the first wait.
    let seen = api.db.changed(0, Duration::ZERO).await?;
    let looked_at = api.db.now().await?;
    let mut feed = Feed {
        api,
        filter,
        told: BTreeMap::new(),
        news: VecDeque::new(),
        seen,
        looked_at,
        is_over: false,
        until: Instant::now() + LIFE,
        _permit: permit,
    };
    feed.begin(last.map(Timestamp::from_millis)).await?;
    let stream = stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

impl Feed {
    /// Every job that has not ended, and those that ended since the client heard of anything. What has ended otherwise is
    /// no news.
    async fn begin(&mut self, since: Option<Timestamp>) -> Result<(), ApiError> {
        let recent = self.recent().await?;
        let ended = recent.iter().filter(|found| found.job.state.is_terminal());
        self.told.extend(ended.map(|found| (found.job.id, Told::of(found))));
        let open = self.open().await?;
        if open.len() > FOLLOWED_MAX as usize {
            let detail = format!(
                "more than {FOLLOWED_MAX} jobs that have not ended match; follow fewer, by a label or an operation"
            );
            return Err(ApiError::conflict("too_many_jobs", detail));
        }
        let mut news = Vec::new();
        if let Some(since) = since {
            let names =
                JobState::NAMES.into_iter().filter(|name| !JobState::OPEN_NAMES.contains(name));
            let ended =
                JobFilter { states: names.map(str::to_owned).collect(), ..self.filter.clone() };
            news = self.api.db.list(&ended, ENDED_MAX).await?;
            news.retain(|found| found.job.finished_at.is_some_and(|at| at >= since));
        }
        news.reverse();
        news.extend(open);
        self.tell(news).await
    }

    /// The next message; none when the time is up or the process is about to end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.news.pop_front() {
                return Some(event);
            }
            let left = self.until.saturating_duration_since(Instant::now());
            if self.is_over || left.is_zero() {
                return None;
            }
            let shutdown = self.api.shutdown.clone();
            tokio::select! {
                looked = self.look(left) => looked.ok()?,
                () = shutdown.cancelled() => return None,
            }
        }
    }

    /// Waits for a change, and gathers what it is.
    async fn look(&mut self, left: Duration) -> Result<(), ApiError> {
        self.seen = self.api.db.changed(self.seen, left).await?;
        tokio::time::sleep(LOOK_EVERY.min(left)).await;
        let now = self.api.db.now().await?;
        let new = self.recent().await?;
        let mut changed = self.changed().await?;
        // What is in both is later in the second.
        changed.splice(0..0, new.into_iter().filter(|new| new.job.state.is_terminal()));
        self.looked_at = now;
        let horizon = now - (LATE + LATE);
        self.told.retain(|_, told| !told.has_ended || told.accepted_at > horizon);
        self.tell(changed).await?;
        if self.told.values().filter(|told| !told.has_ended).count() > FOLLOWED_MAX as usize {
            self.is_over = true;
            let why = format!("more than {FOLLOWED_MAX} jobs that have not ended match by now");
            let end = Event::default().event("end").json_data(json!({ "reason": why }));
            self.news.extend(end.ok());
        }
        Ok(())
    }

    /// Jobs that have not ended and are not known as they stand, and those that have ended since they were told. Of those
    /// that are gone a message is made at once.
    async fn changed(&mut self) -> Result<Vec<Versioned>, ApiError> {
        let mut left: BTreeSet<JobId> =
            self.told.iter().filter(|(_, told)| !told.has_ended).map(|(id, _)| *id).collect();
        let mut changed = self.open().await?;
        for found in &changed {
            left.remove(&found.job.id);
        }
        let left: Vec<JobId> = left.into_iter().collect();
        let ended = self.api.db.get(&left).await?;
        let there: BTreeSet<JobId> = ended.iter().map(|found| found.job.id).collect();
        for id in left {
            if !there.contains(&id) {
                self.told.remove(&id);
                let gone = Event::default().event("gone").json_data(json!({ "id": id }));
                self.news.extend(gone.ok());
            }
        }
        changed.extend(ended);
        changed.retain(|found| {
            self.told.get(&found.job.id).is_none_or(|told| told.version != found.version)
        });
        Ok(changed)
    }

    /// Jobs that have not ended, oldest first.
    async fn open(&self) -> Result<Vec<Versioned>, ApiError> {
        let states = JobState::OPEN_NAMES.map(str::to_owned).to_vec();
        let open = JobFilter { states, ..self.filter.clone() };
        let mut found = self.api.db.list(&open, FOLLOWED_MAX + 1).await?;
        found.reverse();
        Ok(found)
    }

    /// Jobs that came lately and were not told yet, oldest first: some begin and end between two looks.
    async fn recent(&self) -> Result<Vec<Versioned>, ApiError> {
        let since = self.looked_at - LATE;
        let (mut new, mut page) = (Vec::new(), self.filter.clone());
        while new.len() <= FOLLOWED_MAX as usize {
            let found = self.api.db.list(&page, PAGE_JOBS).await?;
            let is_last = found.len() < PAGE_JOBS as usize;
            let Some(last) = found.last() else { break };
            let goes_on = !is_last && last.job.accepted_at >= since;
            page.before = Some(last.job.id);
            let is_new = |found: &Versioned| {
                found.job.accepted_at >= since && !self.told.contains_key(&found.job.id)
            };
            new.extend(found.into_iter().filter(is_new));
            if !goes_on {
                break;
            }
        }
        new.reverse();
        Ok(new)
    }

    /// Makes messages of jobs as they stand.
    async fn tell(&mut self, jobs: Vec<Versioned>) -> Result<(), ApiError> {
        let id = self.looked_at.as_millis().to_string();
        for (view, found) in self.api.views(&jobs).await?.into_iter().zip(&jobs) {
            self.told.insert(found.job.id, Told::of(found));
            self.news.extend(Event::default().event("job").id(&id).json_data(&view).ok());
        }
        Ok(())
    }
}
