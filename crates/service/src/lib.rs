//! What every long-running part needs and no part should write twice: tasks that end, logs, metrics, signals, a
//! clock, a small HTTP server that says how it is, and the guard of requests to addresses that clients wrote.
//!
//! # What this crate does not do
//!
//! It knows no job, no bus and no database. Each crate has its own `Config`; the command composes them.
#![forbid(unsafe_code)]

pub mod admin;
pub mod clock;
pub mod crash_points;
pub mod egress;
pub mod gather;
pub mod http;
pub mod metrics;
pub mod patience;
pub mod quantiles;
pub mod readiness;
pub mod signals;
pub mod tasks;
pub mod telemetry;
pub mod trace;

pub use crash_points::CrashPoint;
pub use metrics::MetricsConfig;
pub use readiness::Readiness;
pub use tasks::{OnError, Tasks};
