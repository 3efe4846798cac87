//! Every broken file gets an answer that says what is wrong and what to do.

use panofleet_job_schema::{ErrorClass, Failure};
use panofleet_media::{decode, probe};

use crate::fixture;

#[test]
fn broken_files_are_refused_by_name() {
    for (name, code, words) in [
        ("empty.jpg", "file_empty", "upload it again"),
        ("garbage.jpg", "format_unknown", "convert it to JPEG, PNG, WebP or TIFF"),
        ("truncated.jpg", "file_truncated", "ends before the picture does; upload it again"),
        ("truncated-header.jpg", "file_truncated", "upload it again"),
        ("truncated.png", "file_truncated", "PNG file is truncated"),
        ("damaged.jpg", "file_damaged", "JPEG file is damaged"),
        ("damaged.png", "file_damaged", "PNG file is damaged"),
        ("no-pixels.jpg", "file_damaged", "JPEG file is damaged"),
        ("huge-header.jpg", "picture_too_large", "65500×65500"),
        ("bomb.png", "picture_too_large", "25000×25000"),
        ("animated.gif", "format_unsupported", "GIF pictures are recognised but not read; convert"),
        ("photo.heic", "format_unsupported", "HEIC pictures are recognised but not read; convert"),
        ("photo.avif", "format_unsupported", "AVIF pictures are recognised but not read; convert"),
        ("playlist.mp4", "playlist_refused", "an HLS playlist"),
        ("concat.mp4", "playlist_refused", "a concat script"),
        ("no-tracks.mp4", "file_damaged", "mp4 file is damaged"),
        ("../tracks/truncated.mp4", "file_truncated", "upload it again"),
        ("../tracks/tone.wav", "format_unsupported", "wav"),
    ] {
        let path = fixture("broken").join(name);
        let refused = probe(&path).map(drop).and_then(|()| decode(&path).map(drop)).unwrap_err();
        let failure = Failure::from(refused);
        assert_eq!(failure.code, code, "{name}: {}", failure.message);
        assert_eq!(failure.class, ErrorClass::Rejected, "{name}");
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
    }
}

/// A fault of the disk is not the sender's.
#[test]
fn a_source_that_is_not_there_is_transient() {
    let failure = Failure::from(probe(&fixture("nowhere.jpg")).unwrap_err());
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::Transient, "source_unreadable")
    );
}

/// Cutting a good file anywhere is noticed, and nothing panics.
#[test]
fn no_cut_goes_unnoticed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, step) in
        [("equirect.jpg", 977), ("deep.png", 311), ("equirect.webp", 509), ("equirect.tiff", 4001)]
    {
        let whole = std::fs::read(fixture(name)).unwrap();
        let path = folder.path().join(name);
        for bytes in (0..whole.len() - 8).step_by(step) {
            std::fs::write(&path, &whole[..bytes]).unwrap();
            assert!(decode(&path).is_err(), "{name} cut to {bytes} of {}", whole.len());
        }
    }
}
