//! Boxes put into a finished `moov`, and its samples moved.

use crate::boxes::Boxes;
use crate::movie::track_id;
use crate::sample_entry::VIDEO_BYTES;
use crate::{BoxError, BoxRef, FourCc, write_box};

/// Boxes of a sample entry that metadata comes before (ISO/IEC 14496-12 has them last).
const LATE: [&[u8; 4]; 4] = [b"pasp", b"clap", b"colr", b"btrt"];

/// Boxes that describe a sphere or eyes; they are taken out before others are put in, so that none is stale.
const SPHERICAL: [&[u8; 4]; 4] = [b"st3d", b"sv3d", b"vexu", b"hfov"];

/// What is put into one video track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackEdit {
    /// The track's number.
    pub track_id: u32,
    /// Boxes for each of its sample entries, behind the codec's configuration.
    pub entry_boxes: Vec<u8>,
    /// Boxes at the end of `trak`.
    pub track_boxes: Vec<u8>,
    /// How frames are turned when they are shown: clockwise by 90, 180 or 270 degrees. 0 leaves the matrix alone.
    pub rotation_deg: i32,
}

/// A changed copy of a `moov`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovieEdit {
    /// Changes of tracks; others stay as they are, and lose no metadata.
    pub tracks: Vec<TrackEdit>,
}

impl MovieEdit {
    /// The whole `moov` box with the edits in it.
    ///
    /// `shift` says by how many bytes all samples move in the file when the `moov` gets `moov_bytes` long:
    /// 0 if it stays behind them, `moov_bytes` if it is put before them. Offsets that grow beyond 32 bits
    /// become `co64`.
    ///
    /// # Errors
    /// A `moov` that is cut or damaged.
    pub fn apply(&self, moov: &[u8], shift: impl Fn(u64) -> u64) -> Result<Vec<u8>, BoxError> {
        let mut by = shift(moov.len() as u64);
        // The length decides the offsets, and these their own width. It only ever grows.
        loop {
            let mut edited = Vec::with_capacity(moov.len() + 1024);
            let mut failed = None;
            write_box(&mut edited, b"moov", |to| failed = self.write_movie(moov, by, to).err());
            match failed {
                Some(error) => return Err(error),
                None if shift(edited.len() as u64) == by => return Ok(edited),
                None => by = shift(edited.len() as u64),
            }
        }
    }

    fn write_movie(&self, moov: &[u8], by: u64, to: &mut Vec<u8>) -> Result<(), BoxError> {
        for found in Boxes::new(FourCc(*b"moov"), moov) {
            let found = found?;
            if found.kind != b"trak" {
                to.extend(found.whole);
                continue;
            }
            let tkhd = found.children().find_kind(b"tkhd")?;
            let id = tkhd.map(|tkhd| track_id(&tkhd)).transpose()?;
            let edit = self.tracks.iter().find(|edit| Some(edit.track_id) == id);
            let writer = TrackWriter { edit, by };
            around(to, &found, |to| {
                writer.write(&found, to)?;
                to.extend(edit.map_or(&[][..], |edit| &edit.track_boxes));
                Ok(())
            })?;
        }
        Ok(())
    }
}

struct TrackWriter<'e> {
    edit: Option<&'e TrackEdit>,
    by: u64,
}

