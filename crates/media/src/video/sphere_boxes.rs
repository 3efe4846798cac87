//! What a probe found out about a sphere, as boxes for a new file.

use panofleet_isobmff::v1;
use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_job_schema::media_info::{EyeLayout, SphereInfo, SphereMargins, SphereProjection};

/// Who wrote the metadata.
const SOURCE: &str = "Panofleet";

/// The boxes of a track.
#[derive(Debug, Default)]
pub(crate) struct SphereBoxes {
    /// `st3d` and `sv3d`, for the sample entry.
    pub(crate) entry_boxes: Vec<u8>,
    /// The V1 `uuid`, for the track: what older players read.
    pub(crate) track_boxes: Vec<u8>,
    /// What these boxes cannot say.
    pub(crate) warnings: Vec<String>,
}

impl SphereBoxes {
    /// Boxes that say the same as a probe found; none for a flat video.
    pub(crate) fn of(sphere: Option<&SphereInfo>) -> Self {
        let mut boxes = Self::default();
        let Some(sphere) = sphere else { return boxes };
        let stereo = boxes.stereo(sphere.eyes);
        let projection = match sphere.projection {
            SphereProjection::Equirectangular => {
                Some(Projection::Equirectangular(bounds(sphere.margins.unwrap_or_default())))
            }
            SphereProjection::HalfEquirectangular => {
                let margins = SphereMargins { left: 0.25, right: 0.25, ..SphereMargins::default() };
                Some(Projection::Equirectangular(bounds(margins)))
            }
            SphereProjection::Cubemap => {
                Some(Projection::Cubemap { layout: 0, padding_px: sphere.padding_px.unwrap_or(0) })
            }
            SphereProjection::Rectilinear => None,
            SphereProjection::Mesh | SphereProjection::Fisheye => {
                let word = format!("{:?}", sphere.projection).to_lowercase();
                boxes.warnings.push(format!(
                    "the metadata that calls the video a {word} sphere was left out, because the result cannot carry it"
                ));
                return boxes;
            }
        };
        if projection.is_some() || stereo != StereoMode::Mono {
            stereo.write(&mut boxes.entry_boxes);
        }
        if let Some(projection) = projection {
            let fixed = |degrees: f64| (degrees * 65_536.0).round() as i32;
            let SphereInfo { yaw_deg, pitch_deg, roll_deg, .. } = *sphere;
            let pose = Pose { yaw: fixed(yaw_deg), pitch: fixed(pitch_deg), roll: fixed(roll_deg) };
            Spherical { source: SOURCE.into(), pose, projection }.write(&mut boxes.entry_boxes);
            boxes.write_v1(sphere, stereo);
        }
        boxes
    }

    fn stereo(&mut self, eyes: EyeLayout) -> StereoMode {
        match eyes {
            EyeLayout::Mono => StereoMode::Mono,
            EyeLayout::TopBottom => StereoMode::TopBottom,
            EyeLayout::LeftRight => StereoMode::LeftRight,
            EyeLayout::RightLeft => StereoMode::RightLeft,
            // The base layer is one eye's picture.
            EyeLayout::Layered => StereoMode::Mono,
            EyeLayout::BottomTop | EyeLayout::Mesh => {
                self.warnings.push(
                    "how the eyes lie in a frame was left out, because the result cannot carry it"
                        .into(),
                );
                StereoMode::Mono
            }
        }
    }

    /// V1 knows whole spheres by longitude and latitude, of eyes in their usual order.
    fn write_v1(&mut self, sphere: &SphereInfo, stereo: StereoMode) {
        let plain =
            sphere.projection == SphereProjection::Equirectangular && sphere.margins.is_none();
        if plain && stereo != StereoMode::RightLeft {
            let v1 = v1::Spherical {
                spherical: true,
                stitched: true,
                software: Some(SOURCE.into()),
                projection: Some("equirectangular".into()),
                stereo: Some(stereo),
                initial_heading_deg: sphere.initial_heading_deg,
                initial_pitch_deg: sphere.initial_pitch_deg,
                ..v1::Spherical::default()
            };
            v1.write(&mut self.track_boxes);
        }
    }
}

fn bounds(margins: SphereMargins) -> Bounds {
    // A share below 1 fits; what a file said comes back to the last bit.
    let fixed = |share: f64| (share * 4_294_967_296.0).round() as u32;
    let SphereMargins { left, right, top, bottom } = margins;
    Bounds { top: fixed(top), bottom: fixed(bottom), left: fixed(left), right: fixed(right) }
}
