//! The file formats that pictures are written in.

use serde::{Deserialize, Serialize};

use crate::operation::TileFormat;

/// The file format of one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    /// JPEG, 4:2:0, 8 bits.
    #[default]
    Jpeg,
    /// WebP, lossy, 8 bits.
    Webp,
    /// PNG: no loss, 8 or 16 bits.
    Png,
    /// TIFF, deflated in strips: no loss, 8 or 16 bits.
    Tiff,
}

impl PictureFormat {
    /// The words of a parameter.
    pub const WORDS: &'static [&'static str] = &["jpeg", "webp", "png", "tiff"];

    /// The ending of a file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Png => "png",
            Self::Tiff => "tif",
        }
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Png => "image/png",
            Self::Tiff => "image/tiff",
        }
    }

    /// Whether a picture may have an alpha channel.
    pub const fn has_alpha(self) -> bool {
        match self {
            Self::Jpeg => false,
            Self::Webp | Self::Png | Self::Tiff => true,
        }
    }

    /// The most bits that a sample may have: 8 or 16.
    pub const fn bits_max(self) -> u8 {
        match self {
            Self::Jpeg | Self::Webp => 8,
            Self::Png | Self::Tiff => 16,
        }
    }
}

impl From<TileFormat> for PictureFormat {
    fn from(format: TileFormat) -> Self {
        match format {
            TileFormat::Jpeg => Self::Jpeg,
            TileFormat::Webp => Self::Webp,
            TileFormat::Png => Self::Png,
        }
    }
}
