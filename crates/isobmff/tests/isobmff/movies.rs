//! Movies built box by box, read, edited and damaged.

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{
    BoxError, BoxRef, Boxes, Edit, FourCc, Movie, MovieEdit, TrackEdit, apple, fragment_samples,
    v1, write_box, write_full_box,
};

fn numbers(to: &mut Vec<u8>, values: &[u32]) {
    to.extend(values.iter().flat_map(|value| value.to_be_bytes()));
}

/// A movie of one video track, number 3, with these boxes in its sample entry and chunks at these offsets.
fn movie(entry_boxes: &[u8], offsets: &[u32]) -> Vec<u8> {
    let mut moov = Vec::new();
    write_full_box(&mut moov, b"mvhd", 0, 0, |to| numbers(to, &[0, 0, 600, 1200]));
    write_box(&mut moov, b"trak", |to| {
        write_full_box(to, b"tkhd", 0, 3, |to| numbers(to, &[0, 0, 3, 0, 1200]));
        write_box(to, b"edts", |to| {
            write_full_box(to, b"elst", 0, 0, |to| {
                numbers(to, &[2, 44, u32::MAX, 0x1_0000, 1156, 512, 0x1_0000])
            });
        });
        write_box(to, b"mdia", |to| {
            write_full_box(to, b"mdhd", 1, 0, |to| {
                numbers(to, &[0, 0, 0, 0, 15_360, 0, 30_720, 0])
            });
            write_full_box(to, b"hdlr", 0, 0, |to| {
                to.extend(b"\0\0\0\0vide\0\0\0\0\0\0\0\0\0\0\0\0\0")
            });
            write_box(to, b"minf", |to| {
                write_box(to, b"stbl", |to| {
                    write_full_box(to, b"stsd", 0, 0, |to| {
                        numbers(to, &[1]);
                        write_box(to, b"avc1", |to| {
                            to.extend([0; 78]);
                            write_box(to, b"avcC", |to| to.extend(b"configuration"));
                            to.extend(entry_boxes);
                            write_box(to, b"pasp", |to| numbers(to, &[1, 1]));
                        });
                    });
                    write_full_box(to, b"stts", 0, 0, |to| numbers(to, &[2, 59, 512, 1, 511]));
                    write_full_box(to, b"stsz", 0, 0, |to| numbers(to, &[0, 60]));
                    write_full_box(to, b"stco", 0, 0, |to| {
                        numbers(to, &[offsets.len() as u32]);
                        numbers(to, offsets);
                    });
                });
            });
        });
    });
    moov
}

fn sphere() -> Vec<u8> {
    let mut boxes = Vec::new();
    StereoMode::LeftRight.write(&mut boxes);
    spherical().write(&mut boxes);
    boxes
}

fn spherical() -> Spherical {
    let bounds = Bounds { left: 0x3fff_ffff, right: 0x3fff_ffff, ..Bounds::default() };
    Spherical {
        source: "test".into(),
        pose: Pose::default(),
        projection: Projection::Equirectangular(bounds),
    }
}

#[test]
fn tracks_are_read() {
    let moov = movie(&sphere(), &[48]);
    let movie = Movie::parse(&moov).unwrap();
    assert_eq!((movie.timescale, movie.duration, movie.fragmented), (600, 1200, false));
    let track = movie.track(3).unwrap();
    assert_eq!((track.timescale, track.duration, track.samples), (15_360, 30_720, 60));
    assert_eq!(track.samples_duration, 59 * 512 + 511);
    let edits = [Edit { duration: 44, media_time: -1 }, Edit { duration: 1156, media_time: 512 }];
    assert_eq!(track.edits, edits);
    let entry = &track.entries[0];
    assert_eq!(entry.format, FourCc(*b"avc1"));
    assert_eq!((entry.stereo, &entry.spherical), (Some(StereoMode::LeftRight), &Some(spherical())));
    assert_eq!((&track.faults[..], &entry.faults[..]), (&[][..], &[][..]));
}

