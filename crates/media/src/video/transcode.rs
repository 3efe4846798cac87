//! A video to one MP4: H.264, AAC, the index first, the sphere kept.

use std::fs::File;
use std::path::Path;

use ffmpeg_next::util::frame::Video as RawFrame;
use ffmpeg_next::{Packet, Rational};
use panofleet_isobmff::{MovieEdit, TrackEdit};
use panofleet_job_schema::operation::{DamagePolicy, TranscodePlan, VideoCodec};
use panofleet_raster::Size;

use super::convert::Converter;
use super::encode::{EncoderSettings, VideoEncoder};
use super::frame::VideoFrame;
use super::mp4::Mp4Writer;
use super::reader::VideoReader;
use super::sound::{Sound, Span};
use super::sphere_boxes::SphereBoxes;
use crate::error::MediaError;
use crate::probe;

/// A number of seconds after every video's end.
const FOREVER_S: f64 = 1e9;

/// What came of a transcode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcoded {
    /// Frames that were encoded.
    pub frames: u64,
    /// What was damaged, lost or left out.
    pub warnings: Vec<String>,
}

/// Makes the MP4 that a plan asks for in an empty file that is open for reading too. `encoded` hears of each frame
/// that went to the encoder.
///
/// The first frame is at time 0, and the sound keeps its distance to it. A frame whose time does not come after
/// that of the one before it is left out.
///
/// # Errors
/// `Rejected` errors for what the file is or lacks, for damage if the plan says so; `Write`; `Encode`; what
/// `encoded` says.
pub fn transcode<E: From<MediaError>>(
    source: &Path,
    plan: &TranscodePlan,
    threads: usize,
    file: File,
    encoded: impl FnMut() -> Result<(), E>,
) -> Result<Transcoded, E> {
    let size = Size::new(plan.width_px, plan.height_px).ok_or(MediaError::NoFrames)?;
    let converter = Converter::new(size);
    transcode_as(source, plan, |frame| converter.convert(frame), (threads, file), encoded)
}

/// The same with frames that `make` makes of the source's.
///
/// # Errors
/// As [`transcode`]; what `make` says.
pub(super) fn transcode_as<E: From<MediaError>>(
    source: &Path,
    plan: &TranscodePlan,
    make: impl FnMut(VideoFrame) -> Result<RawFrame, MediaError>,
    (threads, file): (usize, File),
    mut encoded: impl FnMut() -> Result<(), E>,
) -> Result<Transcoded, E> {
    let mut reader = VideoReader::open(source, plan.footage.track, threads)?;
    if plan.start_s > 0.0 {
        reader.seek_before(plan.start_s)?;
    }
    let mut frames = Frames { reader, make, plan, last_s: None, left_out: 0 };
    let Some((first_s, mut first)) = frames.next()? else {
        return Err(MediaError::NoFrames.into());
    };
    let tick = frames.reader.tick();
    let settings = EncoderSettings {
        codec: VideoCodec::H264,
        crf: plan.crf,
        preset: plan.preset,
        keyframe_frames: plan.keyframe_frames,
        frame_rate: Rational::new(plan.frame_rate.0, plan.frame_rate.1),
        tick,
        threads,
        segments: None,
    };
    let encoder = VideoEncoder::new(&settings, &first)?;
    let mut writer = Mp4Writer::new(file)?;
    writer.add_encoder(encoder.context(), tick)?;
    let sound = open_sound(
        source,
        plan,
        frames.reader.start_s() + first_s,
        &mut writer,
        plan.end_s.map(|end_s| frames.reader.start_s() + end_s),
    )?;
    writer.begin()?;
    let frame_ticks =
        (1.0 / f64::from(settings.frame_rate) / f64::from(tick)).round().max(1.0) as i64;
    let mut work = Work { encoder, writer, sound, tick, frame_ticks };
    let mut count = 0;
    let mut at_s = first_s;
    loop {
        let ticks = ((at_s - first_s) / f64::from(tick)).round() as i64;
        first.set_pts(Some(ticks));
        work.encode(Some(&mut first))?;
        count += 1;
        encoded()?;
        let Some((next_s, next)) = frames.next()? else { break };
        (at_s, first) = (next_s, next);
    }
    work.encode(None)?;
    let mut transcoded = Transcoded { frames: count, warnings: Vec::new() };
    frames.judge(&mut transcoded.warnings)?;
    work.finish(plan, &mut transcoded.warnings)?;
    Ok(transcoded)
}

