//! Bands: runs of rows that threads work on.

use crate::{Picture, Sample};

/// The same rows of every plane of a picture, for writing.
pub(crate) struct Band<'a, S> {
    /// The band's first row in the picture.
    pub(crate) top: usize,
    /// Its samples, a slice for each plane.
    pub(crate) planes: Vec<&'a mut [S]>,
}

/// Cuts a picture into bands of `rows` rows; the last may have fewer.
pub(crate) fn bands<S: Sample>(picture: &mut Picture<S>, rows: usize) -> Vec<Band<'_, S>> {
    let size = picture.size();
    let tops = (0..size.height_px() as usize).step_by(rows);
    let mut bands: Vec<_> = tops.map(|top| Band { top, planes: Vec::new() }).collect();
    for plane in picture.planes_mut() {
        let slices = plane.samples_mut().chunks_mut(rows * size.width_px() as usize);
        for (band, slice) in bands.iter_mut().zip(slices) {
            band.planes.push(slice);
        }
    }
    bands
}
