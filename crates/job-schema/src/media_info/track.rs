//! Video, audio and other tracks.

use serde::{Deserialize, Serialize};

use super::SphereInfo;

/// One track of a file with tracks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Place in the file, from 0.
    pub index: u32,
    /// `video`, `audio`, `subtitle`, `cover` (a still that comes along), `data`.
    pub kind: String,
    /// FFmpeg's name of the codec: `h264`, `hevc`, `aac`.
    pub codec: String,
    /// FFmpeg's name of the codec's profile: `High`, `Main 10`, `LC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The codec's level as people write it: `4.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Coded width of a video track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_px: Option<u32>,
    /// Coded height of a video track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_px: Option<u32>,
    /// Width and height of a pixel as it is shown, if it is not square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_aspect: Option<(i32, i32)>,
    /// Average frame rate of a video track, as a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<(i32, i32)>,
    /// How regularly frames come, by the first packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<FrameTiming>,
    /// Frames or packets that the file says there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// When it begins; negative where a player drops its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<i64>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// FFmpeg's name of the pixel format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_format: Option<String>,
    /// Bits of a video sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_sample: Option<u8>,
    /// What the samples of a video track mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<ColorInfo>,
    /// Whether frames are made of two fields.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interlaced: bool,
    /// Clockwise rotation that a player applies: 0, 90, 180 or 270.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_deg: Option<i32>,
    /// What of a sphere a video track shows, by its metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sphere: Option<SphereInfo>,
    /// Samples per second of an audio track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate_hz: Option<u32>,
    /// Channels of an audio track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// FFmpeg's name of how the channels are arranged: `stereo`, `5.1(side)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_layout: Option<String>,
    /// Order of an ambisonic track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambisonic_order: Option<u32>,
    /// Language, as written: usually three letters of ISO 639-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Average bit rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_second: Option<u64>,
}

/// How regularly the frames of a track come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameTiming {
    /// Frames that were looked at.
    pub frames: u32,
    /// Whether the times between them differ.
    pub variable: bool,
    /// The shortest time from one to the next.
    pub shortest_ms: f64,
    /// The longest time from one to the next.
    pub longest_ms: f64,
}

/// What the samples of a video track mean, in FFmpeg's names; what the file does not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColorInfo {
    /// `bt709`, `bt2020`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primaries: Option<String>,
    /// `bt709`, `smpte2084` (PQ), `arib-std-b67` (HLG).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// `bt709`, `bt2020nc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// `tv` (limited) or `pc` (full).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Where chroma samples lie: `left`, `center`, `topleft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chroma_location: Option<String>,
    /// The dynamic range that follows from it.
    pub dynamic_range: DynamicRange,
    /// The profile of Dolby Vision metadata that comes along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dolby_vision_profile: Option<u8>,
}

/// How bright a video can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynamicRange {
    /// Standard.
    Sdr,
    /// Hybrid log-gamma (ITU-R BT.2100).
    Hlg,
    /// PQ (SMPTE ST 2084) without static metadata.
    Pq,
    /// PQ with the mastering display's metadata or light levels.
    Hdr10,
}
