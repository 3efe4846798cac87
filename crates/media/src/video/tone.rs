//! High dynamic range, and wide colours, made into what an ordinary picture holds.
//!
//! Light is made absolute, taken to BT.709's primaries, and what is brighter than paper is rolled off.
//!
//! Sources: ITU-R BT.2100-2 (HLG's opto-optical transfer, system gamma 1.2 at 1,000 cd/m²), BT.2408-5 (HDR
//! reference white is 203 cd/m²), BT.2087-0 (BT.2020 to BT.709), SMPTE EG 432-1 with CSS Color 4 (Display P3
//! to sRGB). The roll-off is the rational curve of Reinhard et al., "Photographic Tone Reproduction for
//! Digital Images" (2002), equation 4, applied to the largest of the three colours, which keeps hues.

use panofleet_raster::{Description, Picture, Plane, Primaries, RasterError, Transfer};
use rayon::prelude::*;

/// Luminance that becomes white, in cd/m².
const WHITE: f64 = 203.0;

/// Peak of the display that HLG is shown on, in cd/m².
const HLG_PEAK: f64 = 1000.0;

/// Exponent of HLG's display light.
const HLG_GAMMA: f64 = 1.2;

/// Light that becomes the brightest value, as a multiple of white. PQ goes on to 49; hardly any footage
/// uses more than a twelfth of that.
const PEAK: f64 = 1000.0 / WHITE;

/// Steps of the way back from light; between them it is straight.
const STEPS: usize = 4096;

/// Whether a frame is more than an ordinary picture can hold.
pub(super) const fn is_needed(description: &Description) -> bool {
    is_hdr(description) || matches!(description.primaries, Primaries::Bt2020 | Primaries::DisplayP3)
}

/// Whether a frame is brighter than an ordinary picture can be.
pub(super) const fn is_hdr(description: &Description) -> bool {
    matches!(description.transfer, Transfer::Pq | Transfer::Hlg)
}

/// From the numbers of one description to 8 bits of sRGB.
pub(super) struct ToneMap {
    light: Vec<f32>,
    stored: Vec<u8>,
    matrix: [[f32; 3]; 3],
    hlg: bool,
    hdr: bool,
    shares: [f32; 3],
}

impl ToneMap {
    /// For RGB of full range and this description's depth.
    pub(super) fn new(description: &Description) -> Self {
        let largest = (1_u32 << description.depth_bits) - 1;
        let transfer = description.transfer;
        let scale = if transfer == Transfer::Pq { 10_000.0 / WHITE } else { 1.0 };
        let light = (0..=largest)
            .map(|value| (transfer.to_light(f64::from(value) / f64::from(largest)) * scale) as f32)
            .collect();
        // Ordinary video keeps its numbers; only what was light for a while is stored anew.
        let back = if is_hdr(description) { Transfer::Srgb } else { transfer };
        let stored = (0..=STEPS)
            .map(|step| (back.from_light(step as f64 / STEPS as f64) * 255.0).round() as u8)
            .collect();
        Self {
            light,
            stored,
            matrix: to_bt709(description.primaries),
            hlg: transfer == Transfer::Hlg,
            hdr: is_hdr(description),
            shares: [0.2627, 0.678, 0.0593],
        }
    }

    /// The picture in sRGB.
    ///
    /// # Errors
    /// None that a picture's own planes can meet.
    pub(super) fn apply(&self, picture: &Picture<u16>) -> Result<Picture<u8>, RasterError> {
        let size = picture.size();
        let [red, green, blue, ..] = picture.planes() else {
            return Err(RasterError::UnequalPlanes);
        };
        let width = size.width_px() as usize;
        let mut samples = [0, 1, 2].map(|_| vec![0_u8; size.area_px() as usize]);
        let [r, g, b] = &mut samples;
        let rows =
            r.par_chunks_mut(width).zip(g.par_chunks_mut(width)).zip(b.par_chunks_mut(width));
        rows.enumerate().for_each(|(y, ((r, g), b))| {
            let from = red.row(y).iter().zip(green.row(y)).zip(blue.row(y));
            for (x, ((red, green), blue)) in from.enumerate() {
                [r[x], g[x], b[x]] = self.pixel([*red, *green, *blue]);
            }
        });
        let planes = samples.into_iter().map(|samples| Plane::new(size, samples));
        Picture::from_planes(planes.collect::<Result<_, _>>()?)
    }

