//! `pano.tiles`: a panorama to a pyramid of cube-face tiles, with manifests for two viewers.
//!
//! Memory besides the source: the bordered copy of one eye (which replaces the source where this output
//! is the last to need it), one face and its parents (4 · face² bytes), and for each thread a tile and its
//! file.

use std::borrow::Cow;
use std::num::NonZeroU32;

use panofleet_job_schema::operation::{Eye, EyePlan, TilesPlan};
use panofleet_media::{Embedded, Encoder, pixels};
use panofleet_projection::{Face, Level, Pyramid};
use panofleet_raster::{Edges, Panorama, Picture, Rect, Size};
use rayon::prelude::*;

use super::{Summary, thumbnail};
use crate::error::StepError;
use crate::output::Output;

mod geometry;
mod manifests;

use geometry::Sphere;
use manifests::Viewers;

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

/// Writes tiles and manifests of every eye of the plan.
///
/// # Errors
/// What the file system or the pipe says; a plan that does not fit the picture.
pub(crate) fn run(
    plan: &TilesPlan,
    source: Cow<'_, Picture<u8>>,
    context: &Context<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    summary.warnings.extend(context.gpano.and_then(geometry::pose_warning));
    summary.warnings.extend(sphere(plan)?.bound_warning());
    let (last, others) = plan.eyes.split_last().ok_or(StepError::EmptySize)?;
    for eye in others {
        let picture = part(Cow::Borrowed(source.as_ref()), eye)?;
        write_eye(plan, eye.eye, picture, context, output)?.add_to(&mut summary);
    }
    let picture = part(source, last)?;
    write_eye(plan, last.eye, picture, context, output)?.add_to(&mut summary);
    Ok(summary)
}

/// One eye's picture: the source itself if that is all of it.
fn part(source: Cow<'_, Picture<u8>>, eye: &EyePlan) -> Result<Picture<u8>, StepError> {
    let rect = thumbnail::rect(eye.crop)?;
    if rect == Rect::whole(source.size()) {
        return Ok(source.into_owned());
    }
    Ok(pixels::part(&source, rect)?)
}

/// Where a viewer finds an eye.
struct EntryPoints {
    suffix: &'static str,
    pannellum: String,
    psv: String,
}

impl EntryPoints {
    fn add_to(self, summary: &mut Summary) {
        summary.entry(&format!("pannellum{}", self.suffix), self.pannellum);
        summary.entry(&format!("psv{}", self.suffix), self.psv);
    }
}

fn write_eye(
    plan: &TilesPlan,
    eye: Eye,
    picture: Picture<u8>,
    context: &Context<'_>,
    output: &Output<'_>,
) -> Result<EntryPoints, StepError> {
    let sphere = Sphere::new(plan.window, picture.size())?;
    let panorama = pixels::panorama(sphere.fit(picture)?, sphere.geometry()?)?;
    let folder = Folder::create(output, plan, eye)?;
    let step = Step { plan, pyramid: sphere.pyramid(), panorama, icc: context.icc, folder };
    step.write_faces()?;
    step.folder.write_manifests(&Viewers { plan, sphere: &sphere, gpano: context.gpano })
}

/// Pixels that it goes over: the faces of every level, for each eye.
pub(crate) fn work_px(plan: &TilesPlan) -> u64 {
    let Some(face_px) = face_px(plan) else { return 0 };
    // Six faces, and a third more for their parents.
    plan.eyes.len() as u64 * 8 * u64::from(face_px.get()).pow(2)
}

/// Pixels held besides the source: an eye with its border, a face and its parents.
pub(crate) fn memory_px(plan: &TilesPlan) -> u64 {
    let eye_px = |eye: &EyePlan| u64::from(eye.crop.width_px) * u64::from(eye.crop.height_px);
    let faces_px = face_px(plan).map_or(0, |face_px| u64::from(face_px.get()).pow(2) * 3 / 2);
    plan.eyes.iter().map(eye_px).max().unwrap_or(0) + faces_px
}

fn face_px(plan: &TilesPlan) -> Option<NonZeroU32> {
    Some(sphere(plan).ok()?.pyramid().face_px())
}

/// The sphere of each eye: they all have the same size.
fn sphere(plan: &TilesPlan) -> Result<Sphere, StepError> {
    let crop = plan.eyes.first().ok_or(StepError::EmptySize)?.crop;
    Sphere::new(plan.window, thumbnail::rect(crop)?.size)
}

/// Where one eye's files go.
struct Folder<'a> {
    output: &'a Output<'a>,
    plan: &'a TilesPlan,
    /// Empty, or `left/` or `right/` where both are written.
    prefix: &'static str,
}

