//! `video.poster`: one frame as a picture.

use panofleet_job_schema::operation::PosterPlan;
use panofleet_media::video::{VideoReader, representative};
use panofleet_media::{Embedded, Encoder, MediaError, pixels};
use panofleet_raster::{Edges, Rect, Size};

use super::{Footage, frame_px, look, note, used_part};
use crate::error::StepError;
use crate::output::Output;
use crate::steps::Summary;

/// Frames that looking for a representative one goes over.
const LOOKS: u64 = 20;

/// Writes `poster.jpg` or `poster.webp`.
///
/// # Errors
/// A video without a frame that can be decoded; what the file system or the pipe says.
pub(super) fn run(
    plan: &PosterPlan,
    footage: Footage<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let frame_px = frame_px(&plan.footage);
    output.advance(0, "poster")?;
    let mut reader = VideoReader::open(footage.source, plan.footage.track, footage.threads)?;
    let frame = match plan.at_s {
        Some(at_s) => reader.frame_at(at_s)?.ok_or(MediaError::NoFrames)?,
        None => representative(&mut reader, plan.footage.duration_s, |_share| {
            output.advance(frame_px, "poster")
        })?,
    };
    let part = used_part(&plan.footage, &frame)?;
    let size = Size::new(plan.width_px, plan.height_px).ok_or(StepError::EmptySize)?;
    let picture = match &plan.look {
        Some(view) => look::into(part, view, size)?,
        None => pixels::scale(&part, size, Edges::Clamp)?,
    };
    let rgb = pixels::interleaved(&picture, Rect::whole(size))?;
    let body = Encoder::new(plan.format, plan.quality, Embedded::default())?.encode(&rgb, size)?;
    let path = format!("poster.{}", plan.format.extension());
    output.write(&path, &body, plan.format.content_type())?;
    output.advance(result_px(plan), "poster")?;
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    note(&mut summary, &frame)?;
    if let (Some(wanted_s), Some(shown_s)) = (plan.at_s, frame.at_s())
        && shown_s > wanted_s
    {
        summary.warnings.push(format!(
            "the first frame that can be decoded is that of {shown_s:.2} s; it is shown for {wanted_s} s"
        ));
    }
    summary.entry("poster", path);
    Ok(summary)
}

/// Pixels that it goes over.
pub(super) fn work_px(plan: &PosterPlan) -> u64 {
    let looks = if plan.at_s.is_some() { 1 } else { LOOKS };
    looks * frame_px(&plan.footage) + result_px(plan)
}

pub(super) fn result_px(plan: &PosterPlan) -> u64 {
    u64::from(plan.width_px) * u64::from(plan.height_px)
}
