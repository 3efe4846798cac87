//! `pano.tiles`: an equirectangular panorama to a cube-map tile pyramid that viewers open.

use serde::{Deserialize, Serialize};

use super::shared::{self, Eye, EyeChoice, IccPolicy, PixelRect, Rgb, StereoLayout, TileFormat};
use crate::failure::Failure;
use crate::media_info::{GPano, MediaInfo};
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};

/// Tiles a panorama: full or partial, mono or stereo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoTiles {
    /// Tile format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
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
}

impl Default for PanoTiles {
    fn default() -> Self {
        Self {
            format: TileFormat::Jpeg,
            quality: 85,
            stereo: StereoLayout::Auto,
            eye: EyeChoice::Left,
            haov_deg: None,
            vaov_deg: None,
            center_pitch_deg: None,
            background: Rgb::default(),
            icc: IccPolicy::Srgb,
        }
    }
}

/// What the runner tiles, with every question about the source answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TilesPlan {
    /// The eyes, each with the part of the upright source that it sees.
    pub eyes: Vec<EyePlan>,
    /// Where on the sphere each eye's pixels lie.
    pub window: SphereWindow,
    /// Tile format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What is shown outside the window.
    pub background: Rgb,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

/// One eye of a [`TilesPlan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EyePlan {
    /// Which eye.
    pub eye: Eye,
    /// Its part of the upright source.
    pub crop: PixelRect,
}

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

impl PanoTiles {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_integer("quality", self.quality.into(), 1, 100)?;
        shared::check_angle("haov_deg", self.haov_deg, 1.0, 360.0)?;
        shared::check_angle("vaov_deg", self.vaov_deg, 1.0, 180.0)?;
        shared::check_angle("center_pitch_deg", self.center_pitch_deg, -90.0, 90.0)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<TilesPlan, Failure> {
        let picture = shared::still_picture("pano.tiles", media)?;
        let (width_px, height_px) = (picture.width_px, picture.height_px);
        let layout = self.layout(media, width_px, height_px);
        let mut assumptions = Vec::new();
        if picture.frames > 1 {
            assumptions
                .push(format!("the file holds {} pictures; the first was tiled", picture.frames));
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
        let first = eyes[0].crop;
        let window = self.window(media.gpano.as_ref(), layout, first.width_px, first.height_px)?;
        let Self { format, quality, background, icc, .. } = *self;
        Ok(TilesPlan { eyes, window, format, quality, background, icc, assumptions })
    }

    /// The stereo layout; angles, or metadata of the whole picture's shape, say that it is one picture.
    fn layout(&self, media: &MediaInfo, width_px: u32, height_px: u32) -> StereoLayout {
        let described = self.haov_deg.is_some()
            || self.vaov_deg.is_some()
            || media.gpano.as_ref().is_some_and(|gpano| has_shape(gpano, width_px, height_px));
        match self.stereo {
            StereoLayout::Auto if described => StereoLayout::Mono,
            said => said.resolve(width_px, height_px),
        }
    }

    /// The window, from the parameters, else from GPano, else from a 2:1 shape.
    fn window(
        &self,
        gpano: Option<&GPano>,
        layout: StereoLayout,
        width_px: u32,
        height_px: u32,
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
        let full = SphereWindow {
            full_width_px: width_px.into(),
            full_height_px: height_px.into(),
            left_px: 0.0,
            top_px: 0.0,
        };
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
fn has_shape(gpano: &GPano, width_px: u32, height_px: u32) -> bool {
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
    if let Some(projection) = gpano.projection.as_deref()
        && !projection.eq_ignore_ascii_case("equirectangular")
    {
        let said = format!(
            "GPano says the projection is `{projection}`; pano.tiles reads equirectangular only"
        );
        return Err(Failure::rejected("projection_unsupported", said));
    }
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

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "pano.tiles",
    summary: "an equirectangular panorama to a cube-map tile pyramid, with manifests for viewers",
    writes: "<level>/<face><row>_<column>.jpg, fallback/<face>.jpg, config.json (Pannellum), psv.json \
             (Photo Sphere Viewer); with both eyes, each under left/ and right/",
    parameters: &[
        shared::FORMAT,
        shared::QUALITY,
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
    ],
    example: r#"{"op": "pano.tiles", "quality": 85}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_info::{ColorModel, PictureInfo};

    fn media(width_px: u32, height_px: u32, gpano: Option<GPano>) -> MediaInfo {
        let picture = PictureInfo {
            width_px,
            height_px,
            color: ColorModel::Ycbcr,
            alpha: false,
            bits_per_sample: 8,
            orientation: 1,
            frames: 1,
            icc: None,
        };
        MediaInfo {
            container: "jpeg".into(),
            bytes: 1,
            picture: Some(picture),
            tracks: Vec::new(),
            duration_ms: None,
            gpano,
            warnings: Vec::new(),
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
