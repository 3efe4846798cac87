//! Where a picture's borders meet on the sphere, for scoring how well they fit.

use std::num::NonZeroU32;

use crate::face_grid::FaceGrid;
use crate::{Cubemap, Eac, Equirectangular, Face, Pixel};

/// One edge of a cube, as the pixels on both of its sides.
///
/// Where two faces fit, a pixel differs from its partner across the edge no more than from its
/// neighbours on its own face.
#[derive(Debug, Clone, PartialEq)]
pub struct Seam {
    /// The faces on the two sides, in [`Face::ALL`]'s order.
    pub faces: [Face; 2],
    /// Positions half a pixel from the edge, one on each side, from one corner of the cube to the
    /// other. On the first face they are pixel centres if its border is one between pixels; on the
    /// second one too if both have the same number of pixels along the edge.
    pub pairs: Vec<[Pixel; 2]>,
}

/// The twelve edges of a cube whose faces are pictures of their own, `face_px` wide; positions are
/// those in each face's picture.
pub fn cube_seams(face_px: NonZeroU32) -> Vec<Seam> {
    let side_px = f64::from(face_px.get());
    let beside = |face: Face, point: [f64; 3]| {
        let (right, up, _) = face.components(point);
        place(Pixel::new(side_px / 2.0, side_px / 2.0), [side_px / 2.0; 2], [right, up])
    };
    edges().map(|edge| edge.seam(face_px.get(), beside)).collect()
}

impl Cubemap {
    /// The twelve edges, as positions in this picture.
    pub fn seams(&self) -> Vec<Seam> {
        grid_seams(self.grid())
    }
}

impl Eac {
    /// The twelve edges, as positions in this picture.
    pub fn seams(&self) -> Vec<Seam> {
        grid_seams(self.grid())
    }
}

impl Equirectangular {
    /// The pixels of the last and the first column, row by row: what meets at the back of a
    /// picture of 360°; none if it is less.
    pub fn seam(&self) -> Vec<[Pixel; 2]> {
        let size = self.size();
        let rows = if self.wraps() { 0..size.height_px() } else { 0..0 };
        rows.map(|row| [Pixel::centre(size.width_px() - 1, row), Pixel::centre(0, row)]).collect()
    }
}

/// The coordinates along an edge are the same for flat faces and for equi-angular ones, because
/// both measure from the edge's middle.
fn grid_seams(grid: &FaceGrid) -> Vec<Seam> {
    let beside = |face: Face, point: [f64; 3]| {
        let cell = grid.layout().cell_of(face);
        let (centre, half_px) = grid.face_px(cell);
        let (right, up, _) = face.components(point);
        place(centre, half_px, cell.turns.turn([right, up]))
    };
    edges()
        .map(|edge| {
            let [start, end] = [-1.0, 1.0].map(|along| beside(edge.faces[0], edge.at(along)));
            let length_px = (end.x_px - start.x_px).abs().max((end.y_px - start.y_px).abs());
            // Both ends are pulled in by half a pixel, being on a border too.
            edge.seam(((length_px + 1.0).round() as u32).max(1), beside)
        })
        .collect()
}

/// The position `right` and `up` of a centre, in units of half a face; at 1 it is pulled in by half
/// a pixel.
fn place(centre: Pixel, half_px: [f64; 2], right_and_up: [f64; 2]) -> Pixel {
    let [right_px, up_px] = [0, 1].map(|axis| {
        let side: f64 = right_and_up[axis];
        if side.abs() == 1.0 { side * (half_px[axis] - 0.5) } else { side * half_px[axis] }
    });
    Pixel::new(centre.x_px + right_px, centre.y_px - up_px)
}

/// An edge of the cube [−1, 1]³.
struct Edge {
    faces: [Face; 2],
    middle: [f64; 3],
    /// Index of the axis that the edge runs along.
    axis: usize,
}

