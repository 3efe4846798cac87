//! Rectilinear: what a camera without distortion sees; straight lines stay straight.

use std::f64::consts::PI;

use crate::ray::unit_through;
use crate::scalar::Scalar;
use crate::{GeometryError, Pixel, Ray, Size, StraightRow};

/// A rectilinear view straight ahead; a [`View`](crate::View) turns it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectilinear {
    size: Size,
    /// Distance of the image plane, in pixels.
    focal_px: f64,
}

impl Rectilinear {
    /// A view of `size` whose width spans `horizontal_fov_rad`; pixels are square.
    ///
    /// # Errors
    ///
    /// [`GeometryError::FieldOfView`] if the field of view is not inside (0, π).
    pub fn new(size: Size, horizontal_fov_rad: f64) -> Result<Self, GeometryError> {
        let focal_px = f64::from(size.width_px()) / 2.0 / (horizontal_fov_rad / 2.0).tan();
        let is_inside = horizontal_fov_rad > 0.0 && horizontal_fov_rad < PI;
        if is_inside && focal_px.is_normal() {
            Ok(Self { size, focal_px })
        } else {
            Err(GeometryError::FieldOfView)
        }
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Pixel → ray. A pixel outside of the picture continues on the image plane.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        let centre = self.size.centre();
        unit_through([
            (x_px - centre.x_px) / self.focal_px,
            -(y_px - centre.y_px) / self.focal_px,
            S::constant(1.0),
        ])
    }

    /// Ray → pixel, or `None` if the ray lies outside of the picture or behind the viewer.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        if ray.z() <= 0.0 {
            return None;
        }
        let centre = self.size.centre();
        let x_px = centre.x_px + ray.x() / ray.z() * self.focal_px;
        let y_px = centre.y_px - ray.y() / ray.z() * self.focal_px;
        self.size.hold(Pixel::new(x_px, y_px))
    }

    /// The row at height `y_px` as a straight line.
    pub fn straight_row(&self, y_px: f64) -> StraightRow {
        let centre = self.size.centre();
        StraightRow {
            start: [-centre.x_px / self.focal_px, (centre.y_px - y_px) / self.focal_px, 1.0],
            step: [1.0 / self.focal_px, 0.0, 0.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

    use proptest::prelude::*;

    use super::*;
    use crate::{CubeFace, Face};

    #[test]
    fn field_of_view_spans_the_width() {
        let view = Rectilinear::new(Size::new(800, 600).unwrap(), FRAC_PI_2).unwrap();
        let check = |x_px, y_px, yaw_rad, pitch_rad| {
            let found = view.ray(Pixel::new(x_px, y_px));
            assert!(found.angle_rad(Ray::from_angles(yaw_rad, pitch_rad)) < 1e-15);
        };
        check(400.0, 300.0, 0.0, 0.0);
        check(800.0, 300.0, FRAC_PI_4, 0.0);
        check(0.0, 300.0, -FRAC_PI_4, 0.0);
        check(400.0, 0.0, 0.0, 0.75_f64.atan());
    }

    #[test]
    fn ninety_degrees_is_the_front_face() {
        let view = Rectilinear::new(Size::new(64, 64).unwrap(), FRAC_PI_2).unwrap();
        let face = CubeFace { face: Face::Front, face_px: 64.try_into().unwrap() };
        for (column, row) in [(0, 0), (63, 0), (5, 40), (63, 63)] {
            let pixel = Pixel::centre(column, row);
            assert!(view.ray(pixel).angle_rad(face.ray(pixel)) < 1e-15);
        }
    }

    #[test]
    fn field_of_view_outside_its_interval_is_refused() {
        for fov_rad in [0.0, -1.0, PI, 4.0, f64::NAN, f64::INFINITY] {
            let refused = Rectilinear::new(Size::new(8, 8).unwrap(), fov_rad);
            assert_eq!(refused, Err(GeometryError::FieldOfView), "{fov_rad}");
        }
    }

    #[test]
    fn nothing_is_seen_behind() {
        let view = Rectilinear::new(Size::new(8, 8).unwrap(), 3.0).unwrap();
        assert_eq!(view.pixel(Ray::from_angles(PI, 0.0)), None);
        assert_eq!(view.pixel(Ray::from_angles(FRAC_PI_2, 0.0)), None);
    }

    proptest! {
        /// Within 1e-8 pixels for a 170° view of up to 8,192 columns.
        #[test]
        fn pixel_of_ray_is_the_pixel(
            width in 1_u32..8_192, height in 1_u32..8_192, fov in 0.01..2.97,
            x in 0.001..0.999, y in 0.001..0.999,
        ) {
            let view = Rectilinear::new(Size::new(width, height).unwrap(), fov).unwrap();
            let pixel = Pixel::new(x * f64::from(width), y * f64::from(height));
            let back = view.pixel(view.ray(pixel)).expect("its own pixel");
            prop_assert!((back.x_px - pixel.x_px).abs() < 1e-8);
            prop_assert!((back.y_px - pixel.y_px).abs() < 1e-8);
            let along = Ray::through(view.straight_row(pixel.y_px).point(pixel.x_px)).unwrap();
            prop_assert!(along.angle_rad(view.ray(pixel)) < 1e-14);
        }
    }
}
