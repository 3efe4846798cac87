//! Where on the sphere an equirectangular picture lies: from the job's words, else from GPano, else from its shape.

use serde::{Deserialize, Serialize};

use super::PanoramaSource;
use crate::failure::Failure;
use crate::media_info::GPano;
use crate::operations::shared::StereoLayout;

/// Where a panorama's pixels lie in the full equirectangular picture that they are a part of.
///
/// The full picture spans 360° × 180°; its two sides need not be 2:1 (a squeezed stereo eye is not), and
/// with angles that no whole pixel fits they are not whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SphereWindow {
    /// Width of 360°, in source pixels.
    pub full_width_px: f64,
    /// Height of 180°, in source pixels.
    pub full_height_px: f64,
    /// Left edge of the picture in the full one.
    pub left_px: f64,
    /// Top edge of the picture in the full one.
    pub top_px: f64,
}

impl PanoramaSource {
    /// The window, from the parameters, else from GPano, else from a 2:1 shape.
    pub(super) fn window(
        &self,
        gpano: Option<&GPano>,
        layout: StereoLayout,
        (width_px, height_px): (u32, u32),
    ) -> Result<SphereWindow, Failure> {
        if self.haov_deg.is_some() || self.vaov_deg.is_some() {
            return self.window_from_angles(width_px, height_px);
        }
        let mono = layout == StereoLayout::Mono;
        if let Some(gpano) = gpano.filter(|_| mono)
            && let Some(window) = window_from_gpano(gpano, width_px, height_px)?
        {
            return Ok(window);
        }
        let full = SphereWindow::whole(width_px, height_px);
        // A stereo eye spans the sphere however it is squeezed; an odd pixel of a mono one is rounding.
        let two_to_one = u64::from(width_px).abs_diff(2 * u64::from(height_px)) <= 2;
        if !mono || two_to_one {
            return Ok(full);
        }
        let said = format!(
            "the picture is {width_px}×{height_px}, not 2:1, and has no GPano metadata, so nobody knows which \
             part of the sphere it shows; set `haov_deg` and `vaov_deg` (and `center_pitch_deg`), or `stereo`, \
             or write GPano CroppedArea and FullPano fields into the file"
        );
        Err(Failure::rejected("panorama_extent_unknown", said))
    }

    fn window_from_angles(&self, width_px: u32, height_px: u32) -> Result<SphereWindow, Failure> {
        let (width, height) = (f64::from(width_px), f64::from(height_px));
        // One angle gives the other: pixels are square in an equirectangular picture unless said otherwise.
        let (haov_deg, vaov_deg) = match (self.haov_deg, self.vaov_deg) {
            (Some(haov), Some(vaov)) => (haov, vaov),
            (Some(haov), None) => (haov, haov * height / width),
            (None, Some(vaov)) => (vaov * width / height, vaov),
            (None, None) => (360.0, 180.0),
        };
        let pitch_deg = self.center_pitch_deg.unwrap_or(0.0);
        let (full_width_px, full_height_px) = (width * 360.0 / haov_deg, height * 180.0 / vaov_deg);
        let left_px = (full_width_px - width) / 2.0;
        let top_px = full_height_px * (0.5 - pitch_deg / 180.0) - height / 2.0;
        let window = SphereWindow { full_width_px, full_height_px, left_px, top_px };
        window.check(width_px, height_px).map_err(|excess| {
            let said = format!(
                "a picture {haov_deg:.2}° wide and {vaov_deg:.2}° high at pitch {pitch_deg:.2}° {excess}; \
                 correct `haov_deg`, `vaov_deg` or `center_pitch_deg`"
            );
            Failure::rejected("panorama_extent_invalid", said)
        })?;
        Ok(window)
    }
}

impl SphereWindow {
    /// Whether a picture of this size is all of the sphere.
    pub fn is_whole(&self, width_px: u32, height_px: u32) -> bool {
        const SLACK_PX: f64 = 1e-4;
        f64::from(width_px) > self.full_width_px - SLACK_PX
            && f64::from(height_px) > self.full_height_px - SLACK_PX
    }

