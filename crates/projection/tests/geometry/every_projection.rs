//! One or more examples of every projection, with what is known of each without asking it.

use std::f64::consts::{FRAC_PI_2, TAU};

use panofleet_projection::{
    Calibration, CroppedArea, CubeArrangement, CubeFace, CubeLayout, Cubemap, Cylindrical,
    CylindricalEqualArea, Distortion, DualFisheye, Eac, Equirectangular, Face, Fisheye, GoproMax,
    HalfEquirectangular, Lens, LensArrangement, LensCurve, LensOrder, Mercator, Orientation,
    Pannini, Pixel, Projection, QuarterTurns, Rectilinear, Size, Stereographic,
};

/// An example.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) projection: Projection,
    /// Whether it has a pixel for every ray.
    pub(crate) is_whole: bool,
    /// The part of the picture whose pixels are the best for their rays.
    pub(crate) own: Own,
}

/// Where a picture shows a ray at its best place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own {
    Everywhere,
    /// Inside of circles of this radius around these centres.
    Circles([Pixel; 2], f64),
    /// At least so far from the borders of square cells of this side.
    Cells {
        side_px: f64,
        padding_px: f64,
    },
    /// Outside of the stripes around these columns.
    Columns {
        columns_px: [f64; 2],
        half_width_px: f64,
    },
}

impl Own {
    pub(crate) fn holds(self, pixel: Pixel) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Circles(centres, radius_px) => centres.iter().any(|centre| {
                (pixel.x_px - centre.x_px).hypot(pixel.y_px - centre.y_px) < radius_px
            }),
            Self::Cells { side_px, padding_px } => [pixel.x_px, pixel.y_px].iter().all(|at_px| {
                let in_cell_px = at_px.rem_euclid(side_px);
                in_cell_px > padding_px && in_cell_px < side_px - padding_px
            }),
            Self::Columns { columns_px, half_width_px } => {
                columns_px.iter().all(|column| (pixel.x_px - column).abs() > half_width_px)
            }
        }
    }
}

pub(crate) fn size(width_px: u32, height_px: u32) -> Size {
    Size::new(width_px, height_px).unwrap()
}

fn whole(projection: impl Into<Projection>) -> Example {
    Example { projection: projection.into(), is_whole: true, own: Own::Everywhere }
}

fn part(projection: impl Into<Projection>) -> Example {
    Example { projection: projection.into(), is_whole: false, own: Own::Everywhere }
}

pub(crate) const CURVES: [LensCurve; 7] = [
    LensCurve::Equidistant,
    LensCurve::Equisolid,
    LensCurve::Orthographic,
    LensCurve::Stereographic,
    LensCurve::UnifiedSphere { offset: 0.4 },
    LensCurve::UnifiedSphere { offset: 1.0 },
    LensCurve::UnifiedSphere { offset: 1.9 },
];

/// A lens with every kind of distortion, off centre, with pixels that are not square.
pub(crate) fn distorted_lens(curve: LensCurve) -> Lens {
    Lens::calibrated(Calibration {
        curve,
        focal_px: [310.0, 305.0],
        centre: Pixel::new(512.5, 488.25),
        distortion: Distortion {
            radial: [0.03, -0.012, 0.004, -0.0005],
            tangential: [0.0015, -0.0008],
        },
        field_of_view_rad: 2.9,
    })
    .unwrap()
}

