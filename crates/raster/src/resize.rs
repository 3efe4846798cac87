//! Resizing.

use panofleet_projection::Size;
use rayon::prelude::*;

use crate::band::bands;
use crate::isa::Isa;
use crate::plane::check_size;
use crate::{Picture, RasterError, Sample};

mod lanczos;
mod passes;

use lanczos::Filter;
use passes::{Passes, ROWS};

/// Rows of a band.
const BAND_ROWS: usize = 2 * ROWS;

/// What lies beyond the left and right border. Above and below, the border row always repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edges {
    /// The border column repeats.
    Clamp,
    /// The picture starts again: a panorama that covers all 360°.
    WrapColumns,
}

/// The picture at another size, by a separable Lanczos-3 filter.
///
/// When a side shrinks, the filter grows with it, so nothing aliases. Alpha weighs colour. A
/// picture that already has the size is copied unchanged. Every processor computes the same
/// values. Besides the result it needs, for each thread, eight rows of `f32` of the source's width,
/// and as many of the result's for each plane.
///
/// # Errors
///
/// [`RasterError::TooLarge`].
pub fn resize<S: Sample>(
    picture: &Picture<S>,
    size: Size,
    edges: Edges,
) -> Result<Picture<S>, RasterError> {
    resize_by(picture, size, edges, Isa::best())
}

