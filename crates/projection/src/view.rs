//! A projection together with where it looks.

use std::num::NonZeroU32;

use crate::{
    CubeFace, Equirectangular, Face, Orientation, Pixel, Ray, Rectilinear, Rotation, Size,
    StraightRow,
};

/// Any projection of this crate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Projection {
    /// Columns are yaw, rows are pitch.
    Equirectangular(Equirectangular),
    /// One face of a cube.
    CubeFace(CubeFace),
    /// A flat view.
    Rectilinear(Rectilinear),
}

impl Projection {
    /// Size of the picture.
    pub const fn size(&self) -> Size {
        match self {
            Self::Equirectangular(equirectangular) => equirectangular.size(),
            Self::CubeFace(face) => face.size(),
            Self::Rectilinear(rectilinear) => rectilinear.size(),
        }
    }

    /// Pixel → ray in the projection's own frame.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        match self {
            Self::Equirectangular(equirectangular) => equirectangular.ray(pixel),
            Self::CubeFace(face) => face.ray(pixel),
            Self::Rectilinear(rectilinear) => rectilinear.ray(pixel),
        }
    }

    /// Ray in the projection's own frame → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        match self {
            Self::Equirectangular(equirectangular) => equirectangular.pixel(ray),
            Self::CubeFace(face) => face.pixel(ray),
            Self::Rectilinear(rectilinear) => rectilinear.pixel(ray),
        }
    }

    fn straight_row(&self, y_px: f64) -> Option<StraightRow> {
        match self {
            Self::Equirectangular(_) => None,
            Self::CubeFace(face) => Some(face.straight_row(y_px)),
            Self::Rectilinear(rectilinear) => Some(rectilinear.straight_row(y_px)),
        }
    }
}

impl From<Equirectangular> for Projection {
    fn from(equirectangular: Equirectangular) -> Self {
        Self::Equirectangular(equirectangular)
    }
}

impl From<CubeFace> for Projection {
    fn from(face: CubeFace) -> Self {
        Self::CubeFace(face)
    }
}

impl From<Rectilinear> for Projection {
    fn from(rectilinear: Rectilinear) -> Self {
        Self::Rectilinear(rectilinear)
    }
}

/// A picture that somebody wants: a projection, turned by an orientation.
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

    /// Pixel → ray in the world.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        self.rotation.apply(self.projection.ray(pixel))
    }

    /// Ray in the world → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.projection.pixel(self.rotation.apply_inverse(ray))
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
        let centre = view.ray(Pixel::new(50.0, 25.0));
        assert!((centre.yaw_rad().to_degrees() - 30.0).abs() < 1e-12);
        assert!((centre.pitch_rad().to_degrees() - 20.0).abs() < 1e-12);
        // Clockwise roll: the picture's right side dips below the horizon.
        let right = view.ray(Pixel::new(51.0, 25.0));
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
            let ray = view.ray(pixel);
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
