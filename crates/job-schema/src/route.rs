//! Where a job may run: one region, or several of which it tries one after the other.
//!
//! A job that waits for too long goes on to the next region that takes jobs. Which region an attempt was sent to is
//! remembered: only that one's word about it counts, wherever the job is by then.

use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, Region};
use crate::job::{Job, State};
use crate::limits;
use crate::policy::Policy;
use crate::spec::JobSpec;
use crate::time::{Span, Timestamp};

/// Doublings of the wait after which it grows no further.
const DOUBLINGS_MAX: u32 = 6;

/// The regions that a job may run in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// In the order in which they are tried; at least two.
    pub regions: Vec<Region>,
    /// How long it waits in each for a worker, in the first round. In each further round it waits twice as long.
    pub hop_after: Span,
    /// Since when it waits where it is, or for another region to take jobs.
    pub arrived_at: Timestamp,
    /// How often it went on.
    pub hops: u32,
}

/// The region that attempts were sent to, from this one on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentTo {
    /// The first attempt.
    pub from: Attempt,
    /// The region.
    pub region: Region,
}

impl Route {
    /// The region to go on to: the next that `takes` jobs, after `from`.
    pub(crate) fn next(&self, from: &Region, takes: impl Fn(&Region) -> bool) -> Option<&Region> {
        let at = self.regions.iter().position(|region| region == from);
        let (before, behind) = self.regions.split_at(at.map_or(0, |at| at + 1));
        behind.iter().chain(before).find(|region| *region != from && takes(region))
    }

    fn wait(&self) -> std::time::Duration {
        let rounds = self.hops / u32::try_from(self.regions.len().max(1)).unwrap_or(u32::MAX);
        self.hop_after.0 * (1 << rounds.min(DOUBLINGS_MAX))
    }
}

impl JobSpec {
    /// Whether it may run in more than one region.
    pub fn may_hop(&self) -> bool {
        self.any_region || self.regions.len() > 1
    }
}

impl Job {
    /// Lets it run in any of these regions, the one that it is in first.
    #[must_use]
    pub fn routed(mut self, regions: Vec<Region>, policy: &Policy) -> Self {
        if regions.len() > 1 {
            let hop_after = self.spec.hop_after.unwrap_or(policy.hop_after);
            let arrived_at = self.accepted_at;
            self.route = Some(Route { regions, hop_after, arrived_at, hops: 0 });
        }
        self
    }

    /// The region that an attempt was sent to; `None` if that was too many hops ago.
    pub fn region_of(&self, attempt: Attempt) -> Option<&Region> {
        if self.sent_to.is_empty() {
            return Some(&self.region);
        }
        let sent = self.sent_to.iter().rev().find(|sent| sent.from <= attempt);
        sent.map(|sent| &sent.region)
    }

    /// Every region whose workers may have heard of it, each once.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        let heard = self.sent_to.iter().map(|sent| &sent.region).chain([&self.region]);
        heard.collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// Notes where an attempt goes. A job that was never sent elsewhere and never hops needs no note.
    pub(crate) fn note_sent(&mut self, attempt: Attempt) {
        let known = self.sent_to.last().is_some_and(|sent| sent.region == self.region);
        if (self.route.is_none() && self.sent_to.is_empty()) || known {
            return;
        }
        if self.sent_to.len() >= limits::SENT_TO_MAX {
            self.sent_to.remove(0);
        }
        self.sent_to.push(SentTo { from: attempt, region: self.region.clone() });
    }

    /// When it goes on to another region, if it may and nobody takes it before.
    pub fn hop_due(&self) -> Option<Timestamp> {
        let route = self.route.as_ref()?;
        let since = match &self.state {
            State::Queued { since } => *since,
            State::Sent { sent_at, placement: Some(_), .. } => *sent_at,
            _ => return None,
        };
        Some(since.max(route.arrived_at) + route.wait())
    }

    /// Whether the last message lies in a region that the job has left.
    pub(crate) fn has_left(&self) -> bool {
        let waits = matches!(self.state, State::Queued { .. } | State::Waiting { .. });
        waits && self.sent_to.last().is_some_and(|sent| sent.region != self.region)
    }
}
