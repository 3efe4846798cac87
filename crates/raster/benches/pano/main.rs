//! The panorama engine beside FFmpeg's v360, speed and quality of the same run, on one core:
//! `./dev bench pano [FRAME.yuv]`, where a file holds a frame of 3840×1920 in yuv420p.
//!
//! Times are processor time, the least of several frames. Quality is against the mean of 4 × 4
//! points of each destination pixel of a scene in closed form, at pixels drawn at random; a file
//! has no such truth, so its quality is not given.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::fs;
use std::path::Path;

use panofleet_projection::{CubeFace, Equirectangular, Face, Pixel, Ray, Size, View};
use panofleet_raster::{
    Channels, Description, Frame, FrameRemap, Kernel, Panorama, Picture, Plane, PlaneView,
    Sampling, remap,
};
use rustix::time::{ClockId, clock_gettime};

mod peer;
mod quality;
mod scene;

use quality::{Score, Truth};
use scene::Scene;

type Done<T> = Result<T, Box<dyn Error>>;

const WIDTH: u32 = 3_840;
const FACE: u32 = 960;
const FRAMES: usize = 40;
const SAMPLES: usize = 12_000;

/// Processor time of this thread in milliseconds.
fn now_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The least time of several runs, in milliseconds.
fn least_ms(runs: usize, mut run: impl FnMut() -> Done<()>) -> Done<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..runs {
        let begun = now_ms();
        run()?;
        least = least.min(now_ms() - begun);
    }
    Ok(least)
}

/// Faces in three columns and two rows, `r l u` over `d f b`: v360's `c3x2`.
fn three_by_two(pixel: Pixel) -> Option<Ray> {
    let side = f64::from(FACE);
    let (column, row) = ((pixel.x_px / side).floor(), (pixel.y_px / side).floor());
    if !(0.0..3.0).contains(&column) || !(0.0..2.0).contains(&row) {
        return None;
    }
    let letter = [['r', 'l', 'u'], ['d', 'f', 'b']][row as usize][column as usize];
    let face = CubeFace { face: Face::from_letter(letter)?, face_px: FACE.try_into().ok()? };
    Some(face.ray(Pixel::new(pixel.x_px - column * side, pixel.y_px - row * side)))
}

/// The scene as a plane whose sample positions in the picture are `picture`.
fn plane(
    scene: &Scene,
    size: Size,
    picture: impl Fn(Pixel) -> Pixel,
    of: &Equirectangular,
) -> Vec<u8> {
    let (width, height) = (size.width_px(), size.height_px());
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| Pixel::centre(x, y)));
    pixels
        .map(|pixel| scene.value(of.ray(picture(pixel))).round().clamp(0.0, 255.0) as u8)
        .collect()
}

struct Source {
    planes: [Vec<u8>; 3],
    scenes: Option<[Scene; 3]>,
}

fn source(
    file: Option<&str>,
    geometry: &Equirectangular,
    description: &Description,
) -> Done<Source> {
    let size = geometry.size();
    let chroma = description.chroma_size(size);
    if let Some(file) = file {
        let bytes = fs::read(file)?;
        let (luma, colour) = bytes.split_at(size.area_px() as usize);
        let (blue, red) = colour.split_at(chroma.area_px() as usize);
        let red = red.get(..chroma.area_px() as usize).ok_or("a frame of 3840×1920 in yuv420p")?;
        return Ok(Source { planes: [luma.to_vec(), blue.to_vec(), red.to_vec()], scenes: None });
    }
    let finest = f64::from(WIDTH) / 2.0 * 0.9;
    let scenes = [Scene::new(1, finest), Scene::new(2, finest / 2.0), Scene::new(3, finest / 2.0)];
    // The left of two pixels' centres, between two rows.
    let sited = |pixel: Pixel| Pixel::new(2.0 * pixel.x_px - 0.5, 2.0 * pixel.y_px);
    let planes = [
        plane(&scenes[0], size, |pixel| pixel, geometry),
        plane(&scenes[1], chroma, sited, geometry),
        plane(&scenes[2], chroma, sited, geometry),
    ];
    Ok(Source { planes, scenes: Some(scenes) })
}

