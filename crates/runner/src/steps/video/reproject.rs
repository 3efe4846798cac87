//! `pano_video.convert`: one MP4 in another projection.

use panofleet_job_schema::operation::{PixelRect, ReprojectPlan};
use panofleet_media::video::{FaceBorder, Reprojection, reproject};
use panofleet_projection::{Orientation, View};
use panofleet_raster::{Geometry, Plane, Rect, Size};

use super::transcode::{PATH, encoder_px, written};
use super::{Footage, frame_px};
use crate::error::StepError;
use crate::output::Output;
use crate::steps::faces::FaceBorders;
use crate::steps::{Summary, geometry, thumbnail};

/// Writes `video.mp4`.
///
/// # Errors
/// What is wrong with the video; what the file system or the pipe says.
pub(super) fn run(
    plan: &ReprojectPlan,
    footage: Footage<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    output.advance(0, "reproject")?;
    let file = output.create_file(PATH)?;
    let frame_px = frame_px(&plan.film.footage);
    let encoded = || output.advance(frame_px, "reproject");
    let made = reproject(
        footage.source,
        (&plan.film, reprojection(plan)?),
        footage.threads,
        file,
        encoded,
    );
    written(&plan.film, made, output)
}

/// From the plan's words to projections.
fn reprojection(plan: &ReprojectPlan) -> Result<Reprojection, StepError> {
    let eyes: Vec<Rect> =
        plan.eyes.iter().map(|eye: &PixelRect| thumbnail::rect(*eye)).collect::<Result<_, _>>()?;
    let part = eyes.first().ok_or(StepError::EmptySize)?.size;
    let size = Size::new(plan.width_px, plan.height_px).ok_or(StepError::EmptySize)?;
    let turn = geometry::orientation(plan.turn)?;
    let view = View::new(geometry::projection(&plan.projection, size)?, turn);
    let footage = &plan.film.footage;
    let frame = Size::new(footage.width_px, footage.height_px).ok_or(StepError::EmptySize)?;
    let borders = FaceBorders::of(&plan.source, part)?;
    let source = match &borders {
        Some(borders) => *borders.projection(),
        None => geometry::projection(&plan.source, part)?,
    };
    let source = Geometry::from(View::new(source, Orientation::IDENTITY));
    Ok(Reprojection {
        frame,
        eyes,
        source,
        borders: borders.map(border),
        view,
        beside: plan.beside,
    })
}

fn border(borders: FaceBorders) -> FaceBorder {
    Box::new(move |plane: &Plane<u8>, is_luma: bool| borders.around(plane, is_luma))
}

/// Pixels that it holds besides the decoder's frames, as results count: those of the encoder, and the planes of an eye before
/// and after, with what the remap keeps of them.
pub(super) fn result_px(plan: &ReprojectPlan) -> u64 {
    encoder_px(&plan.film) / 4 + 2 * frame_px(&plan.film.footage) + plan.frame_px()
}
