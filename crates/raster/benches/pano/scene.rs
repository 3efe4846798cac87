//! A picture of the whole sphere in closed form: waves through space, cut by the sphere.

use panofleet_projection::Ray;

/// Waves of a scene.
const WAVES: usize = 40;

/// A sum of waves whose value is known in every direction. No two neighbouring octaves differ in
/// power, up to the finest wave.
pub(crate) struct Scene {
    /// Per wave: radians along each axis, phase, amplitude.
    waves: Vec<([f64; 3], f64, f64)>,
}

/// A number in [0, 1) by Vigna's `SplitMix64`.
pub(crate) fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

impl Scene {
    /// Waves of up to `finest` radians a radian; 2π · ½ a pixel is what a panorama can hold, so
    /// half its width.
    pub(crate) fn new(seed: u64, finest: f64) -> Self {
        let mut state = seed;
        let mut next = || random(&mut state);
        let waves = (0..WAVES)
            .map(|wave| {
                let up = 2.0 * next() - 1.0;
                let (sin, cos) = (next() * std::f64::consts::TAU).sin_cos();
                let across = (1.0 - up * up).sqrt();
                let octaves = 7.0 * (wave as f64 + next()) / WAVES as f64;
                let speed = finest * 2.0_f64.powf(-octaves);
                let direction = [across * sin, up, across * cos].map(|of| of * speed);
                (direction, next() * std::f64::consts::TAU, 11.0)
            })
            .collect();
        Self { waves }
    }

    /// The value in a direction, about 128 ± 100.
    pub(crate) fn value(&self, ray: Ray) -> f64 {
        let [x, y, z] = ray.components();
        let of = |([a, b, c], phase, amplitude): &([f64; 3], f64, f64)| {
            amplitude * (a * x + b * y + c * z + phase).cos()
        };
        128.0 + self.waves.iter().map(of).sum::<f64>()
    }
}
