//! A soap film over the rim of a region: the smoothest colours between those of its border.

use std::f64::consts::TAU;

use panofleet_job_schema::operation::Region;
use panofleet_projection::{Pixel, Ray, View};
use panofleet_raster::{Channels, Panorama, Picture};

use crate::error::StepError;

/// Points of the rim.
const POINTS: u32 = 360;

/// Pixels outside of the rim whose mean is the colour there: the rim itself may be of what is to be hidden.
const OUTSIDE: [f64; 4] = [1.0, 1.02, 1.04, 1.06];

/// A flat picture of a region in which every colour is a mean of those around its rim, each weighted by how near it is:
/// the solution of Laplace's equation on a disc, by Poisson's integral. Ellipses are stretched to a disc first; what is
/// outside continues the rim.
///
/// # Errors
/// None that a plan can meet.
pub(super) fn over(
    panorama: &Panorama<u8>,
    flat: &View,
    region: &Region,
) -> Result<Picture<u8>, StepError> {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).tan();
    let (width, height) = (half(region.width_deg), half(region.height_deg));
    let rim: Vec<[f64; 3]> = (0..POINTS)
        .map(|i| {
            let (sin, cos) = (TAU * f64::from(i) / f64::from(POINTS)).sin_cos();
            let at =
                OUTSIDE.map(|out| colour(panorama, flat, [cos * width * out, sin * height * out]));
            let seen: Vec<[f64; 3]> = at.into_iter().flatten().collect();
            std::array::from_fn(|channel| {
                seen.iter().map(|colour| colour[channel]).sum::<f64>() / seen.len().max(1) as f64
            })
        })
        .collect();
    let size = flat.size();
    let mut samples = Vec::with_capacity(3 * size.area_px() as usize);
    for (y, x) in (0..size.height_px()).flat_map(|y| (0..size.width_px()).map(move |x| (y, x))) {
        let (right, up) = on_plane(flat, Pixel::centre(x, y));
        let (right, up) = (right / width, up / height);
        let colour = film(&rim, right.hypot(up).min(RADIUS_MAX), up.atan2(right));
        samples.extend(colour.map(|value| value.round() as u8));
    }
    Ok(Picture::from_interleaved(Channels::Rgb, size, &samples)?)
}

/// Poisson's integral is a sum of points; as near to one of them as this it still is a mean of several.
const RADIUS_MAX: f64 = 0.98;

/// The colour at a radius, 1 being the rim, and an angle.
fn film(rim: &[[f64; 3]], radius: f64, angle: f64) -> [f64; 3] {
    let mut sum = [0.0; 3];
    let mut total = 0.0;
    for (i, colour) in rim.iter().enumerate() {
        let apart = angle - TAU * i as f64 / rim.len() as f64;
        let weight = (1.0 - radius * radius) / (1.0 - 2.0 * radius * apart.cos() + radius * radius);
        total += weight;
        sum.iter_mut().zip(colour).for_each(|(sum, value)| *sum += weight * value);
    }
    sum.map(|sum| sum / total)
}

/// Right and up of a pixel on the plane at distance 1 in front of a flat view.
fn on_plane(flat: &View, at: Pixel) -> (f64, f64) {
    let ray = flat.ray(at).map(|ray| flat.rotation().apply_inverse(ray).components());
    ray.map_or((0.0, 0.0), |[x, y, z]| (x / z, y / z))
}

/// The colour of the panorama there, if it shows that.
fn colour(panorama: &Panorama<u8>, flat: &View, [right, up]: [f64; 2]) -> Option<[f64; 3]> {
    let ray = flat.rotation().apply(Ray::through([right, up, 1.0])?);
    let at = panorama.geometry().position(ray)?;
    let size = panorama.size();
    let column = (at.x_px as u32).min(size.width_px() - 1) as usize;
    let row = (at.y_px as u32).min(size.height_px() - 1) as usize;
    let planes = panorama.picture().planes();
    Some(std::array::from_fn(|channel| f64::from(planes[channel].row(row)[column])))
}
