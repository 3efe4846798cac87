//! `pano.view`: a flat picture of what a camera in the panorama sees.

use serde::{Deserialize, Serialize};

use super::shared;
use crate::failure::Failure;
use crate::limits::RENDER_SIDE_PX_MAX;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{PanoramaSource, PictureProjection};
use crate::render::{
    ANGLES, Aim, Angles, OUTPUT, POSE, PictureOutput, PicturePlan, PosePolicy, RenderPlan, tilt,
};

/// A rectilinear view: straight lines are straight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoView {
    /// Where the camera looks.
    #[serde(flatten)]
    pub angles: Angles,
    /// Horizontal field of view.
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

impl Default for PanoView {
    fn default() -> Self {
        Self {
            angles: Angles::default(),
            hfov_deg: 90.0,
            width_px: 1280,
            height_px: 720,
            pose: PosePolicy::Keep,
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

impl PanoView {
    pub(crate) fn check(&self) -> Result<(), String> {
        self.angles.check()?;
        shared::check_angle("hfov_deg", Some(self.hfov_deg), HFOV_DEG_MIN, HFOV_DEG_MAX)?;
        shared::check_integer("width_px", self.width_px, 1, RENDER_SIDE_PX_MAX)?;
        shared::check_integer("height_px", self.height_px, 1, RENDER_SIDE_PX_MAX)?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RenderPlan, Failure> {
        let mut source = self.source.plan("pano.view", media)?;
        let picture = PicturePlan {
            name: "view".into(),
            projection: PictureProjection::Rectilinear { hfov_deg: self.hfov_deg },
            width_px: self.width_px,
            height_px: self.height_px,
            aim: Aim::default(),
            cut: false,
        };
        RenderPlan {
            tilt: tilt(self.pose, media, &mut source),
            source,
            turn: self.angles,
            pictures: vec![picture],
            depth_bits: 8,
            output: self.output,
        }
        .within_limits()
    }
}

const HFOV_DEG_MIN: f64 = 0.1;
const HFOV_DEG_MAX: f64 = 175.0;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.view",
    summary: "a flat picture of what a camera in the panorama sees",
    writes: "view.jpg; of both eyes, left/view.jpg and right/view.jpg",
    parameters: &parameters::<21>(&[
        &ANGLES,
        &[
            ParameterDoc {
                name: "hfov_deg",
                kind: ParameterKind::Number { min: HFOV_DEG_MIN, max: HFOV_DEG_MAX },
                default: "90.0",
                summary: "horizontal field of view, in degrees",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "1280",
                summary: "width, in pixels",
            },
            ParameterDoc {
                name: "height_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "720",
                summary: "height, in pixels",
            },
            POSE,
        ],
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.view", "yaw_deg": 90, "hfov_deg": 75}"#,
};
