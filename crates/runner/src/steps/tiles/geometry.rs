//! Where the pixels lie on the sphere, and how large the cube must be.

use std::f64::consts::PI;
use std::num::NonZeroU32;

use panofleet_job_schema::limits::FACE_SIDE_PX_MAX;
use panofleet_job_schema::media_info::GPano;
use panofleet_job_schema::operation::SphereWindow;
use panofleet_media::pixels;
use panofleet_projection::{Equirectangular, Pyramid};
use panofleet_raster::{Edges, Picture, Size};

use crate::error::StepError;
use crate::steps::geometry::equirectangular;

/// One eye's picture on the sphere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sphere {
    window: SphereWindow,
    /// Size of the picture that the window is about.
    size: Size,
    pyramid: Pyramid,
    wanted_face_px: NonZeroU32,
}

impl Sphere {
    /// # Errors
    /// `EmptySize` for a window without an extent.
    pub(super) fn new(window: SphereWindow, size: Size) -> Result<Self, StepError> {
        // The finer of the two directions decides, so that none loses anything.
        let width_px = window.full_width_px.max(2.0 * window.full_height_px).round();
        let width_px = NonZeroU32::new(width_px as u32).ok_or(StepError::EmptySize)?;
        let face_px_max = NonZeroU32::new(FACE_SIDE_PX_MAX).ok_or(StepError::EmptySize)?;
        let wanted_face_px = Pyramid::new(width_px).face_px();
        let pyramid = Pyramid::bounded(width_px, face_px_max);
        Ok(Self { window, size, pyramid, wanted_face_px })
    }

    /// Where the picture lies, in its own pixels.
    pub(super) const fn window(&self) -> SphereWindow {
        self.window
    }

    /// Size of the picture before [`fit`](Self::fit).
    pub(super) const fn size(&self) -> Size {
        self.size
    }

    /// How the picture goes on beyond its sides.
    pub(super) fn edges(&self) -> Edges {
        if self.covers_width() { Edges::WrapColumns } else { Edges::Clamp }
    }

    pub(super) const fn pyramid(&self) -> Pyramid {
        self.pyramid
    }

    /// Whether the faces are smaller than what would lose nothing.
    pub(super) fn is_bounded(&self) -> bool {
        self.pyramid.face_px() < self.wanted_face_px
    }

    pub(super) fn bound_warning(&self) -> Option<String> {
        self.is_bounded().then(|| {
            let (wanted_px, made_px) = (self.wanted_face_px, self.pyramid.face_px());
            format!("cube faces of {wanted_px} pixels would lose nothing; they were made {made_px}")
        })
    }

    /// The picture at the resolution of the faces: remapping does not filter, so a picture that is finer
    /// than they may be is made coarser first.
    ///
    /// # Errors
    /// None that a picture which was decoded can meet.
    pub(super) fn fit(&self, picture: Picture<u8>) -> Result<Picture<u8>, StepError> {
        if !self.is_bounded() {
            return Ok(picture);
        }
        let size = self.fitted_size()?;
        Ok(pixels::scale(&picture, size, self.edges())?)
    }

    /// The geometry of the picture after [`fit`](Self::fit).
    ///
    /// # Errors
    /// A window that is not inside of the sphere.
    pub(super) fn geometry(&self) -> Result<Equirectangular, StepError> {
        equirectangular(self.window, self.size, self.fitted_size()?)
    }

    fn fitted_size(&self) -> Result<Size, StepError> {
        if !self.is_bounded() {
            return Ok(self.size);
        }
        let needed_px = f64::from(self.pyramid.face_px().get()) * PI;
        let side = |px: u32, full_px: f64| {
            (f64::from(px) * (needed_px / full_px).min(1.0)).round().max(1.0) as u32
        };
        let width_px = side(self.size.width_px(), self.window.full_width_px);
        let height_px = side(self.size.height_px(), 2.0 * self.window.full_height_px);
        Size::new(width_px, height_px).ok_or(StepError::EmptySize)
    }

    fn covers_width(&self) -> bool {
        self.haov_deg() > 360.0 - COVER_SLACK_DEG
    }

    fn covers_height(&self) -> bool {
        self.vaov_deg() > 180.0 - COVER_SLACK_DEG
    }

