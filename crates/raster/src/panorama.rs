//! A panorama made ready to be sampled.

use panofleet_projection::{Equirectangular, Size};

use crate::{Channels, Geometry, Picture, RasterError, Sample};

/// A picture and what it shows of the sphere: by longitude and latitude, or any [`Geometry`].
///
/// An equirectangular one that is not turned goes on beyond its borders:
///
/// - Left and right the picture wraps around if it covers all 360°, otherwise its edge repeats.
/// - Above and below it goes on over the pole if it covers that pole and all 360°: row −1 is row 0
///   turned by half a circle. With an odd width the half turn falls between two pixels and their
///   mean is taken. Otherwise the edge repeats.
#[derive(Debug)]
pub struct Panorama<S> {
    geometry: Geometry,
    picture: Picture<S>,
}

impl<S: Sample> Panorama<S> {
    /// A picture of the whole sphere.
    pub fn full(picture: Picture<S>) -> Self {
        let geometry = Equirectangular::full(picture.size()).into();
        Self { geometry, picture }
    }

    /// A picture of what `geometry` says.
    ///
    /// # Errors
    ///
    /// [`RasterError::GeometrySize`] if the geometry is for another size.
    pub fn new(picture: Picture<S>, geometry: impl Into<Geometry>) -> Result<Self, RasterError> {
        let geometry = geometry.into();
        let size = picture.size();
        if geometry.size() != size {
            return Err(RasterError::GeometrySize { geometry: geometry.size(), picture: size });
        }
        Ok(Self { geometry, picture })
    }

    /// What it shows of the sphere.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Its pixels.
    pub const fn picture(&self) -> &Picture<S> {
        &self.picture
    }

    /// Its size.
    pub const fn size(&self) -> Size {
        self.geometry.size()
    }

    /// What its planes mean.
    pub const fn channels(&self) -> Channels {
        self.picture.channels()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_of_another_size_is_refused() {
        let geometry = Equirectangular::full(Size::new(8, 4).unwrap());
        let size = Size::new(4, 2).unwrap();
        let picture = Picture::from_interleaved(Channels::Gray, size, &[0_u8; 8]).unwrap();
        let refused = Panorama::new(picture, geometry).unwrap_err();
        let geometry = geometry.size();
        assert_eq!(refused, RasterError::GeometrySize { geometry, picture: size });
    }
}
