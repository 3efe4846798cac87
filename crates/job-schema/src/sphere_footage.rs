//! A video of the sphere: what its frames show, who says so, and what a video can be made to show.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::footage::{self, FootageSource};
use crate::media_info::{MediaInfo, SphereInfo, SphereProjection};
use crate::operation_doc::{ParameterDoc, ParameterKind};
use crate::operations::shared::{self, Eye, EyeChoice, PixelRect, StereoLayout};
use crate::panorama::{CubeGrid, LensKind, LensOrder, PictureProjection, ProjectionName};

/// What a job says about its video of the sphere; everything left out is asked of the file. These are parameters of every
/// operation that looks into such a video, beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SphereFootage {
    /// What the source's frames show.
    pub projection: Option<FootageProjection>,
    /// How the lens of a fisheye source bends rays.
    pub lens: LensKind,
    /// Which lens of a dual-fisheye source comes first.
    pub lens_order: LensOrder,
    /// Field of view of the lenses of a fisheye source.
    pub haov_deg: Option<f64>,
    /// How the eyes lie in a frame.
    pub stereo: StereoLayout,
    /// Which eyes are wanted.
    pub eye: EyeChoice,
}

/// A projection that a video can have: what MP4 has words for, and flat views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilmProjection {
    /// The sphere by longitude and latitude.
    #[default]
    Equirectangular,
    /// The front half of it: VR180.
    HalfEquirectangular,
    /// Six faces in three columns and two rows, as the `cbmp` box of an MP4 has them.
    Cubemap,
    /// A flat view.
    Rectilinear,
    /// A very wide view, or a little planet.
    Stereographic,
}

/// What the frames of a source can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FootageProjection {
    /// The sphere by longitude and latitude, or the part that the file's metadata tells of.
    Equirectangular,
    /// The front half of it: VR180.
    HalfEquirectangular,
    /// Six faces in three columns and two rows, as the `cbmp` box of an MP4 has them.
    Cubemap,
    /// The same with the up and the down face as FFmpeg's `c3x2` has them.
    #[serde(rename = "cubemap-3x2")]
    Cubemap3x2,
    /// Equi-angular faces as YouTube lays them out.
    Eac,
    /// One fisheye lens.
    Fisheye,
    /// Two fisheye lenses back to back, side by side.
    DualFisheye,
}

