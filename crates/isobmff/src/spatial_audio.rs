//! `SA3D`: what the channels of an ambisonic track are.

use crate::{BoxError, BoxRef};

/// Channels of a track that is described: order 6 has 49.
const CHANNELS_MAX: usize = 256;

/// An `SA3D` box (Google's Spatial Audio RFC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpatialAudio {
    /// 0 is periphonic: all directions.
    pub ambisonic_type: u8,
    /// Whether two more channels follow that do not turn with the head.
    pub head_locked_stereo: bool,
    /// Order of the ambisonics, 1 for four channels.
    pub order: u32,
    /// 0 is ACN.
    pub channel_ordering: u8,
    /// 0 is SN3D.
    pub normalization: u8,
    /// For each channel of the track the component that it holds.
    pub channel_map: Vec<u32>,
}

impl SpatialAudio {
    /// Reads an `SA3D`.
    ///
    /// # Errors
    /// A version other than 0, a box that ends too early, or more than 256 channels.
    pub fn parse(found: &BoxRef<'_>) -> Result<Self, BoxError> {
        let mut cursor = found.cursor();
        let version = cursor.u8()?;
        if version != 0 {
            return Err(BoxError::Version { kind: found.kind, version });
        }
        let kind = cursor.u8()?;
        let order = cursor.u32()?;
        let (channel_ordering, normalization) = (cursor.u8()?, cursor.u8()?);
        let channels = cursor.u32()? as usize;
        if channels > CHANNELS_MAX {
            return Err(BoxError::TooMany { kind: found.kind, max: CHANNELS_MAX });
        }
        let channel_map = (0..channels).map(|_| cursor.u32()).collect::<Result<_, _>>()?;
        Ok(Self {
            ambisonic_type: kind & 0x7f,
            head_locked_stereo: kind & 0x80 != 0,
            order,
            channel_ordering,
            normalization,
            channel_map,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Boxes, FourCc};

    #[test]
    fn first_order_as_the_rfc_lays_it_out() {
        let bytes =
            b"\0\0\0\x24SA3D\0\x80\0\0\0\x01\0\0\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03";
        let found = Boxes::new(FourCc(*b"mp4a"), bytes).next().unwrap().unwrap();
        let expected = SpatialAudio {
            ambisonic_type: 0,
            head_locked_stereo: true,
            order: 1,
            channel_ordering: 0,
            normalization: 0,
            channel_map: vec![0, 1, 2, 3],
        };
        assert_eq!(SpatialAudio::parse(&found), Ok(expected));
        let cut = BoxRef { body: &found.body[..found.body.len() - 1], ..found };
        assert_eq!(SpatialAudio::parse(&cut), Err(BoxError::Short(FourCc(*b"SA3D"))));
    }
}