/// Planes of the destination.
const SIDES: [[usize; 2]; 3] = [[2_880, 1_920], [1_440, 960], [1_440, 960]];

/// What a result is measured by.
struct Judge {
    truths: Option<[Truth; 3]>,
    /// Time of the peer that ours are compared with.
    linear_ms: f64,
}

impl Judge {
    fn new(source: &Source) -> Self {
        let sited =
            |pixel: Pixel| three_by_two(Pixel::new(2.0 * pixel.x_px - 0.5, 2.0 * pixel.y_px));
        let truths = source.scenes.as_ref().map(|scenes| {
            [
                Truth::draw(&scenes[0], SIDES[0], SAMPLES, &three_by_two),
                Truth::draw(&scenes[1], SIDES[1], SAMPLES / 4, &sited),
                Truth::draw(&scenes[2], SIDES[2], SAMPLES / 4, &sited),
            ]
        });
        Self { truths, linear_ms: f64::NAN }
    }

    fn print(&self, name: &str, ms: f64, planes: [&[u8]; 3]) {
        let quality = self.truths.as_ref().map_or(String::new(), |truths| {
            let of = |i: usize| truths[i].score(planes[i], SIDES[i][0]);
            let all = Score::merged(&[(of(0), 4.0), (of(1), 1.0), (of(2), 1.0)]);
            format!("{:7.2} dB luma {:7.2} dB all", of(0).db(), all.db())
        });
        println!("  {name:<30} {ms:7.2} ms {quality}  {:5.1} × v360 linear", self.linear_ms / ms);
    }
}

fn peers(source: &Source, judge: &mut Judge) -> Done<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("frame.yuv");
    fs::write(&path, source.planes.concat())?;
    for interpolation in ["linear", "cubic", "lanczos"] {
        let Some((ms, bytes)) = peer::v360(Path::new(&path), interpolation) else {
            println!("  there is no ffmpeg here");
            break;
        };
        if judge.linear_ms.is_nan() {
            judge.linear_ms = ms;
        }
        let (luma, rest) = bytes.split_at(SIDES[0][0] * SIDES[0][1]);
        let (blue, red) = rest.split_at(SIDES[1][0] * SIDES[1][1]);
        judge.print(&format!("v360 {interpolation}"), ms, [luma, blue, red]);
    }
    Ok(())
}

fn frame(file: Option<&str>) -> Done<()> {
    let size = Size::new(WIDTH, WIDTH / 2).ok_or("empty")?;
    let target = Size::new(3 * FACE, 2 * FACE).ok_or("empty")?;
    let (geometry, description) = (Equirectangular::full(size), Description::VIDEO);
    let source = source(file, &geometry, &description)?;
    let chroma = description.chroma_size(size);
    println!("yuv420p {WIDTH}×{} → 3×2 cube 2880×1920, a frame:", WIDTH / 2);
    let mut judge = Judge::new(&source);
    peers(&source, &mut judge)?;
    let planes = vec![
        PlaneView::new(size, WIDTH as usize, &source.planes[0])?,
        PlaneView::new(chroma, WIDTH as usize / 2, &source.planes[1])?,
        PlaneView::new(chroma, WIDTH as usize / 2, &source.planes[2])?,
    ];
    let frame = Frame { size, description, planes };
    let sides = ((geometry.into(), description), (target, description));
    let mut build_ms = f64::INFINITY;
    for kernel in [Kernel::Bilinear, Kernel::Bicubic, Kernel::Footprint, Kernel::Lanczos] {
        build_ms = build_ms.min(least_ms(3, || {
            FrameRemap::new(sides.0, sides.1, kernel, three_by_two)?;
            Ok(())
        })?);
        let remap = FrameRemap::new(sides.0, sides.1, kernel, three_by_two)?;
        let mut found: Vec<Plane<u8>> = remap.blank(3)?;
        let ms = least_ms(FRAMES, || Ok(remap.run(&frame, &mut found)?))?;
        let planes = [found[0].samples(), found[1].samples(), found[2].samples()];
        judge.print(&format!("ours, {kernel:?}"), ms, planes);
    }
    println!("  maps of luma and chroma        {build_ms:7.2} ms, once");
    if let Some(truths) = &judge.truths {
        let best = truths[0].adaptive(&source.planes[0], &geometry, &three_by_two);
        println!("  adaptive Lanczos 3 in f64                 {:7.2} dB luma", best.db());
    }
    memory((size.area_px() + target.area_px()) as f64 * 1.5)
}

