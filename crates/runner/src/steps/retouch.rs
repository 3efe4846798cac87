//! A panorama with some places retouched; everywhere else its pixels are what they were.
//!
//! What is put over a region is a small flat picture of it: means of cells, or a film over its rim. That picture is
//! sampled where the panorama's own pixels look, so regions lie right in any projection, over seams and poles. Only
//! blocks of pixels near a region are looked at one by one.
//!
//! Memory besides the source: an eye, twice, and its interleaved copy.

use std::borrow::Cow;
use std::f64::consts::PI;
use std::ops::Range;

use panofleet_job_schema::operation::{Effect, EyePlan, Join, Region, RetouchPlan};
use panofleet_media::pixels;
use panofleet_projection::{Orientation, Pixel, Ray, Rectilinear, Rotation, View};
use panofleet_raster::{Picture, Plane, Size};
use rayon::prelude::*;

use super::pictures::{Made, Origin, Pictures, eye_part, eye_px};
use super::render::sphere;
use super::{Summary, geometry};
use crate::error::StepError;
use crate::output::Output;

mod film;

/// Side of the flat picture of a film.
const FILM_PX: u32 = 128;

/// How much more than its region a flat picture shows, so that kernels at its border find the right thing.
const MARGIN: f64 = 1.25;

/// Writes the panorama of every eye.
///
/// # Errors
/// A size that the format cannot hold; what the file system or the pipe says.
pub(crate) fn run(
    plan: &RetouchPlan,
    source: Cow<'_, Picture<u8>>,
    origin: Origin<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let mut summary = Summary { warnings: plan.source.assumptions.clone(), ..Summary::default() };
    let mut pictures = Pictures::new(&plan.output, &plan.source.eyes, origin, output);
    let mut write = |eye: &EyePlan, source: Cow<'_, Picture<u8>>| {
        let picture = pixels::flatten(eye_part(source, eye)?, plan.output.background.0)?;
        let projection = geometry::projection(&plan.source.projection, picture.size())?;
        let view = View::new(projection, Orientation::IDENTITY);
        let picture = retouched(plan, picture, &view)?;
        output.advance(eye_px(eye), "retouch")?;
        let gpano = sphere::metadata(&view, Orientation::IDENTITY, None, origin.gpano);
        pictures.take(eye.eye, 0, Made { name: "panorama".to_owned(), picture, gpano })
    };
    let (last, others) = plan.source.eyes.split_last().ok_or(StepError::EmptySize)?;
    others.iter().try_for_each(|eye| write(eye, Cow::Borrowed(source.as_ref())))?;
    write(last, source)?;
    pictures.add_to(&mut summary);
    Ok(summary)
}

/// Pixels that it goes over: each eye, when it is retouched and when it is written.
pub(crate) fn work_px(plan: &RetouchPlan) -> u64 {
    2 * plan.source.eyes.iter().map(eye_px).sum::<u64>()
}

/// Pixels held besides the source.
pub(crate) fn memory_px(plan: &RetouchPlan) -> u64 {
    let eye = plan.source.eyes.iter().map(eye_px).max().unwrap_or(0);
    if plan.output.join == Join::Separate { 3 * eye } else { 7 * eye }
}

fn retouched(
    plan: &RetouchPlan,
    picture: Picture<u8>,
    view: &View,
) -> Result<Picture<u8>, StepError> {
    let panorama = pixels::panorama(picture.clone(), *view)?;
    let mut planes = picture.into_planes();
    for region in &plan.regions {
        let place = Place::new(region, plan.feather_deg)?;
        let means = |cells, smooth| -> Result<Over, StepError> {
            let flat = place.flat(region, cells)?;
            let picture = pixels::view(&panorama, &flat, plan.output.background.0)?;
            Ok(Over::Picture { picture, flat, smooth })
        };
        let over = match plan.effect {
            Effect::Color { color } => Over::Color(color.0.map(f64::from)),
            Effect::Blur { cells } => means(cells, true)?,
            Effect::Pixelate { cells } => means(cells, false)?,
            Effect::Film => {
                let flat = place.flat(region, FILM_PX)?;
                let picture = film::over(&panorama, &flat, region)?;
                Over::Picture { picture, flat, smooth: true }
            }
        };
        lay(&mut planes, view, &place, &over);
    }
    Ok(Picture::from_planes(planes)?)
}

