//! What a video operation knows of its source: the track, how its frames stand, and what of a sphere they show.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::limits;
use crate::media_info::{
    DynamicRange, EyeLayout, MediaInfo, SphereInfo, SphereMargins, SphereProjection, TrackInfo,
};
use crate::operation_doc::{ParameterDoc, ParameterKind};
use crate::operations::shared::{Eye, PixelRect, StereoLayout};
use crate::panorama::SphereWindow;

/// What a job says about its video; everything left out is asked of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FootageSource {
    /// How the eyes lie in a frame.
    pub(crate) stereo: StereoLayout,
    /// Which eye is wanted.
    pub(crate) eye: Eye,
}

/// The video track that an operation reads, with every question about its frames answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FootagePlan {
    /// Its place in the file.
    pub track: u32,
    /// Clockwise rotation that makes its frames upright: 0, 90, 180 or 270.
    pub rotation_deg: i32,
    /// Width of an upright frame.
    pub width_px: u32,
    /// Height of an upright frame.
    pub height_px: u32,
    /// Width of an upright frame's pixel over its height.
    pub pixel_aspect: f64,
    /// The part of an upright frame that is used: one eye, or all of it.
    pub crop: PixelRect,
    /// Play time, in seconds; 0 if nobody knows.
    pub duration_s: f64,
    /// Bits of a sample.
    pub bits_per_sample: u8,
}

impl FootageSource {
    /// The first video track of a probed source, for operation `op`, and what was assumed.
    ///
    /// # Errors
    /// `Rejected`, with what to say or to correct: no video, frames beyond the limits, an odd stereo frame.
    pub(crate) fn plan(
        self,
        op: &str,
        media: &MediaInfo,
    ) -> Result<(FootagePlan, Vec<String>), Failure> {
        let track = track(op, media)?;
        let (coded_width, coded_height) = frame_size(track)?;
        let rotation_deg = track.rotation_deg.unwrap_or(0);
        let sideways = rotation_deg % 180 != 0;
        let (width_px, height_px) =
            if sideways { (coded_height, coded_width) } else { (coded_width, coded_height) };
        let aspect =
            track.pixel_aspect.map_or(1.0, |(width, height)| f64::from(width) / f64::from(height));
        // A ratio beyond this is a slip of whoever wrote it.
        let aspect = if (0.1..=10.0).contains(&aspect) { aspect } else { 1.0 };
        let mut assumptions = Vec::new();
        let layout = self.layout(track.sphere.as_ref(), (width_px, height_px), &mut assumptions);
        let crop = eye_rect(layout, self.eye, width_px, height_px)?;
        let others = media.tracks.iter().filter(|other| other.kind == "video").count() - 1;
        if others > 0 {
            assumptions
                .push(format!("the file has {others} more video tracks; the first was used"));
        }
        let footage = FootagePlan {
            track: track.index,
            rotation_deg,
            width_px,
            height_px,
            pixel_aspect: if sideways { 1.0 / aspect } else { aspect },
            crop,
            duration_s: duration_s(track, media),
            bits_per_sample: track.bits_per_sample.unwrap_or(8),
        };
        Ok((footage, assumptions))
    }

    /// The job's word, else the file's; never the shape: a square video is often just that.
    fn layout(
        self,
        sphere: Option<&SphereInfo>,
        (width_px, height_px): (u32, u32),
        assumptions: &mut Vec<String>,
    ) -> EyeLayout {
        let said = sphere.map_or(EyeLayout::Mono, |sphere| sphere.eyes);
        match self.stereo {
            StereoLayout::Auto if said == EyeLayout::Mesh => {
                assumptions.push(
                    "a mesh in the file says how its eyes lie in a frame; it was not read".into(),
                );
                EyeLayout::Mono
            }
            StereoLayout::Auto => {
                let doubled = width_px == height_px && said == EyeLayout::Mono && sphere.is_some();
                if doubled {
                    assumptions.push(
                        "the frames are square and their metadata says that they are for one eye; say `stereo` \
                         if they are not"
                            .into(),
                    );
                }
                said
            }
            StereoLayout::Mono => EyeLayout::Mono,
            StereoLayout::TopBottom => EyeLayout::TopBottom,
            StereoLayout::LeftRight => EyeLayout::LeftRight,
        }
    }
}

