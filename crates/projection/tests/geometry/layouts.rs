//! Which way each face of a layout is turned.

use panofleet_projection::{CubeLayout, Cubemap, Eac, Pixel, Projection, Ray};

use crate::every_projection::size;

type Axis = [f64; 3];

const RIGHT: Axis = [1.0, 0.0, 0.0];
const LEFT: Axis = [-1.0, 0.0, 0.0];
const UP: Axis = [0.0, 1.0, 0.0];
const DOWN: Axis = [0.0, -1.0, 0.0];
const FRONT: Axis = [0.0, 0.0, 1.0];
const BACK: Axis = [0.0, 0.0, -1.0];

/// For each cell in reading order: column, row, and where its centre, its right and its up point.
type Table = [(f64, f64, Axis, Axis, Axis); 6];

fn check(projection: Projection, cell_px: f64, table: Table) {
    for (column, row, centre, right, up) in table {
        let centre_px = Pixel::new((column + 0.5) * cell_px, (row + 0.5) * cell_px);
        let pixel = |x: f64, y: f64| Pixel::new(centre_px.x_px + x, centre_px.y_px + y);
        // Just inside of the cell's right and upper border, 45° from its centre.
        let inside_px = cell_px / 2.0 - 1e-9;
        for (pixel, towards) in [
            (pixel(0.0, 0.0), [0.0; 3]),
            (pixel(inside_px, 0.0), right),
            (pixel(0.0, -inside_px), up),
        ] {
            let expected = Ray::through(std::array::from_fn(|i| centre[i] + towards[i])).unwrap();
            let found = projection.ray(pixel).unwrap();
            assert!(found.angle_rad(expected) < 1e-9, "{column} {row} {found:?} {expected:?}");
        }
    }
}

#[test]
fn ffmpeg_and_facebook() {
    let table = [
        (0.0, 0.0, RIGHT, BACK, UP),
        (1.0, 0.0, LEFT, FRONT, UP),
        (2.0, 0.0, UP, RIGHT, BACK),
        (0.0, 1.0, DOWN, RIGHT, FRONT),
        (1.0, 1.0, FRONT, RIGHT, UP),
        (2.0, 1.0, BACK, LEFT, UP),
    ];
    check(Cubemap::new(size(300, 200), CubeLayout::ffmpeg(), 0.0).unwrap().into(), 100.0, table);
    let row = table.map(|(x, y, centre, right, up)| (x + 3.0 * y, 0.0, centre, right, up));
    check(Cubemap::new(size(600, 100), CubeLayout::ffmpeg_row(), 0.0).unwrap().into(), 100.0, row);
    let column = row.map(|(x, y, centre, right, up)| (y, x, centre, right, up));
    let layout = CubeLayout::ffmpeg_column();
    check(Cubemap::new(size(100, 600), layout, 0.0).unwrap().into(), 100.0, column);
}

/// "The up face is oriented so the top of the face is forwards and the down face is oriented so
/// the top of the face is to the back" (Spherical Video V2).
#[test]
fn google() {
    let table = [
        (0.0, 0.0, RIGHT, BACK, UP),
        (1.0, 0.0, LEFT, FRONT, UP),
        (2.0, 0.0, UP, LEFT, FRONT),
        (0.0, 1.0, DOWN, LEFT, BACK),
        (1.0, 1.0, FRONT, RIGHT, UP),
        (2.0, 1.0, BACK, LEFT, UP),
    ];
    check(Cubemap::new(size(300, 200), CubeLayout::google(), 0.0).unwrap().into(), 100.0, table);
}

#[test]
fn youtube() {
    let table = [
        (0.0, 0.0, LEFT, FRONT, UP),
        (1.0, 0.0, FRONT, RIGHT, UP),
        (2.0, 0.0, RIGHT, BACK, UP),
        (0.0, 1.0, DOWN, BACK, RIGHT),
        (1.0, 1.0, BACK, UP, RIGHT),
        (2.0, 1.0, UP, FRONT, RIGHT),
    ];
    check(Eac::youtube(size(300, 200)).unwrap().into(), 100.0, table);
    check(Cubemap::new(size(300, 200), CubeLayout::youtube(), 0.0).unwrap().into(), 100.0, table);
}

#[test]
fn crosses() {
    let table = [
        (1.0, 0.0, UP, RIGHT, BACK),
        (0.0, 1.0, LEFT, FRONT, UP),
        (1.0, 1.0, FRONT, RIGHT, UP),
        (2.0, 1.0, RIGHT, BACK, UP),
        (3.0, 1.0, BACK, LEFT, UP),
        (1.0, 2.0, DOWN, RIGHT, FRONT),
    ];
    let layout = CubeLayout::horizontal_cross();
    check(Cubemap::new(size(400, 300), layout, 0.0).unwrap().into(), 100.0, table);
    let mut table = table;
    table[4] = (1.0, 3.0, BACK, RIGHT, DOWN);
    let layout = CubeLayout::vertical_cross();
    let cross = Cubemap::new(size(300, 400), layout, 0.0).unwrap();
    check(cross.into(), 100.0, table);
    assert_eq!(cross.ray(Pixel::new(50.0, 50.0)), None);
    assert!(cross.cell_at(Pixel::new(250.0, 250.0)).is_none());
}

/// Where cells of these pictures touch, the sphere goes on.
#[test]
fn neighbours_in_the_picture_are_neighbours_on_the_cube() {
    let cross = |size, layout| Projection::from(Cubemap::new(size, layout, 0.0).unwrap());
    let horizontal = cross(size(400, 300), CubeLayout::horizontal_cross());
    let vertical = cross(size(300, 400), CubeLayout::vertical_cross());
    let youtube = Projection::from(Eac::youtube(size(300, 200)).unwrap());
    // The middle of each border between two cells.
    for (projection, borders) in [
        (
            horizontal,
            &[(100.0, 150.0), (200.0, 150.0), (300.0, 150.0), (150.0, 100.0), (150.0, 200.0)][..],
        ),
        (
            vertical,
            &[(100.0, 150.0), (200.0, 150.0), (150.0, 100.0), (150.0, 200.0), (150.0, 300.0)][..],
        ),
        (youtube, &[(100.0, 50.0), (200.0, 50.0), (100.0, 150.0), (200.0, 150.0)][..]),
    ] {
        for (x_px, y_px) in borders {
            let is_upright = x_px % 100.0 == 0.0;
            for along_px in [-49.0, -20.0, 0.0, 33.0] {
                let beside = |step_px: f64| {
                    let (dx, dy) =
                        if is_upright { (step_px, along_px) } else { (along_px, step_px) };
                    projection.ray(Pixel::new(x_px + dx, y_px + dy)).unwrap()
                };
                assert!(
                    beside(-1e-7).angle_rad(beside(1e-7)) < 1e-8,
                    "{projection:?} {x_px} {y_px}"
                );
            }
        }
    }
}

#[test]
fn an_expanded_face_shows_a_little_more() {
    // 1.01 of the plane: the border of a cell is at tan = 1.01 from the face's centre.
    let cubemap = Cubemap::expanded(size(300, 200), 1.01).unwrap();
    let ray = cubemap.ray(Pixel::new(200.0 - 1e-9, 150.0)).unwrap();
    assert!((ray.x() / ray.z() - 1.01).abs() < 1e-9);
    assert!(Cubemap::expanded(size(300, 200), 0.99).is_err());
    assert!(Cubemap::expanded(size(300, 200), 2.0).is_err());
    assert!(Cubemap::expanded(size(300, 200), f64::NAN).is_err());
}
