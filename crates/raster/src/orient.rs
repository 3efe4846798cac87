//! EXIF orientation.

use crate::{Picture, Plane, Sample};

/// How a camera stored a picture, and so what makes it upright (EXIF tag 0x0112).
///
/// Source: CIPA DC-008 (Exif 2.32), 4.6.4 A, `Orientation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExifOrientation {
    /// 1: already upright.
    Upright,
    /// 2: mirror left and right.
    MirrorHorizontal,
    /// 3: turn by 180°.
    Turn180,
    /// 4: mirror top and bottom.
    MirrorVertical,
    /// 5: swap rows and columns.
    Transpose,
    /// 6: turn by 90° clockwise.
    TurnRight,
    /// 7: swap rows and columns about the other diagonal.
    Transverse,
    /// 8: turn by 90° counter-clockwise.
    TurnLeft,
}

impl ExifOrientation {
    /// The meaning of the tag's value, or `None` unless it is 1 to 8.
    pub const fn from_tag(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Upright,
            2 => Self::MirrorHorizontal,
            3 => Self::Turn180,
            4 => Self::MirrorVertical,
            5 => Self::Transpose,
            6 => Self::TurnRight,
            7 => Self::Transverse,
            8 => Self::TurnLeft,
            _ => return None,
        })
    }

    /// Whether making the picture upright swaps its width and height.
    pub const fn swaps_sides(self) -> bool {
        self.steps().transpose
    }

    /// Any of the eight is a transposition or none, followed by mirrorings.
    const fn steps(self) -> Steps {
        let (transpose, mirror_columns, mirror_rows) = match self {
            Self::Upright => (false, false, false),
            Self::MirrorHorizontal => (false, true, false),
            Self::Turn180 => (false, true, true),
            Self::MirrorVertical => (false, false, true),
            Self::Transpose => (true, false, false),
            Self::TurnRight => (true, true, false),
            Self::Transverse => (true, true, true),
            Self::TurnLeft => (true, false, true),
        };
        Steps { transpose, mirror_columns, mirror_rows }
    }
}

struct Steps {
    transpose: bool,
    mirror_columns: bool,
    mirror_rows: bool,
}

/// The picture made upright; its samples are moved, none is changed.
#[must_use]
pub fn orient<S: Sample>(picture: Picture<S>, orientation: ExifOrientation) -> Picture<S> {
    if orientation == ExifOrientation::Upright {
        return picture;
    }
    let steps = orientation.steps();
    picture.map(|plane| {
        let mut upright = if steps.transpose { transposed(plane) } else { plane.clone() };
        let width = upright.width();
        if steps.mirror_rows && steps.mirror_columns {
            upright.samples_mut().reverse();
        } else if steps.mirror_columns {
            upright.samples_mut().chunks_exact_mut(width).for_each(<[S]>::reverse);
        } else if steps.mirror_rows {
            mirror_rows(upright.samples_mut(), width);
        }
        upright
    })
}

/// Side of the blocks in which a plane is transposed, so that both the rows that are read and
/// those that are written stay in the first-level cache.
const BLOCK: usize = 32;

fn transposed<S: Sample>(plane: &Plane<S>) -> Plane<S> {
    let (width, height) = (plane.width(), plane.height());
    let mut transposed = Plane::blank(plane.size().transposed());
    for (block, rows) in transposed.samples_mut().chunks_mut(height * BLOCK).enumerate() {
        for top in (0..height).step_by(BLOCK) {
            for (x, row) in (block * BLOCK..).zip(rows.chunks_exact_mut(height)) {
                let column = plane.samples().iter().skip(top * width + x).step_by(width);
                for (to, from) in row.iter_mut().skip(top).take(BLOCK).zip(column) {
                    *to = *from;
                }
            }
        }
    }
    transposed
}

fn mirror_rows<S>(samples: &mut [S], width: usize) {
    let rows = samples.len() / width;
    let (top, bottom) = samples.split_at_mut(rows / 2 * width);
    let mirrored = bottom.chunks_exact_mut(width).rev();
    for (upper, lower) in top.chunks_exact_mut(width).zip(mirrored) {
        upper.swap_with_slice(lower);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Channels, Size};

    fn oriented(width_px: u32, samples: &[u8], tag: u16) -> (u32, Vec<u8>) {
        let size = Size::new(width_px, samples.len() as u32 / width_px).unwrap();
        let picture = Picture::from_interleaved(Channels::Gray, size, samples).unwrap();
        let upright = orient(picture, ExifOrientation::from_tag(tag).unwrap());
        (upright.size().width_px(), upright.planes()[0].samples().to_vec())
    }

    /// The letter F as each of the eight cameras stores it; all come out as F.
    #[test]
    fn the_eight_letters() {
        let upright = "##\n#.\n##\n#.\n#.\n";
        for (tag, stored) in [
            (1, "##\n#.\n##\n#.\n#.\n"),
            (2, "##\n.#\n##\n.#\n.#\n"),
            (3, ".#\n.#\n##\n.#\n##\n"),
            (4, "#.\n#.\n##\n#.\n##\n"),
            (5, "#####\n#.#..\n"),
            (6, "#.#..\n#####\n"),
            (7, "..#.#\n#####\n"),
            (8, "#####\n..#.#\n"),
        ] {
            let width_px = stored.find('\n').unwrap() as u32;
            let samples: Vec<u8> = stored.bytes().filter(|byte| *byte != b'\n').collect();
            let (width_px, found) = oriented(width_px, &samples, tag);
            let lines: String = found
                .chunks(width_px as usize)
                .flat_map(|row| row.iter().map(|byte| char::from(*byte)).chain(['\n']))
                .collect();
            assert_eq!(lines, upright, "tag {tag}");
            let swaps = ExifOrientation::from_tag(tag).unwrap().swaps_sides();
            assert_eq!(swaps, tag >= 5);
        }
    }

    #[test]
    fn other_tags_mean_nothing() {
        assert_eq!(ExifOrientation::from_tag(0), None);
        assert_eq!(ExifOrientation::from_tag(9), None);
    }

    proptest! {
        #[test]
        fn each_is_undone_by_its_inverse(
            width in 1_u32..100, height in 1_u32..100, tag in 1_u16..=8,
        ) {
            let samples: Vec<u8> = (0..width * height).map(|i| (i % 251) as u8).collect();
            let inverse = match tag { 6 => 8, 8 => 6, same => same };
            let (turned_width, turned) = oriented(width, &samples, tag);
            let (back_width, back) = oriented(turned_width, &turned, inverse);
            prop_assert_eq!(back_width, width);
            prop_assert_eq!(back, samples);
        }
    }
}
