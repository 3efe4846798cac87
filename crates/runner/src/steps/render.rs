//! Pictures of a panorama: views, planets, cube maps, other projections.
//!
//! Memory besides the source: an eye, unless it is all of the source and this output is the last to need it; a
//! picture and its interleaved copy; where both eyes come into one, all pictures of the first.

use std::borrow::Cow;

use panofleet_job_schema::operation::{Aim, Eye, EyePlan, Join, PicturePlan, RenderPlan};
use panofleet_media::{Embedded, Encoder, gpano, pixels};
use panofleet_projection::{Orientation, View};
use panofleet_raster::{Geometry, Panorama, Picture, Rect, Size, StereoLayout};

use super::tiles::Context;
use super::{Summary, geometry, thumbnail};
use crate::error::StepError;
use crate::output::Output;

mod aim;
mod extent;
mod sphere;

/// Writes every picture of every eye.
///
/// # Errors
/// A size that the format cannot hold; what the file system or the pipe says.
pub(crate) fn run(
    plan: &RenderPlan,
    source: Cow<'_, Picture<u8>>,
    context: &Context<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let step = Step { plan, context, output };
    let mut summary = Summary { warnings: plan.source.assumptions.clone(), ..Summary::default() };
    let (last, others) = plan.source.eyes.split_last().ok_or(StepError::EmptySize)?;
    let mut held = Vec::new();
    for eye in others {
        let pictures = step.eye(eye, Cow::Borrowed(source.as_ref()))?;
        step.take(eye.eye, pictures, &mut held, &mut summary)?;
    }
    let pictures = step.eye(last, source)?;
    step.take(last.eye, pictures, &mut held, &mut summary)?;
    Ok(summary)
}

/// Pixels that it goes over: the eyes and what is made of them.
pub(crate) fn work_px(plan: &RenderPlan) -> u64 {
    plan.pixels() + plan.source.eyes.iter().map(eye_px).sum::<u64>()
}

/// Pixels held besides the source.
pub(crate) fn memory_px(plan: &RenderPlan) -> u64 {
    let eye = plan.source.eyes.iter().map(eye_px).max().unwrap_or(0);
    let each = |picture: &PicturePlan| u64::from(picture.width_px) * u64::from(picture.height_px);
    let joined = plan.output.join != Join::Separate && plan.source.eyes.len() > 1;
    let largest = plan.pictures.iter().map(each).max().unwrap_or(0);
    eye + if joined { plan.pixels() + 4 * largest } else { 2 * largest }
}

fn eye_px(eye: &EyePlan) -> u64 {
    u64::from(eye.crop.width_px) * u64::from(eye.crop.height_px)
}

/// A picture that was made, and what its file says of the sphere.
struct Made<'p> {
    plan: &'p PicturePlan,
    picture: Picture<u8>,
    xmp: Option<String>,
}

struct Step<'a> {
    plan: &'a RenderPlan,
    context: &'a Context<'a>,
    output: &'a Output<'a>,
}

impl<'a> Step<'a> {
    /// What is made of one eye, made when it is asked for.
    fn eye(
        &self,
        eye: &EyePlan,
        source: Cow<'_, Picture<u8>>,
    ) -> Result<impl Iterator<Item = Result<Made<'a>, StepError>> + use<'a>, StepError> {
        let rect = thumbnail::rect(eye.crop)?;
        let picture = if rect == Rect::whole(source.size()) {
            source.into_owned()
        } else {
            pixels::part(&source, rect)?
        };
        let projection = geometry::projection(&self.plan.source.projection, rect.size)?;
        let shown = View::new(projection, Orientation::IDENTITY);
        let panorama = pixels::panorama(picture, shown)?;
        self.output.advance(rect.size.area_px(), "render")?;
        let (plan, context) = (self.plan, self.context);
        Ok(plan.pictures.iter().map(move |picture| make(plan, picture, &panorama, context)))
    }

    /// Writes an eye's pictures, or holds them until the other's are there.
    fn take(
        &self,
        eye: Eye,
        pictures: impl Iterator<Item = Result<Made<'a>, StepError>>,
        held: &mut Vec<Made<'a>>,
        summary: &mut Summary,
    ) -> Result<(), StepError> {
        let both = self.plan.source.eyes.len() > 1;
        let layout = match self.plan.output.join {
            Join::TopBottom => Some(StereoLayout::TopBottom),
            Join::LeftRight => Some(StereoLayout::LeftRight),
            Join::Separate => None,
        };
        for (index, made) in pictures.enumerate() {
            let made = made?;
            match layout.filter(|_| both) {
                None => self.write(&made, if both { Some(eye) } else { None }, summary)?,
                Some(_) if eye == Eye::Left => held.push(made),
                Some(layout) => {
                    let picture = pixels::join([&held[index].picture, &made.picture], layout)?;
                    // GPano has no words for two eyes.
                    self.write(&Made { picture, xmp: None, ..made }, None, summary)?;
                }
            }
        }
        Ok(())
    }

    fn write(
        &self,
        made: &Made<'_>,
        eye: Option<Eye>,
        summary: &mut Summary,
    ) -> Result<(), StepError> {
        let output = &self.plan.output;
        let size = made.picture.size();
        let rgb = pixels::interleaved(&made.picture, Rect::whole(size))?;
        let icc = self.context.icc.map(<[u8]>::to_vec);
        let embedded = Embedded { icc, xmp: made.xmp.clone(), exif: None };
        let body = Encoder::new(output.format, output.quality, embedded)?.encode(&rgb, size)?;
        let name = format!("{}.{}", made.plan.name, output.format.extension());
        let path = match eye {
            Some(eye) => {
                self.output.create_folder(eye.as_str())?;
                format!("{}/{name}", eye.as_str())
            }
            None => name,
        };
        self.output.write(&path, &body, output.format.content_type())?;
        self.output.advance(size.area_px(), "render")?;
        // Whoever knows nothing of stereo shows the left eye.
        let suffix = if eye == Some(Eye::Right) { "_right" } else { "" };
        summary.entry(&format!("{}{suffix}", made.plan.name), path);
        Ok(())
    }
}

fn make<'p>(
    plan: &RenderPlan,
    picture: &'p PicturePlan,
    panorama: &Panorama<u8>,
    context: &Context<'_>,
) -> Result<Made<'p>, StepError> {
    let level = geometry::orientation(plan.tilt.unwrap_or_default())?.inverse();
    let turn = level.compose(geometry::orientation(plan.turn)?);
    let aim = match picture.aim {
        Aim::Fixed(angles) => geometry::orientation(angles)?,
        Aim::MostDetail { pitch_deg } => aim::most_detail(panorama, turn, picture, pitch_deg)?,
    };
    let turn = turn.compose(aim);
    let size = Size::new(picture.width_px, picture.height_px).ok_or(StepError::EmptySize)?;
    let whole = geometry::projection(&picture.projection, size)?;
    let projection =
        if picture.cut { extent::cut(panorama.geometry(), turn, &whole) } else { whole };
    let view = View::new(projection, turn);
    let shown = if is_copy(panorama.geometry(), &view) {
        pixels::flatten(panorama.picture().clone(), plan.output.background.0)?
    } else {
        pixels::view(panorama, &view, plan.output.background.0)?
    };
    let xmp = sphere::metadata(&view, turn, plan.tilt, context.gpano);
    Ok(Made { plan: picture, picture: shown, xmp: xmp.as_ref().and_then(gpano::write) })
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
