//! Frames of another size or kind, as 4:2:0 of 8 bits.

use ffmpeg_next::Rational;
use ffmpeg_next::color::{Primaries, Range as RawRange, Space, TransferCharacteristic};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_raster::{
    Channels, Description, Edges, Grid, Matrix, Picture, Plane, Range, RasterError, Siting, Size,
    Subsampling, orient, resize, rgb_to_ycbcr,
};
use rayon::prelude::*;

use super::frame::{Planes, VideoFrame};
use super::picture::{narrowed_plane, upright};
use crate::error::MediaError;

/// Makes frames 4:2:0 of 8 bits and of one size. Matrix, range, transfer and primaries stay as they are, and
/// where chroma lies; RGB becomes BT.709 of limited range.
#[derive(Debug)]
pub(crate) struct Converter {
    size: Size,
    /// Whether what comes out is called square, whatever the source's pixels are.
    square: bool,
}

/// The planes of a frame in 8 bits, as it is to be looked at: luma alone, or with its differences.
pub(crate) struct UprightFrame {
    /// One plane each.
    planes: Vec<Picture<u8>>,
    /// What the samples of the frame meant.
    description: Description,
    /// Where chroma lies in the upright picture.
    grid: Grid,
}

impl UprightFrame {
    /// Of a frame that is shown turned clockwise by so many degrees.
    ///
    /// # Errors
    /// `video_unsupported` for a pixel format or colours that are not read; `TooLarge`.
    pub(crate) fn of(frame: &VideoFrame, rotation_deg: i32) -> Result<Self, MediaError> {
        let description = frame.description()?;
        let impossible = |error: RasterError| MediaError::VideoUnsupported(error.to_string());
        let planes = match frame.planes()? {
            Planes::Eight(planes) => planes,
            Planes::Deep(planes) => planes
                .iter()
                .map(|plane| eight_bits(plane, &description))
                .collect::<Result<_, _>>()
                .map_err(impossible)?,
        };
        Self::of_planes(planes, description, rotation_deg).map_err(impossible)
    }

    /// Its width.
    pub(crate) fn width_px(&self) -> u32 {
        self.planes.first().map_or(0, |luma| luma.size().width_px())
    }

    fn of_planes(
        planes: Vec<Plane<u8>>,
        description: Description,
        rotation_deg: i32,
    ) -> Result<Self, RasterError> {
        let (planes, grid) = if description.matrix == Matrix::Rgb {
            let limited = Description { subsampling: Subsampling::None, ..Description::VIDEO };
            let planes = rgb_to_ycbcr(&Picture::from_planes(planes)?, &limited)?.to_vec();
            (planes, limited.chroma_grid())
        } else {
            (planes, description.chroma_grid())
        };
        let upright = upright(rotation_deg);
        let planes = planes
            .into_iter()
            .map(|plane| Ok(orient(Picture::from_planes(vec![plane])?, upright)))
            .collect::<Result<_, RasterError>>()?;
        Ok(Self { planes, description, grid: turned(grid, rotation_deg) })
    }
}

/// Where chroma lies in a picture that was turned clockwise.
///
/// A sample that is off the middle to one side is off to another side then: a quarter turn takes left to the top,
/// and the bottom to the left.
fn turned(grid: Grid, rotation_deg: i32) -> Grid {
    let Grid { scale: [across, down], offset: [left, top] } = grid;
    match rotation_deg.rem_euclid(360) {
        90 => Grid { scale: [down, across], offset: [-top, left] },
        180 => Grid { scale: [across, down], offset: [-left, -top] },
        270 => Grid { scale: [down, across], offset: [top, -left] },
        _ => grid,
    }
}

impl Converter {
    /// For frames of this size that keep the shape of the source's pixels.
    pub(crate) const fn new(size: Size) -> Self {
        Self { size, square: false }
    }

    /// For frames of this size in square pixels.
    pub(crate) const fn to_square(size: Size) -> Self {
        Self { size, square: true }
    }

    /// The frame with its times; as it is if it fits.
    ///
    /// # Errors
    /// `video_unsupported` for a pixel format or colours that are not read; `TooLarge`.
    pub(crate) fn convert(&self, frame: VideoFrame) -> Result<RawFrame, MediaError> {
        if self.fits(&frame)? {
            let mut raw = frame.into_raw();
            if self.square {
                make_square(&mut raw);
            }
            return Ok(raw);
        }
        let upright = UprightFrame::of(&frame, 0)?;
        self.make(&upright, &frame).map(|(raw, _)| raw)
    }

