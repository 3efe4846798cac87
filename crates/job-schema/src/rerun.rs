//! How a job is run anew: elsewhere, or within other limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, Region};
use crate::job::Job;
use crate::policy::Policy;
use crate::route::{Route, SentTo};
use crate::spec::{BadSpec, JobSpec, Priority, check_each_once, check_limits};
use crate::time::{Span, Timestamp};

/// What is to be different when a job is started anew. What is not given stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rerun {
    /// The region that it runs in, and no other. Its outputs go where they were to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// In place of `region`: those that it may run in, the preferred one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Longest time that one attempt may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Longest time from now to being finished, all attempts together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// Failed attempts before the job is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The band of the queue that it waits in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

impl Rerun {
    /// Whether nothing is to be different.
    pub fn is_same(&self) -> bool {
        *self == Self::default()
    }

    /// Checks everything that can be known without the job.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), BadSpec> {
        check_limits(self.timeout, self.deadline, self.max_attempts)?;
        check_each_once(&self.regions)?;
        if self.region.is_some() && !self.regions.is_empty() {
            return Err(BadSpec::Regions("give one of region and regions"));
        }
        Ok(())
    }

    /// The regions that are named.
    pub fn named(&self) -> impl Iterator<Item = &Region> {
        self.region.iter().chain(&self.regions)
    }

    /// What is asked for with the changes in it.
    #[must_use]
    pub(crate) fn of(&self, spec: JobSpec) -> JobSpec {
        let mut spec = spec;
        if self.region.is_some() || !self.regions.is_empty() {
            spec.region.clone_from(&self.region);
            spec.regions.clone_from(&self.regions);
            spec.any_region = false;
            spec.hop_after = spec.hop_after.filter(|_| spec.may_hop());
        }
        spec.timeout = self.timeout.or(spec.timeout);
        spec.deadline = self.deadline.or(spec.deadline);
        spec.max_attempts = self.max_attempts.or(spec.max_attempts);
        spec.priority = self.priority.unwrap_or(spec.priority);
        spec
    }

    /// What it says, for the job's history: `region us-west, timeout 2h`; none if nothing is different.
    pub(crate) fn told(&self) -> Option<String> {
        let regions: Vec<&str> = self.named().map(Region::as_str).collect();
        let told = [
            (!regions.is_empty()).then(|| format!("region {}", regions.join(", "))),
            self.timeout.map(|timeout| format!("timeout {timeout}")),
            self.deadline.map(|deadline| format!("deadline {deadline}")),
            self.max_attempts.map(|most| format!("{most} attempts at most")),
            self.priority.map(|priority| format!("priority {}", priority.name())),
        ];
        let told: Vec<String> = told.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Job {
    /// A claim in the region before may have taken it back there; its next attempt goes where it was asked to be. One that
    /// may hop goes on from where it is.
    pub(crate) fn be_where_asked(&mut self) {
        let asked = self.spec.region.as_ref().or_else(|| self.spec.regions.first());
        if let (None, Some(region)) = (&self.route, asked) {
            self.region = region.clone();
        }
    }

    /// Takes the changes over, at a time when nobody holds the job.
    pub(crate) fn change(&mut self, changes: &Rerun, now: Timestamp, policy: &Policy) {
        self.spec = changes.of(self.spec.clone());
        self.timeout = changes.timeout.unwrap_or(self.timeout);
        self.max_attempts = changes.max_attempts.unwrap_or(self.max_attempts);
        let Some(first) = changes.named().next() else { return };
        if *first != self.region && self.sent_to.is_empty() && self.counters.last_attempt > 0 {
            // What was sent there is still about this job.
            self.sent_to.push(SentTo { from: Attempt(1), region: self.region.clone() });
        }
        self.region = first.clone();
        let several = changes.regions.len() > 1;
        self.route = several.then(|| Route {
            regions: changes.regions.clone(),
            hop_after: self.spec.hop_after.unwrap_or(policy.hop_after),
            arrived_at: now,
            hops: 0,
        });
    }
}
