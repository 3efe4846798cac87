//! Pictures to files: interleaved samples to JPEG, WebP, PNG or TIFF, with the metadata that they carry.

use panofleet_job_schema::media_info::GPano;
use panofleet_job_schema::{MetadataPolicy, PictureFormat};
use panofleet_raster::{Plane, Rect, Size};

use crate::error::MediaError;
use crate::exif::Exif;
use crate::gpano;

mod jpeg;
mod png;
mod tiff;
mod webp;

/// What a picture's file carries besides the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// The colour profile; without one the samples are sRGB.
    pub icc: Option<Vec<u8>>,
    /// An XMP packet, such as [`gpano::write`](crate::gpano::write) makes one. A JPEG holds 65,502 bytes of it.
    pub xmp: Option<String>,
    /// Tags of the picture that it was made of.
    pub exif: Option<Exif>,
}

impl Embedded {
    /// What a derivative carries by a policy, in the colours of `icc`: Photo Sphere fields that are true of
    /// it, and what of `exif` may be told. Without the policy's leave the fields say nothing of programs and
    /// dates either.
    pub fn derivative(
        policy: MetadataPolicy,
        icc: Option<&[u8]>,
        gpano: Option<&GPano>,
        exif: Option<&Exif>,
    ) -> Self {
        let exif = exif.cloned();
        let (exif, gpano) = match policy {
            MetadataPolicy::Strip => (None, gpano.cloned().map(GPano::without_origin)),
            MetadataPolicy::Keep => (exif, gpano.cloned()),
            MetadataPolicy::KeepWithoutLocation => {
                (exif.map(Exif::without_location), gpano.cloned())
            }
        };
        Self { icc: icc.map(<[u8]>::to_vec), xmp: gpano.as_ref().and_then(gpano::write), exif }
    }
}

/// Samples of a picture, `height × width × channels`, row by row from the top; alpha is straight.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// Red, green, blue of 8 bits.
    Rgb8(&'a [u8]),
    /// Red, green, blue, alpha of 8 bits.
    Rgba8(&'a [u8]),
    /// Red, green, blue of 16 bits.
    Rgb16(&'a [u16]),
    /// Red, green, blue, alpha of 16 bits.
    Rgba16(&'a [u16]),
}

impl Samples<'_> {
    const fn channels(&self) -> usize {
        match self {
            Self::Rgb8(_) | Self::Rgb16(_) => 3,
            Self::Rgba8(_) | Self::Rgba16(_) => 4,
        }
    }

    const fn bits(&self) -> usize {
        match self {
            Self::Rgb8(_) | Self::Rgba8(_) => 8,
            Self::Rgb16(_) | Self::Rgba16(_) => 16,
        }
    }

    const fn count(&self) -> usize {
        match self {
            Self::Rgb8(samples) | Self::Rgba8(samples) => samples.len(),
            Self::Rgb16(samples) | Self::Rgba16(samples) => samples.len(),
        }
    }
}

/// An encoder with its settings; each thread has its own and uses it for many pictures.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    embedded: Embedded,
}

#[derive(Debug)]
enum Codec {
    Jpeg(turbojpeg::Compressor),
    Webp { quality: u8 },
    Png,
    Tiff,
}

impl Encoder {
    /// An encoder for `format` at `quality`, 1 to 100, which PNG and TIFF do not need; every picture carries
    /// what is `embedded`.
    ///
    /// # Errors
    /// `Encode` if the codec cannot be set up, or cannot carry what is embedded.
    pub fn new(
        format: impl Into<PictureFormat>,
        quality: u8,
        embedded: Embedded,
    ) -> Result<Self, MediaError> {
        let codec = match format.into() {
            PictureFormat::Jpeg => Codec::Jpeg(jpeg::compressor(quality, &embedded)?),
            PictureFormat::Webp => Codec::Webp { quality },
            PictureFormat::Png => Codec::Png,
            PictureFormat::Tiff => Codec::Tiff,
        };
        Ok(Self { codec, embedded })
    }

    /// Encodes red, green, blue of 8 bits, `height × width × 3`.
    ///
    /// # Errors
    /// As [`encode_samples`](Self::encode_samples).
    ///
    /// # Panics
    /// If `rgb` has another length than `size` says.
    pub fn encode(&mut self, rgb: &[u8], size: Size) -> Result<Vec<u8>, MediaError> {
        self.encode_samples(Samples::Rgb8(rgb), size)
    }

    /// Encodes a part of three planes as a 4:2:0 JPEG stores them, without a copy: luma, and blue and red
    /// difference of half the size, BT.601, full range, chroma in the middle of its pixels.
    ///
    /// # Errors
    /// `Encode` for another format than JPEG, and a part that is not inside or odd.
    pub fn encode_stored(
        &mut self,
        planes: [&Plane<u8>; 3],
        rect: Rect,
    ) -> Result<Vec<u8>, MediaError> {
        match &mut self.codec {
            Codec::Jpeg(compressor) => {
                jpeg::encode_stored(compressor, planes, rect, &self.embedded)
            }
            _ => Err(MediaError::Encode {
                format: "picture",
                source: "only JPEG takes planes as JPEG stores them".into(),
            }),
        }
    }

    /// Encodes samples of any kind that the format can hold
    /// ([`has_alpha`](PictureFormat::has_alpha), [`bits_max`](PictureFormat::bits_max)).
    ///
    /// # Errors
    /// `OutputTooLarge` for a size beyond the format's; `Encode`, for samples that it cannot hold too.
    ///
    /// # Panics
    /// If there are more or fewer samples than `size` says.
    pub fn encode_samples(
        &mut self,
        samples: Samples<'_>,
        size: Size,
    ) -> Result<Vec<u8>, MediaError> {
        let expected = samples.channels() as u64 * size.area_px();
        assert_eq!(samples.count() as u64, expected, "as many samples as the size says");
        let embedded = &self.embedded;
        match (&mut self.codec, samples) {
            (Codec::Jpeg(compressor), Samples::Rgb8(rgb)) => {
                jpeg::encode(compressor, rgb, size, embedded)
            }
            (Codec::Webp { quality }, Samples::Rgb8(samples) | Samples::Rgba8(samples)) => {
                webp::encode(*quality, samples, size, embedded)
            }
            (Codec::Png, samples) => png::encode(samples, size, embedded),
            (Codec::Tiff, samples) => tiff::encode(samples, size, embedded),
            (Codec::Jpeg(_), _) => Err(cannot_hold("JPEG", samples)),
            (Codec::Webp { .. }, _) => Err(cannot_hold("WebP", samples)),
        }
    }
}

fn cannot_hold(format: &'static str, samples: Samples<'_>) -> MediaError {
    let said = format!("it has no {} channels of {} bits", samples.channels(), samples.bits());
    MediaError::Encode { format, source: said.into() }
}
