//! Pictures beside cube tiles: the preview strip, and one equirectangular picture for phones.

use std::num::NonZeroU32;

use panofleet_job_schema::PictureFormat;
use panofleet_job_schema::media_info::GPano;
use panofleet_media::{Embedded, Encoder, StoredFrame, gpano, pixels, shrink};
use panofleet_projection::Face;
use panofleet_raster::{Picture, Rect, Size};

use super::Step;
use super::faces::Faces;
use super::manifests::preview_px;
use crate::error::StepError;

/// The order in which viewers look for the faces of a strip.
const STRIP: [Face; 6] = [Face::Back, Face::Down, Face::Front, Face::Left, Face::Right, Face::Up];

/// The picture for phones.
const PHONE: &str = "phone.jpg";

impl Step<'_> {
    /// Six small faces in a column: the smallest level, smaller.
    pub(super) fn write_preview(&self, faces: &Faces) -> Result<(), StepError> {
        let side_px = NonZeroU32::new(preview_px(&self.sphere.pyramid()));
        let small = faces.scaled(side_px.ok_or(StepError::EmptySize)?)?;
        let body = small.encode_column(self.encoder(&mut None)?, STRIP)?;
        self.folder.write_picture("preview", &body)
    }

    /// The picture for phones, if one is wanted.
    pub(super) fn write_phone(&self, picture: &Picture<u8>) -> Result<(), StepError> {
        let Some(size) = self.phone_size(picture.size()) else { return Ok(()) };
        let small = shrink(picture.clone(), size, self.sphere.edges())?;
        let small = pixels::flatten(small, self.plan.background.0)?;
        let rgb = pixels::interleaved(&small, Rect::whole(size))?;
        let body = self.phone_encoder(size)?.encode(&rgb, size)?;
        self.write_phone_file(&body)
    }

    /// The same of what a JPEG stores.
    pub(super) fn write_phone_stored(
        &self,
        frame: &StoredFrame,
        rect: Rect,
    ) -> Result<(), StepError> {
        let Some(size) = self.phone_size(rect.size) else { return Ok(()) };
        let planes = frame.resized(rect, size, self.sphere.edges())?;
        let body = self.phone_encoder(size)?.encode_stored(planes.each_ref(), Rect::whole(size))?;
        self.write_phone_file(&body)
    }

    fn write_phone_file(&self, body: &[u8]) -> Result<(), StepError> {
        let path = format!("{}{PHONE}", self.folder.files.prefix);
        self.folder.output.write(&path, body, PictureFormat::Jpeg.content_type())
    }

    /// No wider than wanted, and no finer than the source; even sides.
    fn phone_size(&self, source: Size) -> Option<Size> {
        let even = |px: f64| ((px / 2.0).round() as u32).max(1) * 2;
        let (width_px, height_px) = (f64::from(source.width_px()), f64::from(source.height_px()));
        let wanted_px = self.plan.phone_px.min(source.width_px());
        let scale = f64::from(wanted_px) / width_px;
        Size::new(even(width_px * scale), even(height_px * scale))
            .filter(|_| self.plan.phone_px > 0)
    }

    /// It carries what viewers need to know of its place on the sphere.
    fn phone_encoder(&self, size: Size) -> Result<Encoder, StepError> {
        let window = self.sphere.window();
        let source = self.sphere.size();
        let across = f64::from(size.width_px()) / f64::from(source.width_px());
        let down = f64::from(size.height_px()) / f64::from(source.height_px());
        let whole = |px: f64| px.round() as u32;
        let (full_width_px, full_height_px) = (
            whole(window.full_width_px * across).max(size.width_px()),
            whole(window.full_height_px * down).max(size.height_px()),
        );
        let about = GPano {
            projection: Some("equirectangular".to_owned()),
            use_panorama_viewer: Some(true),
            full_width_px: Some(full_width_px),
            full_height_px: Some(full_height_px),
            cropped_width_px: Some(size.width_px()),
            cropped_height_px: Some(size.height_px()),
            cropped_left_px: Some(
                whole(window.left_px * across).min(full_width_px - size.width_px()),
            ),
            cropped_top_px: Some(
                whole(window.top_px * down).min(full_height_px - size.height_px()),
            ),
            ..GPano::default()
        };
        let embedded =
            Embedded { icc: self.icc.map(<[u8]>::to_vec), xmp: gpano::write(&about), exif: None };
        Ok(Encoder::new(PictureFormat::Jpeg, self.plan.quality, embedded)?)
    }
}
