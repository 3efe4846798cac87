//! The sizes that a video is streamed in.

use serde::{Deserialize, Serialize};

use crate::encoding::VideoCodec;
use crate::failure::Failure;
use crate::footage::{self, FootagePlan};
use crate::limits;
use crate::media_info::{EyeLayout, SphereInfo, TrackInfo};

/// One size of a video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// How its pictures are coded.
    pub codec: VideoCodec,
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

/// Widths of a frame that shows a sphere. 5760 is what headsets decode of newer codecs, 4096 what phones and older headsets
/// decode of H.264.
const SPHERE_PX: [u32; 6] = [5760, 4096, 2880, 2048, 1440, 1024];

/// A size is left out if the next larger one has less than so many times its side.
const STEP: f64 = 1.2;

/// What a decoder of H.264 level 5.2 takes (ITU-T H.264, table A-1): macroblocks of 16 × 16 of a frame, and in a second.
const BLOCKS_MAX: u64 = 36_864;
const BLOCKS_A_SECOND_MAX: f64 = 2_073_600.0;

/// What decoders of HEVC level 6 (ITU-T H.265, tables A.8 and A.9) and of AV1 level 6.0 (its specification, A.3) take: pixels
/// of a frame, and in a second.
const PIXELS_MAX: u64 = 35_651_584;
const PIXELS_A_SECOND_MAX: f64 = 1_069_547_520.0;

/// Shortest side that SVT-AV1 takes.
const AV1_SIDE_PX_MIN: u32 = 64;