impl<'a> Folder<'a> {
    fn create(output: &'a Output<'a>, plan: &'a TilesPlan, eye: Eye) -> Result<Self, StepError> {
        let prefix = match (plan.eyes.len(), eye) {
            (1, _) => "",
            (_, Eye::Left) => "left/",
            (_, Eye::Right) => "right/",
        };
        let folder = Self { output, plan, prefix };
        output.create_folder(&format!("{prefix}fallback"))?;
        Ok(folder)
    }

    fn write_picture(&self, path: &str, body: &[u8]) -> Result<(), StepError> {
        let path = format!("{}{path}.{}", self.prefix, self.plan.format.extension());
        self.output.write(&path, body, self.plan.format.content_type())
    }

    fn write_manifests(&self, viewers: &Viewers<'_>) -> Result<EntryPoints, StepError> {
        let pannellum = format!("{}config.json", self.prefix);
        self.output.write_json(&pannellum, &viewers.pannellum())?;
        let psv = format!("{}psv.json", self.prefix);
        self.output.write_json(&psv, &viewers.photo_sphere_viewer())?;
        // A viewer that knows nothing of stereo shows the left eye.
        let suffix = if self.prefix == "right/" { "_right" } else { "" };
        Ok(EntryPoints { suffix, pannellum, psv })
    }
}

/// One eye at work.
struct Step<'a> {
    plan: &'a TilesPlan,
    pyramid: Pyramid,
    panorama: Panorama<u8>,
    icc: Option<&'a [u8]>,
    folder: Folder<'a>,
}

impl Step<'_> {
    fn write_faces(&self) -> Result<(), StepError> {
        for level in self.pyramid.levels() {
            self.folder.output.create_folder(&format!("{}{}", self.folder.prefix, level.number))?;
        }
        Face::ALL.into_iter().try_for_each(|face| self.write_face(face))
    }

    /// A face from the largest level down, each level half of the one before.
    fn write_face(&self, face: Face) -> Result<(), StepError> {
        let mut picture = pixels::cube_face(
            &self.panorama,
            face,
            self.pyramid.face_px(),
            self.plan.background.0,
        )?;
        let mut fallback_px = None;
        for level in self.pyramid.levels().rev() {
            if picture.size() != Size::square(level.face_px) {
                picture = pixels::halve(&picture);
            }
            self.write_level(face, level, &picture)?;
            let last = level.number == 1;
            if fallback_px.is_none() && (level.face_px.get() <= FALLBACK_PX_MAX || last) {
                self.write_fallback(face, &picture)?;
                fallback_px = Some(level.face_px);
            }
        }
        Ok(())
    }

    fn write_level(
        &self,
        face: Face,
        level: Level,
        picture: &Picture<u8>,
    ) -> Result<(), StepError> {
        let side = level.tiles_per_side;
        let tile_px = self.pyramid.tile_px();
        let letter = face.letter();
        (0..side * side).into_par_iter().try_for_each_init(
            || None,
            |encoder, index| {
                let (row, column) = (index / side, index % side);
                let rect = Rect {
                    left_px: column * tile_px.get(),
                    top_px: row * tile_px.get(),
                    size: Size::square(tile_px),
                };
                let path = format!("{}/{letter}{row}_{column}", level.number);
                self.write_picture(encoder, &path, picture, rect)
            },
        )
    }

    fn write_fallback(&self, face: Face, picture: &Picture<u8>) -> Result<(), StepError> {
        let path = format!("fallback/{}", face.letter());
        let limit = NonZeroU32::new(FALLBACK_PX_MAX).map(Size::square);
        let small = match limit.filter(|limit| limit.width_px() < picture.size().width_px()) {
            Some(limit) => Cow::Owned(pixels::scale(picture, limit, Edges::Clamp)?),
            None => Cow::Borrowed(picture),
        };
        let whole = Rect::whole(small.size());
        self.write_picture(&mut None, &path, &small, whole)
    }

    /// Encodes and writes a part of a picture; a thread makes its encoder with its first.
    fn write_picture(
        &self,
        encoder: &mut Option<Encoder>,
        path: &str,
        picture: &Picture<u8>,
        rect: Rect,
    ) -> Result<(), StepError> {
        let encoder = match encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(
                self.plan.format,
                self.plan.quality,
                Embedded { icc: self.icc.map(<[u8]>::to_vec), ..Embedded::default() },
            )?),
        };
        let rgb = pixels::interleaved(picture, rect)?;
        let body = encoder.encode(&rgb, rect.size)?;
        self.folder.write_picture(path, &body)?;
        self.folder.output.advance(rect.size.area_px(), "tiles")
    }
}
