//! Pixels against values that do not come from the decoder.

use panofleet_job_schema::PictureFormat;
use panofleet_media::{
    Decoded, Embedded, Encoder, Samples, decode_deep, decode_deep_bytes_max, icc, pixels,
};
use panofleet_raster::{Picture, Rect, Size};
use turbojpeg::{Compressor, Image, PixelFormat};

use crate::{fixture, scene};

fn decode(name: &str) -> Decoded {
    panofleet_media::decode(&fixture(name)).unwrap()
}

fn pixel(picture: &Picture<u8>, x: usize, y: usize) -> Vec<u8> {
    picture.planes().iter().map(|plane| plane.row(y)[x]).collect()
}

/// Compares a picture with the scene: `full` is the size of the whole sphere, `corner` where the picture
/// lies in it. Pixels near a letter's edge, where codecs ring, are left out.
fn check_scene(name: &str, full: (f64, f64), corner: (f64, f64), bound: f64) {
    let picture = decode(name).picture;
    let (width, height) = (picture.size().width_px() as usize, picture.size().height_px() as usize);
    let colour = |x: f64, y: f64| {
        scene::colour(scene::direction(
            (corner.0 + x + 0.5) / full.0,
            (corner.1 + y + 0.5) / full.1,
        ))
    };
    let mut compared = 0;
    for (x, y) in
        (4..height - 4).step_by(3).flat_map(|y| (4..width - 4).step_by(5).map(move |x| (x, y)))
    {
        let (x_px, y_px) = (x as f64, y as f64);
        let near = |d: i32| f64::from(d % 9 - 4) * 4.0;
        if (0..81).any(|d| colour(x_px + near(d), y_px + near(d / 9)) == [240.0; 3]) {
            continue;
        }
        compared += 1;
        let expected = colour(x_px, y_px);
        for (found, expected) in pixel(&picture, x, y).into_iter().zip(expected) {
            let off = (f64::from(found) - expected).abs();
            assert!(off <= bound, "{name} at {x}, {y}: {found} for {expected}");
        }
    }
    assert!(compared > width * height / 40, "{name}: only {compared} compared");
}

#[test]
fn each_format_shows_the_scene() {
    check_scene("equirect.jpg", (1024.0, 512.0), (0.0, 0.0), 6.0);
    check_scene("equirect.webp", (512.0, 256.0), (0.0, 0.0), 9.0);
    check_scene("equirect.tiff", (256.0, 128.0), (0.0, 0.0), 1.0);
    check_scene("partial-elements.jpg", (1024.0, 512.0), (128.0, 64.0), 6.0);
}

/// A progressive file shows a coarse picture early on; one that ends there is still refused.
#[test]
fn progressive_files_are_read_to_their_end() {
    let picture = decode("equirect.jpg").picture;
    let whole = Rect::whole(picture.size());
    let rgb = pixels::interleaved(&picture, whole).unwrap();
    let mut compressor = Compressor::new().unwrap();
    compressor.set_progressive(true).unwrap();
    let image =
        Image { pixels: &rgb[..], width: 1024, pitch: 3072, height: 512, format: PixelFormat::RGB };
    let jpeg = compressor.compress_to_vec(image).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &jpeg).unwrap();
    let back = panofleet_media::decode(file.path()).unwrap().picture;
    let back = pixels::interleaved(&back, whole).unwrap();
    assert!(rgb.iter().zip(&back).all(|(before, after)| before.abs_diff(*after) <= 12));
    // Its coefficients are held as a whole.
    let pixels = 1024 * 512;
    let held = panofleet_media::decode_bytes_max(file.path()).unwrap();
    assert_eq!(held, pixels * (3 + 3 + 2 * 3) + jpeg.len() as u64);

    std::fs::write(file.path(), &jpeg[..jpeg.len() * 9 / 10]).unwrap();
    let refused = panofleet_media::decode(file.path()).unwrap_err();
    assert_eq!(refused.code(), "file_truncated");
}

/// A mirrored or wrongly turned picture would differ by far more than the bound.
#[test]
fn orientation_is_applied() {
    check_scene("orientation-6.jpg", (256.0, 128.0), (0.0, 0.0), 10.0);
}