    /// Whether an upright frame is what this makes.
    ///
    /// # Errors
    /// `TooLarge`, or `Corrupt` for a frame without pixels.
    pub(crate) fn fits(&self, frame: &VideoFrame) -> Result<bool, MediaError> {
        Ok(frame.size()? == self.size && super::encode::takes(frame.raw()))
    }

    /// The frame that was made upright, in this size; also as what smaller ones can be made of.
    ///
    /// # Errors
    /// `video_unsupported` for planes that do not fit together.
    pub(crate) fn make(
        &self,
        upright: &UprightFrame,
        frame: &VideoFrame,
    ) -> Result<(RawFrame, UprightFrame), MediaError> {
        let impossible = |error: RasterError| MediaError::VideoUnsupported(error.to_string());
        let planes = self.planes(upright).map_err(impossible)?;
        let mut raw = self.filled(&planes);
        describe_as(&mut raw, frame.raw(), &upright.description);
        if self.square {
            make_square(&mut raw);
        }
        let planes = planes.into_iter().map(|plane| Picture::from_planes(vec![plane]));
        let description = upright.description;
        let target = Description { subsampling: Subsampling::Quarter, ..description };
        let planes = planes.collect::<Result<_, _>>().map_err(impossible)?;
        Ok((raw, UprightFrame { planes, description, grid: target.chroma_grid() }))
    }

    /// A frame of an opaque picture in sRGB, as BT.709 of limited range with chroma on the left: every player takes the one
    /// for the other.
    ///
    /// # Errors
    /// `video_unsupported` for a picture that is gray.
    pub(crate) fn of_picture(&self, picture: &Picture<u8>) -> Result<RawFrame, MediaError> {
        let rgb = Description { matrix: Matrix::Rgb, range: Range::Full, ..Description::VIDEO };
        let planes = UprightFrame::of_planes(picture.planes().to_vec(), rgb, 0)
            .and_then(|upright| self.planes(&upright))
            .map_err(|error| MediaError::VideoUnsupported(error.to_string()))?;
        let mut raw = self.filled(&planes);
        raw.set_color_space(Space::BT709);
        raw.set_color_range(RawRange::MPEG);
        raw.set_color_primaries(Primaries::BT709);
        raw.set_color_transfer_characteristic(TransferCharacteristic::BT709);
        set_geometry(&mut raw, None, Siting::Left);
        Ok(raw)
    }

    fn filled(&self, planes: &[Plane<u8>; 3]) -> RawFrame {
        let mut raw = RawFrame::new(Pixel::YUV420P, self.size.width_px(), self.size.height_px());
        for (index, plane) in planes.iter().enumerate() {
            let stride = raw.stride(index);
            let rows = raw.data_mut(index).chunks_mut(stride);
            for (to, from) in rows.zip(plane.samples().chunks(plane.width())) {
                to[..from.len()].copy_from_slice(from);
            }
        }
        raw
    }

    /// The size of what it makes.
    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    /// Luma at the new size, and both colour differences at half of it.
    fn planes(&self, source: &UprightFrame) -> Result<[Plane<u8>; 3], RasterError> {
        let target = Description { subsampling: Subsampling::Quarter, ..source.description };
        let half = target.chroma_size(self.size);
        let luma = source.planes.first().ok_or(RasterError::UnequalPlanes)?;
        let from = luma.size();
        let luma = resized(luma, self.size)?;
        let grids = [source.grid, target.chroma_grid()];
        match (source.planes.get(1), source.planes.get(2)) {
            (Some(blue), Some(red)) => {
                let chroma = |plane| moved(&resized(plane, half)?, shift(from, self.size, grids));
                Ok([luma, chroma(blue)?, chroma(red)?])
            }
            // Luma alone.
            _ => Ok([luma, Plane::filled(half, 128)?, Plane::filled(half, 128)?]),
        }
    }
}

