//! Every projection that can be made and read, against the scene in closed form.

use serde_json::{Value, json};

use crate::looks::{self, Direction};
use crate::renders::{Source, check, check_where, made, sphere};

type Look = Box<dyn Fn(f64, f64) -> Option<Direction>>;

/// A picture of a projection: how it is asked for, and where its pixels look.
struct Shape {
    name: &'static str,
    numbers: Value,
    size: (u32, u32),
    look: Look,
}

impl Shape {
    fn new(
        name: &'static str,
        numbers: Value,
        size: (u32, u32),
        look: impl Fn(f64, f64) -> Option<Direction> + 'static,
    ) -> Self {
        Self { name, numbers, size, look: Box::new(look) }
    }
}

fn shapes() -> Vec<Shape> {
    let mut shapes = vec![
        Shape::new(
            "half-equirectangular",
            json!({}),
            (400, 400),
            looks::half_equirectangular((400.0, 400.0)),
        ),
        Shape::new(
            "cylindrical",
            json!({ "fov": 200 }),
            (600, 300),
            looks::cylinder((600.0, 300.0), 200.0, |height| height),
        ),
        Shape::new(
            "mercator",
            json!({}),
            (600, 600),
            looks::cylinder((600.0, 600.0), 360.0, f64::sinh),
        ),
        Shape::new(
            "rectilinear",
            json!({ "fov": 110 }),
            (500, 400),
            looks::rectilinear((500.0, 400.0), 110.0),
        ),
        Shape::new(
            "stereographic",
            json!({ "fov": 230 }),
            (400, 300),
            looks::stereographic((400.0, 300.0), 230.0),
        ),
    ];
    for (kind, fov) in [
        ("equidistant", 180.0),
        ("equisolid", 220.0),
        ("orthographic", 170.0),
        ("stereographic", 200.0),
    ] {
        let numbers = json!({ "fov": fov, "lens": kind });
        shapes.push(Shape::new("fisheye", numbers, (320, 320), lens(kind, fov, 0.0, 320.0)));
    }
    for (kind, order) in [("equidistant", "back_first"), ("equisolid", "front_first")] {
        let numbers = json!({ "fov": 200, "lens": kind, "lens_order": order });
        let look = two_lenses(kind, order == "back_first");
        shapes.push(Shape::new("dual-fisheye", numbers, (600, 300), look));
    }
    shapes
}

fn lens(
    kind: &'static str,
    fov_deg: f64,
    left: f64,
    side: f64,
) -> impl Fn(f64, f64) -> Option<Direction> {
    looks::lens((left, 0.0), side, fov_deg, move |share, half| looks::lens_angle(kind, share, half))
}

fn two_lenses(kind: &'static str, back_first: bool) -> impl Fn(f64, f64) -> Option<Direction> {
    let (first, second) = (lens(kind, 200.0, 0.0, 300.0), lens(kind, 200.0, 300.0, 300.0));
    let back = looks::camera(180.0, 0.0, 0.0);
    move |x, y| {
        let look = if x < 300.0 { first(x, y) } else { second(x, y) }?;
        let looks_back = (x < 300.0) == back_first;
        Some(if looks_back { looks::in_world(&back, look) } else { look })
    }
}

/// The fields of a projection under the names that they have in `pano.convert`, of its source or of what it makes.
fn fields(projection: &str, numbers: &Value, made: bool) -> Value {
    let names = if made {
        [
            ("projection", "to"),
            ("fov", "fov_deg"),
            ("lens", "to_lens"),
            ("lens_order", "to_lens_order"),
        ]
    } else {
        [
            ("projection", "projection"),
            ("fov", "haov_deg"),
            ("lens", "lens"),
            ("lens_order", "lens_order"),
        ]
    };
    let mut fields = serde_json::Map::new();
    for (name, field) in names {
        let value =
            if name == "projection" { Some(json!(projection)) } else { numbers.get(name).cloned() };
        fields.extend(value.map(|value| (field.to_owned(), value)));
    }
    fields.into()
}

#[test]
fn the_sphere_becomes_every_projection() {
    let source = sphere();
    let axes = looks::camera(-150.0, 25.0, 30.0);
    for Shape { name, numbers, size: (width, height), look } in shapes() {
        let mut output = fields(name, &numbers, true);
        output.as_object_mut().unwrap().extend(
            json!({ "width_px": width, "height_px": height, "yaw_deg": -150, "pitch_deg": 25, "roll_deg": 30 })
                .as_object()
                .unwrap()
                .clone(),
        );
        let found = made(&source.path(), "pano.convert", output, "panorama.png");
        check(&found, |x, y| look(x, y).map(|look| looks::in_world(&axes, look)));
    }
}

