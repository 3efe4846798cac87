//! Two lenses that are joined to one sphere: where each lies in the picture, and how it bends rays.

use serde::{Deserialize, Serialize};

use crate::operations::shared::{self, PixelRect};
use crate::panorama::LensKind;
use crate::render::{Angles, PictureOutput};

mod insta360;

/// Lenses of one picture.
pub(crate) const LENSES_MAX: usize = 2;

pub(crate) const FOV_DEG_MIN: f64 = 150.0;
pub(crate) const FOV_DEG_MAX: f64 = 280.0;

/// What a lens may be turned by from straight ahead or straight back; roll may be anything.
pub(crate) const TURN_DEG_MAX: f64 = 30.0;

/// Largest place or radius, in pixels.
pub(crate) const LENS_PX_MAX: f64 = 100_000.0;

/// Largest coefficient of a distortion; what folds is refused when it is met.
pub(crate) const DISTORTION_MAX: f64 = 10.0;

/// What a job says of a lens; what is left out is as if the lens were perfect and in the middle of its half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraLens {
    /// Where its axis meets the picture, from the left.
    pub center_x_px: Option<f64>,
    /// From the top.
    pub center_y_px: Option<f64>,
    /// From there to the border of its field of view.
    pub radius_px: Option<f64>,
    /// Its field of view.
    pub fov_deg: Option<f64>,
    /// What it is turned by from straight ahead, or straight back: to its right.
    pub yaw_deg: f64,
    /// Up.
    pub pitch_deg: f64,
    /// Clockwise as the lens sees it.
    pub roll_deg: f64,
    /// Radial distortion, of r² in focal lengths.
    pub k1: f64,
    /// Of r⁴.
    pub k2: f64,
    /// Of r⁶.
    pub k3: f64,
    /// Of r⁸.
    pub k4: f64,
}

impl CameraLens {
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, value) in [
            ("center_x_px of a lens", self.center_x_px),
            ("center_y_px of a lens", self.center_y_px),
            ("radius_px of a lens", self.radius_px),
        ] {
            shared::check_angle(name, value, 1.0, LENS_PX_MAX)?;
        }
        shared::check_angle("fov_deg of a lens", self.fov_deg, FOV_DEG_MIN, FOV_DEG_MAX)?;
        for (name, value, max) in [
            ("yaw_deg of a lens", self.yaw_deg, TURN_DEG_MAX),
            ("pitch_deg of a lens", self.pitch_deg, TURN_DEG_MAX),
            ("roll_deg of a lens", self.roll_deg, 180.0),
            ("k1 of a lens", self.k1, DISTORTION_MAX),
            ("k2 of a lens", self.k2, DISTORTION_MAX),
            ("k3 of a lens", self.k3, DISTORTION_MAX),
            ("k4 of a lens", self.k4, DISTORTION_MAX),
        ] {
            shared::check_angle(name, Some(value), -max, max)?;
        }
        Ok(())
    }
}

/// How lenses flow into each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// Fine detail is cut at the seam, and the coarser, the wider.
    #[default]
    Multiband,
    /// One ends where the other begins.
    Cut,
}

impl Blend {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["multiband", "cut"];
}

/// What happens if a lens saw nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DarkLens {
    /// The job fails, and says which lens.
    #[default]
    Refuse,
    /// Its part of the sphere is background, and a warning says which lens.
    LeaveOut,
}

impl DarkLens {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["refuse", "leave_out"];
}

/// How far from the axis a ray lies, in focal lengths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "curve", rename_all = "snake_case")]
pub enum LensCurve {
    /// A curve that has a name.
    Named {
        /// Which.
        lens: LensKind,
    },
    /// `sin θ / (cos θ + ξ)`.
    UnifiedSphere {
        /// ξ.
        offset: f64,
    },
}

/// A lens with every question answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LensPlan {
    /// Its half of the upright picture.
    pub part: PixelRect,
    /// How it bends rays.
    pub curve: LensCurve,
    /// Pixels per focal length, across and down.
    pub focal_px: [f64; 2],
    /// Where its axis meets its half.
    pub center_px: [f64; 2],
    /// Radial distortion: of r², r⁴, r⁶, r⁸.
    pub radial: [f64; 4],
    /// Tangential distortion.
    pub tangential: [f64; 2],
    /// Its field of view.
    pub fov_deg: f64,
    /// What it is turned by from straight ahead, or straight back.
    pub turn: Angles,
}

