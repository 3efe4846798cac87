//! `video.poster`: one frame of a video as a picture.

use serde::{Deserialize, Serialize};

use super::shared::{self, Eye, StereoLayout, TileFormat};
use crate::failure::Failure;
use crate::footage::{self, FootagePlan, FootageSource};
use crate::media_info::{MediaInfo, SphereInfo, SphereProjection};
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};
use crate::panorama::SphereWindow;

/// Shows the frame of a given time, or the one that shows best what the video is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoPoster {
    /// When, from the start; without it, the most representative frame.
    pub at_s: Option<f64>,
    /// Whether to look into a sphere or to show the frame as it is.
    pub view: FrameView,
    /// Where to look: to the right positive; without it, where the file says that a player should start.
    pub yaw_deg: Option<f64>,
    /// Where to look: up positive; without it, where the file says.
    pub pitch_deg: Option<f64>,
    /// Horizontal field of view.
    pub hfov_deg: f64,
    /// Width of the box that the picture fits into, or of the view.
    pub width_px: u32,
    /// Height of the box; of a view 9/16 of the width if it is not given.
    pub height_px: Option<u32>,
    /// File format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// How the eyes of a stereo video lie in a frame.
    pub stereo: StereoLayout,
    /// Which eye of a stereo video to show.
    pub eye: Eye,
}

/// Whether to look into a sphere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameView {
    /// Into it, if the file says that it is an equirectangular one.
    #[default]
    Auto,
    /// The frame as it is.
    Flat,
    /// Into it, whatever the file says or leaves out.
    Sphere,
}

impl FrameView {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["auto", "flat", "sphere"];
}

/// One frame as a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PosterPlan {
    /// The track.
    pub footage: FootagePlan,
    /// When; `None` for the most representative frame.
    pub at_s: Option<f64>,
    /// Where the frame is looked into; `None` for the frame as it is.
    pub look: Option<LookPlan>,
    /// Width of the result.
    pub width_px: u32,
    /// Height of the result.
    pub height_px: u32,
    /// File format.
    pub format: TileFormat,
    /// Encoder quality, 1 to 100.
    pub quality: u8,
    /// What was assumed because nobody said it.
    pub assumptions: Vec<String>,
}

/// A flat view into a sphere. Angles are degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookPlan {
    /// Where on the sphere the frame's pixels lie.
    pub window: SphereWindow,
    /// To the right positive.
    pub yaw_deg: f64,
    /// Up positive.
    pub pitch_deg: f64,
    /// Horizontal field of view.
    pub hfov_deg: f64,
}

impl Default for VideoPoster {
    fn default() -> Self {
        Self {
            at_s: None,
            view: FrameView::Auto,
            yaw_deg: None,
            pitch_deg: None,
            hfov_deg: 90.0,
            width_px: 1280,
            height_px: None,
            format: TileFormat::Jpeg,
            quality: 85,
            stereo: StereoLayout::Auto,
            eye: Eye::Left,
        }
    }
}

const AT_S_MAX: f64 = 360_000.0;
const HFOV_DEG: (f64, f64) = (10.0, 150.0);

