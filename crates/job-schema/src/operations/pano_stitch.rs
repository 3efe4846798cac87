//! `pano.stitch`: what the two lenses of a 360° camera saw, to one panorama.

use serde::{Deserialize, Serialize};

use super::shared::{self, PixelRect};
use crate::failure::Failure;
use crate::limits::RENDER_SIDE_PX_MAX;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::{LensKind, LensOrder, PictureProjection};
use crate::render::{OUTPUT, PictureOutput, check_size};
use crate::stitch::{
    Blend, CameraLens, DarkLens, FOV_DEG_MAX, FOV_DEG_MIN, LENSES_MAX, LensPlan, StitchPlan,
};

/// One picture that holds two fisheye circles side by side, to an equirectangular panorama.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoStitch {
    /// How the lenses bend rays.
    pub lens: Option<LensKind>,
    /// Which lens is on the left.
    pub lens_order: LensOrder,
    /// The field of view of each lens.
    pub fov_deg: Option<f64>,
    /// What is known of the left lens, and of the right one.
    pub lenses: Vec<CameraLens>,
    /// Whether they are aligned where both see the same.
    pub align: bool,
    /// Whether the lens that looks back is made as bright as the other.
    pub match_exposure: bool,
    /// How they flow into each other.
    pub blend: Blend,
    /// What happens if a lens saw nothing.
    pub dark_lens: DarkLens,
    /// Width of the panorama.
    pub width_px: Option<u32>,
    /// How the picture is written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl Default for PanoStitch {
    fn default() -> Self {
        Self {
            lens: None,
            lens_order: LensOrder::default(),
            fov_deg: None,
            lenses: Vec::new(),
            align: true,
            match_exposure: true,
            blend: Blend::default(),
            dark_lens: DarkLens::default(),
            width_px: None,
            output: PictureOutput::default(),
        }
    }
}

impl PanoStitch {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("fov_deg", self.fov_deg, FOV_DEG_MIN, FOV_DEG_MAX)?;
        let count = self.lenses.len();
        if count > LENSES_MAX {
            return Err(format!("lenses has {count}; it may have {LENSES_MAX}"));
        }
        self.lenses.iter().try_for_each(CameraLens::check)?;
        if let Some(width_px) = self.width_px {
            shared::check_integer("width_px", width_px, WIDTH_PX_MIN, RENDER_SIDE_PX_MAX)?;
        }
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<StitchPlan, Failure> {
        let picture = shared::still_picture("pano.stitch", media)?;
        let (width_px, height_px) = (picture.width_px, picture.height_px);
        let shape = f64::from(width_px) / f64::from(height_px);
        if self.lenses.is_empty() && !SHAPES.contains(&shape) {
            let said = format!(
                "the picture is {width_px}×{height_px}; two lenses side by side are about twice as wide as high, so one is \
                 missing or they lie otherwise: say where with `lenses`, or take one lens to a panorama with `pano.convert`, \
                 `projection` = `fisheye`"
            );
            return Err(Failure::rejected("lens_missing", said));
        }
        let half_px = width_px / 2;
        let part = |left_px: u32| PixelRect { left_px, top_px: 0, width_px: half_px, height_px };
        let mut assumptions = Vec::new();
        if picture.frames > 1 {
            assumptions
                .push(format!("the file holds {} pictures; the first was used", picture.frames));
        }
        let [left, right] =
            self.placed([part(0), part(width_px - half_px)], media, &mut assumptions);
        let lenses = match self.lens_order {
            LensOrder::FrontFirst => [left, right],
            LensOrder::BackFirst => [right, left],
        };
        let per_radian = lenses.iter().map(LensPlan::pixels_per_radian).fold(1.0, f64::max);
        let whole = PictureProjection::whole_sphere(1, 1);
        let (width_px, _) = whole.size_within(per_radian, (self.width_px, None));
        let width_px = (width_px / 2 * 2).max(WIDTH_PX_MIN);
        check_size(self.output.format, width_px, width_px / 2)?;
        Ok(StitchPlan {
            lenses,
            width_px,
            align: self.align,
            match_exposure: self.match_exposure,
            blend: self.blend,
            dark_lens: self.dark_lens,
            assumptions,
            output: self.output,
        })
    }

