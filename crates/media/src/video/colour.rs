//! What the samples of a frame mean: as tagged, and where nothing is, as players take it.

use ffmpeg_next::color::{
    Primaries as RawPrimaries, Range as RawRange, Space, TransferCharacteristic,
};
use ffmpeg_next::util::chroma::Location;
use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_raster::{Description, Matrix, Primaries, Range, Siting, Subsampling, Transfer};

use super::frame::Layout;
use crate::error::MediaError;

/// Rows from which on untagged video is taken for high definition.
const HD_ROWS_MIN: u32 = 720;

/// Columns from which on untagged video is taken for high definition.
const HD_COLUMNS_MIN: u32 = 1280;

/// Describes a frame. Gray counts as luma.
///
/// # Errors
/// `video_unsupported` for a matrix or a subsampling that is not read.
pub(super) fn describe(raw: &RawFrame, layout: &Layout) -> Result<Description, MediaError> {
    let full = layout.is_rgb || layout.is_full_range || raw.color_range() == RawRange::JPEG;
    let subsampling = match layout.chroma_shift {
        _ if layout.components.len() == 1 => Subsampling::None,
        [0, 0] => Subsampling::None,
        [1, 0] => Subsampling::Half,
        [1, 1] => Subsampling::Quarter,
        [across, down] => {
            let said = format!(
                "its chroma is subsampled by {} × {}, which is not read",
                1 << across,
                1 << down
            );
            return Err(MediaError::VideoUnsupported(said));
        }
    };
    Ok(Description {
        matrix: if layout.is_rgb { Matrix::Rgb } else { matrix(raw)? },
        range: if full { Range::Full } else { Range::Limited },
        transfer: transfer(raw.color_transfer_characteristic()),
        primaries: primaries(raw.color_primaries()),
        subsampling,
        siting: match raw.chroma_location() {
            Location::Center | Location::Top | Location::Bottom => Siting::Centre,
            Location::TopLeft => Siting::TopLeft,
            Location::Left | Location::BottomLeft | Location::Unspecified => Siting::Left,
        },
        depth_bits: layout.depth_bits,
        has_alpha: false,
    })
}

fn matrix(raw: &RawFrame) -> Result<Matrix, MediaError> {
    let is_hd = raw.height() >= HD_ROWS_MIN || raw.width() >= HD_COLUMNS_MIN;
    Ok(match raw.color_space() {
        // ST 240 differs from BT.709 by less than 0.001.
        Space::BT709 | Space::SMPTE240M => Matrix::Bt709,
        Space::BT470BG | Space::SMPTE170M | Space::FCC => Matrix::Bt601,
        Space::BT2020NCL => Matrix::Bt2020,
        Space::Unspecified | Space::Reserved if is_hd => Matrix::Bt709,
        Space::Unspecified | Space::Reserved => Matrix::Bt601,
        other => {
            let said =
                format!("its colour matrix `{}` is not read", other.name().unwrap_or("unknown"));
            return Err(MediaError::VideoUnsupported(said));
        }
    })
}

const fn transfer(raw: TransferCharacteristic) -> Transfer {
    match raw {
        TransferCharacteristic::IEC61966_2_1 => Transfer::Srgb,
        TransferCharacteristic::Linear => Transfer::Linear,
        TransferCharacteristic::SMPTE2084 => Transfer::Pq,
        TransferCharacteristic::ARIB_STD_B67 => Transfer::Hlg,
        _ => Transfer::Bt709,
    }
}

const fn primaries(raw: RawPrimaries) -> Primaries {
    match raw {
        RawPrimaries::BT470BG => Primaries::Bt601Pal,
        RawPrimaries::SMPTE170M | RawPrimaries::SMPTE240M => Primaries::Bt601Ntsc,
        RawPrimaries::BT2020 => Primaries::Bt2020,
        RawPrimaries::SMPTE432 => Primaries::DisplayP3,
        _ => Primaries::Bt709,
    }
}
