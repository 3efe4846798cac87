//! Pictures of 16 bits: their source is decoded for them alone.

use std::borrow::Cow;
use std::path::Path;

use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::operation::{IccPolicy, RenderPlan};
use panofleet_job_schema::{Failure, OutputName};
use panofleet_media::Decoded;
use panofleet_media::icc::Profile;

use super::{Steps, Work, decode_px};
use crate::error::StepError;
use crate::steps::pictures::Origin;
use crate::steps::render;

/// Outputs of 16 bits, each with its name.
pub(super) type Deep<'t> = [(&'t OutputName, RenderPlan)];

/// Pixels that they go over: the source for each, and what is made.
pub(super) fn work_px(media: &MediaInfo, deep: &Deep<'_>) -> u64 {
    deep.iter().map(|(_, plan)| decode_px(media) + render::work_px(plan)).sum()
}

impl Work<'_> {
    /// Each output, from a source decoded for it.
    pub(super) fn do_deep(&self, deep: &Deep<'_>, steps: &mut Steps) -> Result<(), Failure> {
        for (name, plan) in deep {
            let decoded = steps.time("decode", || self.decode_deep())?;
            let decoded = match plan.output.icc {
                IccPolicy::Keep => decoded,
                IccPolicy::Srgb => {
                    steps.time("colour", || decoded.into_srgb().map_err(StepError::from))?
                }
            };
            let Decoded { picture, profile, exif, warnings } = decoded;
            self.output(name, steps, "render", |output| {
                let origin = Origin {
                    icc: profile.as_ref().map(Profile::bytes),
                    gpano: self.media.gpano.as_ref(),
                    exif: exif.as_ref(),
                };
                let mut summary = render::run(plan, Cow::Owned(picture), origin, output)?;
                summary.warnings.extend(warnings);
                Ok(summary)
            })?;
        }
        Ok(())
    }

    fn decode_deep(&self) -> Result<Decoded<u16>, StepError> {
        let decoded = panofleet_media::decode_deep(Path::new(&self.task.source))?;
        self.report.advance(decode_px(self.media), "decode").map_err(StepError::Report)?;
        Ok(decoded)
    }
}
