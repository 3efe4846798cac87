//! `pano.social`: the picture that a link to a panorama is shown with.

use serde::{Deserialize, Serialize};

use super::shared;
use crate::failure::Failure;
use crate::limits::RENDER_SIDE_PX_MAX;
use crate::media_info::{GPano, MediaInfo};
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{PanoramaSource, PictureProjection, SourcePlan};
use crate::render::{
    Aim, Angles, OUTPUT, PictureOutput, PicturePlan, PosePolicy, RenderPlan, tilt,
};

/// A flat view of where a viewer would start to look, or of where there is most to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoSocial {
    /// Where the camera looks: to the right.
    pub yaw_deg: Option<f64>,
    /// Where the camera looks: up.
    pub pitch_deg: Option<f64>,
    /// Horizontal field of view.
    pub hfov_deg: Option<f64>,
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

impl Default for PanoSocial {
    fn default() -> Self {
        Self {
            yaw_deg: None,
            pitch_deg: None,
            hfov_deg: None,
            width_px: 1200,
            height_px: 630,
            pose: PosePolicy::Level,
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

impl PanoSocial {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("yaw_deg", self.yaw_deg, -360.0, 360.0)?;
        shared::check_angle("pitch_deg", self.pitch_deg, -90.0, 90.0)?;
        shared::check_angle("hfov_deg", self.hfov_deg, HFOV_DEG_MIN, HFOV_DEG_MAX)?;
        shared::check_integer("width_px", self.width_px, 1, RENDER_SIDE_PX_MAX)?;
        shared::check_integer("height_px", self.height_px, 1, RENDER_SIDE_PX_MAX)?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RenderPlan, Failure> {
        let mut source = self.source.plan("pano.social", media)?;
        let gpano = media.gpano.clone().unwrap_or_default();
        let initial_deg =
            gpano.initial_hfov_deg.filter(|hfov| (HFOV_DEG_MIN..=HFOV_DEG_MAX).contains(hfov));
        let hfov_deg = self.hfov_deg.or(initial_deg).unwrap_or(HFOV_DEG);
        let picture = PicturePlan {
            name: "social".into(),
            projection: PictureProjection::Rectilinear { hfov_deg },
            width_px: self.width_px,
            height_px: self.height_px,
            aim: self.aim(&gpano, &source),
            cut: false,
        };
        RenderPlan {
            tilt: tilt(self.pose, media, &mut source),
            source,
            turn: Angles::default(),
            pictures: vec![picture],
            depth_bits: 8,
            output: self.output,
        }
        .within_limits()
    }

    /// What is said, else GPano's initial view, else where there is most to see.
    fn aim(&self, gpano: &GPano, source: &SourcePlan) -> Aim {
        // GPano counts the initial view from north like the pose; without one the middle is taken for north.
        let north_deg = gpano.pose_heading_deg.unwrap_or(0.0);
        let initial_yaw_deg = gpano.initial_heading_deg.map(|heading| heading - north_deg);
        let yaw_deg = self.yaw_deg.or(initial_yaw_deg);
        let initial_pitch_deg = gpano.initial_pitch_deg.map(|pitch| pitch.clamp(-90.0, 90.0));
        let pitch_deg =
            self.pitch_deg.or(initial_pitch_deg).unwrap_or_else(|| source.middle_pitch_deg());
        match yaw_deg {
            Some(yaw_deg) => Aim::Fixed(Angles::looking(yaw_deg, pitch_deg)),
            None => Aim::MostDetail { pitch_deg },
        }
    }
}

const HFOV_DEG: f64 = 90.0;
const HFOV_DEG_MIN: f64 = 10.0;
const HFOV_DEG_MAX: f64 = 150.0;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.social",
    summary: "the picture that a link to a panorama is shown with: a flat view of where a viewer starts to look (GPano), \
              else of the part of the horizon with the most detail",
    writes: "social.jpg; of both eyes, left/social.jpg and right/social.jpg",
    parameters: &parameters::<20>(&[
        &[
            ParameterDoc {
                name: "yaw_deg",
                kind: ParameterKind::Number { min: -360.0, max: 360.0 },
                default: "null",
                summary: "where to look: to the right of the source's middle, in degrees; else GPano's initial view; else \
                          where neighbouring pixels differ most over the picture's field of view",
            },
            ParameterDoc {
                name: "pitch_deg",
                kind: ParameterKind::Number { min: -90.0, max: 90.0 },
                default: "null",
                summary: "where to look: up, in degrees; else GPano's initial view, else the middle of the panorama",
            },
            ParameterDoc {
                name: "hfov_deg",
                kind: ParameterKind::Number { min: HFOV_DEG_MIN, max: HFOV_DEG_MAX },
                default: "null",
                summary: "horizontal field of view, in degrees; else GPano's, else 90",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "1200",
                summary: "width, in pixels",
            },
            ParameterDoc {
                name: "height_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "630",
                summary: "height, in pixels",
            },
            ParameterDoc {
                name: "pose",
                kind: ParameterKind::Choice { of: PosePolicy::WORDS },
                default: "\"level\"",
                summary: "`level` takes out the camera's pitch and roll that GPano tells of; `keep` does not",
            },
        ],
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.social"}"#,
};
