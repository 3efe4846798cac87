//! EXIF: what of it is kept, what the probe says of it, and how it is written into derivatives.
//!
//! Source: CIPA DC-008 (Exif 2.32). Only tags of the lists here are read, so that nothing else can be
//! written: maker notes, serial numbers, comments and previews stay behind.

use std::io::{Cursor, Read, Seek};

use panofleet_job_schema::media_info::Capture;
use panofleet_raster::Size;

use crate::ifd::read::Structure;
use crate::ifd::{Directory, HEAD, Value};

mod capture;

/// Bytes of all values that are kept. It leaves room in the 64 KiB of JPEG's segment.
const VALUES_BYTES_MAX: usize = 16 * 1024;

const ORIENTATION: u16 = 0x0112;
const CAMERA_DIRECTORY: u16 = 0x8769;
const PLACE_DIRECTORY: u16 = 0x8825;

/// Description, maker, model, program, date, author, copyright.
const PICTURE_TAGS: [u16; 7] = [0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013b, 0x8298];

/// Exposure time, f-number, program, sensitivity and its type; dates and their time zones; shutter speed,
/// aperture, brightness, bias, largest aperture, distance, metering, light, flash, focal length; fractions of
/// seconds; exposure mode, white balance, zoom, focal length in 35 mm, scene, gain, contrast, saturation,
/// sharpness; the lens, its maker and model.
const CAMERA_TAGS: [u16; 36] = [
    0x829a, 0x829d, 0x8822, 0x8827, 0x8830, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9201, 0x9202,
    0x9203, 0x9204, 0x9205, 0x9206, 0x9207, 0x9208, 0x9209, 0x920a, 0x9290, 0x9291, 0x9292, 0xa402,
    0xa403, 0xa404, 0xa405, 0xa406, 0xa407, 0xa408, 0xa409, 0xa40a, 0xa432, 0xa433, 0xa434, 0xa435,
];

/// The tags of a picture that are kept when it becomes another one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exif {
    orientation: Option<u16>,
    picture: Directory,
    camera: Directory,
    place: Directory,
}

impl Exif {
    /// Reads a block, which is a TIFF structure.
    ///
    /// # Errors
    /// What is wrong with it, for a warning. A directory that cannot be read is left out.
    pub(crate) fn read(block: &[u8]) -> Result<Self, String> {
        let mut reader = Cursor::new(block);
        let (mut structure, first) =
            Structure::open(&mut reader, VALUES_BYTES_MAX).map_err(|error| error.to_string())?;
        let main =
            structure.directory(first, Self::is_main).map_err(|error| error.to_string())?.tags;
        Ok(Self::collect(&mut structure, &main))
    }

    /// Whether a tag of the first directory is of use here.
    pub(crate) fn is_main(tag: u16) -> bool {
        PICTURE_TAGS.contains(&tag)
            || matches!(tag, ORIENTATION | CAMERA_DIRECTORY | PLACE_DIRECTORY)
    }

    /// Follows the first directory to the others.
    pub(crate) fn collect<R: Read + Seek>(
        structure: &mut Structure<'_, R>,
        main: &Directory,
    ) -> Self {
        let mut follow = |pointer, wanted: fn(u16) -> bool| {
            let found = main.number(pointer).and_then(|at| structure.directory(at, wanted).ok());
            found.map(|found| found.tags).unwrap_or_default()
        };
        let mut picture = Directory::default();
        for tag in PICTURE_TAGS {
            if let Some(value) = main.get(tag) {
                picture.set(tag, value.clone());
            }
        }
        Self {
            orientation: main.number(ORIENTATION).and_then(|number| u16::try_from(number).ok()),
            picture,
            camera: follow(CAMERA_DIRECTORY, |tag| CAMERA_TAGS.contains(&tag)),
            place: follow(PLACE_DIRECTORY, |tag| tag <= 31),
        }
    }

    /// The orientation, 1 to 8, or `None` if there is none that makes sense.
    pub(crate) fn orientation(&self) -> Option<u16> {
        self.orientation.filter(|value| (1..=8).contains(value))
    }

    /// The same without the place.
    #[must_use]
    pub fn without_location(self) -> Self {
        Self { place: Directory::default(), ..self }
    }

    /// What it says about how the picture was taken; `None` if that is nothing.
    pub fn capture(&self) -> Option<Capture> {
        let capture = capture::of(&self.picture, &self.camera, &self.place);
        (capture != Capture::default()).then_some(capture)
    }

    /// The block of an upright picture of this size; `srgb` says that its colours are sRGB's.
    pub(crate) fn block(&self, size: Size, srgb: bool) -> Vec<u8> {
        let mut main = Directory::default();
        // What has to be there (4.6.8, tables 17 and 18), which TIFF says by tags of its own or not at all: 72
        // points an inch, chroma in the middle of its pixels, luma and both chromas and nothing, the size.
        main.set(0x011a, Value::Rationals(vec![(72, 1)]));
        main.set(0x011b, Value::Rationals(vec![(72, 1)]));
        main.set(0x0128, Value::Shorts(vec![2]));
        main.set(0x0213, Value::Shorts(vec![1]));
        let mut camera = Directory::default();
        camera.set(0x9101, Value::Undefined(vec![1, 2, 3, 0]));
        camera.set(0xa002, Value::Longs(vec![size.width_px()]));
        camera.set(0xa003, Value::Longs(vec![size.height_px()]));
        self.set_in(&mut main, camera, srgb);
        let mut block = HEAD.to_vec();
        main.write_first(&mut block);
        block
    }

