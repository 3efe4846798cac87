//! What of a sphere a video track shows.

use serde::{Deserialize, Serialize};

/// Spherical and stereo metadata of a video track. Angles are degrees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SphereInfo {
    /// What the pixels show.
    pub projection: SphereProjection,
    /// How the eyes lie in the frame.
    pub eyes: EyeLayout,
    /// What an equirectangular frame leaves out of the sphere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margins: Option<SphereMargins>,
    /// Where the camera looked: counter-clockwise seen from above.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub yaw_deg: f64,
    /// Upwards.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pitch_deg: f64,
    /// Clockwise seen from behind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub roll_deg: f64,
    /// Pixels between the faces of a cube and their borders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_px: Option<u32>,
    /// Horizontal field of view of a frame that is not a whole sphere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hfov_deg: Option<f64>,
    /// Heading that a player should start at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_heading_deg: Option<f64>,
    /// Pitch that a player should start at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_pitch_deg: Option<f64>,
    /// All metadata that was found; the first is the one that counts.
    pub metadata: Vec<SphereMetadata>,
}

fn is_zero(angle: &f64) -> bool {
    *angle == 0.0
}

/// What the pixels of a frame show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SphereProjection {
    /// A flat picture.
    Rectilinear,
    /// The sphere by longitude and latitude, or a part of it.
    Equirectangular,
    /// The half of it in front, by longitude and latitude.
    HalfEquirectangular,
    /// Six faces of a cube.
    Cubemap,
    /// What a mesh in the file says.
    Mesh,
    /// One or two fisheye lenses.
    Fisheye,
}

/// How the eyes lie in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EyeLayout {
    /// One picture for both.
    Mono,
    /// The left eye above the right.
    TopBottom,
    /// The right eye above the left.
    BottomTop,
    /// The left eye left of the right.
    LeftRight,
    /// The right eye left of the left.
    RightLeft,
    /// As a mesh says.
    Mesh,
    /// The other eye is a layer of its own (MV-HEVC); the base layer is one of them.
    Layered,
}

/// What a frame leaves out of the whole sphere at each side, as a share of it in [0, 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SphereMargins {
    /// Left of the frame, as a share of 360°.
    pub left: f64,
    /// Right of it, as a share of 360°.
    pub right: f64,
    /// Above it, as a share of 180°.
    pub top: f64,
    /// Below it, as a share of 180°.
    pub bottom: f64,
}

/// A way of writing such metadata; those that come first count before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SphereMetadata {
    /// Google's boxes `st3d` and `sv3d`.
    SphericalV2,
    /// Google's XML in a `uuid` box.
    SphericalV1,
    /// Apple's boxes `vexu` and `hfov`.
    AppleVexu,
    /// Elements of Matroska or WebM.
    Matroska,
}
