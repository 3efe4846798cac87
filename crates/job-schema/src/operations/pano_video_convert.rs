//! `pano_video.convert`: a video of the sphere in another projection, or a view in it.

use serde::{Deserialize, Serialize};

use super::shared::{self, PixelRect};
use super::video_transcode::{TranscodePlan, VideoTranscode};
use crate::encoding::{self, DamagePolicy, EncoderPreset};
use crate::failure::Failure;
use crate::footage;
use crate::media_info::{EyeLayout, MediaInfo, SphereInfo, SphereProjection};
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind, parameters};
use crate::panorama::{CubeGrid, PictureProjection};
use crate::render::{ANGLES, Angles};
use crate::sphere_footage::{FilmProjection, SPHERE_FOOTAGE, SphereFootage};

/// Another projection, another size, another orientation, frame by frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanoVideoConvert {
    /// The projection that is made.
    pub to: FilmProjection,
    /// Its horizontal field of view, where it can have several.
    pub fov_deg: Option<f64>,
    /// Pixels of its neighbours around each face of a cube map.
    pub padding_px: u32,
    /// Width of one eye's frame.
    pub width_px: Option<u32>,
    /// Height of one eye's frame.
    pub height_px: Option<u32>,
    /// How what is made is turned in the source.
    #[serde(flatten)]
    pub angles: Angles,
    /// What is known of the source.
    #[serde(flatten)]
    pub source: SphereFootage,
    /// Where to begin.
    pub start_s: Option<f64>,
    /// Where to end.
    pub end_s: Option<f64>,
    /// Rate factor: less is better and larger.
    pub crf: u8,
    /// How much time the encoder takes.
    pub preset: EncoderPreset,
    /// Longest time between two keyframes; without it, 250 frames.
    pub keyframe_s: Option<f64>,
    /// Bit rate of sound that has to be encoded anew; AAC is kept as it is.
    pub audio_kbps: u32,
    /// What to do with a video of which not all frames can be decoded.
    pub damage: DamagePolicy,
}

/// A video of the sphere in another projection, with every question answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReprojectPlan {
    /// The MP4: its frames are those of all eyes together, and its sphere is the result's.
    pub film: TranscodePlan,
    /// The part of a source's frame that each eye sees: one, or the left and the right.
    pub eyes: Vec<PixelRect>,
    /// What each shows.
    pub source: PictureProjection,
    /// Whether the right eye lies beside the left one in the result, and not below it.
    pub beside: bool,
    /// What is made of each eye.
    pub projection: PictureProjection,
    /// Its width.
    pub width_px: u32,
    /// Its height.
    pub height_px: u32,
    /// How it is turned in the source.
    pub turn: Angles,
}

impl Default for PanoVideoConvert {
    fn default() -> Self {
        let VideoTranscode { crf, preset, keyframe_s, audio_kbps, damage, .. } =
            VideoTranscode::default();
        Self {
            to: FilmProjection::Equirectangular,
            fov_deg: None,
            padding_px: 0,
            width_px: None,
            height_px: None,
            angles: Angles::default(),
            source: SphereFootage::default(),
            start_s: None,
            end_s: None,
            crf,
            preset,
            keyframe_s,
            audio_kbps,
            damage,
        }
    }
}

const OP: &str = "pano_video.convert";

/// The longest side of an eye's frame: what encoders and players of H.264 go to.
const SIDE_PX_MAX: u32 = 8192;
/// The longest side of a frame where nobody says one: what phones and old headsets play.
const SIDE_PX_CHOSEN: u32 = 4096;
const PADDING_PX_MAX: u32 = 256;

