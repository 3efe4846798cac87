//! A film that looks around in a panorama.
//!
//! Memory besides the source: an eye, unless it is all of the source; a frame, and those that the encoder looks ahead at.

use std::borrow::Cow;

use panofleet_job_schema::operation::{Angles, EyePlan, PictureProjection, SpinPlan};
use panofleet_media::MediaError;
use panofleet_media::pixels;
use panofleet_media::video::{Film, FilmSettings};
use panofleet_projection::{Orientation, Rectilinear, View};
use panofleet_raster::{Panorama, Picture, Size};

use super::pictures::{EyeFiles, eye_part, eye_px};
use super::{Summary, faces, geometry};
use crate::error::StepError;
use crate::output::Output;

/// Frames that the encoder looks ahead at, and that it refers to.
const ENCODER_FRAMES: u64 = 64;

/// Writes the film of every eye.
///
/// # Errors
/// What the encoder, the file system or the pipe says.
pub(crate) fn run(
    plan: &SpinPlan,
    source: &Picture<u8>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary { warnings: plan.source.assumptions.clone(), ..Summary::default() };
    let both = plan.source.eyes.len() > 1;
    for eye in &plan.source.eyes {
        let EyeFiles { prefix, suffix } = EyeFiles::of(eye.eye, both);
        output.create_folder(prefix)?;
        let path = format!("{prefix}spin.mp4");
        let panorama = panorama(plan, eye, source)?;
        output.advance(eye_px(eye), "spin")?;
        film(plan, &panorama, &path, output)?;
        summary.entry(&format!("spin{suffix}"), path);
    }
    Ok(summary)
}

/// An eye, ready to be looked at.
fn panorama(
    plan: &SpinPlan,
    eye: &EyePlan,
    source: &Picture<u8>,
) -> Result<Panorama<u8>, StepError> {
    let picture = eye_part(Cow::Borrowed(source), eye)?;
    let (picture, projection) = faces::bordered(picture, &plan.source.projection)?;
    Ok(pixels::panorama(picture, View::new(projection, Orientation::IDENTITY))?)
}

fn film(
    plan: &SpinPlan,
    panorama: &Panorama<u8>,
    path: &str,
    output: &Output<'_>,
) -> Result<(), StepError> {
    let size = Size::new(plan.width_px, plan.height_px).ok_or(StepError::EmptySize)?;
    let threads = rayon::current_num_threads();
    let settings = FilmSettings { size, frame_rate: plan.frame_rate, crf: plan.crf, threads };
    let failed = |error: MediaError| match error {
        MediaError::Write(error) => StepError::Write { path: path.to_owned(), error },
        other => other.into(),
    };
    let mut film = Film::new(output.create_file(path)?, settings);
    let level = geometry::orientation(plan.tilt.unwrap_or_default())?.inverse();
    for frame in 0..plan.frames {
        let yaw_deg = plan.start.yaw_deg + plan.turned_deg(frame);
        let aim = geometry::orientation(Angles { yaw_deg, ..plan.start })?;
        let lens = Rectilinear::new(size, plan.hfov_deg.to_radians())?;
        let view = View::new(lens, level.compose(aim));
        let shown = pixels::view(panorama, &view, plan.background.0)?;
        film.add(&shown).map_err(failed)?;
        output.advance(2 * size.area_px(), "spin")?;
    }
    film.finish().map_err(failed)?;
    output.report_file(path, "video/mp4")
}

/// Pixels that it goes over: the eyes, and each frame when it is made and when it is encoded.
pub(crate) fn work_px(plan: &SpinPlan) -> u64 {
    plan.source.eyes.iter().map(|eye| eye_px(eye) + 2 * plan.pixels()).sum()
}

/// Pixels held besides the source.
pub(crate) fn memory_px(plan: &SpinPlan) -> u64 {
    let eye = plan.source.eyes.iter().map(eye_px).max().unwrap_or(0);
    // Faces may get borders, at most half as wide as they are.
    let faces = match plan.source.projection {
        PictureProjection::Cubemap { .. } | PictureProjection::Eac { .. } => 9 * eye / 4,
        _ => 0,
    };
    let frame = u64::from(plan.width_px) * u64::from(plan.height_px);
    eye + faces + (3 + ENCODER_FRAMES) * frame
}
