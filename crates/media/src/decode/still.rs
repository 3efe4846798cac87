//! PNG, WebP and TIFF through the `image` crate.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use image::codecs::{png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError, Limits};
use panofleet_job_schema::media_info::ColorModel;
use panofleet_raster::{Picture, Plane, RasterError, Size};

use super::{gray_to_rgb, raster};
use crate::depth::Depth;
use crate::error::MediaError;
use crate::header::{self, Header};
use crate::icc::{Profile, Space};
use crate::planes;
use crate::sniff::Container;

/// What a codec may allocate besides the picture: rows, tables, strips, text.
const CODEC_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Decodes to RGB or RGB and alpha. The profile comes back if the pixels are still in its space.
pub(super) fn decode<S: Depth>(
    container: Container,
    file: &File,
    header: &Header,
    profile: Option<Profile>,
    warnings: &mut Vec<String>,
) -> Result<(Picture<S>, Option<Profile>), MediaError> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let fail = |error| image_error(container, error);
    let (size, kind, samples) = match container {
        Container::Png => {
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(CODEC_BYTES_MAX);
            samples(container, PngDecoder::with_limits(reader, limits).map_err(fail)?)?
        }
        Container::Webp => samples(container, WebPDecoder::new(reader).map_err(fail)?)?,
        Container::Tiff => samples(container, TiffDecoder::new(reader).map_err(fail)?)?,
        other => return Err(MediaError::FormatUnsupported(other)),
    };
    if header.color == ColorModel::Cmyk {
        warnings
            .push("printing inks of a TIFF were converted roughly; save the picture as RGB".into());
    }
    let gray = profile.as_ref().filter(|profile| profile.space() == Space::Gray);
    let planes = planes(kind, &samples, size, gray)
        .ok_or_else(|| {
            let feature = format!("{kind:?} samples");
            MediaError::FeatureUnsupported { container, feature }
        })?
        .map_err(raster(container))?;
    let picture = Picture::from_planes(planes).map_err(raster(container))?;
    Ok((picture, profile.filter(|profile| profile.space() == Space::Rgb)))
}

fn samples(
    container: Container,
    mut decoder: impl ImageDecoder,
) -> Result<(Size, ColorType, Vec<u8>), MediaError> {
    let fail = |error| image_error(container, error);
    let (width_px, height_px) = decoder.dimensions();
    // The codec reads the header anew and has the last word on it.
    header::check_size(container, width_px.into(), height_px.into())?;
    let size = Size::new(width_px, height_px);
    let size = size.ok_or_else(|| MediaError::corrupt(container, &"an empty picture"))?;
    let kind = decoder.color_type();
    let bytes = decoder.total_bytes();
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes.saturating_mul(2).saturating_add(CODEC_BYTES_MAX));
    decoder.set_limits(limits).map_err(fail)?;
    let mut samples = vec![0; bytes as usize];
    decoder.read_image(&mut samples).map_err(fail)?;
    Ok((size, kind, samples))
}

/// Three or four planes; `None` for floating-point samples.
fn planes<S: Depth>(
    kind: ColorType,
    samples: &[u8],
    size: Size,
    gray: Option<&Profile>,
) -> Option<Result<Vec<Plane<S>>, RasterError>> {
    let wide = samples.as_chunks::<2>().0;
    let (eight, sixteen) = (S::of_eight, S::of_sixteen);
    Some(match kind {
        ColorType::L8 => {
            planes::split::<1, _, _>(samples, size, eight).and_then(|p| colour(p, gray))
        }
        ColorType::La8 => {
            planes::split::<2, _, _>(samples, size, eight).and_then(|p| colour(p, gray))
        }
        ColorType::Rgb8 => planes::split::<3, _, _>(samples, size, eight),
        ColorType::Rgba8 => planes::split::<4, _, _>(samples, size, eight),
        ColorType::L16 => {
            planes::split::<1, _, _>(wide, size, sixteen).and_then(|p| colour(p, gray))
        }
        ColorType::La16 => {
            planes::split::<2, _, _>(wide, size, sixteen).and_then(|p| colour(p, gray))
        }
        ColorType::Rgb16 => planes::split::<3, _, _>(wide, size, sixteen),
        ColorType::Rgba16 => planes::split::<4, _, _>(wide, size, sixteen),
        _ => return None,
    })
}

/// Gray, with or without alpha, to RGB.
fn colour<S: Depth>(
    mut planes: Vec<Plane<S>>,
    profile: Option<&Profile>,
) -> Result<Vec<Plane<S>>, RasterError> {
    let alpha = planes.split_off(1);
    Ok(gray_to_rgb(&planes[0], profile)?.into_iter().chain(alpha).collect())
}

/// What a codec's error means for the file's owner.
pub(crate) fn image_error(container: Container, error: ImageError) -> MediaError {
    match error {
        ImageError::IoError(error) => MediaError::reading(container, error),
        ImageError::Unsupported(error) => {
            MediaError::FeatureUnsupported { container, feature: error.to_string() }
        }
        ImageError::Limits(error) => MediaError::corrupt(
            container,
            &format!("it wants more memory than its size explains: {error}"),
        ),
        other => {
            let said = other.to_string();
            let ended = ["unexpected end", "unexpected EOF", "UnexpectedEof", "failed to fill"];
            if ended.iter().any(|words| said.contains(words)) {
                MediaError::Truncated { container, said }
            } else {
                MediaError::Corrupt { container, said }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gray_and_alpha_become_four_planes() {
        let size = Size::new(2, 1).unwrap();
        let found = planes::<u8>(ColorType::La8, &[10, 255, 20, 0], size, None).unwrap().unwrap();
        let found: Vec<_> = found.iter().map(Plane::samples).collect();
        assert_eq!(found, [[10, 20], [10, 20], [10, 20], [255, 0]]);
    }
}
