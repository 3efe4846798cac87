//! Pixel to ray and back, for each panorama projection: pure `f64` maths.
//!
//! # Frame
//!
//! The viewer stands at the origin. `x` points right, `y` up, `z` forward, so the frame is
//! *left-handed*: `x × y` written out by components is forward. Every rotation is spelled out in
//! [`Orientation`], so no formula depends on the reader's hand.
//!
//! - **yaw** is positive to the right, **pitch** positive up, **roll** positive when the camera
//!   turns clockwise as seen by the viewer. These are the signs of GPano metadata and of the
//!   common viewers. Angles are radians and their names end in `_rad`.
//! - A [`Ray`] is a unit vector: `(cos pitch · sin yaw, sin pitch, cos pitch · cos yaw)`.
//! - A [`Pixel`] is continuous: `x` right, `y` down, the centre of the first pixel at (0.5, 0.5)
//!   and the picture's corners at (0, 0) and (width, height).
//!
//! # Projections
//!
//! Each projection is one file with two functions, `ray` (pixel → ray) and `pixel` (ray → pixel),
//! so *n* projections need 2·*n* functions to convert any to any.
//!
//! | name | type | what it shows |
//! |---|---|---|
//! | `equirectangular` | [`Equirectangular`] | the sphere, or a crop of it as GPano names it |
//! | `half_equirectangular` | [`HalfEquirectangular`] | the front hemisphere (VR180) |
//! | `cube_face` | [`CubeFace`] | one face of a cube |
//! | `cubemap` | [`Cubemap`] | six faces in one picture, in any [`CubeLayout`], padded or not |
//! | `eac` | [`Eac`] | the same with columns and rows that are angles |
//! | `gopro_max` | [`GoproMax`] | the two strips of a GoPro MAX |
//! | `cylindrical` | [`Cylindrical`] | a belt around the horizon; upright lines are straight |
//! | `cylindrical_equal_area` | [`CylindricalEqualArea`] | equal areas for equal solid angles |
//! | `mercator` | [`Mercator`] | a belt in which shapes are kept |
//! | `rectilinear` | [`Rectilinear`] | a flat view; straight lines are straight |
//! | `pannini` | [`Pannini`] | a wide view; upright and radial lines are straight |
//! | `stereographic` | [`Stereographic`] | a very wide view, or a little planet |
//! | `fisheye` | [`Fisheye`] | what one [`Lens`] sees, with its distortion |
//! | `dual_fisheye` | [`DualFisheye`] | what two lenses back to back see |
//!
//! [`Projection`] is any of them. Where a projection has no ray for a pixel (outside of a fisheye's
//! circle, in the empty cells of a cross) or no pixel for a ray (behind a flat view), the answer is
//! `None`; no input makes it panic. The derivatives come from the same code as the rays, run on
//! numbers that carry them: [`Projection::jacobian`] is the local scale that a resampler needs, and
//! [`Projection::weight_sr`] the solid angle of a pixel that WS-PSNR weights it by.
//!
//! [`View`] joins a projection with an orientation, [`Mapping`] leads from the pixels of one view to
//! those of another and knows when there is nothing to do, and [`Pyramid`] derives the tile pyramid
//! that every common viewer accepts.
//!
//! For quality reports: [`sphere_points`] and [`quality_views`] say where to compare two pictures,
//! and [`cube_seams`], [`Cubemap::seams`], [`Eac::seams`] and [`Equirectangular::seam`] which pixels
//! meet across a border.
//!
//! # What this crate does not do
//!
//! It touches no pixels (`panofleet-raster` samples them) and parses no metadata: `panofleet-media`
//! reads GPano and the calibrations that cameras write. Lenses have one centre of projection: what
//! two lenses see of a near thing from two places (parallax) is a stitcher's business.

#![forbid(unsafe_code)]

mod cube_face;
mod cube_layout;
mod cubemap;
mod cylinder;
mod cylindrical;
mod cylindrical_equal_area;
mod dual_fisheye;
mod eac;
mod equirectangular;
mod error;
mod face_grid;
mod fisheye;
mod gopro_max;
mod half_equirectangular;
mod jacobian;
mod lens;
mod mapping;
mod mercator;
mod orientation;
mod pannini;
mod pixel;
mod projection;
mod pyramid;
mod ray;
mod rectilinear;
mod scalar;
mod seam;
mod sphere_points;
mod stereographic;
mod straight_row;
mod view;

pub use cube_face::{CubeFace, Face};
pub use cube_layout::{CubeArrangement, CubeLayout, FaceCell, QuarterTurns};
pub use cubemap::Cubemap;
pub use cylindrical::Cylindrical;
pub use cylindrical_equal_area::CylindricalEqualArea;
pub use dual_fisheye::{DualFisheye, LensArrangement, LensOrder, Sighting};
pub use eac::Eac;
pub use equirectangular::{CroppedArea, Equirectangular};
pub use error::GeometryError;
pub use fisheye::Fisheye;
pub use gopro_max::{GoproMax, Share};
pub use half_equirectangular::HalfEquirectangular;
pub use jacobian::Jacobian;
pub use lens::{Calibration, Distortion, Lens, LensCurve};
pub use mapping::Mapping;
pub use mercator::Mercator;
pub use orientation::{Orientation, Rotation};
pub use pannini::Pannini;
pub use pixel::{Pixel, Size};
pub use projection::Projection;
pub use pyramid::{Level, Pyramid, TILES_PER_SIDE_MAX};
pub use ray::Ray;
pub use rectilinear::Rectilinear;
pub use seam::{Seam, cube_seams};
pub use sphere_points::{quality_views, sphere_points};
pub use stereographic::Stereographic;
pub use straight_row::StraightRow;
pub use view::View;
