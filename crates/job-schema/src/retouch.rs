//! Places of a panorama that are made unrecognisable or filled.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::operations::shared::{self, Rgb};
use crate::panorama::SourcePlan;
use crate::render::{Angles, PictureOutput, check_joined};

/// The most regions of one output.
pub(crate) const REGIONS_MAX: usize = 64;

/// Widest region, across.
pub(crate) const REGION_DEG_MAX: f64 = 120.0;

/// An ellipse on the sphere: of `width` and `height` around a direction, upright there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its middle, to the right.
    pub yaw_deg: f64,
    /// Its middle, up.
    pub pitch_deg: f64,
    /// Angle across, (0, 120].
    pub width_deg: f64,
    /// Angle from top to bottom, (0, 120].
    pub height_deg: f64,
}

impl Region {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("yaw_deg of a region", Some(self.yaw_deg), -360.0, 360.0)?;
        shared::check_angle("pitch_deg of a region", Some(self.pitch_deg), -90.0, 90.0)?;
        for (name, side) in
            [("width_deg of a region", self.width_deg), ("height_deg of a region", self.height_deg)]
        {
            shared::check_angle(name, Some(side), 0.1, REGION_DEG_MAX)?;
        }
        Ok(())
    }

    /// Where it is.
    pub const fn middle(&self) -> Angles {
        Angles::looking(self.yaw_deg, self.pitch_deg)
    }
}

/// What takes the place of a region's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Means of cells, flowing into each other.
    Blur {
        /// Cells across the region's longer side.
        cells: u32,
    },
    /// Means of cells with hard edges.
    Pixelate {
        /// Cells across the region's longer side.
        cells: u32,
    },
    /// One colour.
    Color {
        /// The colour.
        color: Rgb,
    },
    /// What a soap film over the rim would have: as smooth as can be between the colours there.
    Film,
}

/// A panorama with regions that are retouched; everything else stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetouchPlan {
    /// The panorama.
    pub source: SourcePlan,
    /// Where.
    pub regions: Vec<Region>,
    /// What is put there.
    pub effect: Effect,
    /// Over which angle inside of a region's border it sets in.
    pub feather_deg: f64,
    /// How it is written.
    pub output: PictureOutput,
}

impl RetouchPlan {
    /// The plan, if what it makes can be written.
    ///
    /// # Errors
    /// `Rejected` for a picture beyond the limits of the format.
    pub(crate) fn within_limits(self) -> Result<Self, Failure> {
        let eyes = &self.source.eyes;
        if let Some(eye) = eyes.first() {
            let size = (eye.crop.width_px, eye.crop.height_px);
            check_joined(&self.output, eyes.len() as u32, size)?;
        }
        Ok(self)
    }
}
