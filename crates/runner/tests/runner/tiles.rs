//! `pano.tiles`: which files there are, what they show, and what viewers are told.

use std::collections::BTreeSet;
use std::path::Path;

use panofleet_job_schema::PictureFormat;
use panofleet_job_schema::operation::{Eye, TileFormat};
use panofleet_media::{Embedded, Encoder, decode, pixels};
use panofleet_raster::{Edges, Rect, Size};
use serde_json::{Value, json};

use crate::child::{Run, fixture, run};
use crate::scene;

/// The pyramid by its formula: need = W/π; k = max(0, ⌈log2(need/768)⌉); T = 16·⌈need/2^k/16⌉.
fn pyramid(full_width_px: u32) -> (u32, u32) {
    let need = f64::from(full_width_px) / std::f64::consts::PI;
    let halvings = (need / 768.0).log2().ceil().max(0.0);
    let tile_px = 16.0 * (need / halvings.exp2() / 16.0).ceil();
    (tile_px as u32, halvings as u32 + 1)
}

fn expected_files(levels: u32, extension: &str) -> BTreeSet<String> {
    let manifests = ["config.json", "psv.json", "marzipano.json", "krpano.xml"];
    let mut files: BTreeSet<String> = manifests.map(str::to_owned).into();
    files.insert("phone.jpg".to_owned());
    files.insert(format!("preview.{extension}"));
    for face in "fbudlr".chars() {
        files.insert(format!("fallback/{face}.{extension}"));
        for level in 1..=levels {
            let side = 1 << (level - 1);
            for (row, column) in
                (0..side).flat_map(|row| (0..side).map(move |column| (row, column)))
            {
                files.insert(format!("{level}/{face}{row}_{column}.{extension}"));
            }
        }
    }
    files
}

/// The colour at `right` and `up` of a face's middle, on a level.
fn seen(run: &Run, folder: &str, level: u32, tile_px: u32, at: (char, f64, f64)) -> [u8; 3] {
    let (face, right, up) = at;
    let face_px = f64::from(tile_px << (level - 1));
    let place = |share: f64| (share * face_px / 2.0) as u32;
    let (x, y) = (place(right + 1.0), place(1.0 - up));
    let (row, column) = (y / tile_px, x / tile_px);
    let tile = run.path("tiles", &format!("{folder}{level}/{face}{row}_{column}.jpg"));
    let picture = decode(&tile).unwrap().picture;
    assert_eq!(picture.size(), Size::new(tile_px, tile_px).unwrap());
    let index = (y % tile_px * tile_px + x % tile_px) as usize;
    std::array::from_fn(|channel| picture.planes()[channel].samples()[index])
}

/// Points of a face away from its letter, no two of which a mirror or a turn takes into each other.
const POINTS: [(f64, f64); 6] =
    [(0.0, 0.0), (-0.8, 0.6), (-0.5, -0.7), (0.9, -0.2), (-0.95, 0.05), (0.05, -0.95)];

