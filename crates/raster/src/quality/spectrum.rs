//! How fine the detail is that rows of pixels hold.

use std::f64::consts::TAU;

use crate::{PlaneView, RasterError, Rect, Sample};

/// Pixels of a piece of a row that is taken apart into waves.
const LENGTH: usize = 64;

/// Waves of a piece: of 1 to 32 periods, the last of which is Nyquist's.
const WAVES: usize = LENGTH / 2;

/// Most pieces that are looked at.
const PIECES_MAX: usize = 2_048;

/// Waves that stand for the contrast of the picture's edges.
const COARSE: std::ops::RangeInclusive<usize> = 2..=8;

/// A wave counts while its amplitude is more than a tenth of what a sharp edge would give it, the usual
/// limit of resolution (MTF10): of its power, a hundredth.
const SHARE_MIN: f64 = 0.01;

/// Power that rounding to 8 bits leaves in each wave, three times over: 1/12 a sample, through the window.
const ROUNDING: f64 = 3.0 * LENGTH as f64 * 3.0 / 8.0 / 12.0;

/// The share of the finest detail that rows of pixels could hold which those in `part` do hold, (0, 1].
///
/// A picture that was made twice as large has little more than ½. Pieces of rows are taken apart into waves (a Fourier
/// transform under a Hann window); the power of the spectrum of edges falls with the square of the
/// frequency, and the finest wave that still has a hundredth of that is the limit. `None` if the part is
/// narrower than 64 pixels, or shows nothing.
///
/// # Errors
///
/// [`RasterError::OutsidePicture`] if the part is.
pub fn resolved_share<S: Sample>(
    plane: PlaneView<'_, S>,
    part: Rect,
) -> Result<Option<f64>, RasterError> {
    let size = crate::Size::new(plane.width as u32, plane.height as u32);
    part.check_inside(size.ok_or(RasterError::UnequalPlanes)?)?;
    let across = part.size.width_px() as usize / LENGTH;
    let pieces = across * part.size.height_px() as usize;
    if pieces == 0 {
        return Ok(None);
    }
    let unit = 255.0 / S::OPAQUE.to_f32();
    let transform = Transform::new();
    let mut power = [0.0; WAVES + 1];
    let looked_at = pieces.min(PIECES_MAX);
    for i in 0..looked_at {
        let piece = i * pieces / looked_at;
        let (row, column) = (piece / across, piece % across);
        let row = plane.row(part.rows().start + row);
        let samples = &row[part.columns().start + column * LENGTH..][..LENGTH];
        let values: [f32; LENGTH] = std::array::from_fn(|i| samples[i].to_f32() * unit);
        transform.add_power(&values, &mut power);
    }
    Ok(limit(&power.map(|sum| sum / looked_at as f64)))
}

/// The finest wave that counts, as a share of all.
fn limit(power: &[f64; WAVES + 1]) -> Option<f64> {
    let mut coarse: Vec<f64> = COARSE.map(|k| power[k] * (k * k) as f64).collect();
    coarse.sort_by(f64::total_cmp);
    let edges = coarse[coarse.len() / 2];
    let counts = |k: usize| power[k] > (SHARE_MIN * edges / (k * k) as f64).max(ROUNDING);
    if !counts(*COARSE.start()) {
        return None;
    }
    // One weak wave is chance; two in a row are the end.
    let end = (*COARSE.start()..=WAVES).find(|k| !counts(*k) && !counts((k + 1).min(WAVES)));
    Some(end.map_or(1.0, |end| (end - 1) as f64 / WAVES as f64))
}

struct Transform {
    window: [f32; LENGTH],
    cos: [f32; LENGTH],
    sin: [f32; LENGTH],
}

impl Transform {
    fn new() -> Self {
        let turn = |i: usize| TAU * i as f64 / LENGTH as f64;
        Self {
            window: std::array::from_fn(|i| (0.5 - 0.5 * turn(i).cos()) as f32),
            cos: std::array::from_fn(|i| turn(i).cos() as f32),
            sin: std::array::from_fn(|i| turn(i).sin() as f32),
        }
    }

    fn add_power(&self, values: &[f32; LENGTH], power: &mut [f64; WAVES + 1]) {
        let mean = values.iter().sum::<f32>() / LENGTH as f32;
        let windowed: [f32; LENGTH] = std::array::from_fn(|i| (values[i] - mean) * self.window[i]);
        for (k, power) in power.iter_mut().enumerate() {
            let (mut re, mut im) = (0.0_f32, 0.0_f32);
            for (i, value) in windowed.iter().enumerate() {
                re += value * self.cos[i * k % LENGTH];
                im += value * self.sin[i * k % LENGTH];
            }
            *power += f64::from(re * re + im * im);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Edges, Picture, Plane, Size, resize};

    /// Bars and noise: as sharp as pixels can be.
    fn sharp(width: u32, height: u32) -> Picture<u8> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        let mut level = 128_i32;
        let samples: Vec<u8> = (0..width * height)
            .map(|_| {
                // Far from black and white, where a filter's overshoot would be cut off.
                if next() < 40 {
                    level = 80 + next() as i32 % 96;
                }
                (level + next() as i32 % 4 - 2) as u8
            })
            .collect();
        let size = Size::new(width, height).unwrap();
        Picture::from_interleaved(Channels::Gray, size, &samples).unwrap()
    }

    fn share(picture: &Picture<u8>) -> Option<f64> {
        let plane: &Plane<u8> = &picture.planes()[0];
        resolved_share(plane.into(), Rect::whole(picture.size())).unwrap()
    }

    #[test]
    fn what_is_sharp_is_resolved_and_what_was_enlarged_is_not() {
        let picture = sharp(1_024, 128);
        assert_eq!(share(&picture), Some(1.0));
        for (times, expected) in [(2.0, 0.5), (4.0, 0.25), (1.5, 1.0 / 1.5)] {
            let size = Size::new((1_024.0 * times) as u32, (128.0 * times) as u32).unwrap();
            let found = share(&resize(&picture, size, Edges::Clamp).unwrap()).unwrap();
            // A resize filter is not a wall: something of the waves beyond passes.
            assert!((0.95..1.45).contains(&(found / expected)), "{times}: {found}");
        }
    }

    #[test]
    fn nothing_has_no_resolution() {
        let size = Size::new(256, 8).unwrap();
        let flat = Picture::from_planes(vec![Plane::filled(size, 9_u8).unwrap()]).unwrap();
        assert_eq!(share(&flat), None);
        assert_eq!(share(&sharp(63, 8)), None);
    }
}