/// The part of a frame that one eye sees.
fn eye_rect(
    layout: EyeLayout,
    eye: Eye,
    width_px: u32,
    height_px: u32,
) -> Result<PixelRect, Failure> {
    let other = if eye == Eye::Left { Eye::Right } else { Eye::Left };
    let (layout, eye) = match layout {
        EyeLayout::Mono | EyeLayout::Mesh | EyeLayout::Layered => (StereoLayout::Mono, eye),
        EyeLayout::TopBottom => (StereoLayout::TopBottom, eye),
        EyeLayout::BottomTop => (StereoLayout::TopBottom, other),
        EyeLayout::LeftRight => (StereoLayout::LeftRight, eye),
        EyeLayout::RightLeft => (StereoLayout::LeftRight, other),
    };
    layout.eye_rect(eye, width_px, height_px)
}

/// The first video track.
pub(crate) fn track<'m>(op: &str, media: &'m MediaInfo) -> Result<&'m TrackInfo, Failure> {
    media.tracks.iter().find(|track| track.kind == "video").ok_or_else(|| {
        let held = if media.tracks.is_empty() {
            media.container.clone()
        } else {
            let kinds: Vec<_> = media.tracks.iter().map(|track| track.kind.as_str()).collect();
            format!("{} with {}", media.container, kinds.join(", "))
        };
        let said = format!("{op} needs a video, and the source is {held}; ask for `media.probe` to see what it holds");
        Failure::rejected("not_a_video", said)
    })
}

/// The coded size of a track's frames, within the limits.
fn frame_size(track: &TrackInfo) -> Result<(u32, u32), Failure> {
    let (Some(width), Some(height)) = (track.width_px, track.height_px) else {
        let said = format!(
            "nobody knows the size of the frames of track {} ({}); play it to see whether it is damaged, and \
             export it again",
            track.index, track.codec
        );
        return Err(Failure::rejected("video_damaged", said));
    };
    let side_max = limits::VIDEO_SIDE_PX_MAX;
    if width > side_max || height > side_max {
        let said = format!(
            "the video's frames are {width}×{height} pixels; a side may have {side_max} at most"
        );
        return Err(Failure::rejected("video_too_large", said));
    }
    Ok((width, height))
}

fn duration_s(track: &TrackInfo, media: &MediaInfo) -> f64 {
    let duration_ms = track.duration_ms.or(media.duration_ms).unwrap_or(0);
    // A track's own time may lie as the file's may; the probe has looked at that.
    let duration_ms = media.duration_ms.map_or(duration_ms, |whole| duration_ms.min(whole));
    duration_ms as f64 / 1000.0
}

/// Pixels of all frames of a source's video; what decoding it costs.
pub(crate) fn decoded_px(media: &MediaInfo) -> u64 {
    let Some(track) = media.tracks.iter().find(|track| track.kind == "video") else { return 0 };
    let frame = u64::from(track.width_px.unwrap_or(0)) * u64::from(track.height_px.unwrap_or(0));
    let by_rate =
        track.frame_rate.map_or(30.0, |(frames, seconds)| f64::from(frames) / f64::from(seconds));
    let frames = track.frames.unwrap_or((duration_s(track, media) * by_rate) as u64);
    frame.saturating_mul(frames)
}

/// The sound that is used, if there is any.
pub(crate) fn first_sound<'m>(
    media: &'m MediaInfo,
    assumptions: &mut Vec<String>,
) -> Option<&'m TrackInfo> {
    let mut sounds = media.tracks.iter().filter(|track| track.kind == "audio");
    let first = sounds.next();
    let others = sounds.count();
    if others > 0 {
        assumptions.push(format!("the file has {} sound tracks; the first was used", others + 1));
    }
    first
}

/// Refuses what operation `op` would make too dark or too pale.
///
/// # Errors
/// `Rejected` for a high dynamic range.
pub(crate) fn check_standard_range(op: &str, track: &TrackInfo) -> Result<(), Failure> {
    let range = track.color.as_ref().map_or(DynamicRange::Sdr, |color| color.dynamic_range);
    if range == DynamicRange::Sdr {
        return Ok(());
    }
    let said = format!(
        "the video has a high dynamic range ({range:?}), and {op} makes standard H.264; convert it to a standard \
         range first"
    );
    Err(Failure::rejected("hdr_unsupported", said))
}

