//! Equirectangular: columns are yaw, rows are pitch; the whole sphere or a part of it.

use std::f64::consts::{PI, TAU};

use crate::ray::unit_at;
use crate::scalar::Scalar;
use crate::{GeometryError, Pixel, Ray, Size};

/// The part of a full panorama that a picture holds, in the words of GPano.
///
/// Source: Google's Photo Sphere XMP (`CroppedAreaLeftPixels`, `FullPanoWidthPixels` and so on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CroppedArea {
    /// Width of the full 360°, in pixels.
    pub full_width_px: u32,
    /// Height of the full 180°, in pixels.
    pub full_height_px: u32,
    /// Columns of the full panorama left of the area.
    pub left_px: u32,
    /// Rows of the full panorama above the area.
    pub top_px: u32,
    /// Width of the area, in pixels of the full panorama.
    pub width_px: u32,
    /// Height of the area, in pixels of the full panorama.
    pub height_px: u32,
}

impl CroppedArea {
    fn is_inside(&self) -> bool {
        let fits = |start: u32, length: u32, full: u32| {
            length > 0 && u64::from(start) + u64::from(length) <= u64::from(full)
        };
        fits(self.left_px, self.width_px, self.full_width_px)
            && fits(self.top_px, self.height_px, self.full_height_px)
    }
}

/// An equirectangular picture: the whole sphere, or the part that a [`CroppedArea`] names.
///
/// In the full panorama the left border is yaw −π, the centre column yaw 0, the right border +π
/// (the same meridian as the left one); the top border is pitch +π/2, the bottom one −π/2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equirectangular {
    size: Size,
    /// The full panorama and the area's corner in it, in pixels of this picture. They are whole
    /// numbers unless the picture was scaled after it had been cropped.
    full_width_px: f64,
    full_height_px: f64,
    left_px: f64,
    top_px: f64,
    wraps: bool,
    reaches_top: bool,
    reaches_bottom: bool,
}

impl Equirectangular {
    /// A picture of the whole sphere. Any aspect is taken as 360° × 180°; 2:1 is the usual one.
    pub fn full(size: Size) -> Self {
        Self {
            size,
            full_width_px: f64::from(size.width_px()),
            full_height_px: f64::from(size.height_px()),
            left_px: 0.0,
            top_px: 0.0,
            wraps: true,
            reaches_top: true,
            reaches_bottom: true,
        }
    }

    /// A picture of `size` that shows `area` of a panorama.
    ///
    /// The two need not have the same number of pixels: a picture that was scaled while its
    /// metadata was left alone still maps correctly.
    ///
    /// # Errors
    ///
    /// [`GeometryError::CropOutsidePanorama`] if the area is empty or exceeds the full panorama.
    pub fn cropped(size: Size, area: CroppedArea) -> Result<Self, GeometryError> {
        if !area.is_inside() {
            return Err(GeometryError::CropOutsidePanorama);
        }
        let x_scale = f64::from(size.width_px()) / f64::from(area.width_px);
        let y_scale = f64::from(size.height_px()) / f64::from(area.height_px);
        Ok(Self {
            size,
            full_width_px: f64::from(area.full_width_px) * x_scale,
            full_height_px: f64::from(area.full_height_px) * y_scale,
            left_px: f64::from(area.left_px) * x_scale,
            top_px: f64::from(area.top_px) * y_scale,
            wraps: area.width_px == area.full_width_px,
            reaches_top: area.top_px == 0,
            reaches_bottom: u64::from(area.top_px) + u64::from(area.height_px)
                == u64::from(area.full_height_px),
        })
    }

    /// Size of the picture that is there.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Width of the full 360° in pixels of this picture; equals the picture's unless cropped.
    pub const fn full_width_px(&self) -> f64 {
        self.full_width_px
    }

    /// Height of the full 180° in pixels of this picture; equals the picture's unless cropped.
    pub const fn full_height_px(&self) -> f64 {
        self.full_height_px
    }

