//! Dual fisheye: two lenses back to back in one picture.

use std::f64::consts::PI;

use crate::pixel::{hold, keep_before};
use crate::scalar::Scalar;
use crate::{GeometryError, Lens, LensCurve, Orientation, Pixel, Ray, Rotation, Size};

/// How the pictures of two lenses share one picture; each has exactly half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LensArrangement {
    /// The first lens left, the second one right.
    SideBySide,
    /// The first lens above, the second one below.
    Stacked,
}

/// Which lens comes first: left, or above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LensOrder {
    /// The lens that looks forward.
    FrontFirst,
    /// The lens that looks back; FFmpeg's `dfisheye`.
    BackFirst,
}

/// A ray as one of the lenses sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// 0 for the first lens, 1 for the second.
    pub lens: usize,
    /// Where in the picture.
    pub pixel: Pixel,
    /// How far inside of the lens's field of view, in radians; not negative.
    pub margin_rad: f64,
}

/// A picture with two fisheye circles, as 360° cameras take it.
///
/// Where both lenses see a ray, [`pixel`](Self::pixel) takes the one that has it farther inside of
/// its field of view; [`sightings`](Self::sightings) gives both, for a stitcher to blend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DualFisheye {
    size: Size,
    arrangement: LensArrangement,
    lenses: [Lens; 2],
    rotations: [Rotation; 2],
}

impl DualFisheye {
    /// A picture of `size` with two lenses. The centre of each is given in pixels of the whole
    /// picture; an orientation says how a lens is turned in the camera.
    pub fn new(
        size: Size,
        arrangement: LensArrangement,
        lenses: [Lens; 2],
        orientations: [Orientation; 2],
    ) -> Self {
        Self { size, arrangement, lenses, rotations: orientations.map(Orientation::rotation) }
    }

    /// Two perfect, equal, upright lenses that look forward and back, each with a circle that
    /// touches the nearer borders of its half.
    ///
    /// # Errors
    ///
    /// [`GeometryError::FieldOfViewBeyond`] if the curve cannot show the field of view,
    /// [`GeometryError::SphereOffset`] if its ξ is not in [0, 1000].
    pub fn back_to_back(
        size: Size,
        arrangement: LensArrangement,
        order: LensOrder,
        curve: LensCurve,
        field_of_view_rad: f64,
    ) -> Result<Self, GeometryError> {
        let (width_px, height_px) = (f64::from(size.width_px()), f64::from(size.height_px()));
        let (radius_px, centres) = match arrangement {
            LensArrangement::SideBySide => (
                (width_px / 4.0).min(height_px / 2.0),
                [0.25, 0.75].map(|x| Pixel::new(x * width_px, height_px / 2.0)),
            ),
            LensArrangement::Stacked => (
                (width_px / 2.0).min(height_px / 4.0),
                [0.25, 0.75].map(|y| Pixel::new(width_px / 2.0, y * height_px)),
            ),
        };
        let lens = |centre| Lens::ideal(curve, centre, radius_px, field_of_view_rad);
        let lenses = [lens(centres[0])?, lens(centres[1])?];
        let (front, back) = (Orientation::IDENTITY, Orientation::new(PI, 0.0, 0.0)?);
        let orientations = match order {
            LensOrder::FrontFirst => [front, back],
            LensOrder::BackFirst => [back, front],
        };
        Ok(Self::new(size, arrangement, lenses, orientations))
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The lens whose half of the picture a pixel is in: 0 or 1.
    pub fn lens_at(&self, pixel: Pixel) -> usize {
        let (position_px, side_px) = match self.arrangement {
            LensArrangement::SideBySide => (pixel.x_px, self.size.width_px()),
            LensArrangement::Stacked => (pixel.y_px, self.size.height_px()),
        };
        usize::from(position_px >= f64::from(side_px) / 2.0)
    }

    /// Pixel → ray, or `None` outside of the picture and of the fields of view.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit)
    }

    pub(crate) fn unit<S: Scalar>(&self, at: [S; 2]) -> Option<[S; 3]> {
        let pixel = self.size.hold(Pixel::new(at[0].value(), at[1].value()))?;
        let lens = self.lens_at(pixel);
        Some(self.rotations[lens].turn(self.lenses[lens].unit(at)?))
    }

    /// Ray → pixel of the lens that sees it best, or `None` if neither does.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.sightings(ray)[0].map(|sighting| sighting.pixel)
    }

    /// How the lenses see a ray: the better one first, `None` where there is none.
    pub fn sightings(&self, ray: Ray) -> [Option<Sighting>; 2] {
        let [first, second] = [self.sighting(ray, 0), self.sighting(ray, 1)];
        let margin_rad = |sighting: Option<Sighting>| sighting.map_or(-1.0, |s| s.margin_rad);
        if margin_rad(second) > margin_rad(first) { [second, first] } else { [first, second] }
    }

    fn sighting(&self, ray: Ray, lens: usize) -> Option<Sighting> {
        let ray = self.rotations[lens].apply_inverse(ray);
        let pixel = self.hold(lens, self.lenses[lens].pixel(ray)?)?;
        let margin_rad = self.lenses[lens].margin_rad(ray).max(0.0);
        Some(Sighting { lens, pixel, margin_rad })
    }

    /// The position, if it is in the lens's half of the picture: the other half is the other
    /// lens's, and the border between them is the second's.
    fn hold(&self, lens: usize, pixel: Pixel) -> Option<Pixel> {
        let pixel = self.size.hold(pixel)?;
        let half = |position_px: f64, side_px: u32| {
            let (middle_px, end_px) = (f64::from(side_px) / 2.0, f64::from(side_px));
            if lens == 0 {
                hold(position_px, 0.0, middle_px).map(|it| keep_before(it, 0.0, middle_px))
            } else {
                hold(position_px, middle_px, end_px)
            }
        };
        Some(match self.arrangement {
            LensArrangement::SideBySide => {
                Pixel::new(half(pixel.x_px, self.size.width_px())?, pixel.y_px)
            }
            LensArrangement::Stacked => {
                Pixel::new(pixel.x_px, half(pixel.y_px, self.size.height_px())?)
            }
        })
    }
}
