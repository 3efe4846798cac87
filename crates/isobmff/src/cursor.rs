//! Fields of a box, one after the other.

use crate::{BoxError, FourCc};

/// What is left of a box's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    kind: FourCc,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(kind: FourCc, body: &'a [u8]) -> Self {
        Self { kind, rest: body }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BoxError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(BoxError::Short(self.kind))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn skip(&mut self, bytes: usize) -> Result<(), BoxError> {
        self.rest = self.rest.get(bytes..).ok_or(BoxError::Short(self.kind))?;
        Ok(())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BoxError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BoxError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, BoxError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BoxError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn four_cc(&mut self) -> Result<FourCc, BoxError> {
        self.array().map(FourCc)
    }

    /// A number of 32 bits in version 0, of 64 in version 1.
    pub(crate) fn wide(&mut self, version: u8) -> Result<u64, BoxError> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// Version and flags, of which the version may be `version_max` at most.
    pub(crate) fn full_box(&mut self, version_max: u8) -> Result<(u8, u32), BoxError> {
        let [version, flags @ ..] = self.array::<4>()?;
        if version > version_max {
            return Err(BoxError::Version { kind: self.kind, version });
        }
        let [high, middle, low] = flags;
        Ok((version, u32::from_be_bytes([0, high, middle, low])))
    }
}
