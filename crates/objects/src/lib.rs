//! Object storage: the S3 client that every part uses.
//!
//! | you look for | file |
//! |---|---|
//! | the client: put, get, presign, probe | [`client`], `client/` |
//! | settings | [`config`] |
//! | what to do about an error | [`error`] |
//!
//! # What this crate does not do
//!
//! It decides no job's state, keeps no cache, and sweeps no abandoned outputs.
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod error;

pub use client::ObjectStore;
pub use config::{ObjectsConfig, Secret};
pub use error::ObjectsError;
