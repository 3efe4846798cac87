//! Flat layouts: the picture itself, cut into tiles level by level.
//!
//! Sources: Photo Sphere Viewer 5's `equirectangular-tiles` adapter; Microsoft's Deep Zoom file format.

use std::borrow::Cow;
use std::fmt::Display;

use panofleet_media::{Encoder, pixels};
use panofleet_raster::{Edges, Picture, Rect, Size};
use rayon::prelude::*;

use super::manifests::{PsvTiles, Viewers};
use super::{Made, Step};
use crate::error::StepError;

/// Deep Zoom tiles have this many pixels of their own, and one of each neighbour: 512 in the middle.
const DEEP_ZOOM_TILE_PX: u32 = 510;
const DEEP_ZOOM_OVERLAP_PX: u32 = 1;

/// Columns of tiles that Photo Sphere Viewer accepts: powers of two between these.
const COLUMNS: std::ops::RangeInclusive<u32> = 2..=6;

/// The widest tile, as long as there may be more columns.
const TILE_PX_MAX: u32 = 768;

/// Width of the picture that is shown until tiles arrive.
const BASE_PX_MAX: u32 = 2048;

/// How a level is cut.
#[derive(Clone, Copy)]
struct Cut {
    tile_px: u32,
    /// Pixels of the neighbours that a tile has besides its own.
    overlap_px: u32,
}

impl Cut {
    /// Every tile of a level: column, row and place.
    fn tiles(self, size: Size) -> Vec<(u32, u32, Rect)> {
        let (width_px, height_px) = (size.width_px(), size.height_px());
        let span = |index: u32, length_px: u32| {
            let start = (index * self.tile_px).saturating_sub(self.overlap_px);
            let end = ((index + 1) * self.tile_px + self.overlap_px).min(length_px);
            (start, end - start)
        };
        let count = |length_px: u32| length_px.div_ceil(self.tile_px);
        let places = (0..count(height_px))
            .flat_map(|row| (0..count(width_px)).map(move |column| (column, row)));
        let tiles = places.filter_map(|(column, row)| {
            let (left_px, width_px) = span(column, width_px);
            let (top_px, height_px) = span(row, height_px);
            let size = Size::new(width_px, height_px)?;
            Some((column, row, Rect { left_px, top_px, size }))
        });
        tiles.collect()
    }
}

/// The tiles of Photo Sphere Viewer for a sphere of this width: columns of the largest level, and a tile's side.
pub(super) fn sphere_tiles(width_px: u32) -> (u32, u32) {
    let fits = |columns: &u32| width_px.div_ceil(*columns) <= TILE_PX_MAX;
    let columns = COLUMNS.map(|power| 1 << power).find(fits).unwrap_or(1 << COLUMNS.end());
    (columns, width_px.div_ceil(columns).max(1))
}

