//! How near a result is to the truth.

use panofleet_projection::{Equirectangular, Pixel, Ray};

use crate::scene::{Scene, random};

/// Points along each side of a destination pixel whose mean is the truth.
const POINTS: usize = 4;

/// Squared errors against the truth at pixels drawn at random.
#[derive(Clone, Copy, Default)]
pub(crate) struct Score {
    squares: f64,
    count: f64,
}

impl Score {
    pub(crate) fn add(&mut self, found: f64, expected: f64) {
        self.squares += (found - expected).powi(2);
        self.count += 1.0;
    }

    /// With a weight, so that planes count by their samples.
    pub(crate) fn merged(scores: &[(Self, f64)]) -> Self {
        let squares =
            scores.iter().map(|(score, weight)| score.squares / score.count * weight).sum();
        Self { squares, count: scores.iter().map(|(_, weight)| weight).sum() }
    }

    pub(crate) fn db(self) -> f64 {
        10.0 * (255.0 * 255.0 * self.count / self.squares).log10()
    }
}

/// Pixels of a plane, and what they should be.
pub(crate) struct Truth {
    pub(crate) pixels: Vec<(usize, usize, f64)>,
}

impl Truth {
    /// `count` pixels of a plane of `width` × `height`, whose positions look along `ray`.
    pub(crate) fn draw(
        scene: &Scene,
        [width, height]: [usize; 2],
        count: usize,
        ray: &impl Fn(Pixel) -> Option<Ray>,
    ) -> Self {
        let mut state = 7;
        let pixels = (0..count).map(|_| {
            let x = (random(&mut state) * width as f64) as usize;
            let y = (random(&mut state) * height as f64) as usize;
            let mut sum = 0.0;
            for point in 0..POINTS * POINTS {
                let at = |i: usize| (i as f64 + 0.5) / POINTS as f64;
                let pixel =
                    Pixel::new(x as f64 + at(point % POINTS), y as f64 + at(point / POINTS));
                sum += ray(pixel).map_or(0.0, |ray| scene.value(ray));
            }
            // Stored in 8 bits, the truth is clamped too.
            (x, y, (sum / (POINTS * POINTS) as f64).clamp(0.0, 255.0))
        });
        Self { pixels: pixels.collect() }
    }

    pub(crate) fn score(&self, samples: &[u8], stride: usize) -> Score {
        let mut score = Score::default();
        for (x, y, expected) in &self.pixels {
            score.add(f64::from(samples[y * stride + x]), *expected);
        }
        score
    }

    /// The best that is known: a Lanczos-3 in `f64` whose support is each pixel's own footprint.
    pub(crate) fn adaptive(
        &self,
        source: &[u8],
        geometry: &Equirectangular,
        ray: &impl Fn(Pixel) -> Option<Ray>,
    ) -> Score {
        let mut score = Score::default();
        for (x, y, expected) in &self.pixels {
            let Some(found) = sampled(source, geometry, ray, Pixel::new(*x as f64, *y as f64))
            else {
                continue;
            };
            score.add(found.round().clamp(0.0, 255.0), *expected);
        }
        score
    }
}

fn sampled(
    source: &[u8],
    geometry: &Equirectangular,
    ray: &impl Fn(Pixel) -> Option<Ray>,
    corner: Pixel,
) -> Option<f64> {
    let (width, height) = (geometry.full_width_px(), geometry.full_height_px());
    let at = |dx: f64, dy: f64| {
        Some(geometry.full_pixel(ray(Pixel::new(corner.x_px + dx, corner.y_px + dy))?))
    };
    let middle = at(0.5, 0.5)?;
    let moved = |dx: f64, dy: f64| {
        let (to, from) = (at(0.5 + dx, 0.5 + dy)?, at(0.5 - dx, 0.5 - dy)?);
        let x = to.x_px - from.x_px;
        Some([(x - (x / width).round() * width) / 0.5, (to.y_px - from.y_px) / 0.5])
    };
    let (right, down) = (moved(0.25, 0.0)?, moved(0.0, 0.25)?);
    let scale = [right[0].hypot(down[0]), right[1].hypot(down[1])].map(|scale| scale.max(1.0));
    let scale = [scale[0].min(width / 8.0), scale[1]];
    let (mut sum, mut total) = (0.0, 0.0);
    let span = |position: f64, scale: f64| {
        let centre = position - 0.5;
        let (first, last) = ((centre - 3.0 * scale).ceil(), (centre + 3.0 * scale).floor());
        (first as i64..=last as i64)
            .map(move |tap| (tap, lanczos((tap as f64 - centre) / scale)))
            .collect::<Vec<_>>()
    };
    let columns = span(middle.x_px, scale[0]);
    for (row, down) in span(middle.y_px, scale[1]) {
        let (row, turn) = if row < 0 {
            (-1 - row, width as i64 / 2)
        } else if row >= height as i64 {
            (2 * height as i64 - 1 - row, width as i64 / 2)
        } else {
            (row, 0)
        };
        let line = &source[row as usize * width as usize..][..width as usize];
        for (column, across) in &columns {
            let column = (column + turn).rem_euclid(width as i64) as usize;
            sum += down * across * f64::from(line[column]);
            total += down * across;
        }
    }
    Some(sum / total)
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| {
        let angle = std::f64::consts::PI * x;
        if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle }
    };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}
