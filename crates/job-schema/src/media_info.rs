//! What a probe found out about a source. Only the sandboxed runner makes one; everybody else reads it.

use serde::{Deserialize, Serialize};

mod capture;
mod gpano;
mod sphere;
mod track;

pub use capture::{Capture, Location, Unstitched};
pub use gpano::{GPano, ValidArea};
pub use sphere::{EyeLayout, SphereInfo, SphereMargins, SphereMetadata, SphereProjection};
pub use track::{ColorInfo, DynamicRange, FrameTiming, TrackInfo};

/// A probed source file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// The container by its contents, never by its name: `jpeg`, `png`, `webp`, `tiff`, `mp4`, …
    pub container: String,
    /// Size of the file.
    pub bytes: u64,
    /// The still picture, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureInfo>,
    /// Video, audio and other tracks, if it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<TrackInfo>,
    /// Play time of a file with tracks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Photo Sphere metadata, as written in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpano: Option<GPano>,
    /// When, where and with what the picture was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// What the camera says of lenses whose pictures are not joined yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unstitched: Option<Unstitched>,
    /// What is odd about the file without making it unusable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl MediaInfo {
    /// The same without the place where the picture was taken, for records that more people see than asked.
    #[must_use]
    pub fn without_location(mut self) -> Self {
        if let Some(capture) = &mut self.capture {
            capture.location = None;
        }
        self
    }
}

/// A still picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureInfo {
    /// Width after the EXIF orientation is applied.
    pub width_px: u32,
    /// Height after the EXIF orientation is applied.
    pub height_px: u32,
    /// What the samples mean.
    pub color: ColorModel,
    /// Whether there is an alpha channel.
    pub alpha: bool,
    /// Bits of one sample: 1 to 32.
    pub bits_per_sample: u8,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Frames; more than one is an animation or a multi-picture file, of which the first is used.
    pub frames: u32,
    /// The embedded colour profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icc: Option<IccInfo>,
    /// The map from this picture to one of high dynamic range, which no output has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_map: Option<GainMap>,
}

/// The kind of a gain map that comes with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GainMap {
    /// Ultra HDR: described by Adobe's properties in XMP.
    UltraHdr,
    /// ISO 21496-1: described in segments of its own, perhaps by Ultra HDR's properties too.
    Iso21496,
    /// Apple's, of before the standard.
    Apple,
}

/// What the samples of a picture mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorModel {
    /// Lightness only.
    Gray,
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Luma and chroma (JPEG).
    Ycbcr,
    /// Printing inks, also in Adobe's inverted form and as YCCK.
    Cmyk,
}

/// An embedded colour profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IccInfo {
    /// Size of the profile.
    pub bytes: u64,
    /// Its description, such as `Display P3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
