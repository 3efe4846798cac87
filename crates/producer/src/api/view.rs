//! What a job looks like from outside: the same from the API, the command line and the pages.

use std::collections::BTreeMap;

use panofleet_job_schema::family::{ChildOf, OnChildFailure};
use panofleet_job_schema::job::{Claim, CloseTarget, Counters, DeadReason, State};
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{
    Attempt, Failure, Generation, Job, JobId, Lane, Operation, OutputName, Region, Span, Tenant,
    Timestamp, WorkerId,
};
use panofleet_jobs_db::{ChildCount, Deletion, Versioned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A job as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// Its identity.
    pub id: JobId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Where it stands, with what belongs to that state.
    #[serde(flatten)]
    pub state: StateView,
    /// Grows with each change of the job but progress; `GET …/wait?version=` takes it.
    pub version: u64,
    /// Where its input lies, as submitted.
    pub source: Source,
    /// What was asked for.
    pub outputs: BTreeMap<OutputName, Operation>,
    /// Where it runs.
    pub region: Region,
    /// The regions that it may go on to, in order, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// The kind of worker that runs it.
    pub lane: Lane,
    /// Which band of the queue it waits in.
    pub priority: Priority,
    /// The client's own words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How often it was started anew, from 1.
    pub generation: Generation,
    /// The last attempt of this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Failed attempts before it is dead.
    pub max_attempts: u32,
    /// Longest run of one attempt.
    pub timeout: Span,
    /// Whose child it is, if another job was split into it and others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_of: Option<ChildOf>,
    /// Its children, if it was split; `GET /v1/jobs?parent=` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<FamilyView>,
    /// How far the running attempt is; of a blocked job, how far its children are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The last failure of this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
    /// What it has cost.
    pub counters: Counters,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it has to be finished.
    pub deadline_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What is gone of it already, if somebody has asked for it to be deleted; on its own only, not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// W3C trace context of the request that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Where to go on.
    pub links: Links,
}

/// Where a job stands; what only the inside needs is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StateView {
    /// Not due yet: a retry waits out its backoff.
    Waiting {
        /// When it is due.
        due_at: Timestamp,
    },
    /// Due; waits for its turn.
    Queued {
        /// Since when.
        since: Timestamp,
    },
    /// In the queue of its region; no worker has taken it yet.
    Sent {
        /// Since when.
        sent_at: Timestamp,
    },
    /// At work.
    Running {
        /// Who holds it.
        claims: Vec<ClaimView>,
    },
    /// Split: its children do the work.
    Blocked,
    /// About to end without a result.
    Closing {
        /// What it becomes.
        #[serde(flatten)]
        target: CloseTarget,
    },
    /// Its manifest stands.
    Succeeded {
        /// What there is of it.
        result: ResultView,
    },
    /// Given up.
    Dead {
        /// Why.
        reason: DeadReason,
    },
    /// Somebody cancelled it.
    Cancelled,
    /// Its deadline passed.
    Expired,
}

/// Why an attempt failed, with what failures of its kind are grouped by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureView {
    /// What went wrong.
    #[serde(flatten)]
    pub failure: Failure,
    /// What failures of one kind share; see [`Failure::fingerprint`].
    pub fingerprint: String,
}

/// The children of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FamilyView {
    /// How many there are.
    pub children: u32,
    /// What becomes of the family when one ends without a result.
    pub on_failure: OnChildFailure,
    /// How many there are in each state that there are any in.
    pub states: BTreeMap<String, u32>,
}

/// What a job's view says beside its row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// How far it is.
    pub progress: Option<&'a Progress>,
    /// Its children.
    pub children: &'a [ChildCount],
}

/// Who holds a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    /// Of which attempt.
    pub attempt: Attempt,
    /// Who.
    pub worker: WorkerId,
    /// Since when.
    pub claimed_at: Timestamp,
}

/// How much there is of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultView {
    /// The attempt that finished first.
    pub attempt: Attempt,
    /// Number of outputs.
    pub outputs: u32,
    /// Number of files.
    pub files: u32,
    /// All files together.
    pub total_bytes: u64,
}

/// Where to go on from a job. Without `api.public_url`, paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Links {
    /// The job.
    #[serde(rename = "self")]
    pub this: String,
    /// What happened to it.
    pub history: String,
    /// The page that shows its result.
    pub view: String,
    /// Its manifest, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Its outputs, once there are any: append a path of the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<OutputName, String>,
}

