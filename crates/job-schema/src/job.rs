//! A job as the database keeps it: what was asked, where it stands, and what it has cost so far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::family::{ChildOf, Family};
use crate::ids::{Attempt, ClaimId, Generation, JobId, Lane, Region, Tenant, WorkerId};
use crate::manifest::{ManifestAddress, ManifestSummary};
use crate::message::{AttemptId, ControlRecord, JobMessage};
use crate::policy::Policy;
use crate::route::{Route, SentTo};
use crate::source::SourceLocation;
use crate::spec::JobSpec;
use crate::time::{Span, Timestamp};

/// One job. Only [`crate::lifecycle::decide`] makes a changed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What was asked for.
    pub spec: JobSpec,
    /// Where the input lies.
    pub source: SourceLocation,
    /// The queue that it goes to.
    pub region: Region,
    /// The regions that it may go on to, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// Where its attempts were sent, if it may go on to other regions. Before the first, it is where the job is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_to: Vec<SentTo>,
    /// The kind of worker that runs it.
    pub lane: Lane,
    /// The bucket of its outputs.
    pub bucket: String,
    /// The partition of the event log that carries its events.
    pub events_partition: u32,
    /// Trace context of the request that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Longest run of one attempt.
    pub timeout: Span,
    /// Failed attempts before it is dead.
    pub max_attempts: u32,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it has to be finished.
    pub deadline_at: Timestamp,
    /// How often it was started anew by an operator, from 1.
    pub generation: Generation,
    /// What it has cost; a row that says nothing of it has cost nothing yet.
    #[serde(default, skip_serializing_if = "Counters::is_zero")]
    pub counters: Counters,
    /// Where it stands.
    pub state: State,
    /// Whose child it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_of: Option<ChildOf>,
    /// Its children, if it was split in this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Claims that fell silent and may come back; each counts as a loss until it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lapsed_claims: Vec<ClaimId>,
    /// Claims that ended for good: nothing brings them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_claims: Vec<ClaimId>,
    /// Attempts up to this one were asked by an operator to be let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_go: Option<Attempt>,
    /// The last failure of this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What a job has cost. Attempt numbers grow over its whole life; the rest starts anew with a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// The last attempt number that was used; 0 if none.
    pub last_attempt: u32,
    /// The last attempt number of the generations before.
    pub before_generation: u32,
    /// Attempts that count against `max_attempts`.
    pub charged: u32,
    /// Crashes of the child.
    pub crashes: u32,
    /// Claims that fell silent.
    pub losses: u32,
    /// Claims that were let go.
    pub releases: u32,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not due yet: it is to start later, or waits out the backoff of a retry.
    Waiting {
        /// When it is due.
        due_at: Timestamp,
    },
    /// Due; waits for its turn.
    Queued {
        /// Since when.
        since: Timestamp,
    },
    /// A message is on its way or in the queue.
    Sent {
        /// Which attempt.
        attempt: Attempt,
        /// When it was committed as sent.
        sent_at: Timestamp,
        /// When the queue timeout looks after it.
        look_at: Timestamp,
        /// Where the message lies; `None` until the bus has said so.
        placement: Option<Placement>,
        /// When the message was first found gone from the queue.
        gone_at: Option<Timestamp>,
    },
    /// Held by at least one claim.
    Running {
        /// Every claim that has not ended.
        claims: Vec<Claim>,
        /// Where the last message lies: a claim that never started gives it back.
        placement: Option<Placement>,
    },
    /// Split: its children are at work, or wait for their turn.
    Blocked {
        /// When they are counted again, if nobody says before that one has ended.
        look_at: Timestamp,
    },
    /// About to end without a result: a seal is being put.
    Closing {
        /// What it becomes.
        target: CloseTarget,
        /// When the next try to put the seal is due.
        try_at: Timestamp,
    },
    /// The manifest stands.
    Succeeded {
        /// Which one.
        manifest: ManifestSummary,
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

/// One holder of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The claim.
    pub claim: ClaimId,
    /// Of which attempt.
    pub attempt: Attempt,
    /// Who holds it.
    pub worker: WorkerId,
    /// The partition that carries this worker's heartbeats.
    pub heartbeat_partition: u32,
    /// When it was applied.
    pub claimed_at: Timestamp,
    /// When it was last known to be alive; heartbeats since then are in the worker's row.
    pub renewed_at: Timestamp,
    /// Nothing is concluded from silence before this time: nobody could have heard its worker until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excused_at: Option<Timestamp>,
}

/// Where a message lies on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placement {
    /// The partition of the lane's topic.
    pub partition: u32,
    /// The offset in it.
    pub offset: u64,
}

/// What a job that ends without a result becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "target", rename_all = "snake_case")]
pub enum CloseTarget {
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

/// Why a job was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The input or the request is at fault.
    Rejected,
    /// Its attempts are used up.
    AttemptsExhausted,
    /// Its child crashed too often: a poison job.
    CrashLimit,
    /// Its workers were lost too often.
    LossLimit,
    /// It was let go too often.
    ReleaseLimit,
    /// One of its children ended without a result.
    ChildFailed,
}

