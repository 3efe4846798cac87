//! The simulated job database keeps what every job database promises: a simulation over anything else would prove
//! nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_jobs_db::JobsDb;
use panofleet_test_simulation::{BusSettings, CalmWorld};

use crate::fixture::Fixture;

#[macro_use]
#[path = "../../../crates/jobs-db/tests/conformance/scenarios.rs"]
mod scenarios;

#[path = "../../../crates/jobs-db/tests/conformance/accept.rs"]
mod accept;
#[path = "../../../crates/jobs-db/tests/conformance/changes.rs"]
mod changes;
#[path = "../../../crates/jobs-db/tests/conformance/commit.rs"]
mod commit;
#[path = "../../../crates/jobs-db/tests/conformance/families.rs"]
mod families;
#[path = "../../../crates/jobs-db/tests/conformance/fixture.rs"]
mod fixture;
#[path = "../../../crates/jobs-db/tests/conformance/leads.rs"]
mod leads;
#[path = "../../../crates/jobs-db/tests/conformance/lines.rs"]
mod lines;
#[path = "../../../crates/jobs-db/tests/conformance/list.rs"]
mod list;
#[path = "../../../crates/jobs-db/tests/conformance/partitions.rs"]
mod partitions;
#[path = "../../../crates/jobs-db/tests/conformance/pauses.rs"]
mod pauses;
#[path = "../../../crates/jobs-db/tests/conformance/queues.rs"]
mod queues;
#[path = "../../../crates/jobs-db/tests/conformance/workers.rs"]
mod workers;

struct SimulatedFixture(CalmWorld);

impl SimulatedFixture {
    async fn start() -> Self {
        let second = Duration::from_secs(1);
        let settings =
            BusSettings { lock: second, delivery_limit: 4, partitions: 4, session: second };
        Self(CalmWorld::new(settings))
    }
}

#[async_trait]
impl Fixture for SimulatedFixture {
    fn db(&self) -> Arc<dyn JobsDb> {
        self.0.db()
    }

    async fn crash(&mut self) {
        self.0.crash();
    }
}

conformance!(simulated_db, crate::SimulatedFixture);
