//! What two lenses saw, joined to one panorama.
//!
//! Memory besides the source: the halves, the panorama three times (each lens's, and what is encoded), and the strip in
//! which the lenses are compared.

use panofleet_job_schema::operation::{
    Angles, Blend, DarkLens, Eye, EyePlan, LensCurve, LensPlan, PixelRect, StitchPlan,
};
use panofleet_media::pixels;
use panofleet_projection::{
    Calibration, Distortion, Equirectangular, Lens, Orientation, Pixel, Size, View,
};
use panofleet_raster::{LensPicture, Picture, Stitched, Stitching, one_lens, stitch};

use super::pictures::{Made, Origin, Pictures};
use super::render::sphere;
use super::{Summary, geometry, thumbnail};
use crate::error::StepError;
use crate::output::Output;

/// The strip in which lenses are compared: so many samples of 4 bytes, at most, in a dozen fields.
const STRIP_PX: u64 = 4096 * 460 * 12 * 4 / 3;

/// The lenses, as people call them.
const NAMES: [&str; 2] = ["the lens that looks forward", "the lens that looks back"];

/// Writes the panorama.
///
/// # Errors
/// A lens that saw nothing, or that cannot be; a size that the format cannot hold; what the file system or the pipe says.
pub(crate) fn run(
    plan: &StitchPlan,
    source: &Picture<u8>,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    let size = Size::new(plan.width_px, plan.width_px / 2).ok_or(StepError::EmptySize)?;
    let background = plan.output.background.0;
    let [first, second] = [0, 1].map(|index| lens(&plan.lenses[index], index, source, background));
    let lenses = [first?, second?];
    let dark = [lenses[0].is_dark(), lenses[1].is_dark()];
    output.advance(source.size().area_px(), "stitch")?;
    let [r, g, b] = background;
    let how = Stitching {
        size,
        align: plan.align,
        match_exposure: plan.match_exposure,
        blend: plan.blend == Blend::Multiband,
        background: [r, g, b, 0],
    };
    let picture = match dark {
        [false, false] => {
            let stitched = stitch(lenses, &how)?;
            summary.warnings.extend(said_of(plan, &stitched));
            stitched.picture
        }
        _ => {
            let names: Vec<&str> = NAMES
                .into_iter()
                .zip(dark)
                .filter(|(_, dark)| *dark)
                .map(|(name, _)| name)
                .collect();
            if plan.dark_lens == DarkLens::Refuse || dark == [true; 2] {
                return Err(StepError::DarkLens { names: names.join(" and ") });
            }
            summary.warnings.push(format!(
                "{} saw nothing: its part of the panorama is background",
                names.join(" and ")
            ));
            let [first, second] = lenses;
            one_lens(if dark[0] { second } else { first }, &how)?
        }
    };
    output.advance(plan.pixels(), "stitch")?;
    let view = View::new(Equirectangular::full(size), Orientation::IDENTITY);
    let gpano = sphere::metadata(&view, Orientation::IDENTITY, None, origin.gpano);
    let (width_px, height_px) = (size.width_px(), size.height_px());
    let eye =
        EyePlan { eye: Eye::Left, crop: PixelRect { left_px: 0, top_px: 0, width_px, height_px } };
    let mut pictures = Pictures::new(&plan.output, std::slice::from_ref(&eye), origin, output);
    pictures.take(Eye::Left, 0, Made { name: "panorama".to_owned(), picture, gpano })?;
    pictures.add_to(&mut summary);
    Ok(summary)
}

/// Pixels that it goes over: the source, what is made, and what is written.
pub(crate) const fn work_px(plan: &StitchPlan) -> u64 {
    let [first, second] = &plan.lenses;
    2 * plan.pixels() + area_px(&first.part) + area_px(&second.part)
}

/// Pixels held besides the source.
pub(crate) const fn memory_px(plan: &StitchPlan) -> u64 {
    let [first, second] = &plan.lenses;
    3 * plan.pixels() + area_px(&first.part) + area_px(&second.part) + STRIP_PX
}

const fn area_px(part: &PixelRect) -> u64 {
    part.width_px as u64 * part.height_px as u64
}

/// A lens of the plan, and what it saw.
fn lens(
    plan: &LensPlan,
    index: usize,
    source: &Picture<u8>,
    background: [u8; 3],
) -> Result<LensPicture, StepError> {
    let picture = pixels::flatten(pixels::part(source, thumbnail::rect(plan.part)?)?, background)?;
    let calibration = Calibration {
        curve: match plan.curve {
            LensCurve::Named { lens } => geometry::curve(lens),
            LensCurve::UnifiedSphere { offset } => {
                panofleet_projection::LensCurve::UnifiedSphere { offset }
            }
        },
        focal_px: plan.focal_px,
        centre: Pixel::new(plan.center_px[0], plan.center_px[1]),
        distortion: Distortion { radial: plan.radial, tangential: plan.tangential },
        field_of_view_rad: plan.fov_deg.to_radians(),
    };
    let lens = Lens::calibrated(calibration)
        .map_err(|error| StepError::Lens { name: NAMES[index], error })?;
    let nominal =
        geometry::orientation(Angles::looking(if index == 0 { 0.0 } else { 180.0 }, 0.0))?;
    Ok(LensPicture {
        picture,
        lens,
        orientation: nominal.compose(geometry::orientation(plan.turn)?),
    })
}

/// What somebody may want to know of how they were joined.
fn said_of(plan: &StitchPlan, stitched: &Stitched) -> Option<String> {
    if stitched.overlap_rad == 0.0 {
        let said = "the lenses see nothing that both see: they were neither aligned nor blended";
        return Some(said.to_owned());
    }
    match stitched.alignment {
        None if plan.align => {
            let said = "the lenses could not be aligned: what both see shows too little, or they lie further from where \
                        they were said to than 3° or 4 %";
            Some(said.to_owned())
        }
        Some(found) => {
            let [yaw, pitch, roll] =
                [found.turn.yaw_rad(), found.turn.pitch_rad(), found.turn.roll_rad()]
                    .map(|angle| angle.to_degrees());
            Some(format!(
                "aligned: the lens that looks back was turned by {yaw:.2}° about the vertical, {pitch:.2}° up as one \
                 looks forward and {roll:.2}° about the axis; focal lengths were multiplied with {:.4}",
                found.scale
            ))
        }
        None => None,
    }
}
