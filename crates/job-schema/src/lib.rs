//! The schema that every part of Panofleet shares: what a job is, how it travels, which operations
//! there are, and the one function that decides what state a job is in.
//!
//! | you look for | file |
//! |---|---|
//! | what a client submits | [`spec`], [`source`], [`operation`], `operations/` |
//! | what travels between parts | [`envelope`], [`message`], [`order`], [`region_keys`] |
//! | how far an attempt is, and how it came so far | [`message`], [`curve`] |
//! | what a finished job leaves behind | [`manifest`], [`orphans`] |
//! | what state a job is in, and why | [`job`], [`lifecycle`] |
//! | which regions a job may run in | [`route`] |
//! | how a job is run anew: elsewhere, within other limits | [`rerun`] |
//! | which part of the sphere a panorama shows | `panorama` |
//! | what the frames of a 360° video show | `sphere_footage` |
//! | which track of a video is used, and how its frames stand | `footage` |
//! | the sizes and the frame rate of a video that is streamed | `rungs`, `frame_rate` |
//! | jobs that are split and joined | [`family`] |
//! | what the worker and its sandboxed child say to each other | [`runner_protocol`] |
//! | every limit | [`limits`] |
//! | how a metric is declared | [`metric`] |
//! | what joins log lines to a request | [`trace`] |
//!
//! # What this crate does not do
//!
//! No IO, no clock, no randomness: time arrives inside events, jitter is derived from identities, and
//! bytes are somebody else's to move.
#![forbid(unsafe_code)]

pub mod curve;
mod encoding;
pub mod envelope;
pub mod failure;
pub mod family;
mod fit;
mod footage;
mod frame_rate;
pub mod ids;
pub mod job;
pub mod lifecycle;
pub mod limits;
pub mod manifest;
pub mod media_info;
pub mod message;
mod metadata_policy;
pub mod metric;
pub mod operation;
mod operation_doc;
mod operations;
pub mod order;
pub mod orphans;
mod panorama;
mod picture_format;
pub mod policy;
pub mod preset;
pub mod quality;
pub mod region_keys;
mod render;
pub mod rerun;
mod retouch;
pub mod route;
mod rungs;
pub mod runner_protocol;
pub mod schemas;
mod secret;
pub mod source;
pub mod spec;
mod sphere_footage;
mod stitch;
pub mod time;
pub mod trace;

pub use failure::{ErrorClass, Failure};
pub use ids::{Attempt, ClaimId, Generation, JobId, Lane, OutputName, Region, Tenant, WorkerId};
pub use job::Job;
pub use metadata_policy::MetadataPolicy;
pub use metric::Metric;
pub use operation::Operation;
pub use picture_format::PictureFormat;
pub use region_keys::RegionKeys;
pub use rerun::Rerun;
pub use secret::Secret;
pub use spec::JobSpec;
pub use time::{Span, Timestamp};
