//! Positions in a picture of six faces, whatever lies between a face and the sphere.

use crate::pixel::keep_before;
use crate::scalar::Scalar;
use crate::{CubeLayout, Face, FaceCell, GeometryError, Pixel, Size};

/// A picture cut into the cells of a [`CubeLayout`], each with a border of padding around its face.
///
/// Cells need not be square, nor whole pixels: YouTube's 3840×2160 has faces of 1280×1080.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FaceGrid {
    size: Size,
    layout: CubeLayout,
    padding_px: f64,
}

impl FaceGrid {
    pub(crate) fn new(
        size: Size,
        layout: CubeLayout,
        padding_px: f64,
    ) -> Result<Self, GeometryError> {
        let grid = Self { size, layout, padding_px };
        let [width_px, height_px] = grid.cell_px();
        // Within less than a quarter of a face the padding stays in front of the viewer, for
        // faces whose columns are angles too.
        if padding_px >= 0.0 && padding_px * 4.0 < width_px.min(height_px) {
            Ok(grid)
        } else {
            Err(GeometryError::Padding)
        }
    }

    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    pub(crate) const fn layout(&self) -> &CubeLayout {
        &self.layout
    }

    pub(crate) const fn padding_px(&self) -> f64 {
        self.padding_px
    }

    /// Width and height of a cell.
    pub(crate) fn cell_px(&self) -> [f64; 2] {
        let (columns, rows) = self.layout.grid();
        [
            f64::from(self.size.width_px()) / f64::from(columns),
            f64::from(self.size.height_px()) / f64::from(rows),
        ]
    }

    /// The cell that a position is in; on a border between two, the right or the lower one.
    pub(crate) fn cell_at(&self, pixel: Pixel) -> Option<&FaceCell> {
        let Pixel { x_px, y_px } = self.size.hold(pixel)?;
        let [width_px, height_px] = self.cell_px();
        let (columns, rows) = self.layout.grid();
        // Asked of the borders themselves: a quotient may be rounded to the other side of one.
        let starts_before =
            |position_px: f64, side_px: f64| move |i: &u32| f64::from(*i) * side_px <= position_px;
        let column = (1..columns).take_while(starts_before(x_px, width_px)).count();
        let row = (1..rows).take_while(starts_before(y_px, height_px)).count();
        self.layout.cell_at(column as u32, row as u32)
    }

    /// The face at a position, and how far right and up of the face's centre it is, in half faces:
    /// in [−1, 1], beyond that in the padding.
    pub(crate) fn on_face<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> Option<(Face, [S; 2])> {
        let cell = self.cell_at(Pixel::new(x_px.value(), y_px.value()))?;
        let (centre, [half_x_px, half_y_px]) = self.face_px(cell);
        let right = (x_px - centre.x_px) / half_x_px;
        let up = -(y_px - centre.y_px) / half_y_px;
        Some((cell.face, cell.turns.inverse().turn([right, up])))
    }

    /// The position `right` and `up` of the centre of a face, in half faces: always in the face's
    /// own cell, so that on an edge it shows this face and not whatever lies beside it.
    pub(crate) fn pixel(&self, face: Face, right_and_up: [f64; 2]) -> Pixel {
        let cell = self.layout.cell_of(face);
        let (centre, [half_x_px, half_y_px]) = self.face_px(cell);
        let [right, up] = cell.turns.turn(right_and_up);
        let [width_px, height_px] = self.cell_px();
        let in_cell = |position_px: f64, index: u32, side_px: f64| {
            let start_px = f64::from(index) * side_px;
            keep_before(position_px, start_px, f64::from(index + 1) * side_px)
        };
        Pixel::new(
            in_cell(centre.x_px + right * half_x_px, cell.column, width_px),
            in_cell(centre.y_px - up * half_y_px, cell.row, height_px),
        )
    }

    /// The centre of a cell, and half the sides of the face in it.
    pub(crate) fn face_px(&self, cell: &FaceCell) -> (Pixel, [f64; 2]) {
        let [width_px, height_px] = self.cell_px();
        let centre = Pixel::new(
            (f64::from(cell.column) + 0.5) * width_px,
            (f64::from(cell.row) + 0.5) * height_px,
        );
        (centre, [width_px / 2.0 - self.padding_px, height_px / 2.0 - self.padding_px])
    }
}

/// What the pictures of six faces have in common, written once.
macro_rules! on_face_grid {
    ($projection:ident) => {
        impl $projection {
            /// Size of the picture.
            pub const fn size(&self) -> crate::Size {
                self.grid.size()
            }

            /// Where the faces lie.
            pub const fn layout(&self) -> &crate::CubeLayout {
                self.grid.layout()
            }

            /// Width and height of a cell in pixels, padding included; not whole pixels if the
            /// picture's sides are no multiples of the grid's.
            pub fn cell_px(&self) -> [f64; 2] {
                self.grid.cell_px()
            }

            /// How much of each cell's border repeats the neighbouring faces, in pixels.
            pub const fn padding_px(&self) -> f64 {
                self.grid.padding_px()
            }

            /// The cell that a position is in, or `None` outside of the picture and in an empty
            /// cell. On a border between two cells it is the right or the lower one.
            pub fn cell_at(&self, pixel: Pixel) -> Option<&crate::FaceCell> {
                self.grid.cell_at(pixel)
            }

            pub(crate) const fn grid(&self) -> &FaceGrid {
                &self.grid
            }

            /// Pixel → ray, or `None` outside of the picture and in an empty cell. In the padding
            /// a face continues, over what its neighbour shows.
            pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
                self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit)
            }
        }
    };
}

pub(crate) use on_face_grid;
