//! Encoders, read back by other code.

use std::io::Cursor;
use std::process::Command;

use image::ImageDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use panofleet_job_schema::media_info::GPano;
use panofleet_job_schema::{MetadataPolicy, PictureFormat};
use panofleet_media::{Embedded, Encoder, MediaError, Samples, decode, gpano, pixels, probe};
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
        (PictureFormat::Jpeg, 90, 38.0),
        (PictureFormat::Jpeg, 30, 30.0),
        (PictureFormat::Webp, 90, 38.0),
        (PictureFormat::Webp, 30, 30.0),
        (PictureFormat::Png, 1, f64::INFINITY),
        (PictureFormat::Tiff, 1, f64::INFINITY),
    ] {
        let mut encoder = Encoder::new(format, quality, Embedded::default()).unwrap();
        let body = encoder.encode(&rgb, size).unwrap();
        assert_eq!(encoder.encode(&rgb, size).unwrap(), body, "an encoder has no memory");
        let path = folder.path().join(format!("{quality}.{}", format.extension()));
        std::fs::write(&path, &body).unwrap();
        let back = decode(&path).unwrap();
        assert!(back.warnings.is_empty() && back.profile.is_none());
        let back = pixels::interleaved(&back.picture, Rect::whole(size)).unwrap();
        let found_db = psnr_db(&rgb, &back);
        assert!(found_db >= bound_db, "{format:?} at {quality}: {found_db:.1} dB");
    }
}

/// Values that no filter can guess, with strips that do not come out even; FFmpeg reads both formats by
/// code of its own.
#[test]
#[expect(clippy::disallowed_methods, reason = "FFmpeg's own reader is the reference")]
fn every_bit_of_a_lossless_picture_comes_back_in_ffmpeg() {
    let (width, height) = (301_u32, 517);
    let size = Size::new(width, height).unwrap();
    let noise = |index: u32| index.wrapping_mul(2_654_435_761).rotate_left(13) as u16;
    let deep = |channels: u32| -> Vec<u16> { (0..width * height * channels).map(noise).collect() };
    let flat = |channels| -> Vec<u8> { deep(channels).iter().map(|value| *value as u8).collect() };
    let (rgb, rgba, deep_rgb, deep_rgba) = (flat(3), flat(4), deep(3), deep(4));
    let bytes = |deep: &[u16]| deep.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let folder = tempfile::tempdir().unwrap();
    for format in [PictureFormat::Png, PictureFormat::Tiff] {
        for (samples, pixel_format, expected) in [
            (Samples::Rgb8(&rgb), "rgb24", rgb.clone()),
            (Samples::Rgba8(&rgba), "rgba", rgba.clone()),
            (Samples::Rgb16(&deep_rgb), "rgb48le", bytes(&deep_rgb)),
            (Samples::Rgba16(&deep_rgba), "rgba64le", bytes(&deep_rgba)),
        ] {
            let mut encoder = Encoder::new(format, 80, Embedded::default()).unwrap();
            let path = folder.path().join(format!("{pixel_format}.{}", format.extension()));
            std::fs::write(&path, encoder.encode_samples(samples, size).unwrap()).unwrap();
            let read = Command::new("ffmpeg")
                .args(["-v", "error", "-i"])
                .arg(&path)
                .args(["-f", "rawvideo", "-pix_fmt", pixel_format, "-"])
                .output()
                .expect("the program `ffmpeg`, which this test needs");
            assert_eq!(String::from_utf8_lossy(&read.stderr), "", "{format:?}, {pixel_format}");
            assert!(read.stdout == expected, "{format:?}, {pixel_format}: other samples");
        }
    }
}

