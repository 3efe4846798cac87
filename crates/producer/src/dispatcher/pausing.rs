//! What gets no jobs, as one turn of the dispatcher knows it.

use std::collections::BTreeSet;

use panofleet_bus::Queue;
use panofleet_job_schema::Tenant;
use panofleet_jobs_db::{Pause, PauseTarget};

/// What is paused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses(BTreeSet<PauseTarget>);

impl Pauses {
    pub(crate) fn of(pauses: Vec<Pause>) -> Self {
        Self(pauses.into_iter().map(|pause| pause.target).collect())
    }

    /// How many there are of a kind.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.0.iter().filter(|target| target.kind() == kind).count()
    }

    /// Whether a queue gets nothing.
    pub(crate) fn hold(&self, queue: &Queue) -> bool {
        let Queue { region, lane } = queue;
        self.0.contains(&PauseTarget::Region(region.clone()))
            || self.0.contains(&PauseTarget::Lane(region.clone(), *lane))
    }

    /// Whether a tenant's jobs do not go anywhere.
    pub(super) fn hold_tenant(&self, tenant: &Tenant) -> bool {
        self.0.contains(&PauseTarget::Tenant(tenant.clone()))
    }
}
