//! The samples of a frame.

use std::ffi::CStr;

use ffmpeg_next::ffi;
use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_job_schema::limits;
use panofleet_raster::{Description, Plane, Size};
use rayon::prelude::*;

use super::colour;
use crate::error::MediaError;
use crate::sniff::Container;

/// A decoded frame, as the decoder holds it.
pub struct VideoFrame {
    raw: RawFrame,
    container: Container,
    at_s: Option<f64>,
}

impl std::fmt::Debug for VideoFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoFrame")
            .field("width", &self.raw.width())
            .field("height", &self.raw.height())
            .field("at_s", &self.at_s)
            .finish_non_exhaustive()
    }
}

/// The planes of a frame: luma and colour differences, luma alone, or red, green and blue.
#[derive(Debug)]
pub(crate) enum Planes {
    /// Samples of 8 bits.
    Eight(Vec<Plane<u8>>),
    /// Samples of 9 to 16 bits.
    Deep(Vec<Plane<u16>>),
}

impl VideoFrame {
    pub(crate) const fn new(raw: RawFrame, container: Container, at_s: Option<f64>) -> Self {
        Self { raw, container, at_s }
    }

    pub(crate) const fn raw(&self) -> &RawFrame {
        &self.raw
    }

    pub(crate) fn into_raw(self) -> RawFrame {
        self.raw
    }

    /// When it is shown, in seconds from the track's start; `None` if the file does not say.
    pub const fn at_s(&self) -> Option<f64> {
        self.at_s
    }

    /// Whether it can be decoded without others.
    pub fn is_key(&self) -> bool {
        self.raw.is_key()
    }

    /// Its size, which may differ from that of other frames of the track.
    ///
    /// # Errors
    /// `TooLarge`, or `Corrupt` for a frame without pixels.
    pub fn size(&self) -> Result<Size, MediaError> {
        let (width_px, height_px) = (self.raw.width(), self.raw.height());
        let pixels = u64::from(width_px) * u64::from(height_px);
        if pixels > limits::PICTURE_PIXELS_MAX {
            return Err(MediaError::TooLarge {
                width_px: width_px.into(),
                height_px: height_px.into(),
            });
        }
        Size::new(width_px, height_px)
            .ok_or_else(|| MediaError::corrupt(self.container, &"a frame without pixels"))
    }

    /// What its samples mean.
    ///
    /// # Errors
    /// `video_unsupported` for a pixel format or a colour matrix that is not read.
    pub fn description(&self) -> Result<Description, MediaError> {
        let layout = Layout::of(&self.raw)?;
        colour::describe(&self.raw, &layout)
    }

    /// Its planes, copied; alpha is left out.
    ///
    /// # Errors
    /// As [`size`](Self::size) and [`description`](Self::description).
    pub(crate) fn planes(&self) -> Result<Planes, MediaError> {
        let size = self.size()?;
        let layout = Layout::of(&self.raw)?;
        let too_large = |_| MediaError::TooLarge {
            width_px: size.width_px().into(),
            height_px: size.height_px().into(),
        };
        let components = layout.components.iter().enumerate();
        if layout.depth_bits == 8 {
            let planes = components.map(|(number, component)| {
                let rows = Rows::of(&self.raw, component, layout.size_of(number, size))?;
                rows.eight().and_then(|samples| Plane::new(rows.size, samples).map_err(too_large))
            });
            return planes.collect::<Result<_, _>>().map(Planes::Eight);
        }
        let planes = components.map(|(number, component)| {
            let rows = Rows::of(&self.raw, component, layout.size_of(number, size))?;
            let samples = rows.deep(layout.big_endian)?;
            Plane::new(rows.size, samples).map_err(too_large)
        });
        planes.collect::<Result<_, _>>().map(Planes::Deep)
    }
}

/// How the samples of a pixel format lie in memory (`AVPixFmtDescriptor`).
#[derive(Debug)]
pub(super) struct Layout {
    /// Luma and colour differences, luma alone, or red, green and blue.
    pub(super) components: Vec<Component>,
    pub(super) depth_bits: u32,
    pub(super) is_rgb: bool,
    /// Chroma samples are as many times fewer, as a power of two, across and down.
    pub(super) chroma_shift: [u8; 2],
    /// The format's name begins with `yuvj`: full range, whatever is tagged.
    pub(super) is_full_range: bool,
    big_endian: bool,
}

/// Where the samples of one component lie, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    plane: usize,
    step: usize,
    offset: usize,
    shift: u32,
    mask: u16,
}