#[expect(unsafe_code, reason = "the safe binding does not set a frame's pixel shape")]
pub(super) fn make_square(raw: &mut RawFrame) {
    // SAFETY: the frame is alive, and the field is a plain value.
    unsafe {
        (*raw.as_mut_ptr()).sample_aspect_ratio = Rational::new(1, 1).into();
    }
}

/// The same levels in 8 bits. Those of limited range are four times as many with two bits more, those of full
/// range end at the largest number.
fn eight_bits(plane: &Plane<u16>, description: &Description) -> Result<Plane<u8>, RasterError> {
    if description.range == Range::Full {
        return narrowed_plane(plane, description.depth_bits);
    }
    let shift = description.depth_bits - 8;
    let half = (1_u32 << shift) / 2;
    let narrow = |value: &u16| (((u32::from(*value) + half) >> shift).min(255)) as u8;
    Plane::new(plane.size(), plane.samples().par_iter().map(narrow).collect())
}

/// A plane at another size, by a filter that does not alias.
fn resized(plane: &Picture<u8>, size: Size) -> Result<Plane<u8>, RasterError> {
    debug_assert_eq!(plane.channels(), Channels::Gray);
    let planes = if plane.size() == size {
        plane.planes().to_vec()
    } else {
        resize(plane, size, Edges::Clamp)?.into_planes()
    };
    planes.into_iter().next().ok_or(RasterError::UnequalPlanes)
}

/// How far resized chroma lies to the right of, and below, where the new siting wants it, in new samples.
///
/// Resizing keeps the plane's borders on the picture's. A sample that is sited by `offset` samples from the
/// middle keeps that distance in old samples, which are `scale` times as large as new ones, or as small.
fn shift(from: Size, to: Size, grids: [Grid; 2]) -> [f64; 2] {
    let sides = |size: Size| [f64::from(size.width_px()), f64::from(size.height_px())];
    let (from, to) = (sides(from), sides(to));
    std::array::from_fn(|axis| {
        let new_samples_per_old =
            to[axis] * grids[1].scale[axis] / (from[axis] * grids[0].scale[axis]);
        // A larger offset means that samples lie further left.
        grids[1].offset[axis] - grids[0].offset[axis] * new_samples_per_old
    })
}

/// A plane whose samples are taken `shift` further left and up: linear between neighbours, which for less than
/// half a sample costs little.
fn moved(plane: &Plane<u8>, shift: [f64; 2]) -> Result<Plane<u8>, RasterError> {
    const ENOUGH: f64 = 0.02;
    if shift.iter().all(|by| by.abs() < ENOUGH) {
        return Ok(plane.clone());
    }
    let [across, down] = shift;
    let (width, height) = (plane.width(), plane.height());
    let between = |at: f64, last: usize| {
        let at = at.clamp(0.0, last as f64);
        let first = at as usize;
        (first, (first + 1).min(last), at.fract() as f32)
    };
    let mut moved = Plane::filled(plane.size(), 0)?;
    moved.samples_mut().par_chunks_mut(width).enumerate().for_each(|(y, to)| {
        let (above, below, low) = between(y as f64 - down, height - 1);
        let (above, below) = (plane.row(above), plane.row(below));
        for (x, to) in to.iter_mut().enumerate() {
            let (left, right, share) = between(x as f64 - across, width - 1);
            let row = |row: &[u8]| {
                let [left, right] = [row[left], row[right]].map(f32::from);
                left + (right - left) * share
            };
            let above = row(above);
            *to = (above + (row(below) - above) * low + 0.5) as u8;
        }
    });
    Ok(moved)
}

/// Times, pixel shape and colours of the source.
pub(super) fn describe_as(raw: &mut RawFrame, from: &RawFrame, description: &Description) {
    let is_rgb = description.matrix == Matrix::Rgb;
    raw.set_pts(from.pts());
    raw.set_color_space(if is_rgb { Space::BT709 } else { from.color_space() });
    let full = !is_rgb && description.range == Range::Full;
    raw.set_color_range(if full { RawRange::JPEG } else { RawRange::MPEG });
    raw.set_color_primaries(from.color_primaries());
    raw.set_color_transfer_characteristic(from.color_transfer_characteristic());
    set_geometry(raw, Some(from), description.siting);
}

