//! What a `moov` says of its tracks.

use crate::boxes::Boxes;
use crate::cursor::Cursor;
use crate::{BoxError, BoxRef, FourCc, SampleEntry, v1};

/// Tracks that are read.
pub const TRACKS_MAX: usize = 128;

/// Entries of an edit list, and of an `stsd`, that are read.
const ENTRIES_MAX: usize = 64;

/// A `moov`.
#[derive(Clone, Debug, PartialEq)]
pub struct Movie {
    /// Units of a second that durations of the movie and of edits count in.
    pub timescale: u32,
    /// Play time in those units.
    pub duration: u64,
    /// Whether samples come in fragments (`mvex`).
    pub fragmented: bool,
    /// The tracks, in their order.
    pub tracks: Vec<Track>,
}

/// A `trak`.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its number.
    pub id: u32,
    /// What it is: `vide`, `soun`, `text`, `subt`.
    pub handler: FourCc,
    /// Units of a second that its samples count in.
    pub timescale: u32,
    /// Duration of its samples in those units.
    pub duration: u64,
    /// Samples that its tables list; fragments add theirs.
    pub samples: u64,
    /// Sum of the time of its samples as `stts` lists them, in its units.
    pub samples_duration: u64,
    /// The edit list.
    pub edits: Vec<Edit>,
    /// How its samples are coded.
    pub entries: Vec<SampleEntry>,
    /// Spherical Video V1.
    pub spherical_v1: Option<v1::Spherical>,
    /// What is wrong with boxes that were left out for it.
    pub faults: Vec<BoxError>,
}

/// One entry of an edit list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// How long it plays, in units of the movie.
    pub duration: u64,
    /// Where in the track it begins, in the track's units; −1 plays nothing.
    pub media_time: i64,
}

impl Movie {
    /// Reads the body of a `moov`.
    ///
    /// # Errors
    /// No `mvhd`, boxes that are cut, or too many tracks. What is wrong inside of one track is a fault of it.
    pub fn parse(moov: &[u8]) -> Result<Self, BoxError> {
        let kind = FourCc(*b"moov");
        let (mut head, mut fragmented, mut tracks) = (None, false, Vec::new());
        for found in Boxes::new(kind, moov) {
            let found = found?;
            match &found.kind.0 {
                b"mvhd" => head = Some(times(&found)?),
                b"mvex" => fragmented = true,
                b"trak" if tracks.len() == TRACKS_MAX => {
                    return Err(BoxError::TooMany { kind, max: TRACKS_MAX });
                }
                b"trak" => tracks.push(Track::parse(&found)),
                _ => {}
            }
        }
        let (timescale, duration) = head.ok_or(BoxError::Missing(FourCc(*b"mvhd")))?;
        Ok(Self { timescale, duration, fragmented, tracks })
    }

    /// The track of this number.
    pub fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

impl Track {
    fn parse(trak: &BoxRef<'_>) -> Self {
        let mut track = Self {
            id: 0,
            handler: FourCc([0; 4]),
            timescale: 0,
            duration: 0,
            samples: 0,
            samples_duration: 0,
            edits: Vec::new(),
            entries: Vec::new(),
            spherical_v1: None,
            faults: Vec::new(),
        };
        track.read_each(trak.children(), Self::read);
        track
    }

