//! The sizes that a video is streamed in.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::footage::{self, FootagePlan};
use crate::limits;
use crate::media_info::{EyeLayout, SphereInfo, TrackInfo};

/// One size of a video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Width of an upright frame; even.
    pub width_px: u32,
    /// Height of an upright frame; even.
    pub height_px: u32,
    /// Bits a second that the encoder may reach, in thousands, over a second or two.
    pub kbps_max: u32,
    /// What of a sphere the frames show.
    pub sphere: Option<SphereInfo>,
}

/// Heights of flat video (its shorter side), largest first.
const FLAT_PX: [u32; 7] = [2160, 1440, 1080, 720, 480, 360, 240];

/// Widths of a frame that shows a sphere. 4096 is what phones and older headsets decode.
const SPHERE_PX: [u32; 5] = [4096, 2880, 2048, 1440, 1024];

/// A size is left out if the next larger one has less than so many times its side.
const STEP: f64 = 1.2;

/// What a decoder of H.264 level 5.2 takes (ITU-T H.264, table A-1): macroblocks of 16 × 16 of a frame, and in a second.
const BLOCKS_MAX: u64 = 36_864;
const BLOCKS_A_SECOND_MAX: f64 = 2_073_600.0;

/// Bit rate of 1920 × 1080 at 30 frames a second (Apple's authoring specification for H.264), in thousands.
const KBPS_OF_1080: f64 = 7800.0;

/// Bit rates grow more slowly than pixels.
const KBPS_POWER: f64 = 0.75;

/// What the sizes of a video depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'m> {
    footage: &'m FootagePlan,
    track: &'m TrackInfo,
    /// Frames a second.
    rate: f64,
}

impl<'m> Field<'m> {
    /// Of a track whose frames come `rate` times a second.
    pub(crate) const fn new(footage: &'m FootagePlan, track: &'m TrackInfo, rate: f64) -> Self {
        Self { footage, track, rate }
    }

    /// The sizes, smallest first; `widths_px` says which, or nothing. Also, what was assumed.
    ///
    /// # Errors
    /// `Rejected` for a size that no decoder takes, or that the sphere cannot have.
    pub(crate) fn rungs(&self, widths_px: &[u32]) -> Result<(Vec<Rung>, Vec<String>), Failure> {
        let (largest, _) = footage::fit(self.footage, u32::MAX, None);
        let mut assumptions = Vec::new();
        let mut rungs = if widths_px.is_empty() {
            self.usual()?
        } else {
            let (fitting, beyond): (Vec<u32>, Vec<u32>) =
                widths_px.iter().copied().partition(|width_px| *width_px <= largest);
            if !beyond.is_empty() {
                assumptions.push(format!(
                    "the video is {largest} pixels wide and is not made larger; left out were the widths {beyond:?}"
                ));
            }
            let fitting = if fitting.is_empty() { vec![largest] } else { fitting };
            fitting.into_iter().map(|width_px| self.rung(width_px)).collect::<Result<_, _>>()?
        };
        rungs.sort_by_key(|rung| (rung.width_px, rung.height_px));
        rungs.dedup_by_key(|rung| (rung.width_px, rung.height_px));
        Ok((rungs, assumptions))
    }

    /// The largest size that decoders take, and usual ones below it.
    fn usual(&self) -> Result<Vec<Rung>, Failure> {
        let (width_px, height_px) = footage::fit(self.footage, u32::MAX, None);
        let sphere = self.track.sphere.is_some();
        let mut width = if sphere { width_px.min(SPHERE_PX[0]) } else { width_px };
        while !self.is_decodable(self.size(width)) && width > 16 {
            width -= 2;
        }
        let mut rungs = vec![self.rung(width)?];
        let shorter = f64::from(width_px.min(height_px)) / f64::from(width_px);
        let side = |width: u32| f64::from(width) * if sphere { 1.0 } else { shorter };
        let sides = if sphere { &SPHERE_PX[..] } else { &FLAT_PX };
        for usual in sides {
            if f64::from(*usual) * STEP > side(width) || rungs.len() == limits::RUNGS_MAX {
                continue;
            }
            let next = (f64::from(*usual) / side(2)).round() as u32 * 2;
            // A usual size may be none for the padding of a cube's faces.
            if let Ok(rung) = self.rung(next) {
                width = next;
                rungs.push(rung);
            }
        }
        Ok(rungs)
    }

    /// Both sides of a frame of this width: even, and so for each eye. Never larger than the source.
    fn size(&self, width_px: u32) -> (u32, u32) {
        let (full_width, full_height) = footage::fit(self.footage, u32::MAX, None);
        let eyes = self.track.sphere.as_ref().map_or(EyeLayout::Mono, |sphere| sphere.eyes);
        let [across, down] = match eyes {
            EyeLayout::LeftRight | EyeLayout::RightLeft => [4, 2],
            EyeLayout::TopBottom | EyeLayout::BottomTop => [2, 4],
            EyeLayout::Mono | EyeLayout::Mesh | EyeLayout::Layered => [2, 2],
        };
        let whole = |px: u32, of: u32| (px / of * of).max(of);
        let width = whole(width_px.min(full_width), across);
        let height = f64::from(width) * f64::from(full_height) / f64::from(full_width);
        let height = (height / f64::from(down)).round() as u32 * down;
        (width, height.clamp(down, whole(full_height, down)))
    }

