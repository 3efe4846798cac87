//! Interleaved samples to planes, on all threads.

use panofleet_raster::{Picture, Plane, RasterError, Sample, Size};
use rayon::prelude::*;

/// Pixels that one thread takes at a time: 64 KiB a plane.
const CHUNK_PX: usize = 64 * 1024;

/// Splits `height × width × N` samples into N planes, each value through `convert`.
///
/// # Errors
/// What [`Plane::new`] says about sizes.
pub(crate) fn split<const N: usize, S: Copy + Sync, T: Sample>(
    samples: &[S],
    size: Size,
    convert: impl Fn(S) -> T + Sync,
) -> Result<Vec<Plane<T>>, RasterError> {
    let mut planes: [Vec<T>; N] =
        std::array::from_fn(|_| vec![T::default(); size.area_px() as usize]);
    let mut rests = planes.each_mut().map(|plane| plane.chunks_mut(CHUNK_PX));
    let mut chunks = Vec::new();
    for from in samples.chunks(CHUNK_PX * N) {
        let to: Vec<&mut [T]> = rests.iter_mut().filter_map(Iterator::next).collect();
        chunks.push((from, to));
    }
    chunks.into_par_iter().for_each(|(from, to)| {
        for (channel, plane) in to.into_iter().enumerate() {
            for (to, pixel) in plane.iter_mut().zip(from.as_chunks::<N>().0) {
                *to = convert(pixel[channel]);
            }
        }
    });
    planes.into_iter().map(|samples| Plane::new(size, samples)).collect()
}

/// Runs `convert` over the colour of a picture, in place: it gets interleaved RGB and overwrites it.
///
/// # Errors
/// What the planes of a picture must fulfil, which these do.
pub(crate) fn convert_colour<S: Sample>(
    picture: Picture<S>,
    convert: impl Fn(&mut [S]) + Sync,
) -> Result<Picture<S>, RasterError> {
    let mut planes = picture.into_planes();
    if let [red, green, blue, ..] = &mut planes[..] {
        let bands = red
            .samples_mut()
            .par_chunks_mut(CHUNK_PX)
            .zip(green.samples_mut().par_chunks_mut(CHUNK_PX))
            .zip(blue.samples_mut().par_chunks_mut(CHUNK_PX));
        bands.for_each_init(Vec::new, |rgb, ((red, green), blue)| {
            rgb.clear();
            let pixels = red.iter().zip(green.iter()).zip(blue.iter());
            rgb.extend(pixels.flat_map(|((red, green), blue)| [*red, *green, *blue]));
            convert(rgb);
            for (index, [r, g, b]) in rgb.as_chunks().0.iter().enumerate() {
                (red[index], green[index], blue[index]) = (*r, *g, *b);
            }
        });
    }
    Picture::from_planes(planes)
}
