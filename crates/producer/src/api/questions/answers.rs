//! How each question is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Attempt, Job, JobId, Span, Timestamp};
use panofleet_jobs_db::{
    SETBACKS_KEPT, SetbackFilter, SetbackGroup, SetbackKey, SetbackKind, Versioned, WorkerRow,
};
use url::form_urlencoded;

use super::{
    AnswerView, AskedGroup, AskedJob, AskedTime, DAY, FORECAST_STEPS, Question, QuestionView, Rows,
};
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;

/// Attempts that failed.
const FAILED: &[SetbackKind] = &[SetbackKind::Failed, SetbackKind::TimedOut];
/// Attempts that were lost with their worker.
const LOST: &[SetbackKind] = &[SetbackKind::Lapsed, SetbackKind::Abandoned];
/// Groups of the day before that tell what is new, at most.
const BEFORE_MAX: u32 = 10_000;

pub(super) async fn answer(
    api: &Granted,
    question: Question,
    within: Duration,
    limit: u32,
) -> Result<AnswerView, ApiError> {
    let now = api.db.now().await?;
    let asked = Asked { api, now, within, limit };
    let (db, whose) = (&api.db, api.whose());
    let (kinds, by) = match question {
        Question::Stuck => {
            let stuck = db.stuck(whose, now - within, limit).await?;
            let found = stuck.into_iter().map(|stuck| (stuck.found.job, stuck.since));
            return asked.about_jobs(question, found.collect()).await;
        }
        Question::RetriesDue => {
            let due = db.retries_due(whose, now + within, limit).await?;
            let found = due.into_iter().map(|due| (due.found.job, due.timer_at));
            return asked.about_jobs(question, found.collect()).await;
        }
        Question::DeadlineAtRisk => {
            let near = db.deadlines(whose, now + within, limit).await?;
            return asked.about_jobs(question, timed(near, |job| job.deadline_at)).await;
        }
        Question::OldestQueued => {
            let heads = db.oldest_queued(whose, limit).await?;
            return asked.about_jobs(question, timed(heads, |job| job.accepted_at)).await;
        }
        Question::RetryForecast => {
            let times = asked.forecast().await?;
            return Ok(asked.view(question, Rows::Times { times }));
        }
        Question::FailedSinceDeploy => return asked.since_deploy(question).await,
        Question::LostLeases => (LOST, SetbackKey::Worker),
        Question::TimeLost => (SetbackKind::ALL.as_slice(), SetbackKey::Cause),
        Question::FailedByWorker => (FAILED, SetbackKey::Worker),
        Question::FailedByRegion => (FAILED, SetbackKey::Region),
        Question::FailedByVersion => (FAILED, SetbackKey::Version),
        Question::FailedByAttempt => (FAILED, SetbackKey::Attempt),
        Question::RefusedResults => (&[SetbackKind::Refused][..], SetbackKey::Cause),
    };
    let filter = asked.filter(kinds, now - within);
    let report = api.db.setbacks(&filter, by, limit).await?;
    let groups = report.groups.into_iter().map(|group| asked.group(question, group)).collect();
    let view = asked.view(question, Rows::Attempts { groups });
    Ok(AnswerView { since: Some(report.since), ..view })
}

/// What is asked of whom.
struct Asked<'a> {
    api: &'a Granted,
    now: Timestamp,
    within: Duration,
    limit: u32,
}