#[test]
fn sixteen_bits_are_rounded() {
    let picture = decode("deep.png").picture;
    for index in 0..64 * 32_u32 {
        let (x, y) = (index % 64, index / 64);
        let deep = [(index * 1031) as u16, (65_535 - index * 31) as u16, (x * y * 33) as u16];
        let expected = deep.map(|value| (f64::from(value) / 257.0).round() as u8);
        assert_eq!(pixel(&picture, x as usize, y as usize), expected, "{x}, {y}");
    }
}

#[test]
fn sixteen_bits_are_kept_where_they_are_asked_for() {
    let picture = decode_deep(&fixture("deep.png")).unwrap().picture;
    let values = |picture: &Picture<u16>, x: usize, y: usize| -> Vec<u16> {
        picture.planes().iter().map(|plane| plane.row(y)[x]).collect()
    };
    for index in 0..64 * 32_u32 {
        let (x, y) = (index % 64, index / 64);
        let deep = [(index * 1031) as u16, (65_535 - index * 31) as u16, (x * y * 33) as u16];
        assert_eq!(values(&picture, x as usize, y as usize), deep, "{x}, {y}");
    }
    let spread = decode_deep(&fixture("alpha.png")).unwrap().picture;
    assert_eq!(values(&spread, 5, 3), [200, 100, 50, 40].map(|value| value * 257));
    for name in ["equirect.jpg", "orientation-6.jpg", "equirect.tiff", "cmyk-profile.jpg"] {
        let (flat, deep) = (decode(name).picture, decode_deep(&fixture(name)).unwrap().picture);
        let same = flat.planes().iter().zip(deep.planes()).all(|(flat, deep)| {
            let spread = flat.samples().iter().map(|value| u16::from(*value) * 257);
            spread.eq(deep.samples().iter().copied())
        });
        assert!(same, "{name}");
    }
    // As PNG: three planes of 16 bits each from as many interleaved ones.
    let pixels = 64 * 32;
    assert_eq!(decode_deep_bytes_max(&fixture("deep.png")).unwrap(), pixels * (6 + 6));
}

/// TIFF with strips and differences, both by the encoder whose files FFmpeg reads.
#[test]
fn sixteen_bits_go_through_tiff_and_png() {
    let size = Size::new(123, 45).unwrap();
    let noise = |index: u32| index.wrapping_mul(2_654_435_761).rotate_left(13) as u16;
    let rgba: Vec<u16> = (0..123 * 45 * 4).map(noise).collect();
    let folder = tempfile::tempdir().unwrap();
    for format in [PictureFormat::Png, PictureFormat::Tiff] {
        let mut encoder = Encoder::new(format, 1, Embedded::default()).unwrap();
        let body = encoder.encode_samples(Samples::Rgba16(&rgba), size).unwrap();
        let path = folder.path().join(format!("deep.{}", format.extension()));
        std::fs::write(&path, body).unwrap();
        let picture = decode_deep(&path).unwrap().picture;
        assert!(picture.to_interleaved(Rect::whole(size)).unwrap() == rgba, "{format:?}");
    }
}

