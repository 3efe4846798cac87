//! One suite for every bus. A scenario is a function of a [`Fixture`], and each implementation is one
//! `conformance!` below: it runs them all. `scenarios.rs` lists them.
//!
//! Scenarios assert what [`panofleet_bus`] promises and no more. What an adapter promises beyond that, the
//! embedded one's trims and refusals, is in a file of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[macro_use]
mod scenarios;

mod control;
mod dead_letters;
mod embedded;
mod events;
mod fixture;
mod kafka;
mod killed;
mod locks;
mod outages;
mod queue;
mod readers;
mod roles;
mod secured;

conformance!(embedded_bus, crate::embedded::EmbeddedFixture);
conformance!(kafka_bus, crate::kafka::KafkaFixture);
conformance!(kafka_bus_with_classic_groups, crate::kafka::ClassicFixture);