/// A damaged metadata box costs its own meaning, and nothing else.
#[test]
fn a_fault_stays_where_it_is() {
    let mut boxes = b"\0\0\0\x0dst3d\0\0\0\0\x09".to_vec();
    spherical().write(&mut boxes);
    let movie = Movie::parse(&movie(&boxes, &[48])).unwrap();
    let entry = &movie.tracks[0].entries[0];
    assert!(matches!(entry.faults[..], [BoxError::Value { .. }]), "{:?}", entry.faults);
    assert_eq!((entry.stereo, &entry.spherical), (None, &Some(spherical())));
}

fn kinds(boxes: &[u8]) -> Vec<String> {
    Boxes::new(FourCc(*b"test"), boxes).map(|found| found.unwrap().kind.to_string()).collect()
}

fn find<'a>(mut body: &'a [u8], path: &[&[u8; 4]]) -> BoxRef<'a> {
    let mut found = None;
    for kind in path {
        let child = Boxes::new(FourCc(**kind), body).find_kind(kind).unwrap().unwrap();
        body = if child.kind == b"stsd" { &child.body[8..] } else { child.body };
        found = Some(child);
    }
    found.unwrap()
}

const TABLE: [&[u8; 4]; 4] = [b"trak", b"mdia", b"minf", b"stbl"];

/// New metadata lies behind the configuration and before `pasp`; what was there before is gone.
#[test]
fn metadata_is_put_where_it_belongs_and_is_never_stale() {
    let mut stale = sphere();
    apple::write_hfov(180_000, &mut stale);
    let (mut entry_boxes, mut track_boxes) = (Vec::new(), Vec::new());
    StereoMode::TopBottom.write(&mut entry_boxes);
    let about = v1::Spherical {
        spherical: true,
        stereo: Some(StereoMode::TopBottom),
        ..v1::Spherical::default()
    };
    about.write(&mut track_boxes);
    let edit = MovieEdit {
        tracks: vec![TrackEdit { track_id: 3, entry_boxes, track_boxes, ..TrackEdit::default() }],
    };
    let mut edited = edit.apply(&movie(&stale, &[48]), |_| 0).unwrap();
    // A second edit replaces the first.
    for _ in 0..2 {
        let moov = find(&edited, &[b"moov"]);
        let entry = find(moov.body, &[TABLE[0], TABLE[1], TABLE[2], TABLE[3], b"stsd", b"avc1"]);
        assert_eq!(kinds(&entry.body[78..]), ["avcC", "st3d", "pasp"]);
        assert_eq!(kinds(find(moov.body, &[b"trak"]).body), ["tkhd", "edts", "mdia", "uuid"]);
        let read = Movie::parse(moov.body).unwrap();
        assert_eq!(read.tracks[0].spherical_v1, Some(about.clone()));
        assert_eq!(read.tracks[0].entries[0].stereo, Some(StereoMode::TopBottom));
        edited = edit.apply(moov.body, |_| 0).unwrap();
    }
}

/// The matrix that FFmpeg writes for a quarter turn, at its place in a `tkhd` of version 0.
#[test]
fn frames_are_turned_by_the_matrix() {
    let edit = TrackEdit { track_id: 3, rotation_deg: 90, ..TrackEdit::default() };
    let mut moov = movie(&[], &[48]);
    // The fixture's `tkhd` is short: too short for a matrix.
    let edits = MovieEdit { tracks: vec![edit] };
    assert_eq!(edits.apply(&moov, |_| 0), Err(BoxError::Short(FourCc(*b"tkhd"))));
    moov.clear();
    write_box(&mut moov, b"trak", |to| {
        write_full_box(to, b"tkhd", 0, 3, |to| {
            numbers(to, &[0, 0, 3, 0, 1200, 0, 0, 0, 0]);
            numbers(to, &[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000, 320 << 16, 160 << 16]);
        });
    });
    let edited = edits.apply(&moov, |_| 0).unwrap();
    let body = find(find(&edited, &[b"moov"]).body, &[b"trak", b"tkhd"]).body;
    let mut expected = Vec::new();
    numbers(&mut expected, &[0, 0x1_0000, 0, 0xffff_0000, 0, 0, 0, 0, 0x4000_0000, 320 << 16]);
    assert_eq!(body[40..80], expected);
}

