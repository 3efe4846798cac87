//! The settings that the lifecycle decides by. The configuration makes one; a test may make another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Lane;
use crate::limits;
use crate::time::Span;

/// How long things may take and how often they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// A sent job that nobody has claimed for this long is looked after.
    pub queue_timeout: Span,
    /// A claim that was not renewed for this long has ended.
    pub lease: Span,
    /// For how long the workers of a region that fall silent together, at least two of them, count as cut off and not
    /// as dead: their claims do not lapse. If it is not longer than `lease`, they are dead at once.
    pub region_patience: Span,
    /// How often a worker renews its claims.
    pub heartbeat: Span,
    /// Longest run of one attempt of an image job that does not say its own.
    pub image_timeout: Span,
    /// Longest run of one attempt of a video job that does not say its own, until its source was probed: then the
    /// attempt has the time that its video takes.
    pub video_timeout: Span,
    /// Time that the dispatcher leaves a worker to end an attempt by itself when its time is up.
    pub timeout_grace: Span,
    /// Longest life of a job that does not say its own, from being due.
    pub deadline: Span,
    /// Failed attempts of a job that does not say its own.
    pub max_attempts: u32,
    /// The first retry waits up to this long; each further one up to twice as long.
    pub backoff_base: Span,
    /// No retry waits longer.
    pub backoff_cap: Span,
    /// A row that was committed as sent and has no place in the queue is sent again after this.
    pub place_timeout: Span,
    /// Time between two tries to put a seal.
    pub seal_retry: Span,
    /// How often the children of a job that was split are counted, beside each time that one ends.
    pub family_look: Span,
    /// How long a job that may run in several regions waits in each, if it does not say.
    pub hop_after: Span,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            queue_timeout: Span::from_secs(15 * 60),
            lease: Span::from_secs(60),
            region_patience: Span::from_secs(10 * 60),
            heartbeat: Span::from_secs(10),
            image_timeout: Span::from_secs(10 * 60),
            video_timeout: Span::from_secs(30 * 60),
            timeout_grace: Span::from_secs(30),
            deadline: Span::from_secs(24 * 3600),
            max_attempts: 5,
            backoff_base: Span::from_secs(2),
            backoff_cap: Span::from_secs(5 * 60),
            place_timeout: Span::from_secs(2),
            seal_retry: Span::from_secs(2),
            family_look: Span::from_secs(60),
            hop_after: Span::from_secs(5 * 60),
        }
    }
}

/// A policy that would lose or repeat work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// Leases must outlive a few lost heartbeats.
    #[error("policy.lease ({lease}) must be at least 3 × policy.heartbeat ({heartbeat})")]
    LeaseTooShort {
        /// The lease.
        lease: Span,
        /// The heartbeat.
        heartbeat: Span,
    },
    /// A zero or an excess.
    #[error("policy.{0} is outside its limits")]
    Outside(&'static str),
}

impl Policy {
    /// Checks the settings against each other.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub fn check(&self) -> Result<(), BadPolicy> {
        let Self { lease, heartbeat, .. } = *self;
        if heartbeat.0.is_zero() {
            return Err(BadPolicy::Outside("heartbeat"));
        }
        if lease.0 < 3 * heartbeat.0 {
            return Err(BadPolicy::LeaseTooShort { lease, heartbeat });
        }
        for (name, span) in [
            ("queue_timeout", self.queue_timeout),
            ("image_timeout", self.image_timeout),
            ("video_timeout", self.video_timeout),
            ("deadline", self.deadline),
            ("backoff_base", self.backoff_base),
            ("backoff_cap", self.backoff_cap),
            ("place_timeout", self.place_timeout),
            ("seal_retry", self.seal_retry),
            ("family_look", self.family_look),
            ("hop_after", self.hop_after),
        ] {
            if span.0.is_zero() {
                return Err(BadPolicy::Outside(name));
            }
        }
        if !(1..=limits::ATTEMPTS_MAX).contains(&self.max_attempts) {
            return Err(BadPolicy::Outside("max_attempts"));
        }
        Ok(())
    }

    /// The attempt timeout of a lane.
    pub const fn attempt_timeout(&self, lane: Lane) -> Span {
        match lane {
            Lane::Image => self.image_timeout,
            Lane::Video => self.video_timeout,
        }
    }

    /// How long a retry waits: exponential with full jitter, capped.
    ///
    /// `failures` counts from 1; `share` is uniform in [0, 1). (Brooker, "Exponential Backoff And Jitter",
    /// AWS Architecture Blog, 2015: full jitter.)
    pub fn backoff(&self, failures: u32, share: f64) -> Duration {
        let doubled = self.backoff_base.0.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.backoff_cap.0).mul_f64(share.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let policy = Policy::default();
        assert_eq!(policy.backoff(1, 1.0), Duration::from_secs(2));
        assert_eq!(policy.backoff(4, 1.0), Duration::from_secs(16));
        assert_eq!(policy.backoff(4, 0.25), Duration::from_secs(4));
        assert_eq!(policy.backoff(u32::MAX, 1.0), Duration::from_secs(300));
    }

    #[test]
    fn a_lease_that_one_lost_heartbeat_ends_is_refused() {
        let policy = Policy { lease: Span::from_secs(20), ..Policy::default() };
        assert!(matches!(policy.check(), Err(BadPolicy::LeaseTooShort { .. })));
        assert_eq!(Policy::default().check(), Ok(()));
    }
}
