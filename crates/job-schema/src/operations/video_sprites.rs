//! `video.sprites`: small frames of a whole video in sheets, for the bar that people drag along.

use serde::{Deserialize, Serialize};

use super::shared::{self, Eye, StereoLayout};
use crate::failure::Failure;
use crate::footage::{self, FootagePlan, FootageSource};
use crate::limits;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};

/// Shows a frame of every few seconds, many to a sheet, with a WebVTT file that says which is where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoSprites {
    /// Time between two frames; without it, so that there are at most 100.
    pub every_s: Option<f64>,
    /// Side of the square that a frame fits into.
    pub side_px: u32,
    /// Frames in a row of a sheet.
    pub columns: u32,
    /// Rows of a sheet.
    pub rows: u32,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// How the eyes of a stereo video lie in a frame.
    pub stereo: StereoLayout,
    /// Which eye of a stereo video to show.
    pub eye: Eye,
}

/// Sheets of small frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpritesPlan {
    /// The track.
    pub footage: FootagePlan,
    /// Time that one frame stands for.
    pub every_s: f64,
    /// Number of frames.
    pub count: u32,
    /// Width of a frame.
    pub width_px: u32,
    /// Height of a frame.
    pub height_px: u32,
    /// Frames in a row of a sheet.
    pub columns: u32,
    /// Rows of a sheet.
    pub rows: u32,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

impl Default for VideoSprites {
    fn default() -> Self {
        Self {
            every_s: None,
            side_px: 160,
            columns: 10,
            rows: 10,
            quality: 75,
            stereo: StereoLayout::Auto,
            eye: Eye::Left,
        }
    }
}

const EVERY_S: (f64, f64) = (0.1, 3600.0);

/// Frames of a video whose job does not say how often.
const COUNT: f64 = 100.0;

/// Times between frames that people can think in, in seconds.
const STEPS_S: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];

impl VideoSprites {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("every_s", self.every_s, EVERY_S.0, EVERY_S.1)?;
        shared::check_integer("side_px", self.side_px, 16, 480)?;
        shared::check_integer("columns", self.columns, 1, 20)?;
        shared::check_integer("rows", self.rows, 1, 20)?;
        shared::check_integer("quality", self.quality.into(), 1, 100)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<SpritesPlan, Failure> {
        let source = FootageSource { stereo: self.stereo, eye: self.eye };
        let (footage, assumptions) = source.plan("video.sprites", media)?;
        if footage.duration_s <= 0.0 {
            let said = "nobody knows how long the video plays, so it cannot be divided; copy it into a new file \
                        (`ffmpeg -i FILE -c copy NEW.mp4`) and submit that";
            return Err(Failure::rejected("duration_unknown", said));
        }
        let every_s = self.every_s.unwrap_or_else(|| {
            let least = footage.duration_s / COUNT;
            STEPS_S.into_iter().find(|step| *step >= least).unwrap_or(least)
        });
        let count = (footage.duration_s / every_s).ceil().max(1.0);
        if count > f64::from(limits::SPRITES_MAX) {
            let said = format!(
                "{count} frames were asked for, one for every {every_s} s of {:.0} s; the limit is {}: set `every_s` \
                 to {:.0} or more",
                footage.duration_s,
                limits::SPRITES_MAX,
                (footage.duration_s / f64::from(limits::SPRITES_MAX)).ceil(),
            );
            return Err(Failure::rejected("too_many_sprites", said));
        }
        let (width_px, height_px) = footage::fit(&footage, self.side_px, Some(self.side_px));
        let Self { columns, rows, quality, .. } = *self;
        let count = count as u32;
        Ok(SpritesPlan {
            footage,
            every_s,
            count,
            width_px,
            height_px,
            columns,
            rows,
            quality,
            assumptions,
        })
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "video.sprites",
    summary: "small frames of the whole video in sheets, with a WebVTT file that says which is where",
    writes: "sprites.vtt, sheet-000.jpg and so on",
    parameters: &[
        ParameterDoc {
            name: "every_s",
            kind: ParameterKind::Number { min: EVERY_S.0, max: EVERY_S.1 },
            default: "null",
            summary: "time between two frames, in seconds; so that there are at most 100 if not given",
        },
        ParameterDoc {
            name: "side_px",
            kind: ParameterKind::Integer { min: 16, max: 480 },
            default: "160",
            summary: "side of the square that a frame fits into, in pixels",
        },
        ParameterDoc {
            name: "columns",
            kind: ParameterKind::Integer { min: 1, max: 20 },
            default: "10",
            summary: "frames in a row of a sheet",
        },
        ParameterDoc {
            name: "rows",
            kind: ParameterKind::Integer { min: 1, max: 20 },
            default: "10",
            summary: "rows of a sheet",
        },
        ParameterDoc { default: "75", ..shared::QUALITY },
        footage::STEREO,
        footage::EYE,
    ],
    example: r#"{"op": "video.sprites", "every_s": 5}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::film;

    fn plan(every_s: Option<f64>, duration_s: u64) -> Result<SpritesPlan, Failure> {
        let mut media = film(1920, 960, None);
        media.duration_ms = Some(duration_s * 1000);
        media.tracks[0].duration_ms = Some(duration_s * 1000);
        VideoSprites { every_s, ..VideoSprites::default() }.plan(&media)
    }

    #[test]
    fn frames_are_spread_over_the_whole() {
        let shape = |plan: SpritesPlan| (plan.every_s, plan.count, plan.width_px, plan.height_px);
        assert_eq!(shape(plan(None, 12).unwrap()), (1.0, 12, 160, 80));
        assert_eq!(shape(plan(None, 3600).unwrap()), (60.0, 60, 160, 80));
        assert_eq!(shape(plan(Some(5.0), 12).unwrap()), (5.0, 3, 160, 80));
        let refused = plan(Some(0.1), 3600).unwrap_err();
        assert_eq!(refused.code, "too_many_sprites");
        assert!(refused.message.contains("`every_s` to 2 or more"), "{}", refused.message);
        assert_eq!(plan(None, 0).unwrap_err().code, "duration_unknown");
    }
}
