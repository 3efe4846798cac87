//! The simulated bus keeps what every bus promises: a simulation over anything else would prove nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_bus::Bus;
use panofleet_test_simulation::{BusSettings, CalmWorld};

use crate::fixture::{DELIVERY_LIMIT, Fixture, PARTITIONS};

#[macro_use]
#[path = "../../../crates/bus/tests/conformance/scenarios.rs"]
mod scenarios;

#[path = "../../../crates/bus/tests/conformance/control.rs"]
mod control;
#[path = "../../../crates/bus/tests/conformance/dead_letters.rs"]
mod dead_letters;
#[path = "../../../crates/bus/tests/conformance/events.rs"]
mod events;
#[path = "../../../crates/bus/tests/conformance/fixture.rs"]
mod fixture;
#[path = "../../../crates/bus/tests/conformance/locks.rs"]
mod locks;
#[path = "../../../crates/bus/tests/conformance/queue.rs"]
mod queue;
#[path = "../../../crates/bus/tests/conformance/readers.rs"]
mod readers;

/// A reader of a dead process has left after this long.
const SESSION: Duration = Duration::from_millis(200);

struct SimulatedFixture(CalmWorld);

impl SimulatedFixture {
    async fn start(lock: Duration) -> Self {
        let settings = BusSettings {
            lock,
            delivery_limit: DELIVERY_LIMIT,
            partitions: PARTITIONS,
            session: SESSION,
        };
        Self(CalmWorld::new(settings))
    }
}

#[async_trait]
impl Fixture for SimulatedFixture {
    fn bus(&self) -> Arc<dyn Bus> {
        self.0.bus()
    }

    async fn crash(&mut self) {
        self.0.crash();
    }
}

conformance!(simulated_bus, crate::SimulatedFixture);