/// What a picture of each projection shows comes to its place, and the rest is background.
#[test]
fn every_projection_becomes_the_sphere() {
    for Shape { name, numbers, size, look } in shapes() {
        let source = Source::paint(size, |x, y| rim(size, (x, y), &look));
        let mut output = fields(name, &numbers, false);
        output.as_object_mut().unwrap().insert("width_px".into(), 600.into());
        let found = made(&source.path(), "pano.convert", output, "panorama.png");
        // Where the source shows a direction: by its own pixels, coarsely, so that nothing is inverted here.
        let shown = Shown::of(size, &look);
        let whole = looks::equirectangular((600.0, 300.0));
        check_where(
            &found,
            |x, y| whole(x, y).filter(|towards| shown.at(*towards)),
            |x, y| whole(x, y).is_some_and(|towards| shown.is_certain(towards)),
        );
    }
}

/// Six faces in one picture: at their borders what lies beside them on the cube counts, not in the picture. Also where
/// the result is much smaller.
#[test]
fn every_cube_map_becomes_the_sphere() {
    for (_, name, rows, equi_angular) in crate::renders::LAYOUTS {
        let (columns, lines) = (rows[0].len() as u32, rows.len() as u32);
        let cube = looks::cube(rows, 150.0, 0.0, equi_angular);
        let source = Source::paint((150 * columns, 150 * lines), cube);
        for width in [600, 150] {
            let output = json!({ "projection": name, "width_px": width });
            let found = made(&source.path(), "pano.convert", output, "panorama.png");
            check(&found, looks::equirectangular((f64::from(width), f64::from(width) / 2.0)));
        }
    }
}

/// Where a pixel looks; outside of a lens's circle, where the nearest pixel of its rim does, because a kernel reaches
/// over the rim.
fn rim(
    (width, height): (u32, u32),
    (x, y): (f64, f64),
    look: impl Fn(f64, f64) -> Option<Direction>,
) -> Option<Direction> {
    let (side, middle) = (f64::from(height), f64::from(height) / 2.0);
    let left = if width == 2 * height && x >= side { side } else { 0.0 };
    let inwards = |step: u32| {
        let share = 1.0 - f64::from(step) / 500.0;
        look(left + middle + (x - left - middle) * share, middle + (y - middle) * share)
    };
    (0..250).find_map(inwards)
}

/// Cells of 2° of longitude and latitude that a picture shows something of.
struct Shown(Vec<bool>);

impl Shown {
    fn of((width, height): (u32, u32), look: impl Fn(f64, f64) -> Option<Direction>) -> Self {
        let mut cells = vec![false; 180 * 90];
        for (y, x) in (0..4 * height).flat_map(|y| (0..4 * width).map(move |x| (y, x))) {
            let at = (f64::from(x) / 4.0 + 0.125, f64::from(y) / 4.0 + 0.125);
            if let Some(towards) = look(at.0, at.1) {
                let (column, row) = Self::cell(towards);
                cells[row * 180 + column] = true;
            }
        }
        Self(cells)
    }

    fn at(&self, towards: Direction) -> bool {
        let (column, row) = Self::cell(towards);
        self.0[row * 180 + column]
    }

    /// Whether the cells around it are alike; near a pole, all of a row.
    fn is_certain(&self, towards: Direction) -> bool {
        let (column, row) = Self::cell(towards);
        let reach = if (6..84).contains(&row) { 1 } else { 90 };
        let rows = row.saturating_sub(1)..=(row + 1).min(89);
        let cells = rows.flat_map(|row| (180 - reach..=180 + reach).map(move |near| (row, near)));
        let mut alike = cells.map(|(row, near)| self.0[row * 180 + (column + near) % 180]);
        alike.all(|shown| shown == self.at(towards))
    }

    fn cell([x, y, z]: Direction) -> (usize, usize) {
        let pitch = y.atan2(x.hypot(z)).to_degrees();
        let (column, row) = ((x.atan2(z).to_degrees() + 180.0) / 2.0, (90.0 - pitch) / 2.0);
        ((column as usize).min(179), (row as usize).min(89))
    }
}
