//! `pano.tiles`: an equirectangular panorama to a cube-map tile pyramid that viewers open.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use super::shared::{self, EyeChoice, IccPolicy, Rgb, StereoLayout, TileFormat};
use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};
use crate::panorama::{
    EyePlan, PanoramaSource, PictureProjection, ProjectionName, SourcePlan, SphereWindow,
};

/// How a panorama is cut into tiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TileLayout {
    /// Faces of a cube: Pannellum, Photo Sphere Viewer and Marzipano, over the same files.
    #[default]
    Cube,
    /// Equirectangular tiles of a whole sphere: Photo Sphere Viewer.
    Equirectangular,
    /// The picture as it is, flat: Deep Zoom.
    Dzi,
    /// The picture as it is, flat: an IIIF image service of files.
    Iiif,
}

impl TileLayout {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["cube", "equirectangular", "dzi", "iiif"];
}

/// Tiles a panorama: full or partial, mono or stereo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoTiles {
    /// Tile format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// The source's projection: equirectangular, or a cube map.
    pub projection: Option<ProjectionName>,
    /// How the eyes of a stereo picture lie in it.
    pub stereo: StereoLayout,
    /// Which eyes of a stereo picture to tile.
    pub eye: EyeChoice,
    /// Horizontal extent of a partial panorama, when the file does not say.
    pub haov_deg: Option<f64>,
    /// Vertical extent of a partial panorama, when the file does not say.
    pub vaov_deg: Option<f64>,
    /// Pitch of the middle row of a partial panorama, when the file does not say.
    pub center_pitch_deg: Option<f64>,
    /// What is shown where a partial panorama has no pixels.
    pub background: Rgb,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// Whether the manifest says how good the tiles are.
    pub quality_report: bool,
    /// How tiles are cut.
    pub layout: TileLayout,
    /// Width of one equirectangular picture beside cube tiles; 0 for none.
    pub phone_px: u32,
    /// Where an image service will be served from.
    pub base_url: Option<String>,
}

/// The widest texture that every phone takes.
const PHONE_PX_MAX: u32 = 4096;

impl Default for PanoTiles {
    fn default() -> Self {
        Self {
            format: TileFormat::Jpeg,
            quality: 85,
            projection: None,
            stereo: StereoLayout::Auto,
            eye: EyeChoice::Left,
            haov_deg: None,
            vaov_deg: None,
            center_pitch_deg: None,
            background: Rgb::default(),
            icc: IccPolicy::Srgb,
            quality_report: true,
            layout: TileLayout::Cube,
            phone_px: PHONE_PX_MAX,
            base_url: None,
        }
    }
}

/// What the runner tiles, with every question about the source answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TilesPlan {
    /// The eyes, each with the part of the upright source that it sees.
    pub eyes: Vec<EyePlan>,
    /// Where on the sphere each eye's pixels lie; of a cube map, a whole sphere as fine as its faces.
    pub window: SphereWindow,
    /// The projection of a source that is a cube map.
    pub cubemap: Option<PictureProjection>,
    /// Tile format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What is shown outside the window.
    pub background: Rgb,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// Whether the manifest says how good the tiles are.
    pub quality_report: bool,
    /// How tiles are cut.
    pub layout: TileLayout,
    /// Width of one equirectangular picture beside cube tiles; 0 for none.
    pub phone_px: u32,
    /// Where an image service will be served from, with a `/` at its end; empty for other layouts.
    pub base_url: String,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

impl PanoTiles {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_integer("quality", self.quality.into(), 1, 100)?;
        shared::check_integer("phone_px", self.phone_px, 0, PHONE_PX_MAX)?;
        shared::check_url("base_url", self.base_url.as_deref())?;
        self.source().check()
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<TilesPlan, Failure> {
        let SourcePlan { eyes, projection, assumptions } =
            self.source().plan("pano.tiles", media)?;
        let first = &eyes[0].crop;
        let (window, cubemap) = match projection {
            PictureProjection::Equirectangular { window } => (window, None),
            PictureProjection::Cubemap { grid, padding_px } if self.layout == TileLayout::Cube => {
                let face_px = (first.width_px / grid.cells().0).saturating_sub(2 * padding_px);
                // A face sees a quarter of the horizon; its middle has face_px / 2 pixels for a radian.
                let width_px = 2 * (f64::from(face_px) * FRAC_PI_2).round().max(1.0) as u32;
                (SphereWindow::whole(width_px, width_px / 2), Some(projection))
            }
            other => {
                let name = other.name().as_str();
                let said = format!(
                    "pano.tiles reads equirectangular pictures, and cube maps for cube tiles; this one is {name}: make an \
                     equirectangular one of it with `pano.convert`"
                );
                return Err(Failure::rejected("projection_unsupported", said));
            }
        };
        let Self { format, quality, background, icc, quality_report, layout, phone_px, .. } = *self;
        if layout == TileLayout::Equirectangular
            && !window.is_whole(first.width_px, first.height_px)
        {
            let said = "equirectangular tiles are of a whole sphere, and this panorama is a part of it; use the layout \
                        `cube`";
            return Err(Failure::rejected("layout_needs_whole_sphere", said));
        }
        if layout == TileLayout::Iiif && self.base_url.is_none() {
            let said = "an IIIF image service names the URL that it is served from; set `base_url` to that of the output's \
                        folder";
            return Err(Failure::rejected("base_url_missing", said));
        }
        Ok(TilesPlan {
            eyes,
            window,
            cubemap,
            format,
            quality,
            background,
            icc,
            quality_report,
            layout,
            phone_px,
            base_url: self
                .base_url
                .as_deref()
                .map_or_else(String::new, |url| format!("{}/", url.trim_end_matches('/'))),
            assumptions,
        })
    }

