//! Boxes, one after the other.

use crate::cursor::Cursor;
use crate::{BoxError, FourCc};

/// Boxes that one box may hold; the largest real ones hold a few dozen.
pub const BOXES_MAX: usize = 4096;

/// The head of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxHeader {
    /// Its name.
    pub kind: FourCc,
    /// Bytes of the head: 8, or 16 where the size has 64 bits. The extended type of a `uuid` belongs to
    /// the body.
    pub head_bytes: u8,
    /// Bytes of the body; `None` if it goes on to the end of the file.
    pub body_bytes: Option<u64>,
}

impl BoxHeader {
    /// Bytes that [`parse`](Self::parse) wants to see, where there are as many.
    pub const BYTES_MAX: usize = 16;

    /// The head of the box that begins here.
    ///
    /// # Errors
    /// [`BoxError::Short`] if there are too few bytes, [`BoxError::Size`] for a size below the head's own.
    pub fn parse(bytes: &[u8]) -> Result<Self, BoxError> {
        let mut cursor = Cursor::new(FourCc(*b"box "), bytes);
        let short = cursor.u32()?;
        let kind = cursor.four_cc()?;
        let (head_bytes, whole) = match short {
            0 => return Ok(Self { kind, head_bytes: 8, body_bytes: None }),
            1 => (16, cursor.u64()?),
            size => (8, u64::from(size)),
        };
        let body = whole.checked_sub(u64::from(head_bytes)).ok_or(BoxError::Size(kind))?;
        Ok(Self { kind, head_bytes, body_bytes: Some(body) })
    }
}

/// A box in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BoxRef<'a> {
    /// Its name.
    pub kind: FourCc,
    /// What it holds.
    pub body: &'a [u8],
    /// Head and body.
    pub whole: &'a [u8],
}

impl std::fmt::Debug for BoxRef<'_> {
    /// The name and the size: bodies may be long.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} bytes)", self.kind, self.whole.len())
    }
}

impl<'a> BoxRef<'a> {
    /// The boxes inside.
    pub const fn children(&self) -> Boxes<'a> {
        Boxes::new(self.kind, self.body)
    }

    pub(crate) const fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.kind, self.body)
    }
}

/// The boxes in a stretch of bytes. It ends after the first error, and after [`BOXES_MAX`] boxes with one.
#[derive(Clone, Debug)]
pub struct Boxes<'a> {
    parent: FourCc,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Boxes<'a> {
    /// The boxes in `bytes`, which are the body of a box named `parent`.
    pub const fn new(parent: FourCc, bytes: &'a [u8]) -> Self {
        Self { parent, rest: bytes, left: BOXES_MAX }
    }

    /// The first box of this name.
    ///
    /// # Errors
    /// What is wrong with a box before it.
    pub fn find_kind(mut self, kind: &[u8; 4]) -> Result<Option<BoxRef<'a>>, BoxError> {
        self.find(|found| !matches!(found, Ok(other) if other.kind != kind)).transpose()
    }

    fn take(&mut self) -> Result<BoxRef<'a>, BoxError> {
        if self.left == 0 {
            return Err(BoxError::TooMany { kind: self.parent, max: BOXES_MAX });
        }
        self.left -= 1;
        let header = BoxHeader::parse(self.rest).map_err(|error| {
            if matches!(error, BoxError::Short(_)) { BoxError::Short(self.parent) } else { error }
        })?;
        let head = usize::from(header.head_bytes);
        let room = self.rest.len() - head;
        let body = match header.body_bytes {
            None => room,
            Some(bytes) => usize::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes <= room)
                .ok_or(BoxError::Short(header.kind))?,
        };
        let (whole, rest) = self.rest.split_at(head + body);
        self.rest = rest;
        Ok(BoxRef { kind: header.kind, body: &whole[head..], whole })
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<BoxRef<'a>, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        // QuickTime ends some lists with four bytes of zero.
        if self.rest.is_empty() || self.rest == [0; 4] {
            return None;
        }
        let taken = self.take();
        if taken.is_err() {
            self.rest = &[];
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> Result<Vec<String>, BoxError> {
        Boxes::new(FourCc(*b"test"), bytes).map(|found| Ok(found?.kind.to_string())).collect()
    }

    #[test]
    fn sizes_of_32_and_64_bits_and_to_the_end() {
        let bytes = b"\0\0\0\x09free!\0\0\0\x01wide\0\0\0\0\0\0\0\x11!\0\0\0\0mdat and on";
        assert_eq!(kinds(bytes).unwrap(), ["free", "wide", "mdat"]);
        let bodies: Vec<_> = Boxes::new(FourCc(*b"test"), bytes).map(|b| b.unwrap().body).collect();
        assert_eq!(bodies, [&b"!"[..], b"!", b" and on"]);
    }

    #[test]
    fn a_size_that_lies_is_refused() {
        let test = FourCc(*b"test");
        for (bytes, error) in [
            (&b"\0\0\0\x09free"[..], BoxError::Short(FourCc(*b"free"))),
            (b"\0\0\0\x07free!", BoxError::Size(FourCc(*b"free"))),
            (b"\0\0\0\x01free\0\0\0\0\0\0\0\x0f", BoxError::Size(FourCc(*b"free"))),
            (b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff", BoxError::Short(FourCc(*b"free"))),
            (b"\0\0\0\x01free\0\0", BoxError::Short(test)),
            (b"\0\0\0", BoxError::Short(test)),
        ] {
            assert_eq!(kinds(bytes), Err(error), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn boxes_are_counted() {
        let bytes = b"\0\0\0\x08free".repeat(BOXES_MAX);
        assert_eq!(kinds(&bytes).unwrap().len(), BOXES_MAX);
        let bytes = b"\0\0\0\x08free".repeat(BOXES_MAX + 1);
        let error = BoxError::TooMany { kind: FourCc(*b"test"), max: BOXES_MAX };
        assert_eq!(kinds(&bytes), Err(error));
    }
}