/// A profile of more than one JPEG segment, and of odd length, which WebP pads.
#[test]
fn profiles_and_packets_are_embedded_whole() {
    let (rgb, size) = rgb();
    let profile: Vec<u8> = (0..150_001_u32).map(|index| (index * 7 % 251) as u8).collect();
    let xmp = gpano::write(&GPano::whole_sphere(512, 256)).unwrap();
    let embedded =
        Embedded { icc: Some(profile.clone()), xmp: Some(xmp.clone()), ..Embedded::default() };
    let encode = |format| {
        Cursor::new(Encoder::new(format, 80, embedded.clone()).unwrap().encode(&rgb, size).unwrap())
    };
    let mut webp = WebPDecoder::new(encode(PictureFormat::Webp)).unwrap();
    let mut png = PngDecoder::new(encode(PictureFormat::Png)).unwrap();
    let mut tiff = TiffDecoder::new(encode(PictureFormat::Tiff)).unwrap();
    for decoder in [&mut webp as &mut dyn ImageDecoder, &mut png, &mut tiff] {
        assert_eq!(decoder.dimensions(), (512, 256));
        assert!(decoder.icc_profile().unwrap().as_deref() == Some(&profile[..]));
        assert_eq!(decoder.xmp_metadata().unwrap().as_deref(), Some(xmp.as_bytes()));
    }

    let jpeg = encode(PictureFormat::Jpeg).into_inner();
    let parts: Vec<&[u8]> =
        segments(&jpeg).filter_map(|body| body.strip_prefix(b"ICC_PROFILE\0")).collect();
    let numbers: Vec<_> = parts.iter().map(|part| [part[0], part[1]]).collect();
    assert_eq!(numbers, [[1, 3], [2, 3], [3, 3]]);
    let whole: Vec<u8> = parts.iter().flat_map(|part| &part[2..]).copied().collect();
    assert!(whole == profile);
    let name = b"http://ns.adobe.com/xap/1.0/\0";
    let packets: Vec<&[u8]> = segments(&jpeg).filter_map(|body| body.strip_prefix(name)).collect();
    assert_eq!(packets, [xmp.as_bytes()]);
}

/// The flags of `VP8X` (RFC 9649, 2.7.1): readers look there before they look for a chunk.
#[test]
fn a_webp_says_what_it_holds() {
    let (rgb, size) = rgb();
    let rgba: Vec<u8> = rgb.as_chunks().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, *r]).collect();
    let flags = |samples: Samples<'_>, embedded| {
        let mut encoder = Encoder::new(PictureFormat::Webp, 80, embedded).unwrap();
        let webp = encoder.encode_samples(samples, size).unwrap();
        assert_eq!(u32::from_le_bytes(webp[4..8].try_into().unwrap()) as usize, webp.len() - 8);
        (&webp[12..16] == b"VP8X").then(|| webp[20])
    };
    let icc = Some(vec![1]);
    let xmp = Some("<x/>".to_owned());
    assert_eq!(flags(Samples::Rgb8(&rgb), Embedded::default()), None);
    let embedded = Embedded { icc: icc.clone(), ..Embedded::default() };
    assert_eq!(flags(Samples::Rgb8(&rgb), embedded), Some(0x20));
    let embedded = Embedded { xmp: xmp.clone(), ..Embedded::default() };
    assert_eq!(flags(Samples::Rgba8(&rgba), embedded), Some(0x14));
    let exif = decode(&fixture("metadata/camera.jpg")).unwrap().exif;
    assert_eq!(flags(Samples::Rgba8(&rgba), Embedded { icc, xmp, exif }), Some(0x3c));
}

#[test]
fn what_is_written_is_probed_in_every_format() {
    let (rgb, size) = rgb();
    let written = GPano { pose_heading_deg: Some(12.5), ..GPano::whole_sphere(512, 256) };
    let folder = tempfile::tempdir().unwrap();
    for format in
        [PictureFormat::Jpeg, PictureFormat::Webp, PictureFormat::Png, PictureFormat::Tiff]
    {
        let embedded = Embedded { xmp: gpano::write(&written), ..Embedded::default() };
        let body = Encoder::new(format, 80, embedded).unwrap().encode(&rgb, size).unwrap();
        let path = folder.path().join(format!("picture.{}", format.extension()));
        std::fs::write(&path, body).unwrap();
        let media = probe(&path).unwrap();
        assert_eq!(media.gpano.as_ref(), Some(&written), "{format:?}");
        assert_eq!(media.warnings, Vec::<String>::new(), "{format:?}");
    }
}