fn open_sound(
    source: &Path,
    plan: &TranscodePlan,
    start_s: f64,
    writer: &mut Mp4Writer,
    end_s: Option<f64>,
) -> Result<Option<Sound>, MediaError> {
    let Some(track) = plan.audio_track else { return Ok(None) };
    let file = File::open(source).map_err(MediaError::Io)?;
    let (container, _) = probe::sniff_file(&file)?;
    let span = Span { start_s, end_s: end_s.unwrap_or(FOREVER_S) };
    Sound::open((container, &file), track, span, plan.audio_kbps, (writer, 1)).map(Some)
}

/// The frames of the part that is wanted, in the order of time.
struct Frames<'p, M> {
    reader: VideoReader,
    make: M,
    plan: &'p TranscodePlan,
    last_s: Option<f64>,
    left_out: u64,
}

impl<M: FnMut(VideoFrame) -> Result<RawFrame, MediaError>> Frames<'_, M> {
    fn next(&mut self) -> Result<Option<(f64, RawFrame)>, MediaError> {
        let half_tick_s = f64::from(self.reader.tick()) / 2.0;
        while let Some(frame) = self.reader.next_frame()? {
            let at_s = self.time(&frame);
            if at_s < self.plan.start_s - half_tick_s {
                continue;
            }
            if self.plan.end_s.is_some_and(|end_s| at_s >= end_s - half_tick_s) {
                return Ok(None);
            }
            if self.last_s.is_some_and(|last_s| at_s <= last_s + half_tick_s) {
                self.left_out += 1;
                continue;
            }
            self.last_s = Some(at_s);
            return Ok(Some((at_s, (self.make)(frame)?)));
        }
        Ok(None)
    }

    /// When a frame is shown; one that does not say comes a frame after the last.
    fn time(&self, frame: &VideoFrame) -> f64 {
        let (frames, seconds) = self.plan.frame_rate;
        let next_s =
            || self.last_s.map_or(0.0, |last_s| last_s + f64::from(seconds) / f64::from(frames));
        frame.at_s().unwrap_or_else(next_s)
    }

    /// Says what was wrong with the video, or refuses it for that.
    fn judge(&self, warnings: &mut Vec<String>) -> Result<(), MediaError> {
        let whole = self.plan.start_s == 0.0 && self.plan.end_s.is_none();
        let report = self.reader.report();
        let verdict =
            if whole { self.reader.verdict(self.plan.declared_frames) } else { report.faults() };
        if self.left_out > 0 {
            warnings.push(format!(
                "{} frames came at the time of another and were left out",
                self.left_out
            ));
        }
        match verdict {
            Some(said) if self.plan.damage == DamagePolicy::Reject => {
                Err(MediaError::VideoDamaged(said))
            }
            said => {
                warnings.extend(said);
                Ok(())
            }
        }
    }
}

/// Encoder, sound and file.
struct Work {
    encoder: VideoEncoder,
    writer: Mp4Writer,
    sound: Option<Sound>,
    tick: Rational,
    frame_ticks: i64,
}

impl Work {
    /// Encodes a frame, or what is left at the end, and writes what is ready, sound beside picture.
    fn encode(&mut self, frame: Option<&mut RawFrame>) -> Result<(), MediaError> {
        self.encoder.send(frame)?;
        while let Some(packet) = self.encoder.receive()? {
            self.write(packet)?;
        }
        Ok(())
    }

    fn write(&mut self, packet: Packet) -> Result<(), MediaError> {
        let until_s = packet.dts().map(|ticks| ticks as f64 * f64::from(self.tick));
        if let (Some(sound), Some(until_s)) = (&mut self.sound, until_s) {
            sound.write_until(until_s, &mut self.writer)?;
        }
        self.writer.write(0, packet, self.frame_ticks)
    }

    fn finish(
        mut self,
        plan: &TranscodePlan,
        warnings: &mut Vec<String>,
    ) -> Result<(), MediaError> {
        if let Some(sound) = &mut self.sound {
            sound.write_until(FOREVER_S, &mut self.writer)?;
            if sound.refused() > 0 {
                warnings.push(format!("{} packets of sound could not be decoded", sound.refused()));
            }
        }
        let sphere = SphereBoxes::of(plan.sphere.as_ref());
        warnings.extend(sphere.warnings);
        // The muxer numbers its tracks from 1.
        let track = TrackEdit {
            track_id: 1,
            entry_boxes: sphere.entry_boxes,
            track_boxes: sphere.track_boxes,
            rotation_deg: plan.footage.rotation_deg,
        };
        self.writer.finish(&MovieEdit { tracks: vec![track] }).map(drop)
    }
}
