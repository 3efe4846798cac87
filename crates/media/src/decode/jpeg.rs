//! JPEG through libjpeg-turbo.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use panofleet_job_schema::media_info::ColorModel;
use panofleet_raster::{Picture, Plane, Size, Subsampling};
use turbojpeg::{DecompressHeader, Decompressor, Image, PixelFormat, YuvImage};

use super::{gray_to_rgb, raster};
use crate::depth::Depth;
use crate::error::MediaError;
use crate::frame;
use crate::header::{self, Header};
use crate::icc::Profile;
use crate::planes;
use crate::sniff::Container;

/// Bytes of a JPEG file, which is read as a whole.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Scans of a progressive file. Encoders write about ten; each one costs a pass over all coefficients
/// (libjpeg-turbo, "Two Issues with the JPEG Standard").
const SCANS_MAX: u32 = 500;

const JPEG: Container = Container::Jpeg;

/// Decodes to RGB. The profile comes back if the pixels are still in its space.
pub(super) fn decode<S: Depth>(
    file: &File,
    header: &Header,
    profile: Option<Profile>,
    warnings: &mut Vec<String>,
) -> Result<(Picture<S>, Option<Profile>), MediaError> {
    if header.bits_per_sample != 8 {
        let feature = format!("{} bit samples", header.bits_per_sample);
        return Err(MediaError::FeatureUnsupported { container: JPEG, feature });
    }
    let jpeg = read_file(file)?;
    match header.color {
        ColorModel::Gray => {
            let (size, gray) = decompress(&jpeg, PixelFormat::GRAY, warnings)?;
            let gray = Plane::new(size, gray.into_iter().map(S::of_eight).collect());
            let planes = gray.and_then(|gray| gray_to_rgb(&gray, profile.as_ref()));
            Ok((planes.and_then(Picture::from_planes).map_err(raster(JPEG))?, None))
        }
        ColorModel::Rgb | ColorModel::Ycbcr => {
            let (size, rgb) = decompress(&jpeg, PixelFormat::RGB, warnings)?;
            drop(jpeg);
            let planes = planes::split::<3, _, _>(&rgb, size, S::of_eight);
            Ok((planes.and_then(Picture::from_planes).map_err(raster(JPEG))?, profile))
        }
        ColorModel::Cmyk => {
            let inverted = is_adobe(file)?;
            let (size, mut cmyk) = decompress(&jpeg, PixelFormat::CMYK, warnings)?;
            if inverted {
                cmyk.iter_mut().for_each(|value| *value = 255 - *value);
            }
            let rgb = cmyk_to_rgb(&cmyk, profile.as_ref());
            drop(cmyk);
            warnings.push(match profile.as_ref().and_then(Profile::description) {
                Some(name) => format!("printing inks were converted to sRGB by their profile ({name})"),
                None if profile.is_some() => "printing inks were converted to sRGB by their profile".into(),
                None => "printing inks without a profile were converted roughly; save the picture as RGB".into(),
            });
            let planes = planes::split::<3, _, _>(&rgb, size, S::of_eight);
            Ok((planes.and_then(Picture::from_planes).map_err(raster(JPEG))?, None))
        }
    }
}

fn read_file(file: &File) -> Result<Vec<u8>, MediaError> {
    let bytes = file.metadata().map_err(MediaError::Io)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(MediaError::FileTooLarge { container: JPEG, bytes, bytes_max: FILE_BYTES_MAX });
    }
    let mut reader = file;
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let mut jpeg = Vec::with_capacity(bytes as usize);
    reader.take(FILE_BYTES_MAX).read_to_end(&mut jpeg).map_err(MediaError::Io)?;
    Ok(jpeg)
}

/// Adobe's programs store inks inverted and leave their segment; others store neither.
fn is_adobe(file: &File) -> Result<bool, MediaError> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let segments =
        header::jpeg::read(&mut reader).map_err(|error| MediaError::reading(JPEG, error))?;
    Ok(segments.adobe_transform.is_some())
}

/// Luma, then blue and red difference as they are stored, of a file whose header was found to be within the
/// limits; `None` if they are subsampled otherwise than 4:4:4, 4:2:2 or 4:2:0.
pub(crate) fn stored(
    file: &File,
    warnings: &mut Vec<String>,
) -> Result<Option<(Vec<u8>, Size, Subsampling)>, MediaError> {
    let jpeg = read_file(file)?;
    let (mut decompressor, found, size) = open(&jpeg)?;
    let is_ycbcr = found.colorspace == turbojpeg::Colorspace::YCbCr && !found.is_lossless;
    let Some(subsampling) = frame::subsampling(found.subsamp).filter(|_| is_ycbcr) else {
        return Ok(None);
    };
    let (width, height) = (found.width, found.height);
    let bytes = turbojpeg::yuv_pixels_len(width, 1, height, found.subsamp);
    let mut pixels = vec![0; bytes.map_err(|error| judged(&error))?];
    let image =
        YuvImage { pixels: &mut pixels[..], width, align: 1, height, subsamp: found.subsamp };
    finished(decompressor.decompress_to_yuv(&jpeg, image), warnings)?;
    Ok(Some((pixels, size, subsampling)))
}

