//! Photo Sphere metadata, and what becomes of it when the picture is resized, cropped or turned.

use serde::{Deserialize, Serialize};

use crate::operation::PixelRect;

/// Photo Sphere XMP metadata (Google, namespace `http://ns.google.com/photos/1.0/panorama/`).
///
/// Sizes are pixels of the stored picture or of the full sphere, angles degrees; what the file does not
/// say is `None`.
///
/// The full sphere is 360° × 180°; the picture is its cropped area. A heading is counted clockwise from
/// north where there is a pose heading, else from the middle of the full sphere; a pitch from the horizon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GPano {
    /// `equirectangular`, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    /// Whether the picture is meant to be shown as a panorama.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_panorama_viewer: Option<bool>,
    /// Width of the full sphere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_width_px: Option<u32>,
    /// Height of the full sphere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_height_px: Option<u32>,
    /// Width of the part that the picture shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cropped_width_px: Option<u32>,
    /// Height of the part that the picture shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cropped_height_px: Option<u32>,
    /// Left edge of the part in the full sphere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cropped_left_px: Option<u32>,
    /// Top edge of the part in the full sphere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cropped_top_px: Option<u32>,
    /// The largest part of the picture without gaps, where the stitcher left some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_area: Option<ValidArea>,
    /// Compass heading of the middle of the full sphere, [0, 360).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pose_heading_deg: Option<f64>,
    /// Pitch of the camera, [−90, 90].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pose_pitch_deg: Option<f64>,
    /// Roll of the camera, [−180, 180].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pose_roll_deg: Option<f64>,
    /// Heading that a viewer should start at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_heading_deg: Option<f64>,
    /// Pitch that a viewer should start at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_pitch_deg: Option<f64>,
    /// Roll that a viewer should start at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_roll_deg: Option<f64>,
    /// Horizontal field of view that a viewer should start at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_hfov_deg: Option<f64>,
    /// The program that took the pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_software: Option<String>,
    /// The program that joined them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stitching_software: Option<String>,
    /// How many pictures were joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_photos: Option<u32>,
    /// When the first one was taken, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_photo_date: Option<String>,
    /// When the last one was taken, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_photo_date: Option<String>,
    /// Whether all were taken with the same exposure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_locked: Option<bool>,
}

/// `LargestValidInteriorRect`: the largest part of the picture without gaps, in its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidArea {
    /// Left edge, from 0.
    pub left_px: u32,
    /// Top edge, from 0.
    pub top_px: u32,
    /// Width.
    pub width_px: u32,
    /// Height.
    pub height_px: u32,
}

impl GPano {
    /// What a whole equirectangular panorama of this size says: nothing of where it was taken.
    pub fn whole_sphere(width_px: u32, height_px: u32) -> Self {
        Self {
            projection: Some("equirectangular".into()),
            use_panorama_viewer: Some(true),
            full_width_px: Some(width_px),
            full_height_px: Some(height_px),
            cropped_width_px: Some(width_px),
            cropped_height_px: Some(height_px),
            cropped_left_px: Some(0),
            cropped_top_px: Some(0),
            ..Self::default()
        }
    }

    /// Width and height of the picture that this describes; `None` where no size is written.
    pub fn picture_px(&self) -> Option<(u32, u32)> {
        let width_px = self.cropped_width_px.or(self.full_width_px)?;
        let height_px = self.cropped_height_px.or(self.full_height_px)?;
        (width_px > 0 && height_px > 0).then_some((width_px, height_px))
    }