/// Between the steps of 8 bits: Display P3 to sRGB by the formulas of CSS Color 4.
#[test]
fn profiles_convert_sixteen_bits() {
    let profile = decode("display-p3.png").profile.unwrap().bytes().to_vec();
    let embedded = Embedded { icc: Some(profile), ..Embedded::default() };
    let stored = [51_234, 25_777, 12_901, 23_456, 46_001, 15_432];
    let size = Size::new(2, 1).unwrap();
    let mut encoder = Encoder::new(PictureFormat::Png, 1, embedded).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let body = encoder.encode_samples(Samples::Rgb16(&stored), size).unwrap();
    std::fs::write(file.path(), body).unwrap();
    let picture = decode_deep(file.path()).unwrap().into_srgb().unwrap().picture;
    let found = picture.to_interleaved(Rect::whole(size)).unwrap();
    let linear = |value: u16| {
        let v = f64::from(value) / 65_535.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let encoded = |v: f64| {
        65_535.0 * if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
    };
    const MATRIX: [[f64; 3]; 3] = [
        [1.224_940_1, -0.224_940_4, 0.0],
        [-0.042_056_95, 1.042_057_1, 0.0],
        [-0.019_637_55, -0.078_636_05, 1.098_273_5],
    ];
    for (found, stored) in found.as_chunks::<3>().0.iter().zip(stored.as_chunks::<3>().0) {
        for (value, row) in found.iter().zip(MATRIX) {
            let light: f64 = row.iter().zip(stored).map(|(weight, v)| weight * linear(*v)).sum();
            let off = (f64::from(*value) - encoded(light.clamp(0.0, 1.0))).abs();
            assert!(off <= 64.0, "{stored:?} → {found:?}: off by {off}");
        }
    }
}

#[test]
fn alpha_is_carried_and_palettes_are_looked_up() {
    let clear = decode("alpha.png").picture;
    assert_eq!(pixel(&clear, 5, 3), [200, 100, 50, 40]);
    let flat = pixels::flatten(clear, [255, 255, 255]).unwrap();
    assert_eq!(pixel(&flat, 0, 0), [255, 255, 255]);

    let palette = decode("broken/palette.png").picture;
    let row = |y| (0..4).map(|x| pixel(&palette, x, y)).collect::<Vec<_>>();
    assert_eq!(row(0), [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]);
    assert_eq!(row(1), [[9, 9, 9], [0, 0, 255], [0, 255, 0], [255, 0, 0]]);
}

#[test]
fn a_png_named_jpg_and_an_animation_are_read() {
    let picture = decode("broken/really-png.jpg").picture;
    assert_eq!(pixel(&picture, 32, 16), [127, 127, 128]);
    // The first of three frames.
    assert_eq!(pixel(&decode("broken/animated.png").picture, 8, 8), [10, 10, 10]);
}

fn check_patches(name: &str, picture: &Picture<u8>, expected: &[[f64; 3]], bound: f64) {
    for (patch, expected) in expected.iter().enumerate() {
        for (found, expected) in pixel(picture, patch * 16 + 8, 8).into_iter().zip(expected) {
            let off = (f64::from(found) - expected).abs();
            assert!(off <= bound, "{name}, patch {patch}: {found} for {expected}");
        }
    }
}

/// Display P3 to sRGB by the matrix of CSS Color 4, worked out apart from this code.
#[test]
fn display_p3_is_kept_or_becomes_srgb() {
    const STORED: [[f64; 3]; 4] =
        [[200.0, 100.0, 50.0], [90.0, 180.0, 60.0], [30.0, 40.0, 220.0], [128.0; 3]];
    const SRGB: [[f64; 3]; 4] =
        [[214.9, 92.6, 31.0], [41.4, 182.6, 28.2], [27.3, 40.4, 229.1], [128.0; 3]];
    for (name, bound) in [("display-p3.png", 1.5), ("display-p3.jpg", 4.0)] {
        let kept = decode(name);
        check_patches(name, &kept.picture, &STORED, bound);
        let profile = kept.profile.as_ref().expect("its profile");
        assert_eq!((profile.space(), profile.description()), (icc::Space::Rgb, Some("Display P3")));
        let converted = kept.into_srgb().unwrap();
        assert!(converted.profile.is_none());
        check_patches(name, &converted.picture, &SRGB, bound);
    }
    let broken = decode("broken-profile.jpg");
    assert!(broken.profile.is_none());
    check_patches("broken-profile.jpg", &broken.into_srgb().unwrap().picture, &STORED, 4.0);
}

/// White, cyan, magenta, yellow, black, half of all. With the profile: its Lab values by Lindbloom's
/// formulas and D50 matrix.
#[test]
fn printing_inks_are_mixed() {
    const IDEAL: [[f64; 3]; 6] = [
        [255.0; 3],
        [0.0, 255.0, 255.0],
        [255.0, 0.0, 255.0],
        [255.0, 255.0, 0.0],
        [0.0; 3],
        [63.0; 3],
    ];
    const PRESS: [[f64; 3]; 5] =
        [[255.0; 3], [0.0, 150.9, 217.7], [216.0, 9.8, 122.1], [247.5, 224.2, 0.0], [0.0; 3]];
    let rough = decode("cmyk.jpg");
    check_patches("cmyk.jpg", &rough.picture, &IDEAL, 4.0);
    assert!(rough.warnings[0].contains("without a profile"), "{:?}", rough.warnings);
    let pressed = decode("cmyk-profile.jpg");
    check_patches("cmyk-profile.jpg", &pressed.picture, &PRESS, 4.0);
    assert!(pressed.profile.is_none(), "the pixels are sRGB now");
}
