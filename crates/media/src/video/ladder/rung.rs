//! One size of a ladder.

use ffmpeg_next::Packet;
use ffmpeg_next::Rational;
use ffmpeg_next::color::{Primaries, Range, Space, TransferCharacteristic};
use ffmpeg_next::ffi::{AVColorPrimaries, AVColorSpace, AVColorTransferCharacteristic};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_isobmff::BoxError;
use panofleet_isobmff::av1::Av1Configuration;
use panofleet_isobmff::avc::AvcConfiguration;
use panofleet_isobmff::cmaf::{
    Colour, Media, SyncSamples, VideoConfiguration, VideoTrack, init_segment,
};
use panofleet_isobmff::hevc::HevcConfiguration;
use panofleet_job_schema::operation::{EncoderPreset, LadderPlan, Rung, VideoCodec};
use panofleet_raster::Size;

use super::segments::{TrackSegments, failed};
use super::{Grid, NewFile};
use crate::error::MediaError;
use crate::video::convert::Converter;
use crate::video::encode::{EncoderSettings, SegmentSettings, VideoEncoder};
use crate::video::sphere_boxes::SphereBoxes;

/// Threads of one encoder at most: each holds frames of its own.
const ENCODER_THREADS_MAX: usize = 4;

/// Frames that x264 and x265 look ahead by their own presets.
const LOOKAHEAD_X264: [u32; 9] = [0, 0, 10, 20, 30, 40, 50, 60, 60];
const LOOKAHEAD_X265: [u32; 9] = [5, 10, 15, 15, 15, 20, 25, 40, 40];

/// Frames that the encoder of one of several sizes looks ahead at most: memory is what sizes share.
const LOOKAHEAD_MAX: u32 = 20;

/// The same of large frames.
const LOOKAHEAD_LARGE_MAX: u32 = 10;

/// Pixels of a large frame: more than 1920 × 1088.
const LARGE_PX: u32 = 1920 * 1088 + 1;

/// And of frames that H.264 has no level for, of which there are few in a job's memory.
const LOOKAHEAD_HUGE_MAX: u32 = 6;
const HUGE_PX: u32 = 4096 * 2304 + 1;

/// Encoder and segments of one size.
pub(super) struct RungWork {
    grid: Grid,
    encoder: VideoEncoder,
    configuration: VideoConfiguration,
    track: FinishedRung,
    files: Vec<NewFile>,
    /// Frames that came out of the encoder.
    decoded: u64,
}

/// The folder of a size: sizes of H.264 have had it by their sides alone.
fn folder(rung: &Rung) -> String {
    let Rung { codec, width_px, height_px, .. } = rung;
    match codec {
        VideoCodec::H264 => format!("{width_px}x{height_px}"),
        codec => format!("{}-{width_px}x{height_px}", codec.as_str()),
    }
}

/// What a decoder must know, out of what an encoder says before its first frame.
fn configuration(codec: VideoCodec, stream: &[u8]) -> Result<VideoConfiguration, BoxError> {
    Ok(match codec {
        VideoCodec::H264 => VideoConfiguration::Avc(AvcConfiguration::from_stream(stream)?),
        VideoCodec::Hevc => VideoConfiguration::Hevc(HevcConfiguration::from_stream(stream)?),
        VideoCodec::Av1 => VideoConfiguration::Av1(Av1Configuration::from_stream(stream)?),
    })
}

/// What playlists say of a size.
pub(super) struct FinishedRung {
    pub(super) codec: VideoCodec,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    /// The codec in the words of `CODECS`.
    pub(super) codecs: String,
    pub(super) segments: TrackSegments,
    /// What the metadata of a sphere could not say.
    pub(super) warnings: Vec<String>,
}

/// What makes frames of a size.
pub(super) fn converter(rung: &Rung) -> Result<Converter, MediaError> {
    let size = Size::new(rung.width_px, rung.height_px).ok_or(MediaError::NoFrames)?;
    Ok(Converter::to_square(size))
}

