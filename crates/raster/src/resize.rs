//! Resizing.

use panofleet_projection::Size;
use rayon::prelude::*;

use crate::band::bands;
use crate::plane::check_size;
use crate::{Picture, RasterError, Sample};

mod lanczos;

use lanczos::Filter;

/// Rows of a band.
const BAND_ROWS: usize = 16;

/// Coverage below which a colour has no meaning, as a share of opaque.
const COVERAGE_MIN: f32 = 1e-6;

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
/// picture that already has the size is copied unchanged. Besides the result it needs a row of
/// `f32` per plane and thread.
///
/// # Errors
///
/// [`RasterError::TooLarge`].
pub fn resize<S: Sample>(
    picture: &Picture<S>,
    size: Size,
    edges: Edges,
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
        || Scratch::new(from.width_px() as usize, columns.margin(), width),
        |scratch, mut band| {
            let height = band.planes[0].len() / width;
            for y in 0..height {
                scratch.resize_row(picture, &columns, rows.at(band.top + y), edges);
                for (plane, row) in band.planes.iter_mut().zip(&scratch.resized) {
                    let to = &mut plane[y * width..][..width];
                    to.iter_mut().zip(row).for_each(|(to, value)| *to = S::from_f32(*value));
                }
            }
        },
    );
    Ok(resized)
}

/// What a thread needs for one row at a time.
struct Scratch {
    /// A row of the source's width, filtered vertically, with `margin` values more at both ends.
    vertical: Vec<f32>,
    margin: usize,
    /// The finished row of each plane.
    resized: [Vec<f32>; 4],
}

impl Scratch {
    fn new(source_width: usize, margin: usize, width: usize) -> Self {
        Self {
            vertical: vec![0.0; source_width + 2 * margin],
            margin,
            resized: std::array::from_fn(|_| vec![0.0; width]),
        }
    }

    /// Computes one row of every plane; colour is divided by coverage at the end.
    fn resize_row<S: Sample>(
        &mut self,
        picture: &Picture<S>,
        columns: &Filter,
        row_taps: (isize, &[f32]),
        edges: Edges,
    ) {
        let count = picture.planes().len();
        for channel in 0..count {
            self.filter_vertically(picture, channel, row_taps);
            continue_sideways(&mut self.vertical, self.margin, edges);
            for (x, value) in self.resized[channel].iter_mut().enumerate() {
                let (first, weights) = columns.at(x);
                let start = (first + self.margin as isize) as usize;
                *value = lanczos::dot(&self.vertical[start..][..weights.len()], weights);
            }
        }
        if picture.alpha().is_some() {
            let (colours, alpha) = self.resized[..count].split_at_mut(count - 1);
            for colour in colours {
                for (value, coverage) in colour.iter_mut().zip(&alpha[0]) {
                    let meaningful = *coverage > COVERAGE_MIN * S::OPAQUE.to_f32();
                    *value = if meaningful { *value / coverage } else { 0.0 };
                }
            }
        }
    }

    fn filter_vertically<S: Sample>(
        &mut self,
        picture: &Picture<S>,
        channel: usize,
        (first, weights): (isize, &[f32]),
    ) {
        let plane = &picture.planes()[channel];
        let weigh_by = picture.alpha().filter(|_| channel + 1 < picture.planes().len());
        let inner = &mut self.vertical[self.margin..][..plane.width()];
        inner.fill(0.0);
        for (tap, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            let y = (first + tap as isize).clamp(0, plane.height() as isize - 1) as usize;
            let row = plane.row(y);
            if let Some(alpha) = weigh_by {
                for ((sum, value), alpha) in inner.iter_mut().zip(row).zip(alpha.row(y)) {
                    *sum += weight * value.to_f32() * alpha.to_f32();
                }
            } else {
                for (sum, value) in inner.iter_mut().zip(row) {
                    *sum += weight * value.to_f32();
                }
            }
        }
    }
}

/// Fills `margin` values at both ends of a row whose inner values are there.
fn continue_sideways(row: &mut [f32], margin: usize, edges: Edges) {
    let width = row.len() - 2 * margin;
    for distance in 0..margin {
        let (before, after) = match edges {
            Edges::Clamp => (0, width - 1),
            Edges::WrapColumns => (width - 1 - distance % width, distance % width),
        };
        row[margin - 1 - distance] = row[margin + before];
        row[margin + width + distance] = row[margin + after];
    }
}
