//! `image.thumbnail`: a part of the picture, made to fit.

use panofleet_job_schema::MetadataPolicy;
use panofleet_job_schema::operation::{PixelRect, ThumbnailPlan};
use panofleet_media::{Embedded, Encoder, StoredFrame, pixels};
use panofleet_raster::{Edges, Picture, Rect, Size};

use super::Summary;
use super::pictures::Origin;
use crate::error::StepError;
use crate::output::Output;

/// What transparent pixels are shown on, as a page would.
const BEHIND: [u8; 3] = [255; 3];

/// Writes `thumbnail.jpg` or `thumbnail.webp`. Besides the source it holds a copy of the part, if that is
/// not all of it, and the result.
///
/// # Errors
/// A size that the format cannot hold; what the file system or the pipe says.
pub(crate) fn run(
    plan: &ThumbnailPlan,
    source: &Picture<u8>,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let (rect, size) = (rect(plan.crop)?, size(plan)?);
    let small = if rect == Rect::whole(source.size()) {
        pixels::scale(source, size, Edges::Clamp)?
    } else {
        pixels::scale(&pixels::part(source, rect)?, size, Edges::Clamp)?
    };
    write(plan, &pixels::flatten(small, BEHIND)?, origin, output)
}

/// The same of a picture as a JPEG stores it.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_stored(
    plan: &ThumbnailPlan,
    source: &StoredFrame,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    write(plan, &source.scaled(rect(plan.crop)?, size(plan)?)?, origin, output)
}

fn write(
    plan: &ThumbnailPlan,
    small: &Picture<u8>,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let size = small.size();
    let rgb = pixels::interleaved(small, Rect::whole(size))?;
    let embedded = Embedded::derivative(plan.metadata, origin.icc, None, origin.exif);
    let mut encoder = Encoder::new(plan.format, plan.quality, embedded)?;
    let body = encoder.encode(&rgb, size)?;
    let path = format!("thumbnail.{}", plan.format.extension());
    output.write(&path, &body, plan.format.content_type())?;
    output.advance(work_px(plan), "thumbnail")?;
    let mut summary = Summary::default();
    summary.entry("thumbnail", path);
    Ok(summary)
}

fn size(plan: &ThumbnailPlan) -> Result<Size, StepError> {
    Size::new(plan.width_px, plan.height_px).ok_or(StepError::EmptySize)
}

/// Whether it can be made of what a JPEG stores: its part begins and ends with whole samples of chroma, and nothing but
/// pixels is asked for.
pub(crate) fn takes_stored(plan: &ThumbnailPlan) -> bool {
    let PixelRect { left_px, top_px, width_px, height_px } = plan.crop;
    (left_px | top_px | width_px | height_px) % 2 == 0 && plan.metadata == MetadataPolicy::Strip
}

/// Pixels that it goes over.
pub(crate) fn work_px(plan: &ThumbnailPlan) -> u64 {
    u64::from(plan.crop.width_px) * u64::from(plan.crop.height_px)
}

/// Pixels held besides the source: the part and the result.
pub(crate) fn memory_px(plan: &ThumbnailPlan) -> u64 {
    work_px(plan) + u64::from(plan.width_px) * u64::from(plan.height_px)
}

/// A rectangle of the schema as one of the raster's.
pub(super) fn rect(rect: PixelRect) -> Result<Rect, StepError> {
    let size = Size::new(rect.width_px, rect.height_px).ok_or(StepError::EmptySize)?;
    Ok(Rect { left_px: rect.left_px, top_px: rect.top_px, size })
}
