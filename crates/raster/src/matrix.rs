//! Between RGB and luma with colour differences.

use rayon::prelude::*;

use crate::{Description, Picture, Plane, RasterError, Sample};

/// Samples that a thread takes at once.
const CHUNK: usize = 64 * 1024;

/// What a conversion needs of a description.
struct Coder {
    /// Shares of red, green and blue in luma.
    shares: [f32; 3],
    /// Luma's black, and white above it.
    luma: [f32; 2],
    /// Neutral chroma, and how far ±½ lies from it, twice.
    chroma: [f32; 2],
    largest: f32,
}

impl Coder {
    fn new(description: &Description) -> Result<Self, RasterError> {
        let (red, blue) = description.matrix.luma_weights().ok_or(RasterError::OtherColours)?;
        let span = |is_chroma| {
            let [low, high] = description.levels(is_chroma);
            [low as f32, (high - low) as f32]
        };
        let largest = f64::from((1_u32 << description.depth_bits) - 1);
        let shares = [red, 1.0 - red - blue, blue].map(|share| share as f32);
        Ok(Self { shares, luma: span(false), chroma: span(true), largest: largest as f32 })
    }

    fn decode(&self, [luma, blue, red]: [f32; 3]) -> [f32; 3] {
        let [of_red, of_green, of_blue] = self.shares;
        let luma = (luma - self.luma[0]) / self.luma[1];
        let [blue, red] = [blue, red].map(|value| (value - self.chroma[0]) / self.chroma[1]);
        let r = luma + 2.0 * (1.0 - of_red) * red;
        let b = luma + 2.0 * (1.0 - of_blue) * blue;
        let g = (luma - of_red * r - of_blue * b) / of_green;
        [r, g, b].map(|value| (value * self.largest).clamp(0.0, self.largest))
    }

    fn encode(&self, rgb: [f32; 3]) -> [f32; 3] {
        let [r, g, b] = rgb.map(|value| value / self.largest);
        let [of_red, of_green, of_blue] = self.shares;
        let luma = of_red * r + of_green * g + of_blue * b;
        let blue = (b - luma) / (2.0 * (1.0 - of_blue));
        let red = (r - luma) / (2.0 * (1.0 - of_red));
        let colour = |value: f32| self.chroma[0] + value * self.chroma[1];
        let all = [self.luma[0] + luma * self.luma[1], colour(blue), colour(red)];
        all.map(|value| value.clamp(0.0, self.largest))
    }
}

/// RGB of full range and the same depth from luma, blue and red difference of one size.
///
/// Subsampled chroma gets its full size from a [`FrameRemap`](crate::FrameRemap) whose target is
/// not subsampled.
///
/// # Errors
///
/// [`RasterError::OtherColours`] if the description is of RGB; [`RasterError::UnequalPlanes`].
pub fn ycbcr_to_rgb<S: Sample>(
    planes: [&Plane<S>; 3],
    description: &Description,
) -> Result<Picture<S>, RasterError> {
    let coder = Coder::new(description)?;
    let planes = converted(planes, |values| coder.decode(values))?;
    Picture::from_planes(planes.to_vec())
}

/// Luma, blue and red difference of the picture's size from RGB of full range; alpha is left out.
///
/// # Errors
///
/// [`RasterError::OtherColours`] if the description is of RGB; [`RasterError::UnequalPlanes`] if
/// the picture is gray.
pub fn rgb_to_ycbcr<S: Sample>(
    picture: &Picture<S>,
    description: &Description,
) -> Result<[Plane<S>; 3], RasterError> {
    let coder = Coder::new(description)?;
    let [r, g, b, ..] = picture.planes() else { return Err(RasterError::UnequalPlanes) };
    converted([r, g, b], |values| coder.encode(values))
}

fn converted<S: Sample>(
    from: [&Plane<S>; 3],
    of: impl Fn([f32; 3]) -> [f32; 3] + Sync,
) -> Result<[Plane<S>; 3], RasterError> {
    let size = from[0].size();
    if from.iter().any(|plane| plane.size() != size) {
        return Err(RasterError::UnequalPlanes);
    }
    let mut planes: [Plane<S>; 3] = std::array::from_fn(|_| Plane::blank(size));
    let [x, y, z] = &mut planes;
    let to = x.samples_mut().par_chunks_mut(CHUNK).zip(y.samples_mut().par_chunks_mut(CHUNK));
    to.zip(z.samples_mut().par_chunks_mut(CHUNK)).enumerate().for_each(|(chunk, ((x, y), z))| {
        let from = from.map(|plane| &plane.samples()[chunk * CHUNK..][..x.len()]);
        for i in 0..x.len() {
            let values = of([0, 1, 2].map(|plane: usize| from[plane][i].to_f32()));
            [x[i], y[i], z[i]] = values.map(S::from_f32);
        }
    });
    Ok(planes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Matrix, Range, Size};

    fn encoded(rgb: [u8; 3], description: &Description) -> [u8; 3] {
        let size = Size::new(1, 1).unwrap();
        let picture = Picture::from_interleaved(Channels::Rgb, size, &rgb).unwrap();
        rgb_to_ycbcr(&picture, description).unwrap().map(|plane| plane.samples()[0])
    }

    /// JFIF's and BT.709's primaries, as published.
    #[test]
    fn primaries_have_their_published_values() {
        for (rgb, expected) in [
            ([255, 255, 255], [255, 128, 128]),
            ([255, 0, 0], [76, 85, 255]),
            ([0, 255, 0], [150, 44, 21]),
            ([0, 0, 255], [29, 255, 107]),
        ] {
            assert_eq!(encoded(rgb, &Description::JPEG), expected, "{rgb:?}");
        }
        for (rgb, expected) in [
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 0, 255], [32, 240, 118]),
        ] {
            assert_eq!(encoded(rgb, &Description::VIDEO), expected, "{rgb:?}");
        }
    }

    #[test]
    fn there_and_back_is_within_a_step() {
        let size = Size::new(256, 64).unwrap();
        let samples: Vec<u16> =
            (0..256_u32 * 64 * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 22) as u16).collect();
        let picture = Picture::from_interleaved(Channels::Rgb, size, &samples).unwrap();
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            // Ten bits in sixteen; limited range has fewer steps than full.
            for (range, steps) in [(Range::Full, 2), (Range::Limited, 2)] {
                let description =
                    Description { matrix, range, depth_bits: 10, ..Description::VIDEO };
                let [y, blue, red] = rgb_to_ycbcr(&picture, &description).unwrap();
                let back = ycbcr_to_rgb([&y, &blue, &red], &description).unwrap();
                for (plane, found) in picture.planes().iter().zip(back.planes()) {
                    for (value, found) in plane.samples().iter().zip(found.samples()) {
                        assert!(value.abs_diff(*found) <= steps, "{value} {found} {description:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn rgb_has_no_differences() {
        let plane = Plane::filled(Size::new(1, 1).unwrap(), 0_u8).unwrap();
        let description = Description { matrix: Matrix::Rgb, ..Description::JPEG };
        let refused = ycbcr_to_rgb([&plane; 3], &description).unwrap_err();
        assert_eq!(refused, RasterError::OtherColours);
    }
}
