//! What a source picture shows, and how it goes on beyond its borders.

use std::f64::consts::PI;

use panofleet_projection::{Equirectangular, Orientation, Pixel, Projection, Ray, Size, View};

/// Where the samples of a plane lie in its picture: a position of the picture `p` is
/// `p · scale + offset` in the plane.
///
/// A plane as large as its picture has scale 1 and offset 0. Subsampled chroma has scale ½; offset
/// 0 if a sample lies in the middle of its two pixels, ¼ if on the first of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Samples per pixel, horizontally and vertically.
    pub scale: [f64; 2],
    /// Position of the picture's corner in the plane, in samples.
    pub offset: [f64; 2],
}

impl Grid {
    /// A sample for each pixel.
    pub const FULL: Self = Self { scale: [1.0; 2], offset: [0.0; 2] };

    pub(crate) fn plane(&self, picture: Pixel) -> Pixel {
        Pixel::new(
            picture.x_px * self.scale[0] + self.offset[0],
            picture.y_px * self.scale[1] + self.offset[1],
        )
    }

    pub(crate) fn picture(&self, plane: Pixel) -> Pixel {
        Pixel::new(
            (plane.x_px - self.offset[0]) / self.scale[0],
            (plane.y_px - self.offset[1]) / self.scale[1],
        )
    }
}

/// What a source picture shows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for a map, and it is copied seldom")]
pub enum Geometry {
    /// The sphere, or a part of it, by longitude and latitude: wraps and goes over the poles
    /// where it is complete.
    Equirectangular(Equirectangular),
    /// Any view. One that goes all around the sphere on a cylinder wraps; else its border repeats.
    View(View),
}

impl From<Equirectangular> for Geometry {
    fn from(equirectangular: Equirectangular) -> Self {
        Self::Equirectangular(equirectangular)
    }
}

impl From<View> for Geometry {
    /// A view that is the sphere by longitude and latitude, not turned, wraps like one.
    fn from(view: View) -> Self {
        match view.projection() {
            Projection::Equirectangular(equirectangular)
                if *view.rotation() == Orientation::IDENTITY.rotation() =>
            {
                Self::Equirectangular(*equirectangular)
            }
            _ => Self::View(view),
        }
    }
}

/// How a plane continues beyond its borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Topology {
    /// The right border continues at the left one.
    pub(crate) wraps: bool,
    /// Above the first row it goes on down the other side of the pole.
    pub(crate) over_top: bool,
    /// The same below the last row.
    pub(crate) over_bottom: bool,
}

impl Geometry {
    /// Size of the picture.
    pub const fn size(&self) -> Size {
        match self {
            Self::Equirectangular(equirectangular) => equirectangular.size(),
            Self::View(view) => view.size(),
        }
    }

    /// Ray → position in the picture, or `None` where it does not reach.
    pub fn position(&self, ray: Ray) -> Option<Pixel> {
        match self {
            Self::Equirectangular(equirectangular) => equirectangular.pixel(ray),
            Self::View(view) => view.pixel(ray),
        }
    }

    /// After how many pixels the picture repeats to the right, if it does.
    pub(crate) fn turn_px(&self) -> Option<f64> {
        self.topology().wraps.then(|| f64::from(self.size().width_px()))
    }

    /// How much shorter a row at height `y_px` is than the equator: what a horizontal distance
    /// there is worth.
    pub(crate) fn row_length(&self, y_px: f64) -> f64 {
        match self {
            Self::Equirectangular(equirectangular) => {
                let drop =
                    (y_px + equirectangular.corner().y_px) / equirectangular.full_height_px();
                (PI * drop).sin().abs()
            }
            Self::View(_) => 1.0,
        }
    }

    pub(crate) const fn topology(&self) -> Topology {
        match self {
            Self::Equirectangular(equirectangular) => {
                let wraps = equirectangular.wraps();
                Topology {
                    wraps,
                    over_top: wraps && equirectangular.reaches_top(),
                    over_bottom: wraps && equirectangular.reaches_bottom(),
                }
            }
            Self::View(view) => {
                let wraps = match view.projection() {
                    Projection::Cylindrical(cylinder) => cylinder.wraps(),
                    Projection::CylindricalEqualArea(cylinder) => cylinder.wraps(),
                    Projection::Mercator(cylinder) => cylinder.wraps(),
                    _ => false,
                };
                Topology { wraps, over_top: false, over_bottom: false }
            }
        }
    }
}

/// A plane of a source picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SourcePlane {
    pub(crate) geometry: Geometry,
    /// Width and height of the plane in samples.
    pub(crate) size: [usize; 2],
    pub(crate) grid: Grid,
}

impl SourcePlane {
    /// Ray → position in the plane.
    pub(crate) fn position(&self, ray: Ray) -> Option<Pixel> {
        Some(self.grid.plane(self.geometry.position(ray)?))
    }

    /// After how many samples the plane repeats to the right, if it does.
    pub(crate) fn turn(&self) -> Option<f64> {
        Some(self.geometry.turn_px()? * self.grid.scale[0])
    }

    pub(crate) fn row_length(&self, y: f64) -> f64 {
        self.geometry.row_length((y - self.grid.offset[1]) / self.grid.scale[1])
    }
}

impl Topology {
    /// The row that stands at `y` of a plane `height` high, and whether it is seen over a pole.
    pub(crate) fn row(self, y: isize, height: usize) -> (usize, bool) {
        let last = height as isize - 1;
        let inside = y.clamp(0, last);
        let beyond = (y - inside).abs();
        if beyond == 0 {
            return (y as usize, false);
        }
        let (over, reflected) = if y < 0 {
            (self.over_top, (beyond - 1).min(last))
        } else {
            (self.over_bottom, (last - (beyond - 1)).max(0))
        };
        if over { (reflected as usize, true) } else { (inside as usize, false) }
    }

    /// The column that stands at `x` of a plane `width` wide.
    pub(crate) fn column(self, x: isize, width: usize) -> usize {
        if self.wraps {
            x.rem_euclid(width as isize) as usize
        } else {
            x.clamp(0, width as isize - 1) as usize
        }
    }
}
