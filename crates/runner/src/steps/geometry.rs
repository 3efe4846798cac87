//! Plans' projections and angles as those of `panofleet-projection`.

use panofleet_job_schema::operation::{
    Angles, CubeGrid, LensKind, LensOrder, PictureProjection, SphereWindow,
};
use panofleet_projection::{
    CroppedArea, CubeArrangement, CubeLayout, Cubemap, Cylindrical, DualFisheye, Eac,
    Equirectangular, Fisheye, HalfEquirectangular, LensArrangement, LensCurve, Mercator,
    Orientation, Projection, Rectilinear, Size, Stereographic,
};

use crate::error::StepError;

/// Extents are rounded by those who write them; this is far below a pixel.
const COVER_SLACK_PX: f64 = 1e-4;

/// The projection of a picture of `size`.
///
/// # Errors
/// Numbers that a plan does not ask for.
pub(crate) fn projection(plan: &PictureProjection, size: Size) -> Result<Projection, StepError> {
    Ok(match *plan {
        PictureProjection::Equirectangular { window } => {
            equirectangular(window, size, size)?.into()
        }
        PictureProjection::HalfEquirectangular => HalfEquirectangular::new(size).into(),
        PictureProjection::Cubemap { grid, padding_px } => {
            Cubemap::new(size, layout(grid)?, padding_px.into())?.into()
        }
        PictureProjection::Eac { padding_px } => {
            Eac::new(size, CubeLayout::youtube(), padding_px.into())?.into()
        }
        PictureProjection::Cylindrical { hfov_deg } => {
            Cylindrical::new(size, hfov_deg.to_radians())?.into()
        }
        PictureProjection::Mercator { hfov_deg } => {
            Mercator::new(size, hfov_deg.to_radians())?.into()
        }
        PictureProjection::Rectilinear { hfov_deg } => {
            Rectilinear::new(size, hfov_deg.to_radians())?.into()
        }
        PictureProjection::Stereographic { hfov_deg } => {
            Stereographic::new(size, hfov_deg.to_radians())?.into()
        }
        PictureProjection::Fisheye { lens, fov_deg } => {
            Fisheye::inscribed(size, curve(lens), fov_deg.to_radians())?.into()
        }
        PictureProjection::DualFisheye { lens, fov_deg, order } => {
            let order = match order {
                LensOrder::FrontFirst => panofleet_projection::LensOrder::FrontFirst,
                LensOrder::BackFirst => panofleet_projection::LensOrder::BackFirst,
            };
            let (arrangement, fov_rad) = (LensArrangement::SideBySide, fov_deg.to_radians());
            DualFisheye::back_to_back(size, arrangement, order, curve(lens), fov_rad)?.into()
        }
    })
}

/// What a picture of `size` shows that has as much of the sphere as `window`'s of `source` pixels.
///
/// Windows are given in fractions of a pixel where angles are; a cropped area has whole ones. It is
/// counted in pixels so small that rounding them moves nothing by 0.01 of the picture's.
///
/// # Errors
/// A window that is not inside of the sphere.
pub(crate) fn equirectangular(
    window: SphereWindow,
    source: Size,
    size: Size,
) -> Result<Equirectangular, StepError> {
    let SphereWindow { full_width_px, full_height_px, left_px, top_px } = window;
    let (width_px, height_px) = (f64::from(source.width_px()), f64::from(source.height_px()));
    let whole =
        width_px > full_width_px - COVER_SLACK_PX && height_px > full_height_px - COVER_SLACK_PX;
    if whole {
        return Ok(Equirectangular::full(size));
    }
    let span = |start_px: f64, length_px: f64, full_px: f64| {
        let fine = fineness(full_px);
        let full = (full_px * fine).round() as u32;
        let length = ((length_px * fine).round() as u32).clamp(1, full);
        let start = ((start_px * fine).round().max(0.0) as u32).min(full - length);
        (start, length, full)
    };
    let (left, width, full_width) = span(left_px, width_px, full_width_px);
    let (top, height, full_height) = span(top_px, height_px, full_height_px);
    let area = CroppedArea {
        full_width_px: full_width,
        full_height_px: full_height,
        left_px: left,
        top_px: top,
        width_px: width,
        height_px: height,
    };
    Ok(Equirectangular::cropped(size, area)?)
}

/// The largest power of two by which a length can be counted in a `u32`.
fn fineness(full_px: f64) -> f64 {
    (f64::from(1_u32 << 31) / full_px).log2().floor().exp2()
}

/// # Errors
/// Angles that are not finite, which a plan does not ask for.
pub(crate) fn orientation(angles: Angles) -> Result<Orientation, StepError> {
    Ok(Orientation::from_degrees(angles.yaw_deg, angles.pitch_deg, angles.roll_deg)?)
}

fn layout(grid: CubeGrid) -> Result<CubeLayout, StepError> {
    let arrangement = match grid {
        CubeGrid::Google => return Ok(CubeLayout::google()),
        CubeGrid::ThreeByTwo => CubeArrangement::ThreeByTwo,
        CubeGrid::SixByOne => CubeArrangement::SixByOne,
        CubeGrid::OneBySix => CubeArrangement::OneBySix,
        CubeGrid::Cross => return Ok(CubeLayout::horizontal_cross()),
    };
    Ok(CubeLayout::from_letters(arrangement, "rludfb")?)
}

pub(crate) const fn curve(lens: LensKind) -> LensCurve {
    match lens {
        LensKind::Equidistant => LensCurve::Equidistant,
        LensKind::Equisolid => LensCurve::Equisolid,
        LensKind::Orthographic => LensCurve::Orthographic,
        LensKind::Stereographic => LensCurve::Stereographic,
    }
}
