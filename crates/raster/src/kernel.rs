//! Interpolation kernels.

/// How a value between pixels is made from those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kernel {
    /// The pixel whose area holds the position: for masks and labels.
    Nearest,
    /// Two by two pixels, linear.
    Bilinear,
    /// Four by four pixels, Catmull-Rom: the cubic that passes through every pixel and reproduces
    /// quadratics. Source: Keys, "Cubic convolution interpolation", 1981, with a = −½.
    #[default]
    Bicubic,
}

/// The weight of the only tap.
pub(crate) fn nearest(_: f32) -> [f32; 1] {
    [1.0]
}

/// Weights of the pixels at 0 and 1 for a position `t` in [0, 1].
pub(crate) fn linear(t: f32) -> [f32; 2] {
    [1.0 - t, t]
}

/// Weights of the pixels at −1, 0, 1 and 2 for a position `t` in [0, 1]; their sum is 1.
pub(crate) fn catmull_rom(t: f32) -> [f32; 4] {
    let before = t * (t * (1.0 - 0.5 * t) - 0.5);
    let right = t * (t * (2.0 - 1.5 * t) + 0.5);
    let after = t * t * (0.5 * t - 0.5);
    [before, 1.0 - before - right - after, right, after]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catmull_rom_passes_through_the_pixels() {
        assert_eq!(catmull_rom(0.0), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(catmull_rom(1.0), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(catmull_rom(0.5), [-0.0625, 0.5625, 0.5625, -0.0625]);
    }

    #[test]
    fn catmull_rom_reproduces_quadratics() {
        for step in 0..=64 {
            let t = step as f32 / 64.0;
            let weights = catmull_rom(t);
            let moment = |power: i32| -> f32 {
                weights.iter().zip([-1.0_f32, 0.0, 1.0, 2.0]).map(|(w, x)| w * x.powi(power)).sum()
            };
            assert!((moment(0) - 1.0).abs() < 1e-6);
            assert!((moment(1) - t).abs() < 1e-6);
            assert!((moment(2) - t * t).abs() < 1e-6);
        }
    }
}
