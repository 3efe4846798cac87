//! What is done for one output; a file per kind of plan.

use std::collections::BTreeMap;

use panofleet_job_schema::quality::PanoQuality;

pub(crate) mod convert;
mod faces;
mod geometry;
pub(crate) mod pictures;
pub(crate) mod probe;
pub(crate) mod render;
pub(crate) mod retouch;
pub(crate) mod spin;
pub(crate) mod stitch;
pub(crate) mod thumbnail;
pub(crate) mod tiles;
pub(crate) mod video;

/// What an output says of itself when it is complete.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Files by purpose.
    pub(crate) entry_points: BTreeMap<String, String>,
    /// What was odd, and what was assumed.
    pub(crate) warnings: Vec<String>,
    /// How good a panorama's output is, for each eye.
    pub(crate) quality: Vec<PanoQuality>,
}

impl Summary {
    fn entry(&mut self, purpose: &str, path: impl Into<String>) {
        self.entry_points.insert(purpose.to_owned(), path.into());
    }
}
