//! Layout and orientation against another program: FFmpeg's `v360`.
//!
//! Each picture that FFmpeg makes here shows directions: its three channels are the `x`, `y` and
//! `z` of the ray that the sample was taken from. A face in the wrong place, turned or mirrored is
//! wrong by tens of degrees, while FFmpeg's own positions are wrong by half a pixel and more. It is
//! an authority on which way around a format is, not on where exactly a sample lies, so the bound
//! is one and a half pixels of either picture.

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_2, PI, TAU};
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};
    use std::sync::LazyLock;

    use panofleet_projection::{
        CubeArrangement, CubeLayout, Cubemap, Cylindrical, DualFisheye, Eac, Equirectangular, Face,
        Fisheye, HalfEquirectangular, LensArrangement, LensCurve, LensOrder, Mercator, Orientation,
        Pannini, Pixel, Projection, QuarterTurns, Ray, Rectilinear, Size, Stereographic, View,
    };

    const SOURCE_WIDTH_PX: u32 = 2048;

    fn size(width_px: u32, height_px: u32) -> Size {
        Size::new(width_px, height_px).unwrap()
    }

    fn source() -> Equirectangular {
        Equirectangular::full(size(SOURCE_WIDTH_PX, SOURCE_WIDTH_PX / 2))
    }

    fn pixels(size: Size) -> impl Iterator<Item = Pixel> {
        (0..size.height_px())
            .flat_map(move |row| (0..size.width_px()).map(move |column| Pixel::centre(column, row)))
    }

    /// Three planes of 16 bits in FFmpeg's order (green, blue, red): `y`, `z`, `x`.
    fn directions(projection: Projection) -> Vec<u8> {
        let rays: Vec<_> =
            pixels(projection.size()).map(|pixel| projection.ray(pixel).unwrap()).collect();
        let plane = |component: fn(Ray) -> f64| {
            let sample = move |ray: &Ray| ((component(*ray) + 1.0) / 2.0 * 65_535.0).round() as u16;
            rays.iter().flat_map(move |ray| sample(ray).to_le_bytes()).collect::<Vec<_>>()
        };
        [plane(Ray::y), plane(Ray::z), plane(Ray::x)].concat()
    }

    #[expect(clippy::disallowed_methods, reason = "the other program is what this is about")]
    fn v360(filter: &str, from: Size, to: Size, samples: &[u8]) -> Vec<Option<Ray>> {
        let (width, height) = (to.width_px(), to.height_px());
        let filter = format!("v360={filter}:w={width}:h={height}:interp=near");
        let input_size = format!("{}x{}", from.width_px(), from.height_px());
        let format = ["-f", "rawvideo", "-pix_fmt", "gbrp16le"];
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error"])
            .args(format)
            .args(["-s", &input_size, "-i", "pipe:0", "-vf", &filter])
            .args(format)
            .arg("pipe:1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program `ffmpeg`, which this test needs");
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let made = std::thread::scope(|scope| {
            scope.spawn(move || input.write_all(samples).expect("FFmpeg takes the picture"));
            let mut made = Vec::new();
            output.read_to_end(&mut made).expect("FFmpeg gives a picture");
            made
        });
        assert!(child.wait().unwrap().success(), "{filter}");
        let count = to.area_px() as usize;
        assert_eq!(made.len(), count * 6, "{filter}");
        let component = |plane: usize, index: usize| {
            let at = 2 * (plane * count + index);
            f64::from(u16::from_le_bytes([made[at], made[at + 1]])) / 65_535.0 * 2.0 - 1.0
        };
        let ray = |index| {
            let point = [component(2, index), component(0, index), component(1, index)];
            // Black is what FFmpeg paints where there is nothing.
            if point == [-1.0; 3] { None } else { Ray::through(point) }
        };
        (0..count).map(ray).collect()
    }

    /// FFmpeg's picture `to` shows what `expected` says, nearly everywhere: at the borders of
    /// faces its errors may fall on the other side.
    #[track_caller]
    fn check_view(filter: &str, expected: &View, pixel_rad: f64) {
        static SPHERE: LazyLock<Vec<u8>> = LazyLock::new(|| directions(source().into()));
        let found = v360(&format!("e:{filter}"), source().size(), expected.size(), &SPHERE);
        let bound_rad = 1.5 * pixel_rad + 1.5 * TAU / f64::from(SOURCE_WIDTH_PX);
        let (mut checked, mut wrong) = (0_u32, 0_u32);
        for (pixel, found) in pixels(expected.size()).zip(found) {
            let (Some(expected), Some(found)) = (expected.ray(pixel), found) else { continue };
            checked += 1;
            wrong += u32::from(expected.angle_rad(found) > bound_rad);
        }
        let area = expected.size().area_px() as u32;
        assert!(checked > area / 3, "{filter}: only {checked} of {area} pixels have rays in both");
        assert!(wrong * 200 < checked, "{filter}: {wrong} of {checked} pixels are elsewhere");
    }

    #[track_caller]
    fn check(filter: &str, expected: impl Into<Projection>, pixel_rad: f64) {
        check_view(filter, &View::new(expected, Orientation::IDENTITY), pixel_rad);
    }

    #[test]
    fn cube_maps() {
        let cube = |size, layout, padding_px| Cubemap::new(size, layout, padding_px).unwrap();
        let pixel_rad = 2.0 / 128.0;
        check("c3x2", cube(size(384, 256), CubeLayout::ffmpeg(), 0.0), pixel_rad);
        check("c6x1", cube(size(768, 128), CubeLayout::ffmpeg_row(), 0.0), pixel_rad);
        check("c1x6", cube(size(128, 768), CubeLayout::ffmpeg_column(), 0.0), pixel_rad);
        // FFmpeg counts what both sides of a face have together.
        check("c3x2:fout_pad=16", cube(size(384, 256), CubeLayout::ffmpeg(), 8.0), pixel_rad);
        let order = CubeLayout::from_letters(CubeArrangement::ThreeByTwo, "bdflru").unwrap();
        check("c3x2:out_forder=bdflru", cube(size(384, 256), order, 0.0), pixel_rad);
    }

    /// FFmpeg counts quarter turns clockwise.
    #[test]
    fn turned_faces() {
        use QuarterTurns::{Clockwise, CounterClockwise, Half, None};
        let faces = [Face::Right, Face::Left, Face::Up, Face::Down, Face::Front, Face::Back];
        let turns = [Clockwise, Half, CounterClockwise, None, Clockwise, CounterClockwise];
        let layout = CubeLayout::new(CubeArrangement::ThreeByTwo, faces, turns).unwrap();
        let cube = Cubemap::new(size(384, 256), layout, 0.0).unwrap();
        check("c3x2:out_frot=123013", cube, 2.0 / 128.0);
    }

    #[test]
    fn equi_angular_cubes() {
        let pixel_rad = FRAC_PI_2 / 128.0;
        // FFmpeg squeezes its faces by two pixels, unasked, which moves their borders by as much.
        check("eac", Eac::youtube(size(384, 256)).unwrap(), 2.5 * pixel_rad);
        // And the other way: FFmpeg reads ours.
        let ours = Eac::youtube(size(1536, 1024)).unwrap();
        let sphere = Equirectangular::full(size(512, 256));
        let found = v360("eac:e", ours.size(), sphere.size(), &directions(ours.into()));
        let wrong = pixels(sphere.size()).zip(found).filter(|(pixel, found)| {
            found.is_none_or(|found| found.angle_rad(sphere.ray(*pixel)) > 2.5 * TAU / 512.0)
        });
        assert!(wrong.count() < 100);
    }

    #[test]
    fn spheres_and_cylinders() {
        check("hequirect", HalfEquirectangular::new(size(256, 256)), PI / 256.0);
        check("mercator", Mercator::new(size(512, 512), TAU).unwrap(), TAU / 512.0);
        let cylinder = Cylindrical::new(size(400, 300), 2.0).unwrap();
        let [wide_deg, high_deg] = [2.0, 2.0 * 0.75_f64.atan()].map(f64::to_degrees);
        check(&format!("cylindrical:h_fov={wide_deg}:v_fov={high_deg}"), cylinder, 1.0 / 200.0);
    }

    #[test]
    fn flat_and_wide_views() {
        let pixel_rad = 2.0 / 256.0;
        let flat = Rectilinear::new(size(256, 256), FRAC_PI_2).unwrap();
        check("flat:h_fov=90:v_fov=90", flat, pixel_rad);
        let wide = Stereographic::new(size(256, 256), 200.0_f64.to_radians()).unwrap();
        check("sg:h_fov=200:v_fov=200", wide, 2.5 * pixel_rad);
        // FFmpeg's picture is two focal lengths wide, and its `h_fov` is d: 2·tan(λ/2) = 1.
        let pannini = Pannini::new(size(256, 256), 4.0 * 0.5_f64.atan(), 1.0, 0.0).unwrap();
        check("pannini:h_fov=1", pannini, pixel_rad);
    }

    #[test]
    fn lenses() {
        let pixel_rad = PI / 256.0;
        for (filter, curve, fov_deg) in [
            ("fisheye", LensCurve::Equidistant, 180.0_f64),
            ("equisolid", LensCurve::Equisolid, 180.0),
            ("og", LensCurve::Orthographic, 150.0),
        ] {
            let fisheye = Fisheye::inscribed(size(256, 256), curve, fov_deg.to_radians()).unwrap();
            check(&format!("{filter}:h_fov={fov_deg}:v_fov={fov_deg}"), fisheye, 2.0 * pixel_rad);
        }
        let pair = DualFisheye::back_to_back(
            size(512, 256),
            LensArrangement::SideBySide,
            LensOrder::BackFirst,
            LensCurve::Equidistant,
            190.0_f64.to_radians(),
        );
        check("dfisheye:h_fov=190:v_fov=190", pair.unwrap(), pixel_rad);
    }

    /// Yaw to the right, pitch up, roll clockwise.
    #[test]
    fn signs_of_angles() {
        let flat = Rectilinear::new(size(256, 256), FRAC_PI_2).unwrap();
        for (yaw_deg, pitch_deg, roll_deg) in [(40.0, 0.0, 0.0), (0.0, 30.0, 0.0), (0.0, 0.0, 20.0)]
        {
            let filter =
                format!("flat:h_fov=90:v_fov=90:yaw={yaw_deg}:pitch={pitch_deg}:roll={roll_deg}");
            let orientation = Orientation::from_degrees(yaw_deg, pitch_deg, roll_deg).unwrap();
            check_view(&filter, &View::new(flat, orientation), 2.0 / 256.0);
        }
    }
}
