//! Frames of YCbCr: chroma is where its siting says, ranges convert, nothing else moves.

use panofleet_projection::{CubeFace, Equirectangular, Face, Pixel, Size};
use panofleet_raster::{
    Description, Frame, FrameRemap, Kernel, Matrix, Plane, PlaneView, Range, RasterError, Siting,
    Subsampling,
};

use crate::scene::{self, Direction};

const WIDTH_PX: u32 = 1_024;

/// Where a chroma sample's centre lies in the picture, from the definitions in H.273.
fn sited(siting: Siting, subsampling: Subsampling, column: u32, row: u32) -> (f64, f64) {
    let (column, row) = (f64::from(column), f64::from(row));
    let (across, down) = match subsampling {
        Subsampling::None => return (column + 0.5, row + 0.5),
        Subsampling::Half => (2.0, 1.0),
        Subsampling::Quarter => (2.0, 2.0),
    };
    let between = |step: f64| step / 2.0;
    let (x, y) = match siting {
        Siting::Centre => (between(across), between(down)),
        Siting::Left => (0.5, between(down)),
        Siting::TopLeft => (0.5, 0.5),
    };
    (column * across + x, row * down + y)
}

/// A plane of one coordinate of the ray that each chroma sample looks along.
fn chroma(
    description: &Description,
    size: Size,
    axis: usize,
    ray: impl Fn(f64, f64) -> Direction,
) -> Plane<f32> {
    let size = description.chroma_size(size);
    let samples = (0..size.height_px()).flat_map(|row| {
        let ray = &ray;
        (0..size.width_px()).map(move |column| {
            let (x, y) = sited(description.siting, description.subsampling, column, row);
            ray(x, y)[axis] as f32
        })
    });
    Plane::new(size, samples.collect()).unwrap()
}

/// The worst error of chroma's position, in pixels of the picture.
fn worst_px(source: Description, target: Description, face_px: u32) -> f64 {
    let size = Size::new(WIDTH_PX, WIDTH_PX / 2).unwrap();
    let from = scene::equirectangular(WIDTH_PX, WIDTH_PX / 2);
    let luma = Plane::filled(size, 0.5_f32).unwrap();
    // Two coordinates; the third follows.
    let planes = [0, 1].map(|axis| chroma(&source, size, axis, &from));
    let frame = Frame {
        size,
        description: source,
        planes: [&luma, &planes[0], &planes[1]].map(PlaneView::from).to_vec(),
    };
    let target_size = Size::new(face_px, face_px).unwrap();
    let face = CubeFace { face: Face::Right, face_px: face_px.try_into().unwrap() };
    let geometry = Equirectangular::full(size).into();
    let ray = |pixel: Pixel| Some(face.ray(pixel));
    let remap =
        FrameRemap::new((geometry, source), (target_size, target), Kernel::Bicubic, ray).unwrap();
    let mut found: Vec<Plane<f32>> = remap.blank(3).unwrap();
    remap.run(&frame, &mut found).unwrap();
    assert!(found[0].samples().iter().all(|luma| (luma - 0.5).abs() < 1e-5));
    let to = scene::cube_face('r', face_px);
    let mut worst = 0.0_f64;
    for axis in [0, 1] {
        let expected = chroma(&target, target_size, axis, &to);
        assert_eq!(found[axis + 1].size(), expected.size());
        for (found, expected) in found[axis + 1].samples().iter().zip(expected.samples()) {
            worst = worst.max(f64::from((found - expected).abs()));
        }
    }
    worst * f64::from(WIDTH_PX) / std::f64::consts::TAU
}

#[test]
fn chroma_is_where_its_siting_says() {
    // In floats a range changes nothing that is not said: full on both sides.
    let of = |subsampling, siting| Description { subsampling, siting, ..Description::JPEG };
    let all = [
        of(Subsampling::None, Siting::Centre),
        of(Subsampling::Half, Siting::Left),
        of(Subsampling::Half, Siting::Centre),
        of(Subsampling::Quarter, Siting::Left),
        of(Subsampling::Quarter, Siting::Centre),
        of(Subsampling::Quarter, Siting::TopLeft),
    ];
    for source in all {
        for target in all {
            let worst_px = worst_px(source, target, 320);
            // The map's bound is in chroma samples, which are two pixels.
            assert!(worst_px < 0.02, "{worst_px} px: {source:?} → {target:?}");
        }
    }
}

