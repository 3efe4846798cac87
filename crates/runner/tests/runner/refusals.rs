//! Each broken or odd file gets an answer; none takes the runner down or much memory.

use panofleet_job_schema::ErrorClass;

use crate::child::{MIB, fixture, run};

const TILES: &str = r#"{"tiles": {"op": "pano.tiles"}}"#;

#[test]
fn broken_files_are_refused_with_what_to_do() {
    for (name, code, words) in [
        ("broken/empty.jpg", "file_empty", "upload it again"),
        ("broken/garbage.jpg", "format_unknown", "convert it"),
        ("broken/truncated.jpg", "file_truncated", "upload it again"),
        ("broken/truncated.png", "file_truncated", "upload it again"),
        ("broken/truncated-header.jpg", "file_truncated", "upload it again"),
        ("broken/damaged.jpg", "file_damaged", "save it again"),
        ("broken/no-pixels.jpg", "file_damaged", "save it again"),
        ("broken/huge-header.jpg", "picture_too_large", "65500×65500"),
        ("broken/bomb.png", "picture_too_large", "make it smaller"),
        ("broken/playlist.mp4", "playlist_refused", "submit the media file itself"),
        ("broken/concat.mp4", "playlist_refused", "submit the media file itself"),
        ("broken/no-tracks.mp4", "file_damaged", "save it again"),
        (
            "broken/animated.gif",
            "format_unsupported",
            "convert the file to JPEG, PNG, WebP or TIFF",
        ),
        ("broken/three-to-one.png", "panorama_extent_unknown", "haov_deg"),
        ("tracks/rotated-90.mp4", "not_a_picture", "media.probe"),
    ] {
        let run = run(&fixture(name), TILES);
        let failure = run.failure();
        assert_eq!(failure.code, code, "{name}: {}", failure.message);
        assert_eq!(failure.class, ErrorClass::Rejected, "{name}");
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
        assert!(run.files("tiles").is_empty(), "{name}");
        assert!(run.peak_memory_bytes < 64 * MIB, "{name}: {} MiB", run.peak_memory_bytes / MIB);
    }
}

/// 35 kB that are 289 million pixels: allowed by the limits, but not in this much memory.
#[test]
fn a_bomb_within_the_limits_is_refused_before_it_bursts() {
    let run = run(&fixture("broken/bomb-within-limits.png"), r#"{"t": {"op": "image.thumbnail"}}"#);
    let failure = run.failure();
    assert_eq!((failure.code.as_str(), failure.class), ("memory_limit", ErrorClass::Rejected));
    assert!(failure.message.contains("1024 MiB"), "{}", failure.message);
    assert!(run.peak_memory_bytes < 64 * MIB, "{} MiB", run.peak_memory_bytes / MIB);
}

#[test]
fn odd_files_are_used() {
    for (name, words) in [
        ("broken/really-png.jpg", None),
        ("broken/one-pixel.png", None),
        ("cmyk.jpg", Some("without a profile")),
        ("cmyk-profile.jpg", Some("converted to sRGB by their profile")),
        ("deep.png", None),
        ("broken/animated.png", None),
        ("broken-profile.jpg", Some("taken for sRGB")),
    ] {
        let run = run(&fixture(name), r#"{"t": {"op": "image.thumbnail"}}"#).done();
        let warnings = run.summary("t").1.join("\n");
        assert_eq!(warnings.is_empty(), words.is_none(), "{name}: {warnings}");
        assert!(warnings.contains(words.unwrap_or_default()), "{name}: {warnings}");
    }
}

/// Outputs stand or fall together, and the one at fault is named.
#[test]
fn a_refused_output_names_itself() {
    let outputs = r#"{"fine": {"op": "image.thumbnail"}, "not-so": {"op": "pano.tiles"}}"#;
    let run = run(&fixture("broken/three-to-one.png"), outputs);
    assert!(run.failure().message.contains("output `not-so`"), "{}", run.failure().message);
    assert!(run.files("fine").is_empty());
}
