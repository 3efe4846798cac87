//! Pictures of 16 bits: their source is decoded for them alone.

use std::borrow::Cow;
use std::path::Path;

use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::operation::RenderPlan;
use panofleet_job_schema::{Failure, OutputName};
use panofleet_media::Decoded;
use panofleet_media::icc::Profile;

use super::{Steps, Work, decode_px};
use crate::error::StepError;
use crate::steps::pictures::Origin;
use crate::steps::render;

/// Outputs of 16 bits, each with its name.
pub(super) type Deep<'t> = [(&'t OutputName, RenderPlan)];

/// Pixels that they go over: the source once, and what is made.
pub(super) fn work_px(media: &MediaInfo, deep: &Deep<'_>) -> u64 {
    let source_px = if deep.is_empty() { 0 } else { decode_px(media) };
    source_px + deep.iter().map(|(_, plan)| render::work_px(plan)).sum::<u64>()
}

impl Work<'_> {
    /// Outputs of 16 bits, those that keep the source's colours first.
    pub(super) fn do_deep(&self, deep: &Deep<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let mut held = None;
        for (index, (name, plan)) in deep.iter().enumerate() {
            let decode = || self.decode_deep();
            let icc = plan.output.icc;
            let decoded = steps.source(held.take(), icc, decode, Decoded::<u16>::into_srgb)?;
            let keep = index + 1 < deep.len();
            self.output(name, steps, "render", |output| {
                let Decoded { picture, profile, exif, warnings } = decoded;
                let origin = Origin {
                    icc: profile.as_ref().map(Profile::bytes),
                    gpano: self.media.gpano.as_ref(),
                    exif: exif.as_ref(),
                };
                let (mut summary, picture) = if keep {
                    (render::run(plan, Cow::Borrowed(&picture), origin, output)?, Some(picture))
                } else {
                    (render::run(plan, Cow::Owned(picture), origin, output)?, None)
                };
                summary.warnings.extend_from_slice(&warnings);
                held = picture.map(|picture| Decoded { picture, profile, exif, warnings });
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
