//! Directions spread evenly over the sphere.

use std::f64::consts::{FRAC_PI_4, PI, TAU};

use crate::{Orientation, Ray};

/// `count` directions, spread evenly over the sphere: what a mean over the sphere is taken at when
/// two pictures have no pixels in common (S-PSNR).
///
/// They lie on a Fibonacci spiral from the nadir to the zenith: each stands for the same solid
/// angle, and neighbours are never closer than `3 / √count` rad. The set that 360tools ships for
/// S-PSNR has 655,362 points (the vertices of an icosahedron, each edge cut into 256); this one is
/// as even and has any count. Source: R. Swinbank, R. J. Purser, "Fibonacci grids: A novel approach
/// to global modelling" (2006).
pub fn sphere_points(count: u32) -> impl ExactSizeIterator<Item = Ray> {
    // Turns between neighbours: the fraction that is farthest from every simple one.
    let golden_rad = PI * (3.0 - 5.0_f64.sqrt());
    (0..count).map(move |i| {
        let height = (2.0 * f64::from(i) + 1.0) / f64::from(count) - 1.0;
        let across = ((1.0 - height) * (1.0 + height)).sqrt();
        let (sin, cos) = (golden_rad * f64::from(i) % TAU).sin_cos();
        Ray::from_unit([across * sin, height, across * cos])
    })
}

/// 18 directions to look in: views of 90° × 90° there see the whole sphere, and the horizon, where
/// people look most, at least twice.
///
/// Eight along the horizon at every 45°, four at 45° up and four at 45° down, one up and one down.
pub fn quality_views() -> [Orientation; 18] {
    std::array::from_fn(|i| {
        // At most 17.
        let (i, eighth_rad) = (i as u32, FRAC_PI_4);
        let (yaw_eighths, pitch_eighths) = match i {
            0..8 => (i, 0.0),
            8..12 => (2 * (i - 8), 1.0),
            12..16 => (2 * (i - 12), -1.0),
            16 => (0, 2.0),
            _ => (0, -2.0),
        };
        Orientation::of_finite(f64::from(yaw_eighths) * eighth_rad, pitch_eighths * eighth_rad, 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rectilinear, Size, View};

    /// The mean of a polynomial over the sphere is known; that over the points agrees.
    #[test]
    fn means_over_the_sphere() {
        let count = 20_000;
        let mean = |f: fn([f64; 3]) -> f64| {
            sphere_points(count).map(|ray| f(ray.components())).sum::<f64>() / f64::from(count)
        };
        for (found, expected) in [
            (mean(|[x, _, _]| x), 0.0),
            (mean(|[_, y, _]| y), 0.0),
            (mean(|[x, _, _]| x * x), 1.0 / 3.0),
            (mean(|[_, y, _]| y * y), 1.0 / 3.0),
            (mean(|[_, _, z]| z * z), 1.0 / 3.0),
            (mean(|[x, y, _]| x * y), 0.0),
            (mean(|[x, _, z]| x * x * z * z), 1.0 / 15.0),
            (mean(|[x, _, _]| x.powi(4)), 1.0 / 5.0),
        ] {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn no_two_points_are_close() {
        for count in [1, 2, 10, 500, 2_000] {
            let rays: Vec<Ray> = sphere_points(count).collect();
            assert_eq!(rays.len(), count as usize);
            let closest_rad = rays
                .iter()
                .enumerate()
                .flat_map(|(i, a)| rays.iter().skip(i + 1).map(|b| a.angle_rad(*b)))
                .fold(f64::INFINITY, f64::min);
            assert!(closest_rad > 3.0 / f64::from(count).sqrt(), "{count}: {closest_rad}");
            // And none is far from every other: no point of the sphere is.
            let farthest_rad = sphere_points(777)
                .map(|at| rays.iter().map(|ray| ray.angle_rad(at)).fold(f64::INFINITY, f64::min))
                .fold(0.0, f64::max);
            assert!(farthest_rad < 4.0 / f64::from(count).sqrt(), "{count}: {farthest_rad}");
        }
    }

    #[test]
    fn views_see_everything_and_the_horizon_twice() {
        let flat = Rectilinear::new(Size::new(90, 90).unwrap(), FRAC_PI_4 * 2.0).unwrap();
        let views = quality_views().map(|orientation| View::new(flat, orientation));
        for ray in sphere_points(10_000) {
            let seen = views.iter().filter(|view| view.pixel(ray).is_some()).count();
            let least = if ray.pitch_rad().abs() < 0.5 { 2 } else { 1 };
            assert!(seen >= least, "{ray:?}: {seen}");
        }
    }
}
