//! Throughput of the engine on one core: `cargo bench -p panofleet-raster`.
//!
//! Bytes moved at 8192×4096 RGB, 8 bits, so that ratios can be judged against memory bandwidth
//! (about 10 GB/s to copy on the machines these were tuned on):
//!
//! - `remap`: a face of 2624² reads about 1/6 of the source's 101 MB, side faces a little less, and
//!   writes 20.7 MB. All six: 101 MB read, 124 MB written; 41.3 Mpx × 48 taps. Maps are kept.
//! - `planes_from_interleaved`: 101 MB read, 101 MB written; `tiles_to_interleaved`: 20.7 MB read
//!   and written.
//! - `reduce`: a face reads 20.7 MB and writes 5.2 MB.
//! - `resize`: 8192×4096 → 1024×512 reads 101 MB, six times over from the cache, and writes 1.6 MB.

use divan::Bencher;
use panofleet_projection::{Face, Pyramid, View};
use panofleet_raster::{
    Channels, Edges, Kernel, Panorama, Picture, Rect, Sampling, Size, reduce_by_two, remap, resize,
};

const WIDTH_PX: u32 = 8192;

fn main() {
    divan::main();
}

/// A busy picture: every pixel differs from its neighbours.
fn picture(width_px: u32, height_px: u32) -> Picture<u8> {
    let size = Size::new(width_px, height_px).expect("not empty");
    let len = size.area_px() as u32 * 3;
    let samples: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Picture::from_interleaved(Channels::Rgb, size, &samples).expect("the right length")
}

fn panorama() -> Panorama<u8> {
    Panorama::full(picture(WIDTH_PX, WIDTH_PX / 2))
}

fn face(panorama: &Panorama<u8>, face: Face, kernel: Kernel) -> Picture<u8> {
    let pyramid = Pyramid::new(WIDTH_PX.try_into().expect("not zero"));
    let view = View::cube_face(face, pyramid.face_px());
    let sampling = Sampling { kernel, ..Sampling::default() };
    remap(panorama, &view, &sampling).expect("small enough")
}

fn on_one_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread").install(work)
}

#[divan::bench(args = [Kernel::Nearest, Kernel::Bilinear, Kernel::Bicubic, Kernel::Footprint, Kernel::Lanczos], sample_count = 5)]
fn remap_front(bencher: Bencher<'_, '_>, kernel: Kernel) {
    let panorama = panorama();
    bencher.bench_local(|| on_one_core(|| face(&panorama, Face::Front, kernel)));
}

#[divan::bench(sample_count = 5)]
fn remap_up(bencher: Bencher<'_, '_>) {
    let panorama = panorama();
    bencher.bench_local(|| on_one_core(|| face(&panorama, Face::Up, Kernel::Footprint)));
}

#[divan::bench(sample_count = 3)]
fn remap_all_faces(bencher: Bencher<'_, '_>) {
    let panorama = panorama();
    bencher.bench_local(|| {
        on_one_core(|| Face::ALL.map(|name| face(&panorama, name, Kernel::Footprint)).len())
    });
}

#[divan::bench(sample_count = 5)]
fn planes_from_interleaved(bencher: Bencher<'_, '_>) {
    let size = Size::new(WIDTH_PX, WIDTH_PX / 2).expect("not empty");
    let samples = vec![7_u8; size.area_px() as usize * 3];
    bencher
        .bench_local(|| on_one_core(|| Picture::from_interleaved(Channels::Rgb, size, &samples)));
}

#[divan::bench(sample_count = 5)]
fn tiles_to_interleaved(bencher: Bencher<'_, '_>) {
    let face = picture(2624, 2624);
    let size = Size::new(656, 656).expect("not empty");
    bencher.bench_local(|| {
        for (row, column) in (0..4).flat_map(|row| (0..4).map(move |column| (row, column))) {
            let rect = Rect { left_px: column * 656, top_px: row * 656, size };
            divan::black_box(face.to_interleaved(rect).expect("inside"));
        }
    });
}

#[divan::bench(sample_count = 5)]
fn reduce_face(bencher: Bencher<'_, '_>) {
    let face = picture(2624, 2624);
    bencher.bench_local(|| on_one_core(|| reduce_by_two(&face)));
}

#[divan::bench(sample_count = 3)]
fn resize_to_an_eighth(bencher: Bencher<'_, '_>) {
    let picture = picture(WIDTH_PX, WIDTH_PX / 2);
    let size = Size::new(WIDTH_PX / 8, WIDTH_PX / 16).expect("not empty");
    bencher.bench_local(|| on_one_core(|| resize(&picture, size, Edges::WrapColumns)));
}