/// What a derivative tells, by FFmpeg's reader of EXIF, and what no derivative may tell.
#[test]
#[expect(clippy::disallowed_methods, reason = "FFmpeg's own reader is the reference")]
fn exif_is_kept_as_far_as_the_policy_says() {
    let (rgb, size) = rgb();
    let exif = decode(&fixture("metadata/camera.jpg")).unwrap().exif;
    let folder = tempfile::tempdir().unwrap();
    for format in
        [PictureFormat::Jpeg, PictureFormat::Webp, PictureFormat::Png, PictureFormat::Tiff]
    {
        for (policy, camera, place) in [
            (MetadataPolicy::Strip, false, false),
            (MetadataPolicy::Keep, true, true),
            (MetadataPolicy::KeepWithoutLocation, true, false),
        ] {
            let embedded = Embedded::derivative(policy, None, None, exif.as_ref());
            let body = Encoder::new(format, 80, embedded).unwrap().encode(&rgb, size).unwrap();
            for secret in ["MAKER-NOTE", "SERIAL-0815", "USER-COMMENT", "PREVIEW"] {
                let found = body.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{format:?}, {policy:?}: {secret}");
            }
            let path = folder.path().join(format!("{policy:?}.{}", format.extension()));
            std::fs::write(&path, body).unwrap();
            let media = probe(&path).unwrap();
            assert_eq!(media.warnings, Vec::<String>::new(), "{format:?}, {policy:?}");
            assert_eq!(media.picture.unwrap().orientation, 1, "{format:?}, {policy:?}");
            let capture = media.capture.unwrap_or_default();
            assert_eq!(capture.model.is_some(), camera, "{format:?}, {policy:?}");
            assert_eq!(capture.location.is_some(), place, "{format:?}, {policy:?}");
            if matches!(format, PictureFormat::Jpeg | PictureFormat::Webp) {
                let read = Command::new("ffprobe")
                    .args(["-v", "error", "-show_entries", "frame_tags", "-of", "flat"])
                    .arg(&path)
                    .output()
                    .expect("the program `ffprobe`, which this test needs");
                let tags = String::from_utf8_lossy(&read.stdout);
                for (tag, there) in [
                    ("tags.Model=\"Globe 1\"", camera),
                    ("1:250 ", camera),
                    ("tags.DateTimeOriginal=\"2026:02:28 23:59:58\"", camera),
                    ("tags.Orientation=\"    1\"", camera),
                    ("tags.GPSAltitude=", place),
                ] {
                    assert_eq!(
                        tags.contains(tag),
                        there,
                        "{format:?}, {policy:?}: {tag} in {tags}"
                    );
                }
            }
        }
    }
}

/// A derivative of an Ultra HDR picture is an ordinary one: a map of other pixels would spoil it.
#[test]
fn no_gain_map_outlives_its_picture() {
    for name in ["ultra-hdr.jpg", "iso-gain-map.jpg", "apple-gain-map.jpg"] {
        let decoded = decode(&fixture("metadata").join(name)).unwrap();
        let gpano = GPano::whole_sphere(512, 256);
        let policy = MetadataPolicy::Keep;
        let embedded = Embedded::derivative(policy, None, Some(&gpano), decoded.exif.as_ref());
        let whole = Rect::whole(decoded.picture.size());
        let rgb = pixels::interleaved(&decoded.picture, whole).unwrap();
        let mut encoder = Encoder::new(PictureFormat::Jpeg, 80, embedded).unwrap();
        let body = encoder.encode(&rgb, decoded.picture.size()).unwrap();
        for word in ["hdrgm", "HDRGainMap", "21496", "MPF", "Semantic"] {
            let found = body.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{name}: {word}");
        }
    }
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
fn formats_have_their_limits() {
    let mut webp = Encoder::new(PictureFormat::Webp, 80, Embedded::default()).unwrap();
    let refused = webp.encode(&vec![0; 3 * 16_384], Size::new(16_384, 1).unwrap());
    assert!(matches!(refused, Err(MediaError::OutputTooLarge { side_px_max: 16_383, .. })));
    let mut jpeg = Encoder::new(PictureFormat::Jpeg, 80, Embedded::default()).unwrap();
    let refused = jpeg.encode(&vec![0; 3 * 65_501], Size::new(65_501, 1).unwrap());
    assert!(matches!(refused, Err(MediaError::OutputTooLarge { side_px_max: 65_500, .. })));
    let refused = jpeg.encode_samples(Samples::Rgb16(&[0; 3]), Size::new(1, 1).unwrap());
    assert_eq!(refused.unwrap_err().code(), "encode_failed");
    let embedded = Embedded { xmp: Some(" ".repeat(65_505)), ..Embedded::default() };
    assert!(Encoder::new(PictureFormat::Jpeg, 80, embedded).is_err());
}