impl Step<'_> {
    /// Equirectangular tiles of a whole sphere, with `psv.json`.
    pub(super) fn write_sphere_tiles(
        &self,
        picture: Picture<u8>,
        viewers: &Viewers<'_>,
    ) -> Result<Made, StepError> {
        let (columns, tile_px) = sphere_tiles(picture.size().width_px());
        let width_px = columns * tile_px;
        let whole = Size::new(width_px, width_px / 2).ok_or(StepError::EmptySize)?;
        let mut level = pixels::scale(&picture, whole, Edges::WrapColumns)?;
        drop(picture);
        let cut = Cut { tile_px, overlap_px: 0 };
        let count = columns.ilog2() - COLUMNS.start() + 1;
        for number in (1..=count).rev() {
            self.write_flat_level(&level, cut, number, |column, row| format!("{row}_{column}"))?;
            if number > 1 {
                level = pixels::halve(&level);
            }
        }
        let base_px = level.size().width_px().min(BASE_PX_MAX) & !1;
        let base = Size::new(base_px.max(2), base_px.max(2) / 2).ok_or(StepError::EmptySize)?;
        let base = pixels::scale(&level, base, Edges::WrapColumns)?;
        self.write_flat(&mut None, "base", &base, Rect::whole(base.size()))?;
        let tiles = PsvTiles { tile_px, levels: count };
        let psv = self.folder.write_json("psv.json", &viewers.photo_sphere_viewer_tiles(tiles))?;
        Ok(Made { suffix: self.folder.files.suffix, entries: vec![("psv", psv)], quality: None })
    }

    /// A Deep Zoom image.
    pub(super) fn write_deep_zoom(&self, picture: Picture<u8>) -> Result<Made, StepError> {
        let size = picture.size();
        let largest_px = size.width_px().max(size.height_px());
        let cut = Cut { tile_px: DEEP_ZOOM_TILE_PX, overlap_px: DEEP_ZOOM_OVERLAP_PX };
        let mut level = picture;
        for number in (0..=largest_px.next_power_of_two().ilog2()).rev() {
            let folder = format!("image_files/{number}");
            self.write_flat_level(&level, cut, folder, |column, row| format!("{column}_{row}"))?;
            level = pixels::halve(&level);
        }
        let descriptor = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Image xmlns=\"http://schemas.microsoft.com/deepzoom/2008\" Format=\"{}\" Overlap=\"{}\" TileSize=\"{}\">\n  \
             <Size Width=\"{}\" Height=\"{}\"/>\n\
             </Image>\n",
            self.plan.format.extension(),
            DEEP_ZOOM_OVERLAP_PX,
            DEEP_ZOOM_TILE_PX,
            size.width_px(),
            size.height_px()
        );
        let dzi = self.folder.write_text("image.dzi", &descriptor, "application/xml")?;
        Ok(Made { suffix: self.folder.files.suffix, entries: vec![("dzi", dzi)], quality: None })
    }

    fn write_flat_level(
        &self,
        level: &Picture<u8>,
        cut: Cut,
        folder: impl Display,
        name: impl Fn(u32, u32) -> String + Sync,
    ) -> Result<(), StepError> {
        self.folder.create(&folder.to_string())?;
        let folder = folder.to_string();
        cut.tiles(level.size()).into_par_iter().try_for_each_init(
            || None,
            |encoder, (column, row, rect)| {
                let path = format!("{folder}/{}", name(column, row));
                self.write_flat(encoder, &path, level, rect)
            },
        )
    }

    fn write_flat(
        &self,
        encoder: &mut Option<Encoder>,
        path: &str,
        picture: &Picture<u8>,
        rect: Rect,
    ) -> Result<(), StepError> {
        let encoder = self.encoder(encoder)?;
        let rgb = pixels::interleaved(picture, rect)?;
        let body = encoder.encode(&rgb, rect.size)?;
        self.folder.write_picture(path, &body)?;
        self.folder.output.advance(rect.size.area_px(), "tiles")
    }
}

/// One eye's part, opaque.
pub(super) fn opaque(
    picture: Cow<'_, Picture<u8>>,
    rect: Rect,
    background: [u8; 3],
) -> Result<Picture<u8>, StepError> {
    Ok(pixels::flatten(super::part(picture, rect)?, background)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_a_sphere_fill_it_in_powers_of_two() {
        for (width_px, columns, tile_px) in [
            (100, 4, 25),
            (3072, 4, 768),
            (3074, 8, 385),
            (8192, 16, 512),
            (8193, 16, 513),
            (49_152, 64, 768),
            (65_536, 64, 1024),
        ] {
            assert_eq!(sphere_tiles(width_px), (columns, tile_px), "{width_px}");
        }
    }

    /// Each tile has one pixel of each neighbour, and none beyond the picture.
    #[test]
    fn deep_zoom_tiles_overlap_by_a_pixel() {
        let cut = Cut { tile_px: 510, overlap_px: 1 };
        let tiles = cut.tiles(Size::new(1021, 500).unwrap());
        let spans: Vec<_> = tiles
            .iter()
            .map(|(column, row, rect)| (*column, *row, rect.left_px, rect.size.width_px()))
            .collect();
        assert_eq!(spans, [(0, 0, 0, 511), (1, 0, 509, 512), (2, 0, 1019, 2)]);
        assert!(tiles.iter().all(|(.., rect)| (rect.top_px, rect.size.height_px()) == (0, 500)));
    }
}
