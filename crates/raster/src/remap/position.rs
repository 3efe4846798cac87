//! Where in the panorama the pixels of a row lie.

use std::f64::consts::PI;

use panofleet_projection::{Equirectangular, Pixel, StraightRow, View};

/// Most pixels of a row that are worked on at once; their positions and weights stay in the
/// first-level cache.
pub(super) const CHUNK_PX: usize = 256;

/// Pixels between exact positions of a straight row.
const NODE_STEP: usize = 8;

/// Pixels that share a parabola through three exact positions.
const BLOCK_PX: usize = 2 * NODE_STEP;

/// Largest error of an interpolated position, in pixels of the panorama's equator. With rounding
/// and `f32` weights this keeps positions within 0.005 pixels.
const INTERPOLATION_ERROR_PX_MAX: f64 = 0.004;

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
            let pixel = Pixel::new((first_column + column) as f64 + 0.5, row as f64 + 0.5);
            geometry.full_pixel(view.ray(pixel))
        };
        match view.straight_row(row as f64 + 0.5) {
            Some(line) => self.locate_straight(&line, first_column, geometry, exact),
            None => self.fill(0..len, exact),
        }
        let (corner, full_width_px) = (geometry.corner(), geometry.full_width_px());
        for x_px in &mut self.x_px[..len] {
            // A parabola near the seam may have left the interval by less than a turn.
            let above = if *x_px >= full_width_px { *x_px - full_width_px } else { *x_px };
            *x_px = if above < 0.0 { above + full_width_px } else { above } - corner.x_px;
        }
        self.y_px[..len].iter_mut().for_each(|y_px| *y_px -= corner.y_px);
    }

    fn fill(&mut self, columns: std::ops::Range<usize>, position: impl Fn(usize) -> Pixel) {
        for column in columns {
            let pixel = position(column);
            self.x_px[column] = pixel.x_px;
            self.y_px[column] = pixel.y_px;
        }
    }

    fn locate_straight(
        &mut self,
        line: &StraightRow,
        first_column: usize,
        geometry: &Equirectangular,
        exact: impl Fn(usize) -> Pixel,
    ) {
        let bound = ParabolaBound::new(line, geometry);
        let mut shared_node = None;
        for left in (0..self.len).step_by(BLOCK_PX) {
            let columns = left..self.len.min(left + BLOCK_PX);
            let middle = left + NODE_STEP;
            if !bound.holds(line.point((first_column + middle) as f64 + 0.5)) {
                shared_node = None;
                self.fill(columns, &exact);
                continue;
            }
            let end = exact(left + BLOCK_PX);
            let nodes = [shared_node.unwrap_or_else(|| exact(left)), exact(middle), end];
            shared_node = Some(end);
            self.interpolate(columns, nodes, geometry.full_width_px());
        }
    }

    /// Puts parabolas through three nodes; longitude goes the short way around.
    fn interpolate(
        &mut self,
        columns: std::ops::Range<usize>,
        [start, middle, end]: [Pixel; 3],
        turn_px: f64,
    ) {
        let to_start = |x_px: f64| {
            let difference_px = x_px - start.x_px;
            if difference_px > turn_px / 2.0 {
                difference_px - turn_px
            } else if difference_px < -turn_px / 2.0 {
                difference_px + turn_px
            } else {
                difference_px
            }
        };
        let x = parabola(to_start(middle.x_px), to_start(end.x_px));
        let y = parabola(middle.y_px - start.y_px, end.y_px - start.y_px);
        for (i, x_px) in self.x_px[columns.clone()].iter_mut().enumerate() {
            let distance = i as u32;
            *x_px = start.x_px + f64::from(distance) * (x[0] + f64::from(distance) * x[1]);
        }
        for (i, y_px) in self.y_px[columns].iter_mut().enumerate() {
            let distance = i as u32;
            *y_px = start.y_px + f64::from(distance) * (y[0] + f64::from(distance) * y[1]);
        }
    }

    /// The pixels whose position is outside of the picture.
    pub(super) fn outside(&self, geometry: &Equirectangular) -> Vec<usize> {
        let (width_px, height_px) = sides(geometry);
        let inside =
            |(x, y): (f64, f64)| (0.0..=width_px).contains(&x) && (0.0..=height_px).contains(&y);
        self.iter().enumerate().filter(|(_, at)| !inside(*at)).map(|(index, _)| index).collect()
    }

    /// Moves every position into the picture, so that its taps lie within the border.
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

/// Coefficients of `i` and `i²` of the parabola through 0 at 0, `middle` at `NODE_STEP` and `end`
/// at `BLOCK_PX`.
fn parabola(middle: f64, end: f64) -> [f64; 2] {
    let step = NODE_STEP as f64;
    let square = (end - 2.0 * middle) / (2.0 * step * step);
    [middle / step - square * step, square]
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
