//! The HTTP API and its pages, over real HTTP with every embedded part behind them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail their test")]

mod act;
mod dead_letters;
mod drains;
mod failures;
mod families;
mod guards;
mod harness;
mod jobs;
mod metrics;
mod outputs;
mod pages;
mod pauses;
mod results;
mod scale;
mod schedules;
mod sources;
mod states;
mod submit;
