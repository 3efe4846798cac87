//! What a panorama operation knows of its source: its projection, how the eyes lie in it, and what part of the sphere
//! each sees.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::media_info::MediaInfo;
use crate::operations::shared::{self, Eye, EyeChoice, PixelRect, StereoLayout};

pub(crate) mod parameters;
mod projection;
mod sizing;
mod window;

pub use projection::{CubeGrid, LensKind, LensOrder, PictureProjection, ProjectionName};
pub use window::SphereWindow;

/// What a job says about its panorama; everything left out is asked of the file. These are parameters of every
/// operation that looks at a panorama, beside its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PanoramaSource {
    /// Its projection.
    pub projection: Option<ProjectionName>,
    /// How the lens of a fisheye bends rays.
    pub lens: Option<LensKind>,
    /// Which lens of a dual fisheye comes first.
    pub lens_order: Option<LensOrder>,
    /// How the eyes of a stereo picture lie in it.
    pub stereo: StereoLayout,
    /// Which eyes are wanted.
    pub eye: EyeChoice,
    /// Horizontal extent: of a partial panorama, a cylinder, a flat picture; the field of view of a lens.
    pub haov_deg: Option<f64>,
    /// Vertical extent of a partial panorama.
    pub vaov_deg: Option<f64>,
    /// Pitch of the middle row of a partial panorama.
    pub center_pitch_deg: Option<f64>,
}

/// A panorama with every question about it answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourcePlan {
    /// The eyes that are wanted; at least one, all of the same size.
    pub eyes: Vec<EyePlan>,
    /// What each eye's picture shows.
    pub projection: PictureProjection,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

/// One eye of a panorama.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EyePlan {
    /// Which eye.
    pub eye: Eye,
    /// Its part of the upright source.
    pub crop: PixelRect,
}

impl SourcePlan {
    /// The pitch in the middle of what it shows.
    pub(crate) fn middle_pitch_deg(&self) -> f64 {
        match (self.projection, self.eyes.first()) {
            (PictureProjection::Equirectangular { window }, Some(eye)) => {
                window.middle_pitch_deg(eye.crop.height_px)
            }
            _ => 0.0,
        }
    }

    /// Pixels for a radian straight ahead.
    pub fn pixels_per_radian(&self) -> f64 {
        let crop = self.eyes.first().map_or((1, 1), |eye| (eye.crop.width_px, eye.crop.height_px));
        self.projection.pixels_per_radian(crop.0, crop.1)
    }
}