impl PanoVideoConvert {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("fov_deg", self.fov_deg, 1.0, 350.0)?;
        self.source.check()?;
        shared::check_integer("padding_px", self.padding_px, 0, PADDING_PX_MAX)?;
        for (name, side) in [("width_px", self.width_px), ("height_px", self.height_px)] {
            side.map_or(Ok(()), |px| shared::check_integer(name, px, 16, SIDE_PX_MAX))?;
        }
        self.angles.check()?;
        self.film().check()
    }

    /// What of it is that of any MP4.
    fn film(&self) -> VideoTranscode {
        let Self { start_s, end_s, crf, preset, keyframe_s, audio_kbps, damage, .. } = *self;
        let (width_px, height_px) = (None, None);
        VideoTranscode {
            width_px,
            height_px,
            start_s,
            end_s,
            crf,
            preset,
            keyframe_s,
            audio_kbps,
            damage,
        }
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<ReprojectPlan, Failure> {
        let mut film = self.film().plan_as(OP, media)?;
        if film.footage.rotation_deg != 0 {
            let said = format!(
                "the frames are shown turned by {}°, and no sphere is filmed so; take the rotation out of the file",
                film.footage.rotation_deg
            );
            return Err(refused("video_turned", said));
        }
        let sphere = footage::track(OP, media)?.sphere.as_ref();
        let eyes = self.source.eyes(OP, media, &mut film.assumptions)?;
        let source = self.source.projection(OP, sphere, eyes[0], &mut film.assumptions)?;
        let beside = eyes.len() > 1 && eyes[0].top_px == eyes[1].top_px;
        let grid = if eyes.len() == 1 {
            (1, 1)
        } else if beside {
            (2, 1)
        } else {
            (1, 2)
        };
        let per_radian = source.pixels_per_radian(eyes[0].width_px, eyes[0].height_px);
        let (projection, width_px, height_px) = self.made(per_radian, grid)?;
        (film.width_px, film.height_px) = (width_px * grid.0, height_px * grid.1);
        film.sphere = self.sphere(sphere, grid, &mut film.assumptions);
        let turn = self.angles;
        Ok(ReprojectPlan { film, eyes, source, beside, projection, width_px, height_px, turn })
    }

    /// What is made of an eye, and its size; `grid` is how many eyes lie beside and below each other.
    fn made(
        &self,
        per_radian: f64,
        grid: (u32, u32),
    ) -> Result<(PictureProjection, u32, u32), Failure> {
        let unfit = |said: String| refused("projection_unfit", said);
        let (word, usual_deg) = (self.to.as_str(), self.to.usual_fov_deg());
        if self.fov_deg.is_some() && usual_deg == 0.0 {
            return Err(unfit(format!("{word} frames have no `fov_deg`; leave it out")));
        }
        let hfov_deg = self.fov_deg.unwrap_or(usual_deg);
        let max_deg = self.to.fov_deg_max();
        if hfov_deg > max_deg {
            let said = format!("fov_deg is {hfov_deg}; {word} frames show {max_deg}° at most");
            return Err(unfit(said));
        }
        let padding_px = self.padding_px;
        let projection = match self.to {
            FilmProjection::Equirectangular => PictureProjection::whole_sphere(2, 1),
            FilmProjection::HalfEquirectangular => PictureProjection::HalfEquirectangular,
            FilmProjection::Cubemap => {
                PictureProjection::Cubemap { grid: CubeGrid::Google, padding_px }
            }
            FilmProjection::Rectilinear => PictureProjection::Rectilinear { hfov_deg },
            FilmProjection::Stereographic => PictureProjection::Stereographic { hfov_deg },
        };
        if padding_px > 0 && self.to != FilmProjection::Cubemap {
            return Err(unfit(format!("{word} frames have no `padding_px`; leave it out")));
        }
        let (width_px, height_px) = self.size(&projection, per_radian, grid);
        let (columns, rows) = projection.cells();
        let face_px = width_px / columns;
        if columns * rows > 1 && (columns * face_px, rows * face_px) != (width_px, height_px) {
            return Err(unfit(format!(
                "a cube map has {columns} × {rows} square faces of an even size, and {width_px}×{height_px} pixels do not; \
                 correct `width_px` or `height_px`, or leave one of them out"
            )));
        }
        if padding_px % 2 == 1 || padding_px > 0 && 4 * padding_px >= face_px {
            return Err(unfit(format!(
                "padding_px is {padding_px}; it must be even, and less than a quarter of a padded face, which has {face_px} \
                 pixels"
            )));
        }
        let (whole_width_px, whole_height_px) = (width_px * grid.0, height_px * grid.1);
        if whole_width_px.max(whole_height_px) > SIDE_PX_MAX {
            return Err(unfit(format!(
                "a frame would have {whole_width_px}×{whole_height_px} pixels; a side may have {SIDE_PX_MAX} at most"
            )));
        }
        let projection = match projection {
            PictureProjection::Equirectangular { .. } => {
                PictureProjection::whole_sphere(width_px, height_px)
            }
            other => other,
        };
        Ok((projection, width_px, height_px))
    }

    /// The size that is said, else one that loses nothing and that phones play; even, because colour has half of it.
    fn size(
        &self,
        projection: &PictureProjection,
        per_radian: f64,
        grid: (u32, u32),
    ) -> (u32, u32) {
        let said = (self.width_px, self.height_px);
        let mut size = projection.size_within(per_radian, said);
        if said == (None, None) {
            let (width_max, height_max) = (SIDE_PX_CHOSEN / grid.0, SIDE_PX_CHOSEN / grid.1);
            if size.0 > width_max {
                size = projection.size_within(per_radian, (Some(width_max), None));
            }
            if size.1 > height_max {
                size = projection.size_within(per_radian, (None, Some(height_max)));
            }
        }
        let (columns, rows) = projection.cells();
        let even = |px: u32, cells: u32| (px / (2 * cells)).max(1) * 2 * cells;
        (even(size.0, columns), even(size.1, rows))
    }

    /// What the result's metadata says; nothing of a flat view.
    fn sphere(
        &self,
        source: Option<&SphereInfo>,
        grid: (u32, u32),
        assumptions: &mut Vec<String>,
    ) -> Option<SphereInfo> {
        let eyes = match grid {
            (2, _) => EyeLayout::LeftRight,
            (_, 2) => EyeLayout::TopBottom,
            _ => EyeLayout::Mono,
        };
        let projection = match self.to {
            FilmProjection::Equirectangular => Some(SphereProjection::Equirectangular),
            FilmProjection::HalfEquirectangular => Some(SphereProjection::HalfEquirectangular),
            FilmProjection::Cubemap => Some(SphereProjection::Cubemap),
            FilmProjection::Rectilinear | FilmProjection::Stereographic => None,
        };
        let pose = source.map_or([0.0; 3], |it| [it.yaw_deg, it.pitch_deg, it.roll_deg]);
        let stays = projection.is_some() && self.angles == Angles::default();
        if pose != [0.0; 3] && !stays {
            let [yaw, pitch, roll] = pose;
            assumptions.push(format!(
                "the metadata turns the sphere (yaw {yaw}°, pitch {pitch}°, roll {roll}°); directions were counted in the \
                 frames as they are stored, and the result is not turned"
            ));
        }
        let [yaw_deg, pitch_deg, roll_deg] = if stays { pose } else { [0.0; 3] };
        // Flat frames of both eyes lie as they are told to.
        let projection = match projection {
            None if eyes == EyeLayout::Mono => return None,
            projection => projection.unwrap_or(SphereProjection::Rectilinear),
        };
        Some(SphereInfo {
            projection,
            eyes,
            margins: None,
            yaw_deg,
            pitch_deg,
            roll_deg,
            padding_px: (self.padding_px > 0).then_some(self.padding_px),
            hfov_deg: None,
            initial_heading_deg: source.filter(|_| stays).and_then(|it| it.initial_heading_deg),
            initial_pitch_deg: source.filter(|_| stays).and_then(|it| it.initial_pitch_deg),
            metadata: Vec::new(),
        })
    }
}