    /// The same for the picture resized to `width_px × height_px`, each at least 1.
    ///
    /// Every size is scaled and rounded to nearest. A side that goes all around stays all around, a sphere
    /// of 2:1 stays 2:1 unless the picture was squeezed, and the cropped area stays inside. Sizes that are
    /// not written stay away.
    #[must_use]
    pub fn resized(&self, width_px: u32, height_px: u32) -> Self {
        let Some((from_width_px, from_height_px)) = self.picture_px() else { return self.clone() };
        let scale = |px: u32, to: u32, from: u32| {
            let nearest = (u64::from(px) * u64::from(to) + u64::from(from) / 2) / u64::from(from);
            u32::try_from(nearest).unwrap_or(u32::MAX)
        };
        let across = |px: u32| scale(px, width_px, from_width_px);
        let down = |px: u32| scale(px, height_px, from_height_px);
        let mut full_width_px = self.full_width_px.map(|full| across(full).max(width_px));
        let mut full_height_px = self.full_height_px.map(|full| down(full).max(height_px));
        // The other side by the same factor, to the pixel.
        let even = across(from_height_px).abs_diff(height_px) <= 1
            || down(from_width_px).abs_diff(width_px) <= 1;
        if let (Some(full_width), Some(full_height)) = (self.full_width_px, self.full_height_px)
            && u64::from(full_width) == 2 * u64::from(full_height)
            && even
        {
            if full_height != from_height_px {
                full_height_px = full_width_px.map(|full| full.div_ceil(2).max(height_px));
            } else if full_width != from_width_px {
                full_width_px = Some(height_px.saturating_mul(2).max(width_px));
            }
        }
        let inside = |place: u32, side: u32, full: Option<u32>| {
            full.map_or(place, |full| place.min(full.saturating_sub(side)))
        };
        Self {
            full_width_px,
            full_height_px,
            cropped_width_px: self.cropped_width_px.map(|_| width_px),
            cropped_height_px: self.cropped_height_px.map(|_| height_px),
            cropped_left_px: (self.cropped_left_px)
                .map(|left| inside(across(left), width_px, full_width_px)),
            cropped_top_px: (self.cropped_top_px)
                .map(|top| inside(down(top), height_px, full_height_px)),
            valid_area: self.valid_area.map(|area| {
                let (left_px, top_px) = (across(area.left_px), down(area.top_px));
                ValidArea {
                    left_px: left_px.min(width_px),
                    top_px: top_px.min(height_px),
                    width_px: across(area.width_px).min(width_px.saturating_sub(left_px)),
                    height_px: down(area.height_px).min(height_px.saturating_sub(top_px)),
                }
            }),
            ..self.clone()
        }
    }

    /// The same for a part of the picture, whose size must be the one written here ([`resized`](Self::resized)
    /// first where it is not). The sphere stays, and with it pose and initial view.
    #[must_use]
    pub fn cropped(&self, part: PixelRect) -> Self {
        let Some((width_px, height_px)) = self.picture_px() else { return self.clone() };
        Self {
            full_width_px: Some(self.full_width_px.unwrap_or(width_px)),
            full_height_px: Some(self.full_height_px.unwrap_or(height_px)),
            cropped_width_px: Some(part.width_px),
            cropped_height_px: Some(part.height_px),
            cropped_left_px: Some(self.cropped_left_px.unwrap_or(0).saturating_add(part.left_px)),
            cropped_top_px: Some(self.cropped_top_px.unwrap_or(0).saturating_add(part.top_px)),
            valid_area: self.valid_area.and_then(|area| area.within(part)),
            ..self.clone()
        }
    }

    /// The same after the panorama was turned so that its middle shows what lay `yaw_deg` to the right of
    /// it. Where north is known the heading moves and the initial view, which is counted from north, stays.
    #[must_use]
    pub fn turned(&self, yaw_deg: f64) -> Self {
        let around = |heading_deg: f64| heading_deg.rem_euclid(360.0) % 360.0;
        let mut turned = self.clone();
        match self.pose_heading_deg {
            Some(heading_deg) => turned.pose_heading_deg = Some(around(heading_deg + yaw_deg)),
            None => {
                turned.initial_heading_deg =
                    self.initial_heading_deg.map(|deg| around(deg - yaw_deg));
            }
        }
        turned
    }

    /// The same without what it says of programs and dates.
    #[must_use]
    pub fn without_origin(self) -> Self {
        Self {
            capture_software: None,
            stitching_software: None,
            source_photos: None,
            first_photo_date: None,
            last_photo_date: None,
            exposure_locked: None,
            ..self
        }
    }

    /// The same after the tilt of the camera was taken out of the pixels. The heading stays, because pitch
    /// and roll turn the sphere about its middle and about the axis to its right; the initial view stays,
    /// because it is counted from the horizon.
    #[must_use]
    pub fn levelled(&self) -> Self {
        Self {
            pose_pitch_deg: self.pose_pitch_deg.map(|_| 0.0),
            pose_roll_deg: self.pose_roll_deg.map(|_| 0.0),
            ..self.clone()
        }
    }
}

