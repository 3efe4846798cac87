//! Tiles and thumbnails: interleaved RGB to JPEG or WebP.

use panofleet_job_schema::operation::TileFormat;
use panofleet_raster::Size;

use crate::error::MediaError;

mod jpeg;
mod webp;

/// An encoder with its settings; each thread has its own and uses it for many pictures.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    icc: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Codec {
    Jpeg(turbojpeg::Compressor),
    Webp { quality: u8 },
}

impl Encoder {
    /// An encoder for `format` at `quality`, 1 to 100; `icc` is embedded in every picture.
    ///
    /// # Errors
    /// `Encode` if the codec cannot be set up.
    pub fn new(format: TileFormat, quality: u8, icc: Option<Vec<u8>>) -> Result<Self, MediaError> {
        let codec = match format {
            TileFormat::Jpeg => Codec::Jpeg(jpeg::compressor(quality)?),
            TileFormat::Webp => Codec::Webp { quality },
        };
        Ok(Self { codec, icc })
    }

    /// Encodes `height × width × 3` samples.
    ///
    /// # Errors
    /// `OutputTooLarge` for a WebP with a side beyond 16,383 pixels; `Encode`.
    ///
    /// # Panics
    /// If `rgb` has another length than `size` says.
    pub fn encode(&mut self, rgb: &[u8], size: Size) -> Result<Vec<u8>, MediaError> {
        assert_eq!(rgb.len() as u64, 3 * size.area_px(), "three samples a pixel");
        match &mut self.codec {
            Codec::Jpeg(compressor) => jpeg::encode(compressor, rgb, size, self.icc.as_deref()),
            Codec::Webp { quality } => webp::encode(*quality, rgb, size, self.icc.as_deref()),
        }
    }
}
