//! What a person sees: the result's page in a real browser, beside our own rendering of the source.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use panofleet_media::decode;
use panofleet_producer::api::JobView;
use panofleet_projection::{Orientation, Rectilinear, Size, View};
use panofleet_raster::{Panorama, Picture, Rect, Sampling, remap};
use panofleet_service::clock::wall_clock;
use panofleet_tests::fleet::{Fleet, Kind};
use panofleet_tests::{eventually, root};
use serde_json::{Value, json};

#[path = "../../fixtures/scene.rs"]
#[expect(dead_code, reason = "the generator of the fixtures uses all of it")]
mod scene;

const WIDTH_PX: u32 = 600;
const HEIGHT_PX: u32 = 400;
/// Tiles are JPEG and the browser filters on its own: further away than this is another view.
const RMS_MAX: f64 = 6.0;

/// Straight on, over the seam, a side face, both poles, an edge of three faces, and closer than one tile.
const VIEWS: [(&str, f64, f64, f64); 7] = [
    ("front", 0.0, 0.0, 90.0),
    ("seam", 180.0, 8.0, 80.0),
    ("right", 90.0, -12.0, 90.0),
    ("zenith", 20.0, 80.0, 90.0),
    ("nadir", -30.0, -80.0, 90.0),
    ("corner", 45.0, 35.0, 70.0),
    ("close", -100.0, 5.0, 30.0),
];

/// The scene as an equirectangular picture, large enough for a pyramid of more than one level.
fn panorama_png(folder: &Path) -> Vec<u8> {
    let path = folder.join("scene.png");
    let (width, height) = (4096_u32, 2048_u32);
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let (u, v) =
            ((f64::from(x) + 0.5) / f64::from(width), (f64::from(y) + 0.5) / f64::from(height));
        image::Rgb(scene::colour(scene::direction(u, v)).map(|sample| sample.round() as u8))
    });
    picture.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// What a viewer at (yaw, pitch) with this horizontal field of view should show.
fn expected(panorama: &Panorama<u8>, (yaw, pitch, hfov): (f64, f64, f64)) -> Vec<u8> {
    let size = Size::new(WIDTH_PX, HEIGHT_PX).unwrap();
    let lens = Rectilinear::new(size, hfov.to_radians()).unwrap();
    let view = View::new(lens, Orientation::from_degrees(yaw, pitch, 0.0).unwrap());
    let picture: Picture<u8> = remap(panorama, &view, &Sampling::default()).unwrap();
    picture.to_interleaved(Rect::whole(size)).unwrap()
}

/// Root of the mean squared difference of samples; `mirrored` compares with the other's mirror image.
fn rms(one: &[u8], other: &[u8], mirrored: bool) -> f64 {
    let row = WIDTH_PX as usize * 3;
    let pixel =
        |samples: &[u8], x: usize, y: usize, c: usize| f64::from(samples[y * row + x * 3 + c]);
    let mut sum = 0.0;
    for y in 0..HEIGHT_PX as usize {
        for x in 0..WIDTH_PX as usize {
            let at = if mirrored { WIDTH_PX as usize - 1 - x } else { x };
            for c in 0..3 {
                sum += (pixel(one, x, y, c) - pixel(other, at, y, c)).powi(2);
            }
        }
    }
    (sum / one.len() as f64).sqrt()
}