/// Bytes of the file and of what [`stored`] makes of it; `None` where that makes nothing.
pub(crate) fn stored_bytes(file: &File) -> Result<Option<(u64, u64)>, MediaError> {
    let jpeg = read_file(file)?;
    let (_, found, _) = open(&jpeg)?;
    let is_ycbcr = found.colorspace == turbojpeg::Colorspace::YCbCr && !found.is_lossless;
    if !is_ycbcr || frame::subsampling(found.subsamp).is_none() {
        return Ok(None);
    }
    let bytes = turbojpeg::yuv_pixels_len(found.width, 1, found.height, found.subsamp);
    let bytes = bytes.map_err(|error| judged(&error))?;
    Ok(Some((jpeg.len() as u64, bytes as u64)))
}

/// Interleaved samples of a file whose header was found to be within the limits.
fn decompress(
    jpeg: &[u8],
    format: PixelFormat,
    warnings: &mut Vec<String>,
) -> Result<(Size, Vec<u8>), MediaError> {
    let (mut decompressor, found, size) = open(jpeg)?;
    let pitch = found.width * format.size();
    let mut pixels = vec![0; pitch * found.height];
    let image =
        Image { pixels: &mut pixels[..], width: found.width, pitch, height: found.height, format };
    finished(decompressor.decompress(jpeg, image), warnings)?;
    Ok((size, pixels))
}

fn open(jpeg: &[u8]) -> Result<(Decompressor, DecompressHeader, Size), MediaError> {
    let corrupt = |error: turbojpeg::Error| MediaError::corrupt(JPEG, &error);
    let mut decompressor = Decompressor::new().map_err(corrupt)?;
    decompressor.set_scan_limit(SCANS_MAX).map_err(corrupt)?;
    let found = decompressor.read_header(jpeg).map_err(|error| judged(&error))?;
    // libjpeg reads the header anew and has the last word on it.
    header::check_size(JPEG, found.width as u64, found.height as u64)?;
    let size = Size::new(found.width as u32, found.height as u32);
    let size = size.ok_or_else(|| MediaError::corrupt(JPEG, &"an empty picture"))?;
    Ok((decompressor, found, size))
}

/// libjpeg-turbo finishes the picture and then reports its last warning as an error.
fn finished(
    result: Result<(), turbojpeg::Error>,
    warnings: &mut Vec<String>,
) -> Result<(), MediaError> {
    match result {
        Err(error) if is_harmless(&error.to_string()) => {
            warnings.push(format!("the JPEG is odd but complete ({error})"));
            Ok(())
        }
        done => done.map_err(|error| judged(&error)),
    }
}

/// Warnings after which every pixel is there (libjpeg-turbo, `jerror.h`). Cameras write such files.
fn is_harmless(said: &str) -> bool {
    let harmless = [
        "extraneous bytes before marker",
        "Invalid SOS parameters for sequential JPEG",
        "unknown JFIF revision number",
        "Unknown Adobe color transform code",
    ];
    harmless.iter().any(|words| said.contains(words))
}

fn judged(error: &turbojpeg::Error) -> MediaError {
    let said = error.to_string();
    if said.contains("Premature end of JPEG file") {
        MediaError::Truncated { container: JPEG, said }
    } else {
        MediaError::Corrupt { container: JPEG, said }
    }
}

/// Interleaved inks (255 is all ink) to interleaved sRGB.
fn cmyk_to_rgb(cmyk: &[u8], profile: Option<&Profile>) -> Vec<u8> {
    use rayon::prelude::*;
    const CHUNK_PX: usize = 16 * 1024;

    let mut rgb = vec![0; cmyk.len() / 4 * 3];
    let chunks = cmyk.par_chunks(4 * CHUNK_PX).zip(rgb.par_chunks_mut(3 * CHUNK_PX));
    chunks.for_each(|(cmyk, rgb)| match profile {
        Some(profile) => profile.to_srgb(cmyk, rgb),
        None => {
            let pixels = cmyk.as_chunks::<4>().0.iter().zip(rgb.as_chunks_mut::<3>().0);
            for ([inks @ .., key], to) in pixels {
                *to = mixed(*inks, *key);
            }
        }
    });
    rgb
}

/// What is left of the light where inks lie over each other, if they were ideal.
fn mixed(inks: [u8; 3], key: u8) -> [u8; 3] {
    let left = |ink: u8| 255 - u32::from(ink);
    inks.map(|ink| ((left(ink) * left(key) + 127) / 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideal_inks() {
        assert_eq!(mixed([0, 0, 0], 0), [255, 255, 255]);
        assert_eq!(mixed([255, 0, 0], 0), [0, 255, 255]);
        assert_eq!(mixed([10, 200, 30], 255), [0, 0, 0]);
        assert_eq!(cmyk_to_rgb(&[0, 128, 0, 128], None), [127, 63, 127]);
    }

    #[test]
    fn only_complete_pictures_are_let_through() {
        assert!(is_harmless("Corrupt JPEG data: 2 extraneous bytes before marker 0xd9"));
        assert!(!is_harmless("Premature end of JPEG file"));
        assert!(!is_harmless("Corrupt JPEG data: bad Huffman code"));
    }
}