/// Frames that the encoder of a size looks ahead.
pub(super) fn lookahead(preset: EncoderPreset, rung: &Rung) -> u32 {
    let own = match rung.codec {
        VideoCodec::H264 => LOOKAHEAD_X264,
        VideoCodec::Hevc | VideoCodec::Av1 => LOOKAHEAD_X265,
    };
    let most = match rung.width_px * rung.height_px {
        HUGE_PX.. => LOOKAHEAD_HUGE_MAX,
        LARGE_PX.. => LOOKAHEAD_LARGE_MAX,
        _ => LOOKAHEAD_MAX,
    };
    own[preset as usize].min(most)
}

/// Threads of the encoder of a size: its share of the pixels of all. Sizes are encoded beside each other too.
pub(super) fn encoder_threads(rungs: &[Rung], rung: &Rung, threads: usize) -> usize {
    let px = |rung: &Rung| f64::from(rung.width_px) * f64::from(rung.height_px);
    let share = px(rung) / rungs.iter().map(px).sum::<f64>();
    let most = match rung.codec {
        // Its threads take more memory than small frames do; and what more than two take was not measured.
        VideoCodec::Av1 if px(rung) < f64::from(LARGE_PX) => 1,
        VideoCodec::Av1 => 2,
        VideoCodec::H264 | VideoCodec::Hevc => ENCODER_THREADS_MAX,
    };
    ((threads as f64 * share).round() as usize).clamp(1, most)
}

/// Bytes that the encoder of a size takes at most, in address space.
pub(super) fn encoder_bytes(preset: EncoderPreset, rung: &Rung, threads: usize) -> u64 {
    const MIB: u64 = 1 << 20;
    // Beside those that are looked ahead at: B-frames, and what is on its way in and out.
    const WAITING: u64 = 8;
    // As many as level 5.2 allows large frames to have, and the one in work.
    const REFERRED: u64 = 6;
    let ahead = u64::from(lookahead(preset, rung));
    let (fixed, of_a_pixel) = match rung.codec {
        // x264 keeps pictures that wait (their planes, and a small copy to look ahead in: 3 bytes a pixel) and pictures
        // that others refer to (with three copies that lie half a pixel off: 7 bytes a pixel).
        VideoCodec::H264 => {
            let (waiting, threads) = (ahead + WAITING, threads as u64);
            (0, 3 * (waiting + threads) + 7 * (REFERRED + threads))
        }
        // Measured: x265 3.5, of one frame at a time.
        VideoCodec::Hevc => (56 * MIB, 102 + 4 * ahead),
        // Measured: SVT-AV1 1.4. It has some twenty threads for each that it is to use, and more frames in work beside one.
        VideoCodec::Av1 if threads == 1 => (272 * MIB, 100),
        VideoCodec::Av1 => (512 * MIB, 290),
    };
    fixed + of_a_pixel * u64::from(rung.width_px) * u64::from(rung.height_px)
}

impl RungWork {
    /// For frames like this one, by an encoder of so many threads.
    ///
    /// # Errors
    /// `Encode`.
    pub(super) fn new(
        plan: &LadderPlan,
        rung: &Rung,
        first: &RawFrame,
        (grid, threads): (Grid, usize),
    ) -> Result<Self, MediaError> {
        let (frames, seconds) = grid.rate;
        let settings = EncoderSettings {
            codec: rung.codec,
            crf: plan.crf,
            preset: plan.preset,
            // The ordered keyframes come before it would set one by itself.
            keyframe_frames: grid.segment_frames.div_ceil(grid.groups) as u32,
            frame_rate: Rational::new(frames, seconds),
            tick: Rational::new(seconds, frames),
            threads,
            segments: Some(SegmentSettings {
                kbps_max: rung.kbps_max,
                lookahead_frames: lookahead(plan.preset, rung),
            }),
        };
        let encoder = VideoEncoder::new(&settings, first)?;
        let configuration = configuration(rung.codec, encoder.parameter_sets()).map_err(failed)?;
        let colour = colour(first);
        let sphere = SphereBoxes::of(rung.sphere.as_ref());
        let too_large = || MediaError::NoFrames;
        let track = VideoTrack {
            width_px: u16::try_from(rung.width_px).ok().ok_or_else(too_large)?,
            height_px: u16::try_from(rung.height_px).ok().ok_or_else(too_large)?,
            configuration: configuration.clone(),
            colour,
            entry_boxes: sphere.entry_boxes,
            track_boxes: sphere.track_boxes,
        };
        let segments = TrackSegments::new(
            folder(rung),
            "video/mp4",
            (grid.timescale, grid.frame_ticks),
            SyncSamples::First,
        );
        let init = init_segment(grid.timescale, &Media::Video(track)).map_err(failed)?;
        let files = vec![segments.init(init)];
        let track = FinishedRung {
            codec: rung.codec,
            width_px: rung.width_px,
            height_px: rung.height_px,
            codecs: configuration.codecs(colour),
            segments,
            warnings: sphere.warnings,
        };
        Ok(Self { grid, encoder, configuration, track, files, decoded: 0 })
    }

