//! From the pixels of one view to those of another.

use crate::{Jacobian, Pixel, Ray, View};

/// Where each pixel of one view lies in another: pixel → ray → pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mapping {
    from: View,
    to: View,
    is_identity: bool,
}

impl Mapping {
    /// From the pixels of `from` (what is made) to those of `to` (what is sampled).
    pub fn new(from: View, to: View) -> Self {
        Self { from, to, is_identity: from == to }
    }

    /// Whether both views have the same projection, size and orientation, so that samples can be
    /// copied.
    pub const fn is_identity(&self) -> bool {
        self.is_identity
    }

    /// Where `pixel` lies in the other picture, or `None` if that does not show its ray.
    ///
    /// Of an identity it is the very same position, bit for bit.
    pub fn pixel(&self, pixel: Pixel) -> Option<Pixel> {
        let ray = self.from.ray(pixel)?;
        if self.is_identity { Some(pixel) } else { self.to.pixel(ray) }
    }

    /// How the position in the other picture moves with `pixel`: rows are `x` and `y` there,
    /// columns `x` and `y` here, in pixels.
    ///
    /// `None` where [`pixel`](Self::pixel) is, and where a scale is infinite, as at the pole of
    /// an equirectangular picture.
    pub fn jacobian(&self, pixel: Pixel) -> Option<Jacobian> {
        if self.is_identity {
            self.from.ray(pixel)?;
            return Some(Jacobian::new([[1.0, 0.0], [0.0, 1.0]]));
        }
        let here = self.from.radians_per_pixel(pixel)?;
        let there = self.to.radians_per_pixel(self.pixel(pixel)?)?.inverse()?;
        Some(there.after(here))
    }

    /// The ray of `pixel` in the world.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.from.ray(pixel)
    }
}