impl Asked<'_> {
    fn view(&self, question: Question, rows: Rows) -> AnswerView {
        let view = question.view();
        let within = view.within.map(|_| Span(self.within));
        let question = QuestionView { within, ..view };
        AnswerView { question, at: self.now, since: None, version: None, rows }
    }

    fn filter(&self, kinds: &'static [SetbackKind], since: Timestamp) -> SetbackFilter {
        SetbackFilter { tenant: self.api.whose().cloned(), kinds, since, until: None }
    }

    async fn about_jobs(
        &self,
        question: Question,
        found: Vec<(Job, Timestamp)>,
    ) -> Result<AnswerView, ApiError> {
        let running = found.iter().filter(|(job, _)| matches!(job.state, JobState::Running { .. }));
        let running: Vec<JobId> = running.map(|(job, _)| job.id).collect();
        let progress = if running.is_empty() {
            BTreeMap::new()
        } else {
            self.api.db.progress(&running).await?
        };
        let row = |(job, at): &(Job, Timestamp)| {
            let command = match question {
                Question::OldestQueued | Question::DeadlineAtRisk
                    if job.spec.priority != Priority::High =>
                {
                    Some(format!("panofleet reprioritise high {}", job.id))
                }
                Question::OldestQueued => None,
                _ => Some(format!("panofleet cancel {}", job.id)),
            };
            asked_job(job, *at, progress.get(&job.id), command)
        };
        Ok(self.view(question, Rows::Jobs { jobs: found.iter().map(row).collect() }))
    }

    async fn forecast(&self) -> Result<Vec<AskedTime>, ApiError> {
        let step = self.within / FORECAST_STEPS;
        let steps = (step, FORECAST_STEPS);
        let counts = self.api.db.retry_forecast(self.api.whose(), self.now, steps).await?;
        let time = |(place, jobs): (u32, u64)| {
            let from = self.now + step * place;
            AskedTime { from, to: from + step, jobs }
        };
        Ok((0..).zip(counts).map(time).collect())
    }

    /// What failed since workers of the newest version run, and whether it failed in the day before, too.
    async fn since_deploy(&self, question: Question) -> Result<AnswerView, ApiError> {
        let Self { api, now, limit, .. } = *self;
        let workers = api.db.workers().await?;
        let lives = workers.iter().filter(|row| now.since(row.beat_at) < api.policy.lease.0);
        let Some((version, since)) = newest_version(lives) else {
            return Ok(self.view(question, Rows::Attempts { groups: Vec::new() }));
        };
        let since = since.max(now - SETBACKS_KEPT);
        let filter = self.filter(FAILED, since);
        let report = api.db.setbacks(&filter, SetbackKey::Failure, limit).await?;
        let before = SetbackFilter { since: since - DAY, until: Some(since), ..filter };
        let before = api.db.setbacks(&before, SetbackKey::Failure, BEFORE_MAX).await?;
        let known: BTreeSet<String> = before.groups.into_iter().map(|group| group.key).collect();
        let groups = report.groups.into_iter().map(|group| {
            let is_new = Some(!known.contains(&group.key));
            AskedGroup { is_new, ..self.group(question, group) }
        });
        let view = self.view(question, Rows::Attempts { groups: groups.collect() });
        Ok(AnswerView { since: Some(report.since), version: Some(version), ..view })
    }

    fn group(&self, question: Question, group: SetbackGroup) -> AskedGroup {
        let SetbackGroup { key, attempts, jobs, lost, first_at, last_at, cause } = group;
        let code = (question == Question::FailedSinceDeploy).then_some(cause);
        let (query, command) = if key.is_empty() { (None, None) } else { self.act(question, &key) };
        let lost_ms = u64::try_from(lost.as_millis()).unwrap_or(u64::MAX);
        let is_new = None;
        AskedGroup { key, code, attempts, jobs, lost_ms, first_at, last_at, is_new, query, command }
    }

    /// What lists the jobs of a group, and what acts on them.
    fn act(&self, question: Question, key: &str) -> (Option<String>, Option<String>) {
        let (parameter, flag) = match question {
            Question::LostLeases => {
                let query = encoded(&[("worker", key)]);
                return (Some(query), Some(format!("panofleet drain {key}")));
            }
            Question::FailedSinceDeploy => {
                let query = encoded(&[("failure", key)]);
                return (Some(query), Some(format!("panofleet retry-all --failure {key}")));
            }
            Question::FailedByWorker => ("worker", "--worker"),
            Question::FailedByRegion => ("region", "--region"),
            Question::FailedByAttempt => ("attempt", "--attempt"),
            _ => return (None, None),
        };
        let within = Span(self.within).to_string().replace(' ', "");
        let query = encoded(&[(parameter, key), ("failed_within", &within)]);
        let command = format!("panofleet retry-all {flag} {key} --failed-within {within}");
        (Some(query), Some(command))
    }
}

fn timed(found: Vec<Versioned>, at: impl Fn(&Job) -> Timestamp) -> Vec<(Job, Timestamp)> {
    let pair = |Versioned { job, .. }| {
        let at = at(&job);
        (job, at)
    };
    found.into_iter().map(pair).collect()
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn asked_job(
    job: &Job,
    at: Timestamp,
    progress: Option<&Progress>,
    command: Option<String>,
) -> AskedJob {
    let attempt = job.possibly_sent().then_some(Attempt(job.counters.last_attempt));
    AskedJob {
        id: job.id,
        tenant: job.tenant.clone(),
        region: job.region.clone(),
        state: job.state.name().to_owned(),
        at,
        worker: job.state.claims().last().map(|claim| claim.worker.clone()),
        attempt,
        fraction: progress.map(|progress| progress.fraction),
        code: job.failure.as_ref().map(|failure| failure.code.clone()),
        command,
    }
}

/// The version that workers began to run last, and since when the first of them does.
fn newest_version<'a>(workers: impl Iterator<Item = &'a WorkerRow>) -> Option<(String, Timestamp)> {
    let mut began: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for row in workers {
        let since = began.entry(&row.worker.version).or_insert(row.worker.started_at);
        *since = (*since).min(row.worker.started_at);
    }
    let newest = began.into_iter().max_by_key(|(_, since)| *since)?;
    Some((newest.0.to_owned(), newest.1))
}
