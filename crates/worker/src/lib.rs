//! The worker: takes jobs, runs them in the sandboxed child, uploads and reports.
//!
//! [`run`] is the fleet's worker; [`run_local`] runs one job without any service. The parts, in the order in
//! which a job meets them:
//!
//! | part | what it does |
//! |---|---|
//! | `intake` | receives, judges, claims and acknowledges, in batches |
//! | `control`, `orders`, `claims` | what is not to start; whether to take jobs; what is held, and is to stop |
//! | `attempt` | one claimed job, from the early look at the manifest to publishing it |
//! | `source` | downloads, behind the guard against forged requests |
//! | [`runner`], `child` | what starts children; the sandboxed process |
//! | `conversation`, `execute` | what a child says, and living with it |
//! | `store`, `beneath` | finished files: checked, hashed, uploaded |
//! | `outbox`, `reporter`, `heartbeat` | what the worker says, and that none of it is lost |
//! | `scratch` | folders, and what an earlier life has left |
//! | [`metrics`] | what is counted |
//! | `check` | whether the runner works here at all |
//!
//! # What this crate does not do
//!
//! It decodes no media (the child does), decides no transition of a job (the lifecycle does) and reads no
//! database: a message carries all that a worker needs.
#![forbid(unsafe_code)]

mod attempt;
mod beneath;
pub mod check;
mod child;
mod claims;
pub mod config;
mod control;
mod conversation;
mod error;
mod execute;
mod heartbeat;
mod intake;
mod local;
pub mod metrics;
mod orders;
mod outbox;
mod reporter;
pub mod runner;
mod scratch;
mod source;
mod store;
mod worker;

pub use config::{ChildConfig, WorkerConfig};
pub use error::WorkerError;
pub use local::{LocalReport, LocalRun, run_local};
pub use worker::{WorkerResources, run, run_with};
