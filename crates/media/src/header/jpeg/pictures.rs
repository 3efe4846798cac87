//! The index of a file that holds several JPEG pictures (CIPA DC-007, "Multi-Picture Format").

use std::io::{self, Cursor};

use crate::ifd::Value;
use crate::ifd::read::Structure;

/// Pictures of one file that are looked at.
const PICTURES_MAX: usize = 64;

/// A picture behind the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Where it begins, counted from the index.
    pub(super) offset: u32,
    /// A smaller copy for cameras' screens.
    pub(super) is_preview: bool,
}

/// The pictures besides the first.
///
/// # Errors
/// `InvalidData`, or the end of the index before its entries'.
pub(super) fn read(index: &[u8]) -> io::Result<Vec<Other>> {
    const ENTRIES: u16 = 0xb002;
    const ENTRY_BYTES: usize = 16;

    let mut reader = Cursor::new(index);
    let (mut structure, first) = Structure::open(&mut reader, ENTRY_BYTES * PICTURES_MAX)?;
    let found = structure.directory(first, |tag| tag == ENTRIES)?;
    let Some(Value::Undefined(entries)) = found.tags.get(ENTRIES) else { return Ok(Vec::new()) };
    let big_endian = index.starts_with(b"M");
    let long = |four: [u8; 4]| {
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    let others = entries.as_chunks::<ENTRY_BYTES>().0.iter().map(
        |[a0, a1, a2, a3, _, _, _, _, o0, o1, o2, o3, ..]| {
            // The type of a picture is what the lower 24 bits of its attributes say.
            let kind = long([*a0, *a1, *a2, *a3]) & 0xff_ffff;
            Other {
                offset: long([*o0, *o1, *o2, *o3]),
                is_preview: matches!(kind, 0x01_0001 | 0x01_0002),
            }
        },
    );
    // The first picture has no offset.
    Ok(others.filter(|other| other.offset != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_listed() {
        let entry = |kind: u32, offset: u32| {
            [kind.to_be_bytes(), 900_u32.to_be_bytes(), offset.to_be_bytes(), [0; 4]].concat()
        };
        let entries =
            [entry(0x2003_0000, 0), entry(0x4001_0001, 5000), entry(0x0002_0002, 6000)].concat();
        let mut index = b"MM\0*\0\0\0\x08\0\x02".to_vec();
        index.extend([0xb0, 0x00, 0, 7, 0, 0, 0, 4, b'0', b'1', b'0', b'0']);
        index.extend([0xb0, 0x02, 0, 7, 0, 0, 0, 48, 0, 0, 0, 38, 0, 0, 0, 0]);
        index.extend(&entries);
        let expected =
            [Other { offset: 5000, is_preview: true }, Other { offset: 6000, is_preview: false }];
        assert_eq!(read(&index).unwrap(), expected);
        // An index that is cut off has no entries, and one that is none is an error.
        assert_eq!(read(&index[..60]).unwrap(), []);
        assert!(read(b"M").is_err());
    }
}