impl VideoPoster {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("at_s", self.at_s, 0.0, AT_S_MAX)?;
        shared::check_angle("yaw_deg", self.yaw_deg, -360.0, 360.0)?;
        shared::check_angle("pitch_deg", self.pitch_deg, -90.0, 90.0)?;
        shared::check_angle("hfov_deg", Some(self.hfov_deg), HFOV_DEG.0, HFOV_DEG.1)?;
        shared::check_integer("width_px", self.width_px, 16, 8192)?;
        if let Some(height_px) = self.height_px {
            shared::check_integer("height_px", height_px, 16, 8192)?;
        }
        shared::check_integer("quality", self.quality.into(), 1, 100)
    }

    pub(crate) fn plan(&self, media: &MediaInfo) -> Result<PosterPlan, Failure> {
        const OP: &str = "video.poster";
        let source = FootageSource { stereo: self.stereo, eye: self.eye };
        let (footage, mut assumptions) = source.plan(OP, media)?;
        if let Some(at_s) =
            self.at_s.filter(|at_s| *at_s > footage.duration_s && footage.duration_s > 0.0)
        {
            let said = format!("at_s is {at_s}, and the video plays {} s", footage.duration_s);
            return Err(Failure::rejected("time_beyond_end", said));
        }
        let sphere = footage::track(OP, media)?.sphere.as_ref();
        let look = self.look(sphere, &footage, &mut assumptions)?;
        let (width_px, height_px) = match look {
            Some(_) => (self.width_px, self.height_px.unwrap_or((self.width_px * 9).div_ceil(16))),
            None => footage::fit(&footage, self.width_px, self.height_px),
        };
        let Self { at_s, format, quality, .. } = *self;
        Ok(PosterPlan { footage, at_s, look, width_px, height_px, format, quality, assumptions })
    }

    /// Where to look, if into a sphere.
    fn look(
        &self,
        sphere: Option<&SphereInfo>,
        footage: &FootagePlan,
        assumptions: &mut Vec<String>,
    ) -> Result<Option<LookPlan>, Failure> {
        let known = sphere.filter(|sphere| {
            let projection = sphere.projection;
            matches!(
                projection,
                SphereProjection::Equirectangular | SphereProjection::HalfEquirectangular
            )
        });
        match self.view {
            FrameView::Flat => return Ok(None),
            FrameView::Auto if known.is_none() => {
                if let Some(other) =
                    sphere.filter(|s| s.projection != SphereProjection::Rectilinear)
                {
                    let word = format!("{:?}", other.projection).to_lowercase();
                    assumptions.push(format!(
                        "the video is a sphere by {word}; its frame is shown as it is"
                    ));
                }
                return Ok(None);
            }
            FrameView::Sphere if known.is_none() => {
                assumptions.push(
                    "taken for a whole equirectangular sphere, because the job says so".into(),
                );
            }
            FrameView::Auto | FrameView::Sphere => {}
        }
        // A flat video's metadata says nothing about the sphere that the job wants it to be.
        let described = sphere.filter(|sphere| sphere.projection != SphereProjection::Rectilinear);
        let window = footage::sphere_window("video.poster", described, footage.crop)?;
        if let Some(turned) =
            described.filter(|s| (s.yaw_deg, s.pitch_deg, s.roll_deg) != (0.0, 0.0, 0.0))
        {
            assumptions.push(format!(
                "the metadata turns the sphere by yaw {:.1}°, pitch {:.1}°, roll {:.1}°; it is shown unturned",
                turned.yaw_deg, turned.pitch_deg, turned.roll_deg
            ));
        }
        let initial = |of: fn(&SphereInfo) -> Option<f64>| described.and_then(of).unwrap_or(0.0);
        Ok(Some(LookPlan {
            window,
            yaw_deg: self.yaw_deg.unwrap_or_else(|| initial(|sphere| sphere.initial_heading_deg)),
            pitch_deg: self.pitch_deg.unwrap_or_else(|| initial(|sphere| sphere.initial_pitch_deg)),
            hfov_deg: self.hfov_deg,
        }))
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "video.poster",
    summary: "one frame of a video as a picture: of a given time, or the most representative one; 360° video as a view",
    writes: "poster.jpg or poster.webp",
    parameters: &[
        ParameterDoc {
            name: "at_s",
            kind: ParameterKind::Number { min: 0.0, max: AT_S_MAX },
            default: "null",
            summary: "when, in seconds from the start; without it, the most representative frame",
        },
        ParameterDoc {
            name: "view",
            kind: ParameterKind::Choice { of: FrameView::WORDS },
            default: "\"auto\"",
            summary: "`sphere` looks into an equirectangular frame, `flat` shows it as it is, `auto` goes by the file's \
                      metadata",
        },
        ParameterDoc {
            name: "yaw_deg",
            kind: ParameterKind::Number { min: -360.0, max: 360.0 },
            default: "null",
            summary: "where to look, in degrees to the right; where the file says if not given, else straight on",
        },
        ParameterDoc {
            name: "pitch_deg",
            kind: ParameterKind::Number { min: -90.0, max: 90.0 },
            default: "null",
            summary: "where to look, in degrees upwards; where the file says if not given, else straight on",
        },
        ParameterDoc {
            name: "hfov_deg",
            kind: ParameterKind::Number { min: HFOV_DEG.0, max: HFOV_DEG.1 },
            default: "90.0",
            summary: "horizontal field of view, in degrees",
        },
        ParameterDoc {
            name: "width_px",
            kind: ParameterKind::Integer { min: 16, max: 8192 },
            default: "1280",
            summary: "width of the box that the frame fits into, or of the view, in pixels",
        },
        ParameterDoc {
            name: "height_px",
            kind: ParameterKind::Integer { min: 16, max: 8192 },
            default: "null",
            summary: "height of the box, in pixels; of a view 9/16 of its width if not given",
        },
        shared::FORMAT,
        shared::QUALITY,
        footage::STEREO,
        footage::EYE,
    ],
    example: r#"{"op": "video.poster", "at_s": 3.5, "width_px": 1920}"#,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::{film, sphere};
    use crate::media_info::{EyeLayout, SphereMargins};

    fn plan(poster: &VideoPoster, media: &MediaInfo) -> PosterPlan {
        poster.plan(media).unwrap()
    }

    #[test]
    fn a_sphere_is_looked_into_and_a_flat_video_is_not() {
        let poster = VideoPoster::default();
        let flat = plan(&poster, &film(1920, 1080, None));
        assert_eq!((flat.look, flat.width_px, flat.height_px), (None, 1280, 720));

        let margins = SphereMargins { left: 0.25, right: 0.25, ..SphereMargins::default() };
        let vr180 = SphereInfo {
            margins: Some(margins),
            initial_heading_deg: Some(30.0),
            ..sphere(SphereProjection::Equirectangular, EyeLayout::LeftRight)
        };
        let vr180 = plan(&poster, &film(4096, 2048, Some(vr180)));
        let look = vr180.look.unwrap();
        assert_eq!((look.window.full_width_px, look.window.left_px), (4096.0, 1024.0));
        assert_eq!((look.yaw_deg, look.pitch_deg, look.hfov_deg), (30.0, 0.0, 90.0));
        assert_eq!((vr180.width_px, vr180.height_px), (1280, 720));

        let cube = film(2880, 1920, Some(sphere(SphereProjection::Cubemap, EyeLayout::Mono)));
        let shown = plan(&poster, &cube);
        assert!(shown.look.is_none() && shown.assumptions[0].contains("cubemap"), "{shown:?}");
        let into = VideoPoster { view: FrameView::Sphere, ..poster };
        assert_eq!(into.plan(&cube).unwrap_err().code, "projection_unsupported");
        let untagged = plan(&into, &film(640, 320, None));
        assert!(
            untagged.look.is_some() && untagged.assumptions[0].contains("because the job says so")
        );
    }

    #[test]
    fn a_time_beyond_the_end_is_refused() {
        let poster = VideoPoster { at_s: Some(12.5), ..VideoPoster::default() };
        let refused = poster.plan(&film(640, 320, None)).unwrap_err();
        assert_eq!(refused.code, "time_beyond_end");
        assert!(refused.message.contains("plays 12 s"), "{}", refused.message);
    }
}