fn check_faces(run: &Run, folder: &str, (tile_px, levels): (u32, u32), bound: f64) {
    for level in 1..=levels {
        for face in "fbudlr".chars() {
            for (right, up) in POINTS {
                let found = seen(run, folder, level, tile_px, (face, right, up));
                let expected = scene::colour(scene::face_direction(face, right, up));
                for (found, expected) in found.into_iter().zip(expected) {
                    let off = (f64::from(found) - expected).abs();
                    assert!(
                        off <= bound,
                        "level {level}, {face} at {right}, {up}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

/// The scene, made larger so that its pyramid has three levels.
pub(crate) fn large_source(folder: &Path) -> std::path::PathBuf {
    let size = Size::new(4864, 2432).unwrap();
    let small = decode(&fixture("equirect.jpg")).unwrap().picture;
    let large = pixels::scale(&small, size, Edges::WrapColumns).unwrap();
    let rgb = pixels::interleaved(&large, Rect::whole(size)).unwrap();
    let path = folder.join("large.jpg");
    let jpeg = Encoder::new(TileFormat::Jpeg, 90, Embedded::default())
        .unwrap()
        .encode(&rgb, size)
        .unwrap();
    std::fs::write(&path, jpeg).unwrap();
    path
}

#[test]
fn a_pyramid_of_three_levels_shows_the_scene() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&large_source(folder.path()), r#"{"tiles": {"op": "pano.tiles"}}"#).done();
    let (tile_px, levels) = pyramid(4864);
    assert_eq!((tile_px, levels), (400, 3));
    assert_eq!(run.files("tiles"), expected_files(levels, "jpg"));
    check_faces(&run, "", (tile_px, levels), 9.0);
    let size = |path: &str| decode(&run.path("tiles", path)).unwrap().picture.size();
    assert_eq!(size("preview.jpg"), Size::new(200, 1200).unwrap());
    assert_eq!(size("phone.jpg"), Size::new(4096, 2048).unwrap());
    let is_tile = |path: &&String| path.ends_with(".jpg") && path.contains('/');
    for path in run.files("tiles").iter().filter(is_tile) {
        let expected_px = if path.starts_with("fallback/") { 800 } else { tile_px };
        assert_eq!(size(path), Size::new(expected_px, expected_px).unwrap(), "{path}");
    }
    let mut config = run.json("tiles", "config.json");
    for preview in ["shtHash", "equirectangularThumbnail"] {
        config["multiRes"].as_object_mut().unwrap().remove(preview).unwrap();
    }
    assert_eq!(
        config,
        json!({
            "type": "multires", "yaw": 0.0, "pitch": 0.0, "hfov": 100.0,
            "multiRes": {
                "path": "/%l/%s%y_%x", "fallbackPath": "/fallback/%s", "extension": "jpg",
                "tileResolution": 400, "maxLevel": 3, "cubeResolution": 1600,
            },
        })
    );
    check_psv_of_three_levels(&run.json("tiles", "psv.json"));
    check_other_manifests(&run);
    let (entry_points, warnings) = run.summary("tiles");
    assert_eq!(entry_points["pannellum"], "config.json");
    assert_eq!(entry_points["psv"], "psv.json");
    assert_eq!(warnings, Vec::<String>::new());
}

/// Every size is a multiple of the one before, which Marzipano asks for; krpano names the tile, then faces.
fn check_other_manifests(run: &Run) {
    let marzipano = run.json("tiles", "marzipano.json");
    assert_eq!(
        marzipano["levels"],
        json!([
            { "tileSize": 200, "size": 200, "fallbackOnly": true },
            { "tileSize": 400, "size": 400 },
            { "tileSize": 400, "size": 800 },
            { "tileSize": 400, "size": 1600 },
        ])
    );
    assert_eq!(marzipano["tileUrl"], "{z}/{f}{y}_{x}.jpg");
    let krpano = std::fs::read_to_string(run.path("tiles", "krpano.xml")).unwrap();
    assert!(krpano.contains(r#"url="%l/%s%v_%h.jpg" multires="400,400,800,1600""#), "{krpano}");
    let phone = panofleet_media::probe(&run.path("tiles", "phone.jpg")).unwrap().gpano.unwrap();
    assert_eq!((phone.full_width_px, phone.cropped_width_px), (Some(4096), Some(4096)));
    assert_eq!((phone.cropped_left_px, phone.cropped_top_px), (Some(0), Some(0)));
}

/// 4,864 columns: eight tiles of 608, halved once; whole spheres only.
#[test]
fn equirectangular_tiles_fill_the_sphere() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = r#"{"tiles": {"op": "pano.tiles", "layout": "equirectangular"}}"#;
    let run = run(&large_source(folder.path()), outputs).done();
    let mut expected: BTreeSet<String> = ["base.jpg", "psv.json"].map(str::to_owned).into();
    for (level, columns) in [(1, 4), (2, 8)] {
        let tiles = (0..columns / 2).flat_map(|row| (0..columns).map(move |column| (row, column)));
        expected.extend(tiles.map(|(row, column)| format!("{level}/{row}_{column}.jpg")));
    }
    assert_eq!(run.files("tiles"), expected);
    assert_eq!(
        run.json("tiles", "psv.json"),
        json!({
            "adapter": "equirectangular-tiles",
            "panorama": {
                "baseUrl": "base.jpg",
                "levels": [
                    { "width": 2432, "cols": 4, "rows": 2 },
                    { "width": 4864, "cols": 8, "rows": 4 },
                ],
            },
            "tileUrl": "{level}/{row}_{col}.jpg",
            "tileLevels": [1, 2],
            "defaultYaw": "0deg",
            "defaultPitch": "0deg",
        })
    );
    let partial = crate::child::run(&fixture("partial-attributes.jpg"), outputs);
    assert_eq!(partial.failure().code, "layout_needs_whole_sphere");
}

/// Levels from one pixel to the picture: ⌈log2 1024⌉ + 1 of them.
#[test]
fn a_deep_zoom_image_has_every_level() {
    let outputs = r#"{"tiles": {"op": "pano.tiles", "layout": "dzi", "format": "webp"}}"#;
    let run = run(&fixture("equirect.jpg"), outputs).done();
    let files = run.files("tiles");
    let tiles: [(u32, u32, u32); 3] = [(10, 3, 2), (9, 2, 1), (0, 1, 1)];
    for (level, columns, rows) in tiles {
        let folder = format!("image_files/{level}/");
        let count = files.iter().filter(|path| path.starts_with(&folder)).count() as u32;
        assert_eq!(count, columns * rows, "{folder}");
    }
    assert!(!files.iter().any(|path| path.starts_with("image_files/11/")));
    let descriptor = std::fs::read_to_string(run.path("tiles", "image.dzi")).unwrap();
    for said in
        [r#"Format="webp""#, r#"Overlap="1""#, r#"TileSize="510""#, r#"Width="1024" Height="512""#]
    {
        assert!(descriptor.contains(said), "{said}: {descriptor}");
    }
    let (entry_points, _) = run.summary("tiles");
    assert_eq!(entry_points["dzi"], "image.dzi");
}

/// Faces in one picture become tiles; where faces of another size are made of them, filters read over the edges.
#[test]
fn a_cube_map_becomes_tiles() {
    const SIDE: u32 = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.png");
    let mut rgb = vec![0; (3 * 2 * SIDE * SIDE * 3) as usize];
    for (cell, face) in (0..).zip("rludfb".chars()) {
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            let share = |px: u32| (2.0 * f64::from(px) + 1.0) / f64::from(SIDE) - 1.0;
            let color = scene::colour(scene::face_direction(face, share(x), -share(y)));
            let (column, row) = (cell % 3 * SIDE + x, cell / 3 * SIDE + y);
            let at = ((row * 3 * SIDE + column) * 3) as usize;
            rgb[at..at + 3].copy_from_slice(&color.map(|value| value.round() as u8));
        }
    }
    let size = Size::new(3 * SIDE, 2 * SIDE).unwrap();
    let mut encoder = Encoder::new(PictureFormat::Png, 1, Embedded::default()).unwrap();
    std::fs::write(&path, encoder.encode(&rgb, size).unwrap()).unwrap();
    let outputs = r#"{"tiles": {"op": "pano.tiles", "projection": "cubemap-3x2", "quality": 95}}"#;
    let run = run(&path, outputs).done();
    // 300 texels are less than 19 steps of 16.
    check_faces(&run, "", (304, 1), 6.0);
    let mut expected = expected_files(1, "jpg");
    expected.remove("phone.jpg");
    assert_eq!(run.files("tiles"), expected);
    let wrong = r#"{"tiles": {"op": "pano.tiles", "projection": "fisheye"}}"#;
    assert_eq!(crate::child::run(&path, wrong).failure().code, "projection_unsupported");
}

/// The one-tile level is not listed; faces are the other viewers', which this one has to turn.
fn check_psv_of_three_levels(psv: &Value) {
    let letters = json!({
        "left": "l", "front": "f", "right": "r", "back": "b", "top": "u", "bottom": "d",
    });
    let paths = json!({
        "left": "fallback/l.jpg", "front": "fallback/f.jpg", "right": "fallback/r.jpg",
        "back": "fallback/b.jpg", "top": "fallback/u.jpg", "bottom": "fallback/d.jpg",
    });
    assert_eq!(
        *psv,
        json!({
            "adapter": "cubemap-tiles",
            "panorama": {
                "baseUrl": { "type": "separate", "paths": paths, "flipTopBottom": true },
                "levels": [{ "faceSize": 800, "nbTiles": 2 }, { "faceSize": 1600, "nbTiles": 4 }],
                "flipTopBottom": true,
            },
            "tileUrl": "{level}/{face}{row}_{col}.jpg",
            "tileLevels": [2, 3],
            "faceLetters": letters,
            "defaultYaw": "0deg",
            "defaultPitch": "0deg",
        })
    );
}

#[test]
fn a_pyramid_of_one_tile_is_a_plain_cube_map_to_psv() {
    let run = run(&fixture("equirect.jpg"), r#"{"tiles": {"op": "pano.tiles"}}"#).done();
    assert_eq!(pyramid(1024), (336, 1));
    assert_eq!(run.files("tiles"), expected_files(1, "jpg"));
    check_faces(&run, "", (336, 1), 8.0);
    let psv = run.json("tiles", "psv.json");
    assert_eq!(psv["adapter"], "cubemap");
    assert_eq!(psv["panorama"]["paths"]["top"], "fallback/u.jpg");
    assert_eq!(psv["panorama"]["flipTopBottom"], true);
    assert_eq!(psv.get("tileUrl"), None);
}

/// GPano: 512×256 from (128, 64) of 1024×512; the view starts at 320° where the middle looks at 350°.
#[test]
fn a_partial_panorama_keeps_its_place() {
    let outputs = r##"{"tiles": {"op": "pano.tiles", "background": "#336699", "quality": 95}}"##;
    for name in ["partial-attributes.jpg", "partial-elements.jpg"] {
        let run = run(&fixture(name), outputs).done();
        let config = run.json("tiles", "config.json");
        for (key, expected) in [
            ("yaw", -30.0),
            ("pitch", 10.0),
            ("hfov", 100.0),
            ("haov", 180.0),
            ("minYaw", -135.0),
            ("maxYaw", 45.0),
            ("vaov", 90.0),
            ("vOffset", 22.5),
            ("minPitch", -22.5),
            ("maxPitch", 67.5),
        ] {
            let found = config[key].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-9, "{name}: {key} is {found}");
        }
        let background: Vec<f64> =
            serde_json::from_value(config["backgroundColor"].clone()).unwrap();
        assert_eq!(background, [0.2, 0.4, 0.6]);
        let range = &run.json("tiles", "psv.json")["visibleRange"];
        assert_eq!(range["horizontalRange"], json!(["-135deg", "45deg"]));
        assert_eq!(range["verticalRange"], json!(["-22.5deg", "67.5deg"]));

        for (face, right, up, inside) in [
            ('f', 0.0, 0.0, true),
            ('l', 0.0, 0.1, true),
            ('u', -0.2, 0.8, false),
            ('b', 0.0, 0.0, false),
            ('d', 0.0, 0.0, false),
            ('r', 0.0, 0.0, false),
        ] {
            let found = seen(&run, "", 1, 336, (face, right, up));
            let scene = scene::colour(scene::face_direction(face, right, up));
            let expected = if inside { scene } else { [51.0, 102.0, 153.0] };
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(
                    (f64::from(found) - expected).abs() <= 8.0,
                    "{name} {face}: {found} for {expected}"
                );
            }
        }
    }
}

#[test]
fn both_eyes_lie_beside_each_other() {
    let run =
        run(&fixture("stereo-top-bottom.jpg"), r#"{"tiles": {"op": "pano.tiles", "eye": "both"}}"#)
            .done();
    let one_eye = expected_files(1, "jpg");
    let expected: BTreeSet<String> = ["left", "right"]
        .iter()
        .flat_map(|eye| one_eye.iter().map(move |path| format!("{eye}/{path}")))
        .collect();
    assert_eq!(run.files("tiles"), expected);
    check_faces(&run, "left/", (pyramid(512).0, 1), 9.0);
    let at = ('u', -0.5, -0.7);
    let [r, g, b] = seen(&run, "left/", 1, pyramid(512).0, at);
    let right = seen(&run, "right/", 1, pyramid(512).0, at);
    assert!(right.iter().zip([b, g, r]).all(|(found, left)| found.abs_diff(left) < 8), "{right:?}");
    let (entry_points, warnings) = run.summary("tiles");
    assert_eq!(entry_points["pannellum"], "left/config.json");
    assert_eq!(entry_points["psv_right"], "right/psv.json");
    assert!(warnings[0].contains("top-bottom"), "{warnings:?}");
}

/// A whole picture of the scene has no seams on any level, and is there again in its own directions: as a JPEG
/// stores it, and as RGB.
#[test]
fn the_report_says_how_good_the_tiles_are() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = large_source(folder.path());
    let png = folder.path().join("large.png");
    let picture = decode(&jpeg).unwrap().picture;
    let rgb = pixels::interleaved(&picture, Rect::whole(picture.size())).unwrap();
    let mut encoder = Encoder::new(PictureFormat::Png, 1, Embedded::default()).unwrap();
    std::fs::write(&png, encoder.encode(&rgb, picture.size()).unwrap()).unwrap();
    for source in [jpeg, png] {
        let run = run(&source, r#"{"tiles": {"op": "pano.tiles"}}"#).done();
        let [quality] = &run.quality("tiles")[..] else { panic!("one eye") };
        assert_eq!(quality.eye, None);
        assert_eq!(quality.seam_scores.len(), 3);
        assert!(quality.seam_scores.iter().all(|score| *score < 1.05), "{quality:?}");
        assert!(quality.round_trip_ws_psnr_db.unwrap() > 45.0, "{quality:?}");
        assert!((quality.source.px_per_deg - 4864.0 / 360.0).abs() < 1e-9);
        // In the middle of a face of 1,600 texels: 800 to a radian.
        assert!((quality.output.px_per_deg - 800.0_f64.to_radians()).abs() < 1e-9);
        // The scene was enlarged from 1,024 pixels.
        let resolved = quality.source.resolved_px_per_deg.unwrap();
        assert!((2.0..6.0).contains(&resolved), "{quality:?}");
    }
    let silent = r#"{"tiles": {"op": "pano.tiles", "quality_report": false}}"#;
    assert_eq!(run(&fixture("equirect.jpg"), silent).done().quality("tiles"), []);
}

/// Both eyes are measured, each for itself.
#[test]
fn eyes_are_measured_one_by_one() {
    let both = r#"{"tiles": {"op": "pano.tiles", "eye": "both"}}"#;
    let quality = run(&fixture("stereo-top-bottom.jpg"), both).done().quality("tiles");
    let eyes: Vec<_> = quality.iter().map(|quality| quality.eye).collect();
    assert_eq!(eyes, [Some(Eye::Left), Some(Eye::Right)]);
}

#[test]
fn png_tiles() {
    let run = run(&fixture("equirect.jpg"), r#"{"tiles": {"op": "pano.tiles", "format": "png"}}"#);
    let run = run.done();
    assert_eq!(run.files("tiles"), expected_files(1, "png"));
    assert_eq!(run.json("tiles", "config.json")["multiRes"]["extension"], "png");
    let tile = decode(&run.path("tiles", "1/f0_0.png")).unwrap().picture;
    assert_eq!(tile.size(), Size::new(336, 336).unwrap());
}

#[test]
fn webp_tiles() {
    let outputs = r#"{"tiles": {"op": "pano.tiles", "format": "webp", "icc": "keep"}}"#;
    let run = run(&fixture("equirect.webp"), outputs).done();
    assert_eq!(run.files("tiles"), expected_files(1, "webp"));
    let tile = panofleet_media::probe(&run.path("tiles", "1/f0_0.webp")).unwrap();
    assert_eq!(tile.container, "webp");
}

/// Each file of an image service is what its URI says: the part of the picture, and the size.
#[test]
fn an_image_service_has_a_file_for_each_request() {
    let source = fixture("equirect.jpg");
    let whole = decode(&source).unwrap().picture;
    let output = r#"{"tiles": {"op": "pano.tiles", "layout": "iiif", "format": "png", "base_url": "https://a.example/b"}}"#;
    let run = run(&source, output).done();
    let info = run.json("tiles", "info.json");
    let (width, height) = (whole.size().width_px(), whole.size().height_px());
    for (field, expected) in [
        ("@context", json!("http://iiif.io/api/image/3/context.json")),
        ("id", json!("https://a.example/b")),
        ("type", json!("ImageService3")),
        ("protocol", json!("http://iiif.io/api/image")),
        ("profile", json!("level0")),
        ("width", json!(width)),
        ("height", json!(height)),
        ("preferredFormats", json!(["png"])),
        ("extraFormats", json!(["png"])),
    ] {
        assert_eq!(info[field], expected, "{field}");
    }
    let tiles = &info["tiles"][0];
    let tile_px = tiles["width"].as_u64().unwrap() as u32;
    let mut expected = BTreeSet::from(["info.json".to_owned()]);
    for factor in
        tiles["scaleFactors"].as_array().unwrap().iter().map(|f| f.as_u64().unwrap() as u32)
    {
        // By the implementation notes of the specification.
        for y in (0..height).step_by((tile_px * factor) as usize) {
            for x in (0..width).step_by((tile_px * factor) as usize) {
                let (w, h) =
                    ((tile_px * factor).min(width - x), (tile_px * factor).min(height - y));
                let region = if (w, h) == (width, height) {
                    "full".into()
                } else {
                    format!("{x},{y},{w},{h}")
                };
                let size = format!("{},{}", w.div_ceil(factor), h.div_ceil(factor));
                let size = if size == format!("{width},{height}") { "max" } else { &size };
                let path = format!("{region}/{size}/0/default.png");
                let tile = decode(&run.path("tiles", &path)).unwrap().picture;
                if factor == 1 {
                    let size = Size::new(w, h).unwrap();
                    let part = pixels::part(&whole, Rect { left_px: x, top_px: y, size }).unwrap();
                    assert_eq!(tile, part, "{path}");
                } else {
                    assert_eq!(
                        tile.size(),
                        Size::new(w.div_ceil(factor), h.div_ceil(factor)).unwrap()
                    );
                }
                expected.insert(path);
            }
        }
    }
    let smallest = &info["sizes"][0];
    assert!(
        expected
            .iter()
            .any(|path| path
                .starts_with(&format!("full/{},{}/", smallest["width"], smallest["height"])))
            || expected.contains("full/max/0/default.png")
    );
    assert_eq!(run.files("tiles"), expected);
    let refused =
        crate::child::run(&source, r#"{"tiles": {"op": "pano.tiles", "layout": "iiif"}}"#);
    assert_eq!(refused.failure().code, "base_url_missing");
}
