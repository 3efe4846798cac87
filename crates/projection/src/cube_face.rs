//! The six faces of a cube around the viewer.

use std::num::NonZeroU32;

use crate::ray::unit_through;
use crate::scalar::Scalar;
use crate::{Pixel, Ray, Size, StraightRow};

/// How far outside of a face, in half widths, a ray still counts as on its border. It covers the
/// rounding of a ray that was computed on the neighbouring face, and nothing that can be seen.
const BORDER_TOLERANCE: f64 = 1e-12;

/// A face of the cube, named by where it lies.
///
/// Side faces are upright. The top of `Up` continues `Back` and the top of `Down` continues
/// `Front`; the right side of both points right. Source: Pannellum's and Marzipano's viewers, and
/// FFmpeg's `c3x2` order; Photo Sphere Viewer needs `flipTopBottom: true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
    /// +z
    Front,
    /// +x
    Right,
    /// −z
    Back,
    /// −x
    Left,
    /// +y
    Up,
    /// −y
    Down,
}

impl Face {
    /// All faces in the order `f r b l u d`.
    pub const ALL: [Self; 6] =
        [Self::Front, Self::Right, Self::Back, Self::Left, Self::Up, Self::Down];

    /// The letter that viewers use in file names.
    pub const fn letter(self) -> char {
        match self {
            Self::Front => 'f',
            Self::Right => 'r',
            Self::Back => 'b',
            Self::Left => 'l',
            Self::Up => 'u',
            Self::Down => 'd',
        }
    }

    /// The face that [`letter`](Self::letter) names, or `None`.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|face| face.letter() == letter)
    }

    /// The face that a ray meets. On an edge or corner the first in [`Face::ALL`]'s order of axes
    /// (z, then x, then y) has it.
    pub fn of(ray: Ray) -> Self {
        let [x, y, z] = ray.components();
        let (x_abs, y_abs, z_abs) = (x.abs(), y.abs(), z.abs());
        if z_abs >= x_abs && z_abs >= y_abs {
            if z > 0.0 { Self::Front } else { Self::Back }
        } else if x_abs >= y_abs {
            if x > 0.0 { Self::Right } else { Self::Left }
        } else if y > 0.0 {
            Self::Up
        } else {
            Self::Down
        }
    }

    /// The point of the cube `[−1, 1]³` at `right` and `up` of the face's centre, each in [−1, 1].
    pub(crate) fn point<S: Scalar>(self, right: S, up: S) -> [S; 3] {
        let one = S::constant(1.0);
        match self {
            Self::Front => [right, up, one],
            Self::Right => [one, up, -right],
            Self::Back => [-right, up, -one],
            Self::Left => [-one, up, right],
            Self::Up => [right, one, -up],
            Self::Down => [right, -one, up],
        }
    }

    /// The inverse of [`point`](Self::point) for any vector: how far right, up and forward of the
    /// viewer it lies as seen on this face.
    pub(crate) const fn components(self, [x, y, z]: [f64; 3]) -> (f64, f64, f64) {
        match self {
            Self::Front => (x, y, z),
            Self::Right => (-z, y, x),
            Self::Back => (-x, y, -z),
            Self::Left => (z, y, -x),
            Self::Up => (x, -z, y),
            Self::Down => (x, z, -y),
        }
    }
}

/// One face as a square picture: a 90° × 90° rectilinear view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CubeFace {
    /// Which face.
    pub face: Face,
    /// Side of the square, in pixels.
    pub face_px: NonZeroU32,
}

impl CubeFace {
    /// Size of the picture: `face_px` × `face_px`.
    pub const fn size(&self) -> Size {
        Size::square(self.face_px)
    }