    const fn source(&self) -> PanoramaSource {
        let Self { projection, stereo, eye, haov_deg, vaov_deg, center_pitch_deg, .. } = *self;
        PanoramaSource {
            projection,
            lens: None,
            lens_order: None,
            stereo,
            eye,
            haov_deg,
            vaov_deg,
            center_pitch_deg,
        }
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.tiles",
    summary: "a panorama, equirectangular or a cube map, to a pyramid of tiles, with manifests for viewers",
    writes: "cube: <level>/<face><row>_<column>.jpg, fallback/<face>.jpg, preview.jpg, phone.jpg, config.json \
             (Pannellum), psv.json (Photo Sphere Viewer), marzipano.json, krpano.xml; equirectangular: \
             <level>/<row>_<column>.jpg, base.jpg, psv.json; dzi: image.dzi, image_files/<level>/<column>_<row>.jpg; \
             iiif: info.json, <region>/<size>/0/default.jpg; with both eyes, each under left/ and right/",
    parameters: &[
        shared::FORMAT,
        shared::QUALITY,
        ParameterDoc {
            name: "projection",
            kind: ParameterKind::Choice { of: ProjectionName::WORDS },
            default: "null",
            summary: "the source's projection: equirectangular, or a cube map in one picture; a row or a column of six \
                      squares is taken for one",
        },
        ParameterDoc {
            name: "stereo",
            kind: ParameterKind::Choice { of: StereoLayout::WORDS },
            default: "\"auto\"",
            summary: "how the eyes of a stereo picture lie in it; `auto` takes 1:1 for top-bottom and 4:1 for left-right",
        },
        ParameterDoc {
            name: "eye",
            kind: ParameterKind::Choice { of: EyeChoice::WORDS },
            default: "\"left\"",
            summary: "which eyes of a stereo picture to tile",
        },
        ParameterDoc {
            name: "haov_deg",
            kind: ParameterKind::Number { min: 1.0, max: 360.0 },
            default: "null",
            summary: "horizontal extent of a partial panorama, in degrees; goes before GPano",
        },
        ParameterDoc {
            name: "vaov_deg",
            kind: ParameterKind::Number { min: 1.0, max: 180.0 },
            default: "null",
            summary: "vertical extent of a partial panorama, in degrees; goes before GPano",
        },
        ParameterDoc {
            name: "center_pitch_deg",
            kind: ParameterKind::Number { min: -90.0, max: 90.0 },
            default: "null",
            summary: "pitch of the middle row of a partial panorama, in degrees, up positive; 0 if not given",
        },
        ParameterDoc {
            name: "background",
            kind: ParameterKind::Color,
            default: "\"#000000\"",
            summary: "what is shown where a partial panorama has no pixels",
        },
        shared::ICC,
        ParameterDoc {
            name: "layout",
            kind: ParameterKind::Choice { of: TileLayout::WORDS },
            default: "\"cube\"",
            summary: "how tiles are cut: `cube` faces for Pannellum, Photo Sphere Viewer and Marzipano; \
                      `equirectangular` tiles of a whole sphere for Photo Sphere Viewer; `dzi`, the flat picture as a \
                      Deep Zoom image; `iiif`, the flat picture as an IIIF 3 image service (level 0)",
        },
        ParameterDoc {
            name: "phone_px",
            kind: ParameterKind::Integer { min: 0, max: PHONE_PX_MAX as i64 },
            default: "4096",
            summary: "width of one equirectangular picture beside cube tiles, for devices that show nothing larger; 0 \
                      makes none",
        },
        ParameterDoc {
            name: "base_url",
            kind: ParameterKind::Url,
            default: "null",
            summary: "where the output's folder will be served from, such as https://example.com/reef/tiles; an `iiif` image \
                      service has to say it",
        },
        ParameterDoc {
            name: "quality_report",
            kind: ParameterKind::Switch,
            default: "true",
            summary: "whether the manifest says how good the tiles are: what of the source is left in them, \
                      whether faces fit, and how fine both are",
        },
    ],
    example: r#"{"op": "pano.tiles", "quality": 85}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_info::{ColorModel, GPano, PictureInfo};
    use crate::operations::shared::{Eye, PixelRect};

    fn media(width_px: u32, height_px: u32, gpano: Option<GPano>) -> MediaInfo {
        let picture = PictureInfo {
            width_px,
            height_px,
            color: ColorModel::Ycbcr,
            bits_per_sample: 8,
            orientation: 1,
            frames: 1,
            ..PictureInfo::default()
        };
        MediaInfo {
            container: "jpeg".into(),
            bytes: 1,
            picture: Some(picture),
            gpano,
            ..MediaInfo::default()
        }
    }

    fn window(full: (f64, f64), left_px: f64, top_px: f64) -> SphereWindow {
        SphereWindow { full_width_px: full.0, full_height_px: full.1, left_px, top_px }
    }

    #[test]
    fn the_window_comes_from_angles_then_gpano_then_shape() {
        let plain = PanoTiles::default();
        let plan = plain.plan(&media(8192, 4096, None)).unwrap();
        assert_eq!(plan.window, window((8192.0, 4096.0), 0.0, 0.0));

        // A phone panorama: 240° × 60°, resized to half after its metadata was written.
        let gpano = GPano {
            full_width_px: Some(12_000),
            full_height_px: Some(6000),
            cropped_width_px: Some(8000),
            cropped_height_px: Some(2000),
            cropped_left_px: Some(2000),
            cropped_top_px: Some(2400),
            ..GPano::default()
        };
        let plan = plain.plan(&media(4000, 1000, Some(gpano.clone()))).unwrap();
        assert_eq!(plan.window, window((6000.0, 3000.0), 1000.0, 1200.0));

        let said = PanoTiles { haov_deg: Some(360.0), center_pitch_deg: Some(10.0), ..plain };
        let plan = said.plan(&media(3600, 900, Some(gpano))).unwrap();
        assert_eq!(plan.window, window((3600.0, 1800.0), 0.0, 350.0));
    }

    #[test]
    fn what_is_not_known_is_asked_for() {
        let three_to_one = PanoTiles::default().plan(&media(3000, 1000, None)).unwrap_err();
        assert_eq!(three_to_one.code, "panorama_extent_unknown");
        for field in ["haov_deg", "vaov_deg", "GPano", "3000×1000"] {
            assert!(three_to_one.message.contains(field), "{field}: {}", three_to_one.message);
        }
        let outside = GPano {
            full_width_px: Some(4000),
            full_height_px: Some(2000),
            cropped_width_px: Some(3000),
            cropped_height_px: Some(1000),
            cropped_left_px: Some(1001),
            ..GPano::default()
        };
        let refused = PanoTiles::default().plan(&media(3000, 1000, Some(outside))).unwrap_err();
        assert_eq!(refused.code, "gpano_invalid");
        let past_pole = PanoTiles {
            vaov_deg: Some(90.0),
            haov_deg: Some(180.0),
            center_pitch_deg: Some(50.0),
            ..PanoTiles::default()
        };
        let refused = past_pole.plan(&media(2000, 1000, None)).unwrap_err();
        assert!(refused.message.contains("past a pole"), "{}", refused.message);
    }

    #[test]
    fn stereo_is_split_between_the_eyes() {
        let both = PanoTiles { eye: EyeChoice::Both, ..PanoTiles::default() };
        let plan = both.plan(&media(4096, 4096, None)).unwrap();
        let rect = |top_px| PixelRect { left_px: 0, top_px, width_px: 4096, height_px: 2048 };
        assert_eq!(plan.eyes[0], EyePlan { eye: Eye::Left, crop: rect(0) });
        assert_eq!(plan.eyes[1], EyePlan { eye: Eye::Right, crop: rect(2048) });
        assert_eq!(plan.window, window((4096.0, 2048.0), 0.0, 0.0));
        assert_eq!(plan.assumptions.len(), 1);

        // Squeezed: a 2:1 picture that holds two eyes beside each other.
        let squeezed = PanoTiles { stereo: StereoLayout::LeftRight, ..PanoTiles::default() };
        let plan = squeezed.plan(&media(4096, 2048, None)).unwrap();
        assert_eq!(plan.window, window((2048.0, 2048.0), 0.0, 0.0));

        let odd = PanoTiles { stereo: StereoLayout::TopBottom, ..PanoTiles::default() };
        assert_eq!(odd.plan(&media(101, 101, None)).unwrap_err().code, "stereo_odd_size");
    }
}
