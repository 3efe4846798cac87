//! `video.transcode`: one MP4 that plays everywhere.

use serde::{Deserialize, Serialize};

use super::shared::{self, Eye, StereoLayout};
use crate::encoding::{self, DamagePolicy, EncoderPreset};
use crate::failure::Failure;
use crate::footage::{self, FootagePlan, FootageSource};
use crate::media_info::{MediaInfo, SphereInfo};
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};

/// Makes H.264 and AAC in an MP4 whose index comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoTranscode {
    /// Width of the box that upright frames fit into; they are never made larger.
    pub width_px: Option<u32>,
    /// Height of the box.
    pub height_px: Option<u32>,
    /// Where to begin.
    pub start_s: Option<f64>,
    /// Where to end.
    pub end_s: Option<f64>,
    /// Rate factor: less is better and larger.
    pub crf: u8,
    /// How much time the encoder takes.
    pub preset: EncoderPreset,
    /// Longest time between two keyframes; without it, 250 frames.
    pub keyframe_s: Option<f64>,
    /// Bit rate of sound that has to be encoded anew; AAC is kept as it is.
    pub audio_kbps: u32,
    /// What to do with a video of which not all frames can be decoded.
    pub damage: DamagePolicy,
}

/// One MP4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TranscodePlan {
    /// The track.
    pub footage: FootagePlan,
    /// Width of the result's frames as they are coded, before they are turned; even.
    pub width_px: u32,
    /// Height of the result's frames as they are coded; even.
    pub height_px: u32,
    /// Where to begin, in seconds.
    pub start_s: f64,
    /// Where to end, in seconds.
    pub end_s: Option<f64>,
    /// Rate factor.
    pub crf: u8,
    /// How much time the encoder takes.
    pub preset: EncoderPreset,
    /// Average frames a second, as a fraction.
    pub frame_rate: (i32, i32),
    /// Frames between two keyframes at most.
    pub keyframe_frames: u32,
    /// The sound track, by its place in the file.
    pub audio_track: Option<u32>,
    /// Bit rate of sound that is encoded anew.
    pub audio_kbps: u32,
    /// What to do with a damaged video.
    pub damage: DamagePolicy,
    /// Frames that the whole track has by the file's word.
    pub declared_frames: Option<u64>,
    /// What of a sphere the frames show; it goes into the result.
    pub sphere: Option<SphereInfo>,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

impl Default for VideoTranscode {
    fn default() -> Self {
        Self {
            width_px: None,
            height_px: None,
            start_s: None,
            end_s: None,
            crf: 23,
            preset: EncoderPreset::Medium,
            keyframe_s: None,
            audio_kbps: 128,
            damage: DamagePolicy::BestEffort,
        }
    }
}

const OP: &str = "video.transcode";
pub(super) const TIME_S_MAX: f64 = 360_000.0;
const KEYFRAME_S: (f64, f64) = (0.1, 20.0);

/// Frames between keyframes of a job that does not say: x264's own.
const KEYFRAME_FRAMES: u32 = 250;

impl VideoTranscode {
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, side) in [("width_px", self.width_px), ("height_px", self.height_px)] {
            side.map_or(Ok(()), |px| shared::check_integer(name, px, 16, 8192))?;
        }
        shared::check_angle("start_s", self.start_s, 0.0, TIME_S_MAX)?;
        shared::check_angle("end_s", self.end_s, 0.0, TIME_S_MAX)?;
        if let (Some(start_s), Some(end_s)) = (self.start_s, self.end_s)
            && start_s >= end_s
        {
            return Err(format!(
                "start_s is {start_s} and end_s {end_s}; the end must come after the start"
            ));
        }
        encoding::check_crf(self.crf)?;
        shared::check_angle("keyframe_s", self.keyframe_s, KEYFRAME_S.0, KEYFRAME_S.1)?;
        encoding::check_audio_kbps(self.audio_kbps)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<TranscodePlan, Failure> {
        self.plan_as(OP, media)
    }

    /// The plan of an operation of this name that makes an MP4.
    pub(super) fn plan_as(&self, op: &str, media: &MediaInfo) -> Result<TranscodePlan, Failure> {
        let source = FootageSource { stereo: StereoLayout::Mono, eye: Eye::Left };
        let (footage, mut assumptions) = source.plan(op, media)?;
        let track = footage::track(op, media)?;
        footage::check_standard_range(op, track)?;
        let start_s = self.start_s.unwrap_or(0.0);
        if footage.duration_s > 0.0 && start_s >= footage.duration_s {
            let said =
                format!("start_s is {start_s}, and the video plays {} s", footage.duration_s);
            return Err(Failure::rejected("time_beyond_end", said));
        }
        let sound = footage::first_sound(media, &mut assumptions);
        let frame_rate = track.frame_rate.unwrap_or((30, 1));
        let a_second = f64::from(frame_rate.0) / f64::from(frame_rate.1);
        let keyframe_frames = self.keyframe_s.map_or(KEYFRAME_FRAMES, |seconds| {
            (seconds * a_second).round().clamp(1.0, 10_000.0) as u32
        });
        let (width_px, height_px) = self.coded_size(&footage);
        let sphere = footage::sphere_at(track, width_px)?;
        let Self { end_s, crf, preset, audio_kbps, damage, .. } = *self;
        Ok(TranscodePlan {
            footage,
            width_px,
            height_px,
            start_s,
            end_s,
            crf,
            preset,
            frame_rate,
            keyframe_frames,
            audio_track: sound.map(|track| track.index),
            audio_kbps,
            damage,
            declared_frames: track.frames,
            sphere,
            assumptions,
        })
    }

    /// The size of frames as they are coded: both sides scaled alike and even, because chroma has half of them.
    fn coded_size(&self, footage: &FootagePlan) -> (u32, u32) {
        let (width, height) = (f64::from(footage.width_px), f64::from(footage.height_px));
        let within = |side: Option<u32>, px: f64| side.map_or(1.0, |side| f64::from(side) / px);
        let scale = within(self.width_px, width).min(within(self.height_px, height)).min(1.0);
        // What a whole number misses by rounding is one.
        let even = |px: f64| ((px * scale / 2.0 + 1e-6) as u32).max(1) * 2;
        let (width, height) = (even(width), even(height));
        if footage.rotation_deg % 180 == 0 { (width, height) } else { (height, width) }
    }
}

