//! The reader: directories anywhere in a file, in either byte order, `BigTIFF` too.
//!
//! Counts and offsets are the sender's word. Nothing is allocated before its bytes were read, a structure
//! has a budget for all of its values, and a tag whose value lies outside of the file is as good as none.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Directory, Value};
use crate::header::{self, bytes};

/// Entries that are looked at in one directory; pictures have about twenty, and EXIF defines about a hundred.
const ENTRIES_MAX: u64 = 1000;

/// A structure that begins at some place of a file or of a block.
#[derive(Debug)]
pub(crate) struct Structure<'a, R> {
    reader: &'a mut R,
    /// Where offsets are counted from.
    start: u64,
    big_endian: bool,
    wide: bool,
    /// Bytes of values that may still be read.
    budget_bytes: usize,
}

/// One directory: the tags that were wanted, and the offset of the next one, 0 for none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) tags: Directory,
    pub(crate) next: u64,
}

impl<'a, R: Read + Seek> Structure<'a, R> {
    /// Reads the head of a structure where the reader stands, and says where its first directory is.
    ///
    /// # Errors
    /// `InvalidData` for another head; what the reader says.
    pub(crate) fn open(reader: &'a mut R, budget_bytes: usize) -> io::Result<(Self, u64)> {
        let start = reader.stream_position()?;
        let [order, same, magic @ ..] = bytes::<4>(reader)?;
        let big_endian = order == b'M';
        let magic = if big_endian { u16::from_be_bytes(magic) } else { u16::from_le_bytes(magic) };
        if order != same || !matches!(order, b'I' | b'M') || !matches!(magic, 42 | 43) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no TIFF structure"));
        }
        let wide = magic == 43;
        let mut structure = Self { reader, start, big_endian, wide, budget_bytes };
        if wide {
            structure.whole(4)?;
        }
        let first = structure.offset()?;
        Ok((structure, first))
    }

    /// Reads the directory at an offset, with the values of the tags that are wanted.
    ///
    /// # Errors
    /// What the reader says about the directory itself.
    pub(crate) fn directory(&mut self, at: u64, wanted: impl Fn(u16) -> bool) -> io::Result<Found> {
        self.seek(at)?;
        let count = self.whole(if self.wide { 8 } else { 2 })?;
        let start = self.reader.stream_position()?;
        let entry_bytes = if self.wide { 20 } else { 12 };
        let mut found = Found::default();
        for index in 0..count.min(ENTRIES_MAX) {
            self.reader.seek(SeekFrom::Start(start + index * entry_bytes))?;
            let tag = self.whole(2)? as u16;
            if wanted(tag)
                && let Some(value) = self.value()?
            {
                found.tags.set(tag, value);
            }
        }
        let end = count.checked_mul(entry_bytes).and_then(|length| start.checked_add(length));
        // A chain that breaks off after a whole directory spoils nothing.
        found.next = match end.map(|end| self.reader.seek(SeekFrom::Start(end))) {
            Some(Ok(_)) => self.offset().unwrap_or(0),
            Some(Err(_)) | None => 0,
        };
        Ok(found)
    }

    /// The value of the entry whose type comes next; `None` for one that cannot be had.
    fn value(&mut self) -> io::Result<Option<Value>> {
        let kind = self.whole(2)?;
        let count = self.offset()?;
        let each = match kind {
            1 | 2 | 7 => 1,
            3 => 2,
            4 | 13 => 4,
            5 | 10 | 16 | 18 => 8,
            _ => return Ok(None),
        };
        let Some(length) = count.checked_mul(each).and_then(|length| usize::try_from(length).ok())
        else {
            return Ok(None);
        };
        if length > self.budget_bytes {
            return Ok(None);
        }
        if length > if self.wide { 8 } else { 4 } {
            let at = self.offset()?;
            if self.seek(at).is_err() {
                return Ok(None);
            }
        }
        match header::block(self.reader, length) {
            Ok(block) => {
                self.budget_bytes -= length;
                Ok(self.decoded(kind, block))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decoded(&self, kind: u64, block: Vec<u8>) -> Option<Value> {
        let short = |two: &[u8; 2]| {
            if self.big_endian { u16::from_be_bytes(*two) } else { u16::from_le_bytes(*two) }
        };
        let long = |four: &[u8; 4]| {
            if self.big_endian { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) }
        };
        let pairs = || {
            let words = block.as_chunks::<4>().0;
            words.as_chunks::<2>().0.iter().map(|[over, under]| (long(over), long(under)))
        };
        Some(match kind {
            1 => Value::Bytes(block),
            2 => {
                // Several texts may follow each other; only copyright notices have two.
                let end = block.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                Value::Ascii(String::from_utf8_lossy(&block[..end]).into_owned())
            }
            3 => Value::Shorts(block.as_chunks().0.iter().map(short).collect()),
            4 | 13 => Value::Longs(block.as_chunks().0.iter().map(long).collect()),
            5 => Value::Rationals(pairs().collect()),
            7 => Value::Undefined(block),
            10 => Value::SignedRationals(
                pairs().map(|(over, under)| (over.cast_signed(), under.cast_signed())).collect(),
            ),
            // Offsets of `BigTIFF`, of which those within 32 bits are of use here.
            _ => {
                let wide = block.as_chunks::<8>().0.iter().map(|eight| {
                    let wide = if self.big_endian {
                        u64::from_be_bytes(*eight)
                    } else {
                        u64::from_le_bytes(*eight)
                    };
                    u32::try_from(wide).ok()
                });
                Value::Longs(wide.collect::<Option<_>>()?)
            }
        })
    }

    fn seek(&mut self, at: u64) -> io::Result<u64> {
        let at = self.start.checked_add(at).filter(|at| i64::try_from(*at).is_ok());
        let at = at.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.reader.seek(SeekFrom::Start(at))
    }

    /// The next `length` bytes, at most 8, as a number.
    fn whole(&mut self, length: usize) -> io::Result<u64> {
        let mut eight = [0; 8];
        let place = if self.big_endian { &mut eight[8 - length..] } else { &mut eight[..length] };
        self.reader.read_exact(place)?;
        Ok(if self.big_endian { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) })
    }

    fn offset(&mut self) -> io::Result<u64> {
        self.whole(if self.wide { 8 } else { 4 })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::super::HEAD;
    use super::*;

    fn first(block: &[u8]) -> io::Result<Found> {
        let mut reader = Cursor::new(block);
        let (mut structure, at) = Structure::open(&mut reader, 1 << 16)?;
        structure.directory(at, |_| true)
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            vec(any::<u8>(), 1..9).prop_map(Value::Bytes),
            "[ -~]{0,9}[!-~]".prop_map(Value::Ascii),
            vec(any::<u16>(), 1..5).prop_map(Value::Shorts),
            vec(any::<u32>(), 1..5).prop_map(Value::Longs),
            vec(any::<(u32, u32)>(), 1..5).prop_map(Value::Rationals),
            vec(any::<u8>(), 1..9).prop_map(Value::Undefined),
            vec(any::<(i32, i32)>(), 1..5).prop_map(Value::SignedRationals),
        ]
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(tags in btree_map(any::<u16>(), values(), 0..20)) {
            let mut directory = Directory::default();
            tags.iter().for_each(|(tag, value)| directory.set(*tag, value.clone()));
            let mut block = HEAD.to_vec();
            directory.write_first(&mut block);
            prop_assert_eq!(first(&block).unwrap(), Found { tags: directory, next: 0 });
        }

        #[test]
        fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200)) {
            for head in [&b"II*\0\x08\0\0\0"[..], b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"] {
                drop(first(&[head, &bytes].concat()));
            }
        }
    }

    /// Written by hand: big-endian with one entry, and `BigTIFF`.
    #[test]
    fn other_orders_and_widths() {
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\x01\0";
        let found = first(big).unwrap();
        assert_eq!((found.tags.number(0x112), found.next), (Some(6), 256));
        let wide = [
            &b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"[..],
            b"\x01\0\0\0\0\0\0\0",
            b"\x12\x01\x03\0\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0",
            &[0; 8],
        ];
        assert_eq!(first(&wide.concat()).unwrap().tags.number(0x112), Some(8));
    }

    #[test]
    fn lies_cost_nothing() {
        // A count that no file has, a value outside of the file, an unknown type.
        for entry in [
            b"\x12\x01\x04\0\xff\xff\xff\xff\x08\0\0\0",
            b"\x12\x01\x05\0\x01\0\0\0\0\0\0\x7f",
            b"\x12\x01\xee\0\x01\0\0\0\0\0\0\0",
        ] {
            let block = [&b"II*\0\x08\0\0\0\x01\0"[..], entry, &[0; 4]].concat();
            assert_eq!(first(&block).unwrap(), Found::default());
        }
        assert!(first(b"II*\0\xff\xff\xff\xff").is_err());
        assert!(first(b"IM*\0\x08\0\0\0").is_err());
        assert!(first(b"").is_err());
    }
}
