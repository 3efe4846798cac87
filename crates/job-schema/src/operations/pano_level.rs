//! `pano.level`: the camera's tilt taken out of the pixels.

use serde::{Deserialize, Serialize};

use super::shared;
use crate::failure::Failure;
use crate::limits::RENDER_SIDE_PX_MAX;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{PanoramaSource, PictureProjection};
use crate::render::{Aim, Angles, OUTPUT, PictureOutput, PicturePlan, RenderPlan};

/// An equirectangular picture whose horizon is level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoLevel {
    /// Pitch of the camera, if the file does not say it or is wrong.
    pub pose_pitch_deg: Option<f64>,
    /// Roll of the camera, if the file does not say it or is wrong.
    pub pose_roll_deg: Option<f64>,
    /// What is in the middle of the result: so far to the right of what is in the middle of the source.
    pub yaw_deg: f64,
    /// Width of the picture of the whole sphere.
    pub width_px: Option<u32>,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
    /// How the picture is written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl PanoLevel {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("pose_pitch_deg", self.pose_pitch_deg, -90.0, 90.0)?;
        shared::check_angle("pose_roll_deg", self.pose_roll_deg, -180.0, 180.0)?;
        shared::check_angle("yaw_deg", Some(self.yaw_deg), -360.0, 360.0)?;
        if let Some(width_px) = self.width_px {
            shared::check_integer("width_px", width_px, 2, RENDER_SIDE_PX_MAX)?;
        }
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RenderPlan, Failure> {
        let source = self.source.plan("pano.level", media)?;
        let sphere = PictureProjection::whole_sphere(2, 1);
        let (width_px, height_px) =
            sphere.size_within(source.pixels_per_radian(), (self.width_px, None));
        let picture = PicturePlan {
            name: "panorama".into(),
            projection: PictureProjection::whole_sphere(width_px, height_px),
            width_px,
            height_px,
            aim: Aim::default(),
            cut: true,
        };
        RenderPlan {
            tilt: Some(self.tilt(media)?),
            source,
            turn: Angles::looking(self.yaw_deg, 0.0),
            pictures: vec![picture],
            depth_bits: 8,
            output: self.output,
        }
        .within_limits()
    }

    fn tilt(&self, media: &MediaInfo) -> Result<Angles, Failure> {
        let gpano = media.gpano.as_ref();
        let pitch_deg = self.pose_pitch_deg.or(gpano.and_then(|gpano| gpano.pose_pitch_deg));
        let roll_deg = self.pose_roll_deg.or(gpano.and_then(|gpano| gpano.pose_roll_deg));
        if pitch_deg.is_none() && roll_deg.is_none() {
            let said = "the file has no GPano PosePitchDegrees and PoseRollDegrees, so nobody knows how the camera was \
                        tilted; set `pose_pitch_deg` and `pose_roll_deg`";
            return Err(Failure::rejected("pose_unknown", said));
        }
        Ok(Angles {
            yaw_deg: 0.0,
            pitch_deg: pitch_deg.unwrap_or(0.0),
            roll_deg: roll_deg.unwrap_or(0.0),
        })
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.level",
    summary: "the camera's tilt taken out of the pixels: an equirectangular picture with a level horizon, and GPano fields \
              that say so",
    writes: "panorama.jpg; of both eyes, left/panorama.jpg and right/panorama.jpg, or one picture",
    parameters: &parameters::<18>(&[
        &[
            ParameterDoc {
                name: "pose_pitch_deg",
                kind: ParameterKind::Number { min: -90.0, max: 90.0 },
                default: "null",
                summary: "pitch of the camera, in degrees, up positive; goes before GPano's PosePitchDegrees",
            },
            ParameterDoc {
                name: "pose_roll_deg",
                kind: ParameterKind::Number { min: -180.0, max: 180.0 },
                default: "null",
                summary: "roll of the camera, in degrees, clockwise positive, so that the horizon leans counter-clockwise \
                          in the picture; goes before GPano's PoseRollDegrees",
            },
            ParameterDoc {
                name: "yaw_deg",
                kind: ParameterKind::Number { min: -360.0, max: 360.0 },
                default: "0.0",
                summary: "what comes to the middle: so far to the right of what was there, in degrees; the heading follows",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: 2, max: RENDER_SIDE_PX_MAX as i64 },
                default: "null",
                summary: "width of the whole sphere, in pixels; if not given, as many as lose nothing (16384 at most)",
            },
        ],
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.level"}"#,
};
