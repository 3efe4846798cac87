//! Files of CMAF, byte for byte as ISO/IEC 14496-12 lays them out, and read again.

use panofleet_isobmff::aac::AacConfiguration;
use panofleet_isobmff::avc::AvcConfiguration;
use panofleet_isobmff::cmaf::{
    AudioTrack, Colour, Fragment, Media, Sample, SyncSamples, VideoConfiguration, VideoTrack,
    init_segment, write_segment_type,
};
use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{BoxError, Boxes, FourCc, Movie, fragment_samples};

const HIGH: &[u8] = b"\0\0\0\x01\x67\x64\0\x0c\xac\xd9\x41\x41\0\0\x01\x68\xeb\xe3\xcb";

fn boxes(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let found = Boxes::new(FourCc(*b"file"), bytes).map(Result::unwrap);
    found.map(|found| (found.kind.to_string(), found.body)).collect()
}

fn video() -> VideoTrack {
    VideoTrack {
        width_px: 320,
        height_px: 160,
        configuration: VideoConfiguration::Avc(AvcConfiguration::from_stream(HIGH).unwrap()),
        colour: None,
        entry_boxes: Vec::new(),
        track_boxes: Vec::new(),
    }
}

#[test]
fn an_init_segment_describes_one_track_and_no_sample() {
    let mut entry_boxes = Vec::new();
    StereoMode::TopBottom.write(&mut entry_boxes);
    let sphere = Spherical {
        source: "p".into(),
        pose: Pose::default(),
        projection: Projection::Equirectangular(Bounds::default()),
    };
    sphere.write(&mut entry_boxes);
    let colour = Colour { primaries: 1, transfer: 13, matrix: 6, full_range: true };
    let track = VideoTrack { entry_boxes, colour: Some(colour), ..video() };
    let file = init_segment(15_360, &Media::Video(track)).unwrap();
    let top = boxes(&file);
    assert_eq!(top[0], ("ftyp".into(), &b"cmfc\0\0\0\0cmfciso6cmf2"[..]));
    assert_eq!((top.len(), &*top[1].0), (2, "moov"));

    let movie = Movie::parse(top[1].1).unwrap();
    assert!(movie.fragmented && movie.timescale == 15_360 && movie.tracks.len() == 1);
    let track = &movie.tracks[0];
    assert_eq!((track.id, track.timescale, track.samples), (1, 15_360, 0));
    assert_eq!((track.handler, track.faults.len()), (FourCc(*b"vide"), 0));
    let entry = &track.entries[0];
    assert_eq!((entry.format, entry.stereo), (FourCc(*b"avc1"), Some(StereoMode::TopBottom)));
    assert_eq!(entry.spherical, Some(sphere));
    // Boxes of a sample entry stand in this order, the codec's first.
    let places: Vec<_> = [&b"avcC"[..], b"st3d", b"sv3d", b"colrnclx", b"pasp"]
        .iter()
        .map(|name| file.windows(name.len()).position(|window| window == *name).unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(file.windows(15).any(|w| w == b"colrnclx\0\x01\0\x0d\0\x06\x80"));
}

/// Each offset is where ISO/IEC 14496-12 has the field: `tkhd` 8.3.2, visual and audio entries 12.1.3, 12.2.3.
#[test]
fn fields_lie_where_the_standard_has_them() {
    let file = init_segment(30_000, &Media::Video(video())).unwrap();
    let at = |name: &[u8], from: usize, bytes: usize| {
        let start = file.windows(4).position(|window| window == name).unwrap() + 4;
        &file[start + from..start + from + bytes]
    };
    assert_eq!(at(b"tkhd", 0, 4), [0, 0, 0, 3]);
    assert_eq!(at(b"tkhd", 76, 8), [1, 64, 0, 0, 0, 160, 0, 0]);
    assert_eq!(at(b"mdhd", 12, 4), 30_000_u32.to_be_bytes());
    assert_eq!(at(b"avc1", 24, 4), [1, 64, 0, 160]);
    assert_eq!(at(b"avc1", 74, 12), b"\0\x18\xff\xff\0\0\0\x23avcC");
    assert_eq!(at(b"trex", 0, 24), b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0");

    let configuration = AacConfiguration::new(&[0x11, 0x90]).unwrap();
    let audio =
        AudioTrack { channels: 2, rate_hz: 48_000, configuration, bits_per_second: 128_000 };
    let file = init_segment(48_000, &Media::Audio(audio)).unwrap();
    let start = file.windows(4).position(|window| window == b"mp4a").unwrap() + 4;
    assert_eq!(&file[start + 16..start + 28], [0, 2, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0]);
    assert_eq!(&file[start + 32..start + 36], b"esds");
}

/// Three frames, of which the second that is decoded is shown last: I, P, B.
#[test]
fn a_fragment_is_the_bytes_of_the_standard() {
    let samples = [(5, 0), (3, 512), (2, -512)];
    let samples = samples.map(|(bytes, shown_after)| Sample { bytes, shown_after });
    let fragment = Fragment {
        number: 2,
        decoded_at: 61_440,
        sample_ticks: 512,
        samples: &samples,
        sync: SyncSamples::First,
        data: b"IIIIIPPPBB",
    };
    let mut file = b"before".to_vec();
    let written = fragment.write(&mut file).unwrap();
    let expected = b"before\
        \0\0\0\x7cmoof\
        \0\0\0\x10mfhd\0\0\0\0\0\0\0\x02\
        \0\0\0\x64traf\
        \0\0\0\x18tfhd\0\x02\0\x28\0\0\0\x01\0\0\x02\0\x01\x01\0\0\
        \0\0\0\x14tfdt\x01\0\0\0\0\0\0\0\0\0\xf0\0\
        \0\0\0\x30trun\x01\0\x0a\x05\0\0\0\x03\0\0\0\x84\x02\0\0\0\
        \0\0\0\x05\0\0\0\0\0\0\0\x03\0\0\x02\0\0\0\0\x02\xff\xff\xfe\0\
        \0\0\0\x12mdatIIIIIPPPBB";
    assert_eq!(file.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert!(file[written.first_sample.clone()].ends_with(b"mdatIIIII"));
    assert_eq!(written.first_sample.start, 6);
    let moof = Boxes::new(FourCc(*b"file"), &file[6..]).next().unwrap().unwrap();
    assert_eq!(fragment_samples(&moof), Ok(vec![(1, 3)]));
}

#[test]
fn sound_needs_no_offsets_and_every_sample_stands_alone() {
    let samples = [Sample { bytes: 2, shown_after: 0 }; 2];
    let fragment = Fragment {
        number: 1,
        decoded_at: 0,
        sample_ticks: 1024,
        samples: &samples,
        sync: SyncSamples::All,
        data: b"abcd",
    };
    let mut file = Vec::new();
    write_segment_type(&mut file);
    assert_eq!(file, b"\0\0\0\x1cstypcmfs\0\0\0\0cmfscmffmsdh");
    fragment.write(&mut file).unwrap();
    let run = b"\0\0\0\x1ctrun\x01\0\x02\x01\0\0\0\x02\0\0\0\x70\0\0\0\x02\0\0\0\x02";
    assert!(file.windows(run.len()).any(|window| window == run), "{}", file.escape_ascii());
    assert!(file.windows(4).any(|window| window == [2, 0, 0, 0]));
    let short = Fragment { data: b"abc", ..fragment };
    assert!(matches!(short.write(&mut Vec::new()), Err(BoxError::Value { .. })));
}
