//! GoPro MAX: two equi-angular strips, whose outer faces are cut in half with an overlap.

use crate::eac::{angles_on_face, unit_on_face};
use crate::pixel::keep_before;
use crate::scalar::Scalar;
use crate::{CubeLayout, GeometryError, Pixel, Ray, Size};

/// The sizes that the camera writes: width and height of a strip, width of the face in its middle,
/// and half of what the halves of the outer faces overlap. Source: the templates of max2sphere.
const TEMPLATES: [(u32, u32, u32, u32); 2] = [(4096, 1344, 1344, 32), (2272, 736, 736, 16)];

/// The two tracks of a `.360` file, one above the other.
///
/// The upper strip is left, front, right, the lower one down, back, up, with the faces turned as
/// in [`CubeLayout::youtube`]. The faces at the ends of a strip lie across the border between the
/// camera's lenses: each consists of two halves that both show a stripe around their middle, so
/// that a stitcher can blend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoproMax {
    size: Size,
    layout: CubeLayout,
    /// Width of the middle face and of an outer one, overlap included.
    centre_px: f64,
    side_px: f64,
    /// Half the width of the stripe that both halves of an outer face show.
    blend_px: f64,
}

/// One of the places that show a ray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Where in the picture.
    pub pixel: Pixel,
    /// How much of the blended sample comes from there, in [0, 1]; the shares of a ray add up to 1.
    pub share: f64,
}

impl GoproMax {
    /// A picture of `size`: both strips of the camera stacked, 4096×2688 or 2272×1472.
    ///
    /// # Errors
    ///
    /// [`GeometryError::CameraFrame`] for any other size.
    pub fn new(size: Size) -> Result<Self, GeometryError> {
        let template = TEMPLATES.iter().find(|(width, height, ..)| {
            (*width, 2 * height) == (size.width_px(), size.height_px())
        });
        let (width_px, _, centre_px, blend_px) = *template.ok_or(GeometryError::CameraFrame)?;
        Ok(Self {
            size,
            layout: CubeLayout::youtube(),
            centre_px: f64::from(centre_px),
            side_px: f64::from(width_px - centre_px) / 2.0,
            blend_px: f64::from(blend_px),
        })
    }

    /// Size of the picture: both strips.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Pixel → ray, or `None` outside of the picture.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit)
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> Option<[S; 3]> {
        let pixel = self.size.hold(Pixel::new(x_px.value(), y_px.value()))?;
        let row = u32::from(pixel.y_px >= self.strip_px());
        let half_strip_px = self.strip_px() / 2.0;
        let down = (y_px - f64::from(2 * row + 1) * half_strip_px) / half_strip_px;
        let (column, right) = self.across(x_px);
        let cell = self.layout.cell_at(column, row)?;
        Some(unit_on_face(cell.face, cell.turns.inverse().turn([right, -down])))
    }

    /// The column of a face and how far right of its centre `x` is, in half faces.
    fn across<S: Scalar>(&self, x_px: S) -> (u32, S) {
        let centre_start_px = self.side_px;
        let centre_end_px = self.side_px + self.centre_px;
        if x_px.value() >= centre_start_px && x_px.value() < centre_end_px {
            let half_px = self.centre_px / 2.0;
            return (1, (x_px - (centre_start_px + half_px)) / half_px);
        }
        let (column, from_start_px) =
            if x_px.value() < centre_start_px { (0, x_px) } else { (2, x_px - centre_end_px) };
        // The right half is moved right by the whole overlap.
        let is_left = from_start_px.value() < self.side_px / 2.0;
        let moved_px = if is_left { 0.0 } else { 2.0 * self.blend_px };
        let half_px = self.face_px() / 2.0;
        (column, (from_start_px - (moved_px + half_px)) / half_px)
    }

    /// Ray → the pixel that shows it; of two in an overlap, the one farther from its half's border.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        Some(match self.shares(ray) {
            (_, Some(right)) if right.share >= 0.5 => right.pixel,
            (left, _) => left.pixel,
        })
    }

    /// The pixels that show a ray and how to blend them: one, or the left and the right one in an
    /// overlap. Across the overlap the share goes evenly from the left half to the right one.
    pub fn shares(&self, ray: Ray) -> (Share, Option<Share>) {
        let (face, right_and_up) = angles_on_face(ray);
        let cell = self.layout.cell_of(face);
        let [right, up] = cell.turns.turn(right_and_up);
        let strip_start_px = f64::from(cell.row) * self.strip_px();
        let y_px = keep_before(
            strip_start_px + (1.0 - up) * self.strip_px() / 2.0,
            strip_start_px,
            strip_start_px + self.strip_px(),
        );
        let at = |x_px: f64, start_px: f64, end_px: f64, share| Share {
            pixel: Pixel::new(keep_before(x_px, start_px, end_px), y_px),
            share,
        };
        let (centre_start_px, centre_end_px) = (self.side_px, self.side_px + self.centre_px);
        let start_px = match cell.column {
            0 => 0.0,
            1 => {
                let x_px = centre_start_px + (1.0 + right) * self.centre_px / 2.0;
                return (at(x_px, centre_start_px, centre_end_px, 1.0), None);
            }
            _ => centre_end_px,
        };
        let (middle_px, end_px) = (start_px + self.side_px / 2.0, start_px + self.side_px);
        let left_px = (1.0 + right) * self.face_px() / 2.0;
        let overlap_px = 2.0 * self.blend_px;
        // The left half ends at the middle of the cell, the right one begins there.
        let into_overlap_px = left_px - (self.side_px / 2.0 - overlap_px);
        let share = (into_overlap_px / overlap_px).clamp(0.0, 1.0);
        let left = at(start_px + left_px, start_px, middle_px, 1.0 - share);
        let right = at(start_px + left_px + overlap_px, middle_px, end_px, share);
        if share <= 0.0 {
            (left, None)
        } else if share >= 1.0 {
            (right, None)
        } else {
            (left, Some(right))
        }
    }

    /// Width of an outer face without its overlap.
    fn face_px(&self) -> f64 {
        self.side_px - 2.0 * self.blend_px
    }

    fn strip_px(&self) -> f64 {
        f64::from(self.size.height_px()) / 2.0
    }
}
