//! Parameters that several operations have in common.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::failure::Failure;
use crate::limits;
use crate::media_info::{MediaInfo, PictureInfo};
use crate::operation_doc::{ParameterDoc, ParameterKind};
use crate::panorama::EyePlan;

/// The file format of tiles and thumbnails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TileFormat {
    /// JPEG, 4:2:0.
    #[default]
    Jpeg,
    /// WebP, lossy.
    Webp,
    /// PNG: no loss.
    Png,
}

impl TileFormat {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["jpeg", "webp", "png"];

    /// The ending of a file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Png => "png",
        }
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Png => "image/png",
        }
    }
}

/// How the two eyes of a stereo picture lie in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StereoLayout {
    /// By shape: 1:1 is top-bottom, 4:1 is left-right, everything else one picture.
    #[default]
    Auto,
    /// One picture for both eyes.
    Mono,
    /// The left eye above the right.
    TopBottom,
    /// The left eye left of the right.
    LeftRight,
}

impl StereoLayout {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["auto", "mono", "top-bottom", "left-right"];

    /// The layout of a panorama of this size; never `Auto`.
    pub const fn resolve(self, width_px: u32, height_px: u32) -> Self {
        match self {
            Self::Auto if width_px == height_px && width_px > 1 => Self::TopBottom,
            Self::Auto if width_px as u64 == 4 * height_px as u64 => Self::LeftRight,
            Self::Auto => Self::Mono,
            said => said,
        }
    }

    /// The part of a picture that one eye sees.
    ///
    /// A divided side must be even: half a pixel belongs to no eye.
    ///
    /// # Errors
    /// `Rejected` for an odd side.
    pub fn eye_rect(self, eye: Eye, width_px: u32, height_px: u32) -> Result<PixelRect, Failure> {
        let whole = PixelRect { left_px: 0, top_px: 0, width_px, height_px };
        let second = u32::from(eye == Eye::Right);
        let odd = |side: &str, px: u32| {
            let said = format!("a stereo picture needs an even {side}; this one has {px} pixels");
            Failure::rejected("stereo_odd_size", said)
        };
        match self.resolve(width_px, height_px) {
            Self::TopBottom if height_px % 2 == 1 => Err(odd("height", height_px)),
            Self::LeftRight if width_px % 2 == 1 => Err(odd("width", width_px)),
            Self::TopBottom => {
                Ok(PixelRect { top_px: second * height_px / 2, height_px: height_px / 2, ..whole })
            }
            Self::LeftRight => {
                Ok(PixelRect { left_px: second * width_px / 2, width_px: width_px / 2, ..whole })
            }
            Self::Mono | Self::Auto => Ok(whole),
        }
    }
}

/// One eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eye {
    /// The left eye, and the only one of a mono picture.
    Left,
    /// The right eye.
    Right,
}

impl Eye {
    /// The folder of this eye where both are written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// Which eyes of a stereo picture to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EyeChoice {
    /// The left one.
    #[default]
    Left,
    /// The right one.
    Right,
    /// Each on its own.
    Both,
}

impl EyeChoice {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["left", "right", "both"];
}

/// What happens to an embedded colour profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IccPolicy {
    /// Pixels are converted to sRGB and the outputs carry no profile.
    #[default]
    Srgb,
    /// Pixels stay as they are and every output carries the source's profile.
    Keep,
}

impl IccPolicy {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["srgb", "keep"];
}

/// A colour written `#rrggbb`, in the output's colour space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rgb(pub [u8; 3]);

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl Serialize for Rgb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rgb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, r, g, b] = value
            .ok_or_else(|| {
                D::Error::custom(format!("color `{text}` must be `#rrggbb`, lower case"))
            })?
            .to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelRect {
    /// Left edge, from 0.
    pub left_px: u32,
    /// Top edge, from 0.
    pub top_px: u32,
    /// Width, at least 1.
    pub width_px: u32,
    /// Height, at least 1.
    pub height_px: u32,
}

