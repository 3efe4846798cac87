//! What a panorama operation knows of its source: how the eyes lie in it, and what part of the sphere each sees.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::operations::shared::{self, Eye, EyeChoice, PixelRect, StereoLayout};

mod window;

pub use window::SphereWindow;

/// What a job says about its panorama; everything left out is asked of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PanoramaSource {
    /// How the eyes of a stereo picture lie in it.
    pub(crate) stereo: StereoLayout,
    /// Which eyes are wanted.
    pub(crate) eye: EyeChoice,
    /// Horizontal extent of a partial panorama.
    pub(crate) haov_deg: Option<f64>,
    /// Vertical extent of a partial panorama.
    pub(crate) vaov_deg: Option<f64>,
    /// Pitch of the middle row of a partial panorama.
    pub(crate) center_pitch_deg: Option<f64>,
}

/// A panorama with every question about it answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourcePlan {
    /// The eyes that are wanted; at least one, all of the same size.
    pub(crate) eyes: Vec<EyePlan>,
    /// Where on the sphere each eye's pixels lie.
    pub(crate) window: SphereWindow,
    /// What was assumed because nobody said it.
    pub(crate) assumptions: Vec<String>,
}

/// One eye of a panorama.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EyePlan {
    /// Which eye.
    pub eye: Eye,
    /// Its part of the upright source.
    pub crop: PixelRect,
}

impl PanoramaSource {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("haov_deg", self.haov_deg, 1.0, 360.0)?;
        shared::check_angle("vaov_deg", self.vaov_deg, 1.0, 180.0)?;
        shared::check_angle("center_pitch_deg", self.center_pitch_deg, -90.0, 90.0)
    }

    /// The eyes and the window of a probed source, for operation `op`.
    ///
    /// # Errors
    /// `Rejected`, with what to say or to correct: no still picture, an odd stereo picture, a part of the sphere that
    /// nobody knows.
    pub(crate) fn plan(&self, op: &str, media: &MediaInfo) -> Result<SourcePlan, Failure> {
        let picture = shared::still_picture(op, media)?;
        let (width_px, height_px) = (picture.width_px, picture.height_px);
        let layout = self.layout(media, width_px, height_px);
        let mut assumptions = Vec::new();
        if picture.frames > 1 {
            assumptions
                .push(format!("the file holds {} pictures; the first was used", picture.frames));
        }
        if self.stereo == StereoLayout::Auto && layout != StereoLayout::Mono {
            let word = if layout == StereoLayout::TopBottom { "top-bottom" } else { "left-right" };
            assumptions.push(format!(
                "taken for stereo {word} by its shape ({width_px}×{height_px}); say `stereo` if it is not"
            ));
        }
        let eyes: &[Eye] = match (layout, self.eye) {
            (StereoLayout::Mono, _) | (_, EyeChoice::Left) => &[Eye::Left],
            (_, EyeChoice::Right) => &[Eye::Right],
            (_, EyeChoice::Both) => &[Eye::Left, Eye::Right],
        };
        let eyes = eyes
            .iter()
            .map(|&eye| Ok(EyePlan { eye, crop: layout.eye_rect(eye, width_px, height_px)? }))
            .collect::<Result<Vec<_>, Failure>>()?;
        let size = (eyes[0].crop.width_px, eyes[0].crop.height_px);
        let window = self.window(op, media.gpano.as_ref(), layout, size)?;
        Ok(SourcePlan { eyes, window, assumptions })
    }

    /// The stereo layout; angles, or metadata of the whole picture's shape, say that it is one picture.
    fn layout(&self, media: &MediaInfo, width_px: u32, height_px: u32) -> StereoLayout {
        let described = self.haov_deg.is_some()
            || self.vaov_deg.is_some()
            || media
                .gpano
                .as_ref()
                .is_some_and(|gpano| window::has_shape(gpano, width_px, height_px));
        match self.stereo {
            StereoLayout::Auto if described => StereoLayout::Mono,
            said => said.resolve(width_px, height_px),
        }
    }
}
