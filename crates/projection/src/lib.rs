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
//! so *n* projections need 2·*n* functions to convert any to any. [`View`] joins a projection with
//! an orientation; [`Pyramid`] derives the tile pyramid that every common viewer accepts.
//!
//! # What this crate does not do
//!
//! It touches no pixels (`panofleet-raster` samples them), parses no metadata (`panofleet-media`
//! reads GPano), and models no lens: there is no distortion and no fisheye here.

#![forbid(unsafe_code)]

mod cube_face;
mod equirectangular;
mod error;
mod orientation;
mod pixel;
mod pyramid;
mod ray;
mod rectilinear;
mod straight_row;
mod view;

pub use cube_face::{CubeFace, Face};
pub use equirectangular::{CroppedArea, Equirectangular};
pub use error::GeometryError;
pub use orientation::{Orientation, Rotation};
pub use pixel::{Pixel, Size};
pub use pyramid::{Level, Pyramid, TILES_PER_SIDE_MAX};
pub use ray::Ray;
pub use rectilinear::Rectilinear;
pub use straight_row::StraightRow;
pub use view::{Projection, View};
