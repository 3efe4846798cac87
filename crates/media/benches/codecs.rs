//! Codecs, in pixels a second: `cargo bench -p panofleet-media`.
//!
//! The picture is the fixtures' scene made larger, with a pattern on it, because codecs are faster on
//! smooth ones.

use std::path::PathBuf;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use panofleet_job_schema::operation::TileFormat;
use panofleet_media::{Embedded, Encoder, decode, icc, pixels};
use panofleet_raster::{Edges, Picture, Plane, Rect, Size};

static PANORAMA: LazyLock<Picture<u8>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/equirect.jpg");
    let small = decode(&PathBuf::from(path)).expect("a fixture").picture;
    let large = pixels::scale(&small, size(8192, 4096), Edges::WrapColumns).expect("memory");
    let mut planes: Vec<Plane<u8>> = large.into_planes();
    for plane in &mut planes {
        for (index, value) in plane.samples_mut().iter_mut().enumerate() {
            *value = value.wrapping_add(((index * 2_654_435_761) >> 28 & 7) as u8);
        }
    }
    Picture::from_planes(planes).expect("equal planes")
});

fn main() {
    divan::main();
}

fn size(width_px: u32, height_px: u32) -> Size {
    Size::new(width_px, height_px).expect("not empty")
}

fn encoded(format: TileFormat) -> tempfile::NamedTempFile {
    let whole = Rect::whole(PANORAMA.size());
    let rgb = pixels::interleaved(&PANORAMA, whole).expect("all of it");
    let mut encoder = Encoder::new(format, 85, Embedded::default()).expect("an encoder");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), encoder.encode(&rgb, whole.size).expect("a file")).expect("a disk");
    file
}

#[divan::bench(args = [TileFormat::Jpeg, TileFormat::Webp], sample_count = 5)]
fn decode_8k(bencher: Bencher<'_, '_>, format: TileFormat) {
    let file = encoded(format);
    bencher
        .counter(ItemsCount::new(PANORAMA.size().area_px()))
        .bench_local(|| decode(file.path()).expect("a picture"));
}

#[divan::bench(args = [TileFormat::Jpeg, TileFormat::Webp])]
fn encode_tile(bencher: Bencher<'_, '_>, format: TileFormat) {
    let tile = Rect { left_px: 1000, top_px: 1000, size: size(656, 656) };
    let rgb = pixels::interleaved(&PANORAMA, tile).expect("inside");
    let mut encoder = Encoder::new(format, 85, Embedded::default()).expect("an encoder");
    bencher
        .counter(ItemsCount::new(tile.size.area_px()))
        .bench_local(|| encoder.encode(&rgb, tile.size).expect("a tile"));
}

#[divan::bench]
fn cut_tile(bencher: Bencher<'_, '_>) {
    let tile = Rect { left_px: 1000, top_px: 1000, size: size(656, 656) };
    bencher
        .counter(ItemsCount::new(tile.size.area_px()))
        .bench_local(|| pixels::interleaved(&PANORAMA, tile).expect("inside"));
}

#[divan::bench(sample_count = 5)]
fn display_p3_to_srgb(bencher: Bencher<'_, '_>) {
    let profile = moxcms::ColorProfile::new_display_p3().encode().expect("a profile");
    let profile = icc::Profile::parse(profile).expect("a profile");
    bencher
        .with_inputs(|| panofleet_media::Decoded {
            picture: PANORAMA.clone(),
            profile: Some(profile.clone()),
            exif: None,
            warnings: Vec::new(),
        })
        .input_counter(|decoded| ItemsCount::new(decoded.picture.size().area_px()))
        .bench_local_values(|decoded| decoded.into_srgb().expect("a picture"));
}
