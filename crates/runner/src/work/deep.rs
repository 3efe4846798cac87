//! Pictures of 16 bits: their source is decoded for them alone.

use std::borrow::Cow;
use std::path::Path;

use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::operation::{IccPolicy, RenderPlan};
use panofleet_job_schema::runner_protocol::Task;
use panofleet_job_schema::{Failure, OutputName};
use panofleet_media::Decoded;
use panofleet_media::icc::Profile;

use super::{OWN_BYTES, Steps, THREAD_BYTES, Work, decode_px, too_little_memory};
use crate::error::StepError;
use crate::steps::pictures::Origin;
use crate::steps::render;

/// Outputs of 16 bits, each with its name.
pub(super) type Deep<'t> = [(&'t OutputName, RenderPlan)];

/// Refuses a picture that would not fit, instead of being killed half-way.
///
/// # Errors
/// `memory_limit`; what is wrong with the header.
pub(super) fn check_memory(
    task: &Task,
    threads: usize,
    media: &MediaInfo,
    deep: &Deep<'_>,
) -> Result<(), Failure> {
    let Some(step_px) = deep.iter().map(|(_, plan)| render::memory_px(plan)).max() else {
        return Ok(());
    };
    let channels = 3 + u64::from(media.picture.as_ref().is_some_and(|picture| picture.alpha));
    let decode_bytes = panofleet_media::decode_deep_bytes_max(Path::new(&task.source))?;
    let needed_bytes = OWN_BYTES
        + THREAD_BYTES * threads as u64
        + decode_bytes.max(2 * channels * (decode_px(media) + step_px));
    if needed_bytes <= task.limits.memory_bytes {
        return Ok(());
    }
    Err(too_little_memory("picture", needed_bytes, task.limits.memory_bytes))
}

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
