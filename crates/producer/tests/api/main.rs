//! The HTTP API and its pages, over real HTTP with every embedded part behind them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail their test")]

mod access;
mod act;
mod audit;
mod cors;
mod dead_letters;
mod deletions;
mod drains;
mod estimates;
mod events;
mod failures;
mod families;
mod feed;
mod filters;
mod guards;
mod harness;
mod jobs;
mod keys;
mod metrics;
mod outputs;
mod pages;
mod pauses;
mod presets;
mod questions;
mod quota;
mod results;
mod scale;
mod schedules;
mod sign_in;
mod sources;
mod states;
mod submit;
mod tenants;
mod told;
mod uploads;
mod webhooks;
