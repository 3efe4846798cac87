//! Spherical metadata of whatever kind, as one answer.
//!
//! Google's boxes (V2) count before its XML (V1), as the V2 RFC asks; then Apple's; then what Matroska says.

use ffmpeg_next::codec::packet::side_data::Type as SideDataType;
use ffmpeg_next::ffi::{AVSphericalProjection, AVStereo3DType};
use ffmpeg_next::format::stream::Stream;
use panofleet_isobmff::v2::{self, Projection, StereoMode};
use panofleet_isobmff::{SampleEntry, Track, v1};
use panofleet_job_schema::media_info::{
    EyeLayout, SphereInfo, SphereMargins, SphereMetadata, SphereProjection, TrackInfo,
};

/// One turn in 16.16 fixed point is degrees.
const FIXED: f64 = 65_536.0;

/// The whole in 0.32 fixed point.
const WHOLE: f64 = 4_294_967_296.0;

/// Adds what the boxes of a track say.
pub(crate) fn of_boxes(track: &Track, info: &mut TrackInfo, warnings: &mut Vec<String>) {
    let v2 = track.entries.iter().find_map(of_v2);
    let v1 =
        track.spherical_v1.as_ref().filter(|v1| v1.spherical).map(|v1| of_v1(v1, info, warnings));
    let apple = track.entries.iter().find_map(|entry| of_apple(entry, info.index, warnings));
    if let (Some(v2), Some(v1)) = (&v2, &v1)
        && (v2.projection, v2.eyes) != (v1.projection, v1.eyes)
    {
        warnings.push(format!(
            "track {}: the boxes say {:?}, {:?} and the older XML says {:?}, {:?}; the boxes count",
            info.index, v2.projection, v2.eyes, v1.projection, v1.eyes
        ));
    }
    let found: Vec<_> = [v2, v1, apple].into_iter().flatten().collect();
    let metadata = found.iter().flat_map(|sphere| sphere.metadata.clone()).collect();
    // The initial view is in the XML only.
    let initial = found.iter().find(|sphere| sphere.initial_heading_deg.is_some()).cloned();
    if let Some(first) = found.into_iter().next() {
        info.sphere = Some(SphereInfo {
            metadata,
            initial_heading_deg: initial.as_ref().and_then(|sphere| sphere.initial_heading_deg),
            initial_pitch_deg: initial.as_ref().and_then(|sphere| sphere.initial_pitch_deg),
            ..first
        });
    }
}

const fn bare(projection: SphereProjection, eyes: EyeLayout) -> SphereInfo {
    SphereInfo {
        projection,
        eyes,
        margins: None,
        yaw_deg: 0.0,
        pitch_deg: 0.0,
        roll_deg: 0.0,
        padding_px: None,
        hfov_deg: None,
        initial_heading_deg: None,
        initial_pitch_deg: None,
        metadata: Vec::new(),
    }
}

/// `st3d` alone says that a flat video is stereo.
fn of_v2(entry: &SampleEntry) -> Option<SphereInfo> {
    let eyes = match entry.stereo {
        None | Some(StereoMode::Mono) => EyeLayout::Mono,
        Some(StereoMode::TopBottom) => EyeLayout::TopBottom,
        Some(StereoMode::LeftRight) => EyeLayout::LeftRight,
        Some(StereoMode::RightLeft) => EyeLayout::RightLeft,
        Some(StereoMode::Custom) => EyeLayout::Mesh,
    };
    let Some(spherical) = &entry.spherical else {
        let flat = bare(SphereProjection::Rectilinear, eyes);
        let metadata = vec![SphereMetadata::SphericalV2];
        return (eyes != EyeLayout::Mono).then_some(SphereInfo { metadata, ..flat });
    };
    let (projection, margins, padding_px) = match &spherical.projection {
        Projection::Equirectangular(bounds) => {
            (SphereProjection::Equirectangular, margins(bounds), None)
        }
        Projection::Cubemap { padding_px, .. } => {
            (SphereProjection::Cubemap, None, Some(*padding_px))
        }
        Projection::Mesh { .. } => (SphereProjection::Mesh, None, None),
    };
    let v2::Pose { yaw, pitch, roll } = spherical.pose;
    let [yaw_deg, pitch_deg, roll_deg] = [yaw, pitch, roll].map(|angle| f64::from(angle) / FIXED);
    let metadata = vec![SphereMetadata::SphericalV2];
    let sphere = bare(projection, eyes);
    Some(SphereInfo { margins, padding_px, yaw_deg, pitch_deg, roll_deg, metadata, ..sphere })
}

