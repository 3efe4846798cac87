//! Where the pixels of each projection look, in closed form: written from the definitions, sharing nothing with the
//! program. Directions are (right, up, forward); positions are continuous, the centre of the first pixel at 0.5.

use std::f64::consts::{FRAC_PI_4, PI, TAU};

pub(crate) type Direction = [f64; 3];

/// Right, up and forward of a camera in the world: it rolls clockwise, then looks up, then turns right.
pub(crate) fn camera(yaw_deg: f64, pitch_deg: f64, roll_deg: f64) -> [Direction; 3] {
    let (yaw, pitch, roll) = (yaw_deg.to_radians(), pitch_deg.to_radians(), roll_deg.to_radians());
    let forward = [pitch.cos() * yaw.sin(), pitch.sin(), pitch.cos() * yaw.cos()];
    let level = [yaw.cos(), 0.0, -yaw.sin()];
    let upright = [-pitch.sin() * yaw.sin(), pitch.cos(), -pitch.sin() * yaw.cos()];
    let up = std::array::from_fn(|i| roll.cos() * upright[i] + roll.sin() * level[i]);
    let right = std::array::from_fn(|i| roll.cos() * level[i] - roll.sin() * upright[i]);
    [right, up, forward]
}

/// A direction as the camera has it, in the world.
pub(crate) fn in_world(axes: &[Direction; 3], [right, up, forward]: Direction) -> Direction {
    std::array::from_fn(|i| right * axes[0][i] + up * axes[1][i] + forward * axes[2][i])
}

/// The sphere by longitude and latitude.
pub(crate) fn equirectangular(
    (width, height): (f64, f64),
) -> impl Fn(f64, f64) -> Option<Direction> {
    move |x, y| {
        let (yaw, pitch) = ((x / width - 0.5) * TAU, (0.5 - y / height) * PI);
        Some([pitch.cos() * yaw.sin(), pitch.sin(), pitch.cos() * yaw.cos()])
    }
}

/// Its front half.
pub(crate) fn half_equirectangular(
    (width, height): (f64, f64),
) -> impl Fn(f64, f64) -> Option<Direction> {
    let whole = equirectangular((2.0 * width, height));
    move |x, y| whole(x + width / 2.0, y)
}

/// A flat picture.
pub(crate) fn rectilinear(
    (width, height): (f64, f64),
    hfov_deg: f64,
) -> impl Fn(f64, f64) -> Option<Direction> {
    let pixel = 2.0 * (hfov_deg / 2.0).to_radians().tan() / width;
    move |x, y| Some([(x - width / 2.0) * pixel, (height / 2.0 - y) * pixel, 1.0])
}

/// A sphere seen from its far side.
pub(crate) fn stereographic(
    (width, height): (f64, f64),
    hfov_deg: f64,
) -> impl Fn(f64, f64) -> Option<Direction> {
    let pixel = 2.0 * (hfov_deg / 4.0).to_radians().tan() / width;
    move |x, y| {
        let (right, up) = ((x - width / 2.0) * pixel, (height / 2.0 - y) * pixel);
        let away = 2.0 * right.hypot(up).atan();
        let around = up.atan2(right);
        Some([away.sin() * around.cos(), away.sin() * around.sin(), away.cos()])
    }
}

/// A cylinder; `height_of` is the tangent of the pitch at a height in radii.
pub(crate) fn cylinder(
    (width, height): (f64, f64),
    hfov_deg: f64,
    tangent: impl Fn(f64) -> f64,
) -> impl Fn(f64, f64) -> Option<Direction> {
    let radius = width / hfov_deg.to_radians();
    move |x, y| {
        let yaw = (x - width / 2.0) / radius;
        Some([yaw.sin(), tangent((height / 2.0 - y) / radius), yaw.cos()])
    }
}

/// A lens whose circle touches the borders of a square of `side` with this corner; `angle` is the angle from the axis,
/// in radians, at a share of the circle's radius.
pub(crate) fn lens(
    (left, top): (f64, f64),
    side: f64,
    fov_deg: f64,
    angle: impl Fn(f64, f64) -> f64,
) -> impl Fn(f64, f64) -> Option<Direction> {
    let radius = side / 2.0;
    move |x, y| {
        let (right, up) = ((x - left - radius) / radius, (top + radius - y) / radius);
        let share = right.hypot(up);
        let away = angle(share, (fov_deg / 2.0).to_radians());
        let around = up.atan2(right);
        (share <= 1.0).then(|| [away.sin() * around.cos(), away.sin() * around.sin(), away.cos()])
    }
}

/// Angles of the four kinds of lens at a share of the radius that its field of view has.
pub(crate) fn lens_angle(kind: &str, share: f64, half_fov: f64) -> f64 {
    match kind {
        "equidistant" => share * half_fov,
        "equisolid" => 2.0 * (share * (half_fov / 2.0).sin()).asin(),
        "orthographic" => (share * half_fov.sin()).asin(),
        "stereographic" => 2.0 * (share * (half_fov / 2.0).tan()).atan(),
        _ => panic!("{kind}"),
    }
}

/// Cells of a picture of six faces: `.` is empty. Each face is as its viewer sees it; of EAC, columns and rows are
/// angles.
pub(crate) fn cube(
    rows: &'static [&'static str],
    side: f64,
    padding: f64,
    equi_angular: bool,
) -> impl Fn(f64, f64) -> Option<Direction> {
    move |x, y| {
        let (column, row) = ((x / side) as usize, (y / side) as usize);
        let face = rows.get(row)?.chars().nth(column).filter(|face| *face != '.')?;
        let inner = side - 2.0 * padding;
        let place = |at: f64| 2.0 * (at - padding) / inner - 1.0;
        let (right, up) = (place(x - column as f64 * side), -place(y - row as f64 * side));
        let (right, up) = turned(face, right, up);
        let [right, up] =
            [right, up].map(|at| if equi_angular { (at * FRAC_PI_4).tan() } else { at });
        Some(crate::scene::face_direction(face.to_ascii_lowercase(), right, up))
    }
}

/// YouTube's lower row is turned; its faces are written in capitals here. To the right and up in the picture are, of the
/// viewer: back and right in `D`, up and right in `B`, forward and right in `U` (measured of FFmpeg's `v360`).
fn turned(face: char, right: f64, up: f64) -> (f64, f64) {
    match face {
        // The face's own up is forward.
        'D' => (up, -right),
        // Its own right is the viewer's left.
        'B' => (-up, right),
        // Its own up is back.
        'U' => (up, -right),
        _ => (right, up),
    }
}
