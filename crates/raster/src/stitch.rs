//! Two lenses back to back become one sphere.
//!
//! Everything that both lenses see lies in a *ring* (`stitch/ring.rs`) around the axis from one to the other, where it
//! is a strip that closes on itself: no place of it is a pole. There the lenses are aligned (`stitch/align.rs`), their
//! exposures compared (`stitch/exposure.rs`), a seam is laid (`stitch/seam.rs`), and what blending changes is worked
//! out (`stitch/bands.rs`). The result is sampled once from each lens, and what blending changes is added to that.

use panofleet_projection::{Equirectangular, Fisheye, Lens, Orientation, Pixel, Ray, View};
use rayon::prelude::*;

use crate::{Panorama, Picture, Plane, RasterError, Sampling, Size, remap};

mod align;
mod bands;
mod exposure;
mod ring;
mod seam;
mod veil;

pub use align::Alignment;

use exposure::Gains;
use ring::Ring;

/// Pixels at the rim of a lens that are not used: kernels reach over it.
const RIM_PX: f64 = 3.0;

/// Columns and rows that are looked at to see whether a lens saw anything.
const SAMPLED_SIDE_PX: u32 = 256;

/// As dark as the noise of a covered sensor, and what a JPEG makes of it.
const DARK: u8 = 14;

/// One in so many pixels may be brighter in what a covered lens saw.
const LIT_SHARE: u32 = 500;

/// What one lens of a camera saw.
#[derive(Debug)]
pub struct LensPicture {
    /// Gray or RGB, without alpha.
    pub picture: Picture<u8>,
    /// Where the lens lies in it.
    pub lens: Lens,
    /// How the lens is turned in the camera.
    pub orientation: Orientation,
}

/// How two lenses are joined.
#[derive(Debug, Clone, Copy)]
pub struct Stitching {
    /// Size of the sphere that is made, twice as wide as high.
    pub size: Size,
    /// Whether the second lens is turned, and both are scaled, to fit where they overlap.
    pub align: bool,
    /// Whether the second lens is made as bright as the first.
    pub match_exposure: bool,
    /// Whether the lenses flow into each other; else one ends where the other begins.
    pub blend: bool,
    /// The value of each channel where no lens sees anything.
    pub background: [u8; 4],
}

/// A sphere made of two lenses.
#[derive(Debug)]
pub struct Stitched {
    /// Longitude and latitude of the camera, the first lens as it was said to be turned.
    pub picture: Picture<u8>,
    /// How far the lenses lay from where they were said to; `None` if that was not asked, or could not be found.
    pub alignment: Option<Alignment>,
    /// What the light of the second lens was multiplied with, for each channel.
    pub gains: Vec<f64>,
    /// The mean width of what both lenses see, in radians; 0 if nothing.
    pub overlap_rad: f64,
}

/// Joins two lenses that look away from each other.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] if the pictures have different channels, [`RasterError::TooLarge`] if the sphere is.
pub fn stitch(lenses: [LensPicture; 2], how: &Stitching) -> Result<Stitched, RasterError> {
    if lenses[0].picture.channels() != lenses[1].picture.channels() {
        return Err(RasterError::UnequalPlanes);
    }
    let (lenses, alignment) = if how.align { align::aligned(lenses)? } else { (lenses, None) };
    let ring = Ring::new(&lenses, how.size);
    let strips = ring.strips(&lenses);
    let gains = if how.match_exposure {
        Gains::of(&strips, &ring)
    } else {
        Gains::none(lenses[0].picture.channels().count())
    };
    let mut difference = strips.difference(&gains, &ring);
    let seam = seam::Seam::new(&difference, &ring);
    let blending = how.blend.then(|| {
        let veil = veil::Veil::new(&difference, &ring);
        veil.leave_out_of(&mut difference, &seam, &ring);
        (veil, bands::Blending::new(&difference, &seam, &ring))
    });
    let overlap_rad = ring.mean_overlap_rad();
    let [first, second] = lenses;
    let mut picture = first.on_sphere(how)?;
    let second = second.on_sphere(how)?;
    let join = Join { ring: &ring, seam: &seam, gains: &gains, blending: blending.as_ref() };
    join.lay(&mut picture, &second, how);
    Ok(Stitched { picture, alignment, gains: gains.values().to_vec(), overlap_rad })
}

/// What one lens saw, by longitude and latitude of the camera; the rest is background.
///
/// # Errors
///
/// [`RasterError::TooLarge`] if the sphere is.
pub fn one_lens(lens: LensPicture, how: &Stitching) -> Result<Picture<u8>, RasterError> {
    lens.on_sphere(how)
}

