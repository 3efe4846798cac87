//! Object storage: the S3 client that every part uses, the protocol by which a result is published,
//! and an S3 server over a folder for running without one.
//!
//! | you look for | file |
//! |---|---|
//! | the client: put, get, presign, probe | [`client`], `client/` |
//! | who wins when two attempts finish | [`manifest`] |
//! | the embedded server, and what it promises | [`server`], `server/` |
//! | settings | [`config`] |
//! | what to do about an error | [`error`] |
//! | what is counted | [`metrics`] |
//!
//! # What this crate does not do
//!
//! It decides no job's state and knows no bus or database: callers act on what [`manifest`] reports.
//! It has no clock of its own for deadlines (the caller passes one), keeps no cache, sweeps no
//! abandoned outputs, and never lists objects to find a result. The embedded server has no users,
//! policies, versions or replication: one key pair may do everything.
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod error;
pub mod manifest;
pub mod metrics;
pub mod server;

pub use client::ObjectStore;
pub use config::ObjectsConfig;
pub use error::ObjectsError;
pub use panofleet_job_schema::Secret;
