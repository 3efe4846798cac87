//! Where the six faces of a cube lie in one picture, and how each is turned.

use crate::{Face, GeometryError};

/// A grid of cells, six of which hold a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CubeArrangement {
    /// Three columns, two rows.
    ThreeByTwo,
    /// One row.
    SixByOne,
    /// One column.
    OneBySix,
    /// Four columns, three rows: a row of four, with a face above and one below its second.
    HorizontalCross,
    /// Three columns, four rows: a column of four, with a face left and right of its second.
    VerticalCross,
}

impl CubeArrangement {
    /// Columns and rows.
    pub const fn grid(self) -> (u32, u32) {
        match self {
            Self::ThreeByTwo => (3, 2),
            Self::SixByOne => (6, 1),
            Self::OneBySix => (1, 6),
            Self::HorizontalCross => (4, 3),
            Self::VerticalCross => (3, 4),
        }
    }

    /// The column and row of each cell that holds a face, in reading order.
    pub const fn cells(self) -> [(u32, u32); 6] {
        match self {
            Self::ThreeByTwo => [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)],
            Self::SixByOne => [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)],
            Self::OneBySix => [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)],
            Self::HorizontalCross => [(1, 0), (0, 1), (1, 1), (2, 1), (3, 1), (1, 2)],
            Self::VerticalCross => [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (1, 3)],
        }
    }
}

/// How a face's picture is turned in its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuarterTurns {
    /// As [`Face`] describes it.
    None,
    /// By 90° clockwise: what was up points right.
    Clockwise,
    /// Upside down.
    Half,
    /// By 90° counter-clockwise: what was up points left.
    CounterClockwise,
}

impl QuarterTurns {
    /// The direction (right, up) of a face as it lies in the cell.
    pub(crate) fn turn<N: Copy + std::ops::Neg<Output = N>>(self, [right, up]: [N; 2]) -> [N; 2] {
        match self {
            Self::None => [right, up],
            Self::Clockwise => [up, -right],
            Self::Half => [-right, -up],
            Self::CounterClockwise => [-up, right],
        }
    }

    pub(crate) const fn inverse(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Clockwise => Self::CounterClockwise,
            Self::Half => Self::Half,
            Self::CounterClockwise => Self::Clockwise,
        }
    }
}

/// A face in its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FaceCell {
    /// Which face.
    pub face: Face,
    /// Column of the cell, from 0.
    pub column: u32,
    /// Row of the cell, from 0.
    pub row: u32,
    /// How the face is turned there.
    pub turns: QuarterTurns,
}

/// Where the six faces lie in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CubeLayout {
    columns: u32,
    rows: u32,
    cells: [FaceCell; 6],
}

impl CubeLayout {
    /// `faces`, turned by `turns`, in the cells of `arrangement` in reading order.
    ///
    /// # Errors
    ///
    /// [`GeometryError::FaceOrder`] if a face is missing.
    pub fn new(
        arrangement: CubeArrangement,
        faces: [Face; 6],
        turns: [QuarterTurns; 6],
    ) -> Result<Self, GeometryError> {
        if Face::ALL.iter().all(|face| faces.contains(face)) {
            Ok(Self::of(arrangement, faces, turns))
        } else {
            Err(GeometryError::FaceOrder)
        }
    }

    /// The same with the faces named by their letters, as in `"rludfb"`, none of them turned.
    ///
    /// # Errors
    ///
    /// [`GeometryError::FaceOrder`] if that is not each of `f r b l u d` once.
    pub fn from_letters(
        arrangement: CubeArrangement,
        letters: &str,
    ) -> Result<Self, GeometryError> {
        let faces: Option<Vec<Face>> = letters.chars().map(Face::from_letter).collect();
        let faces = faces.and_then(|faces| <[Face; 6]>::try_from(faces).ok());
        let faces = faces.ok_or(GeometryError::FaceOrder)?;
        Self::new(arrangement, faces, [QuarterTurns::None; 6])
    }

    /// Right, left, up / down, front, back, none turned: FFmpeg's `c3x2`, and what Facebook's
    /// transform wrote.
    pub const fn ffmpeg() -> Self {
        Self::of(CubeArrangement::ThreeByTwo, RLUDFB, [QuarterTurns::None; 6])
    }

    /// FFmpeg's `c6x1`: right, left, up, down, front, back in a row.
    pub const fn ffmpeg_row() -> Self {
        Self::of(CubeArrangement::SixByOne, RLUDFB, [QuarterTurns::None; 6])
    }

    /// FFmpeg's `c1x6`: right, left, up, down, front, back in a column.
    pub const fn ffmpeg_column() -> Self {
        Self::of(CubeArrangement::OneBySix, RLUDFB, [QuarterTurns::None; 6])
    }

    /// Layout 0 of the `cbmp` box: as [`ffmpeg`](Self::ffmpeg), but the top of the up face is
    /// forward and that of the down face is back. Source: Google's Spherical Video V2 RFC.
    pub const fn google() -> Self {
        const HALF: QuarterTurns = QuarterTurns::Half;
        const NONE: QuarterTurns = QuarterTurns::None;
        Self::of(CubeArrangement::ThreeByTwo, RLUDFB, [NONE, NONE, HALF, HALF, NONE, NONE])
    }

