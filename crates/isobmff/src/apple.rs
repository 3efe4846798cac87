//! Apple's spatial and immersive video: `vexu` with what the eyes see, and `hfov` beside it.
//!
//! Source: "QuickTime and ISO Base Media File Formats and Spatial and Immersive Media" (Apple), as FFmpeg's
//! `mov_read_vexu` and `mov_write_vexu_tag` have it. `pack` is as that paper says; FFmpeg does not write it.

use crate::{BoxError, BoxRef, FourCc, write_box, write_full_box};

/// Which eyes a track shows (`stri`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eyes {
    /// There is a picture for the left eye.
    pub left: bool,
    /// There is a picture for the right eye.
    pub right: bool,
    /// There are pictures for more than two.
    pub more: bool,
    /// The right eye comes first.
    pub reversed: bool,
}

/// A `vexu`: video extended usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// What the pixels show (`prji`): `rect`, `equi`, `hequ`, `fish`, …
    pub projection: Option<FourCc>,
    /// Which eyes there are.
    pub eyes: Option<Eyes>,
    /// The eye that a flat player should show (`hero`): 0 says none, 1 left, 2 right.
    pub hero: Option<u8>,
    /// Distance between the cameras in micrometres (`blin`).
    pub baseline_um: Option<u32>,
    /// Shift of the eyes against each other (`dadj`), in 1/10,000 of the width.
    pub disparity: Option<i32>,
    /// How both eyes lie in one frame (`pkin`): `side`, `over`.
    pub packing: Option<FourCc>,
}

impl Extended {
    /// Reads a `vexu`. Boxes that it does not know are passed over.
    ///
    /// # Errors
    /// A part that is cut, or of another version than 0.
    pub fn parse(found: &BoxRef<'_>) -> Result<Self, BoxError> {
        let mut vexu = Self::default();
        for group in found.children() {
            let group = group?;
            if [b"proj", b"eyes", b"pack"].iter().any(|kind| group.kind == *kind) {
                vexu.read_group(&group)?;
            }
        }
        Ok(vexu)
    }

    fn read_group(&mut self, group: &BoxRef<'_>) -> Result<(), BoxError> {
        for child in group.children() {
            let child = child?;
            match &child.kind.0 {
                b"cams" => self.baseline_um = number(&child, b"blin")?,
                b"cmfy" => self.disparity = number(&child, b"dadj")?.map(u32::cast_signed),
                _ => self.read(&child)?,
            }
        }
        Ok(())
    }

