//! A video of the sphere to one MP4 in another projection.
//!
//! Frames stay planes of 4:2:0 in 8 bits: each eye's part is cut out, gets borders around its faces if it has faces, and is
//! remapped with our own kernels, colour with its own siting. Matrix, range, transfer and primaries stay as they are.

use std::fmt;
use std::fs::File;
use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_job_schema::operation::TranscodePlan;
use panofleet_projection::View;
use panofleet_raster::{
    Description, Frame, FrameRemap, Geometry, Kernel, Plane, PlaneView, RasterError, Rect, Size,
    Subsampling,
};
use rayon::prelude::*;

use super::convert::{Converter, describe_as, make_square};
use super::frame::{Planes, VideoFrame};
use super::transcode::{Transcoded, transcode_as};
use crate::error::MediaError;
use crate::sniff::Container;

/// What puts borders around the faces of a plane, which is luma or not.
pub type FaceBorder = Box<dyn Fn(&Plane<u8>, bool) -> Result<Plane<u8>, RasterError> + Send + Sync>;

/// From frames of one projection to frames of another.
pub struct Reprojection {
    /// The size of the source's frames; others are scaled to it before.
    pub frame: Size,
    /// The part of it that each eye sees, even sides at even places: one, or the left and the right.
    pub eyes: Vec<Rect>,
    /// What each shows, with its borders.
    pub source: Geometry,
    /// What makes those borders, if there are any.
    pub borders: Option<FaceBorder>,
    /// What is made of each.
    pub view: View,
    /// Whether the right eye's lies beside the left one's, and not below it.
    pub beside: bool,
}

impl fmt::Debug for Reprojection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reprojection")
            .field("frame", &self.frame)
            .field("eyes", &self.eyes)
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// Makes the MP4 that a plan asks for in an empty file that is open for reading too, of frames in another projection.
/// `encoded` hears of each frame that went to the encoder.
///
/// # Errors
/// As [`transcode`](super::transcode()).
pub fn reproject<E: From<MediaError>>(
    source: &Path,
    (plan, reprojection): (&TranscodePlan, Reprojection),
    threads: usize,
    file: File,
    encoded: impl FnMut() -> Result<(), E>,
) -> Result<Transcoded, E> {
    let mut maker =
        Maker { converter: Converter::new(reprojection.frame), reprojection, remap: None };
    transcode_as(source, plan, |frame| maker.make(frame), (threads, file), encoded)
}

/// What makes one frame after the other.
struct Maker {
    reprojection: Reprojection,
    converter: Converter,
    /// Of frames that mean this.
    remap: Option<(Description, FrameRemap)>,
}

impl Maker {
    fn make(&mut self, frame: VideoFrame) -> Result<RawFrame, MediaError> {
        let raw = self.converter.convert(frame)?;
        let frame = VideoFrame::new(raw, Container::Mp4, None);
        let description = frame.description()?;
        let planes = match frame.planes()? {
            Planes::Eight(planes) if description.subsampling == Subsampling::Quarter => planes,
            _ => return Err(MediaError::VideoUnsupported("its frames are no 4:2:0".into())),
        };
        let made = self.remapped(description, &planes);
        let mut made = made.map_err(|error| MediaError::VideoUnsupported(error.to_string()))?;
        describe_as(&mut made, frame.raw(), &description);
        make_square(&mut made);
        Ok(made)
    }

    fn remapped(
        &mut self,
        description: Description,
        planes: &[Plane<u8>],
    ) -> Result<RawFrame, RasterError> {
        let Self { reprojection, remap, .. } = self;
        let Reprojection { eyes, source, borders, view, beside, .. } = &*reprojection;
        let size = view.size();
        let (_, remap) = match remap {
            Some(known) if known.0 == description => known,
            _ => {
                let (from, to) = ((*source, description), (size, description));
                let made = FrameRemap::new(from, to, Kernel::default(), |at| view.ray(at))?;
                remap.insert((description, made))
            }
        };
        let eyes_px = eyes.len() as u32;
        let (columns, rows) = if *beside { (eyes_px, 1) } else { (1, eyes_px) };
        let (width_px, height_px) = (size.width_px() * columns, size.height_px() * rows);
        let mut whole = RawFrame::new(Pixel::YUV420P, width_px, height_px);
        let mut targets = remap.blank::<u8>(planes.len())?;
        for (number, eye) in (0_u32..).zip(eyes) {
            let parts = planes.iter().enumerate().map(|(index, plane)| {
                let part = part(plane, eye, index > 0)?;
                match borders {
                    Some(borders) => borders(&part, index == 0),
                    None => Ok(part),
                }
            });
            let parts: Vec<Plane<u8>> = parts.collect::<Result<_, _>>()?;
            let views = parts
                .iter()
                .map(|plane| PlaneView::new(plane.size(), plane.width(), plane.samples()))
                .collect::<Result<_, _>>()?;
            let frame = Frame { size: source.size(), description, planes: views };
            remap.run(&frame, &mut targets)?;
            let (column, row) = if *beside { (number, 0) } else { (0, number) };
            let at = (column * size.width_px(), row * size.height_px());
            put(&mut whole, &targets, at);
        }
        Ok(whole)
    }
}

/// An eye's part of a plane; of colour, which has half of its sides, half as large.
fn part(plane: &Plane<u8>, eye: &Rect, is_chroma: bool) -> Result<Plane<u8>, RasterError> {
    let halved = |px: u32| (if is_chroma { px / 2 } else { px }) as usize;
    let (left, top) = (halved(eye.left_px), halved(eye.top_px));
    let (width, height) = (halved(eye.size.width_px()), halved(eye.size.height_px()));
    if (left, top) == (0, 0) && (width, height) == (plane.width(), plane.height()) {
        return Ok(plane.clone());
    }
    let mut samples = vec![0; width * height];
    samples.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        row.copy_from_slice(&plane.row(top + y)[left..left + width]);
    });
    let size = Size::new(width as u32, height as u32).ok_or(RasterError::UnequalPlanes)?;
    Plane::new(size, samples)
}

/// Puts planes of 4:2:0 into a frame of the same, at an even place.
fn put(whole: &mut RawFrame, planes: &[Plane<u8>], (left_px, top_px): (u32, u32)) {
    for (index, plane) in planes.iter().enumerate() {
        let halved = |px: u32| (if index > 0 { px / 2 } else { px }) as usize;
        let (left, top) = (halved(left_px), halved(top_px));
        let stride = whole.stride(index);
        let rows = whole.data_mut(index).chunks_mut(stride).skip(top);
        for (to, from) in rows.zip(plane.samples().chunks(plane.width())) {
            to[left..left + from.len()].copy_from_slice(from);
        }
    }
}
