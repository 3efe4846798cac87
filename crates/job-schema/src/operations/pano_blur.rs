//! `pano.blur`: faces, number plates and whatever else is nobody's business, made unrecognisable.

use serde::{Deserialize, Serialize};

use super::shared::{self, Rgb};
use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::PanoramaSource;
use crate::panorama::parameters::SOURCE;
use crate::render::{OUTPUT, PictureOutput};
use crate::retouch::{Effect, REGIONS_MAX, Region, RetouchPlan};

/// The same panorama with regions of it blurred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoBlur {
    /// Where.
    pub regions: Vec<Region>,
    /// What is put there.
    pub effect: BlurEffect,
    /// How many means are left of a region's longer side.
    pub cells: u32,
    /// The colour of the effect that has one.
    pub color: Rgb,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: PanoramaSource,
    /// How the picture is written.
    #[serde(flatten)]
    pub output: PictureOutput,
}

impl Default for PanoBlur {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            effect: BlurEffect::Blur,
            cells: 5,
            color: Rgb::default(),
            source: PanoramaSource::default(),
            output: PictureOutput::default(),
        }
    }
}

/// What is put over a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlurEffect {
    /// Means of cells, flowing into each other.
    #[default]
    Blur,
    /// Means of cells with hard edges.
    Pixelate,
    /// One colour.
    Color,
}

impl BlurEffect {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["blur", "pixelate", "color"];
}

impl PanoBlur {
    pub(crate) fn check(&self) -> Result<(), String> {
        let count = self.regions.len();
        if count > REGIONS_MAX {
            return Err(format!("regions has {count}; it may have {REGIONS_MAX}"));
        }
        self.regions.iter().try_for_each(Region::check)?;
        shared::check_integer("cells", self.cells, 1, CELLS_MAX)?;
        self.source.check()?;
        self.output.check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<RetouchPlan, Failure> {
        if self.regions.is_empty() {
            let said = "pano.blur has no `regions`; name at least one, such as {\"yaw_deg\": 30, \"pitch_deg\": -5, \
                        \"width_deg\": 8, \"height_deg\": 10}";
            return Err(Failure::rejected("nothing_to_blur", said));
        }
        let effect = match self.effect {
            BlurEffect::Blur => Effect::Blur { cells: self.cells },
            BlurEffect::Pixelate => Effect::Pixelate { cells: self.cells },
            BlurEffect::Color => Effect::Color { color: self.color },
        };
        RetouchPlan {
            source: self.source.plan("pano.blur", media)?,
            regions: self.regions.clone(),
            effect,
            // What is to be unrecognisable is so up to the border.
            feather_deg: 0.0,
            output: self.output,
        }
        .within_limits()
    }
}

const CELLS_MAX: u32 = 32;

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.blur",
    summary: "the same panorama with regions made unrecognisable: nothing is left of their pixels but a few means",
    writes: "panorama.jpg; of both eyes, left/panorama.jpg and right/panorama.jpg, or one picture",
    parameters: &parameters::<18>(&[
        &[
            ParameterDoc {
                name: "regions",
                kind: ParameterKind::Regions { count_max: REGIONS_MAX },
                default: "[]",
                summary: "ellipses on the sphere: `yaw_deg` to the right and `pitch_deg` up of their middle in the picture as \
                          it is stored, `width_deg` and `height_deg` across (0.1 to 120)",
            },
            ParameterDoc {
                name: "effect",
                kind: ParameterKind::Choice { of: BlurEffect::WORDS },
                default: "\"blur\"",
                summary: "what is put there: means that flow into each other, means with hard edges, or a colour",
            },
            ParameterDoc {
                name: "cells",
                kind: ParameterKind::Integer { min: 1, max: CELLS_MAX as i64 },
                default: "5",
                summary: "how many means are left along the longer side of a region: fewer hide more",
            },
            ParameterDoc {
                name: "color",
                kind: ParameterKind::Color,
                default: "\"#000000\"",
                summary: "the colour of the effect `color`",
            },
        ],
        &SOURCE,
        &OUTPUT,
    ]),
    example: r#"{"op": "pano.blur", "regions": [{"yaw_deg": 30, "pitch_deg": -5, "width_deg": 8, "height_deg": 10}]}"#,
};