pub(super) const KEYFRAME: ParameterDoc = ParameterDoc {
    name: "keyframe_s",
    kind: ParameterKind::Number { min: KEYFRAME_S.0, max: KEYFRAME_S.1 },
    default: "null",
    summary: "longest time between two keyframes, in seconds; 250 frames if not given",
};

pub(super) const SOUND: ParameterDoc = ParameterDoc {
    summary: "bit rate of sound that has to be encoded anew, in kbit/s; AAC is kept as it is",
    ..encoding::AUDIO_KBPS
};

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: OP,
    summary: "one MP4 of H.264 and AAC whose index comes first; spherical metadata stays, true to the pixels",
    writes: "video.mp4",
    parameters: &[
        ParameterDoc {
            name: "width_px",
            kind: ParameterKind::Integer { min: 16, max: 8192 },
            default: "null",
            summary: "width of the box that upright frames fit into, in pixels; they are never made larger",
        },
        ParameterDoc {
            name: "height_px",
            kind: ParameterKind::Integer { min: 16, max: 8192 },
            default: "null",
            summary: "height of the box, in pixels",
        },
        ParameterDoc {
            name: "start_s",
            kind: ParameterKind::Number { min: 0.0, max: TIME_S_MAX },
            default: "null",
            summary: "where to begin, in seconds",
        },
        ParameterDoc {
            name: "end_s",
            kind: ParameterKind::Number { min: 0.0, max: TIME_S_MAX },
            default: "null",
            summary: "where to end, in seconds",
        },
        encoding::CRF,
        encoding::PRESET,
        KEYFRAME,
        SOUND,
        encoding::DAMAGE,
    ],
    example: r#"{"op": "video.transcode", "width_px": 1920, "crf": 21, "preset": "fast"}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::{film, sphere};
    use crate::media_info::{EyeLayout, SphereProjection};

    fn size(transcode: &VideoTranscode, media: &MediaInfo) -> (u32, u32) {
        let plan = transcode.plan(media).unwrap();
        (plan.width_px, plan.height_px)
    }

    #[test]
    fn frames_fit_and_are_even_and_never_grow() {
        let fitted = VideoTranscode { width_px: Some(1280), ..VideoTranscode::default() };
        assert_eq!(size(&fitted, &film(3840, 2160, None)), (1280, 720));
        assert_eq!(size(&fitted, &film(641, 361, None)), (640, 360));
        let mut turned = film(3840, 2160, None);
        turned.tracks[0].rotation_deg = Some(270);
        // Upright it is 1280 wide.
        assert_eq!(size(&fitted, &turned), (2274, 1280));
    }

    #[test]
    fn padding_scales_or_is_refused() {
        let mut cube = sphere(SphereProjection::Cubemap, EyeLayout::Mono);
        cube.padding_px = Some(16);
        let media = film(2880, 1920, Some(cube));
        let at = |width_px| {
            VideoTranscode { width_px: Some(width_px), ..VideoTranscode::default() }.plan(&media)
        };
        assert_eq!(at(1440).unwrap().sphere.unwrap().padding_px, Some(8));
        assert_eq!(at(1000).unwrap_err().code, "padding_not_whole");
    }

    #[test]
    fn the_end_comes_after_the_start() {
        let clip =
            VideoTranscode { start_s: Some(2.0), end_s: Some(2.0), ..VideoTranscode::default() };
        assert!(clip.check().unwrap_err().contains("must come after"));
        let late = VideoTranscode { start_s: Some(12.0), ..VideoTranscode::default() };
        assert_eq!(late.plan(&film(640, 320, None)).unwrap_err().code, "time_beyond_end");
    }
}
