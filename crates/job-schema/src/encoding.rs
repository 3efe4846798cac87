//! What operations that encode video have in common.

use serde::{Deserialize, Serialize};

use crate::operation_doc::{ParameterDoc, ParameterKind};
use crate::operations::shared;

/// x264's presets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the encoder's own names")]
pub enum EncoderPreset {
    Ultrafast,
    Superfast,
    Veryfast,
    Faster,
    Fast,
    #[default]
    Medium,
    Slow,
    Slower,
    Veryslow,
}

impl EncoderPreset {
    /// The words of the parameter, fastest first.
    pub const WORDS: &'static [&'static str] = &[
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    ];

    /// The encoder's word.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// How pictures are coded.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// What everything plays.
    #[default]
    H264,
    /// What headsets, phones and Safari play, in frames that H.264 has no level for.
    Hevc,
    /// What newer browsers and devices play.
    Av1,
}

impl VideoCodec {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["h264", "hevc", "av1"];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
        }
    }
}

/// What to do with a damaged video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DamagePolicy {
    /// Make what can be made of it, and say so.
    #[default]
    BestEffort,
    /// Refuse it.
    Reject,
}

impl DamagePolicy {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["best_effort", "reject"];
}

/// Rate factors of x264. 0 would be lossless: a profile that no browser plays.
const CRF_MIN: u32 = 1;
const CRF_MAX: u32 = 51;

const AUDIO_KBPS_MIN: u32 = 32;
const AUDIO_KBPS_MAX: u32 = 512;

pub(crate) fn check_crf(crf: u8) -> Result<(), String> {
    shared::check_integer("crf", crf.into(), CRF_MIN, CRF_MAX)
}

pub(crate) fn check_audio_kbps(kbps: u32) -> Result<(), String> {
    shared::check_integer("audio_kbps", kbps, AUDIO_KBPS_MIN, AUDIO_KBPS_MAX)
}

pub(crate) const CRF: ParameterDoc = ParameterDoc {
    name: "crf",
    kind: ParameterKind::Integer { min: CRF_MIN as i64, max: CRF_MAX as i64 },
    default: "23",
    summary: "rate factor of the encoder: less is better and larger",
};

pub(crate) const PRESET: ParameterDoc = ParameterDoc {
    name: "preset",
    kind: ParameterKind::Choice { of: EncoderPreset::WORDS },
    default: "\"medium\"",
    summary: "how much time the encoder takes",
};

pub(crate) const AUDIO_KBPS: ParameterDoc = ParameterDoc {
    name: "audio_kbps",
    kind: ParameterKind::Integer { min: AUDIO_KBPS_MIN as i64, max: AUDIO_KBPS_MAX as i64 },
    default: "128",
    summary: "bit rate of the sound, in kbit/s",
};

pub(crate) const DAMAGE: ParameterDoc = ParameterDoc {
    name: "damage",
    kind: ParameterKind::Choice { of: DamagePolicy::WORDS },
    default: "\"best_effort\"",
    summary: "what to do with a video of which not all frames can be decoded",
};
