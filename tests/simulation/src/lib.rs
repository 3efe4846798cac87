//! The fleet's own code in a simulated world, with faults: a seed says what happens, and the same seed makes it happen
//! again.
//!
//! Dispatchers, APIs, workers and collectors are the production code, as are the S3 client and the manifests' protocol.
//! What they stand on is simulated: the bus, the job database, what the S3 client connects to, the children, the
//! network between all of them, the clocks and chance.
//!
//! | you look for | file |
//! |---|---|
//! | a run from its seed to its verdict; many of them | `run.rs`, [`seeds`] |
//! | what a seed draws: trouble, jobs, what clients do | `scenario.rs` |
//! | what goes wrong with calls, and with processes and servers | `faults.rs`, `link.rs`, `nemesis.rs` |
//! | what has to hold | `checker.rs` |
//! | rules that are broken, to see the checker notice | `mutant.rs` |
//! | processes: their time, freezes and deaths | `process.rs`, `fleet.rs`, `roles.rs` |
//! | clocks and random bytes, beneath the standard library | `machine.rs` |
//! | the servers | `bus.rs`, `db.rs`, `store.rs` |
//! | the same without time and faults, for the conformance suites | `calm.rs` |
//! | children, clients | `child.rs`, `client.rs` |
//!
//! # What this crate does not do
//!
//! It does not look for lost wake-ups between threads: a process has one, as it were. How real servers behave, and
//! whether the simulated ones behave alike, the conformance suites say.

mod bus;
mod calm;
mod checker;
mod child;
mod client;
mod db;
mod faults;
mod fleet;
mod link;
mod machine;
mod mutant;
mod nemesis;
mod process;
mod random;
mod roles;
mod run;
mod scenario;
pub mod seeds;
mod splitting;
mod store;
mod trace;
mod world;

pub use bus::BusSettings;
pub use calm::CalmWorld;
pub use mutant::Mutant;
pub use panofleet_test_promises::{Broken, Promise};
pub use run::{Plan, Verdict, run};
pub use scenario::Trouble;
