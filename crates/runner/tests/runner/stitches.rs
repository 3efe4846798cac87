//! `pano.stitch`: what two lenses saw of a scene in closed form, against that scene.

use panofleet_job_schema::PictureFormat;
use panofleet_media::{Embedded, Encoder};
use panofleet_raster::{Picture, Size};
use serde_json::{Value, json};

use crate::looks::{self, Direction};
use crate::renders::{Source, made, pixel, run_one};

/// Waves across the sphere in directions and phases of a seed: 3 to 40 radians of phase for one of angle.
struct Waves(Vec<(Direction, f64, [f64; 3])>);

impl Waves {
    fn new(seed: u64) -> Self {
        let mut state = seed;
        // Splitmix: github.com/vigna, public domain.
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let wave = |number: u32| {
            let towards = [0; 3].map(|_| next() - 0.5);
            let length = towards.iter().map(|v| v * v).sum::<f64>().sqrt();
            let pace = 3.0 * (40.0_f64 / 3.0).powf(f64::from(number) / 23.0);
            let amounts = [0; 3].map(|_| 9.0 + 7.0 * next());
            (towards.map(|v| v / length * pace), next() * 7.0, amounts)
        };
        Self((0..24).map(wave).collect())
    }

    /// The same ones in every run: what is measured hangs on how steep they happen to be where they are compared.
    fn of_every_run() -> (u64, Self) {
        let seed = 17;
        (seed, Self::new(seed))
    }

    fn colour(&self, towards: Direction) -> [f64; 3] {
        let length = towards.iter().map(|v| v * v).sum::<f64>().sqrt();
        let mut colour = [125.0; 3];
        for (wave, phase, amounts) in &self.0 {
            let at = (0..3).map(|i| wave[i] * towards[i] / length).sum::<f64>() + phase;
            colour.iter_mut().zip(amounts).for_each(|(value, amount)| *value += amount * at.sin());
        }
        colour.map(|value| value.clamp(0.0, 255.0))
    }
}

/// A value of sRGB when so much more light falls on the sensor (IEC 61966-2-1).
fn exposed(value: f64, gain: f64) -> f64 {
    let stored = value / 255.0;
    let light = gain
        * if stored <= 0.04045 { stored / 12.92 } else { ((stored + 0.055) / 1.055).powf(2.4) };
    (255.0 * if light <= 0.0031308 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 })
        .min(255.0)
}

/// How two lenses of 200° took a picture of 800×400.
struct Camera {
    kind: &'static str,
    /// What the lens that looks back is turned by.
    turned_deg: (f64, f64, f64),
    gains: [f64; 3],
    /// How much darker the lens that looks back becomes from its left to its right.
    slope: f64,
    back_first: bool,
}

const CAMERA: Camera = Camera {
    kind: "equidistant",
    turned_deg: (0.0, 0.0, 0.0),
    gains: [1.0; 3],
    slope: 0.0,
    back_first: false,
};

impl Camera {
    fn take(&self, waves: &Waves) -> Source {
        let (yaw, pitch, roll) = self.turned_deg;
        let back = looks::camera(180.0 + yaw, pitch, roll);
        let lens = |left: f64| {
            looks::lens((left, 0.0), 400.0, 200.0, |share, half| {
                looks::lens_angle(self.kind, share, half)
            })
        };
        let (left, right) = (lens(0.0), lens(400.0));
        Source::of((800, 400), |x, y| {
            let (look, at) = if x < 400.0 { (left(x, y), x) } else { (right(x, y), x - 400.0) };
            let Some(look) = look else { return [0.0; 3] };
            if (x < 400.0) != self.back_first {
                return waves.colour(look);
            }
            let colour = waves.colour(looks::in_world(&back, look));
            let fall = 1.0 - self.slope * at / 400.0;
            std::array::from_fn(|channel| exposed(colour[channel], self.gains[channel] * fall))
        })
    }
}

