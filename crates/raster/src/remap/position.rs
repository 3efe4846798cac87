//! Where in the panorama the pixels of a row lie.

use std::f64::consts::PI;
use std::ops::Range;

use panofleet_projection::{Equirectangular, Pixel, StraightRow, View};

/// Most pixels of a row that are worked on at once; their positions and weights stay in the
/// first-level cache.
pub(super) const CHUNK_PX: usize = 256;

/// Pixels between exact positions of a straight row.
const NODE_STEP: usize = 8;

/// Pixels that share a parabola through three exact positions.
const BLOCK_PX: usize = 2 * NODE_STEP;

/// Largest error of an interpolated position along each axis, in pixels of the panorama's equator:
/// 0.005 pixels in any direction.
const INTERPOLATION_ERROR_PX_MAX: f64 = 0.0035;

/// The position of a pixel that has no ray, as outside of a fisheye's circle.
const NOWHERE: Pixel = Pixel::new(f64::NAN, f64::NAN);

/// Positions in the panorama's picture, for up to [`CHUNK_PX`] pixels next to each other.
pub(super) struct Positions {
    x_px: [f64; CHUNK_PX],
    y_px: [f64; CHUNK_PX],
    len: usize,
}

impl Positions {
    pub(super) const fn new() -> Self {
        Self { x_px: [0.0; CHUNK_PX], y_px: [0.0; CHUNK_PX], len: 0 }
    }

    /// `x` and `y` of each pixel.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (f64, f64)> {
        let (x_px, y_px) = (&self.x_px[..self.len], &self.y_px[..self.len]);
        x_px.iter().copied().zip(y_px.iter().copied())
    }

    /// Computes the positions of `len` pixels of `view` from column and row `first` on, in pixels
    /// of the picture that `geometry` describes. A partial panorama's positions may lie outside.
    pub(super) fn locate(
        &mut self,
        view: &View,
        geometry: &Equirectangular,
        (first_column, row): (usize, usize),
        len: usize,
    ) {
        self.len = len;
        let exact = |column: usize| {
            let ray = view.ray(Pixel::new(column as f64 + 0.5, row as f64 + 0.5));
            ray.map_or(NOWHERE, |ray| geometry.full_pixel(ray))
        };
        match view.straight_row(row as f64 + 0.5) {
            Some(line) => self.locate_straight(&line, first_column, geometry, exact),
            None => self.fill(0, first_column..first_column + len, exact),
        }
        let (corner, full_width_px) = (geometry.corner(), geometry.full_width_px());
        for x_px in &mut self.x_px[..len] {
            // A parabola near the seam may have left the interval by less than a turn.
            let above = if *x_px >= full_width_px { *x_px - full_width_px } else { *x_px };
            *x_px = if above < 0.0 { above + full_width_px } else { above } - corner.x_px;
        }
        self.y_px[..len].iter_mut().for_each(|y_px| *y_px -= corner.y_px);
    }

    /// Puts the positions of the view's `columns` from index `at` on.
    fn fill(&mut self, at: usize, columns: Range<usize>, position: impl Fn(usize) -> Pixel) {
        let to = self.x_px[at..].iter_mut().zip(&mut self.y_px[at..]);
        for ((x_px, y_px), column) in to.zip(columns) {
            let pixel = position(column);
            *x_px = pixel.x_px;
            *y_px = pixel.y_px;
        }
    }

    /// Blocks begin at multiples of [`BLOCK_PX`] in the view, whatever part of the row is asked
    /// for, so that every window of a view gets the same positions.
    fn locate_straight(
        &mut self,
        line: &StraightRow,
        first_column: usize,
        geometry: &Equirectangular,
        exact: impl Fn(usize) -> Pixel,
    ) {
        let bound = ParabolaBound::new(line, geometry);
        let end_column = first_column + self.len;
        let mut shared_node = None;
        for left in (first_column - first_column % BLOCK_PX..end_column).step_by(BLOCK_PX) {
            let columns = left.max(first_column)..end_column.min(left + BLOCK_PX);
            let at = columns.start - first_column;
            let middle = left + NODE_STEP;
            if !bound.holds(line.point(middle as f64 + 0.5)) {
                shared_node = None;
                self.fill(at, columns, &exact);
                continue;
            }
            let end = exact(left + BLOCK_PX);
            let start = shared_node.unwrap_or_else(|| exact(left));
            shared_node = Some(end);
            let [x, y] = parabolas([start, exact(middle), end], geometry.full_width_px());
            self.fill(at, columns, |column| {
                let distance = f64::from((column - left) as u32);
                Pixel::new(
                    start.x_px + distance * (x[0] + distance * x[1]),
                    start.y_px + distance * (y[0] + distance * y[1]),
                )
            });
        }
    }

    /// Whether some pixels have no ray.
    pub(super) fn has_gaps(&self) -> bool {
        self.iter().any(|(x_px, _)| x_px.is_nan())
    }

    /// The pixels whose position is outside of the picture, those without a ray included.
    pub(super) fn outside(&self, geometry: &Equirectangular) -> Vec<usize> {
        let (width_px, height_px) = sides(geometry);
        let inside =
            |(x, y): (f64, f64)| (0.0..=width_px).contains(&x) && (0.0..=height_px).contains(&y);
        self.iter().enumerate().filter(|(_, at)| !inside(*at)).map(|(index, _)| index).collect()
    }

    /// Moves every position into the picture, so that its taps lie within the border; those without
    /// a ray go to its corner.
    pub(super) fn clamp(&mut self, geometry: &Equirectangular) {
        let (width_px, height_px) = sides(geometry);
        self.x_px[..self.len].iter_mut().for_each(|x_px| *x_px = x_px.max(0.0).min(width_px));
        self.y_px[..self.len].iter_mut().for_each(|y_px| *y_px = y_px.max(0.0).min(height_px));
    }
}

