//! A frame as a picture: planar RGB, 8 bits, as it is to be looked at.

use panofleet_projection::View;
use panofleet_raster::{
    Channels, Description, ExifOrientation, Grid, Matrix, Panorama, Picture, Plane, RasterError,
    Sample, Sampling, Size, Subsampling, orient, remap, ycbcr_to_rgb,
};
use rayon::prelude::*;

use super::frame::{Planes, VideoFrame};
use super::tone::{self, ToneMap};
use crate::error::MediaError;

/// Makes pictures of frames of one track.
///
/// Chroma is brought to full size by linear interpolation at its true siting. Numbers of ordinary video are
/// taken for those of sRGB, as every player does; high dynamic range is tone-mapped, wide colours converted.
#[derive(Debug)]
pub struct FramePictures {
    upright: ExifOrientation,
}

impl FramePictures {
    /// For a track that is shown turned clockwise by so many degrees.
    pub const fn new(rotation_deg: i32) -> Self {
        Self { upright: upright(rotation_deg) }
    }

    /// Whether width and height change places.
    pub const fn swaps_sides(&self) -> bool {
        self.upright.swaps_sides()
    }

    /// The frame, upright, in sRGB.
    ///
    /// # Errors
    /// `video_unsupported` for a pixel format or colours that are not read; `TooLarge`.
    pub fn picture(&self, frame: &VideoFrame) -> Result<Picture<u8>, MediaError> {
        let description = frame.description()?;
        let impossible = |error: RasterError| MediaError::VideoUnsupported(error.to_string());
        let picture = match frame.planes()? {
            Planes::Eight(planes) if tone::is_needed(&description) => {
                let rgb = rgb(planes, &description).map_err(impossible)?;
                let wide = widened(&rgb).map_err(impossible)?;
                ToneMap::new(&description).apply(&wide)
            }
            Planes::Eight(planes) => rgb(planes, &description),
            Planes::Deep(planes) => {
                let rgb = rgb(planes, &description).map_err(impossible)?;
                if tone::is_needed(&description) {
                    ToneMap::new(&description).apply(&rgb)
                } else {
                    narrowed(&rgb, description.depth_bits)
                }
            }
        };
        Ok(orient(picture.map_err(impossible)?, self.upright))
    }

    /// What was done to the colours of frames like this one, for people; `None` if nothing was.
    ///
    /// # Errors
    /// As [`picture`](Self::picture).
    pub fn note(frame: &VideoFrame) -> Result<Option<String>, MediaError> {
        let description = frame.description()?;
        Ok(tone::is_hdr(&description).then(|| {
            "the video has a high dynamic range; what is brighter than paper was rolled off"
                .to_owned()
        }))
    }
}

/// What makes a frame upright that is shown turned clockwise by so many degrees.
pub(super) const fn upright(rotation_deg: i32) -> ExifOrientation {
    match rotation_deg.rem_euclid(360) {
        90 => ExifOrientation::TurnRight,
        180 => ExifOrientation::Turn180,
        270 => ExifOrientation::TurnLeft,
        _ => ExifOrientation::Upright,
    }
}

/// What `view` sees of a sphere; black where there is nothing to see.
///
/// # Errors
/// A view too large for memory.
pub fn look(panorama: &Panorama<u8>, view: &View) -> Result<Picture<u8>, RasterError> {
    remap(panorama, view, &Sampling::default())
}

/// RGB of full range and the frame's depth.
fn rgb<S: Sample>(
    planes: Vec<Plane<S>>,
    description: &Description,
) -> Result<Picture<S>, RasterError> {
    if description.matrix == Matrix::Rgb {
        return Picture::from_planes(planes);
    }
    let size = planes.first().ok_or(RasterError::UnequalPlanes)?.size();
    let [luma, blue, red] = match <[Plane<S>; 3]>::try_from(planes) {
        Ok([luma, blue, red]) if description.subsampling == Subsampling::None => [luma, blue, red],
        Ok([luma, blue, red]) => {
            let grid = description.chroma_grid();
            let [blue, red] = [blue, red].map(|plane| spread(&plane, size, grid));
            [luma, blue?, red?]
        }
        // Luma alone: its differences are none.
        Err(planes) => {
            let none = S::from_f32((1_u32 << (description.depth_bits - 1)) as f32);
            let luma = planes.into_iter().next().ok_or(RasterError::UnequalPlanes)?;
            [luma, Plane::filled(size, none)?, Plane::filled(size, none)?]
        }
    };
    let full = Description { subsampling: Subsampling::None, ..*description };
    ycbcr_to_rgb([&luma, &blue, &red], &full)
}

