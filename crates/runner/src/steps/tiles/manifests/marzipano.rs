//! Marzipano's words: what its own tool writes to `data.js`, as JSON.
//!
//! Source: Marzipano 0.10, `CubeGeometry`, `ImageUrlSource` and the tour data of its tool.

use panofleet_projection::Pyramid;
use serde::Serialize;

use super::Viewers;

/// The largest face of the preview strip.
const PREVIEW_PX_MAX: u32 = 384;

/// Side of a face in the preview strip: a tile, halved until it is small. Every level has to be a multiple of
/// the one before.
pub(in crate::steps::tiles) fn preview_px(pyramid: &Pyramid) -> u32 {
    let tile_px = pyramid.tile_px().get();
    (0..).map(|halvings| tile_px >> halvings).find(|px| *px <= PREVIEW_PX_MAX).unwrap_or(tile_px)
}

/// `marzipano.json`: for `RectilinearView`, `CubeGeometry` and `ImageUrlSource.fromString`.
///
/// The preview strip is level 0, so that `{z}` is our own number of a level.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::steps::tiles) struct MarzipanoConfig {
    levels: Vec<MarzipanoLevel>,
    face_size: u32,
    initial_view_parameters: MarzipanoView,
    tile_url: String,
    cube_map_preview_url: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MarzipanoLevel {
    tile_size: u32,
    size: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fallback_only: bool,
}

/// Radians; pitch is down positive, and the field of view is the vertical one.
#[derive(Debug, Serialize)]
struct MarzipanoView {
    yaw: f64,
    pitch: f64,
    fov: f64,
}

/// Height over width of the window that the field of view is worked out for.
const SHAPE: f64 = 9.0 / 16.0;

impl Viewers<'_> {
    pub(in crate::steps::tiles) fn marzipano(&self) -> MarzipanoConfig {
        let pyramid = self.sphere.pyramid();
        let tile_px = pyramid.tile_px().get();
        let preview_px = preview_px(&pyramid);
        let preview =
            MarzipanoLevel { tile_size: preview_px, size: preview_px, fallback_only: true };
        let levels = pyramid.levels().map(|level| MarzipanoLevel {
            tile_size: tile_px,
            size: level.face_px.get(),
            fallback_only: false,
        });
        let view = self.initial_view();
        let half_hfov_rad = view.hfov_deg.to_radians() / 2.0;
        let extension = self.plan.format.extension();
        MarzipanoConfig {
            levels: std::iter::once(preview).chain(levels).collect(),
            face_size: pyramid.face_px().get(),
            initial_view_parameters: MarzipanoView {
                yaw: view.yaw_deg.to_radians(),
                pitch: -view.pitch_deg.to_radians(),
                fov: 2.0 * (half_hfov_rad.tan() * SHAPE).atan(),
            },
            tile_url: format!("{{z}}/{{f}}{{y}}_{{x}}.{extension}"),
            cube_map_preview_url: format!("preview.{extension}"),
        }
    }
}