fn margins(bounds: &v2::Bounds) -> Option<SphereMargins> {
    let share = |side: u32| f64::from(side) / WHOLE;
    let v2::Bounds { top, bottom, left, right } = *bounds;
    let margins = SphereMargins {
        left: share(left),
        right: share(right),
        top: share(top),
        bottom: share(bottom),
    };
    (margins != SphereMargins::default()).then_some(margins)
}

fn of_v1(v1: &v1::Spherical, info: &TrackInfo, warnings: &mut Vec<String>) -> SphereInfo {
    if let Some(said) =
        v1.projection.as_deref().filter(|said| !said.eq_ignore_ascii_case("equirectangular"))
    {
        warnings.push(format!(
            "track {}: the spherical XML says that the projection is `{said}`; it knows equirectangular only",
            info.index
        ));
    }
    let eyes = match v1.stereo {
        Some(StereoMode::TopBottom) => EyeLayout::TopBottom,
        Some(StereoMode::LeftRight) => EyeLayout::LeftRight,
        _ => EyeLayout::Mono,
    };
    let margins = v1.crop.map(|crop| {
        let (width, height) = (f64::from(crop.full_width_px), f64::from(crop.full_height_px));
        let right = crop.full_width_px - crop.left_px - crop.width_px;
        let bottom = crop.full_height_px - crop.top_px - crop.height_px;
        SphereMargins {
            left: f64::from(crop.left_px) / width,
            right: f64::from(right) / width,
            top: f64::from(crop.top_px) / height,
            bottom: f64::from(bottom) / height,
        }
    });
    SphereInfo {
        margins: margins.filter(|margins| *margins != SphereMargins::default()),
        initial_heading_deg: v1.initial_heading_deg,
        initial_pitch_deg: v1.initial_pitch_deg,
        metadata: vec![SphereMetadata::SphericalV1],
        ..bare(SphereProjection::Equirectangular, eyes)
    }
}

fn of_apple(entry: &SampleEntry, index: u32, warnings: &mut Vec<String>) -> Option<SphereInfo> {
    let vexu = entry.extended?;
    let projection = match vexu.projection.map(|kind| kind.0).as_ref() {
        None | Some(b"rect") => SphereProjection::Rectilinear,
        Some(b"equi") => SphereProjection::Equirectangular,
        Some(b"hequ") => SphereProjection::HalfEquirectangular,
        Some(b"fish" | b"prim") => SphereProjection::Fisheye,
        Some(_) => {
            let kind = vexu.projection.map(|kind| kind.to_string()).unwrap_or_default();
            warnings.push(format!(
                "track {index}: `vexu` says that the projection is `{kind}`, which is not known"
            ));
            return None;
        }
    };
    let both = vexu.eyes.filter(|eyes| eyes.left && eyes.right);
    let eyes = match (both, vexu.packing.map(|kind| kind.0).as_ref()) {
        (Some(eyes), Some(b"side")) if eyes.reversed => EyeLayout::RightLeft,
        (Some(_), Some(b"side")) => EyeLayout::LeftRight,
        (Some(eyes), Some(b"over")) if eyes.reversed => EyeLayout::BottomTop,
        (Some(_), Some(b"over")) => EyeLayout::TopBottom,
        (Some(_), _) if entry.has_layers => EyeLayout::Layered,
        _ => EyeLayout::Mono,
    };
    if eyes == EyeLayout::Layered {
        warnings.push(format!(
            "track {index}: it has both eyes as layers (MV-HEVC), of which the base layer is read"
        ));
    }
    Some(SphereInfo {
        hfov_deg: entry.hfov_millideg.map(|angle| f64::from(angle) / 1000.0),
        metadata: vec![SphereMetadata::AppleVexu],
        ..bare(projection, eyes)
    })
}

