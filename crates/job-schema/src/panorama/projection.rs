//! The projections that a picture can have, by name and with their numbers.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use serde::{Deserialize, Serialize};

use super::SphereWindow;

/// A projection by its name; what numbers it needs are parameters of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectionName {
    /// The sphere by longitude and latitude, or a part of it.
    Equirectangular,
    /// The front half of one: VR180.
    HalfEquirectangular,
    /// Six faces in three columns and two rows: right, left, up / down, front, back.
    #[serde(rename = "cubemap-3x2")]
    Cubemap3x2,
    /// Six faces in a row, in the same order.
    #[serde(rename = "cubemap-6x1")]
    Cubemap6x1,
    /// Six faces in a column, in the same order.
    #[serde(rename = "cubemap-1x6")]
    Cubemap1x6,
    /// A cube unfolded around its front face: four columns, three rows.
    CubemapCross,
    /// Equi-angular faces as YouTube lays them out.
    Eac,
    /// A belt around the horizon on a cylinder.
    Cylindrical,
    /// A belt in which shapes are kept.
    Mercator,
    /// A flat picture.
    Rectilinear,
    /// A very wide view, or a little planet.
    Stereographic,
    /// One fisheye lens.
    Fisheye,
    /// Two fisheye lenses back to back, side by side.
    DualFisheye,
}

impl ProjectionName {
    /// The words of a parameter.
    pub const WORDS: &'static [&'static str] = &[
        "equirectangular",
        "half-equirectangular",
        "cubemap-3x2",
        "cubemap-6x1",
        "cubemap-1x6",
        "cubemap-cross",
        "eac",
        "cylindrical",
        "mercator",
        "rectilinear",
        "stereographic",
        "fisheye",
        "dual-fisheye",
    ];

    /// The word of a parameter.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The field of view that a picture of this projection usually has; 0 where it can have no other.
    pub(crate) const fn usual_fov_deg(self, lens: LensKind) -> f64 {
        match self {
            Self::Cylindrical | Self::Mercator => 360.0,
            Self::Rectilinear => 90.0,
            Self::Stereographic => 250.0,
            Self::Fisheye => 180.0,
            // Lenses of 360° cameras overlap.
            Self::DualFisheye => lens.fov_deg_max().min(190.0),
            _ => 0.0,
        }
    }
}

/// How a fisheye lens bends rays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensKind {
    /// Radii grow with the angle: most 360° cameras.
    #[default]
    Equidistant,
    /// Equal areas for equal solid angles.
    Equisolid,
    /// Radii grow with the sine of the angle; 180° at most.
    Orthographic,
    /// Circles stay circles.
    Stereographic,
}

impl LensKind {
    /// The words of a parameter.
    pub const WORDS: &'static [&'static str] =
        &["equidistant", "equisolid", "orthographic", "stereographic"];

    /// The widest field of view that it can show.
    pub const fn fov_deg_max(self) -> f64 {
        match self {
            Self::Equidistant | Self::Equisolid => 360.0,
            Self::Orthographic => 180.0,
            Self::Stereographic => 350.0,
        }
    }

    /// Radius over focal length at an angle from the axis.
    pub(crate) fn radius(self, angle_rad: f64) -> f64 {
        match self {
            Self::Equidistant => angle_rad,
            Self::Equisolid => 2.0 * (angle_rad / 2.0).sin(),
            Self::Orthographic => angle_rad.sin(),
            Self::Stereographic => 2.0 * (angle_rad / 2.0).tan(),
        }
    }
}

/// Which lens of a dual fisheye comes first, left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensOrder {
    /// The one that looks forward.
    #[default]
    FrontFirst,
    /// The one that looks back.
    BackFirst,
}

impl LensOrder {
    /// The words of a parameter.
    pub const WORDS: &'static [&'static str] = &["front_first", "back_first"];
}

/// How the six faces of a cube lie in one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CubeGrid {
    /// Three columns, two rows: right, left, up / down, front, back (FFmpeg's `c3x2`).
    ThreeByTwo,
    /// The same with the up face's top forward and the down face's top back: layout 0 of the `cbmp` box (Google's Spherical
    /// Video V2).
    Google,
    /// The same order in a row.
    SixByOne,
    /// The same order in a column.
    OneBySix,
    /// Left, front, right, back in a row; up above the front and down below it.
    Cross,
}

impl CubeGrid {
    /// Columns and rows.
    pub const fn cells(self) -> (u32, u32) {
        match self {
            Self::ThreeByTwo | Self::Google => (3, 2),
            Self::SixByOne => (6, 1),
            Self::OneBySix => (1, 6),
            Self::Cross => (4, 3),
        }
    }
}

