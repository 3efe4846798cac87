//! How large a picture must be to lose nothing of a source.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::{LensKind, PictureProjection};

/// The longest side that is chosen where nobody says one.
const SIDE_PX_MAX: f64 = 16_384.0;

impl PictureProjection {
    /// Width and height of a picture of this projection that is as fine straight ahead as a source of so many pixels for
    /// a radian, and no side longer than 16,384 pixels.
    pub(crate) fn size_for(&self, pixels_per_radian: f64) -> (u32, u32) {
        let (width, height) = self.shape(pixels_per_radian);
        let scale = (SIDE_PX_MAX / width.max(height)).min(1.0);
        let (columns, rows) = self.cells();
        // What comes out whole but for rounding is not made larger.
        let side = |px: f64, cells: u32| {
            let step = 2 * cells;
            let steps = (px * scale / f64::from(step) - 1e-6).ceil().max(1.0) as u32;
            steps * step
        };
        (side(width, columns), side(height, rows))
    }

    /// The size with the sides that are said, and the others by the projection's shape.
    pub(crate) fn size_within(
        &self,
        pixels_per_radian: f64,
        said: (Option<u32>, Option<u32>),
    ) -> (u32, u32) {
        let (width, height) = self.shape(pixels_per_radian);
        let scaled = |px: u32, by: f64| (f64::from(px) * by).round().max(1.0) as u32;
        match said {
            (Some(width_px), Some(height_px)) => (width_px, height_px),
            (Some(width_px), None) => (width_px, scaled(width_px, height / width)),
            (None, Some(height_px)) => (scaled(height_px, width / height), height_px),
            (None, None) => self.size_for(pixels_per_radian),
        }
    }

    /// Columns and rows of faces; one of each where there are none.
    pub(crate) const fn cells(&self) -> (u32, u32) {
        match self {
            Self::Cubemap { grid, .. } => grid.cells(),
            Self::Eac { .. } => (3, 2),
            _ => (1, 1),
        }
    }

    fn shape(&self, per_radian: f64) -> (f64, f64) {
        let radius =
            |lens: LensKind, fov_deg: f64| lens.radius(fov_deg.to_radians() / 2.0) * per_radian;
        let faces = |face_px: f64, padding_px: u32| {
            let (columns, rows) = self.cells();
            let side_px = face_px.max(2.0) + 2.0 * f64::from(padding_px);
            (f64::from(columns) * side_px, f64::from(rows) * side_px)
        };
        match *self {
            Self::Equirectangular { .. } => (TAU * per_radian, PI * per_radian),
            Self::HalfEquirectangular => (PI * per_radian, PI * per_radian),
            Self::Cubemap { padding_px, .. } => faces(2.0 * per_radian, padding_px),
            Self::Eac { padding_px } => faces(FRAC_PI_2 * per_radian, padding_px),
            // 45° up and down.
            Self::Cylindrical { hfov_deg } => {
                (hfov_deg.to_radians() * per_radian, 2.0 * per_radian)
            }
            // All around, a square reaches to 85° up and down.
            Self::Mercator { hfov_deg } => {
                let side = hfov_deg.to_radians() * per_radian;
                (side, side)
            }
            Self::Rectilinear { hfov_deg } => {
                let width = 2.0 * (hfov_deg.to_radians() / 2.0).tan() * per_radian;
                (width, width * 0.75)
            }
            Self::Stereographic { hfov_deg } => {
                let side = 4.0 * (hfov_deg.to_radians() / 4.0).tan() * per_radian;
                (side, side)
            }
            Self::Fisheye { lens, fov_deg } => {
                let side = 2.0 * radius(lens, fov_deg);
                (side, side)
            }
            Self::DualFisheye { lens, fov_deg, .. } => {
                let side = 2.0 * radius(lens, fov_deg);
                (2.0 * side, side)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panorama::{CubeGrid, LensOrder};

    /// A picture of the size that is chosen is as fine as what it was chosen for, and no finer than rounding makes it.
    #[test]
    fn what_is_made_is_as_fine_as_its_source() {
        let lens = LensKind::Equisolid;
        for projection in [
            PictureProjection::HalfEquirectangular,
            PictureProjection::Cubemap { grid: CubeGrid::Cross, padding_px: 5 },
            PictureProjection::Cubemap { grid: CubeGrid::OneBySix, padding_px: 0 },
            PictureProjection::Eac { padding_px: 3 },
            PictureProjection::Cylindrical { hfov_deg: 360.0 },
            PictureProjection::Mercator { hfov_deg: 100.0 },
            PictureProjection::Rectilinear { hfov_deg: 120.0 },
            PictureProjection::Stereographic { hfov_deg: 250.0 },
            PictureProjection::Fisheye { lens, fov_deg: 200.0 },
            PictureProjection::DualFisheye { lens, fov_deg: 200.0, order: LensOrder::FrontFirst },
        ] {
            let (width_px, height_px) = projection.size_for(300.0);
            let found = projection.pixels_per_radian(width_px, height_px);
            assert!((300.0 - 1e-3..303.0).contains(&found), "{projection:?}: {found}");
        }
    }

    #[test]
    fn a_whole_sphere_keeps_its_size_and_a_huge_one_is_bounded() {
        for (width_px, height_px) in [(4096, 2048), (5376, 2688), (100, 50)] {
            let sphere = PictureProjection::whole_sphere(width_px, height_px);
            let per_radian = sphere.pixels_per_radian(width_px, height_px);
            assert_eq!(sphere.size_for(per_radian), (width_px, height_px));
            assert_eq!(sphere.size_within(per_radian, (Some(800), None)), (800, 400));
        }
        // Two eyes in a square: each is squeezed, and what is made of it is not.
        let squeezed = PictureProjection::whole_sphere(2048, 2048);
        assert_eq!(squeezed.size_for(squeezed.pixels_per_radian(2048, 2048)), (4096, 2048));
        let planet = PictureProjection::Stereographic { hfov_deg: 350.0 };
        assert_eq!(planet.size_for(10_000.0), (16_384, 16_384));
    }
}