/// Two lenses that are joined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StitchPlan {
    /// The lens that looks forward, and the one that looks back.
    pub lenses: [LensPlan; 2],
    /// Width of what is made; its height is half of that.
    pub width_px: u32,
    /// Whether the lenses are aligned where both see the same.
    pub align: bool,
    /// Whether the second lens is made as bright as the first.
    pub match_exposure: bool,
    /// How they flow into each other.
    pub blend: Blend,
    /// What happens if one saw nothing.
    pub dark_lens: DarkLens,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
    /// How it is written.
    pub output: PictureOutput,
}

impl StitchPlan {
    /// Pixels of what is made.
    pub const fn pixels(&self) -> u64 {
        self.width_px as u64 * (self.width_px as u64 / 2)
    }
}

impl LensPlan {
    /// A lens whose picture fills its half, with what a job says of it.
    pub(crate) fn new(part: PixelRect, lens: LensKind, fov_deg: f64, said: &CameraLens) -> Self {
        let (width_px, height_px) = (f64::from(part.width_px), f64::from(part.height_px));
        let fov_deg = said.fov_deg.unwrap_or(fov_deg);
        let radial = [said.k1, said.k2, said.k3, said.k4];
        let radius_px = said.radius_px.unwrap_or_else(|| width_px.min(height_px) / 2.0);
        // Where the border of the field of view lies, in focal lengths.
        let radius = lens.radius(fov_deg.to_radians() / 2.0);
        let growth = radial.iter().rev().fold(0.0, |sum, k| (sum + k) * radius * radius) + 1.0;
        Self {
            part,
            curve: LensCurve::Named { lens },
            focal_px: [radius_px / (radius * growth); 2],
            center_px: [
                said.center_x_px.map_or(width_px / 2.0, |x_px| x_px - f64::from(part.left_px)),
                said.center_y_px.map_or(height_px / 2.0, |y_px| y_px - f64::from(part.top_px)),
            ],
            radial,
            tangential: [0.0; 2],
            fov_deg,
            turn: Angles {
                yaw_deg: said.yaw_deg,
                pitch_deg: said.pitch_deg,
                roll_deg: said.roll_deg,
            },
        }
    }

    /// Both lenses as a camera of Insta360 describes them, each with its half of a picture of this size; `None` for words
    /// that nobody here knows.
    pub(crate) fn by_insta360(
        text: &str,
        halves: [PixelRect; 2],
        fov_deg: f64,
    ) -> Option<[Self; 2]> {
        insta360::lenses(text, halves, fov_deg)
    }

    /// Pixels for a radian on the axis.
    pub(crate) fn pixels_per_radian(&self) -> f64 {
        let focal_px = self.focal_px[0].max(self.focal_px[1]);
        match self.curve {
            LensCurve::Named { .. } => focal_px,
            LensCurve::UnifiedSphere { offset } => focal_px / (1.0 + offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: PixelRect = PixelRect { left_px: 500, top_px: 0, width_px: 500, height_px: 480 };

    #[test]
    fn what_is_not_said_is_a_perfect_lens_in_the_middle() {
        let lens = LensPlan::new(HALF, LensKind::Equidistant, 180.0, &CameraLens::default());
        assert_eq!(lens.center_px, [250.0, 240.0]);
        assert!((lens.focal_px[0] - 240.0 / std::f64::consts::FRAC_PI_2).abs() < 1e-9);
    }

    /// At the border of the field of view lies the radius that was said, distortion included.
    #[test]
    fn radius_is_where_the_field_of_view_ends() {
        let said = CameraLens {
            center_x_px: Some(755.0),
            radius_px: Some(230.0),
            fov_deg: Some(200.0),
            k1: 0.1,
            k3: -0.01,
            ..CameraLens::default()
        };
        let lens = LensPlan::new(HALF, LensKind::Equidistant, 180.0, &said);
        assert_eq!(lens.center_px, [255.0, 240.0]);
        let r = 100_f64.to_radians();
        let radius_px = lens.focal_px[0] * (r + 0.1 * r.powi(3) - 0.01 * r.powi(7));
        assert!((radius_px - 230.0).abs() < 1e-9, "{radius_px}");
    }
}
