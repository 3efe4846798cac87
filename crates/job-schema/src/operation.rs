//! What can be asked for: each operation is one file in `operations/`, and one line in each table here.
//!
//! An operation is data in, data out: its parameters, and [`Operation::plan`], which turns them and a
//! probed source into the steps that the runner executes. The table of parameters beside it makes
//! `panofleet operations`, the JSON Schema and the refusals.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::encoding::{DamagePolicy, EncoderPreset, VideoCodec};
use crate::failure::Failure;
pub use crate::fit::{Enlarge, Fit};
use crate::footage;
pub use crate::footage::FootagePlan;
use crate::ids::Lane;
use crate::media_info::MediaInfo;
pub use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};
pub use crate::operations::fleet_noop::FleetNoop;
pub use crate::operations::image_convert::{ConvertPlan, Flip, ImageConvert, SizePlan};
pub use crate::operations::image_thumbnail::{ImageThumbnail, ThumbnailPlan};
pub use crate::operations::media_probe::MediaProbe;
pub use crate::operations::pano_blur::{BlurEffect, PanoBlur};
pub use crate::operations::pano_convert::PanoConvert;
pub use crate::operations::pano_cubemap::PanoCubemap;
pub use crate::operations::pano_level::PanoLevel;
pub use crate::operations::pano_little_planet::PanoLittlePlanet;
pub use crate::operations::pano_patch::{PanoPatch, PatchFill, Pole};
pub use crate::operations::pano_social::PanoSocial;
pub use crate::operations::pano_spin::{PanoSpin, SpinPath, SpinPlan};
pub use crate::operations::pano_stitch::PanoStitch;
pub use crate::operations::pano_tiles::{PanoTiles, TileLayout, TilesPlan};
pub use crate::operations::pano_video_convert::{PanoVideoConvert, ReprojectPlan};
pub use crate::operations::pano_view::PanoView;
pub use crate::operations::shared::{
    Eye, EyeChoice, IccPolicy, PixelRect, Rgb, StereoLayout, TileFormat,
};
pub use crate::operations::video_ladder::{LadderAudio, LadderPlan, VideoLadder};
pub use crate::operations::video_poster::{FrameView, LookPlan, PosterPlan, VideoPoster};
pub use crate::operations::video_sprites::{SpritesPlan, VideoSprites};
pub use crate::operations::video_transcode::{TranscodePlan, VideoTranscode};
pub use crate::panorama::{
    CubeGrid, EyePlan, LensKind, LensOrder, PanoramaSource, PictureProjection, ProjectionName,
    SourcePlan, SphereWindow,
};
pub use crate::render::{Aim, Angles, Join, PictureOutput, PicturePlan, PosePolicy, RenderPlan};
pub use crate::retouch::{Effect, Region, RetouchPlan};
pub use crate::rungs::Rung;
pub use crate::sphere_footage::{FilmProjection, FootageProjection, SphereFootage};
pub use crate::stitch::{Blend, CameraLens, DarkLens, LensCurve, LensPlan, StitchPlan};