/// A `moov` that goes before the samples moves them by its own length.
#[test]
fn offsets_follow_the_samples() {
    let edit = MovieEdit::default();
    let moov = movie(&[], &[48, 1000, 4_000_000_000]);
    let edited = edit.apply(&moov, |bytes| bytes).unwrap();
    let by = edited.len() as u32;
    let path = [TABLE[0], TABLE[1], TABLE[2], TABLE[3], b"stco"];
    let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 3];
    numbers(&mut expected, &[48 + by, 1000 + by, 4_000_000_000 + by]);
    assert_eq!(find(find(&edited, &[b"moov"]).body, &path).body, expected);

    // Beyond 32 bits all of them become wide, and the longer table counts too.
    let edited = edit.apply(&movie(&[], &[48, u32::MAX - 10]), |bytes| bytes).unwrap();
    let path = [TABLE[0], TABLE[1], TABLE[2], TABLE[3], b"co64"];
    let table = find(find(&edited, &[b"moov"]).body, &path).body;
    let by = edited.len() as u64;
    assert_eq!(table[8..], [48 + by, u64::from(u32::MAX) - 10 + by].map(u64::to_be_bytes).concat());
}

/// A xorshift generator: the same damage in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Damage of every kind, thousands of times: an answer, never a panic, and never more than what is there.
#[test]
fn no_damage_makes_it_panic() {
    let mut boxes = sphere();
    apple::Extended {
        projection: Some(FourCc(*b"hequ")),
        eyes: Some(apple::Eyes::default()),
        ..apple::Extended::default()
    }
    .write(&mut boxes);
    apple::write_hfov(64_000, &mut boxes);
    boxes.extend(b"\0\0\0\x14SA3D\0\0\0\0\0\x01\0\0\0\0\0\0");
    let mut whole = movie(&boxes, &[48, 99]);
    write_box(&mut whole, b"trak", |to| {
        v1::Spherical { spherical: true, ..v1::Spherical::default() }.write(to);
    });
    write_box(&mut whole, b"moof", |to| {
        write_box(to, b"traf", |to| {
            write_full_box(to, b"tfhd", 0, 0, |to| numbers(to, &[1]));
            write_full_box(to, b"trun", 0, 0, |to| numbers(to, &[3]));
        });
    });
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=chance.below(4) {
            let at = chance.below(bytes.len());
            match chance.below(4) {
                0 => bytes[at] ^= 1 << chance.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0xff][chance.below(4)],
                2 => bytes.truncate(at.max(1)),
                _ => {
                    let end = (at + 1 + chance.below(32)).min(bytes.len());
                    bytes.drain(at..end);
                    bytes.push(0);
                }
            }
        }
        let read = Movie::parse(&bytes);
        refused += usize::from(read.is_err());
        let edit = TrackEdit {
            track_id: 3,
            entry_boxes: sphere(),
            track_boxes: Vec::new(),
            ..TrackEdit::default()
        };
        let edited = MovieEdit { tracks: vec![edit] }.apply(&bytes, |moov| moov);
        if let Ok(edited) = edited {
            assert!(edited.len() < 2 * whole.len() + 1024, "{} bytes", edited.len());
        }
        for found in Boxes::new(FourCc(*b"test"), &bytes).flatten() {
            drop(fragment_samples(&found));
        }
    }
    assert!(refused > 1000, "only {refused} were damaged enough to tell");
}