/// What is laid over a region.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is never copied")]
enum Over {
    Color([f64; 3]),
    /// A flat picture of the region; its samples flow into each other, or have hard edges.
    Picture {
        picture: Picture<u8>,
        flat: View,
        smooth: bool,
    },
}

impl Over {
    fn colour(&self, ray: Ray) -> Option<[f64; 3]> {
        let (picture, flat, smooth) = match self {
            Self::Color(color) => return Some(*color),
            Self::Picture { picture, flat, smooth } => (picture, flat, *smooth),
        };
        let at = flat.pixel(ray)?;
        let size = picture.size();
        // The samples before and after a position, and how far it is from the first.
        let taps = |at_px: f64, side_px: u32| {
            let from = if smooth { at_px - 0.5 } else { at_px.floor() };
            let inside = |sample: f64| sample.clamp(0.0, f64::from(side_px - 1)) as usize;
            (inside(from.floor()), inside(from.floor() + 1.0), from - from.floor())
        };
        let (left, right, x) = taps(at.x_px, size.width_px());
        let (top, bottom, y) = taps(at.y_px, size.height_px());
        Some(std::array::from_fn(|channel| {
            let plane = &picture.planes()[channel];
            let row = |row: usize| {
                let row = plane.row(row);
                f64::from(row[left]) * (1.0 - x) + f64::from(row[right]) * x
            };
            row(top) * (1.0 - y) + row(bottom) * y
        }))
    }
}

/// Mixes what is laid over a region into the pixels that look there.
fn lay(planes: &mut [Plane<u8>], view: &View, place: &Place, over: &Over) {
    for some in blocks(view, place).chunks(BLOCKS) {
        let changes: Vec<(usize, [f64; 3], f64)> =
            some.par_iter().flat_map_iter(|block| block.changes(view, place, over)).collect();
        for (channel, plane) in planes.iter_mut().enumerate().take(3) {
            let samples = plane.samples_mut();
            for (index, colour, share) in &changes {
                let below = f64::from(samples[*index]);
                samples[*index] = (below + (colour[channel] - below) * share).round() as u8;
            }
        }
    }
}

/// Blocks whose changes are in memory at once.
const BLOCKS: usize = 1024;

/// Pixels that are looked at together, near a region.
struct Block {
    columns: Range<u32>,
    rows: Range<u32>,
}

/// Side of a block.
const BLOCK_PX: u32 = 16;

/// The blocks of a picture that may meet a region.
fn blocks(view: &View, place: &Place) -> Vec<Block> {
    let (width_px, height_px) = (view.size().width_px(), view.size().height_px());
    let starts = |side: u32| (0..side.div_ceil(BLOCK_PX)).map(|i| i * BLOCK_PX);
    let rows: Vec<u32> = starts(height_px).collect();
    let of_row = |top: &u32| -> Vec<Block> {
        let block = |left: u32| Block {
            columns: left..(left + BLOCK_PX).min(width_px),
            rows: *top..(*top + BLOCK_PX).min(height_px),
        };
        starts(width_px).map(block).filter(|block| block.is_near(view, place)).collect()
    };
    rows.par_iter().flat_map_iter(of_row).collect()
}

