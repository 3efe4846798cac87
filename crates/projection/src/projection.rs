//! Any projection, by one name.

use crate::scalar::{Dual, Scalar};
use crate::{
    CubeFace, Cubemap, Cylindrical, CylindricalEqualArea, DualFisheye, Eac, Equirectangular,
    Fisheye, GoproMax, HalfEquirectangular, Jacobian, Mercator, Pannini, Pixel, Ray, Rectilinear,
    Size, Stereographic, StraightRow,
};

/// No picture reaches this far: positions beyond it have no ray.
const POSITION_PX_MAX: f64 = 8_589_934_592.0;

/// Two positions as close as this are one and the same, up to rounding.
const SAME_PLACE_PX: f64 = 1e-3;

/// Any projection of this crate.
///
/// Every function is total: any `f64`, not a number and infinities included, gives an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "half a kilobyte, copied once per picture")]
pub enum Projection {
    /// Columns are yaw, rows are pitch.
    Equirectangular(Equirectangular),
    /// The front half of an equirectangular picture.
    HalfEquirectangular(HalfEquirectangular),
    /// One face of a cube.
    CubeFace(CubeFace),
    /// Six flat faces in one picture.
    Cubemap(Cubemap),
    /// Six equi-angular faces in one picture.
    Eac(Eac),
    /// The two equi-angular strips of a GoPro MAX.
    GoproMax(GoproMax),
    /// A central cylinder.
    Cylindrical(Cylindrical),
    /// Lambert's cylinder of equal areas.
    CylindricalEqualArea(CylindricalEqualArea),
    /// A cylinder that keeps shapes.
    Mercator(Mercator),
    /// A flat view.
    Rectilinear(Rectilinear),
    /// A wide view whose upright lines stay straight.
    Pannini(Pannini),
    /// The sphere seen from its far side: little planets.
    Stereographic(Stereographic),
    /// One fisheye lens.
    Fisheye(Fisheye),
    /// Two fisheye lenses back to back.
    DualFisheye(DualFisheye),
}

/// Calls the same function of whichever projection it is.
macro_rules! of_each {
    ($projection:expr, $each:ident => $call:expr) => {
        match $projection {
            Self::Equirectangular($each) => $call,
            Self::HalfEquirectangular($each) => $call,
            Self::CubeFace($each) => $call,
            Self::Cubemap($each) => $call,
            Self::Eac($each) => $call,
            Self::GoproMax($each) => $call,
            Self::Cylindrical($each) => $call,
            Self::CylindricalEqualArea($each) => $call,
            Self::Mercator($each) => $call,
            Self::Rectilinear($each) => $call,
            Self::Pannini($each) => $call,
            Self::Stereographic($each) => $call,
            Self::Fisheye($each) => $call,
            Self::DualFisheye($each) => $call,
        }
    };
}