impl ReprojectPlan {
    /// Pixels of a frame of the result.
    pub fn frame_px(&self) -> u64 {
        u64::from(self.film.width_px) * u64::from(self.film.height_px)
    }
}

fn refused(code: &str, said: String) -> Failure {
    Failure::rejected(code, said)
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: OP,
    summary: "one MP4 of a video of the sphere in another projection, or a flat view in it; its metadata tells what it shows",
    writes: "video.mp4",
    parameters: &parameters::<21>(&[
        &[
            ParameterDoc {
                name: "to",
                kind: ParameterKind::Choice { of: FilmProjection::WORDS },
                default: "\"equirectangular\"",
                summary: "the projection that is made; `rectilinear` and `stereographic` are flat views",
            },
            ParameterDoc {
                name: "fov_deg",
                kind: ParameterKind::Number { min: 1.0, max: 350.0 },
                default: "null",
                summary: "horizontal field of view of a flat view, in degrees; 90 if not given, of a stereographic one 250",
            },
            ParameterDoc {
                name: "padding_px",
                kind: ParameterKind::Integer { min: 0, max: PADDING_PX_MAX as i64 },
                default: "0",
                summary: "pixels around each face of a cube map that show what its neighbours do; even",
            },
            ParameterDoc {
                name: "width_px",
                kind: ParameterKind::Integer { min: 16, max: SIDE_PX_MAX as i64 },
                default: "null",
                summary: "width of one eye's frame, in pixels; if not given, by the height, or as many as lose nothing, up \
                          to frames of 4096",
            },
            ParameterDoc {
                name: "height_px",
                kind: ParameterKind::Integer { min: 16, max: SIDE_PX_MAX as i64 },
                default: "null",
                summary: "height of one eye's frame, in pixels; if not given, by the width and the projection's shape",
            },
        ],
        &ANGLES,
        &SPHERE_FOOTAGE,
        &[
            ParameterDoc {
                name: "start_s",
                kind: ParameterKind::Number { min: 0.0, max: super::video_transcode::TIME_S_MAX },
                default: "null",
                summary: "where to begin, in seconds",
            },
            ParameterDoc {
                name: "end_s",
                kind: ParameterKind::Number { min: 0.0, max: super::video_transcode::TIME_S_MAX },
                default: "null",
                summary: "where to end, in seconds",
            },
            encoding::CRF,
            encoding::PRESET,
            super::video_transcode::KEYFRAME,
            super::video_transcode::SOUND,
            encoding::DAMAGE,
        ],
    ]),
    example: r#"{"op": "pano_video.convert", "to": "cubemap", "width_px": 2880, "preset": "fast"}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::{film, sphere};

    fn convert(json: &str) -> PanoVideoConvert {
        serde_json::from_str(json).unwrap()
    }

    fn plan(json: &str, media: &MediaInfo) -> ReprojectPlan {
        convert(json).plan(media).unwrap()
    }

    fn code(json: &str, media: &MediaInfo) -> String {
        convert(json).plan(media).unwrap_err().code
    }

    #[test]
    fn sizes_are_even_and_fit_what_plays() {
        let whole = film(7680, 3840, None);
        let frame = |json: &str, media: &MediaInfo| {
            let plan = plan(json, media);
            (plan.film.width_px, plan.film.height_px)
        };
        assert_eq!(frame("{}", &whole), (4096, 2048));
        assert_eq!(frame(r#"{"to": "cubemap"}"#, &whole), (4092, 2728));
        assert_eq!(frame(r#"{"to": "cubemap", "width_px": 2880}"#, &whole), (2880, 1920));
        assert_eq!(
            frame(r#"{"to": "rectilinear", "width_px": 1920, "height_px": 1080}"#, &whole),
            (1920, 1080)
        );
        assert_eq!(
            frame(r#"{"to": "half-equirectangular", "height_px": 1001}"#, &whole),
            (1000, 1000)
        );
        // Nothing is made larger than it loses nothing at.
        assert_eq!(frame(r#"{"to": "cubemap"}"#, &film(1920, 960, None)), (1836, 1224));
    }

    #[test]
    fn both_eyes_lie_as_they_did() {
        let of = |layout, json: &str| {
            let (width, height) =
                if layout == EyeLayout::TopBottom { (2048, 2048) } else { (4096, 1024) };
            plan(
                json,
                &film(width, height, Some(sphere(SphereProjection::Equirectangular, layout))),
            )
        };
        let below = of(EyeLayout::TopBottom, r#"{"to": "cubemap", "width_px": 960}"#);
        assert_eq!((below.film.width_px, below.film.height_px, below.beside), (960, 1280, false));
        assert_eq!(below.eyes[1].top_px, 1024);
        assert_eq!(below.film.sphere.unwrap().eyes, EyeLayout::TopBottom);
        // The right eye came first: the result has them in their usual order.
        let beside = of(EyeLayout::RightLeft, r#"{"to": "rectilinear", "width_px": 960}"#);
        assert_eq!(
            (beside.eyes[0].left_px, beside.beside, beside.film.width_px),
            (2048, true, 1920)
        );
        let one = of(EyeLayout::TopBottom, r#"{"eye": "right", "to": "rectilinear"}"#);
        assert_eq!((one.eyes.len(), one.eyes[0].top_px, one.film.sphere), (1, 1024, None));
    }

    #[test]
    fn a_pose_stays_where_nothing_is_turned() {
        let mut posed = sphere(SphereProjection::Equirectangular, EyeLayout::Mono);
        posed.yaw_deg = 30.0;
        let media = film(2000, 1000, Some(posed));
        let kept = plan(r#"{"to": "cubemap"}"#, &media).film;
        assert_eq!(kept.sphere.unwrap().yaw_deg, 30.0);
        let turned = plan(r#"{"to": "cubemap", "yaw_deg": 90}"#, &media).film;
        assert_eq!(turned.sphere.unwrap().yaw_deg, 0.0);
        assert!(turned.assumptions.iter().any(|said| said.contains("yaw 30°")));
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let media = film(4000, 2000, None);
        for (json, expected) in [
            (r#"{"fov_deg": 90}"#, "projection_unfit"),
            (r#"{"padding_px": 8}"#, "projection_unfit"),
            (r#"{"to": "cubemap", "padding_px": 7}"#, "projection_unfit"),
            (r#"{"to": "cubemap", "padding_px": 200, "width_px": 960}"#, "projection_unfit"),
            (r#"{"to": "cubemap", "width_px": 960, "height_px": 480}"#, "projection_unfit"),
            (r#"{"to": "rectilinear", "fov_deg": 200}"#, "projection_unfit"),
        ] {
            assert_eq!(code(json, &media), expected, "{json}");
        }
        let mut turned = media;
        turned.tracks[0].rotation_deg = Some(90);
        assert_eq!(code("{}", &turned), "video_turned");
    }
}
