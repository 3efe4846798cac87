//! Object storage: the S3 client that every part uses, and an S3 server over a folder for running
//! without one.
//!
//! | you look for | file |
//! |---|---|
//! | the client: put, get, presign, probe | [`client`], `client/` |
//! | the embedded server, and what it promises | [`server`], `server/` |
//! | settings | [`config`] |
//! | what to do about an error | [`error`] |
//!
//! # What this crate does not do
//!
//! It decides no job's state, keeps no cache, and sweeps no abandoned outputs. The embedded server has
//! no users, policies, versions or replication: one key pair may do everything.
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod error;
pub mod server;

pub use client::ObjectStore;
pub use config::{ObjectsConfig, Secret};
pub use error::ObjectsError;