/// Adds what Matroska and WebM say, as FFmpeg hands it on; where boxes said something, they count.
pub(crate) fn of_container(stream: &Stream<'_>, info: &mut TrackInfo) {
    if info.sphere.is_some() || info.kind != "video" {
        return;
    }
    let eyes = stereo_3d(stream).unwrap_or(EyeLayout::Mono);
    let mut sphere = match mapping(stream) {
        Some(sphere) => SphereInfo { eyes, ..sphere },
        None if eyes != EyeLayout::Mono => bare(SphereProjection::Rectilinear, eyes),
        None => return,
    };
    sphere.metadata.push(SphereMetadata::Matroska);
    info.sphere = Some(sphere);
}

/// The words of 32 bits of a structure in side data; what is longer is left alone.
fn words(stream: &Stream<'_>, kind: SideDataType) -> Option<Vec<i32>> {
    let data = stream.side_data().find(|data| data.kind() == kind)?;
    let (words, _) = data.data().as_chunks::<4>();
    Some(words.iter().map(|bytes| i32::from_ne_bytes(*bytes)).collect())
}

/// `AVSphericalMapping` (libavutil/spherical.h): projection, yaw, pitch, roll, bounds left, top, right,
/// bottom, padding; all of 32 bits.
fn mapping(stream: &Stream<'_>) -> Option<SphereInfo> {
    let words = words(stream, SideDataType::DataSpherical)?;
    let [projection, yaw, pitch, roll, left, top, right, bottom, padding, ..] = words[..] else {
        return None;
    };
    let is = |of: AVSphericalProjection| projection == of as i32;
    let bounds = v2::Bounds {
        left: left.cast_unsigned(),
        right: right.cast_unsigned(),
        top: top.cast_unsigned(),
        bottom: bottom.cast_unsigned(),
    };
    let [yaw_deg, pitch_deg, roll_deg] = [yaw, pitch, roll].map(|angle| f64::from(angle) / FIXED);
    let sphere = if is(AVSphericalProjection::AV_SPHERICAL_CUBEMAP) {
        let padding_px = Some(padding.cast_unsigned());
        SphereInfo { padding_px, ..bare(SphereProjection::Cubemap, EyeLayout::Mono) }
    } else {
        let margins = margins(&bounds);
        SphereInfo { margins, ..bare(SphereProjection::Equirectangular, EyeLayout::Mono) }
    };
    Some(SphereInfo { yaw_deg, pitch_deg, roll_deg, ..sphere })
}

/// `AVStereo3D` (libavutil/stereo3d.h): type, flags, of which bit 0 swaps the eyes.
fn stereo_3d(stream: &Stream<'_>) -> Option<EyeLayout> {
    let words = words(stream, SideDataType::Stereo3d)?;
    let [kind, flags, ..] = words[..] else { return None };
    let is = |of: AVStereo3DType| kind == of as i32;
    let swapped = flags & 1 == 1;
    Some(match swapped {
        false if is(AVStereo3DType::AV_STEREO3D_TOPBOTTOM) => EyeLayout::TopBottom,
        true if is(AVStereo3DType::AV_STEREO3D_TOPBOTTOM) => EyeLayout::BottomTop,
        false if is(AVStereo3DType::AV_STEREO3D_SIDEBYSIDE) => EyeLayout::LeftRight,
        true if is(AVStereo3DType::AV_STEREO3D_SIDEBYSIDE) => EyeLayout::RightLeft,
        _ => EyeLayout::Mono,
    })
}
