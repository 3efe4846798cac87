//! What every long-running part needs and no part should write twice: tasks that end, logs, signals, a clock.
//!
//! # What this crate does not do
//!
//! It knows no job, no bus and no database. Each crate has its own `Config`; the command composes them.
#![forbid(unsafe_code)]

pub mod clock;
pub mod signals;
pub mod tasks;
pub mod telemetry;

pub use tasks::{OnError, Tasks};
