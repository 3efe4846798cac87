//! `video.transcode`: one MP4.

use panofleet_job_schema::operation::TranscodePlan;
use panofleet_media::MediaError;
use panofleet_media::video::{Transcoded, transcode};

use super::{Footage, frame_px};
use crate::error::StepError;
use crate::output::Output;
use crate::steps::Summary;

/// Frames that the encoder looks ahead, and that it refers to.
const ENCODER_FRAMES: u64 = 64;

pub(super) const PATH: &str = "video.mp4";

/// Writes `video.mp4`.
///
/// # Errors
/// What is wrong with the video; what the file system or the pipe says.
pub(super) fn run(
    plan: &TranscodePlan,
    footage: Footage<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    output.advance(0, "transcode")?;
    let file = output.create_file(PATH)?;
    let frame_px = frame_px(&plan.footage);
    let encoded = || output.advance(frame_px, "transcode");
    let made = transcode(footage.source, plan, footage.threads, file, encoded);
    written(plan, made, output)
}

/// The file is there, or why not.
pub(super) fn written(
    plan: &TranscodePlan,
    made: Result<Transcoded, StepError>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let made = made.map_err(|error| match error {
        StepError::Media(MediaError::Write(error)) => {
            StepError::Write { path: PATH.to_owned(), error }
        }
        other => other,
    })?;
    output.report_file(PATH, "video/mp4")?;
    let Transcoded { warnings, .. } = made;
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    summary.warnings.extend(warnings);
    summary.entry("video", PATH);
    Ok(summary)
}

/// Pixels that it goes over: those of the frames between start and end.
pub(super) fn work_px(plan: &TranscodePlan) -> u64 {
    let (frames, seconds) = plan.frame_rate;
    let end_s = plan.end_s.unwrap_or(plan.footage.duration_s).min(plan.footage.duration_s.max(0.0));
    let wanted_s = (end_s - plan.start_s).max(0.0);
    let frames = wanted_s * f64::from(frames) / f64::from(seconds);
    frame_px(&plan.footage) * (frames.ceil() as u64).max(1)
}

/// Pixels that the encoder holds.
pub(super) fn encoder_px(plan: &TranscodePlan) -> u64 {
    ENCODER_FRAMES * u64::from(plan.width_px) * u64::from(plan.height_px)
}
