//! A picture as a static image service: IIIF Image API 3.0, level 0.
//!
//! There is a file for each request that a viewer makes of `info.json`, at its canonical URI: a tile of every level, and the
//! whole picture at each size that is one tile. Source: iiif.io/api/image/3.0, 4.7 (canonical URI syntax), 5.3 to 5.5
//! (`info.json`), and its implementation notes (which tiles there are).

use panofleet_job_schema::operation::TileFormat;
use panofleet_media::{Encoder, pixels};
use panofleet_raster::{Picture, Rect, Size};
use rayon::prelude::*;
use serde::Serialize;

use super::{Made, Step};
use crate::error::StepError;

/// Side of a tile.
const TILE_PX: u32 = 512;

/// `info.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageService<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    id: &'a str,
    r#type: &'static str,
    protocol: &'static str,
    profile: &'static str,
    width: u32,
    height: u32,
    sizes: Vec<WholeSize>,
    tiles: [Tiles; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_formats: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_formats: Option<[&'static str; 1]>,
}

#[derive(Debug, Serialize)]
struct WholeSize {
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tiles {
    width: u32,
    height: u32,
    scale_factors: Vec<u32>,
}

/// A tile: where it lies in its level, and what its file is called.
#[derive(Debug, PartialEq)]
struct Tile {
    rect: Rect,
    request: String,
}

impl Step<'_> {
    /// The picture of an eye as an image service at `id`.
    pub(super) fn write_iiif(&self, picture: Picture<u8>, id: &str) -> Result<Made, StepError> {
        let whole = picture.size();
        let factors: Vec<u32> = factors(whole).collect();
        let mut level = picture;
        for factor in &factors {
            if *factor > 1 {
                level = pixels::halve(&level);
            }
            tiles(whole, *factor).into_par_iter().try_for_each_init(
                || None,
                |encoder, tile| self.write_tile(encoder, &level, &tile),
            )?;
        }
        let smallest = level.size();
        let format = self.plan.format;
        // JPEG is what every service has.
        let other = (format != TileFormat::Jpeg).then(|| [format.extension()]);
        let id = format!("{id}{}", self.folder.files.prefix);
        let info = ImageService {
            context: "http://iiif.io/api/image/3/context.json",
            id: id.trim_end_matches('/'),
            r#type: "ImageService3",
            protocol: "http://iiif.io/api/image",
            profile: "level0",
            width: whole.width_px(),
            height: whole.height_px(),
            sizes: vec![WholeSize { width: smallest.width_px(), height: smallest.height_px() }],
            tiles: [Tiles { width: TILE_PX, height: TILE_PX, scale_factors: factors }],
            preferred_formats: other,
            extra_formats: other,
        };
        let info = self.folder.write_json("info.json", &info)?;
        Ok(Made { suffix: self.folder.files.suffix, entries: vec![("iiif", info)], quality: None })
    }

    fn write_tile(
        &self,
        encoder: &mut Option<Encoder>,
        level: &Picture<u8>,
        tile: &Tile,
    ) -> Result<(), StepError> {
        let encoder = self.encoder(encoder)?;
        let body = encoder.encode(&pixels::interleaved(level, tile.rect)?, tile.rect.size)?;
        self.folder.create(&format!("{}/0", tile.request))?;
        self.folder.write_picture(&format!("{}/0/default", tile.request), &body)?;
        self.folder.output.advance(tile.rect.size.area_px(), "tiles")
    }
}

/// 1, 2, 4 … until the whole picture is one tile.
fn factors(whole: Size) -> impl Iterator<Item = u32> {
    let side_px = whole.width_px().max(whole.height_px());
    (0..=side_px.div_ceil(TILE_PX).next_power_of_two().ilog2()).map(|power| 1 << power)
}

/// Every tile of a level that is `factor` times smaller than the whole.
fn tiles(whole: Size, factor: u32) -> Vec<Tile> {
    let step_px = TILE_PX * factor;
    let span = |index: u32, whole_px: u32| {
        let from = index * step_px;
        (from, step_px.min(whole_px - from))
    };
    let count = |whole_px: u32| whole_px.div_ceil(step_px);
    let places = (0..count(whole.height_px()))
        .flat_map(|row| (0..count(whole.width_px())).map(move |column| (column, row)));
    let tile = |(column, row)| {
        let (x, width) = span(column, whole.width_px());
        let (y, height) = span(row, whole.height_px());
        let size = Size::new(width.div_ceil(factor), height.div_ceil(factor))?;
        let region = if (width, height) == (whole.width_px(), whole.height_px()) {
            "full".to_owned()
        } else {
            format!("{x},{y},{width},{height}")
        };
        // A region at its full size is the largest that there is, but only of the whole picture do viewers ask so.
        let shown = if size == whole {
            "max".to_owned()
        } else {
            format!("{},{}", size.width_px(), size.height_px())
        };
        let rect = Rect { left_px: column * TILE_PX, top_px: row * TILE_PX, size };
        Some(Tile { rect, request: format!("{region}/{shown}") })
    };
    places.filter_map(tile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(width_px: u32, height_px: u32, factor: u32) -> Vec<String> {
        let whole = Size::new(width_px, height_px).unwrap();
        tiles(whole, factor).into_iter().map(|tile| tile.request).collect()
    }

    #[test]
    fn regions_are_of_the_whole_picture_and_sizes_of_the_level() {
        let whole = Size::new(1300, 600).unwrap();
        assert_eq!(factors(whole).collect::<Vec<_>>(), [1, 2, 4]);
        assert_eq!(
            requests(1300, 600, 1),
            [
                "0,0,512,512/512,512",
                "512,0,512,512/512,512",
                "1024,0,276,512/276,512",
                "0,512,512,88/512,88",
                "512,512,512,88/512,88",
                "1024,512,276,88/276,88",
            ]
        );
        assert_eq!(requests(1300, 600, 2), ["0,0,1024,600/512,300", "1024,0,276,600/138,300"]);
        assert_eq!(requests(1300, 600, 4), ["full/325,150"]);
        // Odd sides: the level is rounded up, and so is its last tile.
        assert_eq!(requests(1027, 5, 2), ["0,0,1024,5/512,3", "1024,0,3,5/2,3"]);
    }

    #[test]
    fn a_picture_of_one_tile_is_asked_for_whole() {
        assert_eq!(factors(Size::new(512, 300).unwrap()).collect::<Vec<_>>(), [1]);
        assert_eq!(requests(512, 300, 1), ["full/max"]);
    }
}
