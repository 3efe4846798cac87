//! `pano.cubemap`: the six faces of the cube around the viewer.

use serde::{Deserialize, Serialize};

use super::shared;
use crate::failure::Failure;
use crate::limits::FACE_SIDE_PX_MAX;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::parameters::SOURCE;
use crate::panorama::{CubeGrid, PanoramaSource, PictureProjection};
use crate::render::{
    ANGLES, Aim, Angles, DEPTH, OUTPUT, POSE, PictureOutput, PicturePlan, PosePolicy, RenderPlan,
    check_depth, tilt,
};

/// A cube map: six files, or six faces in one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoCubemap {
    /// How the faces are written.
    pub layout: CubeFiles,
    /// Side of a face; without it as many pixels as lose nothing.
    pub face_px: Option<u32>,
    /// Pixels of its neighbours around each face.
    pub padding_px: u32,
    /// How the cube is turned.
    #[serde(flatten)]
    pub angles: Angles,
    /// What happens to the camera's tilt.
    pub pose: PosePolicy,
    /// Bits of a channel, 8 or 16.
    pub depth_bits: u8,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
    /// How the pictures are written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl Default for PanoCubemap {
    fn default() -> Self {
        Self {
            layout: CubeFiles::Files,
            face_px: None,
            padding_px: 0,
            angles: Angles::default(),
            pose: PosePolicy::Keep,
            depth_bits: 8,
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

/// How the faces of a cube are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CubeFiles {
    /// A file each.
    #[default]
    #[serde(rename = "files")]
    Files,
    /// Three columns, two rows.
    #[serde(rename = "3x2")]
    ThreeByTwo,
    /// One row.
    #[serde(rename = "6x1")]
    SixByOne,
    /// One column.
    #[serde(rename = "1x6")]
    OneBySix,
    /// Unfolded around the front face.
    #[serde(rename = "cross")]
    Cross,
    /// YouTube's equi-angular faces.
    #[serde(rename = "eac")]
    Eac,
}

impl CubeFiles {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["files", "3x2", "6x1", "1x6", "cross", "eac"];
}

/// The faces with where they look: what is up in `u` is back, what is up in `d` is front (Pannellum, Marzipano).
const FACES: [(&str, Angles); 6] = [
    ("f", Angles::looking(0.0, 0.0)),
    ("r", Angles::looking(90.0, 0.0)),
    ("b", Angles::looking(180.0, 0.0)),
    ("l", Angles::looking(-90.0, 0.0)),
    ("u", Angles::looking(0.0, 90.0)),
    ("d", Angles::looking(0.0, -90.0)),
];

impl PanoCubemap {
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(face_px) = self.face_px {
            shared::check_integer("face_px", face_px, 1, FACE_SIDE_PX_MAX)?;
            if self.padding_px != 0 && 2 * self.padding_px >= face_px {
                let padding_px = self.padding_px;
                return Err(format!(
                    "padding_px is {padding_px}; it must be less than half of face_px, {face_px}"
                ));
            }
        }
        shared::check_integer("padding_px", self.padding_px, 0, PADDING_PX_MAX)?;
        check_depth(self.depth_bits)?;
        self.angles.check()?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RenderPlan, Failure> {
        let mut source = self.source.plan("pano.cubemap", media)?;
        let padding_px = self.padding_px;
        let face_px = self.face_px.unwrap_or_else(|| self.face_px_of(source.pixels_per_radian()));
        let side_px = face_px + 2 * padding_px;
        let in_one = |projection: PictureProjection, (columns, rows): (u32, u32)| {
            vec![PicturePlan {
                name: "cubemap".into(),
                projection,
                width_px: columns * side_px,
                height_px: rows * side_px,
                aim: Aim::default(),
                cut: false,
            }]
        };
        let grid =
            |grid: CubeGrid| in_one(PictureProjection::Cubemap { grid, padding_px }, grid.cells());
        let pictures = match self.layout {
            CubeFiles::Files => files(face_px, padding_px),
            CubeFiles::ThreeByTwo => grid(CubeGrid::ThreeByTwo),
            CubeFiles::SixByOne => grid(CubeGrid::SixByOne),
            CubeFiles::OneBySix => grid(CubeGrid::OneBySix),
            CubeFiles::Cross => grid(CubeGrid::Cross),
            CubeFiles::Eac => in_one(PictureProjection::Eac { padding_px }, (3, 2)),
        };
        RenderPlan {
            tilt: tilt(self.pose, media, &mut source),
            source,
            turn: self.angles,
            pictures,
            depth_bits: self.depth_bits,
            output: self.output,
        }
        .within_limits()
    }

    /// As fine as the source straight ahead; even, and more than twice the padding.
    fn face_px_of(&self, pixels_per_radian: f64) -> u32 {
        let exact = match self.layout {
            CubeFiles::Eac => std::f64::consts::FRAC_PI_2 * pixels_per_radian,
            _ => 2.0 * pixels_per_radian,
        };
        // A face that comes out whole but for rounding is not made larger.
        let even = ((exact / 2.0 - 1e-6).ceil() * 2.0).max(2.0) as u32;
        even.clamp(2 * self.padding_px + 2, FACE_SIDE_PX_MAX)
    }
}

/// A flat view for each face: 90°, and as much more as the padding is.
fn files(face_px: u32, padding_px: u32) -> Vec<PicturePlan> {
    let side_px = face_px + 2 * padding_px;
    let hfov_deg = if padding_px == 0 {
        90.0
    } else {
        2.0 * (f64::from(side_px) / f64::from(face_px)).atan().to_degrees()
    };
    let face = |(name, looking): (&str, Angles)| PicturePlan {
        name: name.into(),
        projection: PictureProjection::Rectilinear { hfov_deg },
        width_px: side_px,
        height_px: side_px,
        aim: Aim::Fixed(looking),
        cut: false,
    };
    FACES.into_iter().map(face).collect()
}

const PADDING_PX_MAX: u32 = 256;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.cubemap",
    summary: "the six faces of the cube around the viewer, in six files or in one",
    writes: "f.jpg, r.jpg, b.jpg, l.jpg, u.jpg, d.jpg as Pannellum and Marzipano take them (the top of `u` continues `b`, \
             the top of `d` continues `f`), or cubemap.jpg; of both eyes, each under left/ and right/",
    parameters: &parameters::<22>(&[
        &[
            ParameterDoc {
                name: "layout",
                kind: ParameterKind::Choice { of: CubeFiles::WORDS },
                default: "\"files\"",
                summary: "a file for each face, or one for all: right, left, up, down, front, back in three columns and two \
                          rows, in a row, in a column; a cross (left, front, right, back, with up and down above and \
                          below the front); YouTube's equi-angular layout",
            },
            ParameterDoc {
                name: "face_px",
                kind: ParameterKind::Integer { min: 1, max: FACE_SIDE_PX_MAX as i64 },
                default: "null",
                summary: "side of a face without its padding, in pixels; if not given, as many as lose nothing",
            },
            ParameterDoc {
                name: "padding_px",
                kind: ParameterKind::Integer { min: 0, max: PADDING_PX_MAX as i64 },
                default: "0",
                summary: "pixels around each face that show what its neighbours do; less than half a face",
            },
            POSE,
            DEPTH,
        ],
        &ANGLES,
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.cubemap", "layout": "3x2", "face_px": 1024}"#,
};
