//! Colour profiles: what they are, and conversion to sRGB.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ProfileText, Transform8BitExecutor,
    Transform16BitExecutor, TransformOptions,
};
use panofleet_raster::{Picture, RasterError};

use crate::depth::Depth;
use crate::planes;

/// Bytes of the largest profile that is read. Press profiles have about 2 MiB.
pub const PROFILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a profile's device values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Lightness.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Cyan, magenta, yellow, black; 255 is all ink.
    Cmyk,
}

impl Space {
    const fn layout(self) -> Layout {
        match self {
            Self::Gray => Layout::Gray,
            Self::Rgb => Layout::Rgb,
            Self::Cmyk => Layout::Rgba,
        }
    }
}

/// An embedded profile that could be read, with its way to sRGB.
#[derive(Clone)]
pub struct Profile {
    bytes: Vec<u8>,
    space: Space,
    description: Option<String>,
    to_srgb: Arc<Transform8BitExecutor>,
    /// For 16 bits, once it is asked for.
    deep_to_srgb: Option<Arc<Transform16BitExecutor>>,
    is_srgb: bool,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bytes, space, description, is_srgb, .. } = self;
        let mut shown = f.debug_struct("Profile");
        shown.field("bytes", &bytes.len()).field("space", space);
        shown.field("description", description).field("is_srgb", is_srgb).finish_non_exhaustive()
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// What is wrong with it, for a warning. A profile that makes its reader panic is a broken one.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > PROFILE_BYTES_MAX {
            return Err(format!("it has {} bytes; the limit is {PROFILE_BYTES_MAX}", bytes.len()));
        }
        catch_unwind(AssertUnwindSafe(|| Self::read(bytes)))
            .unwrap_or_else(|_| Err("it contradicts itself".into()))
    }

    fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let profile = ColorProfile::new_from_slice(&bytes).map_err(|error| error.to_string())?;
        let space = match profile.color_space {
            DataColorSpace::Gray => Space::Gray,
            DataColorSpace::Rgb => Space::Rgb,
            DataColorSpace::Cmyk => Space::Cmyk,
            other => return Err(format!("its colour space is {other:?}")),
        };
        let srgb = ColorProfile::new_srgb();
        let to_srgb = profile
            .create_transform_8bit(space.layout(), &srgb, Layout::Rgb, TransformOptions::default())
            .map_err(|error| error.to_string())?;
        let description = profile.description.as_ref().and_then(text);
        let mut read =
            Self { bytes, space, description, to_srgb, deep_to_srgb: None, is_srgb: false };
        read.is_srgb = read.moves_nothing();
        Ok(read)
    }

    /// The same, ready for 16 bits too.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn deep(self) -> Result<Self, String> {
        let transform = || {
            let profile = ColorProfile::new_from_slice(&self.bytes)?;
            let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
            profile.create_transform_16bit(self.space.layout(), &srgb, Layout::Rgb, options)
        };
        let made = catch_unwind(AssertUnwindSafe(transform))
            .unwrap_or(Err(moxcms::CmsError::InvalidProfile));
        let deep_to_srgb = Some(made.map_err(|error| error.to_string())?);
        Ok(Self { deep_to_srgb, ..self })
    }

    /// The profile as it stands in the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What its device values are.
    pub const fn space(&self) -> Space {
        self.space
    }

    /// Its name, such as `Display P3`.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whether it is sRGB under some name: converting would move nothing.
    pub const fn is_srgb(&self) -> bool {
        self.is_srgb
    }

    /// Converts interleaved device values (1, 3 or 4 a pixel, by [`space`](Self::space)) to interleaved
    /// sRGB.
    pub(crate) fn to_srgb(&self, device: &[u8], rgb: &mut [u8]) {
        // Lengths are the only thing that can be wrong, and the caller's buffers fit each other.
        if self.to_srgb.transform(device, rgb).is_err() {
            debug_assert!(false, "buffers of {} and {} values", device.len(), rgb.len());
        }
    }

    /// The same for 16 bits, with a profile that was made [`deep`](Self::deep).
    pub(crate) fn deep_to_srgb(&self, device: &[u16], rgb: &mut [u16]) {
        let done = self.deep_to_srgb.as_ref().map(|executor| executor.transform(device, rgb));
        debug_assert!(matches!(done, Some(Ok(()))), "{} and {} values", device.len(), rgb.len());
    }

    /// Whether no colour of a 9 × 9 × 9 lattice moves by more than one step: then it is sRGB under some
    /// name, and a conversion would only cost time and rounding.
    fn moves_nothing(&self) -> bool {
        if self.space != Space::Rgb {
            return false;
        }
        let step = |index: u32| (index * 255 / 8) as u8;
        let lattice: Vec<u8> = (0..729)
            .flat_map(|index| [step(index / 81), step(index / 9 % 9), step(index % 9)])
            .collect();
        let mut converted = vec![0; lattice.len()];
        self.to_srgb(&lattice, &mut converted);
        lattice.iter().zip(&converted).all(|(before, after)| before.abs_diff(*after) <= 1)
    }
}