impl FilmProjection {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] =
        &["equirectangular", "half-equirectangular", "cubemap", "rectilinear", "stereographic"];

    /// The field of view that such a frame usually has; 0 where it can have no other.
    pub(crate) const fn usual_fov_deg(self) -> f64 {
        match self {
            Self::Rectilinear => 90.0,
            Self::Stereographic => 250.0,
            Self::Equirectangular | Self::HalfEquirectangular | Self::Cubemap => 0.0,
        }
    }

    /// The widest field of view that it can have.
    pub(crate) const fn fov_deg_max(self) -> f64 {
        match self {
            Self::Rectilinear => 175.0,
            _ => 350.0,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl FootageProjection {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &[
        "equirectangular",
        "half-equirectangular",
        "cubemap",
        "cubemap-3x2",
        "eac",
        "fisheye",
        "dual-fisheye",
    ];
}

impl Default for SphereFootage {
    fn default() -> Self {
        Self {
            projection: None,
            lens: LensKind::default(),
            lens_order: LensOrder::default(),
            haov_deg: None,
            stereo: StereoLayout::Auto,
            eye: EyeChoice::Both,
        }
    }
}

impl SphereFootage {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("haov_deg", self.haov_deg, 1.0, 360.0)
    }

    /// The eyes that are wanted, in the source's frames.
    pub(crate) fn eyes(
        &self,
        op: &str,
        media: &MediaInfo,
        assumptions: &mut Vec<String>,
    ) -> Result<Vec<PixelRect>, Failure> {
        let eye = |eye| FootageSource { stereo: self.stereo, eye }.plan(op, media);
        let ((left, said), (right, _)) = (eye(Eye::Left)?, eye(Eye::Right)?);
        let news = said.into_iter().filter(|said| !assumptions.contains(said)).collect::<Vec<_>>();
        assumptions.extend(news);
        let (left, right) = (left.crop, right.crop);
        let eyes = match self.eye {
            _ if left == right => vec![left],
            EyeChoice::Left => vec![left],
            EyeChoice::Right => vec![right],
            EyeChoice::Both => vec![left, right],
        };
        let is_odd = |eye: &PixelRect| {
            [eye.left_px, eye.top_px, eye.width_px, eye.height_px].iter().any(|px| px % 2 == 1)
        };
        if let Some(odd) = eyes.iter().find(|eye| is_odd(eye)) {
            let said = format!(
                "an eye's part of the frame is {}×{} pixels at {}, {}; they must be even, because colour has half of them",
                odd.width_px, odd.height_px, odd.left_px, odd.top_px
            );
            return Err(refused("video_odd_size", said));
        }
        Ok(eyes)
    }

    /// The projection of the frames: the job's word, else the file's; a frame of 2:1 is taken for a sphere.
    fn name(
        &self,
        sphere: Option<&SphereInfo>,
        eye: PixelRect,
        assumptions: &mut Vec<String>,
    ) -> Result<FootageProjection, Failure> {
        match (self.projection, sphere.map(|sphere| sphere.projection)) {
            (Some(said), _) => Ok(said),
            (None, Some(SphereProjection::Equirectangular)) => {
                Ok(FootageProjection::Equirectangular)
            }
            (None, Some(SphereProjection::HalfEquirectangular)) => {
                Ok(FootageProjection::HalfEquirectangular)
            }
            (None, Some(SphereProjection::Cubemap)) => Ok(FootageProjection::Cubemap),
            (None, Some(other)) => {
                let word = format!("{other:?}").to_lowercase();
                let said = format!(
                    "the video's metadata says that its projection is {word}, which it does not tell enough of; set \
                     `projection`"
                );
                Err(refused("projection_unsupported", said))
            }
            (None, None) if eye.width_px.abs_diff(2 * eye.height_px) <= 2 => {
                assumptions.push(
                    "nothing in the file says what its frames show; taken for equirectangular by their shape; say \
                     `projection` if they are not"
                        .into(),
                );
                Ok(FootageProjection::Equirectangular)
            }
            (None, None) => {
                let said = format!(
                    "nothing in the file says what its frames of {}×{} pixels show; set `projection`, and `stereo` if both \
                     eyes are in them",
                    eye.width_px, eye.height_px
                );
                Err(refused("projection_unknown", said))
            }
        }
    }

    /// What an eye shows, with the numbers that belong to it.
    pub(crate) fn projection(
        &self,
        op: &str,
        sphere: Option<&SphereInfo>,
        eye: PixelRect,
        assumptions: &mut Vec<String>,
    ) -> Result<PictureProjection, Failure> {
        let name = self.name(sphere, eye, assumptions)?;
        let told = |kind| sphere.filter(|sphere| sphere.projection == kind);
        let is_lens = matches!(name, FootageProjection::Fisheye | FootageProjection::DualFisheye);
        if self.haov_deg.is_some() && !is_lens {
            let said = "only a fisheye lens has `haov_deg`; leave it out, or correct `projection`";
            return Err(refused("parameter_unused", said.into()));
        }
        let source = match name {
            FootageProjection::Equirectangular => {
                let window =
                    footage::sphere_window(op, told(SphereProjection::Equirectangular), eye)?;
                PictureProjection::Equirectangular { window }
            }
            FootageProjection::HalfEquirectangular => PictureProjection::HalfEquirectangular,
            FootageProjection::Cubemap => {
                let told = told(SphereProjection::Cubemap).and_then(|sphere| sphere.padding_px);
                let padding_px = told.unwrap_or(0);
                PictureProjection::Cubemap { grid: CubeGrid::Google, padding_px }
            }
            FootageProjection::Cubemap3x2 => {
                PictureProjection::Cubemap { grid: CubeGrid::ThreeByTwo, padding_px: 0 }
            }
            FootageProjection::Eac => PictureProjection::Eac { padding_px: 0 },
            FootageProjection::Fisheye => self.lens(ProjectionName::Fisheye)?,
            FootageProjection::DualFisheye => self.lens(ProjectionName::DualFisheye)?,
        };
        let (columns, rows) = source.cells();
        let squares = u64::from(eye.width_px) * u64::from(rows)
            == u64::from(eye.height_px) * u64::from(columns);
        let is_cube = matches!(source, PictureProjection::Cubemap { .. });
        if is_cube && (!squares || !eye.width_px.is_multiple_of(columns)) {
            let said = format!(
                "an eye's part of the frame is {}×{} pixels, and a cube map has {columns} × {rows} square faces; correct \
                 `projection` or `stereo`",
                eye.width_px, eye.height_px
            );
            return Err(refused("cubemap_shape", said));
        }
        Ok(source)
    }

    fn lens(&self, name: ProjectionName) -> Result<PictureProjection, Failure> {
        let fov_deg = self.haov_deg.unwrap_or(name.usual_fov_deg(self.lens));
        PictureProjection::of(name, fov_deg, (self.lens, self.lens_order)).map_err(|max_deg| {
            let said = format!("haov_deg is {fov_deg}; such a lens sees {max_deg}° at most");
            refused("panorama_extent_invalid", said)
        })
    }
}

fn refused(code: &str, said: String) -> Failure {
    Failure::rejected(code, said)
}

/// The documentation of the parameters of a [`SphereFootage`].
pub(crate) const SPHERE_FOOTAGE: [ParameterDoc; 6] = [
    ParameterDoc {
        name: "projection",
        kind: ParameterKind::Choice { of: FootageProjection::WORDS },
        default: "null",
        summary: "what the source's frames show; else what the file says; frames of 2:1 are taken for equirectangular",
    },
    ParameterDoc {
        name: "lens",
        kind: ParameterKind::Choice { of: LensKind::WORDS },
        default: "\"equidistant\"",
        summary: "how the lens of a fisheye source bends rays",
    },
    ParameterDoc {
        name: "lens_order",
        kind: ParameterKind::Choice { of: LensOrder::WORDS },
        default: "\"front_first\"",
        summary: "which lens of a dual-fisheye source is on the left",
    },
    ParameterDoc {
        name: "haov_deg",
        kind: ParameterKind::Number { min: 1.0, max: 360.0 },
        default: "null",
        summary: "field of view of the lenses of a fisheye source, in degrees; 180 if not given, of two 190",
    },
    footage::STEREO,
    ParameterDoc {
        name: "eye",
        kind: ParameterKind::Choice { of: EyeChoice::WORDS },
        default: "\"both\"",
        summary: "which eyes of a stereo video; both lie in the result as they do in the source",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::{film, sphere};
    use crate::media_info::EyeLayout;
    use crate::operation::PanoVideoConvert;

    fn convert(json: &str) -> PanoVideoConvert {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_frames_show_is_said_by_somebody() {
        let flat = film(1920, 1080, None);
        let code = |json: &str, media: &MediaInfo| convert(json).plan(media).unwrap_err().code;
        assert_eq!(code("{}", &flat), "projection_unknown");
        assert_eq!(code(r#"{"projection": "cubemap"}"#, &flat), "cubemap_shape");
        let fish = film(1920, 1080, Some(sphere(SphereProjection::Fisheye, EyeLayout::Mono)));
        assert_eq!(code("{}", &fish), "projection_unsupported");
        let plan = convert(r#"{"projection": "fisheye", "haov_deg": 200}"#).plan(&fish).unwrap();
        let lens = LensKind::Equidistant;
        assert_eq!(plan.source, PictureProjection::Fisheye { lens, fov_deg: 200.0 });
        assert_eq!(code(r#"{"haov_deg": 200}"#, &film(2000, 1000, None)), "parameter_unused");
    }
}