/// What moving so many bytes takes at the speed of a copy.
fn memory(moved: f64) -> Done<()> {
    let copied = vec![1_u8; 64 << 20];
    let mut to = vec![0_u8; copied.len()];
    let copy_ms = least_ms(8, || {
        to.copy_from_slice(std::hint::black_box(&copied));
        std::hint::black_box(&to);
        Ok(())
    })?;
    let limit_ms = copy_ms * moved / 2.0 / copied.len() as f64;
    println!(
        "  memory: {:.1} GB/s copied; reading and writing the frames alone takes {limit_ms:.2} ms",
        copied.len() as f64 / copy_ms / 1e6
    );
    Ok(())
}

fn still() -> Done<()> {
    let size = Size::new(2 * WIDTH, WIDTH).ok_or("empty")?;
    let geometry = Equirectangular::full(size);
    let scene = Scene::new(5, f64::from(WIDTH) * 0.9);
    let samples = plane(&scene, size, |pixel| pixel, &geometry);
    let of = |samples: &Vec<u8>| Plane::new(size, samples.clone());
    let picture = Picture::from_planes(vec![of(&samples)?, of(&samples)?, of(&samples)?])?;
    let panorama = Panorama::full(picture);
    let face_px = (2 * FACE).try_into()?;
    println!("RGB {}×{WIDTH} → six faces of {face_px}:", 2 * WIDTH);
    for kernel in [Kernel::Bilinear, Kernel::Bicubic, Kernel::Footprint, Kernel::Lanczos] {
        let sampling = Sampling { kernel, ..Sampling::default() };
        let run = |face| remap(&panorama, &View::cube_face(face, face_px), &sampling);
        let cold_ms =
            least_ms(1, || Ok(Face::ALL.into_iter().try_for_each(|face| run(face).map(drop))?))?;
        let warm_ms =
            least_ms(3, || Ok(Face::ALL.into_iter().try_for_each(|face| run(face).map(drop))?))?;
        let mut qualities = Vec::new();
        for face in [Face::Front, Face::Up] {
            let view = View::cube_face(face, face_px);
            let ray = |pixel| view.ray(pixel);
            let truth = Truth::draw(&scene, [1_920; 2], SAMPLES / 4, &ray);
            let found: Picture<u8> = run(face)?;
            let best = truth.adaptive(&samples, &geometry, &ray).db();
            let db = truth.score(found.planes()[0].samples(), 1_920).db();
            qualities.push(format!("{face:?} {db:.2} dB (adaptive Lanczos in f64 {best:.2})"));
        }
        let name = format!("ours, {kernel:?}");
        println!(
            "  {name:<20} {cold_ms:7.1} ms, maps kept {warm_ms:7.1} ms; {}",
            qualities.join(", ")
        );
    }
    assert_eq!(panorama.channels(), Channels::Rgb);
    Ok(())
}

fn main() -> Done<()> {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    pool.install(|| {
        frame(file.as_deref()).map_err(|error| error.to_string())?;
        still().map_err(|error| error.to_string())
    })?;
    Ok(())
}
