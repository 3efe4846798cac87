//! `image.convert`: a picture cut, turned, made larger or smaller, and written in another format, in one size or several.

use serde::{Deserialize, Serialize};

use super::shared::{self, EyeChoice, IccPolicy, PixelRect, Rgb, StereoLayout};
use crate::failure::Failure;
use crate::fit::{Enlarge, Fit, covering, size_in};
use crate::limits::PICTURE_SIDE_PX_MAX;
use crate::media_info::{GPano, MediaInfo};
use crate::metadata_policy::MetadataPolicy;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::EyePlan;
use crate::picture_format::PictureFormat;
use crate::render::check_size;

/// Another picture of the same pixels: first cut, then turned, then mirrored, then resized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConvert {
    /// Width of the result.
    pub width_px: Option<u32>,
    /// Height of the result.
    pub height_px: Option<u32>,
    /// Widths of several results.
    pub widths_px: Vec<u32>,
    /// How the picture fits a width and a height.
    pub fit: Fit,
    /// Whether it may be made larger.
    pub enlarge: Enlarge,
    /// Left edge of the part that is used.
    pub crop_left_px: u32,
    /// Top edge of the part that is used.
    pub crop_top_px: u32,
    /// Width of the part; without it, as far as the picture goes.
    pub crop_width_px: Option<u32>,
    /// Height of the part; without it, as far as the picture goes.
    pub crop_height_px: Option<u32>,
    /// A clockwise turn: 0, 90, 180 or 270.
    pub rotate_deg: u32,
    /// What is mirrored after the turn.
    pub flip: Flip,
    /// How the eyes of a stereo picture lie in it.
    pub stereo: StereoLayout,
    /// Which eyes of a stereo picture to use.
    pub eye: EyeChoice,
    /// File format.
    pub format: PictureFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// What of the source's EXIF data is written.
    pub metadata: MetadataPolicy,
    /// What is put behind transparent pixels; without it they stay transparent where the format can.
    pub background: Option<Rgb>,
}

impl Default for ImageConvert {
    fn default() -> Self {
        Self {
            width_px: None,
            height_px: None,
            widths_px: Vec::new(),
            fit: Fit::Inside,
            enlarge: Enlarge::Never,
            crop_left_px: 0,
            crop_top_px: 0,
            crop_width_px: None,
            crop_height_px: None,
            rotate_deg: 0,
            flip: Flip::None,
            stereo: StereoLayout::Mono,
            eye: EyeChoice::Left,
            format: PictureFormat::Jpeg,
            quality: 85,
            icc: IccPolicy::Srgb,
            metadata: MetadataPolicy::Strip,
            background: None,
        }
    }
}

/// What is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// Nothing.
    #[default]
    None,
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
}

impl Flip {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["none", "horizontal", "vertical"];
}

/// Other pictures of the same pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvertPlan {
    /// The eyes, each with its part of the upright source; at least one, all of the same size.
    pub eyes: Vec<EyePlan>,
    /// What makes the part upright, as an EXIF orientation: 1 to 8.
    pub orientation: u8,
    /// Whether the part goes all around the sphere, so that its right border continues at its left one.
    pub wraps: bool,
    /// The sizes, at least one.
    pub sizes: Vec<SizePlan>,
    /// File format.
    pub format: PictureFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// What of the source's EXIF data is written.
    pub metadata: MetadataPolicy,
    /// What is put behind transparent pixels, if they do not stay transparent.
    pub background: Option<Rgb>,
}

/// One size of a [`ConvertPlan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizePlan {
    /// The name of its file, without the ending.
    pub name: String,
    /// Width.
    pub width_px: u32,
    /// Height.
    pub height_px: u32,
    /// Photo Sphere fields that are true of it.
    pub gpano: Option<GPano>,
}

