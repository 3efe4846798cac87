//! How large a destination pixel is in the source, row by row of the source.

use panofleet_projection::Pixel;

use crate::source::SourcePlane;

/// Points along each side of the destination that are looked at.
const POINTS: usize = 72;

/// Bands of source rows that are told apart.
const BANDS: usize = 32;

/// Share of a band's pixels that may be blurred because their footprint is smaller.
const SHARE: f64 = 0.25;

/// The tallest footprint, in samples, that kernels reach over.
const TALL_MAX: f64 = 2.0;

/// What a reduction leaves of it: about what a cube as fine as its panorama has.
const TALL_LEFT: f64 = 1.3;

/// Footprints of destination pixels in the source.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Of each band of rows, where any pixel looks at it.
    bands: [Option<Width>; BANDS],
    /// The height of nearly the tallest footprint, in samples.
    tallest: f64,
    height: f64,
}

/// The width of footprints in a band of rows.
#[derive(Debug, Clone, Copy)]
enum Width {
    /// The same angle, so more samples the nearer a row is to a pole: in samples of the equator.
    OfEquator(f64),
    /// The same number of samples in each row.
    OfRow(f64),
}

impl Survey {
    pub(crate) fn of(
        [width, height]: [usize; 2],
        source: &SourcePlane,
        position: impl Fn(Pixel) -> Option<Pixel>,
    ) -> Self {
        let mut bands: [Vec<[f64; 2]>; BANDS] = std::array::from_fn(|_| Vec::new());
        let mut heights = Vec::new();
        let rows = source.size[1] as f64;
        let steps = |length: usize| {
            let points = POINTS.min(length);
            (0..points).map(move |i| ((i * length + length / 2) / points) as f64 + 0.5)
        };
        for y in steps(height) {
            for x in steps(width) {
                let Some((at, [across, down])) = footprint(source, &position, Pixel::new(x, y))
                else {
                    continue;
                };
                heights.push(down);
                let band = (at.y_px / rows * BANDS as f64) as usize;
                bands[band.min(BANDS - 1)].push([across * source.row_length(at.y_px), across]);
            }
        }
        heights.sort_by(f64::total_cmp);
        let tallest = heights.get(heights.len() * 19 / 20).copied().unwrap_or(1.0);
        Self { bands: bands.map(|widths| Width::of(&widths)), tallest, height: rows }
    }

    /// How many times smaller the source may be made first, so that what is left for the kernels
    /// is what they are for; `None` if it is not much finer than the destination.
    pub(crate) fn reduction(&self) -> Option<f64> {
        (self.tallest > TALL_MAX).then(|| self.tallest / TALL_LEFT)
    }

    /// How much row `y` of the source has to be stretched: its footprint's width in samples.
    pub(crate) fn stretch(&self, source: &SourcePlane, y: f64) -> f64 {
        let place = y / self.height * BANDS as f64 - 0.5;
        let lower = (place.floor().max(0.0) as usize).min(BANDS - 1);
        let upper = (lower + 1).min(BANDS - 1);
        let row_length = source.row_length(y).max(0.25 / self.height);
        let of = |band: usize| match self.bands[band]? {
            Width::OfEquator(width) => Some(width / row_length),
            Width::OfRow(width) => Some(width),
        };
        match (of(lower), of(upper)) {
            (Some(lower), Some(upper)) => lower + (upper - lower) * place.fract().max(0.0),
            (Some(width), None) | (None, Some(width)) => width,
            (None, None) => 1.0,
        }
    }
}

impl Width {
    /// The width that fits a band best, from what its pixels have: `[of the equator, of the row]`.
    fn of(widths: &[[f64; 2]]) -> Option<Self> {
        let [equator, row] = [0, 1].map(|kind| {
            let mut widths: Vec<f64> = widths.iter().map(|of| of[kind]).collect();
            widths.sort_by(f64::total_cmp);
            widths
        });
        let share = |of: &[f64], share: f64| of.get((of.len() as f64 * share) as usize).copied();
        let spread = |of: &[f64]| Some(share(of, 0.9)? / share(of, 0.1)?);
        if spread(&equator)? <= spread(&row)? {
            share(&equator, SHARE).map(Self::OfEquator)
        } else {
            share(&row, SHARE).map(Self::OfRow)
        }
    }
}

/// The position of a destination pixel, and the width and height of its footprint in samples.
pub(super) fn footprint(
    source: &SourcePlane,
    position: impl Fn(Pixel) -> Option<Pixel>,
    pixel: Pixel,
) -> Option<(Pixel, [f64; 2])> {
    const STEP: f64 = 0.125;
    let at = position(pixel)?;
    let moved = |dx: f64, dy: f64| {
        let other = position(Pixel::new(pixel.x_px + dx, pixel.y_px + dy))?;
        let mut x = other.x_px - at.x_px;
        if let Some(turn) = source.turn() {
            x -= (x / turn).round() * turn;
        }
        Some([x / STEP, (other.y_px - at.y_px) / STEP])
    };
    let right = moved(STEP, 0.0).or_else(|| moved(-STEP, 0.0))?;
    let down = moved(0.0, STEP).or_else(|| moved(0.0, -STEP))?;
    Some((at, [right[0].hypot(down[0]), right[1].hypot(down[1])]))
}
