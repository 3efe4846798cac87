//! The same work on samples of 8 and of 16 bits.

use panofleet_projection::View;
use panofleet_raster::{
    Geometry, Panorama, Picture, RasterError, Rect, Sample, StereoLayout, crop, join_stereo,
    to_eight_bits,
};

use crate::error::MediaError;
use crate::{Encoder, Samples};

/// Samples that pictures are made of: `u8` or `u16`.
pub trait PixelDepth: Sample {
    /// See [`panorama`](super::panorama).
    ///
    /// # Errors
    /// As there.
    fn panorama(picture: Picture<Self>, geometry: View) -> Result<Panorama<Self>, RasterError>;

    /// See [`view`](super::view).
    ///
    /// # Errors
    /// As there.
    fn view(
        panorama: &Panorama<Self>,
        view: &View,
        background: [u8; 3],
    ) -> Result<Picture<Self>, RasterError>;

    /// See [`flatten`](super::flatten).
    ///
    /// # Errors
    /// As there.
    fn flatten(picture: Picture<Self>, background: [u8; 3]) -> Result<Picture<Self>, RasterError>;

    /// See [`join`](super::join).
    ///
    /// # Errors
    /// As there.
    fn join(eyes: [&Picture<Self>; 2], layout: StereoLayout) -> Result<Picture<Self>, RasterError>;

    /// See [`part`](super::part).
    ///
    /// # Errors
    /// As there.
    fn part(picture: &Picture<Self>, rect: Rect) -> Result<Picture<Self>, RasterError>;

    /// An opaque picture as a file.
    ///
    /// # Errors
    /// What the encoder says.
    fn encode(picture: &Picture<Self>, encoder: &mut Encoder) -> Result<Vec<u8>, MediaError>;

    /// The same panorama in 8 bits.
    ///
    /// # Errors
    /// None that a panorama can meet.
    fn eight_bits(panorama: &Panorama<Self>) -> Result<Panorama<u8>, RasterError>;

    /// The nearest sample.
    fn nearest(value: f64) -> Self;

    /// A sample as a number.
    fn number(self) -> f64;
}

impl PixelDepth for u8 {
    fn panorama(picture: Picture<Self>, geometry: View) -> Result<Panorama<Self>, RasterError> {
        super::panorama(picture, geometry)
    }

    fn view(
        panorama: &Panorama<Self>,
        view: &View,
        background: [Self; 3],
    ) -> Result<Picture<Self>, RasterError> {
        super::view(panorama, view, background)
    }

    fn flatten(
        picture: Picture<Self>,
        background: [Self; 3],
    ) -> Result<Picture<Self>, RasterError> {
        super::flatten(picture, background)
    }

    fn join(eyes: [&Picture<Self>; 2], layout: StereoLayout) -> Result<Picture<Self>, RasterError> {
        super::join(eyes, layout)
    }

    fn part(picture: &Picture<Self>, rect: Rect) -> Result<Picture<Self>, RasterError> {
        super::part(picture, rect)
    }

    fn encode(picture: &Picture<Self>, encoder: &mut Encoder) -> Result<Vec<Self>, MediaError> {
        let size = picture.size();
        encoder.encode(&super::interleaved(picture, Rect::whole(size)).map_err(failed)?, size)
    }

    fn eight_bits(panorama: &Panorama<Self>) -> Result<Panorama<Self>, RasterError> {
        Panorama::new(panorama.picture().clone(), *panorama.geometry())
    }

    fn nearest(value: f64) -> Self {
        value.round() as Self
    }

    fn number(self) -> f64 {
        self.into()
    }
}

impl PixelDepth for u16 {
    fn panorama(picture: Picture<Self>, geometry: View) -> Result<Panorama<Self>, RasterError> {
        Panorama::new(picture, geometry)
    }

    fn view(
        panorama: &Panorama<Self>,
        view: &View,
        background: [u8; 3],
    ) -> Result<Picture<Self>, RasterError> {
        super::opaque_view(panorama, view, background)
    }

    fn flatten(picture: Picture<Self>, background: [u8; 3]) -> Result<Picture<Self>, RasterError> {
        super::opaque(picture, background)
    }

    fn join(eyes: [&Picture<Self>; 2], layout: StereoLayout) -> Result<Picture<Self>, RasterError> {
        join_stereo(eyes, layout)
    }

    fn part(picture: &Picture<Self>, rect: Rect) -> Result<Picture<Self>, RasterError> {
        crop(picture, rect)
    }

    fn encode(picture: &Picture<Self>, encoder: &mut Encoder) -> Result<Vec<u8>, MediaError> {
        let size = picture.size();
        let samples = picture.to_interleaved(Rect::whole(size)).map_err(failed)?;
        encoder.encode_samples(Samples::Rgb16(&samples), size)
    }

    fn eight_bits(panorama: &Panorama<Self>) -> Result<Panorama<u8>, RasterError> {
        let geometry: Geometry = *panorama.geometry();
        Panorama::new(to_eight_bits(panorama.picture()), geometry)
    }

    fn nearest(value: f64) -> Self {
        value.round() as Self
    }

    fn number(self) -> f64 {
        self.into()
    }
}

fn failed(error: RasterError) -> MediaError {
    MediaError::Encode { format: "picture", source: error.into() }
}

#[cfg(test)]
mod tests {
    use panofleet_raster::{Channels, Size};

    use super::*;

    #[test]
    fn transparency_shows_the_background_in_sixteen_bits() {
        let size = Size::new(3, 1).unwrap();
        let samples = [50_000, 1, 0, 65_535, 50_000, 1, 0, 0, 50_000, 1, 0, 13_107];
        let picture = Picture::from_interleaved(Channels::RgbAlpha, size, &samples).unwrap();
        let flat = <u16 as PixelDepth>::flatten(picture, [255, 0, 100]).unwrap();
        let expected = [50_000, 1, 0, 65_535, 0, 25_700, 62_428, 0, 20_560];
        assert_eq!(flat.to_interleaved(Rect::whole(size)).unwrap(), expected);
    }
}