    /// Pixel → ray. A pixel outside of the face continues on the face's plane.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        let half_px = self.half_px();
        unit_through(self.face.point(x_px / half_px - 1.0, -(y_px / half_px) + 1.0))
    }

    /// Ray → pixel, or `None` if the ray meets another face. A ray on an edge is on both faces.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let (right, up, forward) = self.face.components(ray.components());
        let reach = forward * (1.0 + BORDER_TOLERANCE);
        if forward <= 0.0 || right.abs() > reach || up.abs() > reach {
            return None;
        }
        let half_px = self.half_px();
        Some(Pixel::new((1.0 + right / forward) * half_px, (1.0 - up / forward) * half_px))
    }

    /// The row at height `y_px` as a straight line.
    pub fn straight_row(&self, y_px: f64) -> StraightRow {
        let half_px = self.half_px();
        let up = 1.0 - y_px / half_px;
        let left = self.face.point(-1.0, up);
        let right = self.face.point(1.0, up);
        StraightRow {
            start: left,
            step: std::array::from_fn(|i| (right[i] - left[i]) / (2.0 * half_px)),
        }
    }

    fn half_px(&self) -> f64 {
        f64::from(self.face_px.get()) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cube(face: Face, face_px: u32) -> CubeFace {
        CubeFace { face, face_px: NonZeroU32::new(face_px).unwrap() }
    }

    /// Where the centre, the image's right and the image's up point, for each face (C2 of the
    /// formats that viewers publish).
    #[test]
    fn orientation_of_each_face() {
        const RIGHT: [f64; 3] = [1.0, 0.0, 0.0];
        const LEFT: [f64; 3] = [-1.0, 0.0, 0.0];
        const UP: [f64; 3] = [0.0, 1.0, 0.0];
        const DOWN: [f64; 3] = [0.0, -1.0, 0.0];
        const FRONT: [f64; 3] = [0.0, 0.0, 1.0];
        const BACK: [f64; 3] = [0.0, 0.0, -1.0];
        for (letter, centre, image_right, image_up) in [
            ('f', FRONT, RIGHT, UP),
            ('r', RIGHT, BACK, UP),
            ('b', BACK, LEFT, UP),
            ('l', LEFT, FRONT, UP),
            ('u', UP, RIGHT, BACK),
            ('d', DOWN, RIGHT, FRONT),
        ] {
            let face = cube(Face::from_letter(letter).unwrap(), 100);
            let edge = |toward: [f64; 3]| {
                let point = std::array::from_fn(|i| centre[i] + toward[i]);
                Ray::through(point).unwrap()
            };
            let check = |x_px, y_px, expected: Ray| {
                let found = face.ray(Pixel::new(x_px, y_px));
                assert!(found.angle_rad(expected) < 1e-15, "{letter}: {found:?} {expected:?}");
            };
            check(50.0, 50.0, Ray::through(centre).unwrap());
            check(100.0, 50.0, edge(image_right));
            check(50.0, 0.0, edge(image_up));
        }
    }

    #[test]
    fn letters_are_those_of_the_viewers() {
        let letters: String = Face::ALL.iter().map(|face| face.letter()).collect();
        assert_eq!(letters, "frblud");
        assert_eq!(Face::from_letter('x'), None);
    }

    #[test]
    fn each_of_the_twelve_edges_is_shared() {
        for face in Face::ALL {
            for step in 0..=8 {
                let along = f64::from(step) * 8.0;
                for (x_px, y_px) in [(0.0, along), (64.0, along), (along, 0.0), (along, 64.0)] {
                    let ray = cube(face, 64).ray(Pixel::new(x_px, y_px));
                    let holders =
                        Face::ALL.iter().filter(|f| cube(**f, 64).pixel(ray).is_some()).count();
                    let at_corner = along == 0.0 || along == 64.0;
                    assert_eq!(holders, if at_corner { 3 } else { 2 }, "{face:?} {x_px} {y_px}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn pixel_of_ray_is_the_pixel(
            face in proptest::sample::select(&Face::ALL[..]), face_px in 1_u32..40_000,
            x in 0.0..=1.0, y in 0.0..=1.0,
        ) {
            let face = cube(face, face_px);
            let pixel = Pixel::new(x * f64::from(face_px), y * f64::from(face_px));
            let back = face.pixel(face.ray(pixel)).expect("its own pixel");
            prop_assert!((back.x_px - pixel.x_px).abs() < 1e-10 * f64::from(face_px));
            prop_assert!((back.y_px - pixel.y_px).abs() < 1e-10 * f64::from(face_px));
        }

        #[test]
        fn every_ray_is_on_its_face(yaw in -4.0..4.0, pitch in -1.6..1.6) {
            let ray = Ray::from_angles(yaw, pitch);
            let face = cube(Face::of(ray), 1_000);
            let pixel = face.pixel(ray).expect("the face it meets");
            prop_assert!(face.ray(pixel).angle_rad(ray) < 1e-14);
        }

        #[test]
        fn a_row_is_straight(
            face in proptest::sample::select(&Face::ALL[..]), x in 0.0..640.0, y in 0.0..640.0,
        ) {
            let face = cube(face, 640);
            let along = Ray::through(face.straight_row(y).point(x)).unwrap();
            prop_assert!(along.angle_rad(face.ray(Pixel::new(x, y))) < 1e-15);
        }
    }
}
