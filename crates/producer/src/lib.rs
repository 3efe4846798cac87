//! The producer: the HTTP API that accepts jobs, and the dispatcher that sends them.
//!
//! | you look for | file |
//! |---|---|
//! | routes, requests, refusals | [`api`] |
//! | the pages that people open | [`pages`] |
//! | who goes next, timers, resends, seals | [`dispatcher`] |
//! | how many workers a queue should have | [`scale`] |
//! | what webhooks get to read | `webhooks.rs` |
//! | counts that are kept for a while | `kept.rs` |
//! | what is counted | [`metrics`] |
//! | read, decide, write with a compare-and-set | [`transition`] |
//!
//! # What this crate does not do
//!
//! It decides no state ([`panofleet_job_schema::lifecycle`] does) and hears no worker (the collector does).
#![forbid(unsafe_code)]

pub mod api;
mod attempts;
mod cron;
pub mod dispatcher;
mod kept;
pub mod metrics;
pub mod pages;
pub mod scale;
pub mod transition;
mod uploaded;
mod webhooks;