impl JobView {
    /// A job as it stands. `public_url` begins its links; empty makes them paths.
    pub fn new(found: &Versioned, beside: Beside<'_>, public_url: &str) -> Self {
        let Versioned { job, version } = found;
        let at_work = matches!(job.state, State::Running { .. } | State::Blocked { .. });
        Self {
            id: job.id,
            tenant: job.tenant.clone(),
            state: StateView::of(&job.state),
            version: *version,
            source: job.spec.source.clone(),
            outputs: job.spec.outputs.clone(),
            region: job.region.clone(),
            regions: job.route.as_ref().map(|route| route.regions.clone()).unwrap_or_default(),
            lane: job.lane,
            priority: job.spec.priority,
            labels: job.spec.labels.clone(),
            generation: job.generation,
            attempt: job.possibly_sent().then_some(Attempt(job.counters.last_attempt)),
            max_attempts: job.max_attempts,
            timeout: job.timeout,
            child_of: job.child_of,
            family: FamilyView::of(job, beside.children),
            progress: beside.progress.filter(|_| at_work).cloned(),
            failure: job.failure.clone().map(FailureView::of),
            counters: job.counters,
            accepted_at: job.accepted_at,
            deadline_at: job.deadline_at,
            finished_at: job.finished_at,
            deletion: None,
            trace: job.trace.clone(),
            links: Links::of(job, public_url),
        }
    }

    /// Whether nothing but a retry changes it any more.
    pub const fn is_terminal(&self) -> bool {
        use StateView as S;
        matches!(self.state, S::Succeeded { .. } | S::Dead { .. } | S::Cancelled | S::Expired)
    }
}

impl StateView {
    /// The state's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Queued { .. } => "queued",
            Self::Sent { .. } => "sent",
            Self::Running { .. } => "running",
            Self::Blocked => "blocked",
            Self::Closing { .. } => "closing",
            Self::Succeeded { .. } => "succeeded",
            Self::Dead { .. } => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    fn of(state: &State) -> Self {
        match state {
            State::Waiting { due_at } => Self::Waiting { due_at: *due_at },
            State::Queued { since } => Self::Queued { since: *since },
            State::Sent { sent_at, .. } => Self::Sent { sent_at: *sent_at },
            State::Running { claims, .. } => {
                Self::Running { claims: claims.iter().map(ClaimView::of).collect() }
            }
            State::Blocked { .. } => Self::Blocked,
            State::Closing { target, .. } => Self::Closing { target: *target },
            State::Succeeded { manifest } => Self::Succeeded {
                result: ResultView {
                    attempt: manifest.attempt,
                    outputs: manifest.outputs,
                    files: manifest.files,
                    total_bytes: manifest.total_bytes,
                },
            },
            State::Dead { reason } => Self::Dead { reason: *reason },
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
        }
    }
}

impl FailureView {
    fn of(failure: Failure) -> Self {
        Self { fingerprint: failure.fingerprint(), failure }
    }
}

impl FamilyView {
    fn of(job: &Job, counts: &[ChildCount]) -> Option<Self> {
        let family = job.family?;
        let states = counts.iter().map(|count| (count.state.clone(), count.jobs)).collect();
        let on_failure = family.join.on_failure;
        Some(Self { children: family.children, on_failure, states })
    }
}

impl ClaimView {
    fn of(claim: &Claim) -> Self {
        Self { attempt: claim.attempt, worker: claim.worker.clone(), claimed_at: claim.claimed_at }
    }
}

impl Links {
    fn of(job: &Job, public_url: &str) -> Self {
        let this = format!("{public_url}/v1/jobs/{}", job.id);
        let done = matches!(job.state, State::Succeeded { .. }) && !job.spec.makes_nothing();
        let names = job.spec.outputs.keys().filter(|_| done);
        let output = |name: &OutputName| {
            (name.clone(), format!("{public_url}{}", output_base(job.id, job.generation, name)))
        };
        Self {
            history: format!("{this}/history"),
            view: format!("{public_url}/view/{}", job.id),
            manifest: done.then(|| format!("{this}/manifest")),
            outputs: names.map(output).collect(),
            this,
        }
    }
}

/// The path that the files of an output lie under. It names the generation, so that what lies there never
/// changes.
pub(crate) fn output_base(job: JobId, generation: Generation, output: &OutputName) -> String {
    format!("/o/{job}.{generation}/{output}/")
}