#[expect(unsafe_code, reason = "the safe binding sets neither of these")]
fn set_geometry(raw: &mut RawFrame, shape_of: Option<&RawFrame>, siting: Siting) {
    let location = match siting {
        Siting::Left => ffmpeg_next::ffi::AVChromaLocation::AVCHROMA_LOC_LEFT,
        Siting::Centre => ffmpeg_next::ffi::AVChromaLocation::AVCHROMA_LOC_CENTER,
        Siting::TopLeft => ffmpeg_next::ffi::AVChromaLocation::AVCHROMA_LOC_TOPLEFT,
    };
    // SAFETY: the frames are alive, and the fields are plain values.
    unsafe {
        if let Some(from) = shape_of {
            (*raw.as_mut_ptr()).sample_aspect_ratio = (*from.as_ptr()).sample_aspect_ratio;
        }
        (*raw.as_mut_ptr()).chroma_location = location;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp over the picture is the same ramp at every size, wherever its samples lie.
    #[test]
    fn chroma_stays_where_it_is() {
        let value = |picture_share: f64| 20.0 + 200.0 * picture_share;
        for siting in [Siting::Left, Siting::Centre, Siting::TopLeft] {
            let description = Description { siting, ..Description::VIDEO };
            // Chroma sample k lies at picture position 2k + first, of so many pixels.
            let first = if siting == Siting::Centre { 1.0 } else { 0.5 };
            let ramp = |samples: u32| -> Vec<u8> {
                let pixels = f64::from(2 * samples);
                (0..samples)
                    .map(|k| value((f64::from(2 * k) + first) / pixels).round() as u8)
                    .collect()
            };
            let rows = |samples: u32, rows: usize| ramp(samples).repeat(rows);
            let plane = |width, height| {
                Plane::new(Size::new(width, height).unwrap(), rows(width, height as usize)).unwrap()
            };
            let luma = Plane::filled(Size::new(128, 16).unwrap(), 100_u8).unwrap();
            for width_px in [64, 96, 48] {
                let converter = Converter::new(Size::new(width_px, 8).unwrap());
                let planes = vec![luma.clone(), plane(64, 8), plane(64, 8)];
                let source = UprightFrame::of_planes(planes, description, 0).unwrap();
                let [_, blue, _] = converter.planes(&source).unwrap();
                let expected = ramp(width_px / 2);
                for (x, (found, expected)) in
                    blue.row(2).iter().zip(&expected).enumerate().skip(3).take(expected.len() - 6)
                {
                    assert!(
                        found.abs_diff(*expected) <= 1,
                        "{siting:?} {width_px} {x}: {found} {expected}"
                    );
                }
            }
        }
    }

    /// A ramp from left to right becomes one from top to bottom, or bottom to top, wherever its samples lie.
    #[test]
    fn chroma_stays_where_it_is_when_frames_are_turned() {
        let value = |share: f64| 20.0 + 200.0 * share;
        for siting in [Siting::Left, Siting::Centre, Siting::TopLeft] {
            let description = Description { siting, ..Description::VIDEO };
            let [left, top] = description.chroma_grid().offset;
            // A sample lies so far off the middle of its two pixels, to the left and up, in pixels.
            let (left, top) = (2.0 * left, 2.0 * top);
            let at = |k: u32, off: f64| (f64::from(2 * k) + 1.0 - off) / 64.0;
            let row: Vec<u8> = (0..32).map(|k| value(at(k, left)).round() as u8).collect();
            let size = Size::new(32, 32).unwrap();
            let plane = Plane::new(size, row.repeat(32)).unwrap();
            let luma = Plane::filled(Size::new(64, 64).unwrap(), 100_u8).unwrap();
            for (rotation_deg, upwards) in [(90, false), (270, true)] {
                let planes = vec![luma.clone(), plane.clone(), plane.clone()];
                let source = UprightFrame::of_planes(planes, description, rotation_deg).unwrap();
                let converter = Converter::to_square(Size::new(64, 64).unwrap());
                let [_, blue, _] = converter.planes(&source).unwrap();
                for k in 2..30 {
                    let share = if upwards { 1.0 - at(k, top) } else { at(k, top) };
                    let (found, expected) = (f64::from(blue.row(k as usize)[16]), value(share));
                    assert!(
                        (found - expected).abs() <= 1.0,
                        "{siting:?} {rotation_deg} {k}: {found} {expected}"
                    );
                }
            }
        }
    }
}
