//! `pano.patch`: what is straight below or above the camera, filled: the tripod, mostly.

use serde::{Deserialize, Serialize};

use super::shared::{self, Rgb};
use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::PanoramaSource;
use crate::panorama::parameters::SOURCE;
use crate::render::{OUTPUT, PictureOutput};
use crate::retouch::{Effect, Region, RetouchPlan};

/// The same panorama with a disc around a pole filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoPatch {
    /// Where.
    pub pole: Pole,
    /// From the pole to the border of the disc.
    pub radius_deg: f64,
    /// Over which angle inside of the border the disc sets in.
    pub feather_deg: f64,
    /// What the disc is filled with.
    pub fill: PatchFill,
    /// The colour of the fill that has one.
    pub color: Rgb,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
    /// How the picture is written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl Default for PanoPatch {
    fn default() -> Self {
        Self {
            pole: Pole::Nadir,
            radius_deg: 15.0,
            feather_deg: 1.0,
            fill: PatchFill::Film,
            color: Rgb::default(),
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

/// Which end of the vertical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pole {
    /// Straight down.
    #[default]
    Nadir,
    /// Straight up.
    Zenith,
    /// Each.
    Both,
}

impl Pole {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["nadir", "zenith", "both"];

    const fn pitches_deg(self) -> &'static [f64] {
        match self {
            Self::Nadir => &[-90.0],
            Self::Zenith => &[90.0],
            Self::Both => &[-90.0, 90.0],
        }
    }
}

/// What a disc is filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchFill {
    /// The colours of its rim, as smooth as can be.
    #[default]
    Film,
    /// One colour.
    Color,
}

impl PatchFill {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["film", "color"];
}

impl PanoPatch {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("radius_deg", Some(self.radius_deg), RADIUS_DEG_MIN, RADIUS_DEG_MAX)?;
        shared::check_angle("feather_deg", Some(self.feather_deg), 0.0, FEATHER_DEG_MAX)?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RetouchPlan, Failure> {
        let disc = |pitch_deg: &f64| Region {
            yaw_deg: 0.0,
            pitch_deg: *pitch_deg,
            width_deg: 2.0 * self.radius_deg,
            height_deg: 2.0 * self.radius_deg,
        };
        let effect = match self.fill {
            PatchFill::Film => Effect::Film,
            PatchFill::Color => Effect::Color { color: self.color },
        };
        RetouchPlan {
            source: self.source.plan("pano.patch", media)?,
            regions: self.pole.pitches_deg().iter().map(disc).collect(),
            effect,
            feather_deg: self.feather_deg.min(self.radius_deg),
            output: self.output,
        }
        .within_limits()
    }
}

const RADIUS_DEG_MIN: f64 = 0.5;
const RADIUS_DEG_MAX: f64 = 60.0;
const FEATHER_DEG_MAX: f64 = 20.0;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.patch",
    summary: "the same panorama with a disc straight below or above the camera filled, so that its tripod is gone",
    writes: "panorama.jpg; of both eyes, left/panorama.jpg and right/panorama.jpg, or one picture",
    parameters: &parameters::<19>(&[
        &[
            ParameterDoc {
                name: "pole",
                kind: ParameterKind::Choice { of: Pole::WORDS },
                default: "\"nadir\"",
                summary: "where: straight down, straight up, or both, of the picture as it is stored",
            },
            ParameterDoc {
                name: "radius_deg",
                kind: ParameterKind::Number { min: RADIUS_DEG_MIN, max: RADIUS_DEG_MAX },
                default: "15.0",
                summary: "from the pole to the border of the disc, in degrees",
            },
            ParameterDoc {
                name: "feather_deg",
                kind: ParameterKind::Number { min: 0.0, max: FEATHER_DEG_MAX },
                default: "1.0",
                summary: "over which angle inside of its border the disc sets in, in degrees",
            },
            ParameterDoc {
                name: "fill",
                kind: ParameterKind::Choice { of: PatchFill::WORDS },
                default: "\"film\"",
                summary: "what it is filled with: the colours of its rim, as smooth as a soap film over it, or one colour",
            },
            ParameterDoc {
                name: "color",
                kind: ParameterKind::Color,
                default: "\"#000000\"",
                summary: "the colour of the fill `color`",
            },
        ],
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.patch", "radius_deg": 20}"#,
};
