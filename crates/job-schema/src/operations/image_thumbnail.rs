//! `image.thumbnail`: a picture to a smaller one.

use serde::{Deserialize, Serialize};

use super::shared::{self, Eye, EyeChoice, IccPolicy, PixelRect, StereoLayout, TileFormat};
use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::metadata_policy::MetadataPolicy;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};

/// Fits a picture into a box, keeping its shape. It is never made larger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageThumbnail {
    /// Width of the box.
    pub width_px: u32,
    /// Height of the box; without it only the width counts.
    pub height_px: Option<u32>,
    /// File format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// How the eyes of a stereo picture lie in it.
    pub stereo: StereoLayout,
    /// Which eye of a stereo picture to show.
    pub eye: EyeChoice,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// What is told of how the source was taken.
    pub metadata: MetadataPolicy,
}

impl Default for ImageThumbnail {
    fn default() -> Self {
        Self {
            width_px: 1024,
            height_px: None,
            format: TileFormat::Jpeg,
            quality: 85,
            stereo: StereoLayout::Mono,
            eye: EyeChoice::Left,
            icc: IccPolicy::Srgb,
            metadata: MetadataPolicy::Strip,
        }
    }
}

/// One smaller picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThumbnailPlan {
    /// The part of the upright source that is shown.
    pub crop: PixelRect,
    /// Width of the result.
    pub width_px: u32,
    /// Height of the result.
    pub height_px: u32,
    /// File format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// What is told of how the source was taken.
    pub metadata: MetadataPolicy,
}

impl ImageThumbnail {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_integer("width_px", self.width_px, 1, 16_384)?;
        if let Some(height_px) = self.height_px {
            shared::check_integer("height_px", height_px, 1, 16_384)?;
        }
        if self.eye == EyeChoice::Both && self.stereo != StereoLayout::Mono {
            return Err("eye `both` cannot be shown in one thumbnail; ask for two outputs".into());
        }
        shared::check_integer("quality", self.quality.into(), 1, 100)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<ThumbnailPlan, Failure> {
        let picture = shared::still_picture("image.thumbnail", media)?;
        let eye = if self.eye == EyeChoice::Right { Eye::Right } else { Eye::Left };
        let crop = self.stereo.eye_rect(eye, picture.width_px, picture.height_px)?;
        let (width_px, height_px) = self.fit(crop.width_px, crop.height_px);
        let Self { format, quality, icc, metadata, .. } = *self;
        Ok(ThumbnailPlan { crop, width_px, height_px, format, quality, icc, metadata })
    }

    /// The largest size inside the box with the shape of `width × height`, rounded, at least 1 × 1.
    fn fit(&self, width_px: u32, height_px: u32) -> (u32, u32) {
        let (width, height) = (f64::from(width_px), f64::from(height_px));
        let by_width = f64::from(self.width_px) / width;
        let by_height = self.height_px.map_or(f64::INFINITY, |box_px| f64::from(box_px) / height);
        let scale = by_width.min(by_height).min(1.0);
        let side = |px: f64| (px * scale).round().max(1.0) as u32;
        (side(width), side(height))
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "image.thumbnail",
    summary: "fits a picture into a box, keeping its shape; never larger than the source",
    writes: "thumbnail.jpg or thumbnail.webp",
    parameters: &[
        ParameterDoc {
            name: "width_px",
            kind: ParameterKind::Integer { min: 1, max: 16_384 },
            default: "1024",
            summary: "width of the box, in pixels",
        },
        ParameterDoc {
            name: "height_px",
            kind: ParameterKind::Integer { min: 1, max: 16_384 },
            default: "null",
            summary: "height of the box, in pixels; without it only the width counts",
        },
        shared::FORMAT,
        shared::QUALITY,
        ParameterDoc {
            name: "stereo",
            kind: ParameterKind::Choice { of: StereoLayout::WORDS },
            default: "\"mono\"",
            summary: "how the eyes of a stereo picture lie in it; `auto` goes by the shape, as pano.tiles does",
        },
        ParameterDoc {
            name: "eye",
            kind: ParameterKind::Choice { of: EyeChoice::WORDS },
            default: "\"left\"",
            summary: "which eye of a stereo picture to show",
        },
        shared::ICC,
        MetadataPolicy::DOC,
    ],
    example: r#"{"op": "image.thumbnail", "width_px": 1024}"#,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_the_box_and_never_grows() {
        let fit = |width_px, height_px, source: (u32, u32)| {
            ImageThumbnail { width_px, height_px, ..ImageThumbnail::default() }
                .fit(source.0, source.1)
        };
        assert_eq!(fit(1024, None, (8192, 4096)), (1024, 512));
        assert_eq!(fit(1024, Some(256), (8192, 4096)), (512, 256));
        assert_eq!(fit(1024, None, (640, 480)), (640, 480));
        assert_eq!(fit(100, None, (10_000, 3)), (100, 1));
    }
}
