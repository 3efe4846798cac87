//! Halving: the parent levels of a pyramid.

use rayon::prelude::*;

use crate::band::bands;
use crate::{Picture, Sample};

mod apron;
mod bytes;
mod cube;

pub use apron::with_apron;
pub(crate) use bytes::halve_bytes;
pub use cube::reduce_cube;

/// Rows of a band; at an 8K panorama's face that is about 300 KiB read for a plane.
const BAND_ROWS: usize = 32;

/// Each pixel is the mean of 2 × 2, rounded half up; alpha weighs colour.
///
/// No tap crosses an edge of the picture, so a cube face stays within itself; [`reduce_cube`] reaches
/// into its neighbours. An odd side is
/// rounded up: its last pixel is the mean of those that are there.
#[must_use]
pub fn reduce_by_two<S: Sample>(picture: &Picture<S>) -> Picture<S> {
    let size = picture.size().halved();
    let mut reduced = Picture::blank(picture.channels(), size);
    let width = size.width_px() as usize;
    bands(&mut reduced, BAND_ROWS).into_par_iter().for_each(|band| {
        for (channel, rows) in band.planes.into_iter().enumerate() {
            for (y, row) in (band.top..).zip(rows.chunks_exact_mut(width)) {
                reduce_row(picture, channel, y, row);
            }
        }
    });
    reduced
}

fn reduce_row<S: Sample>(picture: &Picture<S>, channel: usize, y: usize, reduced: &mut [S]) {
    let lower = (2 * y + 1).min(picture.size().height_px() as usize - 1);
    let plane = &picture.planes()[channel];
    let colour = [plane.row(2 * y), plane.row(lower)];
    match picture.alpha() {
        Some(alpha) if channel + 1 < picture.planes().len() => {
            let alpha = [alpha.row(2 * y), alpha.row(lower)];
            for ((to, colour), alpha) in reduced.iter_mut().zip(quads(colour)).zip(quads(alpha)) {
                *to = weighted_mean(colour, alpha);
            }
        }
        _ => {
            for (to, four) in reduced.iter_mut().zip(quads(colour)) {
                *to = S::mean(four);
            }
        }
    }
}

/// The 2 × 2 squares of two rows; an odd last column counts twice.
fn quads<'a, S: Sample>([upper, lower]: [&'a [S]; 2]) -> impl Iterator<Item = [S; 4]> + 'a {
    let pairs = upper.chunks(2).zip(lower.chunks(2));
    pairs.map(|(upper, lower)| [upper[0], upper[upper.len() - 1], lower[0], lower[lower.len() - 1]])
}

fn weighted_mean<S: Sample>(colour: [S; 4], alpha: [S; 4]) -> S {
    let alpha = alpha.map(|value| f64::from(value.to_f32()));
    let total: f64 = alpha.iter().sum();
    if total <= 0.0 {
        return S::mean(colour);
    }
    let weighted: f64 =
        colour.iter().zip(alpha).map(|(value, alpha)| f64::from(value.to_f32()) * alpha).sum();
    S::from_f32((weighted / total) as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Channels, Size};

    fn reduced(channels: Channels, width_px: u32, samples: &[u8]) -> (Size, Vec<u8>) {
        let height_px = (samples.len() / channels.count()) as u32 / width_px;
        let size = Size::new(width_px, height_px).unwrap();
        let reduced = reduce_by_two(&Picture::from_interleaved(channels, size, samples).unwrap());
        let all = crate::Rect::whole(reduced.size());
        (reduced.size(), reduced.to_interleaved(all).unwrap())
    }

    #[test]
    fn each_pixel_is_the_mean_of_four() {
        let (size, found) = reduced(Channels::Gray, 4, &[0, 1, 10, 20, 2, 3, 30, 41]);
        assert_eq!(size, Size::new(2, 1).unwrap());
        assert_eq!(found, [2, 25]);
    }

    #[test]
    fn an_odd_side_rounds_up() {
        let (size, found) = reduced(Channels::Gray, 3, &[0, 4, 9, 0, 4, 10, 6, 8, 7]);
        assert_eq!(size, Size::new(2, 2).unwrap());
        assert_eq!(found, [2, 10, 7, 7]);
        assert_eq!(reduced(Channels::Gray, 1, &[9]), (Size::new(1, 1).unwrap(), vec![9]));
    }

    #[test]
    fn what_is_transparent_does_not_bleed() {
        let (_, found) = reduced(Channels::GrayAlpha, 2, &[200, 255, 7, 0, 100, 255, 9, 0]);
        assert_eq!(found, [150, 128]);
        let (_, found) = reduced(Channels::GrayAlpha, 2, &[4, 0, 4, 0, 8, 0, 8, 0]);
        assert_eq!(found, [6, 0]);
    }

    proptest! {
        #[test]
        fn the_mean_is_kept(width in 1_u32..40, height in 1_u32..40, seed in any::<u32>()) {
            let size = Size::new(2 * width, 2 * height).unwrap();
            let samples: Vec<f32> = (0..size.area_px() as u32)
                .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16) as f32)
                .collect();
            let mean = |samples: &[f32]| {
                samples.iter().map(|value| f64::from(*value)).sum::<f64>() / samples.len() as f64
            };
            let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
            let reduced = reduce_by_two(&picture);
            let found = mean(reduced.planes()[0].samples());
            prop_assert!((found - mean(&samples)).abs() < 0.01);
        }

        #[test]
        fn a_constant_stays(width in 1_u32..70, height in 1_u32..70, value in any::<u16>()) {
            let size = Size::new(width, height).unwrap();
            let samples = vec![value; size.area_px() as usize];
            let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
            let reduced = reduce_by_two(&picture);
            prop_assert_eq!(reduced.size().width_px(), width.div_ceil(2));
            prop_assert_eq!(reduced.size().height_px(), height.div_ceil(2));
            prop_assert!(reduced.planes()[0].samples().iter().all(|found| *found == value));
        }
    }
}