impl ImageConvert {
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, side_px) in [
            ("width_px", self.width_px),
            ("height_px", self.height_px),
            ("crop_width_px", self.crop_width_px),
            ("crop_height_px", self.crop_height_px),
        ] {
            if let Some(side_px) = side_px {
                shared::check_integer(name, side_px, 1, PICTURE_SIDE_PX_MAX)?;
            }
        }
        shared::check_integer("crop_left_px", self.crop_left_px, 0, PICTURE_SIDE_PX_MAX)?;
        shared::check_integer("crop_top_px", self.crop_top_px, 0, PICTURE_SIDE_PX_MAX)?;
        if self.widths_px.len() > WIDTHS_MAX {
            let count = self.widths_px.len();
            return Err(format!("widths_px has {count} widths; it may have {WIDTHS_MAX}"));
        }
        for width_px in &self.widths_px {
            shared::check_integer("widths_px", *width_px, 1, PICTURE_SIDE_PX_MAX)?;
        }
        if !self.widths_px.is_empty() && (self.width_px.is_some() || self.height_px.is_some()) {
            return Err("widths_px goes without width_px and height_px".into());
        }
        if !self.rotate_deg.is_multiple_of(90) || self.rotate_deg > 270 {
            return Err(format!("rotate_deg is {}; it must be 0, 90, 180 or 270", self.rotate_deg));
        }
        shared::check_integer("quality", self.quality.into(), 1, 100)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<ConvertPlan, Failure> {
        let picture = shared::still_picture("image.convert", media)?;
        let eyes = shared::eyes(self.stereo, self.eye, picture.width_px, picture.height_px)?;
        let eye = eyes[0].crop;
        let swapped = self.rotate_deg % 180 == 90;
        let part = match (self.fit, self.width_px, self.height_px) {
            (Fit::Cover, Some(width_px), Some(height_px)) => {
                covering(self.part(eye)?, swapped, (width_px, height_px))
            }
            _ => self.part(eye)?,
        };
        let turned =
            if swapped { (part.height_px, part.width_px) } else { (part.width_px, part.height_px) };
        let part_of = |eye: EyePlan| EyePlan {
            crop: PixelRect {
                left_px: eye.crop.left_px + part.left_px,
                top_px: eye.crop.top_px + part.top_px,
                ..part
            },
            ..eye
        };
        let gpano = self.sphere(media, eye).map(|gpano| gpano.cropped(part));
        let sizes = self.sizes(turned, gpano.as_ref())?;
        Ok(ConvertPlan {
            eyes: eyes.into_iter().map(part_of).collect(),
            orientation: self.orientation(),
            wraps: gpano.is_some_and(|gpano| gpano.cropped_width_px == gpano.full_width_px),
            sizes,
            format: self.format,
            quality: self.quality,
            icc: self.icc,
            metadata: self.metadata,
            background: self.background,
        })
    }

    /// The part of an eye that is asked for.
    fn part(&self, eye: PixelRect) -> Result<PixelRect, Failure> {
        let (left_px, top_px) = (self.crop_left_px, self.crop_top_px);
        let side = |said: Option<u32>, from: u32, whole: u32| {
            let side = said.or(whole.checked_sub(from)).filter(|side| *side > 0)?;
            (u64::from(from) + u64::from(side) <= u64::from(whole)).then_some(side)
        };
        let width_px = side(self.crop_width_px, left_px, eye.width_px);
        let height_px = side(self.crop_height_px, top_px, eye.height_px);
        if let (Some(width_px), Some(height_px)) = (width_px, height_px) {
            return Ok(PixelRect { left_px, top_px, width_px, height_px });
        }
        let said = format!(
            "the part from {left_px}, {top_px} on, {}×{}, is not inside of the picture, which is {}×{}; correct \
             `crop_left_px`, `crop_top_px`, `crop_width_px` or `crop_height_px`",
            self.crop_width_px.map_or("all the way".into(), |px| px.to_string()),
            self.crop_height_px.map_or("all the way".into(), |px| px.to_string()),
            eye.width_px,
            eye.height_px
        );
        Err(Failure::rejected("crop_outside", said))
    }

    /// The sphere fields of an eye as it lies in the source; `None` if the source has none, they are another picture's, or
    /// what is made is no longer upright.
    fn sphere(&self, media: &MediaInfo, eye: PixelRect) -> Option<GPano> {
        let picture = media.picture.as_ref()?;
        let whole = (eye.width_px, eye.height_px) == (picture.width_px, picture.height_px);
        let gpano = media.gpano.as_ref().filter(|_| whole && self.orientation() == 1)?;
        gpano.picture_px()?;
        Some(gpano.resized(eye.width_px, eye.height_px))
    }

    fn sizes(&self, from: (u32, u32), gpano: Option<&GPano>) -> Result<Vec<SizePlan>, Failure> {
        let asked = if self.widths_px.is_empty() {
            vec![(self.width_px, self.height_px)]
        } else {
            self.widths_px.iter().map(|width_px| (Some(*width_px), None)).collect()
        };
        let mut sizes: Vec<SizePlan> = Vec::new();
        for (width_px, height_px) in asked {
            let (width_px, height_px) =
                size_in(from, (width_px, height_px), self.fit, self.enlarge);
            check_size(self.format, width_px, height_px)?;
            let name = if self.widths_px.is_empty() {
                "picture".to_owned()
            } else {
                format!("picture-{width_px}")
            };
            // Widths that are not reached are one and the same.
            if sizes.iter().all(|size| size.name != name) {
                let gpano = gpano.map(|gpano| gpano.resized(width_px, height_px));
                sizes.push(SizePlan { name, width_px, height_px, gpano });
            }
        }
        // The largest first: each next one is made of pixels that are still there.
        sizes.sort_by_key(|size| std::cmp::Reverse(size.width_px));
        Ok(sizes)
    }

    /// The turn and the mirror as an EXIF orientation.
    const fn orientation(&self) -> u8 {
        const TAGS: [[u8; 3]; 4] = [[1, 2, 4], [6, 5, 7], [3, 4, 2], [8, 7, 5]];
        TAGS[(self.rotate_deg / 90 % 4) as usize][self.flip as usize]
    }
}

