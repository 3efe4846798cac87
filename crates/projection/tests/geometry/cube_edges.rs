//! The twelve edges and eight corners of a cube, in every picture of six faces.

use panofleet_projection::{Pixel, Projection, Ray};

use crate::every_projection::{Own, all};

/// Two faces and the points that they share, from one corner to the other.
fn edges() -> Vec<Vec<[f64; 3]>> {
    let mut edges = Vec::new();
    for axis in 0..3 {
        for (a, b) in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
            let point = |step: i32| {
                let mut point = [f64::from(step) / 16.0; 3];
                point[(axis + 1) % 3] = a;
                point[(axis + 2) % 3] = b;
                point
            };
            edges.push((-16..=16).map(point).collect());
        }
    }
    edges
}

fn cubes() -> Vec<Projection> {
    let is_cube =
        |projection: &Projection| ["cubemap", "eac", "gopro_max"].contains(&projection.name());
    all().into_iter().map(|example| example.projection).filter(is_cube).collect()
}

/// On either side of an edge, and on it, a ray's pixel shows that ray.
#[test]
fn no_ray_is_lost_or_moved_at_an_edge() {
    let edges = edges();
    assert_eq!(edges.len(), 12);
    for projection in cubes() {
        for point in edges.iter().flatten() {
            for nudge in [[0.0; 3], [1e-7, 0.0, 0.0], [0.0, -1e-7, 0.0], [-1e-7, 1e-7, 1e-7]] {
                let ray = Ray::through(std::array::from_fn(|i| point[i] + nudge[i])).unwrap();
                let pixel = projection.pixel(ray).expect("a pixel for every ray");
                let back = projection.ray(pixel).expect("a ray");
                assert!(back.angle_rad(ray) < 1e-11, "{projection:?} {ray:?} {pixel:?}");
            }
        }
    }
}

/// A pixel in the padding shows the same ray as a pixel of the neighbouring face, and one that
/// lies in that face proper.
#[test]
fn padding_repeats_the_neighbour() {
    let mut checked = 0;
    for example in all() {
        let Own::Cells { padding_px, .. } = example.own else { continue };
        let size = example.projection.size();
        for (column, row) in
            (0..size.width_px()).flat_map(|x| (0..size.height_px()).map(move |y| (x, y)))
        {
            let pixel = Pixel::centre(column, row);
            if example.own.holds(pixel) {
                continue;
            }
            let ray = example.projection.ray(pixel).expect("padding has rays");
            let neighbour = example.projection.pixel(ray).unwrap();
            let apart_px = (neighbour.x_px - pixel.x_px).hypot(neighbour.y_px - pixel.y_px);
            assert!(apart_px > padding_px, "{pixel:?} {neighbour:?}");
            assert!(example.projection.ray(neighbour).unwrap().angle_rad(ray) < 1e-12);
            assert_eq!(example.projection.weight_sr(pixel), 0.0);
            checked += 1;
        }
    }
    assert!(checked > 10_000);
}