/// The sphere, true to frames of another width.
///
/// # Errors
/// `Rejected` if the padding of a cube's faces would be no whole pixels.
pub(crate) fn sphere_at(track: &TrackInfo, width_px: u32) -> Result<Option<SphereInfo>, Failure> {
    let Some(mut sphere) = track.sphere.clone() else { return Ok(None) };
    if let (Some(padding_px), Some(from_px)) = (sphere.padding_px, track.width_px) {
        let scaled = u64::from(padding_px) * u64::from(width_px);
        if scaled % u64::from(from_px) != 0 {
            let said = format!(
                "the cube's faces have {padding_px} pixels of padding, which are no whole pixels at a width of \
                 {width_px}; ask for a width that is a simple part of {from_px}"
            );
            return Err(Failure::rejected("padding_not_whole", said));
        }
        sphere.padding_px = u32::try_from(scaled / u64::from(from_px)).ok();
    }
    Ok(Some(sphere))
}

/// Where on the sphere a frame's pixels lie, by its metadata; a whole sphere without any.
///
/// # Errors
/// `Rejected` for a projection that is not equirectangular.
pub(crate) fn sphere_window(
    op: &str,
    sphere: Option<&SphereInfo>,
    crop: PixelRect,
) -> Result<SphereWindow, Failure> {
    let margins = match sphere.map(|sphere| (sphere.projection, sphere.margins)) {
        None => SphereMargins::default(),
        Some((SphereProjection::Equirectangular, margins)) => margins.unwrap_or_default(),
        Some((SphereProjection::HalfEquirectangular, _)) => {
            SphereMargins { left: 0.25, right: 0.25, ..SphereMargins::default() }
        }
        Some((other, _)) => {
            let word = format!("{other:?}").to_lowercase();
            let said = format!(
                "the video's metadata says that its projection is {word}; {op} looks into equirectangular video \
                 only: say `\"view\": \"flat\"` for the frame as it is"
            );
            return Err(Failure::rejected("projection_unsupported", said));
        }
    };
    let shown = |before: f64, after: f64| (1.0 - before - after).max(1e-6);
    let full_width_px = f64::from(crop.width_px) / shown(margins.left, margins.right);
    let full_height_px = f64::from(crop.height_px) / shown(margins.top, margins.bottom);
    Ok(SphereWindow {
        full_width_px,
        full_height_px,
        left_px: full_width_px * margins.left,
        top_px: full_height_px * margins.top,
    })
}

/// The largest size inside a box that has the shape of a crop on the screen; never larger than the crop.
pub(crate) fn fit(footage: &FootagePlan, width_px: u32, height_px: Option<u32>) -> (u32, u32) {
    let width = f64::from(footage.crop.width_px) * footage.pixel_aspect.max(1.0);
    let height = f64::from(footage.crop.height_px) / footage.pixel_aspect.min(1.0);
    let by_height = height_px.map_or(f64::INFINITY, |box_px| f64::from(box_px) / height);
    let scale = (f64::from(width_px) / width).min(by_height).min(1.0);
    let side = |px: f64| (px * scale).round().max(1.0) as u32;
    (side(width), side(height))
}

pub(crate) const STEREO: ParameterDoc = ParameterDoc {
    name: "stereo",
    kind: ParameterKind::Choice { of: StereoLayout::WORDS },
    default: "\"auto\"",
    summary: "how the eyes of a stereo video lie in a frame; `auto` goes by the file's metadata",
};

