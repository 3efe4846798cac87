//! `video.ladder`: a video in several sizes, for HLS and DASH.

use serde::{Deserialize, Serialize};

use super::shared::{self, Eye, StereoLayout};
use crate::encoding::{self, DamagePolicy, EncoderPreset, VideoCodec};
use crate::failure::Failure;
use crate::footage::{self, FootagePlan, FootageSource};
use crate::frame_rate;
use crate::limits;
use crate::media_info::{EyeLayout, MediaInfo, SphereInfo, SphereProjection};
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};
use crate::rungs::{Field, Rung};

/// Makes segments in several sizes, which HLS and DASH share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoLadder {
    /// How pictures are coded: a ladder for each.
    pub codecs: Vec<VideoCodec>,
    /// Widths of the sizes; if empty, what is usual up to the source's own.
    pub widths_px: Vec<u32>,
    /// How long a segment plays, as near as whole frames allow.
    pub segment_s: f64,
    /// Rate factor: less is better and larger, as long as the size's bit rate allows.
    pub crf: u8,
    /// How much time the encoder takes.
    pub preset: EncoderPreset,
    /// Frames a second at most.
    pub frame_rate_max: u32,
    /// Bit rate of the sound.
    pub audio_kbps: u32,
    /// What to do with a video of which not all frames can be decoded.
    pub damage: DamagePolicy,
}

/// A ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LadderPlan {
    /// The track.
    pub footage: FootagePlan,
    /// The sizes, those of a codec together, smallest first.
    pub rungs: Vec<Rung>,
    /// Frames a second, as a fraction; they come at even times.
    pub frame_rate: (i32, i32),
    /// Frames of a segment.
    pub segment_frames: u32,
    /// Groups of frames, each with a keyframe at its start, that a segment is divided into.
    pub segment_groups: u32,
    /// Frames at most.
    pub frames_max: u64,
    /// Rate factor.
    pub crf: u8,
    /// How much time the encoder takes.
    pub preset: EncoderPreset,
    /// The sound.
    pub audio: Option<LadderAudio>,
    /// What to do with a damaged video.
    pub damage: DamagePolicy,
    /// Frames that the whole track has by the file's word.
    pub declared_frames: Option<u64>,
    /// What a player must be able to show (`REQ-VIDEO-LAYOUT` of HLS).
    pub video_layout: Option<String>,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

/// The sound of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderAudio {
    /// The track, by its place in the file.
    pub track: u32,
    /// Bit rate.
    pub kbps: u32,
    /// How long it plays by the file's word.
    pub duration_ms: Option<u64>,
}

impl Default for VideoLadder {
    fn default() -> Self {
        Self {
            codecs: vec![VideoCodec::H264],
            widths_px: Vec::new(),
            segment_s: 4.0,
            crf: 23,
            preset: EncoderPreset::Fast,
            frame_rate_max: 60,
            audio_kbps: 128,
            damage: DamagePolicy::BestEffort,
        }
    }
}

const OP: &str = "video.ladder";
const WIDTH_PX: (u32, u32) = (64, 8192);
const SEGMENT_S: (f64, f64) = (1.0, 10.0);

/// Longest time between keyframes: a player can begin, and show a frame while it winds, at each.
const GROUP_S_MAX: f64 = 2.0;

/// Files beside the segments: playlists, and heads of tracks.
const OTHER_FILES: u64 = 64;

