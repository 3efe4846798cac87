//! How pictures are coded, whichever codec it is.

use super::Colour;
use crate::BoxError;
use crate::av1::{self, Av1Configuration};
use crate::avc::{self, AvcConfiguration};
use crate::hevc::{self, HevcConfiguration};

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoConfiguration {
    /// H.264.
    Avc(AvcConfiguration),
    /// HEVC.
    Hevc(HevcConfiguration),
    /// AV1.
    Av1(Av1Configuration),
}

impl VideoConfiguration {
    /// What `CODECS` calls it (RFC 6381), for samples of these colours.
    pub fn codecs(&self, colour: Option<Colour>) -> String {
        match self {
            Self::Avc(avc) => avc.codecs(),
            Self::Hevc(hevc) => hevc.codecs(),
            Self::Av1(av1) => av1.codecs(colour),
        }
    }

    /// Appends a sample, made of what an encoder puts out for a frame. True if decoding can begin with it.
    ///
    /// # Errors
    /// What is wrong with the units.
    pub fn write_sample(&self, stream: &[u8], to: &mut Vec<u8>) -> Result<bool, BoxError> {
        match self {
            Self::Avc(_) => avc::write_sample(stream, to),
            Self::Hevc(_) => hevc::write_sample(stream, to),
            Self::Av1(_) => av1::write_sample(stream, to),
        }
    }

    /// The kind of its sample entry: one whose parameter sets lie in it.
    pub(super) const fn entry(&self) -> &'static [u8; 4] {
        match self {
            Self::Avc(_) => b"avc1",
            Self::Hevc(_) => b"hvc1",
            Self::Av1(_) => b"av01",
        }
    }

    /// A brand that files of this codec have besides.
    pub(super) const fn brand(&self) -> &'static [u8] {
        match self {
            Self::Avc(_) | Self::Hevc(_) => b"",
            Self::Av1(_) => b"av01",
        }
    }

    /// Appends the box that describes it.
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), BoxError> {
        match self {
            Self::Avc(avc) => return avc.write(to),
            Self::Hevc(hevc) => hevc.write(to),
            Self::Av1(av1) => av1.write(to),
        }
        Ok(())
    }
}
