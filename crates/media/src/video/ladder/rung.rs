//! One size of a ladder.

use ffmpeg_next::Packet;
use ffmpeg_next::Rational;
use ffmpeg_next::color::{Primaries, Range, Space, TransferCharacteristic};
use ffmpeg_next::ffi::{AVColorPrimaries, AVColorSpace, AVColorTransferCharacteristic};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_isobmff::avc::{self, AvcConfiguration};
use panofleet_isobmff::cmaf::{Colour, Media, SyncSamples, VideoTrack, init_segment};
use panofleet_job_schema::operation::{EncoderPreset, LadderPlan, Rung};
use panofleet_raster::Size;

use super::segments::{TrackSegments, failed};
use super::{Grid, NewFile, PictureTrack};
use crate::error::MediaError;
use crate::video::convert::Converter;
use crate::video::encode::{EncoderSettings, SegmentSettings, VideoEncoder};
use crate::video::sphere_boxes::SphereBoxes;

/// Threads of one encoder at most: each holds frames of its own.
const ENCODER_THREADS_MAX: usize = 4;

/// Frames that x264 looks ahead by its own presets.
const LOOKAHEAD: [u32; 9] = [0, 0, 10, 20, 30, 40, 50, 60, 60];

/// Frames that the encoder of one of several sizes looks ahead at most: memory is what sizes share.
const LOOKAHEAD_MAX: u32 = 20;

/// The same of large frames.
const LOOKAHEAD_LARGE_MAX: u32 = 10;

/// Pixels of a large frame: more than 1920 × 1088.
const LARGE_PX: u32 = 1920 * 1088 + 1;

/// Encoder and segments of one size.
pub(super) struct RungWork {
    width_px: u32,
    height_px: u32,
    grid: Grid,
    encoder: VideoEncoder,
    configuration: AvcConfiguration,
    segments: TrackSegments,
    files: Vec<NewFile>,
    warnings: Vec<String>,
    /// Frames that came out of the encoder.
    decoded: u64,
}

/// What makes frames of a size.
pub(super) fn converter(rung: &Rung) -> Result<Converter, MediaError> {
    let size = Size::new(rung.width_px, rung.height_px).ok_or(MediaError::NoFrames)?;
    Ok(Converter::to_square(size))
}

/// Frames that the encoder of a size looks ahead.
pub(super) fn lookahead(preset: EncoderPreset, rung: &Rung) -> u32 {
    let large = rung.width_px * rung.height_px >= LARGE_PX;
    LOOKAHEAD[preset as usize].min(if large { LOOKAHEAD_LARGE_MAX } else { LOOKAHEAD_MAX })
}

/// Threads of the encoder of a size: its share of all pixels. Sizes are encoded beside each other too.
pub(super) fn encoder_threads(plan: &LadderPlan, rung: &Rung, threads: usize) -> usize {
    let px = |rung: &Rung| f64::from(rung.width_px) * f64::from(rung.height_px);
    let share = px(rung) / plan.rungs.iter().map(px).sum::<f64>();
    ((threads as f64 * share).round() as usize).clamp(1, ENCODER_THREADS_MAX)
}

impl RungWork {
    /// For frames like this one.
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
            crf: plan.crf,
            preset: plan.preset.as_str(),
            // The ordered keyframes come before it would set one by itself.
            keyframe_frames: grid.segment_frames.div_ceil(grid.groups) as u32,
            frame_rate: Rational::new(frames, seconds),
            tick: Rational::new(seconds, frames),
            threads: encoder_threads(plan, rung, threads),
            segments: Some(SegmentSettings {
                kbps_max: rung.kbps_max,
                lookahead_frames: lookahead(plan.preset, rung),
            }),
        };
        let encoder = VideoEncoder::new(&settings, first)?;
        let configuration =
            AvcConfiguration::from_stream(encoder.parameter_sets()).map_err(failed)?;
        let sphere = SphereBoxes::of(rung.sphere.as_ref());
        let too_large = || MediaError::NoFrames;
        let track = VideoTrack {
            width_px: u16::try_from(rung.width_px).ok().ok_or_else(too_large)?,
            height_px: u16::try_from(rung.height_px).ok().ok_or_else(too_large)?,
            configuration: configuration.clone(),
            colour: colour(first),
            entry_boxes: sphere.entry_boxes,
            track_boxes: sphere.track_boxes,
        };
        let segments = TrackSegments::new(
            format!("{}x{}", rung.width_px, rung.height_px),
            "video/mp4",
            (grid.timescale, grid.frame_ticks),
            SyncSamples::First,
        );
        let init = init_segment(grid.timescale, &Media::Video(track)).map_err(failed)?;
        Ok(Self {
            width_px: rung.width_px,
            height_px: rung.height_px,
            grid,
            encoder,
            configuration,
            files: vec![segments.init(init)],
            segments,
            warnings: sphere.warnings,
            decoded: 0,
        })
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

    /// Encodes what is left, and ends the last segment.
    ///
    /// # Errors
    /// `Encode`.
    pub(super) fn finish(&mut self) -> Result<(), MediaError> {
        self.encoder.send(None)?;
        self.receive()?;
        self.files.extend(self.segments.end_segment()?);
        Ok(())
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
            self.files.extend(self.segments.end_segment()?);
        } else if wanted {
            self.segments.end_fragment()?;
        }
        let odd = |said: &'static str| MediaError::Encode { format: "H.264", source: said.into() };
        let shown = packet.pts().ok_or_else(|| odd("a frame without a time came out"))?;
        let after = (shown - number.cast_signed()) * i64::from(grid.frame_ticks);
        let after = i32::try_from(after).ok().ok_or_else(|| odd("a frame came out too early"))?;
        let bytes = packet.data().unwrap_or_default();
        let is_key = self.segments.add(after, |to| avc::write_sample(bytes, to))?;
        if is_key != wanted || (wanted && after != 0) {
            return Err(odd("keyframes came where none was ordered, or none came"));
        }
        Ok(())
    }

    /// Files that are ready.
    pub(super) fn files(&mut self) -> Vec<NewFile> {
        std::mem::take(&mut self.files)
    }

    /// What the metadata of a sphere could not say.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    pub(super) fn track(&self) -> PictureTrack<'_> {
        PictureTrack {
            width_px: self.width_px,
            height_px: self.height_px,
            codecs: self.configuration.codecs(),
            segments: &self.segments,
        }
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