/// A picture's projection with its numbers; angles in degrees. The size of the picture is told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "projection", rename_all = "snake_case")]
pub enum PictureProjection {
    /// The part of the sphere inside a window.
    Equirectangular {
        /// Where it lies in the whole, in its own pixels.
        window: SphereWindow,
    },
    /// The front half of the sphere.
    HalfEquirectangular,
    /// Six flat faces.
    Cubemap {
        /// How they lie.
        grid: CubeGrid,
        /// Pixels of its neighbours around each face, inside of its cell.
        padding_px: u32,
    },
    /// Six equi-angular faces as YouTube lays them out.
    Eac {
        /// Pixels of its neighbours around each face, inside of its cell.
        padding_px: u32,
    },
    /// A cylinder, the horizon in the middle.
    Cylindrical {
        /// Horizontal extent, (0, 360].
        hfov_deg: f64,
    },
    /// A Mercator cylinder, the horizon in the middle.
    Mercator {
        /// Horizontal extent, (0, 360].
        hfov_deg: f64,
    },
    /// A flat view.
    Rectilinear {
        /// Horizontal field of view, (0, 180).
        hfov_deg: f64,
    },
    /// A stereographic view.
    Stereographic {
        /// Horizontal field of view, (0, 360).
        hfov_deg: f64,
    },
    /// A lens whose circle touches the nearer borders.
    Fisheye {
        /// How it bends rays.
        lens: LensKind,
        /// Field of view across the circle.
        fov_deg: f64,
    },
    /// Two such lenses, side by side.
    DualFisheye {
        /// How they bend rays.
        lens: LensKind,
        /// Field of view across each circle.
        fov_deg: f64,
        /// Which comes first.
        order: LensOrder,
    },
}

impl PictureProjection {
    /// A picture of the whole sphere by longitude and latitude.
    pub fn whole_sphere(width_px: u32, height_px: u32) -> Self {
        Self::Equirectangular { window: SphereWindow::whole(width_px, height_px) }
    }

    /// The projection of this name: its field of view, and the lens, where it has them. An equirectangular one is
    /// the whole sphere of a picture as wide as high, for the caller to correct.
    ///
    /// # Errors
    /// The widest field of view that it can show.
    pub(crate) fn of(
        name: ProjectionName,
        fov_deg: f64,
        (lens, order): (LensKind, LensOrder),
    ) -> Result<Self, f64> {
        let up_to = |max_deg: f64| if fov_deg <= max_deg { Ok(fov_deg) } else { Err(max_deg) };
        let cubemap = |grid| Self::Cubemap { grid, padding_px: 0 };
        Ok(match name {
            ProjectionName::Equirectangular => Self::whole_sphere(1, 1),
            ProjectionName::HalfEquirectangular => Self::HalfEquirectangular,
            ProjectionName::Cubemap3x2 => cubemap(CubeGrid::ThreeByTwo),
            ProjectionName::Cubemap6x1 => cubemap(CubeGrid::SixByOne),
            ProjectionName::Cubemap1x6 => cubemap(CubeGrid::OneBySix),
            ProjectionName::CubemapCross => cubemap(CubeGrid::Cross),
            ProjectionName::Eac => Self::Eac { padding_px: 0 },
            ProjectionName::Cylindrical => Self::Cylindrical { hfov_deg: up_to(360.0)? },
            ProjectionName::Mercator => Self::Mercator { hfov_deg: up_to(360.0)? },
            ProjectionName::Rectilinear => Self::Rectilinear { hfov_deg: up_to(175.0)? },
            ProjectionName::Stereographic => Self::Stereographic { hfov_deg: up_to(350.0)? },
            ProjectionName::Fisheye => Self::Fisheye { lens, fov_deg: up_to(lens.fov_deg_max())? },
            ProjectionName::DualFisheye => {
                Self::DualFisheye { lens, fov_deg: up_to(lens.fov_deg_max())?, order }
            }
        })
    }

    /// The same with so many pixels around each face, if it has faces.
    pub(crate) const fn padded(self, padding_px: u32) -> Self {
        match self {
            Self::Cubemap { grid, .. } => Self::Cubemap { grid, padding_px },
            Self::Eac { .. } => Self::Eac { padding_px },
            other => other,
        }
    }

