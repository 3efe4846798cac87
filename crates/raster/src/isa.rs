//! Which instructions this machine has.

use std::sync::LazyLock;

/// An instruction set that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// Whatever the compiler makes of plain loops.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, VL and VBMI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The best that this machine has; looked up once.
    pub(crate) fn best() -> Self {
        static BEST: LazyLock<Isa> =
            LazyLock::new(|| Isa::all().last().copied().unwrap_or(Isa::Portable));
        *BEST
    }

    /// All that this machine has, the best last.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn all() -> Vec<Self> {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi");
        match (has_avx2, has_avx512) {
            (false, _) => vec![Self::Portable],
            (true, false) => vec![Self::Portable, Self::Avx2],
            (true, true) => vec![Self::Portable, Self::Avx2, Self::Avx512],
        }
    }

    /// All that this machine has, the best last.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Portable]
    }
}