impl VideoLadder {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.widths_px.len() > limits::RUNGS_MAX {
            let count = self.widths_px.len();
            return Err(format!("widths_px has {count} widths; it may have {}", limits::RUNGS_MAX));
        }
        for width_px in &self.widths_px {
            shared::check_integer("widths_px", *width_px, WIDTH_PX.0, WIDTH_PX.1)?;
        }
        if self.codecs.is_empty() {
            return Err("codecs is empty; name at least one, such as h264".to_owned());
        }
        if let Some(twice) =
            (1..self.codecs.len()).find(|at| self.codecs[..*at].contains(&self.codecs[*at]))
        {
            return Err(format!("codecs has {} twice", self.codecs[twice].as_str()));
        }
        shared::check_angle("segment_s", Some(self.segment_s), SEGMENT_S.0, SEGMENT_S.1)?;
        encoding::check_crf(self.crf)?;
        shared::check_integer("frame_rate_max", self.frame_rate_max, 1, 60)?;
        encoding::check_audio_kbps(self.audio_kbps)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<LadderPlan, Failure> {
        let source = FootageSource { stereo: StereoLayout::Mono, eye: Eye::Left };
        let (footage, mut assumptions) = source.plan(OP, media)?;
        let track = footage::track(OP, media)?;
        footage::check_standard_range(OP, track)?;
        let (rate, said) = frame_rate::even_rate(track, self.frame_rate_max);
        assumptions.extend(said);
        let a_second = frame_rate::value(rate);
        let (rungs, said) =
            Field::new(&footage, track, a_second).rungs(&self.codecs, &self.widths_px)?;
        assumptions.extend(said);
        let (segment_frames, segment_groups) = self.segment(a_second);
        let audio = footage::first_sound(media, &mut assumptions).map(|sound| LadderAudio {
            track: sound.index,
            kbps: self.audio_kbps,
            duration_ms: sound.duration_ms,
        });
        let frames_max = frames_max(rungs.len(), segment_frames, a_second);
        let frames = (footage.duration_s * a_second).ceil() as u64;
        if frames > frames_max {
            let said = format!(
                "the video plays {:.0} s, and {OP} takes {:.0} s of it with these sizes and segments; cut it into \
                 parts, or ask for longer segments or fewer sizes",
                footage.duration_s,
                frames_max as f64 / a_second
            );
            return Err(Failure::rejected("video_too_long", said));
        }
        Ok(LadderPlan {
            rungs,
            frame_rate: rate,
            segment_frames,
            segment_groups,
            frames_max,
            crf: self.crf,
            preset: self.preset,
            audio,
            damage: self.damage,
            declared_frames: track.frames,
            video_layout: track.sphere.as_ref().and_then(video_layout).map(str::to_owned),
            footage,
            assumptions,
        })
    }
}

impl VideoLadder {
    /// Frames of a segment, and groups that it is divided into.
    fn segment(&self, a_second: f64) -> (u32, u32) {
        let frames = (self.segment_s * a_second).round().max(1.0) as u32;
        let groups = (f64::from(frames) / a_second / GROUP_S_MAX - 0.01).ceil().max(1.0);
        let groups = (groups as u32).min(frames);
        if self.codecs.contains(&VideoCodec::Av1) {
            // Its encoder counts frames, and takes no orders: all groups are as long.
            let each = (f64::from(frames) / f64::from(groups)).round().max(1.0) as u32;
            return (each * groups, groups);
        }
        (frames, groups)
    }
}

/// As many frames as the limits of play time and of files allow.
fn frames_max(rungs: usize, segment_frames: u32, a_second: f64) -> u64 {
    let of_time = (limits::LADDER_S_MAX as f64 * a_second) as u64;
    let segments = (limits::OUTPUT_FILES_MAX as u64 - OTHER_FILES) / (rungs as u64 + 1);
    of_time.min(segments * u64::from(segment_frames))
}