/// Where something is asked for, by column and row of 1024×512.
type Place = (&'static str, fn(u32, u32) -> bool);

/// Beside the seam, around both poles, at the border of the picture, everywhere.
const PLACES: [Place; 4] = [
    ("seam", |x, _| x.abs_diff(256) < 40 || x.abs_diff(768) < 40),
    ("poles", |_, y| !(24..488).contains(&y)),
    ("border", |x, _| !(8..1016).contains(&x)),
    ("all", |_, _| true),
];

/// How far a picture is from the scene in a place: in decibels, and in pixels if it were only displaced.
fn compared(found: &Picture<u8>, waves: &Waves, place: fn(u32, u32) -> bool) -> (f64, f64) {
    let sphere = looks::equirectangular((1024.0, 512.0));
    let at = |x: f64, y: f64| waves.colour(sphere(x, y).unwrap());
    let (mut square, mut slopes, mut count) = (0.0, 0.0, 0.0);
    for (x, y) in (0..512)
        .step_by(2)
        .flat_map(|y| (0..1024).step_by(2).map(move |x| (x, y)))
        .filter(|(x, y)| place(*x, *y))
    {
        let (found, left, top) = (pixel(found, x, y), f64::from(x) + 0.5, f64::from(y) + 0.5);
        let (expected, beside, below) = (at(left, top), at(left + 0.1, top), at(left, top + 0.1));
        // Towards a pole columns are narrow; a pixel is what it is at the equator.
        let narrow = ((top / 512.0 - 0.5) * std::f64::consts::PI).cos();
        for i in 0..3 {
            square += (found[i] - expected[i]).powi(2);
            slopes += ((beside[i] - expected[i]) / narrow / 0.1).powi(2)
                + ((below[i] - expected[i]) / 0.1).powi(2);
            count += 1.0;
        }
    }
    (10.0 * (255.0_f64.powi(2) * count / square).log10(), (2.0 * square / slopes).sqrt())
}

fn stitched(source: &Source, mut output: Value) -> Picture<u8> {
    let fields = output.as_object_mut().unwrap();
    fields.entry("fov_deg").or_insert(200.into());
    fields.insert("width_px".into(), 1024.into());
    made(&source.path(), "pano.stitch", output, "panorama.png")
}

#[test]
fn lenses_where_they_are_said_to_be_make_the_scene() {
    let (seed, waves) = Waves::of_every_run();
    for (kind, back_first, align) in
        [("equidistant", false, false), ("equisolid", true, true), ("stereographic", false, true)]
    {
        let source = Camera { kind, back_first, ..CAMERA }.take(&waves);
        let order = if back_first { "back_first" } else { "front_first" };
        let found = stitched(&source, json!({ "lens": kind, "lens_order": order, "align": align }));
        for (name, place) in PLACES {
            let (db, off_px) = compared(&found, &waves, place);
            assert!(
                db > 50.0 && off_px < 0.2,
                "{kind} {name} {align}: {db} dB, {off_px} px; seed {seed}"
            );
        }
    }
}

/// The lens that looks back is turned by a degree or so, the field of view is wrong, and less light fell on it.
#[test]
fn a_lens_that_is_turned_and_darker_is_put_right() {
    let (seed, waves) = Waves::of_every_run();
    let camera = Camera { turned_deg: (0.9, -0.7, 1.2), gains: [0.6, 0.7, 0.66], ..CAMERA };
    let source = camera.take(&waves);
    let found = stitched(&source, json!({ "fov_deg": 198.4 }));
    let as_said = stitched(
        &source,
        json!({ "fov_deg": 198.4, "align": false, "match_exposure": false, "blend": "cut" }),
    );
    for (name, place) in PLACES {
        let (db, off_px) = compared(&found, &waves, place);
        let (before_db, before_px) = compared(&as_said, &waves, place);
        assert!(db > 48.0 && off_px < 0.3, "{name}: {db} dB, {off_px} px; seed {seed}");
        assert!(
            before_db < 28.0 && before_px > 1.0,
            "{name}: {before_db} dB, {before_px} px; seed {seed}"
        );
    }
}

/// Where no gain makes the lenses alike, blending leaves no step: beside the seam the picture rises and falls as the scene
/// does.
#[test]
fn bands_flow_into_each_other_where_a_cut_shows() {
    let (seed, waves) = Waves::of_every_run();
    let source = Camera { slope: 0.4, ..CAMERA }.take(&waves);
    let sphere = looks::equirectangular((1024.0, 512.0));
    let off = |found: &Picture<u8>, x: u32, y: u32| {
        let scene = waves.colour(sphere(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap());
        let found = pixel(found, x, y);
        (0..3).map(|i| found[i] - scene[i]).sum::<f64>() / 3.0
    };
    let rows: Vec<u32> = (60..452).step_by(4).collect();
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    // The largest step from pixel to pixel that is not the scene's, in each row at the seam on either side.
    let step = |found: &Picture<u8>| {
        let largest = |(y, middle): (u32, u32)| {
            let step = |x: u32| (off(found, x + 1, y) - off(found, x, y)).abs();
            (middle - 30..middle + 30).map(step).fold(0.0, f64::max)
        };
        mean(rows.iter().flat_map(|y| [(*y, 256), (*y, 768)]).map(largest).collect())
    };
    // How much brighter it is 14° from the seam on its one side than on its other, where one lens sees alone.
    let sides = |found: &Picture<u8>| {
        let side = |x: u32| mean(rows.iter().map(|y| off(found, x, *y)).collect());
        [256, 768].map(|middle| (side(middle - 40) - side(middle + 40)).abs()).iter().sum::<f64>()
    };
    let cut = stitched(&source, json!({ "blend": "cut" }));
    let blended = stitched(&source, json!({}));
    let steps = [step(&cut), step(&blended)];
    assert!(steps[0] > 3.0 && steps[1] < steps[0] / 3.0, "{steps:?}; seed {seed}");
    let sides = [sides(&cut), sides(&blended)];
    assert!(sides[0] > 10.0 && sides[1] < sides[0] * 0.75, "{sides:?}; seed {seed}");
}

/// Centres and radii that are said, and a lens that bends rays beyond its kind.
#[test]
fn lenses_lie_where_they_are_said_to() {
    let (seed, waves) = Waves::of_every_run();
    let half = 95_f64.to_radians();
    // A circle of radius 180 at 95°, distorted: r·(1 + 0.03 r² − 0.005 r⁴) in focal lengths.
    let distorted = |r: f64| r * (1.0 + 0.03 * r * r - 0.005 * r.powi(4));
    let focal = 180.0 / distorted(half);
    let angle = |radius: f64| {
        let (mut low, mut high) = (0.0, half * 1.001);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if distorted(middle) * focal < radius { low = middle } else { high = middle }
        }
        low
    };
    let source = Source::of((800, 400), |x, y| {
        let (cx, cy, axes) = if x < 400.0 {
            (190.0, 205.0, looks::camera(2.0, -1.0, 90.0))
        } else {
            (610.5, 196.0, looks::camera(181.0, 1.5, -90.0))
        };
        let (right, up) = (x - cx, cy - y);
        let radius = right.hypot(up);
        if radius > 182.0 {
            return [0.0; 3];
        }
        let (away, around) = (angle(radius), up.atan2(right));
        let look = [away.sin() * around.cos(), away.sin() * around.sin(), away.cos()];
        waves.colour(looks::in_world(&axes, look))
    });
    let lens = |x: f64, y: f64, yaw: f64, pitch: f64, roll: f64| {
        json!({ "center_x_px": x, "center_y_px": y, "radius_px": 180, "fov_deg": 190, "k1": 0.03, "k2": -0.005,
            "yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": roll })
    };
    let lenses = [lens(190.0, 205.0, 2.0, -1.0, 90.0), lens(610.5, 196.0, 1.0, 1.5, -90.0)];
    let found = stitched(&source, json!({ "lenses": lenses, "align": false }));
    for (name, place) in PLACES {
        let (db, off_px) = compared(&found, &waves, place);
        assert!(db > 50.0 && off_px < 0.2, "{name}: {db} dB, {off_px} px; seed {seed}");
    }
    let folded = json!({ "op": "pano.stitch", "lenses": [{ "k1": -0.5 }] });
    let refused = run_one(&source.path(), &folded);
    assert_eq!(refused.failure().code, "lens_impossible");
    assert!(
        refused.failure().message.contains("the lens that looks forward"),
        "{}",
        refused.failure().message
    );
}

#[test]
fn a_dark_lens_is_said_and_refused_or_left_out() {
    let waves = Waves::new(7);
    let source = Camera { gains: [0.002; 3], ..CAMERA }.take(&waves);
    let refused = run_one(&source.path(), &json!({ "op": "pano.stitch" }));
    assert_eq!(refused.failure().code, "lens_dark");
    assert!(
        refused.failure().message.contains("the lens that looks back saw nothing"),
        "{}",
        refused.failure().message
    );
    let output = json!({ "op": "pano.stitch", "fov_deg": 200, "dark_lens": "leave_out", "width_px": 256, "format": "png",
        "background": "#102030" });
    let run = run_one(&source.path(), &output).done();
    let (_, warnings) = run.summary("out");
    assert!(
        warnings.iter().any(|said| said.starts_with("the lens that looks back saw nothing")),
        "{warnings:?}"
    );
    let found = crate::renders::picture(&run, "panorama.png");
    assert_eq!([pixel(&found, 0, 64), pixel(&found, 255, 60)], [[16.0, 32.0, 48.0]; 2]);
    let ahead = waves.colour(looks::equirectangular((256.0, 128.0))(128.5, 64.5).unwrap());
    assert!(pixel(&found, 128, 64).iter().zip(ahead).all(|(a, b)| (a - b).abs() < 3.0));

    let one = Source::of((400, 400), |_, _| [90.0; 3]);
    let refused = run_one(&one.path(), &json!({ "op": "pano.stitch" }));
    assert_eq!(refused.failure().code, "lens_missing");
}

/// What an Insta360 camera appends says where its lenses lie: by the unified sphere, with radial distortion.
#[test]
fn a_cameras_own_calibration_is_used() {
    let (seed, waves) = Waves::of_every_run();
    let (xi, focal) = (2.0, [319.4, 318.4]);
    let centres = [(199.7, 199.9), (600.1, 200.3)];
    let imaged = |angle: f64| {
        let r = angle.sin() / (angle.cos() + xi);
        r * (1.0 + 0.18 * r.powi(2) + 2.05 * r.powi(4) - 3.3 * r.powi(6))
    };
    let source = image::RgbImage::from_fn(800, 400, |x, y| {
        let lens = usize::from(x >= 400);
        let (right, up) =
            (f64::from(x) + 0.5 - centres[lens].0, centres[lens].1 - f64::from(y) - 0.5);
        let (radius, around) = (right.hypot(up) / focal[lens], up.atan2(right));
        let (mut low, mut high) = (0.0, 105_f64.to_radians());
        if radius > imaged(high) {
            return image::Rgb([0; 3]);
        }
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if imaged(middle) < radius { low = middle } else { high = middle }
        }
        let look = [low.sin() * around.cos(), low.sin() * around.sin(), low.cos()];
        let axes = looks::camera(if lens == 0 { 0.0 } else { 180.0 }, 0.0, 0.0);
        image::Rgb(waves.colour(looks::in_world(&axes, look)).map(|value| value.round() as u8))
    });
    // At twice the size that the picture has.
    let lens = |i: usize| {
        format!(
            "2.0_{f}_{f}_{x}_{y}_-0.2_0.1_89.9_0_0_0_0.18_2.05_-3.3_0_0_1600_800_113",
            f = 2.0 * focal[i],
            x = 2.0 * centres[i].0,
            y = 2.0 * centres[i].1
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.insp");
    let mut encoder = Encoder::new(PictureFormat::Jpeg, 98, Embedded::default()).unwrap();
    let body = encoder.encode(source.as_raw(), Size::new(800, 400).unwrap()).unwrap();
    std::fs::write(&path, body).unwrap();
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    appended(&mut file, &format!("2_{}_{}_197632", lens(0), lens(1)));
    let output = json!({ "op": "pano.stitch", "format": "png", "width_px": 1024 });
    let run = run_one(&path, &output).done();
    let (_, warnings) = run.summary("out");
    assert!(
        warnings.iter().any(|said| said.contains("the camera's calibration says")),
        "{warnings:?}"
    );
    let found = crate::renders::picture(&run, "panorama.png");
    for (name, place) in PLACES {
        let (db, off_px) = compared(&found, &waves, place);
        assert!(db > 44.0 && off_px < 0.5, "{name}: {db} dB, {off_px} px; seed {seed}");
    }
    // A picture that GPano calls a panorama has been stitched by somebody.
    assert!(run.media().unstitched.is_some());
}

/// What the camera writes behind a picture: a description with one text, its kind and length, and the tail.
fn appended(file: &mut std::fs::File, calibration: &str) {
    use std::io::Write as _;
    let mut message = vec![0xb2, 0x03];
    // The length of a text of less than 2¹⁴ bytes: seven bits a byte, the lowest first.
    message.extend([calibration.len() as u8 & 0x7f | 0x80, (calibration.len() >> 7) as u8]);
    message.extend(calibration.as_bytes());
    let length = message.len() as u32;
    file.write_all(&message).unwrap();
    file.write_all(&[1, 1]).unwrap();
    file.write_all(&length.to_le_bytes()).unwrap();
    file.write_all(&[0; 32]).unwrap();
    file.write_all(&(length + 6 + 72).to_le_bytes()).unwrap();
    file.write_all(&3_u32.to_le_bytes()).unwrap();
    file.write_all(b"8db42d694ccc418790edff439fe026bf").unwrap();
}