pub(crate) const FORMAT: ParameterDoc = ParameterDoc {
    name: "format",
    kind: ParameterKind::Choice { of: TileFormat::WORDS },
    default: "\"jpeg\"",
    summary: "file format",
};

pub(crate) const QUALITY: ParameterDoc = ParameterDoc {
    name: "quality",
    kind: ParameterKind::Integer { min: 1, max: 100 },
    default: "85",
    summary: "encoder quality",
};

pub(crate) const ICC: ParameterDoc = ParameterDoc {
    name: "icc",
    kind: ParameterKind::Choice { of: IccPolicy::WORDS },
    default: "\"srgb\"",
    summary: "`srgb` converts the colours, `keep` leaves them and embeds the source's profile",
};

/// The wanted eyes of a picture of this size, of the same size each.
///
/// # Errors
/// `Rejected` for an odd side.
pub(crate) fn eyes(
    layout: StereoLayout,
    choice: EyeChoice,
    width_px: u32,
    height_px: u32,
) -> Result<Vec<EyePlan>, Failure> {
    let layout = layout.resolve(width_px, height_px);
    let eyes: &[Eye] = match (layout, choice) {
        (StereoLayout::Mono, _) | (_, EyeChoice::Left) => &[Eye::Left],
        (_, EyeChoice::Right) => &[Eye::Right],
        (_, EyeChoice::Both) => &[Eye::Left, Eye::Right],
    };
    let each = |&eye| Ok(EyePlan { eye, crop: layout.eye_rect(eye, width_px, height_px)? });
    eyes.iter().map(each).collect()
}

/// Refuses a whole number outside its interval.
pub(crate) fn check_integer(name: &str, value: u32, min: u32, max: u32) -> Result<(), String> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(format!("{name} is {value}; it must be {min} to {max}"))
}

/// Refuses an angle outside its interval; not-a-number is outside every one.
pub(crate) fn check_angle(
    name: &str,
    value: Option<f64>,
    min: f64,
    max: f64,
) -> Result<(), String> {
    match value {
        Some(angle) if !(min..=max).contains(&angle) => {
            Err(format!("{name} is {angle}; it must be {min} to {max}"))
        }
        _ => Ok(()),
    }
}

/// Letters of a URL.
const URL_CHARS_MAX: usize = 1000;

/// Refuses what is no plain URL of a folder.
pub(crate) fn check_url(name: &str, value: Option<&str>) -> Result<(), String> {
    let fits = |url: &str| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/@!$&'()*+,;=%[]".contains(&b);
        url.len() <= URL_CHARS_MAX
            && rest.is_some_and(|rest| {
                !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(plain)
            })
    };
    match value {
        Some(url) if !fits(url) => Err(format!(
            "{name} must be a URL that begins with https:// or http://, without `?` and `#`"
        )),
        _ => Ok(()),
    }
}

/// The still picture of a source, within the limits that every pixel operation has.
pub(crate) fn still_picture<'m>(
    op: &str,
    media: &'m MediaInfo,
) -> Result<&'m PictureInfo, Failure> {
    let Some(picture) = &media.picture else {
        let said = format!(
            "{op} needs a still picture, and the source is {}; ask for `media.probe` to see what it holds",
            media.container
        );
        return Err(Failure::rejected("not_a_picture", said));
    };
    let (width, height) = (picture.width_px, picture.height_px);
    let side_max = limits::PICTURE_SIDE_PX_MAX;
    if width > side_max || height > side_max {
        let said =
            format!("the picture is {width}×{height} pixels; a side may have {side_max} at most");
        return Err(Failure::rejected("picture_too_large", said));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits::PICTURE_PIXELS_MAX {
        let said = format!(
            "the picture has {pixels} pixels ({width}×{height}); the limit is {}; make it smaller",
            limits::PICTURE_PIXELS_MAX
        );
        return Err(Failure::rejected("picture_too_large", said));
    }
    Ok(picture)
}