/// What HLS calls frames that show a sphere to one eye. There is no word for two eyes in one frame, or for other
/// projections.
fn video_layout(sphere: &SphereInfo) -> Option<&'static str> {
    let half = sphere.margins.is_some_and(|margins| margins.left + margins.right >= 0.499);
    match (sphere.projection, sphere.eyes) {
        (SphereProjection::HalfEquirectangular, EyeLayout::Mono) => Some("CH-MONO/PROJ-HEQU"),
        (SphereProjection::Equirectangular, EyeLayout::Mono) if half => Some("CH-MONO/PROJ-HEQU"),
        (SphereProjection::Equirectangular, EyeLayout::Mono) => Some("CH-MONO/PROJ-EQUI"),
        _ => None,
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: OP,
    summary: "a video in several sizes for HLS and DASH, from segments of H.264, HEVC or AV1 and of AAC that both share; \
              spherical metadata stays, true to the pixels",
    writes: "master.m3u8, manifest.mpd; a folder for each size and one for the sound with init.mp4, playlist.m3u8 and \
             00000.m4s and so on; iframes.m3u8 for each size",
    parameters: &[
        ParameterDoc {
            name: "codecs",
            kind: ParameterKind::Choices { of: VideoCodec::WORDS },
            default: "[\"h264\"]",
            summary: "how pictures are coded; of several, each has sizes of its own, and players take what they can",
        },
        ParameterDoc {
            name: "widths_px",
            kind: ParameterKind::Integers {
                min: WIDTH_PX.0 as i64,
                max: WIDTH_PX.1 as i64,
                count_max: limits::RUNGS_MAX,
            },
            default: "[]",
            summary: "widths of upright frames, in pixels; the usual sizes up to the source's own if not given; frames are \
                      never made larger, and H.264 ends at about 4096",
        },
        ParameterDoc {
            name: "segment_s",
            kind: ParameterKind::Number { min: SEGMENT_S.0, max: SEGMENT_S.1 },
            default: "4.0",
            summary: "how long a segment plays, in seconds, as near as whole frames allow",
        },
        ParameterDoc {
            summary: "rate factor as H.264 counts it, and what looks the same in others: less is better and larger; each size \
                      has a bit rate that it stays below",
            ..encoding::CRF
        },
        ParameterDoc { default: "\"fast\"", ..encoding::PRESET },
        ParameterDoc {
            name: "frame_rate_max",
            kind: ParameterKind::Integer { min: 1, max: 60 },
            default: "60",
            summary: "frames a second at most; a higher rate is divided by a whole number",
        },
        encoding::AUDIO_KBPS,
        encoding::DAMAGE,
    ],
    example: r#"{"op": "video.ladder", "codecs": ["h264", "hevc"], "widths_px": [640, 1280, 1920]}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::{film, sphere};

    fn plan(ladder: &VideoLadder, frame_rate: (i32, i32)) -> LadderPlan {
        let mut media = film(640, 320, None);
        media.tracks[0].frame_rate = Some(frame_rate);
        ladder.plan(&media).unwrap()
    }

    #[test]
    fn segments_are_whole_frames_and_groups_are_short() {
        let frames = |segment_s, frame_rate| {
            let ladder = VideoLadder { segment_s, ..VideoLadder::default() };
            let plan = plan(&ladder, frame_rate);
            (plan.segment_frames, plan.segment_groups)
        };
        assert_eq!(frames(4.0, (30, 1)), (120, 2));
        assert_eq!(frames(4.0, (30_000, 1001)), (120, 2));
        assert_eq!(frames(2.0, (24_000, 1001)), (48, 1));
        assert_eq!(frames(6.0, (25, 1)), (150, 3));
        assert_eq!(frames(1.0, (1, 4)), (1, 1));
    }

    #[test]
    fn a_video_of_too_many_segments_is_refused() {
        let mut media = film(640, 320, None);
        let mut at = |duration_ms| {
            media.tracks[0].duration_ms = Some(duration_ms);
            media.duration_ms = Some(duration_ms);
            VideoLadder::default().plan(&media).map(drop)
        };
        assert_eq!(at(12 * 3_600_000), Ok(()));
        assert_eq!(at(12 * 3_600_000 + 1000).unwrap_err().code, "video_too_long");
        // Nine files a second are 200,000 after six hours and ten minutes.
        assert!(frames_max(8, 30, 30.0) / 30 < 22_217);
    }

    #[test]
    fn hls_has_words_for_one_eye_only() {
        let of = |projection, eyes| {
            let media = film(640, 320, Some(sphere(projection, eyes)));
            VideoLadder::default().plan(&media).unwrap().video_layout
        };
        let whole = SphereProjection::Equirectangular;
        assert_eq!(of(whole, EyeLayout::Mono).as_deref(), Some("CH-MONO/PROJ-EQUI"));
        assert_eq!(of(whole, EyeLayout::TopBottom), None);
        assert_eq!(of(SphereProjection::Cubemap, EyeLayout::Mono), None);
    }
}