impl PanoramaSource {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("haov_deg", self.haov_deg, 1.0, 360.0)?;
        shared::check_angle("vaov_deg", self.vaov_deg, 1.0, 180.0)?;
        shared::check_angle("center_pitch_deg", self.center_pitch_deg, -90.0, 90.0)
    }

    /// The eyes and the projection of a probed source, for operation `op`.
    ///
    /// # Errors
    /// `Rejected`, with what to say or to correct: no still picture, an odd stereo picture, a part of the sphere that
    /// nobody knows, a parameter that the projection does not have.
    pub(crate) fn plan(&self, op: &str, media: &MediaInfo) -> Result<SourcePlan, Failure> {
        let picture = shared::still_picture(op, media)?;
        let (width_px, height_px) = (picture.width_px, picture.height_px);
        let mut assumptions = Vec::new();
        if picture.frames > 1 {
            assumptions
                .push(format!("the file holds {} pictures; the first was used", picture.frames));
        }
        let name = self.name(media, &mut assumptions)?;
        let layout = self.layout(name, media, width_px, height_px);
        if self.stereo == StereoLayout::Auto && layout != StereoLayout::Mono {
            let word = if layout == StereoLayout::TopBottom { "top-bottom" } else { "left-right" };
            assumptions.push(format!(
                "taken for stereo {word} by its shape ({width_px}×{height_px}); say `stereo` if it is not"
            ));
        }
        let eyes = shared::eyes(layout, self.eye, width_px, height_px)?;
        let size = (eyes[0].crop.width_px, eyes[0].crop.height_px);
        self.check_fits(name, size)?;
        let projection = match name {
            ProjectionName::Equirectangular => PictureProjection::Equirectangular {
                window: self.window(media.gpano.as_ref(), layout, size)?,
            },
            other => self.numbered(other, &mut assumptions)?,
        };
        Ok(SourcePlan { eyes, projection, assumptions })
    }

    /// The projection: what the job says, else GPano, else equirectangular; a row or a column of six squares is taken
    /// for a cube map.
    fn name(
        &self,
        media: &MediaInfo,
        assumptions: &mut Vec<String>,
    ) -> Result<ProjectionName, Failure> {
        if let Some(said) = self.projection {
            return Ok(said);
        }
        if let Some(said) = media.gpano.as_ref().and_then(|gpano| gpano.projection.as_deref()) {
            if said.eq_ignore_ascii_case("equirectangular") {
                return Ok(ProjectionName::Equirectangular);
            }
            let said = format!(
                "GPano says the projection is `{said}`, which is not one that is known by this name; set `projection`"
            );
            return Err(Failure::rejected("projection_unsupported", said));
        }
        let sides = media.picture.as_ref().map(|p| (u64::from(p.width_px), u64::from(p.height_px)));
        let by_shape = match sides {
            Some((width, height)) if width == 6 * height => ProjectionName::Cubemap6x1,
            Some((width, height)) if 6 * width == height => ProjectionName::Cubemap1x6,
            _ => return Ok(ProjectionName::Equirectangular),
        };
        if self.haov_deg.is_some() || self.vaov_deg.is_some() {
            return Ok(ProjectionName::Equirectangular);
        }
        let name = by_shape.as_str();
        assumptions.push(format!("taken for {name} by its shape; say `projection` if it is not"));
        Ok(by_shape)
    }

    /// The stereo layout. Angles, or metadata of the whole picture's shape, say that an equirectangular picture is one;
    /// a 2:1 picture of half the sphere holds two eyes; other projections say nothing by their shape.
    fn layout(
        &self,
        name: ProjectionName,
        media: &MediaInfo,
        width_px: u32,
        height_px: u32,
    ) -> StereoLayout {
        if self.stereo != StereoLayout::Auto {
            return self.stereo;
        }
        let described = self.haov_deg.is_some()
            || self.vaov_deg.is_some()
            || media
                .gpano
                .as_ref()
                .is_some_and(|gpano| window::has_shape(gpano, width_px, height_px));
        let twice = |one: u32, other: u32| u64::from(one) == 2 * u64::from(other);
        match name {
            ProjectionName::Equirectangular if !described => {
                self.stereo.resolve(width_px, height_px)
            }
            ProjectionName::HalfEquirectangular if twice(width_px, height_px) => {
                StereoLayout::LeftRight
            }
            ProjectionName::HalfEquirectangular if twice(height_px, width_px) => {
                StereoLayout::TopBottom
            }
            _ => StereoLayout::Mono,
        }
    }

    /// Refuses parameters that the projection does not have, and pictures that cannot be of it.
    fn check_fits(
        &self,
        name: ProjectionName,
        (width_px, height_px): (u32, u32),
    ) -> Result<(), Failure> {
        let equirectangular = name == ProjectionName::Equirectangular;
        let lens = matches!(name, ProjectionName::Fisheye | ProjectionName::DualFisheye);
        let whole = matches!(
            name,
            ProjectionName::HalfEquirectangular
                | ProjectionName::Cubemap3x2
                | ProjectionName::Cubemap6x1
                | ProjectionName::Cubemap1x6
                | ProjectionName::CubemapCross
                | ProjectionName::Eac
        );
        for (parameter, said, fits) in [
            ("haov_deg", self.haov_deg.is_some(), !whole),
            ("vaov_deg", self.vaov_deg.is_some(), equirectangular),
            ("center_pitch_deg", self.center_pitch_deg.is_some(), equirectangular),
            ("lens", self.lens.is_some(), lens),
            ("lens_order", self.lens_order.is_some(), name == ProjectionName::DualFisheye),
        ] {
            if said && !fits {
                let name = name.as_str();
                let said = format!(
                    "a {name} picture has no `{parameter}`; leave it out, or correct `projection`"
                );
                return Err(Failure::rejected("parameter_unused", said));
            }
        }
        let (columns, rows): (u32, u32) = match name {
            ProjectionName::Cubemap3x2 => (3, 2),
            ProjectionName::Cubemap6x1 => (6, 1),
            ProjectionName::Cubemap1x6 => (1, 6),
            ProjectionName::CubemapCross => (4, 3),
            _ => return Ok(()),
        };
        if u64::from(width_px) * u64::from(rows) != u64::from(height_px) * u64::from(columns)
            || width_px % columns != 0
        {
            let said = format!(
                "the picture is {width_px}×{height_px}, and a {} picture has {columns} × {rows} square faces; correct \
                 `projection`, `stereo` or the picture",
                name.as_str()
            );
            return Err(Failure::rejected("cubemap_shape", said));
        }
        Ok(())
    }

    /// A projection other than equirectangular, with the numbers that it needs.
    fn numbered(
        &self,
        name: ProjectionName,
        assumptions: &mut Vec<String>,
    ) -> Result<PictureProjection, Failure> {
        let mut or_assumed = |fov_deg: f64| {
            self.haov_deg.unwrap_or_else(|| {
                let name = name.as_str();
                assumptions
                    .push(format!("taken for {name} of {fov_deg}°; say `haov_deg` if it is not"));
                fov_deg
            })
        };
        let (lens, order) = (self.lens.unwrap_or_default(), self.lens_order.unwrap_or_default());
        let fov_deg = match name {
            ProjectionName::Cylindrical
            | ProjectionName::Mercator
            | ProjectionName::Fisheye
            | ProjectionName::DualFisheye => or_assumed(name.usual_fov_deg(lens)),
            ProjectionName::Rectilinear | ProjectionName::Stereographic => {
                self.haov_deg.ok_or_else(|| {
                    let name = name.as_str();
                    let said = format!(
                        "nobody knows how much a {name} picture shows; set `haov_deg` to its horizontal field of view"
                    );
                    Failure::rejected("panorama_extent_unknown", said)
                })?
            }
            _ => 0.0,
        };
        PictureProjection::of(name, fov_deg, (lens, order)).map_err(|max_deg| {
            let name = name.as_str();
            let said = format!("haov_deg is {fov_deg}; a {name} picture shows {max_deg}° at most");
            Failure::rejected("panorama_extent_invalid", said)
        })
    }
}
