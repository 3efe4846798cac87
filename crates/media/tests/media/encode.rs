//! Encoders, read back by other code.

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;
use panofleet_job_schema::operation::TileFormat;
use panofleet_media::{Encoder, MediaError, decode, pixels};
use panofleet_raster::{Rect, Size};

use crate::fixture;

/// The scene's upper left quarter: 512 × 256.
fn rgb() -> (Vec<u8>, Size) {
    let picture = decode(&fixture("equirect.jpg")).unwrap().picture;
    let size = Size::new(512, 256).unwrap();
    let rect = Rect { left_px: 0, top_px: 0, size };
    (pixels::interleaved(&picture, rect).unwrap(), size)
}

fn psnr_db(before: &[u8], after: &[u8]) -> f64 {
    let squares: f64 =
        before.iter().zip(after).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * before.len() as f64 / squares).log10()
}

#[test]
fn what_is_encoded_comes_back() {
    let (rgb, size) = rgb();
    let folder = tempfile::tempdir().unwrap();
    for (format, quality, bound_db) in [
        (TileFormat::Jpeg, 90, 38.0),
        (TileFormat::Jpeg, 30, 30.0),
        (TileFormat::Webp, 90, 38.0),
        (TileFormat::Webp, 30, 30.0),
    ] {
        let mut encoder = Encoder::new(format, quality, None).unwrap();
        let body = encoder.encode(&rgb, size).unwrap();
        assert_eq!(encoder.encode(&rgb, size).unwrap(), body, "an encoder has no memory");
        let path = folder.path().join(format!("{quality}.{}", format.extension()));
        std::fs::write(&path, &body).unwrap();
        let back = decode(&path).unwrap();
        assert!(back.warnings.is_empty() && back.profile.is_none());
        let back = pixels::interleaved(&back.picture, Rect::whole(size)).unwrap();
        let found_db = psnr_db(&rgb, &back);
        assert!(found_db > bound_db, "{format:?} at {quality}: {found_db:.1} dB");
    }
}

/// A profile of more than one JPEG segment, and of odd length, which WebP pads.
#[test]
fn profiles_are_embedded_whole() {
    let (rgb, size) = rgb();
    let profile: Vec<u8> = (0..150_001_u32).map(|index| (index * 7 % 251) as u8).collect();
    let encode = |format| {
        Encoder::new(format, 80, Some(profile.clone())).unwrap().encode(&rgb, size).unwrap()
    };
    let webp = std::io::Cursor::new(encode(TileFormat::Webp));
    let mut decoder = WebPDecoder::new(webp).unwrap();
    assert_eq!(decoder.icc_profile().unwrap().as_deref(), Some(&profile[..]));
    assert_eq!(decoder.dimensions(), (512, 256));

    let jpeg = encode(TileFormat::Jpeg);
    let parts: Vec<&[u8]> =
        segments(&jpeg).filter_map(|body| body.strip_prefix(b"ICC_PROFILE\0")).collect();
    let numbers: Vec<_> = parts.iter().map(|part| [part[0], part[1]]).collect();
    assert_eq!(numbers, [[1, 3], [2, 3], [3, 3]]);
    let whole: Vec<u8> = parts.iter().flat_map(|part| &part[2..]).copied().collect();
    assert_eq!(whole, profile);
}

/// The bodies of the segments before the first scan.
fn segments(jpeg: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let [0xff, marker, high, low, ..] = jpeg[at..] else { panic!("no marker at {at}") };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = &jpeg[at + 4..at + 2 + length];
        at += 2 + length;
        (marker != 0xda).then_some(body)
    })
}

#[test]
fn a_webp_has_its_limits() {
    let size = Size::new(16_384, 1).unwrap();
    let refused =
        Encoder::new(TileFormat::Webp, 80, None).unwrap().encode(&vec![0; 3 * 16_384], size);
    assert!(matches!(refused, Err(MediaError::OutputTooLarge { side_px_max: 16_383, .. })));
}
