//! Fisheye: one lens that sees a wide cone.

use crate::scalar::Scalar;
use crate::{GeometryError, Lens, LensCurve, Pixel, Ray, Size};

/// A picture through one fisheye [`Lens`] that looks straight ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fisheye {
    size: Size,
    lens: Lens,
}

impl Fisheye {
    /// A picture of `size` through `lens`, whose centre is given in this picture's pixels.
    pub const fn new(size: Size, lens: Lens) -> Self {
        Self { size, lens }
    }

    /// A perfect lens whose circle touches the picture's nearer borders.
    ///
    /// # Errors
    ///
    /// [`GeometryError::FieldOfViewBeyond`] if the curve cannot show the field of view,
    /// [`GeometryError::SphereOffset`] if its ξ is not in [0, 1000].
    pub fn inscribed(
        size: Size,
        curve: LensCurve,
        field_of_view_rad: f64,
    ) -> Result<Self, GeometryError> {
        let radius_px = f64::from(size.width_px().min(size.height_px())) / 2.0;
        let lens = Lens::ideal(curve, size.centre(), radius_px, field_of_view_rad)?;
        Ok(Self { size, lens })
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The lens.
    pub const fn lens(&self) -> &Lens {
        &self.lens
    }

    /// Pixel → ray, or `None` outside of the field of view. Within it, a pixel outside of the
    /// picture has a ray.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.lens.ray(pixel)
    }

    pub(crate) fn unit<S: Scalar>(&self, at: [S; 2]) -> Option<[S; 3]> {
        self.lens.unit(at)
    }

    /// Ray → pixel, or `None` outside of the field of view or of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.size.hold(self.lens.pixel(ray)?)
    }
}