#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
fn look(url: &str, folder: &Path) -> Value {
    let views: Vec<_> = VIEWS
        .iter()
        .map(|(name, yaw, pitch, hfov)| json!({ "name": name, "yaw": yaw, "pitch": pitch, "hfov": hfov }))
        .collect();
    let mut node = Command::new("node")
        .arg(root().join("tests/browser/look.mjs"))
        .args([url, &WIDTH_PX.to_string(), &HEIGHT_PX.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there; ./dev test brings it and the browser");
    node.stdin.take().unwrap().write_all(json!(views).to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("the browser said: {said}"));
    assert!(output.status.success(), "{url}: {report}");
    report
}

/// Both viewers show what the source shows in every direction, and ask nobody else for anything.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_show_what_the_source_shows() {
    let folder = tempfile::tempdir().unwrap();
    let source = panorama_png(folder.path());
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let upload = fleet.api.upload(source).await.unwrap();
    let outputs = json!({
        "tiles": { "op": "pano.tiles", "quality": 95 },
        "sphere": { "op": "pano.tiles", "quality": 95, "layout": "equirectangular" },
    });
    let job = fleet.api.submit(&json!({ "source": upload, "outputs": outputs })).await.unwrap();
    let job = eventually("the job ends", Duration::from_secs(120), async || {
        fleet.api.job(job.id).await.ok().filter(JobView::is_terminal)
    })
    .await;
    let source = decode(&folder.path().join("scene.png")).unwrap();
    let panorama = Panorama::full(source.picture);

    for (output, viewer) in [("tiles", "psv"), ("tiles", "pannellum"), ("sphere", "psv")] {
        let shots = folder.path().join(format!("{output}-{viewer}"));
        std::fs::create_dir(&shots).unwrap();
        let page = format!("{}{}", fleet.api.url, job.links.view);
        let url = format!("{page}?output={output}&viewer={viewer}&embed=1");
        let report = look(&url, &shots);
        assert_eq!(report, json!({ "errors": [], "strangers": [] }), "{viewer}");
        for (name, yaw, pitch, hfov) in VIEWS {
            let shown = image::open(shots.join(format!("{name}.png"))).unwrap().to_rgb8();
            assert_eq!(shown.dimensions(), (WIDTH_PX, HEIGHT_PX));
            let expected = expected(&panorama, (yaw, pitch, hfov));
            let difference = rms(shown.as_raw(), &expected, false);
            if difference >= RMS_MAX {
                let kept = root().join(format!("target/view-{output}-{viewer}-{name}.png"));
                shown.save(&kept).unwrap();
                panic!(
                    "{output} in {viewer}, {name}: differs by {difference:.2} (limit {RMS_MAX}); see {}",
                    kept.display()
                );
            }
            // The scene has no symmetry: a mirrored or turned view is far away.
            let mirrored = rms(shown.as_raw(), &expected, true);
            assert!(mirrored > 2.0 * RMS_MAX, "{viewer} {name}: mirrored {mirrored:.2}");
        }
    }
}

/// What a support person does without a mouse, and what buttons do to one job and to all that match.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
async fn keys_and_buttons_do_what_they_say() {
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let words = fleet.api.upload(b"this is no picture".to_vec()).await.unwrap();
    let outputs = json!({ "small": { "op": "image.thumbnail" } });
    let labels = json!({ "who": "me" });
    let spec = json!({ "source": words, "outputs": outputs, "labels": labels });
    let dead = fleet.api.submit(&spec).await.unwrap().id;
    let in_an_hour = (wall_clock() + Duration::from_secs(3600)).to_string();
    for _ in 0..2 {
        let later = json!({
            "source": "none", "outputs": { "n": { "op": "fleet.noop" } }, "labels": labels, "start_at": in_an_hour,
        });
        fleet.api.submit(&later).await.unwrap();
    }
    eventually("the job ends", Duration::from_secs(120), async || {
        fleet.api.job(dead).await.ok().filter(JobView::is_terminal)
    })
    .await;
    let output = Command::new("node")
        .arg(root().join("tests/browser/keys.mjs"))
        .args([&fleet.api.url, &dead.to_string()])
        .output()
        .expect("node is there; ./dev test brings it and the browser");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let seen: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("it said: {said}"));
    assert_eq!(seen["errors"], json!([]), "{seen}");
    assert_eq!((&seen["typing"], &seen["typed"]), (&json!("label"), &json!("jk/r")));
    assert_eq!(seen["bands"], json!(["Move to normal", "Move to low"]));
    let asked = seen["asked"].as_array().unwrap();
    let asked: Vec<&str> = asked.iter().map(|one| one.as_str().unwrap()).collect();
    let wanted =
        ["Run this job again?", "Let 2 jobs go before those of other bands?", "Delete the job"];
    assert!(
        asked.len() == 3 && asked.iter().zip(wanted).all(|(said, wanted)| said.contains(wanted)),
        "{asked:?}"
    );
    // By then its rows may be gone.
    let deleted = seen["deleted"].as_str().unwrap();
    assert!(
        deleted.contains("Deleted: asked for") || deleted.contains("there is no job"),
        "{deleted}"
    );
}