fn sides(geometry: &Equirectangular) -> (f64, f64) {
    let size = geometry.size();
    (f64::from(size.width_px()), f64::from(size.height_px()))
}

/// The parabolas through three nodes, for `x` and for `y`: coefficients of `i` and `i²`, relative
/// to the first node. Longitude goes the short way around a circle of `turn_px`.
fn parabolas([start, middle, end]: [Pixel; 3], turn_px: f64) -> [[f64; 2]; 2] {
    let from_start = |x_px: f64| {
        let difference_px = x_px - start.x_px;
        if difference_px > turn_px / 2.0 {
            difference_px - turn_px
        } else if difference_px < -turn_px / 2.0 {
            difference_px + turn_px
        } else {
            difference_px
        }
    };
    let through = |middle: f64, end: f64| {
        let step = NODE_STEP as f64;
        let square = (end - 2.0 * middle) / (2.0 * step * step);
        [middle / step - square * step, square]
    };
    [
        through(from_start(middle.x_px), from_start(end.x_px)),
        through(middle.y_px - start.y_px, end.y_px - start.y_px),
    ]
}

/// A bound on the error of a parabola through three positions of a straight row.
///
/// A parabola through nodes `h` apart is wrong by at most `h³ / (9·√3)` times the largest third
/// derivative. Let `q(s) = start + s·step` be the point of pixel `s`, `|q| ≥ 1`, and `w(s)` its
/// part across the polar axis, taken as the complex number `z + i·x`.
///
/// - Yaw is `Im log w`, and `w` is linear in `s`, so `|yaw'''| ≤ 2·(|w'| / |w|)³`.
/// - Pitch along a great circle, by arc length σ, obeys `φ'' = −tan φ·(1 − φ'²)`, from which
///   `|φ'''| ≤ 2/(3·√3)·(sec²φ + 2·tan²φ)`; and `σ = Im log` of a linear function of length `|q|`.
///   With `β = |step| / |q|` the chain rule gives
///   `|pitch'''| ≤ β³·(1.155·sec²φ + 3·|tan φ| + 2) ≤ 6.16·β³·sec²φ ≤ 6.16·|step|³ / |w|²`.
///
/// Both grow towards the poles, where `|w|` goes to 0, and fall with the square of the face size.
struct ParabolaBound {
    /// The bounds hold where `|w|` is at least this throughout the block.
    axis_distance_min: f64,
}

