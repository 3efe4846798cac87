//! `image.convert`: a picture cut, turned, mirrored and resized, in one size or several.
//!
//! Memory besides the source: the turned part, unless it is all of the source as it lies; a size and its interleaved copy.

use std::borrow::Cow;

use panofleet_job_schema::operation::{ConvertPlan, EyePlan, SizePlan};
use panofleet_media::{Embedded, Encoder, Samples, pixels};
use panofleet_raster::{Edges, Picture, Rect, Size};

use super::pictures::{EyeFiles, Origin, eye_px};
use super::{Summary, thumbnail};
use crate::error::StepError;
use crate::output::Output;

/// What transparent pixels are shown on in a format without transparency, as a page would.
const BEHIND: [u8; 3] = [255; 3];

/// Writes every size of every eye.
///
/// # Errors
/// A size that the format cannot hold; what the file system or the pipe says.
pub(crate) fn run(
    plan: &ConvertPlan,
    source: &Picture<u8>,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary::default();
    let both = plan.eyes.len() > 1;
    for eye in &plan.eyes {
        let turned = turned(plan, eye, source)?;
        let EyeFiles { prefix, suffix } = EyeFiles::of(eye.eye, both);
        output.create_folder(prefix)?;
        for size in &plan.sizes {
            let body = encoded(plan, size, &turned, origin)?;
            let path = format!("{prefix}{}.{}", size.name, plan.format.extension());
            output.write(&path, &body, plan.format.content_type())?;
            summary.entry(&format!("{}{suffix}", size.name), path);
            output.advance(part_px(plan), "convert")?;
        }
    }
    Ok(summary)
}

/// An eye's part, upright; the source itself if that is all of it.
fn turned<'s>(
    plan: &ConvertPlan,
    eye: &EyePlan,
    source: &'s Picture<u8>,
) -> Result<Cow<'s, Picture<u8>>, StepError> {
    let rect = thumbnail::rect(eye.crop)?;
    if rect == Rect::whole(source.size()) && plan.orientation == 1 {
        return Ok(Cow::Borrowed(source));
    }
    Ok(Cow::Owned(pixels::upright(pixels::part(source, rect)?, plan.orientation)))
}

fn encoded(
    plan: &ConvertPlan,
    size: &SizePlan,
    part: &Picture<u8>,
    origin: Origin<'_>,
) -> Result<Vec<u8>, StepError> {
    let to = Size::new(size.width_px, size.height_px).ok_or(StepError::EmptySize)?;
    let edges = if plan.wraps { Edges::WrapColumns } else { Edges::Clamp };
    let picture = pixels::scale(part, to, edges)?;
    let picture = match plan.background {
        Some(background) => pixels::flatten(picture, background.0)?,
        None if plan.format.has_alpha() => picture,
        None => pixels::flatten(picture, BEHIND)?,
    };
    let samples = pixels::interleaved(&picture, Rect::whole(to))?;
    let samples = if picture.channels().has_alpha() {
        Samples::Rgba8(&samples)
    } else {
        Samples::Rgb8(&samples)
    };
    let Origin { icc, exif, .. } = origin;
    let embedded = Embedded::derivative(plan.metadata, icc, size.gpano.as_ref(), exif);
    Ok(Encoder::new(plan.format, plan.quality, embedded)?.encode_samples(samples, to)?)
}

/// Pixels that it goes over: the part, for each size.
pub(crate) fn work_px(plan: &ConvertPlan) -> u64 {
    part_px(plan) * (plan.sizes.len() * plan.eyes.len()) as u64
}

/// Pixels held besides the source.
pub(crate) fn memory_px(plan: &ConvertPlan) -> u64 {
    let size = |size: &SizePlan| u64::from(size.width_px) * u64::from(size.height_px);
    2 * part_px(plan) + 3 * plan.sizes.iter().map(size).max().unwrap_or(0)
}

fn part_px(plan: &ConvertPlan) -> u64 {
    plan.eyes.first().map_or(0, eye_px)
}
