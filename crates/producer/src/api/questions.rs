//! `GET /v1/questions…`: what people ask about retries, answered from rows, with the command that acts on each answer.
//!
//! Questions about attempts read `setbacks`, a row for each attempt that came to nothing; those about jobs read jobs. Stale
//! results that were refused are no rows: `panofleet_collector_refusals_total` counts them.

use std::time::Duration;

use axum::Json;
use panofleet_job_schema::{Attempt, JobId, Region, Span, Tenant, Timestamp, WorkerId};
use panofleet_jobs_db::SETBACKS_KEPT;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{Params, Segments, bad_parameter};
use super::paging::page_size;

mod answers;

/// Rows of an answer, unless the request says less or more.
const ROWS: u32 = 50;
/// Most rows of an answer.
const ROWS_MAX: u32 = 200;
/// Steps of a forecast.
const FORECAST_STEPS: u32 = 12;

/// Something that people ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Stuck,
    RetriesDue,
    RetryForecast,
    DeadlineAtRisk,
    OldestQueued,
    LostLeases,
    TimeLost,
    FailedByWorker,
    FailedByRegion,
    FailedByVersion,
    FailedByAttempt,
    FailedSinceDeploy,
    RefusedResults,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Question {
    pub(crate) const ALL: [Self; 13] = [
        Self::Stuck,
        Self::RetriesDue,
        Self::RetryForecast,
        Self::DeadlineAtRisk,
        Self::OldestQueued,
        Self::LostLeases,
        Self::TimeLost,
        Self::FailedByWorker,
        Self::FailedByRegion,
        Self::FailedByVersion,
        Self::FailedByAttempt,
        Self::FailedSinceDeploy,
        Self::RefusedResults,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::RetriesDue => "retries-due",
            Self::RetryForecast => "retry-forecast",
            Self::DeadlineAtRisk => "deadline-at-risk",
            Self::OldestQueued => "oldest-queued",
            Self::LostLeases => "lost-leases",
            Self::TimeLost => "time-lost",
            Self::FailedByWorker => "failed-by-worker",
            Self::FailedByRegion => "failed-by-region",
            Self::FailedByVersion => "failed-by-version",
            Self::FailedByAttempt => "failed-by-attempt",
            Self::FailedSinceDeploy => "failed-since-deploy",
            Self::RefusedResults => "refused-results",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Stuck => "Running jobs that make no progress",
            Self::RetriesDue => "Retries that are due soon",
            Self::RetryForecast => "How many retries are due when",
            Self::DeadlineAtRisk => "Open jobs whose deadline is near",
            Self::OldestQueued => "The oldest queued job of each tenant",
            Self::LostLeases => "Leases that were lost, by worker",
            Self::TimeLost => "Time that attempts took for nothing, by cause",
            Self::FailedByWorker => "Failed attempts by worker",
            Self::FailedByRegion => "Failed attempts by region",
            Self::FailedByVersion => "Failed attempts by the worker's version",
            Self::FailedByAttempt => "Failed attempts by their number",
            Self::FailedSinceDeploy => "Failures since the newest version runs",
            Self::RefusedResults => "Stale results that were refused, by why",
        }
    }

    /// What a row's time is, or what a row is about.
    pub(crate) const fn column(self) -> &'static str {
        match self {
            Self::Stuck => "no progress since",
            Self::RetriesDue => "due",
            Self::RetryForecast => "from",
            Self::DeadlineAtRisk => "deadline",
            Self::OldestQueued => "accepted",
            Self::LostLeases | Self::FailedByWorker => "worker",
            Self::TimeLost => "cause",
            Self::FailedByRegion => "region",
            Self::FailedByVersion => "version",
            Self::FailedByAttempt => "attempt",
            Self::FailedSinceDeploy => "failure",
            Self::RefusedResults => "why",
        }
    }

    /// How long a span is asked about unless the request says so, and at most; none if no span is.
    const fn within(self) -> Option<(Duration, Duration)> {
        match self {
            Self::Stuck => Some((Duration::from_secs(120), DAY)),
            Self::RetriesDue => Some((Duration::from_secs(300), DAY)),
            Self::RetryForecast => Some((Duration::from_secs(3600), DAY)),
            Self::DeadlineAtRisk => Some((Duration::from_secs(900), DAY)),
            Self::OldestQueued | Self::FailedSinceDeploy => None,
            Self::LostLeases
            | Self::TimeLost
            | Self::FailedByWorker
            | Self::FailedByRegion
            | Self::FailedByVersion
            | Self::FailedByAttempt
            | Self::RefusedResults => Some((DAY, SETBACKS_KEPT)),
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, ApiError> {
        Self::ALL.into_iter().find(|question| question.name() == name).ok_or_else(|| {
            ApiError::absent("question_not_found", "GET /v1/questions lists the questions")
        })
    }

    pub(crate) fn view(self) -> QuestionView {
        let within = self.within();
        QuestionView {
            name: self.name().to_owned(),
            title: self.title().to_owned(),
            column: self.column().to_owned(),
            within: within.map(|(default, _)| Span(default)),
            within_max: within.map(|(_, most)| Span(most)),
        }
    }
}

/// A question that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuestionView {
    /// Its name in `GET /v1/questions/{name}`.
    pub name: String,
    /// What is asked.
    pub title: String,
    /// What the time of each row is, or what each row is about.
    pub column: String,
    /// The span that is asked about unless `within` says so; none if no span is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The longest span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_max: Option<Span>,
}

