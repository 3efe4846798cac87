//! `pano.convert`: a panorama of any projection to any other, turned or not.

use serde::{Deserialize, Serialize};

use super::shared;
use crate::failure::Failure;
use crate::limits::RENDER_SIDE_PX_MAX;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{
    LensKind, LensOrder, PanoramaSource, PictureProjection, ProjectionName, SourcePlan,
};
use crate::render::{
    ANGLES, Aim, Angles, DEPTH, OUTPUT, POSE, PictureOutput, PicturePlan, PosePolicy, RenderPlan,
    check_depth, tilt,
};

/// Another projection, another size, another orientation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoConvert {
    /// The projection that is made.
    pub to: ProjectionName,
    /// Its field of view, where it can have several.
    pub fov_deg: Option<f64>,
    /// How the lens of a fisheye bends rays.
    pub to_lens: LensKind,
    /// Which lens of a dual fisheye comes first.
    pub to_lens_order: LensOrder,
    /// Pixels of its neighbours around each face of a cube map.
    pub padding_px: u32,
    /// Width of the picture.
    pub width_px: Option<u32>,
    /// Height of the picture.
    pub height_px: Option<u32>,
    /// How what is made is turned in the source.
    #[serde(flatten)]
    pub angles: Angles,
    /// What happens to the camera's tilt.
    pub pose: PosePolicy,
    /// Bits of a channel, 8 or 16.
    pub depth_bits: u8,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
    /// How the picture is written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl Default for PanoConvert {
    fn default() -> Self {
        Self {
            to: ProjectionName::Equirectangular,
            fov_deg: None,
            to_lens: LensKind::default(),
            to_lens_order: LensOrder::default(),
            padding_px: 0,
            width_px: None,
            height_px: None,
            angles: Angles::default(),
            pose: PosePolicy::Keep,
            depth_bits: 8,
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

impl PanoConvert {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("fov_deg", self.fov_deg, 1.0, 360.0)?;
        shared::check_integer("padding_px", self.padding_px, 0, PADDING_PX_MAX)?;
        for (name, side_px) in [("width_px", self.width_px), ("height_px", self.height_px)] {
            if let Some(side_px) = side_px {
                shared::check_integer(name, side_px, 1, RENDER_SIDE_PX_MAX)?;
            }
        }
        check_depth(self.depth_bits)?;
        self.angles.check()?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RenderPlan, Failure> {
        let mut source = self.source.plan("pano.convert", media)?;
        let picture = self.picture(&source)?;
        RenderPlan {
            tilt: tilt(self.pose, media, &mut source),
            source,
            turn: self.angles,
            pictures: vec![picture],
            depth_bits: self.depth_bits,
            output: self.output,
        }
        .within_limits()
    }

    fn picture(&self, source: &SourcePlan) -> Result<PicturePlan, Failure> {
        let name = self.to.as_str();
        let usual_deg = self.to.usual_fov_deg(self.to_lens);
        let refused = |said: String| Err(Failure::rejected("projection_unfit", said));
        if self.fov_deg.is_some() && usual_deg == 0.0 {
            return refused(format!("a {name} picture has no `fov_deg`; leave it out"));
        }
        let fov_deg = self.fov_deg.unwrap_or(usual_deg);
        let lens = (self.to_lens, self.to_lens_order);
        let projection = match PictureProjection::of(self.to, fov_deg, lens) {
            Ok(projection) => projection.padded(self.padding_px),
            Err(max_deg) => {
                return refused(format!(
                    "fov_deg is {fov_deg}; a {name} picture shows {max_deg}° at most"
                ));
            }
        };
        let per_radian = source.pixels_per_radian();
        let (width_px, height_px) =
            projection.size_within(per_radian, (self.width_px, self.height_px));
        let (columns, rows) = projection.cells();
        let face_px = width_px / columns;
        let faces = columns * rows > 1;
        if faces && (columns * face_px, rows * face_px) != (width_px, height_px) {
            return refused(format!(
                "a {name} picture has {columns} × {rows} square faces, and {width_px}×{height_px} pixels do not; correct \
                 `width_px` or `height_px`, or leave one of them out"
            ));
        }
        if faces && self.padding_px > 0 && 4 * self.padding_px >= face_px {
            return refused(format!(
                "padding_px is {}; it must be less than a quarter of a padded face, which has {face_px} pixels",
                self.padding_px
            ));
        }
        let projection = match projection {
            PictureProjection::Equirectangular { .. } => {
                PictureProjection::whole_sphere(width_px, height_px)
            }
            other => other,
        };
        let name = "panorama".into();
        Ok(PicturePlan { name, projection, width_px, height_px, aim: Aim::default(), cut: false })
    }
}

const PADDING_PX_MAX: u32 = 256;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.convert",
    summary: "a panorama of any projection to any other, turned or not; turned by nothing, the same projection and size \
              are the same pixels",
    writes: "panorama.jpg; of both eyes, left/panorama.jpg and right/panorama.jpg, or one picture",
    parameters: &parameters::<26>(&[
        &[
            ParameterDoc {
                name: "to",
                kind: ParameterKind::Choice { of: ProjectionName::WORDS },
                default: "\"equirectangular\"",
                summary: "the projection that is made; an equirectangular one is of the whole sphere",
            },
            ParameterDoc {
                name: "fov_deg",
                kind: ParameterKind::Number { min: 1.0, max: 360.0 },
                default: "null",
                summary: "its horizontal field of view, in degrees, where it can have several; of a fisheye, that of its \
                          circle; if not given: a cylinder 360, flat 90, stereographic 250, fisheye 180, two of them 190",
            },
            ParameterDoc {
                name: "to_lens",
                kind: ParameterKind::Choice { of: LensKind::WORDS },
                default: "\"equidistant\"",
                summary: "how the lens of a fisheye that is made bends rays",
            },
            ParameterDoc {
                name: "to_lens_order",
                kind: ParameterKind::Choice { of: LensOrder::WORDS },
                default: "\"front_first\"",
                summary: "which lens of a dual fisheye that is made is on the left",
            },
            ParameterDoc {
                name: "padding_px",
                kind: ParameterKind::Integer { min: 0, max: PADDING_PX_MAX as i64 },
                default: "0",
                summary: "pixels around each face of a cube map that show what its neighbours do",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "null",
                summary: "width, in pixels; if not given, by the height, or as many as lose nothing (16384 at most)",
            },
            ParameterDoc {
                name: "height_px",
                kind: ParameterKind::Integer { min: 1, max: RENDER_SIDE_PX_MAX as i64 },
                default: "null",
                summary: "height, in pixels; if not given, by the width and the projection's shape",
            },
            POSE,
            DEPTH,
        ],
        &ANGLES,
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.convert", "to": "cubemap-cross", "yaw_deg": 90}"#,
};