    /// Reads each box; what is wrong with one is noted, and the next is read.
    fn read_each(
        &mut self,
        boxes: Boxes<'_>,
        read: fn(&mut Self, &BoxRef<'_>) -> Result<(), BoxError>,
    ) {
        for found in boxes {
            if let Err(fault) = found.and_then(|found| read(self, &found)) {
                self.faults.push(fault);
            }
        }
    }

    /// A box of `trak`.
    fn read(&mut self, found: &BoxRef<'_>) -> Result<(), BoxError> {
        match &found.kind.0 {
            b"tkhd" => self.id = track_id(found)?,
            b"edts" => {
                if let Some(elst) = found.children().find_kind(b"elst")? {
                    self.edits = edits(&elst)?;
                }
            }
            b"uuid" => {
                if let Some(spherical) = v1::Spherical::parse(found)? {
                    self.spherical_v1 = Some(spherical);
                }
            }
            b"mdia" => {
                // The handler decides how sample entries are read, and may come after them.
                if let Some(hdlr) = found.children().find_kind(b"hdlr")? {
                    let mut cursor = hdlr.cursor();
                    cursor.skip(8)?;
                    self.handler = cursor.four_cc()?;
                }
                self.read_each(found.children(), Self::read_media);
            }
            _ => {}
        }
        Ok(())
    }

    /// A box of `mdia`.
    fn read_media(&mut self, found: &BoxRef<'_>) -> Result<(), BoxError> {
        match &found.kind.0 {
            b"mdhd" => (self.timescale, self.duration) = times(found)?,
            b"minf" => {
                if let Some(stbl) = found.children().find_kind(b"stbl")? {
                    self.read_each(stbl.children(), Self::read_table);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A box of `stbl`.
    fn read_table(&mut self, found: &BoxRef<'_>) -> Result<(), BoxError> {
        let mut cursor = found.cursor();
        match &found.kind.0 {
            b"stsd" => {
                cursor.full_box(1)?;
                cursor.skip(4)?;
                for entry in Boxes::new(found.kind, cursor.rest()) {
                    if self.entries.len() == ENTRIES_MAX {
                        return Err(BoxError::TooMany { kind: found.kind, max: ENTRIES_MAX });
                    }
                    self.entries.push(SampleEntry::parse(&entry?, self.handler));
                }
            }
            b"stsz" | b"stz2" => {
                cursor.full_box(0)?;
                cursor.skip(4)?;
                self.samples = cursor.u32()?.into();
            }
            b"stts" => {
                cursor.full_box(0)?;
                self.samples_duration = table_duration(cursor)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Time scale and duration of an `mvhd` or `mdhd`. "Unknown" is written as all ones, and is 0 here.
fn times(found: &BoxRef<'_>) -> Result<(u32, u64), BoxError> {
    let mut cursor = found.cursor();
    let (version, _) = cursor.full_box(1)?;
    cursor.skip(if version == 0 { 8 } else { 16 })?;
    let timescale = cursor.u32()?;
    let duration = cursor.wide(version)?;
    let unknown = if version == 0 { u64::from(u32::MAX) } else { u64::MAX };
    Ok((timescale, if duration == unknown { 0 } else { duration }))
}

pub(crate) fn track_id(tkhd: &BoxRef<'_>) -> Result<u32, BoxError> {
    let mut cursor = tkhd.cursor();
    let (version, _) = cursor.full_box(1)?;
    cursor.skip(if version == 0 { 8 } else { 16 })?;
    cursor.u32()
}

fn edits(elst: &BoxRef<'_>) -> Result<Vec<Edit>, BoxError> {
    let mut cursor = elst.cursor();
    let (version, _) = cursor.full_box(1)?;
    let count = cursor.u32()? as usize;
    if count > ENTRIES_MAX {
        return Err(BoxError::TooMany { kind: elst.kind, max: ENTRIES_MAX });
    }
    let mut edits = Vec::with_capacity(count);
    for _ in 0..count {
        let duration = cursor.wide(version)?;
        let media_time = match version {
            0 => cursor.i32()?.into(),
            _ => cursor.u64()?.cast_signed(),
        };
        // The rate.
        cursor.skip(4)?;
        edits.push(Edit { duration, media_time });
    }
    Ok(edits)
}

/// The sum of count × duration over the rows that are there.
fn table_duration(mut cursor: Cursor<'_>) -> Result<u64, BoxError> {
    let rows = cursor.u32()?;
    let mut sum = 0_u64;
    for row in cursor.rest().chunks_exact(8).take(rows as usize) {
        let [c3, c2, c1, c0, d3, d2, d1, d0] = *row else { continue };
        let count = u64::from(u32::from_be_bytes([c3, c2, c1, c0]));
        let duration = u64::from(u32::from_be_bytes([d3, d2, d1, d0]));
        sum = sum.saturating_add(count * duration);
    }
    Ok(sum)
}