impl Edge {
    /// The point at `along` the edge, in [−1, 1].
    fn at(&self, along: f64) -> [f64; 3] {
        let mut point = self.middle;
        point[self.axis] = along;
        point
    }

    fn seam(&self, count: u32, beside: impl Fn(Face, [f64; 3]) -> Pixel) -> Seam {
        let pair = |i: u32| {
            let point = self.at((2.0 * f64::from(i) + 1.0) / f64::from(count) - 1.0);
            self.faces.map(|face| beside(face, point))
        };
        Seam { faces: self.faces, pairs: (0..count).map(pair).collect() }
    }
}

fn edges() -> impl Iterator<Item = Edge> {
    let pairs = Face::ALL.into_iter().enumerate().flat_map(|(i, first)| {
        Face::ALL.into_iter().skip(i + 1).map(move |second| [first, second])
    });
    pairs.filter_map(|faces| {
        let [a, b] = faces.map(|face| face.point(0.0, 0.0));
        let middle: [f64; 3] = std::array::from_fn(|i| a[i] + b[i]);
        let mut free = (0..3).filter(|axis| middle[*axis] == 0.0);
        // Opposite faces cancel out and leave every axis free.
        match (free.next(), free.next()) {
            (Some(axis), None) => Some(Edge { faces, middle, axis }),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CubeFace, CubeLayout, Projection, Ray, Size};

    fn check(seams: &[Seam], count: usize, ray: impl Fn(Face, Pixel) -> Ray, pixel_rad: f64) {
        assert_eq!(seams.len(), 12);
        for seam in seams {
            assert_eq!(seam.pairs.len(), count, "{:?}", seam.faces);
            for pair in &seam.pairs {
                let [a, b] = [0, 1].map(|i| ray(seam.faces[i], pair[i]));
                assert_eq!([Face::of(a), Face::of(b)], seam.faces, "{pair:?}");
                // Half a pixel on each side, and nothing along the edge.
                assert!(a.angle_rad(b) < 1.05 * pixel_rad, "{pair:?} {}", a.angle_rad(b));
                for pixel in pair {
                    assert!((pixel.x_px.fract() - 0.5).abs() < 1e-9, "{pixel:?}");
                    assert!((pixel.y_px.fract() - 0.5).abs() < 1e-9, "{pixel:?}");
                }
            }
        }
    }

    #[test]
    fn six_pictures() {
        let face_px = NonZeroU32::new(64).unwrap();
        let ray = |face, pixel| CubeFace { face, face_px }.ray(pixel);
        check(&cube_seams(face_px), 64, ray, 1.0 / 64.0);
    }

    #[test]
    fn one_picture() {
        let size = Size::new(192, 128).unwrap();
        for layout in [CubeLayout::ffmpeg(), CubeLayout::google(), CubeLayout::youtube()] {
            let cubemap = Cubemap::new(size, layout, 0.0).unwrap();
            let projection = Projection::from(cubemap);
            check(&cubemap.seams(), 64, |_, at| projection.ray(at).unwrap(), 1.0 / 64.0);
            let padded = Cubemap::new(size, layout, 4.0).unwrap();
            let projection = Projection::from(padded);
            check(&padded.seams(), 56, |_, at| projection.ray(at).unwrap(), 1.0 / 56.0);
            let eac = Eac::new(size, layout, 0.0).unwrap();
            let projection = Projection::from(eac);
            let pixel_rad = std::f64::consts::FRAC_PI_2 / 64.0;
            check(&eac.seams(), 64, |_, at| projection.ray(at).unwrap(), pixel_rad);
        }
    }

    #[test]
    fn the_meridian_at_the_back() {
        let size = Size::new(64, 32).unwrap();
        let panorama = Equirectangular::full(size);
        let seam = panorama.seam();
        assert_eq!(seam.len(), 32);
        for (row, [last, first]) in (0..).zip(seam) {
            assert_eq!([last, first], [Pixel::centre(63, row), Pixel::centre(0, row)]);
        }
    }
}