    /// Horizontal extent, (0, 360].
    pub(super) fn haov_deg(&self) -> f64 {
        360.0 * f64::from(self.size.width_px()) / self.window.full_width_px
    }

    /// Vertical extent, (0, 180].
    pub(super) fn vaov_deg(&self) -> f64 {
        180.0 * f64::from(self.size.height_px()) / self.window.full_height_px
    }

    /// Yaw of the picture's middle column; 0 is the middle of the whole sphere, right is positive.
    pub(super) fn centre_yaw_deg(&self) -> f64 {
        let middle_px = self.window.left_px + f64::from(self.size.width_px()) / 2.0;
        360.0 * (middle_px / self.window.full_width_px - 0.5)
    }

    /// Pitch of the picture's middle row, up positive.
    pub(super) fn centre_pitch_deg(&self) -> f64 {
        let middle_px = self.window.top_px + f64::from(self.size.height_px()) / 2.0;
        180.0 * (0.5 - middle_px / self.window.full_height_px)
    }

    /// Whether some directions are not in the picture, sideways and up or down.
    pub(super) fn is_partial(&self) -> (bool, bool) {
        (!self.covers_width(), !self.covers_height())
    }
}

/// Extents are rounded by those who write them; this is far below a pixel.
const COVER_SLACK_DEG: f64 = 1e-6;

/// Tiles are not levelled yet; who has a tilted panorama should know.
pub(super) fn pose_warning(gpano: &GPano) -> Option<String> {
    let pitch_deg = gpano.pose_pitch_deg.unwrap_or(0.0);
    let roll_deg = gpano.pose_roll_deg.unwrap_or(0.0);
    let tilted = pitch_deg.abs() > 0.05 || roll_deg.abs() > 0.05;
    tilted.then(|| {
        format!(
            "GPano says that the camera was tilted (pitch {pitch_deg}°, roll {roll_deg}°); the tiles are not \
             levelled"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sphere(full: (f64, f64), corner: (f64, f64), size: (u32, u32)) -> Sphere {
        let window = SphereWindow {
            full_width_px: full.0,
            full_height_px: full.1,
            left_px: corner.0,
            top_px: corner.1,
        };
        Sphere::new(window, Size::new(size.0, size.1).unwrap()).unwrap()
    }

    #[test]
    fn a_window_of_fractions_keeps_its_place() {
        let sphere = sphere((4321.987, 2160.5), (1000.25, 800.125), (1999, 700));
        let geometry = sphere.geometry().unwrap();
        let corner = geometry.corner();
        for (found, expected) in [
            (geometry.full_width_px(), 4321.987),
            (geometry.full_height_px(), 2160.5),
            (corner.x_px, 1000.25),
            (corner.y_px, 800.125),
        ] {
            assert!((found - expected).abs() < 0.001, "{found} {expected}");
        }
        assert!(!geometry.wraps());
    }

    #[test]
    fn a_squeezed_eye_is_a_whole_sphere() {
        let sphere = sphere((2048.0, 2048.0), (0.0, 0.0), (2048, 2048));
        assert!(sphere.geometry().unwrap().wraps());
        assert_eq!(sphere.is_partial(), (false, false));
        // 2 × 2048 is the width that its height deserves.
        assert_eq!(sphere.pyramid(), Pyramid::new(NonZeroU32::new(4096).unwrap()));
    }

    #[test]
    fn a_strip_around_the_sphere_wraps_but_has_no_poles() {
        let geometry = sphere((4096.0, 2048.0), (0.0, 284.0), (4096, 1480)).geometry().unwrap();
        assert!(geometry.wraps() && !geometry.reaches_top() && !geometry.reaches_bottom());
    }

    #[test]
    fn a_close_up_of_the_sphere_is_bounded() {
        let sphere = sphere((400_000.0, 200_000.0), (199_000.0, 99_000.0), (2000, 2000));
        assert!(sphere.is_bounded());
        assert!(sphere.pyramid().face_px().get() <= FACE_SIDE_PX_MAX);
        let geometry = sphere.geometry().unwrap();
        assert!(
            (geometry.full_width_px() / f64::from(geometry.size().width_px()) - 200.0).abs() < 1.0
        );
    }
}
