//! `pano.tiles`: a panorama to a pyramid of tiles, with manifests for viewers.
//!
//! A JPEG that becomes JPEG stays what it is, luma and chroma of half the size ([`Pixels::Stored`]); everything
//! else goes through RGB. Memory besides the source: one eye (which replaces the source where this output is
//! the last to need it), six faces and the next level (7.5 · face² pixels), and for each thread a tile's file.

use std::borrow::Cow;
use std::num::NonZeroU32;

use panofleet_job_schema::operation::{
    EyePlan, PictureProjection, TileFormat, TileLayout, TilesPlan,
};
use panofleet_job_schema::quality::PanoQuality;
use panofleet_media::{Embedded, Encoder, StoredFrame, measure, pixels};
use panofleet_projection::{Face, Level};
use panofleet_raster::{Picture, PlaneView, Rect, Size};
use rayon::prelude::*;

use super::{Summary, thumbnail};
use crate::error::StepError;
use crate::output::Output;

mod extras;
mod faces;
mod flat;
mod folder;
mod geometry;
mod iiif;
mod manifests;
mod missing;
mod previews;
mod quality;

use faces::Faces;
use folder::Folder;
use geometry::Sphere;
use manifests::Viewers;
use previews::Previews;

/// Longest side of a fallback face, which viewers without WebGL show.
const FALLBACK_PX_MAX: u32 = 1024;

/// What the job knows besides the plan.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The profile to embed in every tile.
    pub(crate) icc: Option<&'a [u8]>,
    /// Where a viewer should start to look, and how the camera stood.
    pub(crate) gpano: Option<&'a panofleet_job_schema::media_info::GPano>,
}

