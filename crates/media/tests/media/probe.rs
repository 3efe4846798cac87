//! What a probe says about each fixture.

use panofleet_job_schema::media_info::{ColorModel, GPano, MediaInfo, PictureInfo, TrackInfo};

use crate::fixture;

fn probe(name: &str) -> MediaInfo {
    panofleet_media::probe(&fixture(name)).unwrap()
}

/// An upright 8-bit picture of one frame without a profile.
fn plain(width_px: u32, height_px: u32, color: ColorModel) -> PictureInfo {
    PictureInfo {
        width_px,
        height_px,
        color,
        alpha: false,
        bits_per_sample: 8,
        orientation: 1,
        frames: 1,
        icc: None,
    }
}

#[test]
fn pictures() {
    let rgb = |width_px, height_px| plain(width_px, height_px, ColorModel::Rgb);
    let jpeg = |width_px, height_px| plain(width_px, height_px, ColorModel::Ycbcr);
    for (name, container, expected) in [
        ("equirect.jpg", "jpeg", jpeg(1024, 512)),
        ("equirect.webp", "webp", rgb(512, 256)),
        ("equirect.tiff", "tiff", rgb(256, 128)),
        ("orientation-6.jpg", "jpeg", PictureInfo { orientation: 6, ..jpeg(256, 128) }),
        ("cmyk.jpg", "jpeg", plain(96, 16, ColorModel::Cmyk)),
        ("deep.png", "png", PictureInfo { bits_per_sample: 16, ..rgb(64, 32) }),
        ("alpha.png", "png", PictureInfo { alpha: true, ..rgb(32, 16) }),
        ("broken/animated.png", "png", PictureInfo { frames: 3, ..rgb(16, 16) }),
        ("broken/animated.gif", "gif", PictureInfo { frames: 2, alpha: true, ..rgb(2, 2) }),
        ("broken/palette.png", "png", PictureInfo { bits_per_sample: 2, ..rgb(4, 2) }),
        ("broken/one-pixel.png", "png", rgb(1, 1)),
    ] {
        let media = probe(name);
        assert_eq!(media.container, container, "{name}");
        assert_eq!(media.picture, Some(expected), "{name}");
        assert_eq!(media.bytes, std::fs::metadata(fixture(name)).unwrap().len());
        assert_eq!(media.warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn photo_sphere_fields_in_both_forms() {
    let expected = GPano {
        projection: Some("equirectangular".into()),
        full_width_px: Some(1024),
        full_height_px: Some(512),
        cropped_width_px: Some(512),
        cropped_height_px: Some(256),
        cropped_left_px: Some(128),
        cropped_top_px: Some(64),
        pose_heading_deg: Some(350.0),
        initial_heading_deg: Some(320.0),
        initial_pitch_deg: Some(10.0),
        ..GPano::default()
    };
    for name in ["partial-attributes.jpg", "partial-elements.jpg"] {
        assert_eq!(probe(name).gpano, Some(expected.clone()), "{name}");
    }
    assert_eq!(probe("equirect.jpg").gpano, None);
}

/// Every container's own place for them.
#[test]
fn metadata_of_other_formats() {
    let expected = GPano {
        full_width_px: Some(4000),
        full_height_px: Some(2000),
        pose_heading_deg: Some(12.5),
        ..GPano::default()
    };
    for (name, orientation, size, frames) in [
        ("plain-xmp.png", 6, (2, 4), 1),
        ("late-xmp.png", 1, (4, 2), 1),
        ("packed-xmp.png", 1, (4, 2), 1),
        ("xmp.webp", 3, (512, 256), 1),
        ("xmp-two-pages.tiff", 8, (2, 4), 2),
    ] {
        let media = probe(&format!("metadata/{name}"));
        assert_eq!(media.gpano, Some(expected.clone()), "{name}");
        let picture = media.picture.unwrap();
        assert_eq!((picture.orientation, picture.frames), (orientation, frames), "{name}");
        assert_eq!((picture.width_px, picture.height_px), size, "{name}");
        let decoded = panofleet_media::decode(&fixture(&format!("metadata/{name}"))).unwrap();
        assert_eq!(decoded.picture.size().width_px(), size.0, "{name}");
    }
}

#[test]
fn profiles_by_name_and_size() {
    for name in ["display-p3.jpg", "display-p3.png"] {
        let icc = probe(name).picture.unwrap().icc.unwrap();
        assert_eq!(icc.description.as_deref(), Some("Display P3"), "{name}");
        assert!((300..4096).contains(&icc.bytes), "{name}: {}", icc.bytes);
    }
}

/// What is odd is said, and the file is still used.
#[test]
fn oddities_are_warnings() {
    for (name, words) in [
        ("broken-profile.jpg", "colour profile cannot be read"),
        ("broken/deep-xmp.jpg", "nested more than"),
        ("broken/entities-xmp.jpg", "declares a document type"),
        ("broken/really-png.jpg", "the name ends in .jpg, but the file is PNG"),
    ] {
        let warnings = probe(name).warnings;
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        assert!(warnings[0].contains(words), "{name}: {warnings:?}");
    }
}

#[test]
fn tracks() {
    let film = probe("tracks/rotated-90.mp4");
    assert_eq!((film.container.as_str(), film.duration_ms), ("mp4", Some(320)));
    let [TrackInfo { kind, codec, width_px, height_px, frame_rate, rotation_deg, .. }] =
        &film.tracks[..]
    else {
        panic!("one track, not {:?}", film.tracks);
    };
    assert_eq!((kind.as_str(), codec.as_str()), ("video", "mjpeg"));
    assert_eq!((*width_px, *height_px), (Some(128), Some(256)));
    assert_eq!((*frame_rate, *rotation_deg), (Some((25, 2)), Some(90)));

    let tone = probe("tracks/tone.wav");
    assert_eq!((tone.container.as_str(), tone.duration_ms), ("wav", Some(100)));
    let track = &tone.tracks[0];
    assert_eq!((track.kind.as_str(), track.codec.as_str()), ("audio", "pcm_s16le"));
    assert_eq!((track.sample_rate_hz, track.channels), (Some(8000), Some(1)));
    assert_eq!(track.bits_per_second, Some(128_000));
}