/// What the API adds to a spec that it accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct Acceptance {
    /// The new identity.
    pub id: JobId,
    /// Whose job it is.
    pub tenant: Tenant,
    /// Where the input lies.
    pub source: SourceLocation,
    /// Where it runs.
    pub region: Region,
    /// The bucket of its outputs.
    pub bucket: String,
    /// The partition of the event log that carries its events.
    pub events_partition: u32,
    /// Trace context of the request.
    pub trace: Option<String>,
    /// The database's time.
    pub now: Timestamp,
}

impl Job {
    /// A job that was just accepted: due at once, or when it is to start.
    pub fn accept(spec: JobSpec, acceptance: Acceptance, policy: &Policy) -> Self {
        let Acceptance { id, tenant, source, region, bucket, events_partition, trace, now } =
            acceptance;
        let lane = spec.lane();
        let deadline = spec.deadline.unwrap_or(policy.deadline);
        let (due_at, state) = match spec.start_at {
            Some(due_at) if due_at > now => (due_at, State::Waiting { due_at }),
            _ => (now, State::Queued { since: now }),
        };
        Self {
            id,
            tenant,
            source,
            region,
            route: None,
            sent_to: Vec::new(),
            lane,
            bucket,
            events_partition,
            trace,
            timeout: spec.timeout.unwrap_or(policy.attempt_timeout(lane)),
            max_attempts: spec.max_attempts.unwrap_or(policy.max_attempts),
            spec,
            accepted_at: now,
            deadline_at: due_at + deadline.0,
            generation: Generation(1),
            counters: Counters::default(),
            state,
            child_of: None,
            family: None,
            lapsed_claims: Vec::new(),
            ended_claims: Vec::new(),
            let_go: None,
            failure: None,
            finished_at: None,
        }
    }

    /// Where its outputs and manifest go.
    pub fn manifest_address(&self) -> ManifestAddress {
        ManifestAddress::new(&self.bucket, &self.tenant, self.id, self.generation)
    }

    /// The identity of an attempt of the present generation.
    pub const fn attempt_id(&self, attempt: Attempt) -> AttemptId {
        AttemptId { job: self.id, generation: self.generation, attempt }
    }

    /// Whether an attempt of this generation may ever have reached the bus.
    pub const fn possibly_sent(&self) -> bool {
        self.counters.last_attempt > self.counters.before_generation
    }

    /// The message of an attempt. A job that was split is to be joined: then `children` are those of this generation.
    pub fn message(&self, attempt: Attempt, children: &[Self]) -> JobMessage {
        JobMessage {
            id: self.attempt_id(attempt),
            tenant: self.tenant.clone(),
            region: self.region.clone(),
            lane: self.lane,
            source: self.source.clone(),
            outputs: self.spec.outputs.clone(),
            manifest: self.manifest_address(),
            events_partition: self.events_partition,
            timeout: self.timeout,
            own_timeout: self.spec.timeout.is_some(),
            deadline: self.deadline_at,
            due_at: (attempt.0 == 1).then(|| self.first_due_at()),
            join: self.join_task(children),
        }
    }

    /// Since when it could have been started: it was accepted, and was to start no later.
    fn first_due_at(&self) -> Timestamp {
        self.spec.start_at.map_or(self.accepted_at, |start_at| start_at.max(self.accepted_at))
    }

    /// What workers may know about it.
    pub fn control(&self) -> ControlRecord {
        let last = self.counters.last_attempt;
        // While a claim of an earlier attempt runs, the unclaimed message of the last one is superseded.
        let revived = matches!(&self.state, State::Running { claims, .. }
            if claims.iter().all(|claim| claim.attempt.0 < last));
        // What was sent before a job was split is over.
        let split = self.family.is_some_and(|family| family.last_before.0 >= last);
        let cancelled = matches!(
            self.state,
            State::Closing { target: CloseTarget::Cancelled, .. } | State::Cancelled
        );
        ControlRecord {
            job: self.id,
            generation: self.generation,
            cancelled,
            closed: self.state.is_terminal() || matches!(self.state, State::Closing { .. }),
            lowest_live: Attempt(if revived || split || self.has_left() { last + 1 } else { last }),
            let_go: self.let_go,
        }
    }
}

impl Counters {
    /// Whether it was never sent.
    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl State {
    /// Whether nothing but an operator leaves this state.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded { .. } | Self::Dead { .. } | Self::Cancelled | Self::Expired)
    }

    /// Who holds it.
    pub fn claims(&self) -> &[Claim] {
        match self {
            Self::Running { claims, .. } => claims,
            _ => &[],
        }
    }

    /// The state's name in the API and the database.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Queued { .. } => "queued",
            Self::Sent { .. } => "sent",
            Self::Running { .. } => "running",
            Self::Blocked { .. } => "blocked",
            Self::Closing { .. } => "closing",
            Self::Succeeded { .. } => "succeeded",
            Self::Dead { .. } => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Every name, in the order of a job's life.
    pub const NAMES: [&'static str; 10] = [
        "waiting",
        "queued",
        "sent",
        "running",
        "blocked",
        "closing",
        "succeeded",
        "dead",
        "cancelled",
        "expired",
    ];

    /// Those of them that somebody still leaves without an operator: the names of states that are not terminal.
    pub const OPEN_NAMES: [&'static str; 6] = {
        let [waiting, queued, sent, running, blocked, closing, ..] = Self::NAMES;
        [waiting, queued, sent, running, blocked, closing]
    };
}