impl ParabolaBound {
    fn new(line: &StraightRow, geometry: &Equirectangular) -> Self {
        let [x, y, z] = line.step;
        let across = x.hypot(z);
        let step = (x * x + y * y + z * z).sqrt();
        let node_step = NODE_STEP as f64;
        let parabola = node_step.powi(3) / (9.0 * 3.0_f64.sqrt()) / INTERPOLATION_ERROR_PX_MAX;
        let yaw = geometry.full_width_px() / PI * across.powi(3) * parabola;
        let pitch = geometry.full_height_px() / PI * 6.16 * step.powi(3) * parabola;
        let distance_min = yaw.cbrt().max(pitch.sqrt());
        // Within a block `|w|` is smaller than in its middle by at most half a block's length.
        Self { axis_distance_min: distance_min + node_step * across }
    }

    /// Whether the error stays below the maximum in the block around `middle`.
    ///
    /// If so, the yaw of neighbouring nodes differs by less than half a turn for any panorama of
    /// at least one pixel, so the short way between them is the right one.
    fn holds(&self, [x, _, z]: [f64; 3]) -> bool {
        x * x + z * z >= self.axis_distance_min * self.axis_distance_min
    }
}

#[cfg(test)]
mod tests {
    use panofleet_projection::{CubeFace, Face, Orientation, Rectilinear, Size};

    use super::*;

    /// The largest distance, in pixels of the equator, between the positions of every 7th row and
    /// exact ones.
    fn worst_px(view: &View, geometry: &Equirectangular) -> f64 {
        let mut positions = Positions::new();
        let mut worst_px = 0.0_f64;
        let width = view.size().width_px() as usize;
        for row in (0..view.size().height_px() as usize).step_by(7) {
            for left in (0..width).step_by(CHUNK_PX) {
                let len = CHUNK_PX.min(width - left);
                positions.locate(view, geometry, (left, row), len);
                for (column, (x_px, y_px)) in positions.iter().enumerate() {
                    let exact =
                        view.ray(Pixel::centre((left + column) as u32, row as u32)).expect("a ray");
                    let apart_rad = geometry.ray(Pixel::new(x_px, y_px)).angle_rad(exact);
                    worst_px = worst_px.max(apart_rad * geometry.full_width_px() / (2.0 * PI));
                }
            }
        }
        worst_px
    }

    #[test]
    fn interpolated_positions_keep_their_bound() {
        let mut views = Vec::new();
        for face_px in [5, 100, 300, 656, 1_000, 2_624] {
            let face_px = face_px.try_into().unwrap();
            let tilt = Orientation::new(2.5, 0.7, -0.3).unwrap();
            for face in Face::ALL {
                views.push(View::new(CubeFace { face, face_px }, Orientation::IDENTITY));
                views.push(View::new(CubeFace { face, face_px }, tilt));
            }
        }
        for (yaw_rad, pitch_rad, fov_rad) in [(3.1, 0.0, 1.0), (0.5, 1.5, 2.5), (-2.0, -1.4, 0.2)] {
            let view = Rectilinear::new(Size::new(800, 450).unwrap(), fov_rad).unwrap();
            views.push(View::new(view, Orientation::new(yaw_rad, pitch_rad, 0.4).unwrap()));
        }
        for width_px in [2, 300, 2_048, 16_384] {
            let size = Size::new(width_px, width_px / 2).unwrap();
            let geometry = Equirectangular::full(size);
            for view in &views {
                let worst_px = worst_px(view, &geometry);
                assert!(worst_px < 0.005, "{worst_px} {view:?} {width_px}");
            }
        }
    }
}