impl LensPicture {
    /// Whether the lens saw nothing: nearly all of its circle is black. At night some of it is not.
    pub fn is_dark(&self) -> bool {
        let size = self.picture.size();
        let steps = |side_px: u32| (0..side_px).step_by(side_px.div_ceil(SAMPLED_SIDE_PX) as usize);
        let (mut seen, mut lit) = (0_u32, 0_u32);
        for (x, y) in
            steps(size.height_px()).flat_map(|y| steps(size.width_px()).map(move |x| (x, y)))
        {
            if self.lens.ray(Pixel::centre(x, y)).is_some() {
                let value = |plane: &Plane<u8>| plane.row(y as usize)[x as usize];
                let brightest = self.picture.planes().iter().map(value).max();
                seen += 1;
                lit += u32::from(brightest > Some(DARK));
            }
        }
        lit <= seen / LIT_SHARE
    }

    /// Where a ray of the camera's lies in the picture, if the lens sees it and a kernel has what it needs around it.
    fn position(&self, ray: Ray) -> Option<Pixel> {
        let ray = self.orientation.rotation().apply_inverse(ray);
        let at = self.lens.pixel(ray).filter(|_| self.lens.margin_rad(ray) >= self.rim_rad())?;
        let size = self.picture.size();
        let inside =
            |at_px: f64, side_px: u32| (RIM_PX..=f64::from(side_px) - RIM_PX).contains(&at_px);
        (inside(at.x_px, size.width_px()) && inside(at.y_px, size.height_px())).then_some(at)
    }

    /// Half of the cone that is used.
    fn reach_rad(&self) -> f64 {
        self.lens.calibration().field_of_view_rad / 2.0 - self.rim_rad()
    }

    /// The unused rim as an angle: at the border a pixel is at most twice as much as in the mean.
    fn rim_rad(&self) -> f64 {
        let half_rad = self.lens.calibration().field_of_view_rad / 2.0;
        let rim = Ray::from_angles(half_rad.min(3.0), 0.0);
        let radius_px = self.lens.pixel(rim).map_or(f64::INFINITY, |at| {
            let centre = self.lens.calibration().centre;
            (at.x_px - centre.x_px).hypot(at.y_px - centre.y_px)
        });
        (2.0 * RIM_PX * half_rad / radius_px).min(half_rad / 2.0)
    }

    /// Where the lens looks.
    fn forward(&self) -> [f64; 3] {
        self.orientation.rotation().apply(Ray::FORWARD).components()
    }

    /// What the lens saw, by longitude and latitude of the camera.
    fn on_sphere(self, how: &Stitching) -> Result<Picture<u8>, RasterError> {
        let fisheye = Fisheye::new(self.picture.size(), self.lens);
        let panorama = Panorama::new(self.picture, View::new(fisheye, self.orientation))?;
        let view = View::new(Equirectangular::full(how.size), Orientation::IDENTITY);
        let sampling = Sampling { background: how.background, ..Sampling::default() };
        remap(&panorama, &view, &sampling)
    }
}

/// Everything that says what a pixel of the result is.
struct Join<'a> {
    ring: &'a Ring,
    seam: &'a seam::Seam,
    gains: &'a Gains,
    blending: Option<&'a (veil::Veil, bands::Blending)>,
}

/// What a pixel is made of.
struct Mix {
    /// The share of the first lens.
    first: f32,
    /// What the first lens has too much of, and the second too little, for each channel.
    veil: [f32; 4],
    /// What blending adds to each channel.
    added: [f32; 4],
}

impl Join<'_> {
    /// Puts the second lens into the picture of the first.
    fn lay(&self, first: &mut Picture<u8>, second: &Picture<u8>, how: &Stitching) {
        let view = View::new(Equirectangular::full(how.size), Orientation::IDENTITY);
        let width = how.size.width_px() as usize;
        for top in 0..how.size.height_px() as usize {
            let mixes: Vec<Option<Mix>> = (0..width)
                .into_par_iter()
                .with_min_len(256)
                .map(|x| self.mix(view.ray(Pixel::centre(x as u32, top as u32))?))
                .collect();
            for (channel, plane) in first.planes_mut().iter_mut().enumerate() {
                let row = &mut plane.samples_mut()[top * width..][..width];
                let others = second.planes()[channel].row(top);
                for ((sample, other), mix) in row.iter_mut().zip(others).zip(&mixes) {
                    let Some(mix) = mix else { continue };
                    let half = mix.veil[channel] / 2.0;
                    let other = self.gains.apply(channel, *other) + half;
                    let between = other + (f32::from(*sample) - half - other) * mix.first;
                    *sample = (between + mix.added[channel]).round().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }

    /// `None` for a pixel that is the first lens's as it is.
    fn mix(&self, ray: Ray) -> Option<Mix> {
        let (column, row) = self.ring.place(ray);
        let away = self.seam.row_at(column) - row;
        let first = (away + 0.5).clamp(0.0, 1.0) as f32;
        let Some((veil, bands)) = self.blending else {
            return (first < 1.0).then_some(Mix { first, veil: [0.0; 4], added: [0.0; 4] });
        };
        let veil = veil.at(column, away);
        if veil.is_none() && first >= 1.0 {
            return None;
        }
        let inside = (0.0..self.ring.rows() as f64).contains(&row);
        let added = if inside { bands.at(column, row, first) } else { [0.0; 4] };
        Some(Mix { first, veil: veil.unwrap_or_default(), added })
    }
}
