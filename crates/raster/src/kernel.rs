//! Interpolation kernels.

/// How a value between pixels is made from those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kernel {
    /// The pixel whose area holds the position: for masks and labels.
    Nearest,
    /// Two by two pixels, linear. Aliases where the source is finer than the destination.
    Bilinear,
    /// Four by four pixels, Catmull-Rom: passes through every pixel and reproduces quadratics.
    /// Aliases where the source is finer than the destination.
    Bicubic,
    /// Four by four pixels whose cubic follows the footprint of a destination pixel: Catmull-Rom
    /// where the destination is as fine as the source, towards a B-spline where it is coarser.
    /// What is coarser still is reduced first; rows that a projection stretches are low-passed.
    #[default]
    Footprint,
    /// Six by six pixels: a sinc whose cut-off follows the footprint, in a Lanczos window.
    Lanczos,
}
