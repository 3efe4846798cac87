//! What viewers are told about the tiles: the same files, in the words of each.
//!
//! Sources: Pannellum's JSON configuration and `utils/multires/generate.py`; Photo Sphere Viewer 5's
//! `cubemap-tiles` adapter. Paths are relative to the manifest's own folder.

use std::collections::BTreeMap;

use panofleet_job_schema::media_info::GPano;
use panofleet_job_schema::operation::TilesPlan;
use panofleet_projection::Face;
use serde::Serialize;

use super::geometry::Sphere;
use super::missing::missing_tiles;
use super::previews::Previews;
use crate::error::StepError;

mod krpano;
mod marzipano;

pub(super) use marzipano::preview_px;

/// Field of view that viewers start with when nobody says otherwise.
const HFOV_DEG: f64 = 100.0;

/// What the manifests are made from.
pub(super) struct Viewers<'a> {
    pub(super) plan: &'a TilesPlan,
    pub(super) sphere: &'a Sphere,
    pub(super) gpano: Option<&'a GPano>,
}

/// Where a viewer starts to look.
struct InitialView {
    yaw_deg: f64,
    pitch_deg: f64,
    hfov_deg: f64,
}

/// Pannellum's `config.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PannellumConfig {
    r#type: &'static str,
    yaw: f64,
    pitch: f64,
    hfov: f64,
    #[serde(flatten)]
    sideways: Option<PannellumSideways>,
    #[serde(flatten)]
    upright: Option<PannellumUpright>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background_color: Option<[f64; 3]>,
    multi_res: PannellumMultiRes,
}

/// How far a panorama that does not go around reaches, in degrees.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PannellumSideways {
    haov: f64,
    min_yaw: f64,
    max_yaw: f64,
}

/// How far a panorama without its poles reaches, in degrees.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PannellumUpright {
    vaov: f64,
    v_offset: f64,
    min_pitch: f64,
    max_pitch: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PannellumMultiRes {
    #[serde(skip_serializing_if = "Option::is_none")]
    sht_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    equirectangular_thumbnail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_tiles: Option<String>,
    path: &'static str,
    fallback_path: &'static str,
    extension: &'static str,
    tile_resolution: u32,
    max_level: u32,
    cube_resolution: u32,
}