impl Layout {
    #[expect(unsafe_code, reason = "the safe binding shows no components")]
    pub(super) fn of(raw: &RawFrame) -> Result<Self, MediaError> {
        // SAFETY: the function takes any format, and returns null or a static descriptor with a static name.
        let descriptor = unsafe { ffi::av_pix_fmt_desc_get(raw.format().into()).as_ref() };
        let Some(descriptor) = descriptor else {
            return Err(MediaError::VideoUnsupported(
                "its frames have no known pixel format".into(),
            ));
        };
        // SAFETY: as above; every descriptor in the table has a name.
        let name = unsafe { CStr::from_ptr(descriptor.name) }.to_string_lossy();
        let has = |flag: i32| descriptor.flags & u64::from(flag.unsigned_abs()) != 0;
        let odd = [
            ffi::AV_PIX_FMT_FLAG_PAL,
            ffi::AV_PIX_FMT_FLAG_BITSTREAM,
            ffi::AV_PIX_FMT_FLAG_HWACCEL,
            ffi::AV_PIX_FMT_FLAG_BAYER,
            ffi::AV_PIX_FMT_FLAG_FLOAT,
        ];
        let count = match descriptor.nb_components {
            0 => 0,
            1 | 2 => 1,
            _ => 3,
        };
        let described = &descriptor.comp[..count];
        let depth = described.first().map_or(0, |first| first.depth);
        let same = described.iter().all(|component| component.depth == depth);
        if odd.into_iter().any(has) || !same || !(8..=16).contains(&depth) {
            return Err(MediaError::VideoUnsupported(format!(
                "its pixel format `{name}` is not read"
            )));
        }
        let depth_bits = depth.unsigned_abs();
        let components = described
            .iter()
            .map(|of| Component {
                plane: of.plane as usize,
                step: of.step as usize,
                offset: of.offset as usize,
                shift: of.shift.unsigned_abs(),
                mask: ((1_u32 << depth_bits) - 1) as u16,
            })
            .collect();
        Ok(Self {
            components,
            depth_bits,
            is_rgb: has(ffi::AV_PIX_FMT_FLAG_RGB),
            chroma_shift: [descriptor.log2_chroma_w, descriptor.log2_chroma_h],
            is_full_range: name.starts_with("yuvj"),
            big_endian: has(ffi::AV_PIX_FMT_FLAG_BE),
        })
    }

    /// Size of a component of a frame; odd sides are rounded up.
    fn size_of(&self, number: usize, frame: Size) -> Size {
        if self.is_rgb || number == 0 {
            return frame;
        }
        let [across, down] = self.chroma_shift;
        let side = |px: u32, shift: u8| px.div_ceil(1 << shift);
        Size::new(side(frame.width_px(), across), side(frame.height_px(), down)).unwrap_or(frame)
    }
}

/// The bytes that hold one component.
struct Rows<'f> {
    bytes: &'f [u8],
    stride: usize,
    size: Size,
    component: Component,
}

impl<'f> Rows<'f> {
    #[expect(unsafe_code, reason = "the safe binding takes a negative stride for a huge one")]
    fn of(raw: &'f RawFrame, component: &Component, size: Size) -> Result<Self, MediaError> {
        let upside_down =
            |_negative| MediaError::VideoUnsupported("its frames are stored upside down".into());
        // SAFETY: the frame is alive for 'f and nobody writes to it. A plane that is there has `linesize`
        // bytes for each of its rows; `size` has as many rows as the component, by the pixel format's own
        // descriptor. Of the last row only the samples are looked at, which a decoder has written.
        let (bytes, stride) = unsafe {
            let frame = &*raw.as_ptr();
            let (data, stride) = (frame.data[component.plane], frame.linesize[component.plane]);
            let stride = usize::try_from(stride).map_err(upside_down)?;
            if data.is_null() || stride == 0 {
                return Err(MediaError::VideoUnsupported(
                    "its frames have no samples in memory".into(),
                ));
            }
            let rows = size.height_px() as usize - 1;
            let wide = component.step * size.width_px() as usize;
            (std::slice::from_raw_parts(data, stride * rows + wide.min(stride)), stride)
        };
        Ok(Self { bytes, stride, size, component: *component })
    }

    fn row(&self, y: usize) -> &'f [u8] {
        let row = &self.bytes[y * self.stride..];
        &row[..row.len().min(self.component.step * self.size.width_px() as usize)]
    }

    /// Samples of 8 bits, of which each has a byte of its own.
    fn eight(&self) -> Result<Vec<u8>, MediaError> {
        let Component { step, offset, shift, .. } = self.component;
        if shift != 0 {
            return Err(MediaError::VideoUnsupported("its samples are packed into bits".into()));
        }
        let width = self.size.width_px() as usize;
        let mut samples = vec![0; self.size.area_px() as usize];
        samples.par_chunks_mut(width).enumerate().for_each(|(y, to)| {
            let row = self.row(y);
            if step == 1 {
                to.copy_from_slice(row);
            } else {
                let from = row[offset..].iter().step_by(step);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        });
        Ok(samples)
    }

    /// Samples of two bytes, of which some bits count.
    fn deep(&self, big_endian: bool) -> Result<Vec<u16>, MediaError> {
        let Component { step, offset, shift, mask, .. } = self.component;
        if step < 2 {
            return Err(MediaError::VideoUnsupported("its samples are packed into bits".into()));
        }
        let width = self.size.width_px() as usize;
        let mut samples = vec![0; self.size.area_px() as usize];
        samples.par_chunks_mut(width).enumerate().for_each(|(y, to)| {
            let row = self.row(y);
            for (to, from) in to.iter_mut().zip(row[offset..].chunks(step)) {
                let [first, second, ..] = *from else { continue };
                let bytes = [first, second];
                let word =
                    if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
                *to = word >> shift & mask;
            }
        });
        Ok(samples)
    }
}