    fn rung(&self, width_px: u32) -> Result<Rung, Failure> {
        let (width_px, height_px) = self.size(width_px);
        if !self.is_decodable((width_px, height_px)) {
            let said = format!(
                "{width_px}×{height_px} pixels {:.2} times a second are more than H.264 decoders take (level 5.2); leave \
                 `widths_px` away, or ask for smaller ones",
                self.rate
            );
            return Err(Failure::rejected("rung_too_large", said));
        }
        // The sphere's numbers count in frames as they are coded in the source.
        let sideways = self.footage.rotation_deg % 180 != 0;
        let sphere = footage::sphere_at(self.track, if sideways { height_px } else { width_px })?;
        let share =
            f64::from(width_px) * f64::from(height_px) * self.rate / (1920.0 * 1080.0 * 30.0);
        let kbps_max = (KBPS_OF_1080 * share.powf(KBPS_POWER)).round().clamp(150.0, 100_000.0);
        Ok(Rung { width_px, height_px, kbps_max: kbps_max as u32, sphere })
    }

    fn is_decodable(&self, (width_px, height_px): (u32, u32)) -> bool {
        let blocks = u64::from(width_px.div_ceil(16)) * u64::from(height_px.div_ceil(16));
        blocks <= BLOCKS_MAX && blocks as f64 * self.rate <= BLOCKS_A_SECOND_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::tests::{film, sphere};
    use crate::media_info::{MediaInfo, SphereProjection};
    use crate::operations::shared::{Eye, StereoLayout};

    fn sizes(media: &MediaInfo, rate: f64, widths_px: &[u32]) -> Vec<(u32, u32)> {
        let source = footage::FootageSource { stereo: StereoLayout::Mono, eye: Eye::Left };
        let (footage, _) = source.plan("op", media).unwrap();
        let (rungs, _) = Field::new(&footage, &media.tracks[0], rate).rungs(widths_px).unwrap();
        rungs.iter().map(|rung| (rung.width_px, rung.height_px)).collect()
    }

    #[test]
    fn flat_video_gets_the_usual_heights_up_to_its_own() {
        let usual = [(426, 240), (640, 360), (854, 480), (1280, 720)];
        let expected = [&usual[..], &[(1920, 1080)]].concat();
        assert_eq!(sizes(&film(1920, 1080, None), 30.0, &[]), expected);
        // 800 is no usual height, and 720 is too near.
        let expected = [&usual[..3], &[(1422, 800)]].concat();
        assert_eq!(sizes(&film(1422, 800, None), 30.0, &[]), expected);
        assert_eq!(sizes(&film(319, 159, None), 30.0, &[]), [(318, 158)]);
        // Beyond level 5.2 the largest is what fits into it: 256 × 144 blocks.
        assert_eq!(sizes(&film(7680, 4320, None), 30.0, &[]).last(), Some(&(4096, 2304)));
    }

    #[test]
    fn turned_and_stretched_frames_are_measured_as_they_are_shown() {
        let mut media = film(1920, 1080, None);
        media.tracks[0].rotation_deg = Some(90);
        let expected = [(240, 426), (360, 640), (480, 854), (720, 1280), (1080, 1920)];
        assert_eq!(sizes(&media, 30.0, &[]), expected);
        let mut media = film(1440, 1080, None);
        media.tracks[0].pixel_aspect = Some((4, 3));
        assert_eq!(sizes(&media, 30.0, &[]).last(), Some(&(1920, 1080)));
    }

    #[test]
    fn spheres_get_widths_that_headsets_take() {
        let whole = || Some(sphere(SphereProjection::Equirectangular, EyeLayout::Mono));
        let usual = [(1024, 512), (1440, 720), (2048, 1024), (2880, 1440)];
        assert_eq!(sizes(&film(3840, 1920, whole()), 30.0, &[])[4], (3840, 1920));
        let expected = [&usual[..], &[(4096, 2048)]].concat();
        assert_eq!(sizes(&film(7680, 3840, whole()), 60.0, &[]), expected);
        // An eye above the other: 36,864 blocks are 192 × 192.
        let pair = Some(sphere(SphereProjection::Equirectangular, EyeLayout::TopBottom));
        let found = sizes(&film(5760, 5760, pair), 30.0, &[]);
        assert_eq!(found.last(), Some(&(3072, 3072)));
        assert!(found.iter().all(|(_, height)| height % 4 == 0), "{found:?}");
    }

    #[test]
    fn widths_that_are_asked_for_are_made_once_and_never_enlarged() {
        let media = film(640, 320, None);
        assert_eq!(sizes(&media, 30.0, &[321, 320, 640, 1280]), [(320, 160), (640, 320)]);
        assert_eq!(sizes(&media, 30.0, &[1280]), [(640, 320)]);
        let source = footage::FootageSource { stereo: StereoLayout::Mono, eye: Eye::Left };
        let huge = film(4096, 4096, None);
        let (footage, _) = source.plan("op", &huge).unwrap();
        let refused = Field::new(&footage, &huge.tracks[0], 30.0).rungs(&[4096]).unwrap_err();
        assert_eq!(refused.code, "rung_too_large");
    }
}