/// `psv.json`: the options of a Photo Sphere Viewer, except for the function `tileUrl`.
///
/// A page makes that function from `tileUrl` here: `{level}` is `tileLevels[level]`, `{face}` is
/// `faceLetters[face]`, `{row}` and `{col}` are the function's own. The one-tile level is left out, because
/// the adapter asks for half of a tile there; a pyramid of that level alone is a plain cube map
/// (`"adapter": "cubemap"`) of the fallback faces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PsvConfig {
    adapter: &'static str,
    panorama: PsvPanorama,
    #[serde(skip_serializing_if = "Option::is_none")]
    tile_url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tile_levels: Vec<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    face_letters: BTreeMap<&'static str, char>,
    default_yaw: String,
    default_pitch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    visible_range: Option<PsvVisibleRange>,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum PsvPanorama {
    Tiles { base_url: PsvFaces, levels: Vec<PsvLevel>, flip_top_bottom: bool },
    Sphere { base_url: String, levels: Vec<PsvSphereLevel> },
    Faces(PsvFaces),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PsvFaces {
    r#type: &'static str,
    paths: BTreeMap<&'static str, String>,
    flip_top_bottom: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PsvLevel {
    face_size: u32,
    nb_tiles: u32,
}

#[derive(Debug, Serialize)]
struct PsvSphereLevel {
    width: u32,
    cols: u32,
    rows: u32,
}

/// Equirectangular tiles: `levels` of them, the smallest four tiles wide, each twice as wide as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct PsvTiles {
    pub(super) tile_px: u32,
    pub(super) levels: u32,
}

/// Options of the visible-range plugin.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PsvVisibleRange {
    #[serde(skip_serializing_if = "Option::is_none")]
    horizontal_range: Option<[String; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vertical_range: Option<[String; 2]>,
}

impl Viewers<'_> {
    /// # Errors
    /// A window that is not inside of the sphere.
    pub(super) fn pannellum(
        &self,
        previews: Option<Previews>,
    ) -> Result<PannellumConfig, StepError> {
        let sphere = self.sphere;
        let pyramid = sphere.pyramid();
        let view = self.initial_view();
        let (sideways, upright) = sphere.is_partial();
        let (yaw, pitch) = (sphere.centre_yaw_deg(), sphere.centre_pitch_deg());
        let (haov, vaov) = (sphere.haov_deg(), sphere.vaov_deg());
        let missing_tiles = (sideways || upright)
            .then(|| Ok::<_, StepError>(missing_tiles(&pyramid, &sphere.geometry()?)))
            .transpose()?
            .flatten();
        let previews = previews.map(|previews| (previews.hash, previews.thumbnail)).unzip();
        Ok(PannellumConfig {
            r#type: "multires",
            yaw: view.yaw_deg,
            pitch: view.pitch_deg,
            hfov: view.hfov_deg,
            sideways: sideways.then_some(PannellumSideways {
                haov,
                min_yaw: yaw - haov / 2.0,
                max_yaw: yaw + haov / 2.0,
            }),
            upright: upright.then_some(PannellumUpright {
                vaov,
                v_offset: pitch,
                min_pitch: pitch - vaov / 2.0,
                max_pitch: pitch + vaov / 2.0,
            }),
            background_color: (sideways || upright)
                .then(|| self.plan.background.0.map(|value| f64::from(value) / 255.0)),
            multi_res: PannellumMultiRes {
                sht_hash: previews.0,
                equirectangular_thumbnail: previews.1,
                missing_tiles,
                path: "/%l/%s%y_%x",
                fallback_path: "/fallback/%s",
                extension: self.plan.format.extension(),
                tile_resolution: pyramid.tile_px().get(),
                max_level: pyramid.level_count(),
                cube_resolution: pyramid.face_px().get(),
            },
        })
    }

    pub(super) fn photo_sphere_viewer(&self) -> PsvConfig {
        let extension = self.plan.format.extension();
        let tiled: Vec<_> =
            self.sphere.pyramid().levels().filter(|level| level.tiles_per_side > 1).collect();
        let faces = PsvFaces {
            r#type: "separate",
            paths: faces(|letter| format!("fallback/{letter}.{extension}")),
            flip_top_bottom: true,
        };
        let levels: Vec<_> = tiled
            .iter()
            .map(|level| PsvLevel {
                face_size: level.face_px.get(),
                nb_tiles: level.tiles_per_side,
            })
            .collect();
        let view = self.initial_view();
        let one_tile = levels.is_empty();
        PsvConfig {
            adapter: if one_tile { "cubemap" } else { "cubemap-tiles" },
            panorama: if one_tile {
                PsvPanorama::Faces(faces)
            } else {
                PsvPanorama::Tiles { base_url: faces, levels, flip_top_bottom: true }
            },
            tile_url: (!one_tile).then(|| format!("{{level}}/{{face}}{{row}}_{{col}}.{extension}")),
            tile_levels: tiled.iter().map(|level| level.number).collect(),
            face_letters: self::faces(|letter| letter),
            default_yaw: degrees(view.yaw_deg),
            default_pitch: degrees(view.pitch_deg),
            visible_range: self.visible_range(),
        }
    }

    /// `psv.json` of equirectangular tiles.
    pub(super) fn photo_sphere_viewer_tiles(&self, tiles: PsvTiles) -> PsvConfig {
        let extension = self.plan.format.extension();
        let level = |number: u32| {
            let cols = 2 << number;
            PsvSphereLevel { width: cols * tiles.tile_px, cols, rows: cols / 2 }
        };
        let view = self.initial_view();
        PsvConfig {
            adapter: "equirectangular-tiles",
            panorama: PsvPanorama::Sphere {
                base_url: format!("base.{extension}"),
                levels: (1..=tiles.levels).map(level).collect(),
            },
            tile_url: Some(format!("{{level}}/{{row}}_{{col}}.{extension}")),
            tile_levels: (1..=tiles.levels).collect(),
            face_letters: BTreeMap::new(),
            default_yaw: degrees(view.yaw_deg),
            default_pitch: degrees(view.pitch_deg),
            visible_range: None,
        }
    }

    fn visible_range(&self) -> Option<PsvVisibleRange> {
        let (sideways, upright) = self.sphere.is_partial();
        let range = |centre_deg: f64, extent_deg: f64| {
            [degrees(centre_deg - extent_deg / 2.0), degrees(centre_deg + extent_deg / 2.0)]
        };
        let (haov, vaov) = (self.sphere.haov_deg(), self.sphere.vaov_deg());
        (sideways || upright).then(|| PsvVisibleRange {
            horizontal_range: sideways.then(|| range(self.sphere.centre_yaw_deg(), haov)),
            vertical_range: upright.then(|| range(self.sphere.centre_pitch_deg(), vaov)),
        })
    }

    /// GPano's initial view, else the middle of the picture.
    ///
    /// GPano counts the heading from north like the pose, so the pose is taken off; without a pose the
    /// middle of the sphere is taken for north.
    fn initial_view(&self) -> InitialView {
        let gpano = self.gpano.cloned().unwrap_or_default();
        let north_deg = gpano.pose_heading_deg.unwrap_or(0.0);
        let turned = |heading_deg: f64| (heading_deg - north_deg + 180.0).rem_euclid(360.0) - 180.0;
        let extent_deg = self.sphere.haov_deg();
        InitialView {
            yaw_deg: gpano.initial_heading_deg.map_or_else(|| self.sphere.centre_yaw_deg(), turned),
            pitch_deg: gpano
                .initial_pitch_deg
                .map_or_else(|| self.sphere.centre_pitch_deg(), |pitch| pitch.clamp(-90.0, 90.0)),
            hfov_deg: gpano
                .initial_hfov_deg
                .filter(|hfov| (10.0..=170.0).contains(hfov))
                .unwrap_or(HFOV_DEG)
                .min(extent_deg),
        }
    }
}

/// Photo Sphere Viewer's names of the faces.
fn faces<T>(value: impl Fn(char) -> T) -> BTreeMap<&'static str, T> {
    let name = |face| match face {
        Face::Front => "front",
        Face::Right => "right",
        Face::Back => "back",
        Face::Left => "left",
        Face::Up => "top",
        Face::Down => "bottom",
    };
    Face::ALL.into_iter().map(|face| (name(face), value(face.letter()))).collect()
}

fn degrees(angle_deg: f64) -> String {
    format!("{angle_deg}deg")
}
