//! JPEG, 4:2:0, through libjpeg-turbo.

use panofleet_raster::{Plane, Rect, Size};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp, YuvPlanesImage};

use super::Embedded;
use crate::error::MediaError;
use crate::header::jpeg::{EXIF, ICC, XMP};

/// Bytes of a segment without its marker and length (T.81, B.1.1.4).
const SEGMENT_BYTES_MAX: usize = 65_533;

/// A compressor; what is embedded has to fit into its segment.
pub(super) fn compressor(quality: u8, embedded: &Embedded) -> Result<Compressor, MediaError> {
    let mut compressor = Compressor::new().map_err(failed)?;
    compressor.set_quality(quality.into()).map_err(failed)?;
    compressor.set_subsamp(Subsamp::Sub2x2).map_err(failed)?;
    let xmp_bytes = embedded.xmp.as_ref().map_or(0, String::len);
    if XMP.len() + xmp_bytes > SEGMENT_BYTES_MAX {
        let said = format!("an XMP packet of {xmp_bytes} bytes fits into no segment");
        return Err(MediaError::Encode { format: "JPEG", source: said.into() });
    }
    Ok(compressor)
}

pub(super) fn encode(
    compressor: &mut Compressor,
    rgb: &[u8],
    size: Size,
    embedded: &Embedded,
) -> Result<Vec<u8>, MediaError> {
    let (width_px, height_px) = (size.width_px(), size.height_px());
    const SIDE_PX_MAX: u32 = 65_500;
    if width_px.max(height_px) > SIDE_PX_MAX {
        let side_px_max = SIDE_PX_MAX;
        return Err(MediaError::OutputTooLarge {
            format: "JPEG",
            width_px,
            height_px,
            side_px_max,
        });
    }
    let (width, height) = (width_px as usize, height_px as usize);
    let image = Image { pixels: rgb, width, pitch: 3 * width, height, format: PixelFormat::RGB };
    let jpeg = compressor.compress_to_vec(image).map_err(failed)?;
    Ok(tagged(jpeg, size, embedded))
}

pub(super) fn encode_stored(
    compressor: &mut Compressor,
    planes: [&Plane<u8>; 3],
    rect: Rect,
    embedded: &Embedded,
) -> Result<Vec<u8>, MediaError> {
    let [width, height] = [rect.size.width_px(), rect.size.height_px()].map(|px| px as usize);
    let [left, top] = [rect.left_px, rect.top_px].map(|px| px as usize);
    // From the part's first sample on; each plane has rows of its own length.
    let from = |plane: usize, share: usize| {
        let (samples, stride) = (planes[plane].samples(), planes[plane].width());
        let [left, top, width, height] = [left, top, width, height].map(|px| px / share);
        let inside = left + width <= stride && top + height <= planes[plane].height();
        samples.get(top * stride + left..).filter(|_| inside)
    };
    let is_even = [left, top, width, height].iter().all(|px| px.is_multiple_of(2));
    let (Some(y_plane), Some(u_plane), Some(v_plane), true) =
        (from(0, 1), from(1, 2), from(2, 2), is_even)
    else {
        let said = format!("planes have no part {rect:?}");
        return Err(MediaError::Encode { format: "JPEG", source: said.into() });
    };
    let [y_stride, u_stride, v_stride] = planes.map(Plane::width);
    let subsamp = Subsamp::Sub2x2;
    let image = YuvPlanesImage {
        y_plane,
        u_plane,
        v_plane,
        width,
        height,
        y_stride,
        u_stride,
        v_stride,
        subsamp,
    };
    let jpeg = compressor.compress_yuv_planes_to_vec(&image).map_err(failed)?;
    Ok(tagged(jpeg, rect.size, embedded))
}

fn tagged(jpeg: Vec<u8>, size: Size, embedded: &Embedded) -> Vec<u8> {
    if *embedded == Embedded::default() { jpeg } else { with_metadata(&jpeg, size, embedded) }
}

/// Puts metadata behind the JFIF segment, where readers expect it.
fn with_metadata(jpeg: &[u8], size: Size, embedded: &Embedded) -> Vec<u8> {
    // The encoder begins every file with SOI and an APP0 of 16 bytes.
    let (head, rest) = jpeg.split_at(2 + 2 + 16);
    let mut tagged = head.to_vec();
    if let Some(exif) = &embedded.exif {
        push_segment(&mut tagged, 0xe1, &[EXIF, &exif.block(size, embedded.icc.is_none())]);
    }
    if let Some(xmp) = &embedded.xmp {
        push_segment(&mut tagged, 0xe1, &[XMP, xmp.as_bytes()]);
    }
    // Number and count stand before each part (ICC.1:2010, annex B.4).
    let parts =
        embedded.icc.as_deref().unwrap_or_default().chunks(SEGMENT_BYTES_MAX - ICC.len() - 2);
    let count = parts.len() as u8;
    for (number, part) in (1..=count).zip(parts) {
        push_segment(&mut tagged, 0xe2, &[ICC, &[number, count], part]);
    }
    tagged.extend(rest);
    tagged
}

fn push_segment(jpeg: &mut Vec<u8>, marker: u8, body: &[&[u8]]) {
    let bytes: usize = body.iter().map(|part| part.len()).sum();
    jpeg.extend([0xff, marker]);
    jpeg.extend((bytes as u16 + 2).to_be_bytes());
    body.iter().for_each(|part| jpeg.extend(*part));
}

fn failed(error: turbojpeg::Error) -> MediaError {
    MediaError::Encode { format: "JPEG", source: error.into() }
}
