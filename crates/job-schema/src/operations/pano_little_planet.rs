//! `pano.little_planet`: the panorama as a ball seen from above, or as a tunnel seen from below.

use serde::{Deserialize, Serialize};

use super::shared;
use crate::failure::Failure;
use crate::limits::RENDER_SIDE_PX_MAX;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{PanoramaSource, PictureProjection};
use crate::render::{
    Aim, Angles, OUTPUT, POSE, PictureOutput, PicturePlan, PosePolicy, RenderPlan, tilt,
};

/// A stereographic view, straight down unless said otherwise: circles stay circles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoLittlePlanet {
    /// The direction that is at the top of the picture, when looking straight down.
    pub yaw_deg: f64,
    /// Where the camera looks: −90 is down.
    pub pitch_deg: f64,
    /// How the camera leans: turns a planet counter-clockwise.
    pub roll_deg: f64,
    /// Horizontal field of view: how much of the sphere is in the picture.
    pub hfov_deg: f64,
    /// Width of the picture.
    pub width_px: u32,
    /// Height of the picture.
    pub height_px: u32,
    /// What happens to the camera's tilt.
    pub pose: PosePolicy,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
    /// How the picture is written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl Default for PanoLittlePlanet {
    fn default() -> Self {
        Self {
            yaw_deg: 0.0,
            pitch_deg: -90.0,
            roll_deg: 0.0,
            hfov_deg: 250.0,
            width_px: 1080,
            height_px: 1080,
            pose: PosePolicy::Keep,
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

impl PanoLittlePlanet {
    pub(crate) fn check(&self) -> Result<(), String> {
        self.angles().check()?;
        shared::check_angle("hfov_deg", Some(self.hfov_deg), HFOV_DEG_MIN, HFOV_DEG_MAX)?;
        shared::check_integer("width_px", self.width_px, 1, RENDER_SIDE_PX_MAX)?;
        shared::check_integer("height_px", self.height_px, 1, RENDER_SIDE_PX_MAX)?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RenderPlan, Failure> {
        let mut source = self.source.plan("pano.little_planet", media)?;
        let picture = PicturePlan {
            name: "planet".into(),
            projection: PictureProjection::Stereographic { hfov_deg: self.hfov_deg },
            width_px: self.width_px,
            height_px: self.height_px,
            aim: Aim::default(),
            cut: false,
        };
        RenderPlan {
            tilt: tilt(self.pose, media, &mut source),
            source,
            turn: self.angles(),
            pictures: vec![picture],
            depth_bits: 8,
            output: self.output,
        }
        .within_limits()
    }

    const fn angles(&self) -> Angles {
        let Self { yaw_deg, pitch_deg, roll_deg, .. } = *self;
        Angles { yaw_deg, pitch_deg, roll_deg }
    }
}

const HFOV_DEG_MIN: f64 = 10.0;
const HFOV_DEG_MAX: f64 = 350.0;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.little_planet",
    summary: "the panorama as a ball seen from above, or as a tunnel (`pitch_deg` 90)",
    writes: "planet.jpg; of both eyes, left/planet.jpg and right/planet.jpg",
    parameters: &parameters::<21>(&[
        &[
            ParameterDoc {
                name: "yaw_deg",
                kind: ParameterKind::Number { min: -360.0, max: 360.0 },
                default: "0.0",
                summary: "the direction that is at the top of the picture, to the right of the source's middle, in degrees",
            },
            ParameterDoc {
                name: "pitch_deg",
                kind: ParameterKind::Number { min: -180.0, max: 180.0 },
                default: "-90.0",
                summary: "where the camera looks, in degrees: −90 is down, 90 is up",
            },
            ParameterDoc {
                name: "roll_deg",
                kind: ParameterKind::Number { min: -180.0, max: 180.0 },
                default: "0.0",
                summary: "how the camera leans: clockwise, in degrees, so that the planet turns counter-clockwise",
            },
            ParameterDoc {
                name: "hfov_deg",
                kind: ParameterKind::Number { min: HFOV_DEG_MIN, max: HFOV_DEG_MAX },
                default: "250.0",
                summary: "how much of the sphere is across the picture, in degrees: more makes a smaller planet",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "1080",
                summary: "width, in pixels",
            },
            ParameterDoc {
                name: "height_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "1080",
                summary: "height, in pixels",
            },
            POSE,
        ],
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.little_planet", "hfov_deg": 270, "width_px": 2048, "height_px": 2048}"#,
};