    fn read(&mut self, child: &BoxRef<'_>) -> Result<(), BoxError> {
        let mut cursor = child.cursor();
        match &child.kind.0 {
            b"prji" => {
                cursor.full_box(0)?;
                self.projection = Some(cursor.four_cc()?);
            }
            b"pkin" => {
                cursor.full_box(0)?;
                self.packing = Some(cursor.four_cc()?);
            }
            b"hero" => {
                cursor.full_box(0)?;
                self.hero = Some(cursor.u8()?);
            }
            b"stri" => {
                cursor.full_box(0)?;
                let bits = cursor.u8()?;
                let is = |bit: u8| bits & 1 << bit != 0;
                self.eyes = Some(Eyes { left: is(0), right: is(1), more: is(2), reversed: is(3) });
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends the `vexu`: `eyes`, `proj`, `pack`, each if there is something in it. Without `eyes`, what is
    /// known of them only with it (`hero`, `cams`, `cmfy`) is left out.
    pub fn write(&self, to: &mut Vec<u8>) {
        write_box(to, b"vexu", |to| {
            if let Some(eyes) = self.eyes {
                write_box(to, b"eyes", |to| self.write_eyes(eyes, to));
            }
            if let Some(FourCc(projection)) = self.projection {
                write_box(to, b"proj", |to| {
                    write_full_box(to, b"prji", 0, 0, |to| to.extend(projection));
                });
            }
            if let Some(FourCc(packing)) = self.packing {
                write_box(to, b"pack", |to| {
                    write_full_box(to, b"pkin", 0, 0, |to| to.extend(packing));
                });
            }
        });
    }

    fn write_eyes(&self, eyes: Eyes, to: &mut Vec<u8>) {
        let bits = u8::from(eyes.left)
            | u8::from(eyes.right) << 1
            | u8::from(eyes.more) << 2
            | u8::from(eyes.reversed) << 3;
        write_full_box(to, b"stri", 0, 0, |to| to.push(bits));
        if let Some(hero) = self.hero {
            write_full_box(to, b"hero", 0, 0, |to| to.push(hero));
        }
        let mut group = |around: &[u8; 4], kind: &[u8; 4], value: [u8; 4]| {
            write_box(to, around, |to| write_full_box(to, kind, 0, 0, |to| to.extend(value)));
        };
        if let Some(baseline) = self.baseline_um {
            group(b"cams", b"blin", baseline.to_be_bytes());
        }
        if let Some(disparity) = self.disparity {
            group(b"cmfy", b"dadj", disparity.to_be_bytes());
        }
    }
}

/// The number in the box of a group that holds one.
fn number(group: &BoxRef<'_>, kind: &[u8; 4]) -> Result<Option<u32>, BoxError> {
    let Some(found) = group.children().find_kind(kind)? else { return Ok(None) };
    let mut cursor = found.cursor();
    cursor.full_box(0)?;
    cursor.u32().map(Some)
}

/// Reads an `hfov`: the horizontal field of view in thousandths of a degree.
///
/// # Errors
/// A box that is cut.
pub fn parse_hfov(found: &BoxRef<'_>) -> Result<u32, BoxError> {
    found.cursor().u32()
}

/// Appends an `hfov`.
pub fn write_hfov(millidegrees: u32, to: &mut Vec<u8>) {
    write_box(to, b"hfov", |to| to.extend(millidegrees.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Boxes;

    /// The bytes that an iPhone writes for spatial video.
    const SPATIAL: &[u8] = b"\0\0\0\x65vexu\
        \0\0\0\x45eyes\0\0\0\x0dstri\0\0\0\0\x03\
        \0\0\0\x18cams\0\0\0\x10blin\0\0\0\0\0\0\x4b\x28\
        \0\0\0\x18cmfy\0\0\0\x10dadj\0\0\0\0\0\0\0\xc8\
        \0\0\0\x18proj\0\0\0\x10prji\0\0\0\0rect";

    #[test]
    fn spatial_video_byte_for_byte() {
        let vexu = Extended {
            projection: Some(FourCc(*b"rect")),
            eyes: Some(Eyes { left: true, right: true, ..Eyes::default() }),
            baseline_um: Some(19_240),
            disparity: Some(200),
            ..Extended::default()
        };
        let found = Boxes::new(FourCc(*b"hvc1"), SPATIAL).next().unwrap().unwrap();
        assert_eq!(Extended::parse(&found), Ok(vexu));
        let mut written = Vec::new();
        vexu.write(&mut written);
        assert_eq!(written, SPATIAL);
        written.clear();
        write_hfov(64_000, &mut written);
        assert_eq!(written, b"\0\0\0\x0chfov\0\0\xfa\0");
    }

    #[test]
    fn frames_with_both_eyes_say_how_they_are_packed() {
        let vexu = Extended {
            projection: Some(FourCc(*b"hequ")),
            eyes: Some(Eyes { left: true, right: true, more: false, reversed: true }),
            hero: Some(2),
            packing: Some(FourCc(*b"side")),
            ..Extended::default()
        };
        let mut written = Vec::new();
        vexu.write(&mut written);
        let packed = b"\0\0\0\x18pack\0\0\0\x10pkin\0\0\0\0side";
        assert!(written.ends_with(packed), "{}", written.escape_ascii());
        let found = Boxes::new(FourCc(*b"hvc1"), &written).next().unwrap().unwrap();
        assert_eq!(Extended::parse(&found), Ok(vexu));
    }
}