impl Block {
    /// Whether a region may reach into it: by the angle of its middle from the region's, and of its corners from its
    /// middle. A block that is not whole on the sphere may always; one that is nowhere never.
    fn is_near(&self, view: &View, place: &Place) -> bool {
        let [left, right] = [self.columns.start, self.columns.end].map(f64::from);
        let [top, bottom] = [self.rows.start, self.rows.end].map(f64::from);
        let middle = view.ray(Pixel::new(f64::midpoint(left, right), f64::midpoint(top, bottom)));
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
            .map(|(x, y)| view.ray(Pixel::new(x, y)));
        let Some(middle) = middle else { return corners.iter().any(Option::is_some) };
        let Some(reach_rad) = corners.iter().try_fold(0.0_f64, |reach, corner| {
            corner.map(|corner| reach.max(middle.angle_rad(corner)))
        }) else {
            return true;
        };
        // Curved sides bulge beyond the circle through the corners, by less than this.
        place.away_rad(middle) < place.radius_rad() + 1.5 * reach_rad
    }

    /// Its pixels inside of the region, by their index in the picture: what is laid over them, and how much of it.
    fn changes(&self, view: &View, place: &Place, over: &Over) -> Vec<(usize, [f64; 3], f64)> {
        let width = view.size().width_px() as usize;
        let at = self.rows.clone().flat_map(|y| self.columns.clone().map(move |x| (x, y)));
        let change = |(x, y): (u32, u32)| {
            let ray = view.ray(Pixel::centre(x, y))?;
            let share = place.share(ray);
            let colour = over.colour(ray).filter(|_| share > 0.0)?;
            Some((y as usize * width + x as usize, colour, share))
        };
        at.filter_map(change).collect()
    }
}

/// Where a region is.
struct Place {
    middle: Orientation,
    rotation: Rotation,
    half_width_rad: f64,
    half_height_rad: f64,
    feather_rad: f64,
}

impl Place {
    fn new(region: &Region, feather_deg: f64) -> Result<Self, StepError> {
        let middle = geometry::orientation(region.middle())?;
        Ok(Self {
            middle,
            rotation: middle.rotation(),
            half_width_rad: region.width_deg.to_radians() / 2.0,
            half_height_rad: region.height_deg.to_radians() / 2.0,
            feather_rad: feather_deg.to_radians(),
        })
    }

    /// The angle of a ray from the middle.
    fn away_rad(&self, ray: Ray) -> f64 {
        let [right, up, forward] = self.rotation.apply_inverse(ray).components();
        right.hypot(up).atan2(forward)
    }

    const fn radius_rad(&self) -> f64 {
        self.half_width_rad.max(self.half_height_rad)
    }

    /// How much of the region's effect a ray has: 0 outside, 1 inside, between both over the feather.
    ///
    /// A region's border is an ellipse of angles: a ray at the angle `a` from the middle, in the direction `φ` from the
    /// right, is on it if `a` is the radius of the ellipse there.
    fn share(&self, ray: Ray) -> f64 {
        let [right, up, forward] = self.rotation.apply_inverse(ray).components();
        let across = right.hypot(up);
        let away_rad = across.atan2(forward);
        if away_rad >= self.radius_rad() {
            return 0.0;
        }
        let (cos, sin) = if across > 0.0 { (right / across, up / across) } else { (1.0, 0.0) };
        let border_rad = 1.0 / (cos / self.half_width_rad).hypot(sin / self.half_height_rad);
        if away_rad >= border_rad {
            0.0
        } else if self.feather_rad > 0.0 {
            ((border_rad - away_rad) / self.feather_rad).min(1.0)
        } else {
            1.0
        }
    }

    /// A flat view of the region with `cells` along its longer side, and a margin of whole cells.
    fn flat(&self, region: &Region, cells: u32) -> Result<View, StepError> {
        let half = |degrees: f64| (degrees.to_radians() / 2.0).tan();
        let (width, height) = (half(region.width_deg), half(region.height_deg));
        let cell = 2.0 * width.max(height) / f64::from(cells);
        let side = |half: f64| (2.0 * half * MARGIN / cell).ceil().max(1.0) as u32 + 2;
        let size = Size::new(side(width), side(height)).ok_or(StepError::EmptySize)?;
        let fov_rad = 2.0 * (f64::from(size.width_px()) * cell / 2.0).atan();
        Ok(View::new(Rectilinear::new(size, fov_rad.min(PI - 1e-3))?, self.middle))
    }
}