impl TrackWriter<'_> {
    /// Copies what a box holds; it goes four levels down, to `stbl`.
    fn write(&self, parent: &BoxRef<'_>, to: &mut Vec<u8>) -> Result<(), BoxError> {
        for found in parent.children() {
            let found = found?;
            match (&parent.kind.0, &found.kind.0) {
                (b"trak", b"mdia") | (b"mdia", b"minf") | (b"minf", b"stbl") => {
                    around(to, &found, |to| self.write(&found, to))?;
                }
                (b"stbl", b"stsd") => around(to, &found, |to| self.write_entries(&found, to))?,
                (b"stbl", b"stco") => self.write_offsets::<4>(&found, to)?,
                (b"stbl", b"co64") => self.write_offsets::<8>(&found, to)?,
                (b"trak", b"tkhd") => to.extend(self.turned(&found)?),
                (b"trak", b"uuid")
                    if self.edit.is_some() && found.body.starts_with(&crate::v1::UUID) => {}
                _ => to.extend(found.whole),
            }
        }
        Ok(())
    }

    /// A `tkhd` with the matrix that turns frames by the edit's angle.
    fn turned(&self, tkhd: &BoxRef<'_>) -> Result<Vec<u8>, BoxError> {
        let mut whole = tkhd.whole.to_vec();
        let Some(matrix) = self.edit.and_then(|edit| matrix(edit.rotation_deg)) else {
            return Ok(whole);
        };
        let version = tkhd.body.first().copied().unwrap_or(0);
        // Behind times, durations, layer, group and volume (ISO/IEC 14496-12, 8.3.2).
        let at = whole.len() - tkhd.body.len() + if version == 0 { 40 } else { 52 };
        let bytes: Vec<u8> = matrix.iter().flat_map(|value| value.to_be_bytes()).collect();
        let place = whole.get_mut(at..at + bytes.len()).ok_or(BoxError::Short(tkhd.kind))?;
        place.copy_from_slice(&bytes);
        Ok(whole)
    }

    fn write_entries(&self, stsd: &BoxRef<'_>, to: &mut Vec<u8>) -> Result<(), BoxError> {
        let (head, entries) = stsd.body.split_at_checked(8).ok_or(BoxError::Short(stsd.kind))?;
        to.extend(head);
        for entry in Boxes::new(stsd.kind, entries) {
            let entry = entry?;
            let Some(edit) = self.edit else {
                to.extend(entry.whole);
                continue;
            };
            let (fields, boxes) =
                entry.body.split_at_checked(VIDEO_BYTES).ok_or(BoxError::Short(entry.kind))?;
            let boxes = Boxes::new(entry.kind, boxes).collect::<Result<Vec<_>, _>>()?;
            let is = |found: &BoxRef<'_>, kinds: &[&[u8; 4]]| {
                kinds.iter().any(|kind| found.kind == *kind)
            };
            let kept: Vec<_> = boxes.iter().filter(|found| !is(found, &SPHERICAL)).collect();
            let late = kept.iter().position(|found| is(found, &LATE)).unwrap_or(kept.len());
            around(to, &entry, |to| {
                to.extend(fields);
                kept[..late].iter().for_each(|found| to.extend(found.whole));
                to.extend(&edit.entry_boxes);
                kept[late..].iter().for_each(|found| to.extend(found.whole));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Chunk offsets of `N` bytes each, moved.
    fn write_offsets<const N: usize>(
        &self,
        found: &BoxRef<'_>,
        to: &mut Vec<u8>,
    ) -> Result<(), BoxError> {
        let mut cursor = found.cursor();
        cursor.full_box(0)?;
        let count = cursor.u32()?;
        let (offsets, _) = cursor.rest().as_chunks::<N>();
        let offsets = offsets.get(..count as usize).ok_or(BoxError::Short(found.kind))?;
        let overflow = BoxError::Value { kind: found.kind, said: "an offset is beyond every file" };
        let moved = offsets
            .iter()
            .map(|bytes| bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
            .map(|offset| offset.checked_add(self.by))
            .collect::<Option<Vec<_>>>()
            .ok_or(overflow)?;
        let narrow = moved.iter().all(|offset| *offset <= u64::from(u32::MAX)) && N == 4;
        write_box(to, if narrow { b"stco" } else { b"co64" }, |to| {
            to.extend(0_u32.to_be_bytes());
            to.extend(count.to_be_bytes());
            for offset in &moved {
                let bytes = offset.to_be_bytes();
                to.extend(if narrow { &bytes[4..] } else { &bytes[..] });
            }
        });
        Ok(())
    }
}

/// The nine numbers of a quarter turn, in 16.16 and 2.30 fixed point; `None` for no turn.
///
/// A point (x, y) is shown at (a·x + c·y, b·x + d·y).
const fn matrix(rotation_deg: i32) -> Option<[i32; 9]> {
    const ONE: i32 = 1 << 16;
    let [a, b, c, d] = match rotation_deg.rem_euclid(360) {
        90 => [0, ONE, -ONE, 0],
        180 => [-ONE, 0, 0, -ONE],
        270 => [0, -ONE, ONE, 0],
        _ => return None,
    };
    Some([a, b, 0, c, d, 0, 0, 0, 1 << 30])
}

/// Writes a box of the same name around what `body` writes.
fn around(
    to: &mut Vec<u8>,
    found: &BoxRef<'_>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let mut outcome = Ok(());
    write_box(to, &found.kind.0, |to| outcome = body(to));
    outcome
}
