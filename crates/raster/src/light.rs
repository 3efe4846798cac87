//! Linear light: filtering in proportion to what falls on a sensor.

use crate::{Picture, Sample, Transfer};

impl Transfer {
    /// A stored value in [0, 1] as light in [0, 1]; what lies outside continues oddly.
    ///
    /// Sources: IEC 61966-2-1; ITU-R BT.709-6, 1.2; SMPTE ST 2084, where 1 is 10,000 cd/m²; ITU-R
    /// BT.2100, table 5, scene light.
    #[must_use]
    pub fn to_light(self, stored: f64) -> f64 {
        let of = |value: f64| match self {
            Self::Linear => value,
            Self::Srgb if value <= 0.040_45 => value / 12.92,
            Self::Srgb => ((value + 0.055) / 1.055).powf(2.4),
            Self::Bt709 if value < 0.081 => value / 4.5,
            Self::Bt709 => ((value + 0.099) / 1.099).powf(1.0 / 0.45),
            Self::Pq => {
                let root = value.powf(1.0 / PQ_M2);
                ((root - PQ_C1).max(0.0) / (PQ_C2 - PQ_C3 * root)).powf(1.0 / PQ_M1)
            }
            Self::Hlg if value <= 0.5 => value * value / 3.0,
            Self::Hlg => (((value - HLG_C) / HLG_A).exp() + HLG_B) / 12.0,
        };
        of(stored.abs()).copysign(stored)
    }

    /// The inverse of [`to_light`](Self::to_light).
    #[must_use]
    pub fn from_light(self, light: f64) -> f64 {
        let of = |value: f64| match self {
            Self::Linear => value,
            Self::Srgb if value <= 0.003_130_8 => value * 12.92,
            Self::Srgb => 1.055 * value.powf(1.0 / 2.4) - 0.055,
            Self::Bt709 if value < 0.018 => value * 4.5,
            Self::Bt709 => 1.099 * value.powf(0.45) - 0.099,
            Self::Pq => {
                let power = value.powf(PQ_M1);
                ((PQ_C1 + PQ_C2 * power) / (1.0 + PQ_C3 * power)).powf(PQ_M2)
            }
            Self::Hlg if value <= 1.0 / 12.0 => (3.0 * value).sqrt(),
            Self::Hlg => HLG_A * (12.0 * value - HLG_B).ln() + HLG_C,
        };
        of(light.abs()).copysign(light)
    }
}

const PQ_M1: f64 = 2_610.0 / 16_384.0;
const PQ_M2: f64 = 2_523.0 / 32.0;
const PQ_C1: f64 = 3_424.0 / 4_096.0;
const PQ_C2: f64 = 2_413.0 / 128.0;
const PQ_C3: f64 = 2_392.0 / 128.0;

const HLG_A: f64 = 0.178_832_77;
const HLG_B: f64 = 0.284_668_92;
const HLG_C: f64 = 0.559_910_73;

/// A picture's colours as light, 1.0 where the stored value is the largest; alpha likewise, without
/// a transfer. Four bytes a sample.
#[must_use]
pub fn to_light<S: Sample>(picture: &Picture<S>, transfer: Transfer) -> Picture<f32> {
    let largest = f64::from(S::OPAQUE.to_f32());
    converted(picture, |stored| stored / largest, |stored| transfer.to_light(stored / largest))
}

/// The inverse of [`to_light`].
#[must_use]
pub fn from_light<S: Sample>(picture: &Picture<f32>, transfer: Transfer) -> Picture<S> {
    let largest = f64::from(S::OPAQUE.to_f32());
    converted(picture, |light| light * largest, |light| transfer.from_light(light) * largest)
}

fn converted<S: Sample, T: Sample>(
    picture: &Picture<S>,
    alpha: impl Fn(f64) -> f64,
    colour: impl Fn(f64) -> f64,
) -> Picture<T> {
    let count = picture.planes().len();
    let colours = if picture.alpha().is_some() { count - 1 } else { count };
    let mut channel = 0;
    picture.map(|plane| {
        let is_colour = channel < colours;
        channel += 1;
        plane.map(|value| {
            let value = f64::from(value.to_f32());
            T::from_f32(if is_colour { colour(value) } else { alpha(value) } as f32)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Edges, Size, resize};

    const ALL: [Transfer; 5] =
        [Transfer::Srgb, Transfer::Bt709, Transfer::Linear, Transfer::Pq, Transfer::Hlg];

    /// ST 2084: 100 cd/m² is 0.508; BT.2100: HLG ½ is 1/12 of scene light; sRGB's middle.
    #[test]
    fn published_values() {
        for (transfer, stored, light, tolerance) in [
            (Transfer::Srgb, 0.5, 0.214_041, 1e-6),
            (Transfer::Bt709, 0.5, 0.259_589, 1e-6),
            (Transfer::Pq, 0.508_078, 0.01, 1e-6),
            (Transfer::Hlg, 0.5, 1.0 / 12.0, 1e-9),
            (Transfer::Linear, 0.3, 0.3, 0.0),
        ] {
            let found = transfer.to_light(stored);
            assert!((found - light).abs() <= tolerance, "{transfer:?}: {found}");
        }
        for transfer in ALL {
            assert!((transfer.to_light(1.0) - 1.0).abs() < 1e-6, "{transfer:?}");
        }
    }

    #[test]
    fn every_stored_value_survives() {
        let size = Size::new(65_536, 1).unwrap();
        let samples: Vec<u16> = (0..=u16::MAX).collect();
        let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
        for transfer in [Transfer::Srgb, Transfer::Linear, Transfer::Hlg] {
            let back: Picture<u16> = from_light(&to_light(&picture, transfer), transfer);
            assert!(back == picture, "{transfer:?}");
        }
    }

    /// Half of the pixels white and half black: half of the light is 188 in sRGB, not 128.
    #[test]
    fn a_checkerboard_keeps_its_light() {
        let size = Size::new(64, 64).unwrap();
        let samples: Vec<u8> = (0..64 * 64)
            .flat_map(|i| if (i + i / 64) % 2 == 0 { [255, 9] } else { [0, 9] })
            .collect();
        let picture = Picture::from_interleaved(Channels::GrayAlpha, size, &samples).unwrap();
        let light = to_light(&picture, Transfer::Srgb);
        let small = resize(&light, Size::new(8, 8).unwrap(), Edges::WrapColumns).unwrap();
        let found: Picture<u8> = from_light(&small, Transfer::Srgb);
        assert!(found.planes()[0].samples().iter().all(|value| value.abs_diff(188) <= 1));
        assert!(found.planes()[1].samples().iter().all(|alpha| *alpha == 9));
    }
}
