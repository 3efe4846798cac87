//! Tiles of a partial panorama that show only background, so that a viewer need not ask for them.
//!
//! Source: Pannellum after 2.5, `utils/multires/generate.py` (`missingTiles`). The files are there all the same: other
//! viewers ask for them.

use std::collections::BTreeSet;
use std::f64::consts::{FRAC_PI_2, PI, TAU};

use panofleet_projection::{CubeFace, Equirectangular, Face, Level, Pixel, Pyramid};

use super::previews::digits;

/// Directions across a tile that are looked at, and across a face.
const ACROSS_TILE: u32 = 8;
const ACROSS_FACE: u32 = 64;

/// In the words of the viewer; `None` if every tile shows something.
///
/// Of each face `!` and its letter; of each level `>` and its number; then column and row of each tile, in as many digits as
/// the level's last tile needs. Tiles below one that is missing are not named.
pub(super) fn missing_tiles(pyramid: &Pyramid, part: &Equirectangular) -> Option<String> {
    let levels: Vec<Level> = pyramid.levels().collect();
    let seen: Vec<BTreeSet<(char, u32, u32)>> =
        levels.iter().map(|level| seen(level, part)).collect();
    let mut text = String::new();
    let mut letters = Face::ALL.map(Face::letter);
    letters.sort_unstable();
    for letter in letters {
        let mut of_face = String::new();
        for (number, level) in levels.iter().enumerate() {
            let side = level.tiles_per_side;
            let above =
                |x: u32, y: u32| number == 0 || seen[number - 1].contains(&(letter, x / 2, y / 2));
            let missing: Vec<(u32, u32)> = (0..side)
                .flat_map(|x| (0..side).map(move |y| (x, y)))
                .filter(|(x, y)| !seen[number].contains(&(letter, *x, *y)) && above(*x, *y))
                .collect();
            if missing.is_empty() {
                continue;
            }
            of_face += &format!(">{}", digits(level.number as usize, 1));
            // No tile is the 83rd of its row: one digit, and none where there is one tile.
            let width = usize::from(side > 1);
            for (x, y) in missing {
                of_face += &digits(x as usize, width);
                of_face += &digits(y as usize, width);
            }
        }
        if !of_face.is_empty() {
            text += &format!("!{letter}{of_face}");
        }
    }
    Some(text).filter(|text| !text.is_empty())
}

/// Face, column and row of tiles that show something of a part of the sphere, or lie so close to it that they might.
fn seen(level: &Level, part: &Equirectangular) -> BTreeSet<(char, u32, u32)> {
    let step_rad = FRAC_PI_2 / f64::from((level.tiles_per_side * ACROSS_TILE).max(ACROSS_FACE));
    // What reaches into a tile by less than a step is found by what lies a little outside of the part.
    let steps = |side_px: u32, px_per_rad: f64| {
        let margin_px = 2.0 * step_rad * px_per_rad;
        let length_px = f64::from(side_px) + 2.0 * margin_px;
        let count = (length_px / px_per_rad / step_rad).ceil() as u32;
        (0..=count).map(move |step| f64::from(step) / f64::from(count) * length_px - margin_px)
    };
    let size = part.size();
    let mut seen = BTreeSet::new();
    for y in steps(size.height_px(), part.full_height_px() / PI) {
        for x in steps(size.width_px(), part.full_width_px() / TAU) {
            let ray = part.ray(Pixel::new(x, y));
            let face = Face::of(ray);
            let Some(at) = (CubeFace { face, face_px: level.face_px }).pixel(ray) else { continue };
            let tile = |at_px: f64| {
                let tiles = f64::from(level.tiles_per_side);
                (at_px / f64::from(level.face_px.get()) * tiles).clamp(0.0, tiles - 1.0) as u32
            };
            seen.insert((face.letter(), tile(at.x_px), tile(at.y_px)));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use panofleet_projection::{CroppedArea, Size};

    use super::*;

    fn missing(left_px: u32, top_px: u32, width_px: u32, height_px: u32) -> Option<String> {
        let area = CroppedArea {
            full_width_px: 7200,
            full_height_px: 3600,
            left_px,
            top_px,
            width_px,
            height_px,
        };
        let size = Size::new(width_px, height_px).unwrap();
        let part = Equirectangular::cropped(size, area).unwrap();
        // Two levels: one tile, and two by two.
        missing_tiles(&Pyramid::new(NonZeroU32::new(4096).unwrap()), &part)
    }

    /// 60° × 30° around the middle: all of the front face, nothing of the others.
    #[test]
    fn faces_that_are_not_met_are_missing_as_a_whole() {
        assert_eq!(missing(3000, 1500, 1200, 600).unwrap(), "!b>1!d>1!l>1!r>1!u>1");
    }

    /// The upper left of the front face, and what of others touches it: columns before rows.
    #[test]
    fn tiles_that_are_not_met_are_named() {
        let found = missing(3000, 1200, 400, 400).unwrap();
        assert_eq!(found, "!b>1!d>1!f>2011011!l>1!r>1!u>1");
        assert_eq!(missing(0, 0, 7200, 3600), None);
    }
}