/// The questions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct QuestionList {
    /// Those about jobs first.
    pub questions: Vec<QuestionView>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerView {
    /// The question.
    #[serde(flatten)]
    pub question: QuestionView,
    /// When it was answered, by the database's clock.
    pub at: Timestamp,
    /// From when on attempts were looked at. Later than asked for if there were more than can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The version that runs since then, where that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The answer.
    #[serde(flatten)]
    pub rows: Rows,
}

/// The rows of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Rows {
    /// Jobs.
    Jobs {
        /// The most urgent first.
        jobs: Vec<AskedJob>,
    },
    /// Attempts that came to nothing.
    Attempts {
        /// By what they have in common; the most first.
        groups: Vec<AskedGroup>,
    },
    /// Spans of time.
    Times {
        /// In their order.
        times: Vec<AskedTime>,
    },
}

/// A job in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskedJob {
    /// The job.
    pub id: JobId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Where it runs.
    pub region: Region,
    /// Its state's name.
    pub state: String,
    /// The time that is asked about: the question's `column` says what it is.
    pub at: Timestamp,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// The last attempt of its generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// How much of it is done, [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// The code of its last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What acts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Attempts that came to nothing and have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedGroup {
    /// What; empty if it is not known.
    pub key: String,
    /// The code of the failure, where a row is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How many attempts.
    pub attempts: u64,
    /// Of how many jobs.
    pub jobs: u64,
    /// How long workers had held them, together, in milliseconds.
    pub lost_ms: u64,
    /// When the first of them ended.
    pub first_at: Timestamp,
    /// When the last of them ended.
    pub last_at: Timestamp,
    /// Whether there was none of them in the day before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_new: Option<bool>,
    /// The query of `GET /v1/jobs` that lists their jobs that count as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What acts on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// How many jobs there are in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedTime {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// How many.
    pub jobs: u64,
}

/// How to ask.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskParams {
    /// The span that is asked about, such as `24h`.
    pub(crate) within: Option<Span>,
    /// Rows at most.
    #[schemars(range(min = 1, max = 200))]
    pub(crate) limit: Option<u32>,
}

/// The questions.
pub(super) async fn list(_: Granted) -> Json<QuestionList> {
    Json(QuestionList { questions: Question::ALL.map(Question::view).to_vec() })
}

/// The answer to one.
pub(super) async fn ask(
    api: Granted,
    Segments(name): Segments<String>,
    Params(params): Params<AskParams>,
) -> Result<Json<AnswerView>, ApiError> {
    Ok(Json(api.answer(&name, params).await?))
}

impl Granted {
    /// The answer to a question.
    pub(crate) async fn answer(
        &self,
        name: &str,
        AskParams { within, limit }: AskParams,
    ) -> Result<AnswerView, ApiError> {
        let question = Question::named(name)?;
        let limit = page_size(limit, ROWS, ROWS_MAX)?;
        let within = match (question.within(), within) {
            (Some((_, most)), Some(Span(asked))) if asked.is_zero() || asked > most => {
                let most = Span(most);
                return Err(bad_parameter(format!(
                    "within must be more than nothing and at most {most}"
                )));
            }
            (Some((default, _)), asked) => asked.map_or(default, |Span(asked)| asked),
            (None, Some(_)) => {
                return Err(bad_parameter(format!("`{name}` is about no span: leave within out")));
            }
            (None, None) => Duration::ZERO,
        };
        answers::answer(self, question, within, limit).await
    }
}
