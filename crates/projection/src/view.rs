//! A projection together with where it looks.

use std::num::NonZeroU32;

use crate::{
    CubeFace, Face, Jacobian, Orientation, Pixel, Projection, Ray, Rotation, Size, StraightRow,
};

/// A picture that somebody wants or has: a projection, turned by an orientation.
///
/// The orientation is the camera's in the world. To level a panorama that was taken with a tilted
/// camera, view it with the *inverse* of that tilt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    projection: Projection,
    rotation: Rotation,
}

impl View {
    /// `projection` seen by a camera turned by `orientation`.
    pub fn new(projection: impl Into<Projection>, orientation: Orientation) -> Self {
        Self { projection: projection.into(), rotation: orientation.rotation() }
    }

    /// A face of the cube, not turned.
    pub fn cube_face(face: Face, face_px: NonZeroU32) -> Self {
        Self::new(CubeFace { face, face_px }, Orientation::IDENTITY)
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.projection.size()
    }

    /// What kind of picture it is, in its own frame.
    pub const fn projection(&self) -> &Projection {
        &self.projection
    }

    /// How the camera is turned.
    pub const fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// Pixel → ray in the world, or `None` where the projection has no ray, as outside of a
    /// fisheye's circle.
    ///
    /// A projection of the whole plane continues outside of its picture: an equirectangular one
    /// around the sphere, a flat one on its plane.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.projection.ray(pixel).map(|ray| self.rotation.apply(ray))
    }

    /// Ray in the world → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.projection.pixel(self.rotation.apply_inverse(ray))
    }

    /// How far pixels move with rays in the world; see [`Projection::jacobian`].
    pub fn jacobian(&self, pixel: Pixel) -> Option<Jacobian> {
        self.radians_per_pixel(pixel)?.inverse()
    }

    pub(crate) fn radians_per_pixel(&self, pixel: Pixel) -> Option<Jacobian> {
        self.projection.radians_per_pixel(pixel, |vector| self.rotation.apply_to_point(vector))
    }

    /// The row at height `y_px` as a straight line in the world, if the projection is flat.
    pub fn straight_row(&self, y_px: f64) -> Option<StraightRow> {
        let row = self.projection.straight_row(y_px)?;
        Some(StraightRow {
            start: self.rotation.apply_to_point(row.start),
            step: self.rotation.apply_to_point(row.step),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Equirectangular, Rectilinear};

    fn projections() -> Vec<Projection> {
        let size = Size::new(640, 320).unwrap();
        let mut all: Vec<Projection> =
            vec![Equirectangular::full(size).into(), Rectilinear::new(size, 1.3).unwrap().into()];
        let face_px = 320.try_into().unwrap();
        all.extend(Face::ALL.map(|face| Projection::from(CubeFace { face, face_px })));
        all
    }

    #[test]
    fn the_camera_looks_where_it_is_turned() {
        let view = View::new(
            Rectilinear::new(Size::new(100, 50).unwrap(), 1.0).unwrap(),
            Orientation::from_degrees(30.0, 20.0, 10.0).unwrap(),
        );
        let centre = view.ray(Pixel::new(50.0, 25.0)).unwrap();
        assert!((centre.yaw_rad().to_degrees() - 30.0).abs() < 1e-12);
        assert!((centre.pitch_rad().to_degrees() - 20.0).abs() < 1e-12);
        // Clockwise roll: the picture's right side dips below the horizon.
        let right = view.ray(Pixel::new(51.0, 25.0)).unwrap();
        assert!(right.pitch_rad() < centre.pitch_rad());
    }

    proptest! {
        #[test]
        fn pixel_of_ray_is_the_pixel(
            projection in proptest::sample::select(projections()),
            yaw in -4.0..4.0, pitch in -2.0..2.0, roll in -4.0..4.0,
            x in 0.01..0.99, y in 0.01..0.99,
        ) {
            let view = View::new(projection, Orientation::new(yaw, pitch, roll).unwrap());
            let size = view.size();
            let pixel =
                Pixel::new(x * f64::from(size.width_px()), y * f64::from(size.height_px()));
            let ray = view.ray(pixel).expect("a ray everywhere");
            let back = view.pixel(ray).expect("its own pixel");
            prop_assert!((back.x_px - pixel.x_px).abs() < 1e-9);
            prop_assert!((back.y_px - pixel.y_px).abs() < 1e-9);
            if let Some(row) = view.straight_row(pixel.y_px) {
                let along = Ray::through(row.point(pixel.x_px)).unwrap();
                prop_assert!(along.angle_rad(ray) < 1e-14);
            }
        }
    }
}
