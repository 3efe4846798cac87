//! What the numbers in a picture's planes mean.

use panofleet_projection::Size;

use crate::Grid;

/// From RGB to the planes that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// Red, green and blue themselves.
    Rgb,
    /// JPEG, WebP, and video of standard definition: ITU-R BT.601.
    Bt601,
    /// High definition: ITU-R BT.709.
    Bt709,
    /// Ultra high definition, non-constant luminance: ITU-R BT.2020.
    Bt2020,
}

impl Matrix {
    /// How much red and blue count for luma; `None` if red is stored itself.
    pub const fn luma_weights(self) -> Option<(f64, f64)> {
        match self {
            Self::Rgb => None,
            Self::Bt601 => Some((0.299, 0.114)),
            Self::Bt709 => Some((0.2126, 0.0722)),
            Self::Bt2020 => Some((0.2627, 0.0593)),
        }
    }
}

/// Which numbers black and white are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// 16 to 235 of 255 (chroma 16 to 240), or the same times 2^(depth − 8).
    Limited,
    /// 0 to the largest.
    Full,
}

/// How light became numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// IEC 61966-2-1.
    Srgb,
    /// ITU-R BT.709, and BT.601 and BT.2020 with it.
    Bt709,
    /// Light itself.
    Linear,
    /// SMPTE ST 2084.
    Pq,
    /// ITU-R BT.2100 hybrid log-gamma.
    Hlg,
}

/// Which colours red, green and blue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Primaries {
    /// sRGB and high definition.
    Bt709,
    /// PAL and SECAM.
    Bt601Pal,
    /// NTSC.
    Bt601Ntsc,
    /// Display P3.
    DisplayP3,
    /// Ultra high definition.
    Bt2020,
}

/// How many chroma samples there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subsampling {
    /// One for each pixel.
    None,
    /// One for two pixels of a row: 4:2:2.
    Half,
    /// One for two by two pixels: 4:2:0.
    Quarter,
}

/// Where a subsampled chroma sample lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Siting {
    /// In the column of its first pixel, between its rows: MPEG-2 and later, H.264 untagged.
    Left,
    /// In the middle of its pixels: JPEG, MPEG-1.
    Centre,
    /// On its first pixel: HDR video.
    TopLeft,
}

/// What the planes of a picture mean: everything that has to travel with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Description {
    /// From RGB to these planes.
    pub matrix: Matrix,
    /// Which numbers black and white are.
    pub range: Range,
    /// How light became numbers.
    pub transfer: Transfer,
    /// Which colours red, green and blue are.
    pub primaries: Primaries,
    /// How many chroma samples there are.
    pub subsampling: Subsampling,
    /// Where they lie.
    pub siting: Siting,
    /// Bits of a sample that are used, 8 to 16.
    pub depth_bits: u32,
    /// Whether the last plane is alpha, straight and of full range.
    pub has_alpha: bool,
}

impl Description {
    /// What JPEG decoders give: BT.601, full range, chroma in the middle.
    pub const JPEG: Self = Self {
        matrix: Matrix::Bt601,
        range: Range::Full,
        transfer: Transfer::Srgb,
        primaries: Primaries::Bt709,
        subsampling: Subsampling::Quarter,
        siting: Siting::Centre,
        depth_bits: 8,
        has_alpha: false,
    };

    /// What WebP holds: BT.601, limited range, chroma in the middle.
    pub const WEBP: Self = Self { range: Range::Limited, ..Self::JPEG };

    /// Video of high definition that says nothing: BT.709, limited range, chroma to the left.
    pub const VIDEO: Self = Self {
        matrix: Matrix::Bt709,
        range: Range::Limited,
        transfer: Transfer::Bt709,
        siting: Siting::Left,
        ..Self::JPEG
    };

    /// Size of the chroma planes of a picture; odd sides are rounded up.
    pub fn chroma_size(&self, picture: Size) -> Size {
        let half = picture.halved();
        match self.subsampling {
            Subsampling::None => picture,
            Subsampling::Half => Size::new(half.width_px(), picture.height_px()).unwrap_or(half),
            Subsampling::Quarter => half,
        }
    }

    /// Where the samples of the chroma planes lie.
    pub const fn chroma_grid(&self) -> Grid {
        let (across, down) = match self.subsampling {
            Subsampling::None => return Grid::FULL,
            Subsampling::Half => (0.5, 1.0),
            Subsampling::Quarter => (0.5, 0.5),
        };
        // On its first pixel, whose centre is ½ from the border: ¼ of a sample, where a sample in
        // the middle of two has ½.
        let (left, top) = match self.siting {
            Siting::Left => (0.25, 0.0),
            Siting::Centre => (0.0, 0.0),
            Siting::TopLeft => (0.25, if down < 1.0 { 0.25 } else { 0.0 }),
        };
        Grid { scale: [across, down], offset: [left, top] }
    }

    /// The numbers that black and white are; for chroma, none and most.
    pub(crate) fn levels(&self, is_chroma: bool) -> [f64; 2] {
        let unit = f64::from(1_u32 << (self.depth_bits - 8));
        let largest = f64::from((1_u32 << self.depth_bits) - 1);
        match (self.range, is_chroma) {
            (Range::Full, false) => [0.0, largest],
            // Neutral chroma is a whole number; the largest one is half a step out of reach.
            (Range::Full, true) => [128.0 * unit, 128.0 * unit + largest],
            (Range::Limited, false) => [16.0 * unit, 235.0 * unit],
            (Range::Limited, true) => [128.0 * unit, (128.0 + 224.0) * unit],
        }
    }
}