    /// Left, front, right upright / down, back, up, turned so that the row is one strip through
    /// the nadir: what YouTube stores, FFmpeg's `eac`, and GoPro's two strips.
    ///
    /// Right and up in the picture are back and right of the viewer in the down face, up and right
    /// in the back face, forward and right in the up face.
    pub const fn youtube() -> Self {
        const NONE: QuarterTurns = QuarterTurns::None;
        Self::of(
            CubeArrangement::ThreeByTwo,
            [Face::Left, Face::Front, Face::Right, Face::Down, Face::Back, Face::Up],
            [
                NONE,
                NONE,
                NONE,
                QuarterTurns::CounterClockwise,
                QuarterTurns::Clockwise,
                QuarterTurns::CounterClockwise,
            ],
        )
    }

    /// A cube unfolded around the front face: left, front, right, back in a row, up above the
    /// front and down below it. Neighbours in the picture are neighbours on the cube.
    pub const fn horizontal_cross() -> Self {
        Self::of(
            CubeArrangement::HorizontalCross,
            [Face::Up, Face::Left, Face::Front, Face::Right, Face::Back, Face::Down],
            [QuarterTurns::None; 6],
        )
    }

    /// A cube unfolded around the front face: up, front, down, back (upside down) in a column, left
    /// and right beside the front. Neighbours in the picture are neighbours on the cube.
    pub const fn vertical_cross() -> Self {
        const NONE: QuarterTurns = QuarterTurns::None;
        Self::of(
            CubeArrangement::VerticalCross,
            [Face::Up, Face::Left, Face::Front, Face::Right, Face::Down, Face::Back],
            [NONE, NONE, NONE, NONE, NONE, QuarterTurns::Half],
        )
    }

    /// Number of columns and rows of the grid.
    pub const fn grid(&self) -> (u32, u32) {
        (self.columns, self.rows)
    }

    /// The cells that hold a face, in reading order.
    pub const fn cells(&self) -> &[FaceCell; 6] {
        &self.cells
    }

    /// The cell in this column and row, or `None` if it holds no face.
    pub fn cell_at(&self, column: u32, row: u32) -> Option<&FaceCell> {
        self.cells.iter().find(|cell| (cell.column, cell.row) == (column, row))
    }

    /// The cell that holds `face`.
    pub fn cell_of(&self, face: Face) -> &FaceCell {
        // Every constructor puts each face somewhere, so the first cell stands in for nothing.
        self.cells.iter().find(|cell| cell.face == face).unwrap_or(&self.cells[0])
    }

    /// The caller names each face once.
    const fn of(arrangement: CubeArrangement, faces: [Face; 6], turns: [QuarterTurns; 6]) -> Self {
        let (columns, rows) = arrangement.grid();
        let places = arrangement.cells();
        let mut cells =
            [FaceCell { face: Face::Front, column: 0, row: 0, turns: QuarterTurns::None }; 6];
        let mut i = 0;
        while i < 6 {
            let (column, row) = places[i];
            cells[i] = FaceCell { face: faces[i], column, row, turns: turns[i] };
            i += 1;
        }
        Self { columns, rows, cells }
    }
}

const RLUDFB: [Face; 6] = [Face::Right, Face::Left, Face::Up, Face::Down, Face::Front, Face::Back];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_face_is_named_once() {
        let layout = CubeLayout::from_letters(CubeArrangement::ThreeByTwo, "rludfb");
        assert_eq!(layout, Ok(CubeLayout::ffmpeg()));
        for letters in ["", "rludf", "rludff", "rludfx", "rludfbb"] {
            let refused = CubeLayout::from_letters(CubeArrangement::OneBySix, letters);
            assert_eq!(refused, Err(GeometryError::FaceOrder), "{letters}");
        }
    }

    #[test]
    fn cells_are_inside_of_the_grid_and_differ() {
        for arrangement in [
            CubeArrangement::ThreeByTwo,
            CubeArrangement::SixByOne,
            CubeArrangement::OneBySix,
            CubeArrangement::HorizontalCross,
            CubeArrangement::VerticalCross,
        ] {
            let (columns, rows) = arrangement.grid();
            let cells = arrangement.cells();
            for (i, cell) in cells.iter().enumerate() {
                assert!(cell.0 < columns && cell.1 < rows);
                // Reading order: down, then right.
                assert!(cells[..i].iter().all(|(column, row)| (*row, *column) < (cell.1, cell.0)));
            }
        }
    }

    #[test]
    fn turns_undo_each_other() {
        for turns in [
            QuarterTurns::None,
            QuarterTurns::Clockwise,
            QuarterTurns::Half,
            QuarterTurns::CounterClockwise,
        ] {
            assert_eq!(turns.inverse().turn(turns.turn([1, 2])), [1, 2]);
        }
        assert_eq!(QuarterTurns::Clockwise.turn([0, 1]), [1, 0]);
    }
}