fn resize_by<S: Sample>(
    picture: &Picture<S>,
    size: Size,
    edges: Edges,
    isa: Isa,
) -> Result<Picture<S>, RasterError> {
    let from = picture.size();
    if size == from {
        return Ok(picture.clone());
    }
    check_size(size)?;
    let columns = Filter::new(from.width_px(), size.width_px());
    let rows = Filter::new(from.height_px(), size.height_px());
    let mut resized = Picture::blank(picture.channels(), size);
    let width = size.width_px() as usize;
    bands(&mut resized, BAND_ROWS).into_par_iter().for_each_init(
        || Passes::new(picture, &columns, width, edges),
        |passes, mut band| {
            let height = band.planes[0].len() / width;
            for y in (0..height).step_by(ROWS) {
                let taps: Vec<_> =
                    (y..height.min(y + ROWS)).map(|y| rows.at(band.top + y)).collect();
                let mut to: Vec<&mut [S]> =
                    band.planes.iter_mut().map(|plane| &mut plane[y * width..]).collect();
                passes.resize_rows(isa, &taps, &mut to);
            }
        },
    );
    Ok(resized)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use proptest::prelude::*;

    use super::*;
    use crate::Channels;

    fn gray<S: Sample>(width_px: u32, samples: &[S]) -> Picture<S> {
        let size = Size::new(width_px, samples.len() as u32 / width_px).unwrap();
        Picture::from_interleaved(Channels::Gray, size, samples).unwrap()
    }

    /// The definition, as a double sum in `f64` over every pixel within reach.
    fn by_definition(picture: &Picture<f32>, size: Size, edges: Edges, x: u32, y: u32) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let weight = |x: f64| if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
        let axis = |target: u32, from_px: u32, to_px: u32| {
            let scale = f64::from(from_px) / f64::from(to_px);
            let centre = (f64::from(target) + 0.5) * scale;
            let reach = (3.0 * scale.max(1.0)).ceil() as i64 + 1;
            (centre as i64 - reach..=centre as i64 + reach)
                .map(move |at| (at, weight((at as f64 + 0.5 - centre) / scale.max(1.0))))
        };
        let from = picture.size();
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, row_weight) in axis(y, from.height_px(), size.height_px()) {
            let row = row.clamp(0, i64::from(from.height_px()) - 1) as usize;
            for (column, column_weight) in axis(x, from.width_px(), size.width_px()) {
                let width = i64::from(from.width_px());
                let column = match edges {
                    Edges::Clamp => column.clamp(0, width - 1),
                    Edges::WrapColumns => column.rem_euclid(width),
                };
                let value = picture.planes()[0].row(row)[column as usize];
                sum += row_weight * column_weight * f64::from(value);
                total += row_weight * column_weight;
            }
        }
        sum / total
    }

    #[test]
    fn what_is_transparent_does_not_bleed() {
        let size = Size::new(40, 30).unwrap();
        let samples: Vec<u8> = (0..size.area_px())
            .flat_map(|i| if i % 40 < 20 { [100, 255] } else { [250, 0] })
            .collect();
        let picture = Picture::from_interleaved(Channels::GrayAlpha, size, &samples).unwrap();
        for (width_px, height_px) in [(11, 9), (97, 61)] {
            let size = Size::new(width_px, height_px).unwrap();
            let resized = resize(&picture, size, Edges::Clamp).unwrap();
            let [colour, alpha] = [0, 1].map(|channel| resized.planes()[channel].samples());
            assert!(alpha.contains(&255) && alpha.contains(&0));
            for (colour, alpha) in colour.iter().zip(alpha) {
                assert!(*alpha == 0 || *colour == 100, "{colour} where alpha is {alpha}");
            }
        }
    }

    #[test]
    fn every_processor_computes_the_same() {
        let hash = |i: u64| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
        let size = Size::new(117, 61).unwrap();
        for channels in [Channels::Gray, Channels::RgbAlpha] {
            let samples: Vec<u8> =
                (0..size.area_px() * channels.count() as u64).map(hash).collect();
            let picture = Picture::from_interleaved(channels, size, &samples).unwrap();
            for (width_px, height_px) in [(40, 17), (117, 20), (250, 61), (301, 122)] {
                let size = Size::new(width_px, height_px).unwrap();
                let [first, others @ ..] = &Isa::all()[..] else { panic!("no processor") };
                let by = |isa| resize_by(&picture, size, Edges::WrapColumns, isa);
                let expected = by(*first);
                assert!(others.iter().all(|isa| by(*isa) == expected), "{channels:?} {size:?}");
            }
        }
    }

    #[test]
    fn its_own_size_is_a_copy() {
        let picture = gray(3, &[0.1_f32, 0.2, -7.0, 1e9, 0.0, 5.0]);
        assert_eq!(resize(&picture, picture.size(), Edges::Clamp), Ok(picture));
    }

    #[test]
    fn a_size_beyond_the_limit_is_refused() {
        let size = Size::new(u32::MAX, 1).unwrap();
        let refused = resize(&gray(1, &[0_u8]), size, Edges::Clamp);
        assert_eq!(refused, Err(RasterError::TooLarge(size)));
    }

    proptest! {
        #[test]
        fn every_pixel_is_as_defined(
            from_width in 1_u32..40, from_height in 1_u32..20, width in 1_u32..40,
            height in 1_u32..20, wrap in any::<bool>(), seed in any::<u32>(),
        ) {
            let hash = |i: u32| (i ^ seed).wrapping_mul(2_654_435_761) >> 24;
            let samples: Vec<f32> = (0..from_width * from_height).map(|i| hash(i) as f32).collect();
            let picture = gray(from_width, &samples);
            let size = Size::new(width, height).unwrap();
            prop_assume!(size != picture.size());
            let edges = if wrap { Edges::WrapColumns } else { Edges::Clamp };
            let resized = resize(&picture, size, edges).unwrap();
            for y in 0..height {
                for x in 0..width {
                    let found = f64::from(resized.planes()[0].row(y as usize)[x as usize]);
                    let expected = by_definition(&picture, size, edges, x, y);
                    prop_assert!((found - expected).abs() < 1e-3, "{x} {y}: {found} {expected}");
                }
            }
        }

        #[test]
        fn a_constant_stays(
            from_width in 1_u32..50, from_height in 1_u32..50, width in 1_u32..50,
            height in 1_u32..50, value in any::<u16>(),
        ) {
            let picture = gray(from_width, &vec![value; (from_width * from_height) as usize]);
            let size = Size::new(width, height).unwrap();
            let resized = resize(&picture, size, Edges::WrapColumns).unwrap();
            prop_assert_eq!(resized.size(), size);
            prop_assert!(resized.planes()[0].samples().iter().all(|found| *found == value));
        }
    }
}
