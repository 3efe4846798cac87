//! Directories of a TIFF structure: what TIFF pictures, EXIF blocks and multi-picture indexes are made of.
//!
//! Source: TIFF 6.0, section 2. What is written is little-endian with offsets of 32 bits; either order and
//! `BigTIFF` are [`read`].

use std::collections::BTreeMap;

pub(crate) mod read;

/// The first bytes of the structure; the offset of the first directory, which comes last, is filled in by
/// [`Directory::write_first`].
pub(crate) const HEAD: [u8; 8] = *b"II*\0\0\0\0\0";

/// What a tag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// `BYTE`.
    Bytes(Vec<u8>),
    /// `ASCII`; the zero at its end is added.
    Ascii(String),
    /// `SHORT`.
    Shorts(Vec<u16>),
    /// `LONG`.
    Longs(Vec<u32>),
    /// `RATIONAL`: numerator and denominator.
    Rationals(Vec<(u32, u32)>),
    /// `UNDEFINED`: bytes whose meaning the tag says.
    Undefined(Vec<u8>),
    /// `SRATIONAL`.
    SignedRationals(Vec<(i32, i32)>),
    /// The offset of another directory.
    Directory(Directory),
}

/// Tags and their values, ascending, as the format wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory(BTreeMap<u16, Value>);

impl Directory {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, tag: u16) -> Option<&Value> {
        self.0.get(&tag)
    }

    /// The first number of a tag whose values are whole and not negative.
    pub(crate) fn number(&self, tag: u16) -> Option<u64> {
        match self.get(tag)? {
            Value::Bytes(values) => values.first().map(|value| u64::from(*value)),
            Value::Shorts(values) => values.first().map(|value| u64::from(*value)),
            Value::Longs(values) => values.first().map(|value| u64::from(*value)),
            Value::Ascii(_)
            | Value::Rationals(_)
            | Value::Undefined(_)
            | Value::SignedRationals(_)
            | Value::Directory(_) => None,
        }
    }

    /// Sets every tag of another directory.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(tag, value)| (*tag, value.clone())));
    }

    pub(crate) fn set(&mut self, tag: u16, value: Value) {
        self.0.insert(tag, value);
    }

    /// Appends the directory to a structure that began with [`HEAD`], and says so there.
    ///
    /// # Panics
    /// If `structure` is shorter than its head.
    pub(crate) fn write_first(&self, structure: &mut Vec<u8>) {
        let at = self.append(structure);
        structure[4..8].copy_from_slice(&at.to_le_bytes());
    }

    /// Appends entries, then the values that do not fit into them. Where it begins is the answer.
    fn append(&self, structure: &mut Vec<u8>) -> u32 {
        const ENTRY_BYTES: usize = 12;

        structure.extend((structure.len() % 2 == 1).then_some(0));
        let at = structure.len();
        structure.extend((self.0.len() as u16).to_le_bytes());
        // The last four bytes say that no directory follows.
        structure.resize(at + 2 + ENTRY_BYTES * self.0.len() + 4, 0);
        for (index, (tag, value)) in self.0.iter().enumerate() {
            let (kind, count, bytes) = match value {
                Value::Directory(directory) => {
                    (4_u16, 1, directory.append(structure).to_le_bytes().to_vec())
                }
                other => other.encoded(),
            };
            let mut place = [0; 4];
            if bytes.len() <= place.len() {
                place[..bytes.len()].copy_from_slice(&bytes);
            } else {
                structure.extend((structure.len() % 2 == 1).then_some(0));
                place = (structure.len() as u32).to_le_bytes();
                structure.extend(bytes);
            }
            let entry = at + 2 + ENTRY_BYTES * index;
            structure[entry..entry + 2].copy_from_slice(&tag.to_le_bytes());
            structure[entry + 2..entry + 4].copy_from_slice(&kind.to_le_bytes());
            structure[entry + 4..entry + 8].copy_from_slice(&(count as u32).to_le_bytes());
            structure[entry + 8..entry + 12].copy_from_slice(&place);
        }
        at as u32
    }
}

impl Value {
    /// Type, count and bytes; a directory has none of its own.
    fn encoded(&self) -> (u16, usize, Vec<u8>) {
        match self {
            Self::Bytes(bytes) => (1, bytes.len(), bytes.clone()),
            Self::Ascii(text) => (2, text.len() + 1, [text.as_bytes(), b"\0"].concat()),
            Self::Shorts(values) => {
                (3, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Self::Longs(values) => {
                (4, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Self::Rationals(values) => {
                let words = values.iter().flat_map(|(over, under)| [over, under]);
                (5, values.len(), words.flat_map(|v| v.to_le_bytes()).collect())
            }
            Self::Undefined(bytes) => (7, bytes.len(), bytes.clone()),
            Self::SignedRationals(values) => {
                let words = values.iter().flat_map(|(over, under)| [over, under]);
                (10, values.len(), words.flat_map(|v| v.to_le_bytes()).collect())
            }
            Self::Directory(_) => (4, 0, Vec::new()),
        }
    }
}