/// A plane at the size of the picture that it belongs to: linear between its samples, which lie as `grid`
/// says; beyond the outermost ones they repeat.
fn spread<S: Sample>(plane: &Plane<S>, size: Size, grid: Grid) -> Result<Plane<S>, RasterError> {
    let columns = taps(size.width_px(), plane.size().width_px(), grid.scale[0], grid.offset[0]);
    let rows = taps(size.height_px(), plane.size().height_px(), grid.scale[1], grid.offset[1]);
    let mut spread = Plane::filled(size, S::default())?;
    let width = spread.width();
    spread.samples_mut().par_chunks_mut(width).zip(rows).for_each_init(
        || vec![0.0_f32; plane.width()],
        |between, (to, row)| {
            let (above, below) = (plane.row(row.first), plane.row(row.second));
            for ((value, above), below) in between.iter_mut().zip(above).zip(below) {
                let above = above.to_f32();
                *value = above + (below.to_f32() - above) * row.share;
            }
            for (to, column) in to.iter_mut().zip(&columns) {
                let left = between[column.first];
                *to = S::from_f32(left + (between[column.second] - left) * column.share);
            }
        },
    );
    Ok(spread)
}

/// Two neighbouring samples, and how much the second counts.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

fn taps(picture_px: u32, plane_px: u32, scale: f64, offset: f64) -> Vec<Tap> {
    let last = plane_px as usize - 1;
    (0..picture_px)
        .map(|pixel| {
            let at = ((f64::from(pixel) + 0.5) * scale + offset - 0.5).clamp(0.0, last as f64);
            let first = at as usize;
            Tap { first, second: (first + 1).min(last), share: at.fract() as f32 }
        })
        .collect()
}

fn widened(picture: &Picture<u8>) -> Result<Picture<u16>, RasterError> {
    mapped(picture, u16::from)
}

fn narrowed(picture: &Picture<u16>, depth_bits: u32) -> Result<Picture<u8>, RasterError> {
    let planes = picture.planes().iter().map(|plane| narrowed_plane(plane, depth_bits));
    Picture::from_planes(planes.collect::<Result<_, _>>()?)
}

/// The same values in 8 bits, rounded.
pub(super) fn narrowed_plane(
    plane: &Plane<u16>,
    depth_bits: u32,
) -> Result<Plane<u8>, RasterError> {
    let largest = (1_u32 << depth_bits) - 1;
    let narrow =
        |value: &u16| ((u32::from(*value).min(largest) * 255 + largest / 2) / largest) as u8;
    Plane::new(plane.size(), plane.samples().par_iter().map(narrow).collect())
}

fn mapped<S: Sample, T: Sample>(
    picture: &Picture<S>,
    of: impl Fn(S) -> T + Sync,
) -> Result<Picture<T>, RasterError> {
    debug_assert_eq!(picture.channels(), Channels::Rgb);
    let planes = picture.planes().iter().map(|plane| {
        let samples = plane.samples().par_iter().map(|value| of(*value)).collect();
        Plane::new(plane.size(), samples)
    });
    Picture::from_planes(planes.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use panofleet_raster::Siting;

    use super::*;

    /// A ramp stays a ramp, half a pixel to the left where the samples lie on the first of two pixels.
    #[test]
    fn chroma_lies_where_its_siting_says() {
        let half = Size::new(20, 1).unwrap();
        let ramp: Vec<u16> = (0..20).map(|x| 100 + 40 * x).collect();
        let plane = Plane::new(half, ramp).unwrap();
        let size = Size::new(40, 1).unwrap();
        for (siting, first) in [(Siting::Left, 0.5), (Siting::Centre, 1.0)] {
            let description =
                Description { siting, subsampling: Subsampling::Half, ..Description::VIDEO };
            let spread = spread(&plane, size, description.chroma_grid()).unwrap();
            // Chroma sample k stands for picture position 2k + first, and pixel x for x + 1/2.
            for (x, value) in spread.samples().iter().enumerate().take(38).skip(2) {
                let expected = 100.0 + 40.0 * (x as f64 + 0.5 - first) / 2.0;
                assert!(
                    (f64::from(*value) - expected).abs() <= 0.51,
                    "{siting:?} {x}: {value} {expected}"
                );
            }
        }
    }

    #[test]
    fn ten_bits_become_eight() {
        let size = Size::new(3, 1).unwrap();
        let plane = Plane::new(size, vec![0_u16, 512, 1023]).unwrap();
        let picture = Picture::from_planes(vec![plane.clone(), plane.clone(), plane]).unwrap();
        assert_eq!(narrowed(&picture, 10).unwrap().planes()[0].samples(), [0, 128, 255]);
    }
}