    /// The whole sphere, whatever the shape of its picture.
    pub fn whole(width_px: u32, height_px: u32) -> Self {
        let [full_width_px, full_height_px] = [width_px, height_px].map(f64::from);
        Self { full_width_px, full_height_px, left_px: 0.0, top_px: 0.0 }
    }

    /// Pitch of the middle row of a picture of this height, up positive.
    pub(super) fn middle_pitch_deg(&self, height_px: u32) -> f64 {
        180.0 * (0.5 - (self.top_px + f64::from(height_px) / 2.0) / self.full_height_px)
    }

    /// Whether a picture of this size lies inside the sphere; if not, how it leaves it.
    fn check(&self, width_px: u32, height_px: u32) -> Result<(), &'static str> {
        // Angles are given with finite digits: a hundredth of a pixel is not an error.
        const SLACK_PX: f64 = 0.01;
        if self.left_px < -SLACK_PX
            || self.left_px + f64::from(width_px) > self.full_width_px + SLACK_PX
        {
            return Err("is wider than the whole sphere");
        }
        if self.top_px < -SLACK_PX
            || self.top_px + f64::from(height_px) > self.full_height_px + SLACK_PX
        {
            return Err("reaches past a pole");
        }
        Ok(())
    }
}

/// Whether GPano describes an area of this shape, to 1 %: then it describes the whole picture, resized or not.
pub(super) fn has_shape(gpano: &GPano, width_px: u32, height_px: u32) -> bool {
    let width = gpano.cropped_width_px.or(gpano.full_width_px).map(f64::from);
    let height = gpano.cropped_height_px.or(gpano.full_height_px).map(f64::from);
    let (Some(width), Some(height)) = (width, height) else { return false };
    let (one, other) = (width * f64::from(height_px), height * f64::from(width_px));
    (one - other).abs() <= 0.01 * one.max(other)
}

/// The window that GPano describes; `None` if it leaves the sizes out.
///
/// A picture that was resized after its metadata was written keeps its share of the sphere: the six sizes
/// are scaled by the picture's width and height over the cropped area's.
fn window_from_gpano(
    gpano: &GPano,
    width_px: u32,
    height_px: u32,
) -> Result<Option<SphereWindow>, Failure> {
    let (Some(full_width), Some(full_height)) = (gpano.full_width_px, gpano.full_height_px) else {
        return Ok(None);
    };
    let cropped_width = f64::from(gpano.cropped_width_px.unwrap_or(full_width));
    let cropped_height = f64::from(gpano.cropped_height_px.unwrap_or(full_height));
    if full_width == 0 || full_height == 0 || cropped_width < 1.0 || cropped_height < 1.0 {
        let said = "GPano gives a panorama of no size; correct FullPano and CroppedArea fields or remove them";
        return Err(Failure::rejected("gpano_invalid", said));
    }
    let (scale_x, scale_y) =
        (f64::from(width_px) / cropped_width, f64::from(height_px) / cropped_height);
    let window = SphereWindow {
        full_width_px: f64::from(full_width) * scale_x,
        full_height_px: f64::from(full_height) * scale_y,
        left_px: f64::from(gpano.cropped_left_px.unwrap_or(0)) * scale_x,
        top_px: f64::from(gpano.cropped_top_px.unwrap_or(0)) * scale_y,
    };
    window.check(width_px, height_px).map_err(|excess| {
        let said = format!(
            "GPano's cropped area {excess}: CroppedAreaLeftPixels {} + CroppedAreaImageWidthPixels {cropped_width} \
             of FullPanoWidthPixels {full_width}, CroppedAreaTopPixels {} + CroppedAreaImageHeightPixels \
             {cropped_height} of FullPanoHeightPixels {full_height}; correct them, or set `haov_deg` and `vaov_deg`",
            gpano.cropped_left_px.unwrap_or(0),
            gpano.cropped_top_px.unwrap_or(0),
        );
        Failure::rejected("gpano_invalid", said)
    })?;
    Ok(Some(window))
}