const WIDTHS_MAX: usize = 16;

const SIDE: ParameterKind = ParameterKind::Integer { min: 1, max: PICTURE_SIDE_PX_MAX as i64 };
const PLACE: ParameterKind = ParameterKind::Integer { min: 0, max: PICTURE_SIDE_PX_MAX as i64 };

const fn parameter(
    name: &'static str,
    kind: ParameterKind,
    default: &'static str,
    summary: &'static str,
) -> ParameterDoc {
    ParameterDoc { name, kind, default, summary }
}

const SIZE: [ParameterDoc; 5] = [
    parameter("width_px", SIDE, "null", "width of the box, in pixels; if not given, by the height"),
    parameter(
        "height_px",
        SIDE,
        "null",
        "height of the box, in pixels; if not given, by the width",
    ),
    parameter(
        "widths_px",
        ParameterKind::Integers { min: 1, max: PICTURE_SIDE_PX_MAX as i64, count_max: WIDTHS_MAX },
        "[]",
        "widths of several pictures, in pixels, each of the same shape; goes without `width_px` and `height_px`",
    ),
    parameter(
        "fit",
        ParameterKind::Choice { of: Fit::WORDS },
        "\"inside\"",
        "how the picture comes into a box of a width and a height: all of it in its shape, the middle that fills the box, \
         or all of it in the shape of the box",
    ),
    parameter(
        "enlarge",
        ParameterKind::Choice { of: Enlarge::WORDS },
        "\"never\"",
        "whether the picture may become larger; if never, a smaller box of the same shape is taken",
    ),
];

const PART: [ParameterDoc; 6] = [
    parameter(
        "crop_left_px",
        PLACE,
        "0",
        "left edge of the part that is used, in pixels of the upright source",
    ),
    parameter(
        "crop_top_px",
        PLACE,
        "0",
        "top edge of the part that is used, in pixels of the upright source",
    ),
    parameter(
        "crop_width_px",
        SIDE,
        "null",
        "width of the part, in pixels; if not given, as far as the picture goes",
    ),
    parameter(
        "crop_height_px",
        SIDE,
        "null",
        "height of the part, in pixels; if not given, as far as the picture goes",
    ),
    parameter(
        "rotate_deg",
        ParameterKind::Integer { min: 0, max: 270 },
        "0",
        "clockwise turn after the cut, in degrees: 0, 90, 180 or 270",
    ),
    parameter(
        "flip",
        ParameterKind::Choice { of: Flip::WORDS },
        "\"none\"",
        "what is mirrored after the turn: left and right, or top and bottom",
    ),
];

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "image.convert",
    summary: "a picture cut, turned, mirrored, resized, and written in another format, in one size or several",
    writes: "picture.jpg, or picture-<width>.jpg for each width; of both eyes, each under left/ and right/; Photo Sphere \
             fields follow a cut and a new size, and are left out of what is turned or mirrored",
    parameters: &parameters::<18>(&[
        &SIZE,
        &PART,
        &[
            parameter(
                "stereo",
                ParameterKind::Choice { of: StereoLayout::WORDS },
                "\"mono\"",
                "how the eyes of a stereo picture lie in it; `auto` goes by the shape, as pano.tiles does",
            ),
            parameter(
                "eye",
                ParameterKind::Choice { of: EyeChoice::WORDS },
                "\"left\"",
                "which eyes of a stereo picture to use",
            ),
            parameter(
                "format",
                ParameterKind::Choice { of: PictureFormat::WORDS },
                "\"jpeg\"",
                "file format",
            ),
            shared::QUALITY,
            shared::ICC,
            MetadataPolicy::DOC,
            parameter(
                "background",
                ParameterKind::Color,
                "null",
                "what is put behind transparent pixels; if not given they stay transparent, on white in a JPEG",
            ),
        ],
    ]),
    example: r#"{"op": "image.convert", "format": "webp", "widths_px": [640, 1280, 2560]}"#,
};