    fn pixel(&self, stored: [u16; 3]) -> [u8; 3] {
        let mut light = stored.map(|value| {
            self.light.get(usize::from(value)).or(self.light.last()).copied().unwrap_or(0.0)
        });
        if self.hlg {
            let luminance: f32 =
                light.iter().zip(self.shares).map(|(light, share)| light * share).sum();
            let gain = luminance.max(1e-6).powf(HLG_GAMMA as f32 - 1.0) * (HLG_PEAK / WHITE) as f32;
            light = light.map(|light| light * gain);
        }
        let mut mixed = self.matrix.map(|row| {
            row.iter().zip(light).map(|(share, light)| share * light).sum::<f32>().max(0.0)
        });
        if self.hdr {
            let brightest = mixed.into_iter().fold(1e-6, f32::max);
            let gain = rolled_off(brightest) / brightest;
            mixed = mixed.map(|light| light * gain);
        }
        mixed.map(|light| {
            let step = (light * STEPS as f32 + 0.5) as usize;
            self.stored[step.min(STEPS)]
        })
    }
}

/// Reinhard's curve: slope 1 at black, 1 at [`PEAK`].
fn rolled_off(light: f32) -> f32 {
    let peak = PEAK as f32;
    light * (1.0 + light / (peak * peak)) / (1.0 + light)
}

const fn to_bt709(primaries: Primaries) -> [[f32; 3]; 3] {
    match primaries {
        Primaries::Bt2020 => {
            [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
        }
        Primaries::DisplayP3 => {
            [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]
        }
        Primaries::Bt709 | Primaries::Bt601Pal | Primaries::Bt601Ntsc => {
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(description: &Description, rgb: [f64; 3]) -> [u8; 3] {
        let largest = f64::from((1_u32 << description.depth_bits) - 1);
        ToneMap::new(description).pixel(rgb.map(|value| (value * largest).round() as u16))
    }

    const HLG: Description = Description {
        transfer: Transfer::Hlg,
        primaries: Primaries::Bt2020,
        depth_bits: 10,
        ..Description::VIDEO
    };

    /// BT.2408: reference white is 75 % of HLG and 58 % of PQ, and both are 203 cd/m²: the same gray here.
    #[test]
    fn reference_white_is_the_same_in_both() {
        let pq = Description { transfer: Transfer::Pq, ..HLG };
        let [hlg, pq] = [map(&HLG, [0.75; 3]), map(&pq, [0.5807; 3])];
        assert!(hlg.iter().zip(pq).all(|(hlg, pq)| hlg.abs_diff(pq) <= 3), "{hlg:?} {pq:?}");
        // Half of what the curve gives, stored by sRGB.
        let expected = Transfer::Srgb.from_light(f64::from(rolled_off(1.0))) * 255.0;
        assert!((f64::from(hlg[1]) - expected).abs() < 4.0, "{hlg:?} {expected}");
    }

    #[test]
    fn black_white_and_grays_stay_gray_and_in_order() {
        let grays: Vec<_> = (0..=20).map(|step| map(&HLG, [f64::from(step) / 20.0; 3])).collect();
        assert_eq!((grays[0], grays[20]), ([0; 3], [255; 3]));
        for pair in grays.windows(2) {
            let [darker, brighter] = [pair[0], pair[1]];
            assert!(darker[1] < brighter[1], "{pair:?}");
            assert!(brighter.iter().all(|value| value.abs_diff(brighter[1]) <= 1), "{brighter:?}");
        }
    }

    /// BT.709's red in BT.2020's primaries (BT.2087) comes back as red.
    #[test]
    fn colours_find_their_primaries() {
        let wide =
            Description { primaries: Primaries::Bt2020, depth_bits: 10, ..Description::VIDEO };
        let red = [0.6274, 0.0691, 0.0164].map(|light| Transfer::Bt709.from_light(light));
        let [r, g, b] = map(&wide, red);
        assert!(r >= 253 && g <= 3 && b <= 3, "{r} {g} {b}");
    }
}