impl Projection {
    /// The projection's name: lower case, the same in every release.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Equirectangular(_) => "equirectangular",
            Self::HalfEquirectangular(_) => "half_equirectangular",
            Self::CubeFace(_) => "cube_face",
            Self::Cubemap(_) => "cubemap",
            Self::Eac(_) => "eac",
            Self::GoproMax(_) => "gopro_max",
            Self::Cylindrical(_) => "cylindrical",
            Self::CylindricalEqualArea(_) => "cylindrical_equal_area",
            Self::Mercator(_) => "mercator",
            Self::Rectilinear(_) => "rectilinear",
            Self::Pannini(_) => "pannini",
            Self::Stereographic(_) => "stereographic",
            Self::Fisheye(_) => "fisheye",
            Self::DualFisheye(_) => "dual_fisheye",
        }
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        of_each!(self, each => each.size())
    }

    /// Pixel → ray in the projection's own frame, or `None` where the projection has no ray.
    ///
    /// A projection of the whole plane continues outside of its picture.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        if is_near(pixel) { self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit) } else { None }
    }

    /// Ray in the projection's own frame → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let pixel = of_each!(self, each => each.pixel(ray))?;
        (pixel.x_px.is_finite() && pixel.y_px.is_finite()).then_some(pixel)
    }

    /// How far pixels move with rays, in the projection's own frame: rows are `x` and `y` in
    /// pixels, columns are east and north in radians.
    ///
    /// `None` where there is no ray, and where the scale is infinite: at a pole of a projection
    /// whose top row is a single point.
    pub fn jacobian(&self, pixel: Pixel) -> Option<Jacobian> {
        self.radians_per_pixel(pixel, |tangent| tangent)?.inverse()
    }

    /// The solid angle of a pixel, in steradians per square pixel at this position; `None` where
    /// there is no ray.
    pub fn solid_angle_sr(&self, pixel: Pixel) -> Option<f64> {
        let area = self.radians_per_pixel(pixel, |tangent| tangent)?.determinant().abs();
        area.is_finite().then_some(area)
    }

    /// What a pixel counts in a mean over the sphere, as WS-PSNR takes it: its solid angle, in
    /// steradians per square pixel.
    ///
    /// It is 0 where there is no ray, and where the picture has the ray at a better place: outside
    /// of its borders, in padding, in what two lenses both see. So the weights of a picture of the
    /// whole sphere add up to 4π.
    pub fn weight_sr(&self, pixel: Pixel) -> f64 {
        let is_own = |ray: Ray| {
            self.pixel(ray).is_some_and(|own| {
                (own.x_px - pixel.x_px).hypot(own.y_px - pixel.y_px) < SAME_PLACE_PX
            })
        };
        match self.ray(pixel) {
            Some(ray) if is_own(ray) => self.solid_angle_sr(pixel).unwrap_or(0.0),
            _ => 0.0,
        }
    }

    /// Rows are east and north in radians, columns are `x` and `y` in pixels, after `turn`ing.
    pub(crate) fn radians_per_pixel(
        &self,
        pixel: Pixel,
        turn: impl Fn([f64; 3]) -> [f64; 3],
    ) -> Option<Jacobian> {
        if !is_near(pixel) {
            return None;
        }
        let unit = self.unit([Dual::x(pixel.x_px), Dual::y(pixel.y_px)])?;
        let ray = Ray::from_unit(turn(unit.map(|component| component.value)));
        let by_x = turn(unit.map(|component| component.by_x));
        let by_y = turn(unit.map(|component| component.by_y));
        let along = |direction: [f64; 3], tangent: [f64; 3]| {
            direction.iter().zip(tangent).map(|(a, b)| a * b).sum::<f64>()
        };
        let [east, north] = ray.east_and_north();
        Some(Jacobian::new([
            [along(east, by_x), along(east, by_y)],
            [along(north, by_x), along(north, by_y)],
        ]))
    }

    pub(crate) fn straight_row(&self, y_px: f64) -> Option<StraightRow> {
        match self {
            Self::CubeFace(face) => Some(face.straight_row(y_px)),
            Self::Rectilinear(rectilinear) => Some(rectilinear.straight_row(y_px)),
            Self::Equirectangular(_)
            | Self::HalfEquirectangular(_)
            | Self::Cubemap(_)
            | Self::Eac(_)
            | Self::GoproMax(_)
            | Self::Cylindrical(_)
            | Self::CylindricalEqualArea(_)
            | Self::Mercator(_)
            | Self::Pannini(_)
            | Self::Stereographic(_)
            | Self::Fisheye(_)
            | Self::DualFisheye(_) => None,
        }
    }

    fn unit<S: Scalar>(&self, at: [S; 2]) -> Option<[S; 3]> {
        match self {
            Self::Equirectangular(each) => Some(each.unit(at)),
            Self::HalfEquirectangular(each) => Some(each.unit(at)),
            Self::CubeFace(each) => Some(each.unit(at)),
            Self::Cubemap(each) => each.unit(at),
            Self::Eac(each) => each.unit(at),
            Self::GoproMax(each) => each.unit(at),
            Self::Cylindrical(each) => Some(each.unit(at)),
            Self::CylindricalEqualArea(each) => each.unit(at),
            Self::Mercator(each) => Some(each.unit(at)),
            Self::Rectilinear(each) => Some(each.unit(at)),
            Self::Pannini(each) => each.unit(at),
            Self::Stereographic(each) => Some(each.unit(at)),
            Self::Fisheye(each) => each.unit(at),
            Self::DualFisheye(each) => each.unit(at),
        }
    }
}

/// Not for what is not a number.
fn is_near(pixel: Pixel) -> bool {
    pixel.x_px.abs() <= POSITION_PX_MAX && pixel.y_px.abs() <= POSITION_PX_MAX
}

macro_rules! from_each {
    ($($projection:ident),+ $(,)?) => {
        $(impl From<$projection> for Projection {
            fn from(projection: $projection) -> Self {
                Self::$projection(projection)
            }
        })+
    };
}

from_each!(
    Equirectangular,
    HalfEquirectangular,
    CubeFace,
    Cubemap,
    Eac,
    GoproMax,
    Cylindrical,
    CylindricalEqualArea,
    Mercator,
    Rectilinear,
    Pannini,
    Stereographic,
    Fisheye,
    DualFisheye,
);