/// The pixels of a source.
#[derive(Debug)]
pub(crate) enum Pixels<'a> {
    /// As RGB, with alpha if there is any; given up where this output is the last to need it.
    Rgb(Cow<'a, Picture<u8>>),
    /// As a JPEG stores them, for tiles that are JPEG.
    Stored(&'a StoredFrame),
}

/// Whether tiles can be made of what a JPEG stores: they are JPEG, of a cube, and as large as the source
/// deserves.
pub(crate) fn takes_stored(plan: &TilesPlan) -> bool {
    plan.format == TileFormat::Jpeg
        && plan.layout == TileLayout::Cube
        && plan.cubemap.is_none()
        && sphere(plan).is_ok_and(|sphere| !sphere.is_bounded())
}

/// Writes tiles and manifests of every eye of the plan.
///
/// # Errors
/// What the file system or the pipe says; a plan that does not fit the picture.
pub(crate) fn run(
    plan: &TilesPlan,
    source: Pixels<'_>,
    context: &Context<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    summary.warnings.extend(context.gpano.and_then(geometry::pose_warning));
    summary.warnings.extend(sphere(plan)?.bound_warning());
    let (last, others) = plan.eyes.split_last().ok_or(StepError::EmptySize)?;
    for eye in others {
        let source = match &source {
            Pixels::Rgb(picture) => Pixels::Rgb(Cow::Borrowed(picture.as_ref())),
            Pixels::Stored(frame) => Pixels::Stored(frame),
        };
        write_eye(plan, eye, source, context, output)?.add_to(&mut summary);
    }
    write_eye(plan, last, source, context, output)?.add_to(&mut summary);
    Ok(summary)
}

/// One eye's picture: the source itself if that is all of it.
fn part(source: Cow<'_, Picture<u8>>, rect: Rect) -> Result<Picture<u8>, StepError> {
    if rect == Rect::whole(source.size()) {
        return Ok(source.into_owned());
    }
    Ok(pixels::part(&source, rect)?)
}

/// What became of an eye.
struct Made {
    suffix: &'static str,
    /// Files by purpose.
    entries: Vec<(&'static str, String)>,
    quality: Option<PanoQuality>,
}

impl Made {
    fn add_to(self, summary: &mut Summary) {
        for (purpose, path) in self.entries {
            summary.entry(&format!("{purpose}{}", self.suffix), path);
        }
        summary.quality.extend(self.quality);
    }
}

fn write_eye(
    plan: &TilesPlan,
    eye: &EyePlan,
    source: Pixels<'_>,
    context: &Context<'_>,
    output: &Output<'_>,
) -> Result<Made, StepError> {
    let rect = thumbnail::rect(eye.crop)?;
    let sphere = sphere(plan)?;
    let geometry = sphere.geometry()?;
    let folder = Folder::of(output, plan, eye.eye)?;
    let step = Step { plan, sphere, icc: context.icc, folder };
    let (face_px, background) = (sphere.pyramid().face_px(), plan.background.0);
    let viewers = Viewers { plan, sphere: &sphere, gpano: context.gpano };
    let Levels { mut quality, previews } = match source {
        Pixels::Rgb(picture) if plan.layout == TileLayout::Equirectangular => {
            return step.write_sphere_tiles(flat::opaque(picture, rect, background)?, &viewers);
        }
        Pixels::Rgb(picture) if plan.layout == TileLayout::Dzi => {
            return step.write_deep_zoom(flat::opaque(picture, rect, background)?);
        }
        Pixels::Rgb(picture) if plan.layout == TileLayout::Iiif => {
            return step.write_iiif(flat::opaque(picture, rect, background)?, &plan.base_url);
        }
        Pixels::Rgb(picture) if plan.cubemap.is_some() => {
            let picture = flat::opaque(picture, rect, background)?;
            step.write_levels(cubemap_faces(plan, picture, face_px)?, None)?
        }
        Pixels::Stored(frame) => {
            step.write_phone_stored(frame, rect)?;
            let frame = frame.part(rect)?;
            let faces = Faces::of_frame(&frame, geometry.into(), face_px, background)?;
            step.write_levels(faces, Some(frame.planes[0]))?
        }
        Pixels::Rgb(picture) => {
            let picture = part(picture, rect)?;
            step.write_phone(&picture)?;
            let panorama = pixels::panorama(sphere.fit(picture)?, geometry)?;
            let faces = Faces::of_panorama(&panorama, face_px, background)?;
            let picture = panorama.picture();
            // What is transparent shows the background, which the source does not.
            let green = picture.planes().get(1).filter(|_| picture.alpha().is_none());
            step.write_levels(faces, green.map(Into::into))?
        }
    };
    if let Some(quality) = quality.as_mut().filter(|_| plan.eyes.len() > 1) {
        quality.eye = Some(eye.eye);
    }
    Ok(Made {
        suffix: step.folder.files.suffix,
        entries: step.folder.write_manifests(&viewers, previews)?,
        quality,
    })
}

/// The faces that a cube map holds, as large as the pyramid's.
fn cubemap_faces(
    plan: &TilesPlan,
    picture: Picture<u8>,
    face_px: NonZeroU32,
) -> Result<Faces, StepError> {
    let Some(cubemap @ PictureProjection::Cubemap { grid, padding_px }) = plan.cubemap else {
        return Err(StepError::EmptySize);
    };
    let cell_px = picture.size().width_px() / grid.cells().0;
    let own_px = NonZeroU32::new(cell_px.saturating_sub(2 * padding_px));
    let projection = super::geometry::projection(&cubemap, picture.size())?;
    Ok(Faces::of_cubemap(picture, projection, own_px.ok_or(StepError::EmptySize)?, face_px)?)
}

/// Pixels that it goes over: the faces of every level, for each eye.
pub(crate) fn work_px(plan: &TilesPlan) -> u64 {
    let Some(face_px) = face_px(plan) else { return 0 };
    // Six faces, and a third more for their parents.
    plan.eyes.len() as u64 * 8 * u64::from(face_px.get()).pow(2)
}

/// Pixels held besides the source: an eye, six faces and their parents.
pub(crate) fn memory_px(plan: &TilesPlan) -> u64 {
    let eye_px = |eye: &EyePlan| u64::from(eye.crop.width_px) * u64::from(eye.crop.height_px);
    let faces_px = face_px(plan).map_or(0, |face_px| u64::from(face_px.get()).pow(2) * 15 / 2);
    plan.eyes.iter().map(eye_px).max().unwrap_or(0) + faces_px
}

fn face_px(plan: &TilesPlan) -> Option<NonZeroU32> {
    Some(sphere(plan).ok()?.pyramid().face_px())
}

/// The sphere of each eye: they all have the same size.
fn sphere(plan: &TilesPlan) -> Result<Sphere, StepError> {
    let crop = plan.eyes.first().ok_or(StepError::EmptySize)?.crop;
    let window = plan.window;
    let size = match plan.cubemap {
        None => thumbnail::rect(crop)?.size,
        Some(_) => Size::new(window.full_width_px as u32, window.full_height_px as u32)
            .ok_or(StepError::EmptySize)?,
    };
    Sphere::new(window, size)
}

/// What is known of the levels when they are written.
struct Levels {
    quality: Option<PanoQuality>,
    /// Of a whole sphere.
    previews: Option<Previews>,
}

/// One eye at work.
struct Step<'a> {
    plan: &'a TilesPlan,
    sphere: Sphere,
    icc: Option<&'a [u8]>,
    folder: Folder<'a>,
}

impl Step<'_> {
    /// Every level from the largest down, each half of the one before, and what they are worth beside the plane
    /// that they were made of.
    fn write_levels(
        &self,
        mut faces: Faces,
        source: Option<PlaneView<'_, u8>>,
    ) -> Result<Levels, StepError> {
        let geometry = self.sphere.geometry()?;
        let source = source.filter(|_| self.plan.quality_report).map(|plane| (plane, &geometry));
        let quality = source.map(|(plane, of)| quality::of_faces(&faces, plane, of)).transpose()?;
        let mut seam_scores = Vec::new();
        let (mut has_fallback, mut previews) = (false, None);
        for level in self.sphere.pyramid().levels().rev() {
            if faces.face_px() != level.face_px.get() {
                faces = faces.halved()?;
            }
            self.write_level(level, &faces)?;
            if !has_fallback && (level.face_px.get() <= FALLBACK_PX_MAX || level.number == 1) {
                self.write_fallback(&faces)?;
                has_fallback = true;
            }
            if level.number == 1 {
                self.write_preview(&faces)?;
                if self.sphere.is_partial() == (false, false) {
                    previews = Some(Previews::of(&faces)?);
                }
            }
            if let Some(source) = source {
                seam_scores.insert(0, measure::seam_score(&faces.measured(), source)?);
            }
        }
        let quality = quality.map(|quality| PanoQuality { seam_scores, ..quality });
        Ok(Levels { quality, previews })
    }

    fn write_level(&self, level: Level, faces: &Faces) -> Result<(), StepError> {
        let number = level.number;
        self.folder.create(&number.to_string())?;
        let side = level.tiles_per_side;
        let tile_px = self.sphere.pyramid().tile_px();
        let tiles = Face::ALL
            .into_iter()
            .flat_map(|face| (0..side * side).map(move |index| (face, index / side, index % side)));
        let tiles: Vec<_> = tiles.collect();
        tiles.into_par_iter().try_for_each_init(
            || None,
            |encoder, (face, row, column)| {
                let rect = Rect {
                    left_px: column * tile_px.get(),
                    top_px: row * tile_px.get(),
                    size: Size::square(tile_px),
                };
                let path = format!("{number}/{}{row}_{column}", face.letter());
                self.write_part(encoder, &path, (faces, face), rect)
            },
        )
    }

    fn write_fallback(&self, faces: &Faces) -> Result<(), StepError> {
        self.folder.create("fallback")?;
        let limit = NonZeroU32::new(FALLBACK_PX_MAX).filter(|limit| limit.get() < faces.face_px());
        let small = limit.map(|limit| faces.scaled(limit)).transpose()?;
        let faces = small.as_ref().unwrap_or(faces);
        let side_px = NonZeroU32::new(faces.face_px()).ok_or(StepError::EmptySize)?;
        let whole = Rect::whole(Size::square(side_px));
        Face::ALL.into_par_iter().try_for_each_init(
            || None,
            |encoder, face| {
                let path = format!("fallback/{}", face.letter());
                self.write_part(encoder, &path, (faces, face), whole)
            },
        )
    }

    /// Encodes and writes a part of a face; a thread makes its encoder with its first.
    fn write_part(
        &self,
        encoder: &mut Option<Encoder>,
        path: &str,
        (faces, face): (&Faces, Face),
        rect: Rect,
    ) -> Result<(), StepError> {
        let body = faces.encode(self.encoder(encoder)?, face, rect)?;
        self.folder.write_picture(path, &body)?;
        self.folder.output.advance(rect.size.area_px(), "tiles")
    }

    /// The encoder of a thread.
    fn encoder<'e>(&self, encoder: &'e mut Option<Encoder>) -> Result<&'e mut Encoder, StepError> {
        Ok(match encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(
                self.plan.format,
                self.plan.quality,
                Embedded { icc: self.icc.map(<[u8]>::to_vec), ..Embedded::default() },
            )?),
        })
    }
}
