//! `pano.spin`: a short film that looks around in a panorama and begins where it ends.

use serde::{Deserialize, Serialize};

use super::shared::{self, Rgb};
use crate::encoding;
use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{PanoramaSource, PictureProjection, SourcePlan};
use crate::render::{Angles, POSE, PosePolicy, tilt};

/// A loop of flat views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoSpin {
    /// Where the camera looks first: to the right.
    pub yaw_deg: f64,
    /// Where it looks: up.
    pub pitch_deg: f64,
    /// Horizontal field of view.
    pub hfov_deg: f64,
    /// Width of the film.
    pub width_px: u32,
    /// Height of the film.
    pub height_px: u32,
    /// How long it takes to come back.
    pub duration_s: f64,
    /// Frames a second.
    pub frame_rate: u32,
    /// Rate factor: less is better and larger.
    pub crf: u8,
    /// What happens to the camera's tilt.
    pub pose: PosePolicy,
    /// What is shown where the source shows nothing.
    pub background: Rgb,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
}

impl Default for PanoSpin {
    fn default() -> Self {
        Self {
            yaw_deg: 0.0,
            pitch_deg: 0.0,
            hfov_deg: 90.0,
            width_px: 640,
            height_px: 360,
            duration_s: 12.0,
            frame_rate: 24,
            crf: 26,
            pose: PosePolicy::Level,
            background: Rgb::default(),
            source: PanoramaSource::default(),
        }
    }
}

/// How the camera moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "path", rename_all = "snake_case")]
pub enum SpinPath {
    /// Once around to the right, evenly.
    Around,
    /// To the right, back, to the left and back, as a pendulum.
    Swing {
        /// How far to either side.
        half_deg: f64,
    },
}

/// A film, with every question answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpinPlan {
    /// What is looked at.
    pub source: SourcePlan,
    /// Pitch and roll of the camera, if they are taken out first.
    pub tilt: Option<Angles>,
    /// Where the first frame looks.
    pub start: Angles,
    /// How it goes on.
    pub path: SpinPath,
    /// Horizontal field of view.
    pub hfov_deg: f64,
    /// Width of the film; even.
    pub width_px: u32,
    /// Height of the film; even.
    pub height_px: u32,
    /// Frames until it would begin again.
    pub frames: u32,
    /// Frames a second.
    pub frame_rate: u32,
    /// Rate factor.
    pub crf: u8,
    /// What is shown where the source shows nothing.
    pub background: Rgb,
}

impl SpinPlan {
    /// What a frame is turned to the right by, from where the first one looks; the one after the last would be turned by
    /// what the first is.
    pub fn turned_deg(&self, frame: u32) -> f64 {
        let share = f64::from(frame) / f64::from(self.frames);
        match self.path {
            SpinPath::Around => 360.0 * share,
            SpinPath::Swing { half_deg } => half_deg * (std::f64::consts::TAU * share).sin(),
        }
    }

    /// Pixels of all frames of an eye.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width_px) * u64::from(self.height_px) * u64::from(self.frames)
    }
}

impl PanoSpin {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("yaw_deg", Some(self.yaw_deg), -360.0, 360.0)?;
        shared::check_angle("pitch_deg", Some(self.pitch_deg), -90.0, 90.0)?;
        shared::check_angle("hfov_deg", Some(self.hfov_deg), HFOV_DEG_MIN, HFOV_DEG_MAX)?;
        shared::check_integer("width_px", self.width_px, SIDE_PX_MIN, SIDE_PX_MAX)?;
        shared::check_integer("height_px", self.height_px, SIDE_PX_MIN, SIDE_PX_MAX)?;
        shared::check_angle("duration_s", Some(self.duration_s), DURATION_S_MIN, DURATION_S_MAX)?;
        shared::check_integer("frame_rate", self.frame_rate, 1, FRAME_RATE_MAX)?;
        encoding::check_crf(self.crf)?;
        self.source.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<SpinPlan, Failure> {
        let mut source = self.source.plan("pano.spin", media)?;
        let (path, middle_deg) = self.path(&source)?;
        let frames = (self.duration_s * f64::from(self.frame_rate)).round().max(2.0) as u32;
        Ok(SpinPlan {
            tilt: tilt(self.pose, media, &mut source),
            start: Angles::looking(self.yaw_deg + middle_deg, self.pitch_deg),
            source,
            path,
            hfov_deg: self.hfov_deg,
            width_px: self.width_px & !1,
            height_px: self.height_px & !1,
            frames,
            frame_rate: self.frame_rate,
            crf: self.crf,
            background: self.background,
        })
    }

