//! What a probe says about each fixture.

use panofleet_job_schema::media_info::{
    Capture, ColorModel, GPano, GainMap, Location, MediaInfo, PictureInfo, TrackInfo,
};

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
        bits_per_sample: 8,
        orientation: 1,
        frames: 1,
        ..PictureInfo::default()
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
fn how_a_picture_was_taken() {
    let expected = Capture {
        taken_at: Some("2026-02-28T23:59:58.07+08:00".into()),
        make: Some("Panofleet".into()),
        model: Some("Globe 1".into()),
        lens: Some("Globe 7.3 mm".into()),
        software: Some("globe 2.1".into()),
        exposure_s: Some(1.0 / 250.0),
        f_number: Some(2.8),
        iso: Some(200),
        focal_length_mm: Some(1.31),
        location: Some(Location {
            latitude_deg: 22.0 + 17.0 / 60.0 + 30.12 / 3600.0,
            longitude_deg: 114.0 + 10.0 / 60.0,
            altitude_m: Some(552.0),
            heading_deg: Some(13.5),
        }),
    };
    for name in ["metadata/camera.jpg", "metadata/camera.png"] {
        let media = probe(name);
        assert_eq!(media.capture, Some(expected.clone()), "{name}");
        assert_eq!(media.picture.unwrap().orientation, 6, "{name}");
        assert_eq!(media.warnings, Vec::<String>::new(), "{name}");
    }
    assert_eq!(probe("orientation-6.jpg").capture, None);
}

/// A gain map is no picture for people; a preview neither.
#[test]
fn several_pictures_in_a_file() {
    for (name, frames, gain_map, words) in [
        ("ultra-hdr.jpg", 1, Some(GainMap::UltraHdr), "HDR gain map"),
        ("iso-gain-map.jpg", 1, Some(GainMap::Iso21496), "HDR gain map"),
        ("apple-gain-map.jpg", 1, Some(GainMap::Apple), "HDR gain map"),
        ("two-eyes.mpo", 2, None, "the file holds 2 pictures; the first one is used"),
        ("with-preview.jpg", 1, None, ""),
        ("two-lenses.insp", 1, None, "is no panorama yet"),
    ] {
        let media = probe(&format!("metadata/{name}"));
        let picture = media.picture.unwrap();
        assert_eq!((picture.frames, picture.gain_map), (frames, gain_map), "{name}");
        assert_eq!(media.warnings.is_empty(), words.is_empty(), "{name}: {:?}", media.warnings);
        assert!(media.warnings.iter().all(|said| said.contains(words)), "{:?}", media.warnings);
    }
}

#[test]
fn what_a_camera_says_of_its_lenses() {
    let found = probe("metadata/two-lenses.insp").unstitched.unwrap();
    assert_eq!((found.maker.as_str(), found.model.as_deref()), ("Insta360", Some("Insta360 X3")));
    assert_eq!(found.calibration.as_deref(), Some("2_720.5_719.25_721_0_0_90_6080_3040_65"));
    assert_eq!(probe("metadata/camera.jpg").unstitched, None);
}

/// Metadata of more than one segment, and what is wrong with it.
#[test]
fn extended_xmp() {
    let media = probe("metadata/extended-xmp.jpg");
    assert_eq!(media.gpano.map(|gpano| gpano.full_width_px), Some(Some(4000)));
    assert_eq!(media.warnings.len(), 1, "{:?}", media.warnings);
    assert!(media.warnings[0].contains("probably resized"), "{:?}", media.warnings);
    for (name, words) in
        [("changed", "its MD5 differs"), ("half", "bytes 0 to 65000 of it are missing")]
    {
        let media = probe(&format!("metadata/extended-xmp-{name}.jpg"));
        assert_eq!(media.gpano, None);
        assert_eq!(media.warnings.len(), 1, "{:?}", media.warnings);
        assert!(media.warnings[0].contains(words), "{:?}", media.warnings);
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
        ("metadata/broken-exif.jpg", "EXIF metadata cannot be read"),
        ("broken/icc-bomb.png", "colour profile"),
        ("broken/icc-bomb.jpg", "colour profile cannot be read"),
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