/// Converts a picture in the RGB space of `profile` to sRGB, in place; alpha stays.
///
/// # Errors
/// None that a picture which was one before can meet.
pub(crate) fn convert<S: Depth>(
    picture: Picture<S>,
    profile: &Profile,
) -> Result<Picture<S>, RasterError> {
    if profile.is_srgb || profile.space != Space::Rgb {
        return Ok(picture);
    }
    planes::convert_colour(picture, |rgb| {
        let device = rgb.to_vec();
        S::to_srgb(profile, &device, rgb);
    })
}

fn text(text: &ProfileText) -> Option<String> {
    let text = match text {
        ProfileText::PlainString(text) => text.clone(),
        ProfileText::Localizable(texts) => {
            let english = texts.iter().find(|text| text.language == "en");
            english.or(texts.first())?.value.clone()
        }
        ProfileText::Description(description) => description.ascii_string.clone(),
    };
    let shown: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display_p3() -> Profile {
        Profile::parse(ColorProfile::new_display_p3().encode().unwrap()).unwrap()
    }

    /// CSS Color 4's sample conversions (§10.2 and its matrices): linear P3 → linear sRGB is
    /// [1.2249, −0.2247, 0; −0.0420, 1.0419, 0; −0.0197, −0.0786, 1.0979], with sRGB's curve on both sides.
    #[test]
    fn display_p3_becomes_srgb_by_the_published_matrix() {
        const MATRIX: [[f64; 3]; 3] = [
            [1.224_940_1, -0.224_940_4, 0.0],
            [-0.042_056_95, 1.042_057_1, 0.0],
            [-0.019_637_55, -0.078_636_05, 1.098_273_5],
        ];
        let linear = |value: u8| {
            let v = f64::from(value) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        let encoded = |v: f64| {
            let v = v.clamp(0.0, 1.0);
            255.0 * if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
        };
        let profile = display_p3();
        assert!(!profile.is_srgb);
        for p3 in
            [[200_u8, 100, 50], [90, 180, 60], [255, 255, 255], [30, 40, 220], [128, 128, 128]]
        {
            let mut found = [0; 3];
            profile.to_srgb(&p3, &mut found);
            for (channel, row) in MATRIX.iter().enumerate() {
                let light: f64 = row.iter().zip(p3).map(|(weight, v)| weight * linear(v)).sum();
                let off = (f64::from(found[channel]) - encoded(light)).abs();
                assert!(off <= 1.5, "{p3:?} → {found:?}, channel {channel} is off by {off}");
            }
        }
    }

    #[test]
    fn srgb_under_any_name_is_left_alone() {
        let profile = Profile::parse(ColorProfile::new_srgb().encode().unwrap()).unwrap();
        assert!(profile.is_srgb);
    }

    #[test]
    fn broken_profiles_are_errors() {
        let good = ColorProfile::new_display_p3().encode().unwrap();
        assert!(Profile::parse(Vec::new()).is_err());
        assert!(Profile::parse(good[..good.len() / 2].to_vec()).is_err());
        assert!(Profile::parse(vec![0; PROFILE_BYTES_MAX + 1]).is_err());
        // No damage to a single byte makes it panic or loop.
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            drop(Profile::parse(bad));
        }
    }
}