    /// The name of the projection.
    pub const fn name(&self) -> ProjectionName {
        match self {
            Self::Equirectangular { .. } => ProjectionName::Equirectangular,
            Self::HalfEquirectangular => ProjectionName::HalfEquirectangular,
            Self::Cubemap { grid, .. } => match grid {
                CubeGrid::ThreeByTwo | CubeGrid::Google => ProjectionName::Cubemap3x2,
                CubeGrid::SixByOne => ProjectionName::Cubemap6x1,
                CubeGrid::OneBySix => ProjectionName::Cubemap1x6,
                CubeGrid::Cross => ProjectionName::CubemapCross,
            },
            Self::Eac { .. } => ProjectionName::Eac,
            Self::Cylindrical { .. } => ProjectionName::Cylindrical,
            Self::Mercator { .. } => ProjectionName::Mercator,
            Self::Rectilinear { .. } => ProjectionName::Rectilinear,
            Self::Stereographic { .. } => ProjectionName::Stereographic,
            Self::Fisheye { .. } => ProjectionName::Fisheye,
            Self::DualFisheye { .. } => ProjectionName::DualFisheye,
        }
    }

    /// Pixels for a radian straight ahead, of a picture of this size: how fine it is. Of a squeezed picture the finer
    /// of both directions counts, so that what is made of it loses nothing.
    pub fn pixels_per_radian(&self, width_px: u32, height_px: u32) -> f64 {
        let (width, height) = (f64::from(width_px), f64::from(height_px));
        let face = |(columns, rows): (u32, u32), padding_px: u32| {
            let side = (width / f64::from(columns)).max(height / f64::from(rows));
            (side - 2.0 * f64::from(padding_px)).max(1.0)
        };
        let lens = |lens: LensKind, fov_deg: f64, radius_px: f64| {
            radius_px / lens.radius(fov_deg.to_radians() / 2.0)
        };
        match *self {
            Self::Equirectangular { window } => {
                (window.full_width_px / TAU).max(window.full_height_px / PI)
            }
            Self::HalfEquirectangular => width.max(height) / PI,
            Self::Cubemap { grid, padding_px } => face(grid.cells(), padding_px) / 2.0,
            // A face is 90° and its columns are angles.
            Self::Eac { padding_px } => face((3, 2), padding_px) / FRAC_PI_2,
            Self::Cylindrical { hfov_deg } | Self::Mercator { hfov_deg } => {
                width / hfov_deg.to_radians()
            }
            Self::Rectilinear { hfov_deg } => width / 2.0 / (hfov_deg.to_radians() / 2.0).tan(),
            Self::Stereographic { hfov_deg } => width / 4.0 / (hfov_deg.to_radians() / 4.0).tan(),
            Self::Fisheye { lens: kind, fov_deg } => lens(kind, fov_deg, width.min(height) / 2.0),
            Self::DualFisheye { lens: kind, fov_deg, .. } => {
                lens(kind, fov_deg, (width / 4.0).min(height / 2.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_are_read() {
        for word in ProjectionName::WORDS {
            let name: ProjectionName = serde_json::from_value((*word).into()).unwrap();
            assert_eq!(name.as_str(), *word);
        }
    }

    /// Pictures of about the same fineness, each by another formula.
    #[test]
    fn fineness_is_comparable() {
        let whole = PictureProjection::whole_sphere(4096, 2048);
        let expected = whole.pixels_per_radian(4096, 2048);
        assert!((expected - 651.9).abs() < 0.1, "{expected}");
        let face_px = 1304;
        for (projection, width_px, height_px) in [
            (PictureProjection::whole_sphere(2048, 2048), 2048, 2048),
            (PictureProjection::HalfEquirectangular, 2048, 2048),
            (
                PictureProjection::Cubemap { grid: CubeGrid::ThreeByTwo, padding_px: 8 },
                3 * (face_px + 16),
                2 * (face_px + 16),
            ),
            (PictureProjection::Eac { padding_px: 0 }, 3 * 1024, 2 * 1024),
            (PictureProjection::Cylindrical { hfov_deg: 180.0 }, 2048, 700),
            (PictureProjection::Rectilinear { hfov_deg: 90.0 }, face_px, 100),
            (PictureProjection::Stereographic { hfov_deg: 180.0 }, 2 * face_px, 100),
            (
                PictureProjection::Fisheye { lens: LensKind::Equidistant, fov_deg: 180.0 },
                2048,
                3000,
            ),
            (
                PictureProjection::DualFisheye {
                    lens: LensKind::Equidistant,
                    fov_deg: 180.0,
                    order: LensOrder::FrontFirst,
                },
                4096,
                2048,
            ),
        ] {
            let found = projection.pixels_per_radian(width_px, height_px);
            assert!((found / expected - 1.0).abs() < 0.001, "{projection:?}: {found}");
        }
    }
}