/// One operation with its parameters, as in `{"op": "pano.tiles", "quality": 85}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op")]
pub enum Operation {
    /// A panorama to a cube-map tile pyramid.
    #[serde(rename = "pano.tiles")]
    PanoTiles(PanoTiles),
    /// A panorama to another projection.
    #[serde(rename = "pano.convert")]
    PanoConvert(PanoConvert),
    /// A panorama to the faces of a cube.
    #[serde(rename = "pano.cubemap")]
    PanoCubemap(PanoCubemap),
    /// A flat view in a panorama.
    #[serde(rename = "pano.view")]
    PanoView(PanoView),
    /// A panorama as a ball.
    #[serde(rename = "pano.little_planet")]
    PanoLittlePlanet(PanoLittlePlanet),
    /// A panorama without the camera's tilt.
    #[serde(rename = "pano.level")]
    PanoLevel(PanoLevel),
    /// A video of the sphere in another projection.
    #[serde(rename = "pano_video.convert")]
    PanoVideoConvert(PanoVideoConvert),
    /// What a link to a panorama is shown with.
    #[serde(rename = "pano.social")]
    PanoSocial(PanoSocial),
    /// A panorama without what is below the camera.
    #[serde(rename = "pano.patch")]
    PanoPatch(PanoPatch),
    /// A panorama with regions that are unrecognisable.
    #[serde(rename = "pano.blur")]
    PanoBlur(PanoBlur),
    /// What two lenses saw to a panorama.
    #[serde(rename = "pano.stitch")]
    PanoStitch(PanoStitch),
    /// A panorama to a film that looks around in it.
    #[serde(rename = "pano.spin")]
    PanoSpin(PanoSpin),
    /// A picture to a smaller one.
    #[serde(rename = "image.thumbnail")]
    ImageThumbnail(ImageThumbnail),
    /// A picture to another size, part or format.
    #[serde(rename = "image.convert")]
    ImageConvert(ImageConvert),
    /// One frame of a video as a picture.
    #[serde(rename = "video.poster")]
    VideoPoster(VideoPoster),
    /// Small frames of a whole video in sheets.
    #[serde(rename = "video.sprites")]
    VideoSprites(VideoSprites),
    /// One MP4 that plays everywhere.
    #[serde(rename = "video.transcode")]
    VideoTranscode(VideoTranscode),
    /// A video in several sizes, for HLS and DASH.
    #[serde(rename = "video.ladder")]
    VideoLadder(VideoLadder),
    /// What the source is.
    #[serde(rename = "media.probe")]
    MediaProbe(MediaProbe),
    /// Nothing.
    #[serde(rename = "fleet.noop")]
    FleetNoop(FleetNoop),
}

/// What the runner does for one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Plan {
    /// Write a tile pyramid and its manifests.
    Tiles(TilesPlan),
    /// Write pictures of a panorama.
    Render(RenderPlan),
    /// Write a panorama with some places retouched.
    Retouch(RetouchPlan),
    /// Join what two lenses saw.
    Stitch(Box<StitchPlan>),
    /// Write a film that looks around.
    Spin(Box<SpinPlan>),
    /// Write one smaller picture.
    Thumbnail(ThumbnailPlan),
    /// Write other pictures of the same pixels.
    Convert(ConvertPlan),
    /// Write one frame of a video.
    Poster(PosterPlan),
    /// Write sheets of small frames.
    Sprites(SpritesPlan),
    /// Write one MP4.
    Transcode(Box<TranscodePlan>),
    /// Write one MP4 in another projection.
    Reproject(Box<ReprojectPlan>),
    /// Write segments of several sizes, and playlists.
    Ladder(Box<LadderPlan>),
    /// Write what the probe found.
    Probe,
}

