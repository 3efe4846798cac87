//! The frame that shows best what a video is.

use super::frame::{Planes, VideoFrame};
use super::reader::VideoReader;
use crate::error::MediaError;

/// Moments that are looked at, spread evenly.
const MOMENTS: u32 = 20;

/// Steps of brightness that are counted.
const BINS: usize = 32;

/// Samples of luma that are looked at, at most, across and down.
const GRID: usize = 128;

/// Standard deviation of brightness, as a share of the whole, below which a frame shows nothing: black,
/// white, or a fade.
const CONTRAST_MIN: f64 = 0.05;

/// The frame whose brightnesses are nearest to those of the whole video, out of the keyframes before 20
/// moments; a frame that shows nothing is passed over if there is another. `seen` is told of each moment's share.
///
/// # Errors
/// A video without frames; as [`VideoReader::seek`]; what `seen` says.
pub fn representative<E: From<MediaError>>(
    reader: &mut VideoReader,
    duration_s: f64,
    mut seen: impl FnMut(f64) -> Result<(), E>,
) -> Result<VideoFrame, E> {
    let mut looks: Vec<Look> = Vec::new();
    for moment in 0..MOMENTS {
        let at_s = duration_s * (f64::from(moment) + 0.5) / f64::from(MOMENTS);
        reader.seek(at_s)?;
        if let Some(frame) = reader.next_frame()? {
            let shown_s = frame.at_s().unwrap_or(at_s);
            if looks.last().is_none_or(|last| last.at_s < shown_s) {
                looks.push(Look::at(&frame, shown_s)?);
            }
        }
        seen(f64::from(moment + 1) / f64::from(MOMENTS))?;
    }
    let at_s = best(&looks).map_or(0.0, |look| look.at_s);
    // Halfway into the first microsecond, so that rounding does not fall before the frame.
    reader.frame_at(at_s + 1e-6)?.ok_or_else(|| MediaError::NoFrames.into())
}

/// A frame by its brightnesses.
struct Look {
    at_s: f64,
    /// Shares of the frame, which add up to 1.
    histogram: [f64; BINS],
    contrast: f64,
}

fn best(looks: &[Look]) -> Option<&Look> {
    let mean: [f64; BINS] = std::array::from_fn(|bin| {
        looks.iter().map(|look| look.histogram[bin]).sum::<f64>() / looks.len().max(1) as f64
    });
    let distance = |look: &Look| -> f64 {
        look.histogram.iter().zip(mean).map(|(of, mean)| (of - mean).powi(2)).sum()
    };
    let shows_something = looks.iter().any(|look| look.contrast >= CONTRAST_MIN);
    looks
        .iter()
        .filter(|look| !shows_something || look.contrast >= CONTRAST_MIN)
        .min_by(|one, other| distance(one).total_cmp(&distance(other)))
}

impl Look {
    fn at(frame: &VideoFrame, at_s: f64) -> Result<Self, MediaError> {
        let largest = f64::from((1_u32 << frame.description()?.depth_bits) - 1);
        Ok(match frame.planes()? {
            Planes::Eight(planes) => {
                let luma = &planes[0];
                Self::of(at_s, luma.width(), luma.samples(), |value| f64::from(value) / largest)
            }
            Planes::Deep(planes) => {
                let luma = &planes[0];
                Self::of(at_s, luma.width(), luma.samples(), |value| f64::from(value) / largest)
            }
        })
    }

    /// Counts samples on a grid; `share` makes one a share of the brightest.
    fn of<S: Copy>(at_s: f64, width: usize, samples: &[S], share: impl Fn(S) -> f64) -> Self {
        let (across, down) = (width.div_ceil(GRID), (samples.len() / width).div_ceil(GRID));
        let mut histogram = [0.0; BINS];
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for row in samples.chunks(width).step_by(down) {
            for value in row.iter().step_by(across) {
                let value = share(*value);
                histogram[((value * BINS as f64) as usize).min(BINS - 1)] += 1.0;
                count += 1.0;
                sum += value;
                squares += value * value;
            }
        }
        let contrast = (squares / count - (sum / count).powi(2)).max(0.0).sqrt();
        Self { at_s, histogram: histogram.map(|bin| bin / count), contrast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at_s: f64, values: &[u8]) -> Look {
        Look::of(at_s, values.len(), values, |value| f64::from(value) / 255.0)
    }

    #[test]
    fn black_loses_and_the_usual_wins() {
        let looks = [
            look(0.0, &[0; 8]),
            look(1.0, &[10, 60, 110, 160, 200, 90, 80, 120]),
            look(2.0, &[10, 60, 110, 160, 200, 90, 80, 130]),
            look(3.0, &[255, 255, 255, 255, 255, 255, 0, 0]),
        ];
        assert!([1.0, 2.0].contains(&best(&looks).unwrap().at_s));
        // Nothing but black is still something.
        assert_eq!(best(&looks[..1]).unwrap().at_s, 0.0);
        assert!(best(&[]).is_none());
    }
}