pub(crate) fn all() -> Vec<Example> {
    let mut all = vec![
        whole(Equirectangular::full(size(1200, 600))),
        whole(Equirectangular::full(size(301, 777))),
        part(Mercator::new(size(1000, 2500), TAU).unwrap()),
        part(HalfEquirectangular::new(size(900, 901))),
        part(Cylindrical::new(size(1000, 500), TAU).unwrap()),
        part(Cylindrical::new(size(1000, 800), 2.0).unwrap().with_horizon(-20.5).unwrap()),
        part(Mercator::new(size(640, 480), 1.5).unwrap().with_horizon(900.0).unwrap()),
        part(Rectilinear::new(size(800, 600), 1.6).unwrap()),
        part(Stereographic::new(size(800, 600), 5.5).unwrap()),
        part(Pannini::new(size(900, 500), 1.4, 0.0, 0.0).unwrap()),
        part(Pannini::new(size(900, 500), 3.9, 0.7, 0.0).unwrap()),
        part(Pannini::new(size(900, 500), 2.4, 1.0, 0.6).unwrap()),
        part(Pannini::new(size(900, 500), 3.0, 6.0, 1.0).unwrap()),
        part(
            Equirectangular::cropped(
                size(500, 200),
                CroppedArea {
                    full_width_px: 2000,
                    full_height_px: 1000,
                    left_px: 300,
                    top_px: 100,
                    width_px: 1000,
                    height_px: 400,
                },
            )
            .unwrap(),
        ),
    ];
    // As high as its equator's length is wide by π: exactly from pole to pole.
    let height_px = 400.0;
    let equal_area = CylindricalEqualArea::new(size(1257, 400), 1257.0 / (height_px / 2.0));
    all.push(part(equal_area.unwrap_or_else(|_| {
        CylindricalEqualArea::new(size(1256, 400), 1256.0 / (height_px / 2.0)).unwrap()
    })));
    for face in Face::ALL {
        all.push(part(CubeFace { face, face_px: 256.try_into().unwrap() }));
    }
    all.extend(cubes());
    for curve in CURVES {
        let field_rad = if curve == LensCurve::Orthographic { 3.1 } else { 3.3 };
        all.push(part(Fisheye::inscribed(size(1000, 900), curve, field_rad).unwrap()));
        all.push(part(Fisheye::new(size(1000, 1000), distorted_lens(curve))));
    }
    all.extend(pairs());
    let overlaps = Own::Columns { columns_px: [688.0, 4096.0 - 688.0], half_width_px: 32.0 };
    let max = GoproMax::new(size(4096, 2688)).unwrap();
    all.push(Example { projection: max.into(), is_whole: true, own: overlaps });
    all
}

fn cubes() -> Vec<Example> {
    const NONE: QuarterTurns = QuarterTurns::None;
    let turned = CubeLayout::new(
        CubeArrangement::SixByOne,
        [Face::Up, Face::Back, Face::Left, Face::Right, Face::Down, Face::Front],
        [
            QuarterTurns::Clockwise,
            QuarterTurns::Half,
            QuarterTurns::CounterClockwise,
            NONE,
            NONE,
            QuarterTurns::Clockwise,
        ],
    )
    .unwrap();
    let padded = |projection: Projection| Example {
        projection,
        is_whole: true,
        own: Own::Cells { side_px: 100.0, padding_px: 7.25 },
    };
    vec![
        whole(Cubemap::new(size(600, 400), CubeLayout::ffmpeg(), 0.0).unwrap()),
        whole(Cubemap::new(size(600, 100), turned, 0.0).unwrap()),
        whole(Cubemap::new(size(100, 601), CubeLayout::ffmpeg_column(), 0.0).unwrap()),
        whole(Cubemap::new(size(800, 600), CubeLayout::horizontal_cross(), 0.0).unwrap()),
        whole(Cubemap::new(size(600, 800), CubeLayout::vertical_cross(), 0.0).unwrap()),
        whole(Eac::youtube(size(1280, 720)).unwrap()),
        whole(Eac::new(size(600, 100), turned, 0.0).unwrap()),
        padded(Cubemap::new(size(300, 200), CubeLayout::google(), 7.25).unwrap().into()),
        padded(Eac::new(size(300, 200), CubeLayout::youtube(), 7.25).unwrap().into()),
        padded(Eac::new(size(600, 100), turned, 7.25).unwrap().into()),
    ]
}

fn pairs() -> Vec<Example> {
    let mut pairs = Vec::new();
    // 200° across circles of 500 px: 90° off the axis is 225 px from the centre.
    let field_rad = 200.0_f64.to_radians();
    for order in [LensOrder::FrontFirst, LensOrder::BackFirst] {
        for (arrangement, size, centres) in [
            (LensArrangement::SideBySide, size(1000, 500), [(250.0, 250.0), (750.0, 250.0)]),
            (LensArrangement::Stacked, size(500, 1000), [(250.0, 250.0), (250.0, 750.0)]),
        ] {
            let curve = LensCurve::Equidistant;
            let pair =
                DualFisheye::back_to_back(size, arrangement, order, curve, field_rad).unwrap();
            pairs.push(Example {
                projection: pair.into(),
                is_whole: true,
                own: Own::Circles(centres.map(|(x, y)| Pixel::new(x, y)), 225.0),
            });
        }
    }
    // Lenses with a gap between them, and each turned on its own.
    let lens = |x_px| Lens::ideal(LensCurve::Equisolid, Pixel::new(x_px, 300.0), 280.0, 2.8);
    let orientations =
        [Orientation::new(0.1, 0.02, FRAC_PI_2), Orientation::new(3.2, -0.04, -FRAC_PI_2)];
    pairs.push(part(DualFisheye::new(
        size(1200, 600),
        LensArrangement::SideBySide,
        [lens(305.0).unwrap(), lens(890.0).unwrap()],
        orientations.map(Result::unwrap),
    )));
    pairs
}
