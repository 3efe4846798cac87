//! What a panorama's output says of its own quality.

use serde::{Deserialize, Serialize};

use crate::operation::Eye;

/// Measured on the pixels before they are compressed, on luma or, where there is none, on green.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PanoQuality {
    /// The eye, where both are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eye: Option<Eye>,
    /// How near the source is to what its own directions show in the output: PSNR, pixels weighed by their
    /// solid angle, in decibels of 255. Absent if nothing could be compared or nothing differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ws_psnr_db: Option<f64>,
    /// For each level, smallest first, the gradient across the twelve edges of the cube over the gradients
    /// beside them: about 1 without a visible seam.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seam_scores: Vec<f64>,
    /// How fine the source is.
    pub source: Resolution,
    /// How fine the output is where it is coarsest: in the middle of a face.
    pub output: Resolution,
}

/// Pixels for each degree of the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// As many as there are.
    pub px_per_deg: f64,
    /// As many as the detail in them needs: fewer if the picture is soft or was enlarged. Absent if it shows
    /// nothing that could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_px_per_deg: Option<f64>,
}