    /// The picture's top left corner in the full panorama; (0, 0) unless cropped.
    pub const fn corner(&self) -> Pixel {
        Pixel::new(self.left_px, self.top_px)
    }

    /// Whether the picture covers all 360°, so that its right border continues at its left one.
    pub const fn wraps(&self) -> bool {
        self.wraps
    }

    /// Whether the first row ends at the zenith.
    pub const fn reaches_top(&self) -> bool {
        self.reaches_top
    }

    /// Whether the last row ends at the nadir.
    pub const fn reaches_bottom(&self) -> bool {
        self.reaches_bottom
    }

    /// Pixel → ray. A pixel beyond the left or right border continues around the sphere; one
    /// beyond the top or bottom of the full panorama continues over the pole.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        let yaw_rad = ((x_px + self.left_px) / self.full_width_px - 0.5) * TAU;
        let pitch_rad = (-((y_px + self.top_px) / self.full_height_px) + 0.5) * PI;
        unit_at(yaw_rad, pitch_rad)
    }

    /// Ray → pixel, or `None` where a cropped picture does not reach.
    ///
    /// A full picture has `x` in [0, width) and `y` in [0, height]; at a pole `x` is the centre.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let full = self.full_pixel(ray);
        let pixel = Pixel::new(full.x_px - self.left_px, full.y_px - self.top_px);
        self.size.hold(pixel)
    }

    /// Ray → position in the full panorama, in pixels of this picture: `x` in
    /// [0, [`full_width_px`](Self::full_width_px)), `y` in
    /// [0, [`full_height_px`](Self::full_height_px)]. Subtract [`corner`](Self::corner) for the
    /// position in the picture.
    pub fn full_pixel(&self, ray: Ray) -> Pixel {
        let turns = ray.yaw_rad() / TAU + 0.5;
        let x_px = self.full_width_px * if turns >= 1.0 { turns - 1.0 } else { turns };
        Pixel::new(x_px, self.full_height_px * (0.5 - ray.pitch_rad() / PI))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full(width_px: u32, height_px: u32) -> Equirectangular {
        Equirectangular::full(Size::new(width_px, height_px).unwrap())
    }

    #[test]
    fn borders_and_axes() {
        let panorama = full(8192, 4096);
        for (ray, x_px, y_px) in [
            ([0.0, 0.0, 1.0], 4096.0, 2048.0),
            ([1.0, 0.0, 0.0], 6144.0, 2048.0),
            ([-1.0, 0.0, 0.0], 2048.0, 2048.0),
            ([0.0, 0.0, -1.0], 0.0, 2048.0),
            ([-0.0, 0.0, -1.0], 0.0, 2048.0),
            ([0.0, 1.0, 0.0], 4096.0, 0.0),
            ([0.0, -1.0, 0.0], 4096.0, 4096.0),
            ([0.0, 1.0, 1.0], 4096.0, 1024.0),
        ] {
            let pixel = panorama.pixel(Ray::through(ray).unwrap()).unwrap();
            assert!((pixel.x_px - x_px).abs() < 1e-9, "{ray:?}: {pixel:?}");
            assert!((pixel.y_px - y_px).abs() < 1e-9, "{ray:?}: {pixel:?}");
        }
    }

    #[test]
    fn crop_follows_the_gpano_formulas() {
        // centre yaw = 360·((L + CW/2)/FW − ½), centre pitch = 180·(½ − (T + CH/2)/FH),
        // haov = 360·CW/FW, vaov = 180·CH/FH.
        let area = CroppedArea {
            full_width_px: 10_000,
            full_height_px: 5_000,
            left_px: 1_000,
            top_px: 2_000,
            width_px: 4_000,
            height_px: 1_500,
        };
        for size in [Size::new(4_000, 1_500).unwrap(), Size::new(1_000, 750).unwrap()] {
            let crop = Equirectangular::cropped(size, area).unwrap();
            let (width, height) = (f64::from(size.width_px()), f64::from(size.height_px()));
            let centre = crop.ray(Pixel::new(width / 2.0, height / 2.0));
            assert!((centre.yaw_rad().to_degrees() - -72.0).abs() < 1e-9);
            assert!((centre.pitch_rad().to_degrees() - -9.0).abs() < 1e-9);
            let corner = crop.ray(Pixel::new(0.0, 0.0));
            assert!((corner.yaw_rad().to_degrees() - (-72.0 - 144.0 / 2.0)).abs() < 1e-9);
            assert!((corner.pitch_rad().to_degrees() - (-9.0 + 54.0 / 2.0)).abs() < 1e-9);
            assert_eq!(crop.pixel(Ray::from_angles(0.01, 0.0)), None);
            assert!(!crop.wraps() && !crop.reaches_top() && !crop.reaches_bottom());
        }
    }

    #[test]
    fn a_crop_of_everything_is_full() {
        let size = Size::new(512, 256).unwrap();
        let area = CroppedArea {
            full_width_px: 512,
            full_height_px: 256,
            left_px: 0,
            top_px: 0,
            width_px: 512,
            height_px: 256,
        };
        assert_eq!(Equirectangular::cropped(size, area), Ok(Equirectangular::full(size)));
    }

    #[test]
    fn a_crop_beyond_the_panorama_is_refused() {
        let size = Size::new(10, 10).unwrap();
        let area = CroppedArea {
            full_width_px: 100,
            full_height_px: 50,
            left_px: 91,
            top_px: 0,
            width_px: 10,
            height_px: 10,
        };
        for bad in [
            area,
            CroppedArea { left_px: u32::MAX, ..area },
            CroppedArea { left_px: 0, top_px: 41, ..area },
            CroppedArea { left_px: 0, width_px: 0, ..area },
            CroppedArea { left_px: 0, full_height_px: 0, ..area },
        ] {
            let refused = Equirectangular::cropped(size, bad);
            assert_eq!(refused, Err(GeometryError::CropOutsidePanorama), "{bad:?}");
        }
    }

    proptest! {
        /// Round trip within 1e-8 pixels of a panorama of up to 65,536 columns. Near the poles a
        /// column has no width, so there the bound is on the ray.
        #[test]
        fn pixel_of_ray_is_the_pixel(
            width in 1_u32..65_536, height in 1_u32..32_768, x in 0.0..1.0, y in 0.0..1.0,
        ) {
            let panorama = full(width, height);
            let pixel = Pixel::new(x * f64::from(width), y * f64::from(height));
            let ray = panorama.ray(pixel);
            let back = panorama.pixel(ray).expect("a full panorama holds every ray");
            prop_assert!((back.y_px - pixel.y_px).abs() < 1e-8);
            prop_assert!(panorama.ray(back).angle_rad(ray) < 1e-14);
            if (0.001..0.999).contains(&y) {
                let apart_px = (back.x_px - pixel.x_px).abs();
                prop_assert!(apart_px.min(f64::from(width) - apart_px) < 1e-8);
            }
        }

        #[test]
        fn a_crop_is_a_window_of_the_full(
            left in 0_u32..900, top in 0_u32..400, x in 0.0..100.0, y in 0.0..100.0,
        ) {
            let area = CroppedArea {
                full_width_px: 1_000, full_height_px: 500, left_px: left, top_px: top,
                width_px: 100, height_px: 100,
            };
            let crop = Equirectangular::cropped(Size::new(100, 100).unwrap(), area).unwrap();
            let in_full = Pixel::new(x + f64::from(left), y + f64::from(top));
            let ray = full(1_000, 500).ray(in_full);
            prop_assert!(crop.ray(Pixel::new(x, y)).angle_rad(ray) < 1e-14);
        }
    }
}