    /// The left lens and the right one: as the job says, else as the camera does, else perfect ones.
    fn placed(
        &self,
        halves: [PixelRect; 2],
        media: &MediaInfo,
        assumptions: &mut Vec<String>,
    ) -> [LensPlan; 2] {
        let said = self.lens.is_some() || !self.lenses.is_empty();
        let unstitched = media.unstitched.as_ref().filter(|_| !said);
        if let Some(text) = unstitched.and_then(|unstitched| unstitched.calibration.as_deref()) {
            let fov_deg = self.fov_deg.unwrap_or(FOV_DEG_INSTA360);
            if let Some(lenses) = LensPlan::by_insta360(text, halves, fov_deg) {
                assumptions.push(
                    "the lenses lie where the camera's calibration says; which way its angles turn nobody knows, so they \
                     are left to `align`"
                        .into(),
                );
                return lenses;
            }
            assumptions.push(
                "the camera's calibration is in a form that is not known, and was not used".into(),
            );
        }
        let kind = self.lens.unwrap_or_default();
        let fov_deg = self.fov_deg.unwrap_or_else(|| {
            let fov_deg = FOV_DEG.min(kind.fov_deg_max());
            if self.lenses.iter().filter(|lens| lens.fov_deg.is_some()).count() < LENSES_MAX {
                assumptions
                    .push(format!("taken for lenses of {fov_deg}°; say `fov_deg` if they are not"));
            }
            fov_deg
        });
        let lens = |index: usize| {
            let said = self.lenses.get(index).copied().unwrap_or_default();
            LensPlan::new(halves[index], kind, fov_deg, &said)
        };
        [lens(0), lens(1)]
    }
}

/// What lenses of 360° cameras see, if nobody says it.
const FOV_DEG: f64 = 190.0;

/// What those of Insta360's do: the radius of the shorter form of their calibration is that of 100° in the longer one.
const FOV_DEG_INSTA360: f64 = 200.0;

/// Width over height of two circles side by side.
const SHAPES: std::ops::RangeInclusive<f64> = 1.6..=2.5;

const WIDTH_PX_MIN: u32 = 64;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.stitch",
    summary: "one picture with what both lenses of a 360° camera saw, side by side, to an equirectangular panorama: lenses \
              aligned where both see the same, as bright as each other, blended along a seam where they agree",
    writes: "panorama.jpg",
    parameters: &parameters::<15>(&[
        &[
            ParameterDoc {
                name: "lens",
                kind: ParameterKind::Choice { of: LensKind::WORDS },
                default: "null",
                summary: "how the lenses bend rays; if not given, as the camera's calibration says (Insta360), else equidistant",
            },
            ParameterDoc {
                name: "lens_order",
                kind: ParameterKind::Choice { of: LensOrder::WORDS },
                default: "\"front_first\"",
                summary: "which lens is on the left: the one that looks forward, into the middle of the panorama, or back",
            },
            ParameterDoc {
                name: "fov_deg",
                kind: ParameterKind::Number { min: FOV_DEG_MIN, max: FOV_DEG_MAX },
                default: "null",
                summary: "field of view of each lens, in degrees, at the border of its circle; if not given, 190, of Insta360's \
                          200",
            },
            ParameterDoc {
                name: "lenses",
                kind: ParameterKind::Lenses { count_max: LENSES_MAX },
                default: "[]",
                summary: "what is known of the left lens and of the right one: `center_x_px` and `center_y_px` in the picture, \
                          `radius_px` of its circle, `fov_deg`; `yaw_deg`, `pitch_deg` and `roll_deg` that it is turned by \
                          from straight ahead or back, to its right, up and clockwise; `k1` to `k4` of its distortion; each \
                          may be left out",
            },
            ParameterDoc {
                name: "align",
                kind: ParameterKind::Switch,
                default: "true",
                summary: "whether the lens that looks back is turned and both are scaled, by 3° and 4 % at most, until they \
                          agree where both see the same",
            },
            ParameterDoc {
                name: "match_exposure",
                kind: ParameterKind::Switch,
                default: "true",
                summary: "whether the lens that looks back is made as bright as the other, channel by channel",
            },
            ParameterDoc {
                name: "blend",
                kind: ParameterKind::Choice { of: Blend::WORDS },
                default: "\"multiband\"",
                summary: "how they flow into each other: in bands, coarse differences over a wide belt and fine ones not at all, \
                          or not",
            },
            ParameterDoc {
                name: "dark_lens",
                kind: ParameterKind::Choice { of: DarkLens::WORDS },
                default: "\"refuse\"",
                summary: "what happens if a lens saw nothing: the job fails, or its part of the panorama is background",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer {
                    min: WIDTH_PX_MIN as i64,
                    max: RENDER_SIDE_PX_MAX as i64,
                },
                default: "null",
                summary: "width of the panorama, in pixels, made even; its height is half of that; if not given, as many as lose \
                          nothing (16384 at most)",
            },
        ],
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.stitch", "fov_deg": 195, "lenses": [{"center_x_px": 958}, {"roll_deg": -0.5}]}"#,
};