impl ValidArea {
    /// What of it lies in a part of the picture, in the part's pixels.
    fn within(self, part: PixelRect) -> Option<Self> {
        let overlap = |from: u32, side: u32, part_from: u32, part_side: u32| {
            let start = from.max(part_from);
            let end = from.saturating_add(side).min(part_from.saturating_add(part_side));
            (end > start).then(|| (start - part_from, end - start))
        };
        let (left_px, width_px) =
            overlap(self.left_px, self.width_px, part.left_px, part.width_px)?;
        let (top_px, height_px) =
            overlap(self.top_px, self.height_px, part.top_px, part.height_px)?;
        Some(Self { left_px, top_px, width_px, height_px })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partial(full: (u32, u32), area: (u32, u32, u32, u32)) -> GPano {
        let (left_px, top_px, width_px, height_px) = area;
        GPano::whole_sphere(full.0, full.1).cropped(PixelRect {
            left_px,
            top_px,
            width_px,
            height_px,
        })
    }

    fn sizes(gpano: &GPano) -> [Option<u32>; 6] {
        [
            gpano.full_width_px,
            gpano.full_height_px,
            gpano.cropped_left_px,
            gpano.cropped_top_px,
            gpano.cropped_width_px,
            gpano.cropped_height_px,
        ]
    }

    #[test]
    fn sizes_follow_the_picture() {
        for (before, to, expected) in [
            (partial((8192, 4096), (0, 0, 8192, 4096)), (1000, 500), [1000, 500, 0, 0, 1000, 500]),
            // All around, but not to the poles: 1480 · 1000 / 4096 = 361.3.
            (
                partial((4096, 2048), (0, 284, 4096, 1480)),
                (1000, 361),
                [1000, 500, 0, 69, 1000, 361],
            ),
            // To the poles, but not all around.
            (
                partial((4000, 2000), (501, 0, 3000, 2000)),
                (1500, 1000),
                [2000, 1000, 251, 0, 1500, 1000],
            ),
            // Squeezed to half its width: the sphere is, too.
            (
                partial((4000, 2000), (400, 200, 2000, 1000)),
                (1000, 1000),
                [2000, 2000, 200, 200, 1000, 1000],
            ),
            // Rounding up may not push the area out: 667 · 0.5 = 333.5, and 334 + 667 is one too many.
            (
                partial((2001, 1001), (667, 0, 1334, 1001)),
                (667, 501),
                [1001, 501, 334, 0, 667, 501],
            ),
        ] {
            assert_eq!(
                sizes(&before.resized(to.0, to.1)),
                expected.map(Some),
                "{before:?} to {to:?}"
            );
        }
        let sizeless = GPano { pose_heading_deg: Some(7.0), ..GPano::default() };
        assert_eq!(sizeless.resized(10, 5), sizeless);
    }

    #[test]
    fn a_part_of_a_part_lies_where_it_lay() {
        let valid_area = Some(ValidArea { left_px: 50, top_px: 0, width_px: 100, height_px: 80 });
        let before = GPano { valid_area, ..partial((1000, 500), (100, 50, 400, 200)) };
        let part = PixelRect { left_px: 30, top_px: 60, width_px: 90, height_px: 10 };
        let found = before.cropped(part);
        assert_eq!(sizes(&found), [1000, 500, 130, 110, 90, 10].map(Some));
        let expected = ValidArea { left_px: 20, top_px: 0, width_px: 70, height_px: 10 };
        assert_eq!(found.valid_area, Some(expected));
        let outside = PixelRect { left_px: 200, ..part };
        assert_eq!(before.cropped(outside).valid_area, None);
    }

    #[test]
    fn a_turn_moves_the_heading_or_the_view() {
        let view = GPano { initial_heading_deg: Some(10.0), ..GPano::whole_sphere(4, 2) };
        let north =
            GPano { pose_heading_deg: Some(350.0), pose_pitch_deg: Some(3.0), ..view.clone() };
        let turned = north.turned(30.0);
        assert_eq!((turned.pose_heading_deg, turned.initial_heading_deg), (Some(20.0), Some(10.0)));
        assert_eq!(view.turned(30.0).initial_heading_deg, Some(340.0));
        // −1e-14 modulo 360 is 360 in floating point, which is out of the interval.
        assert_eq!(
            GPano { pose_heading_deg: Some(0.0), ..view }.turned(-1e-14).pose_heading_deg,
            Some(0.0)
        );
        let levelled = north.levelled();
        assert_eq!(levelled, GPano { pose_pitch_deg: Some(0.0), ..north });
    }

    proptest! {
        /// Whatever is scaled, the area stays inside of the sphere and as large as the picture.
        #[test]
        fn areas_stay_inside(
            (full_width, full_height) in (1_u32..9000, 1_u32..9000),
            places in prop::array::uniform4(0.0..1.0_f64),
            (width_px, height_px) in (1_u32..9000, 1_u32..9000),
        ) {
            let [left, top, width, height] = places;
            let place = |full: u32, at: f64, side: f64| {
                let from = (f64::from(full - 1) * at) as u32;
                (from, 1 + (f64::from(full - from - 1) * side) as u32)
            };
            let ((left, width), (top, height)) =
                (place(full_width, left, width), place(full_height, top, height));
            let resized =
                partial((full_width, full_height), (left, top, width, height)).resized(width_px, height_px);
            let [full_width, full_height, left, top, width, height] =
                sizes(&resized).map(Option::unwrap);
            prop_assert_eq!((width, height), (width_px, height_px));
            prop_assert!(left + width <= full_width && top + height <= full_height);
        }
    }
}
