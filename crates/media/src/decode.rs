//! Pixels of a still picture: upright, planar RGB, 8 bits.

use std::fs::File;
use std::path::Path;

use panofleet_job_schema::media_info::ColorModel;
use panofleet_raster::{ExifOrientation, Picture, Plane, RasterError, orient};

use crate::depth::Depth;
use crate::error::MediaError;
use crate::exif::Exif;
use crate::header::{self, Header};
use crate::icc::{self, Profile, Space};
use crate::probe;
use crate::sniff::Container;

pub(crate) mod jpeg;
pub(crate) mod still;

/// A decoded picture of samples of 8 or 16 bits.
#[derive(Debug)]
pub struct Decoded<S = u8> {
    /// Upright; RGB, or RGB and straight alpha.
    pub picture: Picture<S>,
    /// The RGB profile whose colours the picture has; without one they are sRGB.
    pub profile: Option<Profile>,
    /// What may be written into a picture that is made of this one.
    pub exif: Option<Exif>,
    /// What is odd about the pixels or the profile.
    pub warnings: Vec<String>,
}

impl Decoded {
    /// The same picture in sRGB, converted in place and without a profile.
    ///
    /// # Errors
    /// None that a decoded picture can meet.
    pub fn into_srgb(self) -> Result<Self, RasterError> {
        to_srgb(self)
    }
}

impl Decoded<u16> {
    /// The same picture in sRGB, converted in place and without a profile.
    ///
    /// # Errors
    /// None that a decoded picture can meet.
    pub fn into_srgb(self) -> Result<Self, RasterError> {
        to_srgb(self)
    }
}

fn to_srgb<S: Depth>(decoded: Decoded<S>) -> Result<Decoded<S>, RasterError> {
    let Decoded { picture, profile, exif, warnings } = decoded;
    let picture = match &profile {
        Some(profile) => icc::convert(picture, profile)?,
        None => picture,
    };
    Ok(Decoded { picture, profile: None, exif, warnings })
}

/// Decodes a still picture to 8 bits: the first one of a file with several.
///
/// Gray becomes three equal planes. 16 bits are rounded to 8. Gray and CMYK with a profile go through it
/// to sRGB; CMYK without one through `(255 − C) · (255 − K) / 255`, which is only roughly right.
///
/// # Errors
/// `Rejected` errors for what the file is or lacks; `Io`.
pub fn decode(path: &Path) -> Result<Decoded, MediaError> {
    decode_to(path)
}

/// The same to 16 bits; 8 are spread over them (`v · 257`), so that black stays black and white white.
///
/// # Errors
/// As [`decode`].
pub fn decode_deep(path: &Path) -> Result<Decoded<u16>, MediaError> {
    decode_to(path)
}

fn decode_to<S: Depth>(path: &Path) -> Result<Decoded<S>, MediaError> {
    let file = File::open(path).map_err(MediaError::Io)?;
    let (container, _) = probe::sniff_file(&file)?;
    probe::check_decoded(container)?;
    let header = header::read(container, &file)?;
    header::check_size(container, header.width_px.into(), header.height_px.into())?;
    let orientation = probe::orientation(&header.metadata);
    let (profile, mut warnings) = usable_profile::<S>(&header);
    let (picture, profile) = if container == Container::Jpeg {
        jpeg::decode(&file, &header, profile, &mut warnings)?
    } else {
        still::decode(container, &file, &header, profile, &mut warnings)?
    };
    let turned = ExifOrientation::from_tag(orientation).unwrap_or(ExifOrientation::Upright);
    Ok(Decoded { picture: orient(picture, turned), profile, exif: header.metadata.exif, warnings })
}

/// Bytes that [`decode`] takes at most: the file, what the codec keeps, its interleaved samples and our
/// planes, all at once.
///
/// # Errors
/// As [`decode`], for what the header says.
pub fn decode_bytes_max(path: &Path) -> Result<u64, MediaError> {
    bytes_max::<u8>(path)
}

/// Bytes that [`decode_deep`] takes at most.
///
/// # Errors
/// As [`decode`], for what the header says.
pub fn decode_deep_bytes_max(path: &Path) -> Result<u64, MediaError> {
    bytes_max::<u16>(path)
}

fn bytes_max<S: Depth>(path: &Path) -> Result<u64, MediaError> {
    let file = File::open(path).map_err(MediaError::Io)?;
    let (container, file_bytes) = probe::sniff_file(&file)?;
    probe::check_decoded(container)?;
    let header = header::read(container, &file)?;
    let pixels = u64::from(header.width_px) * u64::from(header.height_px);
    let planes = 3 + u64::from(header.alpha);
    let samples = match header.color {
        ColorModel::Cmyk => 4 + planes,
        // Some codecs expand gray.
        ColorModel::Gray | ColorModel::Rgb | ColorModel::Ycbcr => planes,
    };
    let interleaved = samples * if header.bits_per_sample > 8 { 2 } else { 1 };
    let file_bytes = if container == Container::Jpeg { file_bytes } else { 0 };
    let ours = planes * size_of::<S>() as u64;
    Ok(pixels * (interleaved + ours) + header.codec_bytes + file_bytes)
}

/// The profile, if it can be read and is for the kind of samples that the picture has.
pub(crate) fn usable_profile<S: Depth>(header: &Header) -> (Option<Profile>, Vec<String>) {
    let Some(bytes) = header.metadata.icc.clone() else { return (None, Vec::new()) };
    let wanted = match header.color {
        ColorModel::Gray => Space::Gray,
        ColorModel::Rgb | ColorModel::Ycbcr => Space::Rgb,
        ColorModel::Cmyk => Space::Cmyk,
    };
    match Profile::parse(bytes).and_then(S::prepare) {
        Ok(profile) if profile.space() == wanted => (Some(profile), Vec::new()),
        Ok(profile) => {
            let said = format!(
                "the colour profile is for {:?} and the picture is {wanted:?}; it was ignored",
                profile.space()
            );
            (None, vec![said])
        }
        Err(said) => {
            (None, vec![format!("the colour profile cannot be read ({said}); taken for sRGB")])
        }
    }
}

/// Gray to three planes, in sRGB if a profile says what the gray is.
fn gray_to_rgb<S: Depth>(
    gray: &Plane<S>,
    profile: Option<&Profile>,
) -> Result<Vec<Plane<S>>, RasterError> {
    let Some(profile) = profile else { return Ok(vec![gray.clone(), gray.clone(), gray.clone()]) };
    let levels: Vec<S> = (0..S::LEVELS).map(S::level).collect();
    let mut table = vec![[S::default(); 3]; S::LEVELS];
    S::to_srgb(profile, &levels, table.as_flattened_mut());
    let channel = |channel: usize| {
        let values = gray.samples().iter().map(|value| table[value.number()][channel]);
        Plane::new(gray.size(), values.collect())
    };
    (0..3).map(channel).collect()
}

fn raster(container: Container) -> impl Fn(RasterError) -> MediaError {
    move |error| MediaError::corrupt(container, &error)
}