/// `[luma, chroma]` of a frame of one colour, converted.
fn converted(source: Description, target: Description, values: [u8; 2]) -> [u8; 2] {
    let size = Size::new(512, 256).unwrap();
    let plane = |size, value| Plane::filled(size, value).unwrap();
    let colour = plane(source.chroma_size(size), values[1]);
    let luma = plane(size, values[0]);
    let frame = Frame {
        size,
        description: source,
        planes: [&luma, &colour, &colour].map(PlaneView::from).to_vec(),
    };
    let geometry = Equirectangular::full(size);
    let ray = |pixel: Pixel| Some(geometry.ray(pixel));
    let sides = ((geometry.into(), source), (size, target));
    let remap = FrameRemap::new(sides.0, sides.1, Kernel::Footprint, ray).unwrap();
    let mut found: Vec<Plane<u8>> = remap.blank(3).unwrap();
    remap.run(&frame, &mut found).unwrap();
    let only = |plane: &Plane<u8>| {
        let first = plane.samples()[0];
        assert!(plane.samples().iter().all(|value| *value == first));
        first
    };
    [only(&found[0]), only(&found[1])]
}

/// Values by hand from ITU-R BT.601 and JFIF.
#[test]
fn ranges_convert() {
    let limited = Description { range: Range::Limited, ..Description::JPEG };
    for (full, narrow) in [
        ([0, 128], [16, 128]),
        ([255, 255], [235, 240]),
        ([128, 0], [126, 16]),
        ([51, 64], [60, 72]),
    ] {
        assert_eq!(converted(Description::JPEG, limited, full), narrow, "{full:?}");
    }
    assert_eq!(converted(limited, Description::JPEG, [235, 128]), [255, 128]);
    assert_eq!(converted(limited, Description::JPEG, [0, 128]), [0, 128], "below black");
    assert_eq!(converted(limited, limited, [0, 3]), [0, 3], "no conversion, no clamping");
}

/// A frame on itself, whatever its siting, is the same frame.
#[test]
fn a_frame_on_itself_is_the_same() {
    let size = Size::new(1_024, 512).unwrap();
    let geometry = Equirectangular::full(size);
    for description in [Description::JPEG, Description::VIDEO] {
        let noise = |size: Size, seed: u32| {
            let value = |i: u32| ((i ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8;
            Plane::new(size, (0..size.area_px() as u32).map(value).collect()).unwrap()
        };
        let chroma = description.chroma_size(size);
        let planes = [noise(size, 1), noise(chroma, 2), noise(chroma, 3)];
        let views = planes.iter().map(PlaneView::from).collect();
        let frame = Frame { size, description, planes: views };
        let ray = |pixel: Pixel| Some(geometry.ray(pixel));
        let sides = ((geometry.into(), description), (size, description));
        let remap = FrameRemap::new(sides.0, sides.1, Kernel::Footprint, ray).unwrap();
        let mut found: Vec<Plane<u8>> = remap.blank(3).unwrap();
        remap.run(&frame, &mut found).unwrap();
        assert!(found[..] == planes[..], "{description:?}");
    }
}

#[test]
fn what_would_mix_planes_is_refused() {
    let size = Size::new(64, 32).unwrap();
    let geometry = Equirectangular::full(size);
    let other = Description { matrix: Matrix::Bt601, ..Description::VIDEO };
    let ray = |pixel: Pixel| Some(geometry.ray(pixel));
    let sides = ((geometry.into(), Description::VIDEO), (size, other));
    let refused = FrameRemap::new(sides.0, sides.1, Kernel::Bicubic, ray).unwrap_err();
    assert_eq!(refused, RasterError::OtherColours);
}