    /// Sets the tags of an upright picture among those of a TIFF's first directory.
    pub(crate) fn add_to(&self, main: &mut Directory, srgb: bool) {
        self.set_in(main, Directory::default(), srgb);
    }

    fn set_in(&self, main: &mut Directory, mut camera: Directory, srgb: bool) {
        const UPRIGHT: u16 = 1;
        const SRGB: u16 = 1;
        const UNCALIBRATED: u16 = 0xffff;

        main.extend(&self.picture);
        main.set(ORIENTATION, Value::Shorts(vec![UPRIGHT]));
        camera.extend(&self.camera);
        camera.set(0x9000, Value::Undefined(b"0232".to_vec()));
        camera.set(0xa000, Value::Undefined(b"0100".to_vec()));
        camera.set(0xa001, Value::Shorts(vec![if srgb { SRGB } else { UNCALIBRATED }]));
        main.set(CAMERA_DIRECTORY, Value::Directory(camera));
        if !self.place.is_empty() {
            let mut place = self.place.clone();
            place.set(0, Value::Bytes(vec![2, 3, 0, 0]));
            main.set(PLACE_DIRECTORY, Value::Directory(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with a first directory of one tag, written by hand.
    fn oriented(value: u8) -> Vec<u8> {
        let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        block.extend([value, 0, 0, 0, 0, 0, 0, 0]);
        block
    }

    #[test]
    fn orientations_that_make_sense() {
        let orientation = |block: &[u8]| Exif::read(block).unwrap().orientation();
        assert_eq!(orientation(&oriented(6)), Some(6));
        assert_eq!(orientation(&oriented(9)), None);
        assert_eq!(orientation(&oriented(0)), None);
        assert!(Exif::read(b"II*\0\xff\xff\xff\xff").is_err());
        assert!(Exif::read(b"").is_err());
    }

    fn full() -> Exif {
        let text = |text: &str| Value::Ascii(text.into());
        let mut exif = Exif::default();
        exif.picture.set(0x010f, text("RICOH"));
        exif.picture.set(0x0110, text("RICOH THETA S"));
        exif.picture.set(0x0131, text("1.0"));
        exif.camera.set(0x829a, Value::Rationals(vec![(1, 50)]));
        exif.camera.set(0x829d, Value::Rationals(vec![(2, 1)]));
        exif.camera.set(0x8827, Value::Shorts(vec![100]));
        exif.camera.set(0x9003, text("2016:05:14 09:30:12"));
        exif.camera.set(0x9011, text("+02:00"));
        exif.camera.set(0x9291, text("25"));
        exif.camera.set(0x920a, Value::Rationals(vec![(131, 100)]));
        exif.place.set(1, text("S"));
        exif.place.set(2, Value::Rationals(vec![(33, 1), (51, 1), (3554, 100)]));
        exif.place.set(3, text("E"));
        exif.place.set(4, Value::Rationals(vec![(151, 1), (12, 1), (0, 1)]));
        exif.place.set(5, Value::Bytes(vec![1]));
        exif.place.set(6, Value::Rationals(vec![(25, 2)]));
        exif.place.set(17, Value::Rationals(vec![(72000, 200)]));
        exif
    }

    #[test]
    fn what_is_written_is_read_and_upright() {
        let size = Size::new(640, 320).unwrap();
        let exif = full();
        let back = Exif::read(&exif.block(size, true)).unwrap();
        assert_eq!(back.orientation(), Some(1));
        assert_eq!(back.capture(), exif.capture());
        let mut place = exif.place.clone();
        place.set(0, Value::Bytes(vec![2, 3, 0, 0]));
        assert_eq!(back, Exif { orientation: Some(1), place, ..exif.clone() });
        let away = Exif::read(&exif.clone().without_location().block(size, true)).unwrap();
        assert_eq!(away.place, Directory::default());
        assert_eq!(away.camera, exif.camera);
    }

    #[test]
    fn the_probe_says_when_where_and_with_what() {
        let found = full().capture().unwrap();
        assert_eq!(found.taken_at.as_deref(), Some("2016-05-14T09:30:12.25+02:00"));
        assert_eq!(found.model.as_deref(), Some("RICOH THETA S"));
        assert_eq!(
            (found.exposure_s, found.f_number, found.iso),
            (Some(0.02), Some(2.0), Some(100))
        );
        assert_eq!(found.focal_length_mm, Some(1.31));
        let place = found.location.unwrap();
        // 33° 51′ 35.54″ S, 151° 12′ E.
        assert!((place.latitude_deg + 33.859_872).abs() < 1e-6, "{place:?}");
        assert!((place.longitude_deg - 151.2).abs() < 1e-9, "{place:?}");
        assert_eq!((place.altitude_m, place.heading_deg), (Some(-12.5), Some(0.0)));
        assert_eq!(Exif::default().capture(), None);
    }

    /// Cameras write such things instead of nothing.
    #[test]
    fn nonsense_is_nothing() {
        let mut exif = Exif::default();
        exif.camera.set(0x9003, Value::Ascii("0000:00:00 00:00:00".into()));
        exif.camera.set(0x829a, Value::Rationals(vec![(1, 0)]));
        exif.camera.set(0x829d, Value::Rationals(vec![]));
        exif.picture.set(0x010f, Value::Ascii("  \0 \u{7}".into()));
        exif.place.set(1, Value::Ascii("N".into()));
        exif.place.set(2, Value::Rationals(vec![(0, 0), (0, 0), (0, 0)]));
        exif.place.set(3, Value::Ascii("E".into()));
        exif.place.set(4, Value::Rationals(vec![(181, 1)]));
        assert_eq!(exif.capture(), None);
    }
}