/// Bit rate of 1920 × 1080 at 30 frames a second, in thousands: of H.264 and of HEVC by Apple's authoring specification for
/// HLS; AV1 needs a little less than HEVC for the same picture.
const KBPS_OF_1080: [f64; 3] = [7800.0, 5800.0, 5000.0];

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

    /// The sizes of each codec, smallest first; `widths_px` says which, or nothing. Also, what was assumed.
    ///
    /// # Errors
    /// `Rejected` for a size that no decoder takes, or that the sphere cannot have.
    pub(crate) fn rungs(
        &self,
        codecs: &[VideoCodec],
        widths_px: &[u32],
    ) -> Result<(Vec<Rung>, Vec<String>), Failure> {
        let (mut rungs, mut assumptions) = (Vec::new(), Vec::new());
        if widths_px.is_empty() {
            for codec in codecs {
                rungs.extend(self.usual(*codec)?);
            }
        } else {
            let widths = self.fitting(widths_px, &mut assumptions);
            for width_px in widths {
                rungs.extend(self.asked(codecs, width_px, &mut assumptions)?);
            }
        }
        rungs.sort_by_key(|rung| (rung.codec, rung.width_px, rung.height_px));
        rungs.dedup_by_key(|rung| (rung.codec, rung.width_px, rung.height_px));
        Ok((rungs, assumptions))
    }

    /// Those of the widths that the source has; its own if it has none.
    fn fitting(&self, widths_px: &[u32], assumptions: &mut Vec<String>) -> Vec<u32> {
        let (largest, _) = footage::fit(self.footage, u32::MAX, None);
        let (fitting, beyond): (Vec<u32>, Vec<u32>) =
            widths_px.iter().copied().partition(|width_px| *width_px <= largest);
        if !beyond.is_empty() {
            assumptions.push(format!(
                "the video is {largest} pixels wide and is not made larger; left out were the widths {beyond:?}"
            ));
        }
        if fitting.is_empty() { vec![largest] } else { fitting }
    }

    /// A size that was asked for, in each codec that has a level for it: one at least.
    fn asked(
        &self,
        codecs: &[VideoCodec],
        width_px: u32,
        assumptions: &mut Vec<String>,
    ) -> Result<Vec<Rung>, Failure> {
        let (mut rungs, mut refused) = (Vec::new(), None);
        for codec in codecs {
            match self.rung(*codec, width_px) {
                Ok(rung) => rungs.push(rung),
                Err(failure) => refused = Some((codec, failure)),
            }
        }
        match refused {
            Some((_, failure)) if rungs.is_empty() => return Err(failure),
            Some((codec, _)) => assumptions.push(format!(
                "{} has no level for frames {width_px} pixels wide; they are made in other codecs only",
                codec.title()
            )),
            None => {}
        }
        Ok(rungs)
    }

    /// The largest size that decoders take, and usual ones below it.
    fn usual(&self, codec: VideoCodec) -> Result<Vec<Rung>, Failure> {
        let (width_px, height_px) = footage::fit(self.footage, u32::MAX, None);
        let sphere = self.track.sphere.is_some();
        let shorter = f64::from(width_px.min(height_px)) / f64::from(width_px);
        let side = |width: u32| f64::from(width) * if sphere { 1.0 } else { shorter };
        let sides = match (sphere, codec) {
            (true, VideoCodec::H264) => &SPHERE_PX[1..],
            (true, _) => &SPHERE_PX[..],
            (false, _) => &FLAT_PX[..],
        };
        // Flat video of H.264 ends by its levels alone; the others have levels for sizes that few can play.
        let most = if sphere || codec != VideoCodec::H264 {
            f64::from(sides[0]) / side(1)
        } else {
            f64::MAX
        };
        let mut width = width_px.min(most as u32);
        while !self.is_decodable(codec, self.size(width)) && width > 16 {
            width -= 2;
        }
        let mut rungs = vec![self.rung(codec, width)?];
        for usual in sides {
            if f64::from(*usual) * STEP > side(width) || rungs.len() == limits::RUNGS_MAX {
                continue;
            }
            let next = (f64::from(*usual) / side(2)).round() as u32 * 2;
            // A usual size may be none for the padding of a cube's faces.
            if let Ok(rung) = self.rung(codec, next) {
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

    fn rung(&self, codec: VideoCodec, width_px: u32) -> Result<Rung, Failure> {
        let (width_px, height_px) = self.size(width_px);
        if !self.is_decodable(codec, (width_px, height_px)) {
            let level = match codec {
                VideoCodec::H264 => "level 5.2",
                VideoCodec::Hevc => "level 6",
                VideoCodec::Av1 => "level 6.0",
            };
            let said = format!(
                "{width_px}×{height_px} pixels {:.2} times a second are more than {} decoders take ({level}); leave \
                 `widths_px` away, or ask for smaller ones",
                self.rate,
                codec.title()
            );
            return Err(Failure::rejected("rung_too_large", said));
        }
        if codec == VideoCodec::Av1 && width_px.min(height_px) < AV1_SIDE_PX_MIN {
            let said = format!(
                "the encoder of AV1 takes frames of {AV1_SIDE_PX_MIN} × {AV1_SIDE_PX_MIN} pixels at least, and {width_px}×{height_px} \
                 are fewer; leave av1 out of `codecs`, or ask for larger widths"
            );
            return Err(Failure::rejected("rung_too_small", said));
        }
        // The sphere's numbers count in frames as they are coded in the source.
        let sideways = self.footage.rotation_deg % 180 != 0;
        let sphere = footage::sphere_at(self.track, if sideways { height_px } else { width_px })?;
        let share =
            f64::from(width_px) * f64::from(height_px) * self.rate / (1920.0 * 1080.0 * 30.0);
        let of_1080 = KBPS_OF_1080[codec as usize];
        let kbps_max = (of_1080 * share.powf(KBPS_POWER)).round().clamp(150.0, 100_000.0);
        Ok(Rung { codec, width_px, height_px, kbps_max: kbps_max as u32, sphere })
    }

    fn is_decodable(&self, codec: VideoCodec, (width_px, height_px): (u32, u32)) -> bool {
        if codec != VideoCodec::H264 {
            let pixels = u64::from(width_px) * u64::from(height_px);
            return pixels <= PIXELS_MAX && pixels as f64 * self.rate <= PIXELS_A_SECOND_MAX;
        }
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

    use VideoCodec::{Av1, H264, Hevc};

    type Found = Result<(Vec<Rung>, Vec<String>), Failure>;

    fn rungs(media: &MediaInfo, rate: f64, codecs: &[VideoCodec], widths_px: &[u32]) -> Found {
        let source = footage::FootageSource { stereo: StereoLayout::Mono, eye: Eye::Left };
        let (footage, _) = source.plan("op", media).unwrap();
        Field::new(&footage, &media.tracks[0], rate).rungs(codecs, widths_px)
    }

    fn sizes_in(codec: VideoCodec, media: &MediaInfo, rate: f64) -> Vec<(u32, u32)> {
        let (found, _) = rungs(media, rate, &[codec], &[]).unwrap();
        found.iter().map(|rung| (rung.width_px, rung.height_px)).collect()
    }

    fn sizes(media: &MediaInfo, rate: f64, widths_px: &[u32]) -> Vec<(u32, u32)> {
        let (found, _) = rungs(media, rate, &[H264], widths_px).unwrap();
        found.iter().map(|rung| (rung.width_px, rung.height_px)).collect()
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
        let huge = film(4096, 4096, None);
        let refused = rungs(&huge, 30.0, &[H264], &[4096]).unwrap_err();
        assert_eq!(refused.code, "rung_too_large");
    }

    #[test]
    fn newer_codecs_go_beyond_h264() {
        let whole = || Some(sphere(SphereProjection::Equirectangular, EyeLayout::Mono));
        let media = film(7680, 3840, whole());
        for codec in [Hevc, Av1] {
            let found = sizes_in(codec, &media, 60.0);
            assert_eq!(found[found.len() - 2..], [(4096, 2048), (5760, 2880)], "{codec:?}");
        }
        // Two eyes of 5760 × 5760 are 33 million pixels, 60 times a second too many.
        let pair = Some(sphere(SphereProjection::Equirectangular, EyeLayout::TopBottom));
        let pair = film(5760, 5760, pair);
        assert_eq!(sizes_in(Hevc, &pair, 30.0).last(), Some(&(5760, 5760)));
        let (width, height) = *sizes_in(Hevc, &pair, 60.0).last().unwrap();
        assert!(width == height && (4000..4240).contains(&width), "{width}");
        assert_eq!(sizes_in(Hevc, &film(7680, 4320, None), 30.0).last(), Some(&(3840, 2160)));
        assert_eq!(sizes_in(Av1, &film(640, 360, None), 30.0), [(426, 240), (640, 360)]);
    }

    #[test]
    fn a_width_is_made_in_the_codecs_that_have_it() {
        let media = film(7680, 3840, None);
        let (found, said) = rungs(&media, 30.0, &[Hevc, H264], &[5760, 1024]).unwrap();
        let found: Vec<_> = found.iter().map(|rung| (rung.codec, rung.width_px)).collect();
        assert_eq!(found, [(H264, 1024), (Hevc, 1024), (Hevc, 5760)]);
        assert!(said[0].contains("H.264 has no level") && said.len() == 1, "{said:?}");
        let refused = rungs(&media, 60.0, &[H264, Hevc], &[7680]).unwrap_err();
        assert_eq!(refused.code, "rung_too_large");
        // The same picture takes fewer bits.
        let kbps = |codec| rungs(&media, 30.0, &[codec], &[1920]).unwrap().0[0].kbps_max;
        assert!(kbps(H264) > kbps(Hevc) && kbps(Hevc) > kbps(Av1));
    }
}