impl Operation {
    /// The operation's name: `pano.tiles`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PanoTiles(_) => "pano.tiles",
            Self::PanoConvert(_) => "pano.convert",
            Self::PanoCubemap(_) => "pano.cubemap",
            Self::PanoView(_) => "pano.view",
            Self::PanoLittlePlanet(_) => "pano.little_planet",
            Self::PanoLevel(_) => "pano.level",
            Self::PanoVideoConvert(_) => "pano_video.convert",
            Self::PanoSocial(_) => "pano.social",
            Self::PanoPatch(_) => "pano.patch",
            Self::PanoBlur(_) => "pano.blur",
            Self::PanoStitch(_) => "pano.stitch",
            Self::PanoSpin(_) => "pano.spin",
            Self::ImageThumbnail(_) => "image.thumbnail",
            Self::ImageConvert(_) => "image.convert",
            Self::VideoPoster(_) => "video.poster",
            Self::VideoSprites(_) => "video.sprites",
            Self::VideoTranscode(_) => "video.transcode",
            Self::VideoLadder(_) => "video.ladder",
            Self::MediaProbe(_) => "media.probe",
            Self::FleetNoop(_) => "fleet.noop",
        }
    }

    /// The lane that runs it: whatever reads or writes video goes by the lane for that.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::PanoTiles(_)
            | Self::PanoConvert(_)
            | Self::PanoCubemap(_)
            | Self::PanoView(_)
            | Self::PanoLittlePlanet(_)
            | Self::PanoLevel(_)
            | Self::PanoSocial(_)
            | Self::PanoPatch(_)
            | Self::PanoBlur(_)
            | Self::PanoStitch(_)
            | Self::ImageThumbnail(_)
            | Self::ImageConvert(_)
            | Self::MediaProbe(_)
            | Self::FleetNoop(_) => Lane::Image,
            Self::PanoSpin(_)
            | Self::PanoVideoConvert(_)
            | Self::VideoPoster(_)
            | Self::VideoSprites(_)
            | Self::VideoTranscode(_)
            | Self::VideoLadder(_) => Lane::Video,
        }
    }

    /// Checks the parameters that need no source.
    ///
    /// # Errors
    /// A message that names the parameter and its interval.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::PanoTiles(operation) => operation.check(),
            Self::PanoConvert(operation) => operation.check(),
            Self::PanoCubemap(operation) => operation.check(),
            Self::PanoView(operation) => operation.check(),
            Self::PanoLittlePlanet(operation) => operation.check(),
            Self::PanoLevel(operation) => operation.check(),
            Self::PanoVideoConvert(operation) => operation.check(),
            Self::PanoSocial(operation) => operation.check(),
            Self::PanoPatch(operation) => operation.check(),
            Self::PanoBlur(operation) => operation.check(),
            Self::PanoStitch(operation) => operation.check(),
            Self::PanoSpin(operation) => operation.check(),
            Self::ImageThumbnail(operation) => operation.check(),
            Self::ImageConvert(operation) => operation.check(),
            Self::VideoPoster(operation) => operation.check(),
            Self::VideoSprites(operation) => operation.check(),
            Self::VideoTranscode(operation) => operation.check(),
            Self::VideoLadder(operation) => operation.check(),
            Self::MediaProbe(_) => Ok(()),
            Self::FleetNoop(operation) => operation.check(),
        }
    }

    /// How long a slow worker may take for it: a second for each megapixel that is read and for each that a panorama
    /// is rendered to, ten times what one core of a fast one takes.
    pub fn time_for(&self, media: &MediaInfo) -> Duration {
        let read_px = media
            .picture
            .as_ref()
            .map_or(0, |picture| u64::from(picture.width_px) * u64::from(picture.height_px));
        match self {
            // All frames, if keyframes are that far apart; a slow worker decodes 20 megapixels a second.
            Self::VideoPoster(_) | Self::VideoSprites(_) => {
                Duration::from_secs(60 + footage::decoded_px(media).div_ceil(20_000_000))
            }
            // And encodes a megapixel a second with the slowest of its settings.
            Self::VideoTranscode(_) => {
                Duration::from_secs(60 + footage::decoded_px(media).div_ceil(1_000_000))
            }
            // It remaps each frame besides, and may make more pixels than it reads.
            Self::PanoVideoConvert(_) => {
                Duration::from_secs(60 + footage::decoded_px(media).div_ceil(500_000))
            }
            // All sizes together have less than three times the pixels of the largest.
            Self::VideoLadder(_) => {
                Duration::from_secs(60 + footage::decoded_px(media).div_ceil(333_333))
            }
            Self::MediaProbe(_) | Self::FleetNoop(_) => Duration::ZERO,
            _ => {
                let made_px = match self.plan(media) {
                    Ok(Plan::Render(plan)) => plan.pixels(),
                    Ok(Plan::Stitch(plan)) => 3 * plan.pixels(),
                    // Each is encoded too.
                    Ok(Plan::Spin(plan)) => 2 * plan.pixels() * plan.source.eyes.len() as u64,
                    _ => 0,
                };
                Duration::from_secs((read_px + made_px).div_ceil(1_000_000))
            }
        }
    }

    /// The steps for a probed source.
    ///
    /// # Errors
    /// A `Rejected` failure that says what about the source does not fit, and what to do.
    pub fn plan(&self, media: &MediaInfo) -> Result<Plan, Failure> {
        match self {
            Self::PanoTiles(operation) => operation.plan(media).map(Plan::Tiles),
            Self::PanoConvert(operation) => operation.plan(media).map(Plan::Render),
            Self::PanoCubemap(operation) => operation.plan(media).map(Plan::Render),
            Self::PanoView(operation) => operation.plan(media).map(Plan::Render),
            Self::PanoLittlePlanet(operation) => operation.plan(media).map(Plan::Render),
            Self::PanoLevel(operation) => operation.plan(media).map(Plan::Render),
            Self::PanoSocial(operation) => operation.plan(media).map(Plan::Render),
            Self::PanoPatch(operation) => operation.plan(media).map(Plan::Retouch),
            Self::PanoBlur(operation) => operation.plan(media).map(Plan::Retouch),
            Self::PanoStitch(operation) => {
                operation.plan(media).map(|plan| Plan::Stitch(Box::new(plan)))
            }
            Self::PanoSpin(operation) => {
                operation.plan(media).map(|plan| Plan::Spin(Box::new(plan)))
            }
            Self::ImageThumbnail(operation) => operation.plan(media).map(Plan::Thumbnail),
            Self::ImageConvert(operation) => operation.plan(media).map(Plan::Convert),
            Self::VideoPoster(operation) => operation.plan(media).map(Plan::Poster),
            Self::VideoSprites(operation) => operation.plan(media).map(Plan::Sprites),
            Self::VideoTranscode(operation) => {
                operation.plan(media).map(|plan| Plan::Transcode(Box::new(plan)))
            }
            Self::PanoVideoConvert(operation) => {
                operation.plan(media).map(|plan| Plan::Reproject(Box::new(plan)))
            }
            Self::VideoLadder(operation) => {
                operation.plan(media).map(|plan| Plan::Ladder(Box::new(plan)))
            }
            Self::MediaProbe(_) => Ok(Plan::Probe),
            Self::FleetNoop(_) => Err(Failure::rejected(
                "nothing_to_plan",
                "`fleet.noop` makes nothing of a source; submit it alone, with `none` as the source",
            )),
        }
    }

    /// The documentation of every operation, in the order in which they are listed.
    pub const fn docs() -> &'static [OperationDoc] {
        const {
            &[
                crate::operations::pano_tiles::DOC,
                crate::operations::pano_convert::DOC,
                crate::operations::pano_cubemap::DOC,
                crate::operations::pano_view::DOC,
                crate::operations::pano_little_planet::DOC,
                crate::operations::pano_level::DOC,
                crate::operations::pano_social::DOC,
                crate::operations::pano_patch::DOC,
                crate::operations::pano_blur::DOC,
                crate::operations::pano_stitch::DOC,
                crate::operations::pano_spin::DOC,
                crate::operations::pano_video_convert::DOC,
                crate::operations::image_thumbnail::DOC,
                crate::operations::image_convert::DOC,
                crate::operations::video_poster::DOC,
                crate::operations::video_sprites::DOC,
                crate::operations::video_transcode::DOC,
                crate::operations::video_ladder::DOC,
                crate::operations::media_probe::DOC,
                crate::operations::fleet_noop::DOC,
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    /// The documented names and defaults are those of the code, for every operation.
    #[test]
    fn docs_match_the_code() {
        for doc in Operation::docs() {
            let bare: Operation = serde_json::from_value(json!({ "op": doc.name })).unwrap();
            assert_eq!(bare.name(), doc.name);
            let full = serde_json::to_value(&bare).unwrap();
            let in_code: BTreeSet<_> =
                full.as_object().unwrap().keys().filter(|key| *key != "op").cloned().collect();
            let in_docs: BTreeSet<_> = doc.parameters.iter().map(|p| p.name.to_owned()).collect();
            assert_eq!(in_code, in_docs, "{}", doc.name);
            for parameter in doc.parameters {
                let default: Value = serde_json::from_str(parameter.default).unwrap();
                assert_eq!(full[parameter.name], default, "{} {}", doc.name, parameter.name);
            }
            let example: Operation = serde_json::from_str(doc.example).unwrap();
            assert_eq!(example.name(), doc.name);
            example.check().unwrap();
        }
    }

    /// Each end of each documented interval is accepted, and the value past it refused by name.
    #[test]
    fn documented_intervals_are_the_ones_that_are_checked() {
        let verdict = |doc: &OperationDoc, name: &str, value: Value| -> Result<(), String> {
            let output = json!({ "op": doc.name, name: value });
            let operation: Operation = serde_json::from_value(output).map_err(|e| e.to_string())?;
            operation.check()
        };
        for doc in Operation::docs() {
            for p in doc.parameters {
                let (inside, outside) = inside_and_outside(p.kind);
                for value in inside {
                    assert_eq!(verdict(doc, p.name, value.clone()), Ok(()), "{} {value}", p.name);
                }
                for value in outside {
                    assert!(verdict(doc, p.name, value.clone()).is_err(), "{} {value}", p.name);
                }
            }
        }
    }

    fn inside_and_outside(kind: ParameterKind) -> (Vec<Value>, Vec<Value>) {
        match kind {
            ParameterKind::Integer { min, max } => {
                (vec![json!(min), json!(max)], vec![json!(min - 1), json!(max + 1)])
            }
            ParameterKind::Integers { min, max, count_max } => (
                vec![json!([min, max]), json!([]), json!(vec![min; count_max])],
                vec![json!([min - 1]), json!([max + 1]), json!(vec![min; count_max + 1])],
            ),
            ParameterKind::Number { min, max } => {
                (vec![json!(min), json!(max)], vec![json!(min - 0.01), json!(max + 0.01)])
            }
            ParameterKind::Choice { of } => {
                (of.iter().map(|word| json!(word)).collect(), vec![json!("nonsense")])
            }
            ParameterKind::Choices { of } => {
                let one = |word: &&str| json!([word]);
                (
                    of.iter().map(one).chain([json!(of)]).collect(),
                    vec![json!([]), json!(["nonsense"]), json!([of[0], of[0]])],
                )
            }
            ParameterKind::Switch => {
                (vec![json!(true), json!(false)], vec![json!("yes"), json!(1)])
            }
            ParameterKind::Url => (
                vec![json!("https://example.com/a-b/c"), json!("http://10.0.0.1:80/")],
                vec![
                    json!("example.com"),
                    json!("https:///a"),
                    json!("https://a/?b"),
                    json!("ftp://a"),
                ],
            ),
            ParameterKind::Regions { count_max } => {
                let region = |pitch: f64, width: f64| json!({ "yaw_deg": 1, "pitch_deg": pitch, "width_deg": width, "height_deg": 2 });
                let fine = region(-90.0, 120.0);
                (
                    vec![json!([]), json!(vec![fine.clone(); count_max])],
                    vec![
                        json!(vec![fine; count_max + 1]),
                        json!([region(91.0, 2.0)]),
                        json!([region(0.0, 121.0)]),
                        json!([{ "yaw_deg": 1 }]),
                    ],
                )
            }
            ParameterKind::Lenses { count_max } => {
                let lens = json!({ "center_x_px": 700.5, "radius_px": 400, "fov_deg": 200, "roll_deg": 90, "k1": 0.1 });
                (
                    vec![json!([]), json!(vec![lens.clone(); count_max])],
                    vec![
                        json!(vec![lens; count_max + 1]),
                        json!([{ "fov_deg": 281 }]),
                        json!([{ "pitch_deg": 31 }]),
                        json!([{ "focus": 1 }]),
                    ],
                )
            }
            ParameterKind::Color => {
                (vec![json!("#00ff7f")], vec![json!("green"), json!("#00ff7"), json!("#00ff7é")])
            }
        }
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        let refusal =
            |output: Value| serde_json::from_value::<Operation>(output).unwrap_err().to_string();
        assert!(refusal(json!({ "op": "pano.fly" })).contains("pano.fly"));
        assert!(refusal(json!({ "op": "pano.tiles", "layout": "zoomify" })).contains("zoomify"));
        assert!(refusal(json!({ "op": "pano.tiles", "format": "avif" })).contains("avif"));
    }
}
