//! Pictures of a panorama: views, planets, cube maps, other projections.
//!
//! Memory besides the source: an eye, unless it is all of the source and this output is the last to need it; a
//! picture and its interleaved copy; where both eyes come into one, all pictures of the first.

use std::borrow::Cow;

use panofleet_job_schema::operation::{
    Aim, Angles, EyePlan, Join, PicturePlan, PictureProjection, RenderPlan,
};
use panofleet_media::pixels::PixelDepth;
use panofleet_projection::{Orientation, View};
use panofleet_raster::{Geometry, Panorama, Picture, Size};

use super::pictures::{Made, Origin, Pictures, eye_part, eye_px};
use super::{Summary, faces, geometry};
use crate::error::StepError;
use crate::output::Output;

mod aim;
mod extent;
pub(super) mod sphere;

/// Writes every picture of every eye.
///
/// # Errors
/// A size that the format cannot hold; what the file system or the pipe says.
pub(crate) fn run<S: PixelDepth>(
    plan: &RenderPlan,
    source: Cow<'_, Picture<S>>,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary { warnings: plan.source.assumptions.clone(), ..Summary::default() };
    let mut pictures = Pictures::new(&plan.output, &plan.source.eyes, origin, output);
    let mut write = |eye: &EyePlan, source: Cow<'_, Picture<S>>| {
        let panorama = panorama(plan, eye_part(source, eye)?)?;
        output.advance(eye_px(eye), "render")?;
        plan.pictures.iter().enumerate().try_for_each(|(index, picture)| {
            pictures.take(eye.eye, index, make(plan, picture, &panorama, origin)?)
        })
    };
    let (last, others) = plan.source.eyes.split_last().ok_or(StepError::EmptySize)?;
    others.iter().try_for_each(|eye| write(eye, Cow::Borrowed(source.as_ref())))?;
    write(last, source)?;
    pictures.add_to(&mut summary);
    Ok(summary)
}

/// An eye, ready to be looked at. One whose pictures are all copies needs no borders around its faces.
fn panorama<S: PixelDepth>(
    plan: &RenderPlan,
    picture: Picture<S>,
) -> Result<Panorama<S>, StepError> {
    let projection = &plan.source.projection;
    let size = picture.size();
    let same = |made: &PicturePlan| {
        made.projection == *projection
            && (made.width_px, made.height_px) == (size.width_px(), size.height_px())
            && made.aim == Aim::default()
    };
    let turned =
        plan.turn != Angles::default() || plan.tilt.unwrap_or_default() != Angles::default();
    let (picture, projection) = if !turned && plan.pictures.iter().all(same) {
        (picture, geometry::projection(projection, size)?)
    } else {
        faces::bordered(picture, projection)?
    };
    Ok(S::panorama(picture, View::new(projection, Orientation::IDENTITY))?)
}

/// Pixels that it goes over: the eyes and what is made of them.
pub(crate) fn work_px(plan: &RenderPlan) -> u64 {
    plan.pixels() + plan.source.eyes.iter().map(eye_px).sum::<u64>()
}

/// Pixels held besides the source.
pub(crate) fn memory_px(plan: &RenderPlan) -> u64 {
    let eye = plan.source.eyes.iter().map(eye_px).max().unwrap_or(0);
    // Faces may get borders, at most half as wide as they are.
    let faces = match plan.source.projection {
        PictureProjection::Cubemap { .. } | PictureProjection::Eac { .. } => 9 * eye / 4,
        _ => 0,
    };
    let each = |picture: &PicturePlan| u64::from(picture.width_px) * u64::from(picture.height_px);
    let joined = plan.output.join != Join::Separate && plan.source.eyes.len() > 1;
    let largest = plan.pictures.iter().map(each).max().unwrap_or(0);
    eye + faces + if joined { plan.pixels() + 4 * largest } else { 2 * largest }
}

fn make<S: PixelDepth>(
    plan: &RenderPlan,
    picture: &PicturePlan,
    panorama: &Panorama<S>,
    origin: Origin<'_>,
) -> Result<Made<S>, StepError> {
    let level = geometry::orientation(plan.tilt.unwrap_or_default())?.inverse();
    let turn = level.compose(geometry::orientation(plan.turn)?);
    let aim = match picture.aim {
        Aim::Fixed(angles) => geometry::orientation(angles)?,
        Aim::MostDetail { pitch_deg } => {
            aim::most_detail(&S::eight_bits(panorama)?, turn, picture, pitch_deg)?
        }
    };
    let turn = turn.compose(aim);
    let size = Size::new(picture.width_px, picture.height_px).ok_or(StepError::EmptySize)?;
    let whole = geometry::projection(&picture.projection, size)?;
    let projection =
        if picture.cut { extent::cut(panorama.geometry(), turn, &whole) } else { whole };
    let view = View::new(projection, turn);
    let shown = if is_copy(panorama.geometry(), &view) {
        S::flatten(panorama.picture().clone(), plan.output.background.0)?
    } else {
        S::view(panorama, &view, plan.output.background.0)?
    };
    let gpano = sphere::metadata(&view, turn, plan.tilt, origin.gpano);
    Ok(Made { name: picture.name.clone(), picture: shown, gpano })
}

/// Whether a view shows each pixel of the source as it is.
fn is_copy(source: &Geometry, view: &View) -> bool {
    match source {
        Geometry::Equirectangular(equirectangular) => {
            *view == View::new(*equirectangular, Orientation::IDENTITY)
        }
        Geometry::View(source) => source == view,
    }
}