    /// Encodes frame `number`.
    ///
    /// # Errors
    /// `Encode`.
    pub(super) fn encode(&mut self, number: u64, picture: &mut RawFrame) -> Result<(), MediaError> {
        picture.set_pts(Some(number.cast_signed()));
        if self.grid.is_key(number) {
            self.encoder.send_key(picture)?;
        } else {
            self.encoder.send(Some(picture))?;
        }
        self.receive()
    }

    /// Encodes what is left, and ends the last segment. Also, the files that are ready with it.
    ///
    /// # Errors
    /// `Encode`.
    pub(super) fn finish(mut self) -> Result<(FinishedRung, Vec<NewFile>), MediaError> {
        self.encoder.send(None)?;
        self.receive()?;
        self.files.extend(self.track.segments.end_segment()?);
        Ok((self.track, self.files))
    }

    fn receive(&mut self) -> Result<(), MediaError> {
        while let Some(packet) = self.encoder.receive()? {
            self.take(&packet)?;
        }
        Ok(())
    }

    /// Puts a frame where it belongs: frames come in the order of decoding, and one is decoded in each frame's time.
    fn take(&mut self, packet: &Packet) -> Result<(), MediaError> {
        let grid = self.grid;
        let number = self.decoded;
        self.decoded += 1;
        let wanted = grid.is_key(number);
        if grid.begins_segment(number) {
            self.files.extend(self.track.segments.end_segment()?);
        } else if wanted {
            self.track.segments.end_fragment()?;
        }
        let format = self.track.codec.title();
        let odd = |said: &str| MediaError::Encode { format, source: said.into() };
        let shown = packet.pts().ok_or_else(|| odd("a frame without a time came out"))?;
        let after = (shown - number.cast_signed()) * i64::from(grid.frame_ticks);
        let after = i32::try_from(after).ok().ok_or_else(|| odd("a frame came out too early"))?;
        let bytes = packet.data().unwrap_or_default();
        let configuration = &self.configuration;
        let is_key = self.track.segments.add(after, |to| configuration.write_sample(bytes, to))?;
        if is_key != wanted || (wanted && after != 0) {
            let [came, was] = [is_key, wanted].map(|key| if key { "a keyframe" } else { "none" });
            let said =
                format!("frame {number}, shown as {shown}, is {came} where {was} was ordered");
            return Err(odd(&said));
        }
        Ok(())
    }

    /// Files that are ready.
    pub(super) fn files(&mut self) -> Vec<NewFile> {
        std::mem::take(&mut self.files)
    }
}

/// What the samples of a frame mean, in the numbers of H.273, which are FFmpeg's; nothing, if nobody says anything.
fn colour(frame: &RawFrame) -> Option<Colour> {
    let (primaries, transfer, matrix) =
        (frame.color_primaries(), frame.color_transfer_characteristic(), frame.color_space());
    let full_range = frame.color_range() == Range::JPEG || frame.format() == Pixel::YUVJ420P;
    let unsaid = primaries == Primaries::Unspecified
        && transfer == TransferCharacteristic::Unspecified
        && matrix == Space::Unspecified;
    (!unsaid || full_range).then(|| Colour {
        primaries: AVColorPrimaries::from(primaries) as u16,
        transfer: AVColorTransferCharacteristic::from(transfer) as u16,
        matrix: AVColorSpace::from(matrix) as u16,
        full_range,
    })
}
