//! The worker against a bus in memory, the embedded object store and a runner that misbehaves on demand.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod draining;
mod embedded_bus;
mod failures;
mod fake_bus;
mod first_finisher;
mod happy_path;
mod https;
mod intake;
mod local;
mod logs;
mod metrics;
mod outages;
mod site;
mod stopping;