    /// Around if the source goes around; else from end to end of it, and where its middle is.
    fn path(&self, source: &SourcePlan) -> Result<(SpinPath, f64), Failure> {
        let width_px = source.eyes.first().map_or(1.0, |eye| f64::from(eye.crop.width_px));
        let (extent_deg, middle_deg) = match source.projection {
            PictureProjection::Equirectangular { window } => (
                360.0 * width_px / window.full_width_px,
                360.0 * ((window.left_px + width_px / 2.0) / window.full_width_px - 0.5),
            ),
            PictureProjection::HalfEquirectangular => (180.0, 0.0),
            PictureProjection::Cylindrical { hfov_deg }
            | PictureProjection::Mercator { hfov_deg }
            | PictureProjection::Rectilinear { hfov_deg }
            | PictureProjection::Stereographic { hfov_deg } => (hfov_deg, 0.0),
            PictureProjection::Fisheye { fov_deg, .. } => (fov_deg, 0.0),
            PictureProjection::Cubemap { .. }
            | PictureProjection::Eac { .. }
            | PictureProjection::DualFisheye { .. } => (360.0, 0.0),
        };
        if extent_deg > AROUND_DEG {
            return Ok((SpinPath::Around, 0.0));
        }
        let half_deg = (extent_deg - self.hfov_deg) / 2.0;
        if half_deg <= 0.0 {
            let said = format!(
                "the source shows {extent_deg:.1}°, which is no more than `hfov_deg`, {}: there is nothing to turn to; make it \
                 smaller",
                self.hfov_deg
            );
            return Err(Failure::rejected("nothing_to_turn_to", said));
        }
        Ok((SpinPath::Swing { half_deg }, middle_deg))
    }
}

/// A source that shows as much goes around; extents are rounded by those who write them.
const AROUND_DEG: f64 = 359.9;

const HFOV_DEG_MIN: f64 = 10.0;
const HFOV_DEG_MAX: f64 = 150.0;
const SIDE_PX_MIN: u32 = 16;
const SIDE_PX_MAX: u32 = 1920;
const DURATION_S_MIN: f64 = 1.0;
const DURATION_S_MAX: f64 = 60.0;
const FRAME_RATE_MAX: u32 = 60;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.spin",
    summary: "a short silent film (MP4, H.264) that looks around in the panorama and begins where it ends, for previews",
    writes: "spin.mp4; of both eyes, left/spin.mp4 and right/spin.mp4",
    parameters: &parameters::<18>(&[
        &[
            ParameterDoc {
                name: "yaw_deg",
                kind: ParameterKind::Number { min: -360.0, max: 360.0 },
                default: "0.0",
                summary: "where the first frame looks: to the right of the source's middle, in degrees",
            },
            ParameterDoc {
                name: "pitch_deg",
                kind: ParameterKind::Number { min: -90.0, max: 90.0 },
                default: "0.0",
                summary: "where the camera looks: up, in degrees",
            },
            ParameterDoc {
                name: "hfov_deg",
                kind: ParameterKind::Number { min: HFOV_DEG_MIN, max: HFOV_DEG_MAX },
                default: "90.0",
                summary: "horizontal field of view, in degrees",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: SIDE_PX_MIN as i64, max: SIDE_PX_MAX as i64 },
                default: "640",
                summary: "width, in pixels, made even",
            },
            ParameterDoc {
                name: "height_px",
                kind: ParameterKind::Integer { min: SIDE_PX_MIN as i64, max: SIDE_PX_MAX as i64 },
                default: "360",
                summary: "height, in pixels, made even",
            },
            ParameterDoc {
                name: "duration_s",
                kind: ParameterKind::Number { min: DURATION_S_MIN, max: DURATION_S_MAX },
                default: "12.0",
                summary: "how long it takes to come back, in seconds: once around, or of a source that does not go around from \
                          its middle to either end",
            },
            ParameterDoc {
                name: "frame_rate",
                kind: ParameterKind::Integer { min: 1, max: FRAME_RATE_MAX as i64 },
                default: "24",
                summary: "frames a second",
            },
            ParameterDoc { default: "26", ..encoding::CRF },
            ParameterDoc { default: "\"level\"", ..POSE },
            ParameterDoc {
                name: "background",
                kind: ParameterKind::Color,
                default: "\"#000000\"",
                summary: "what is shown where the source shows nothing",
            },
        ],
        &SOURCE,
    ]),
    example: r#"{"op": "pano.spin", "pitch_deg": -10, "duration_s": 8}"#,
};
