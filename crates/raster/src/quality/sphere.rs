//! Errors weighed by what a pixel covers of the sphere: WS-PSNR.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
use std::num::NonZeroU32;

use panofleet_projection::Equirectangular;

use crate::{Plane, RasterError, Sample};

/// How much each pixel of a picture counts, in proportion to its solid angle.
///
/// Source: Y. Sun, A. Lu, L. Yu, "Weighted-to-Spherically-Uniform Quality Evaluation for Omnidirectional
/// Video", IEEE Signal Processing Letters 24 (2017); JVET-H1004.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SphereWeights {
    /// cos of a row's latitude, 1 at the equator; a part of the sphere has its true latitudes.
    Equirectangular(Equirectangular),
    /// A face of a cube: `(1 + d²/r²)^(−3/2)` at distance `d` from the middle, half a face being `r`;
    /// 1 in the middle.
    CubeFace(NonZeroU32),
    /// An equi-angular face: with `p = tan(πu/4)` and `q = tan(πv/4)` for `u`, `v` in [−1, 1],
    /// `(π/4)² (1 + p²)(1 + q²) / (1 + p² + q²)^(3/2)`.
    EquiAngularFace(NonZeroU32),
}

impl SphereWeights {
    /// The weight of the pixel in `column` and `row`.
    pub fn at(&self, column: u32, row: u32) -> f64 {
        match self {
            Self::Equirectangular(panorama) => {
                let down = f64::from(row) + 0.5 + panorama.corner().y_px;
                (PI * (down / panorama.full_height_px() - 0.5)).cos().max(0.0)
            }
            Self::CubeFace(face_px) => {
                let [x, y] = centred(*face_px, [column, row]);
                (1.0 + x * x + y * y).powf(-1.5)
            }
            Self::EquiAngularFace(face_px) => {
                let [p, q] = centred(*face_px, [column, row]).map(|u| (FRAC_PI_4 * u).tan());
                let stretch = (FRAC_PI_2 / 2.0).powi(2) * (1.0 + p * p) * (1.0 + q * q);
                stretch * (1.0 + p * p + q * q).powf(-1.5)
            }
        }
    }
}

/// Coordinates of a pixel's centre in [−1, 1].
fn centred(face_px: NonZeroU32, pixel: [u32; 2]) -> [f64; 2] {
    pixel.map(|place| (2.0 * f64::from(place) + 1.0) / f64::from(face_px.get()) - 1.0)
}

/// Mean squared difference of two planes, each pixel weighed.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] if they differ in size.
pub fn weighted_mse<S: Sample>(
    one: &Plane<S>,
    other: &Plane<S>,
    weights: &SphereWeights,
) -> Result<f64, RasterError> {
    if one.size() != other.size() {
        return Err(RasterError::UnequalPlanes);
    }
    let (mut sum, mut total) = (0.0, 0.0);
    for y in 0..one.height() {
        for (x, (a, b)) in one.row(y).iter().zip(other.row(y)).enumerate() {
            let weight = weights.at(x as u32, y as u32);
            sum += weight * f64::from(a.to_f32() - b.to_f32()).powi(2);
            total += weight;
        }
    }
    Ok(sum / total)
}

/// Decibels of a mean squared error, `10 · log10(peak² / mse)`; infinite without an error.
///
/// `peak` is 255 for 8 bits, as 360tools has it; JVET's 360Lib takes 255 · 2^(bits − 8).
pub fn psnr_db(mse: f64, peak: f64) -> f64 {
    10.0 * (peak * peak / mse).log10()
}

#[cfg(test)]
mod tests {
    use panofleet_projection::CroppedArea;

    use super::*;
    use crate::Size;

    fn sum(weights: &SphereWeights, width: u32, height: u32) -> f64 {
        (0..height)
            .flat_map(|row| (0..width).map(move |column| (column, row)))
            .map(|(x, y)| weights.at(x, y))
            .sum()
    }

    /// Six faces see the whole sphere: Σ w · (2/N)² · 6 = 4π, to the order of a midpoint rule.
    #[test]
    fn faces_add_up_to_the_sphere() {
        let face_px = NonZeroU32::new(256).unwrap();
        for weights in [SphereWeights::CubeFace(face_px), SphereWeights::EquiAngularFace(face_px)] {
            let sphere = sum(&weights, 256, 256) * (2.0_f64 / 256.0).powi(2) * 6.0;
            assert!((sphere - 4.0 * PI).abs() < 2e-4, "{sphere} {weights:?}");
        }
    }

    /// Σ cos((j + ½ − H/2)π/H) = 1 / sin(π/2H), exactly.
    #[test]
    fn rows_add_up_in_closed_form() {
        for height in [4, 31, 512] {
            let panorama = Equirectangular::full(Size::new(2 * height, height).unwrap());
            let found = sum(&SphereWeights::Equirectangular(panorama), 1, height);
            let expected = 1.0 / (PI / (2.0 * f64::from(height))).sin();
            assert!((found - expected).abs() < 1e-9 * expected, "{found} {expected}");
        }
    }

    /// The corner of a face is √3 away from the middle: 3^(−3/2), as published for cube maps.
    #[test]
    fn corners_and_parts_have_their_true_weights() {
        let face_px = NonZeroU32::new(100_000).unwrap();
        let corner = SphereWeights::CubeFace(face_px).at(0, 0);
        assert!((corner - 3.0_f64.powf(-1.5)).abs() < 1e-4, "{corner}");
        let area = CroppedArea {
            full_width_px: 4000,
            full_height_px: 2000,
            left_px: 0,
            top_px: 1500,
            width_px: 400,
            height_px: 500,
        };
        let size = Size::new(400, 500).unwrap();
        let part = Equirectangular::cropped(size, area).unwrap();
        let found = SphereWeights::Equirectangular(part).at(7, 0);
        let expected = (PI * (1500.5 / 2000.0 - 0.5)).cos();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    /// An error in one row counts as that row does.
    #[test]
    fn an_error_counts_by_where_it_is() {
        let size = Size::new(8, 4).unwrap();
        let weights = SphereWeights::Equirectangular(Equirectangular::full(size));
        let flat = Plane::filled(size, 100_u8).unwrap();
        let mut off = flat.clone();
        off.samples_mut()[..8].fill(110);
        let share = (3.0 * PI / 8.0).cos() / (2.0 * ((3.0 * PI / 8.0).cos() + (PI / 8.0).cos()));
        let found = weighted_mse(&flat, &off, &weights).unwrap();
        assert!((found - 100.0 * share).abs() < 1e-9, "{found}");
        assert!((psnr_db(65.025, 255.0) - 30.0).abs() < 1e-9);
        assert_eq!(weighted_mse(&flat, &flat, &weights).unwrap(), 0.0);
    }
}