pub(crate) const EYE: ParameterDoc = ParameterDoc {
    name: "eye",
    kind: ParameterKind::Choice { of: &["left", "right"] },
    default: "\"left\"",
    summary: "which eye of a stereo video to show",
};

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A source of one video track.
    pub(crate) fn film(width_px: u32, height_px: u32, sphere: Option<SphereInfo>) -> MediaInfo {
        let track = TrackInfo {
            kind: "video".into(),
            codec: "h264".into(),
            width_px: Some(width_px),
            height_px: Some(height_px),
            frame_rate: Some((30, 1)),
            frames: Some(360),
            duration_ms: Some(12_000),
            sphere,
            ..TrackInfo::default()
        };
        MediaInfo {
            container: "mp4".into(),
            bytes: 1,
            picture: None,
            tracks: vec![track],
            duration_ms: Some(12_000),
            capture: None,
            unstitched: None,
            gpano: None,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn sphere(projection: SphereProjection, eyes: EyeLayout) -> SphereInfo {
        serde_json::from_value(
            serde_json::json!({ "projection": projection, "eyes": eyes, "metadata": [] }),
        )
        .unwrap()
    }

    const AS_SAID: FootageSource = FootageSource { stereo: StereoLayout::Auto, eye: Eye::Left };

    fn plan(source: FootageSource, media: &MediaInfo) -> FootagePlan {
        source.plan("op", media).unwrap().0
    }

    #[test]
    fn eyes_lie_where_the_job_or_the_file_says() {
        let whole = PixelRect { left_px: 0, top_px: 0, width_px: 1000, height_px: 1000 };
        let right = FootageSource { eye: Eye::Right, ..AS_SAID };
        let of = |source: FootageSource, eyes: Option<EyeLayout>| {
            let sphere = eyes.map(|eyes| sphere(SphereProjection::Equirectangular, eyes));
            plan(source, &film(1000, 1000, sphere)).crop
        };
        assert_eq!(of(right, None), whole);
        assert_eq!(of(right, Some(EyeLayout::Mono)), whole);
        let below = PixelRect { top_px: 500, height_px: 500, ..whole };
        assert_eq!(of(right, Some(EyeLayout::TopBottom)), below);
        assert_eq!(of(AS_SAID, Some(EyeLayout::BottomTop)), below);
        let beside = PixelRect { left_px: 500, width_px: 500, ..whole };
        assert_eq!(of(AS_SAID, Some(EyeLayout::RightLeft)), beside);
        let said = FootageSource { stereo: StereoLayout::LeftRight, ..right };
        assert_eq!(of(said, Some(EyeLayout::TopBottom)), beside);
    }

    #[test]
    fn frames_are_upright_and_their_pixels_square() {
        let mut media = film(1440, 1080, None);
        media.tracks[0].pixel_aspect = Some((4, 3));
        assert_eq!(fit(&plan(AS_SAID, &media), 960, None), (960, 540));
        media.tracks[0].rotation_deg = Some(90);
        let turned = plan(AS_SAID, &media);
        assert_eq!((turned.width_px, turned.height_px), (1080, 1440));
        assert_eq!(fit(&turned, 5000, None), (1080, 1920));
        assert_eq!(fit(&turned, 5000, Some(960)), (540, 960));
    }

    #[test]
    fn a_window_is_what_the_margins_leave() {
        let crop = PixelRect { left_px: 0, top_px: 0, width_px: 2000, height_px: 2000 };
        let half = sphere(SphereProjection::HalfEquirectangular, EyeLayout::Mono);
        let window = sphere_window("op", Some(&half), crop).unwrap();
        let expected = SphereWindow {
            full_width_px: 4000.0,
            full_height_px: 2000.0,
            left_px: 1000.0,
            top_px: 0.0,
        };
        assert_eq!(window, expected);
        let cube = sphere(SphereProjection::Cubemap, EyeLayout::Mono);
        assert_eq!(
            sphere_window("op", Some(&cube), crop).unwrap_err().code,
            "projection_unsupported"
        );
    }

    #[test]
    fn what_is_no_video_is_refused_by_what_it_is() {
        let mut media = film(1, 1, None);
        media.tracks[0].kind = "audio".into();
        let refused = AS_SAID.plan("video.poster", &media).unwrap_err();
        assert_eq!(refused.code, "not_a_video");
        assert!(refused.message.contains("mp4 with audio"), "{}", refused.message);
        let refused = AS_SAID.plan("video.poster", &film(20_000, 10, None)).unwrap_err();
        assert_eq!(refused.code, "video_too_large");
    }
}
