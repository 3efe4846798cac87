//! The sound of a ladder: always encoded anew, so that it begins where the picture does.

use std::fs::File;
use std::path::Path;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational};
use panofleet_isobmff::aac::AacConfiguration;
use panofleet_isobmff::cmaf::{AudioTrack, Media, SyncSamples, init_segment};
use panofleet_job_schema::operation::LadderAudio;

use super::segments::{TrackSegments, failed};
use super::{Grid, LOST_S, NewFile, SoundTrack};
use crate::error::MediaError;
use crate::probe;
use crate::tracks::demux;
use crate::video::aac::AacEncoding;
use crate::video::reader::discard_others;
use crate::video::sound::Span;

/// The sound track, read beside the picture.
///
/// An encoder of AAC begins with a packet that only prepares for the first sample. It is left out, so that the
/// first packet is that of time 0, and no player has to know what to skip; the price is that the first packet's
/// 1024 samples fade in. Segments end with the packet whose end is nearest to that of the picture's segment.
pub(super) struct LadderSound {
    input: Input,
    track: usize,
    tick: Rational,
    span: Span,
    duration_s: Option<f64>,
    encoding: AacEncoding,
    ended: bool,
    refused: u64,
    codecs: String,
    cutter: Cutter,
}

/// Puts packets into segments.
struct Cutter {
    segments: TrackSegments,
    files: Vec<NewFile>,
    /// Packets so far.
    packets: u64,
    /// Packets of all segments up to the one in work, and how many of these there are.
    end: u64,
    number: u64,
    /// Samples of a picture's segment as a fraction, and those of a packet.
    segment_samples: (u64, u64),
    packet_samples: u64,
}

impl LadderSound {
    /// Opens the track beside the picture, which begins at `start_s` by the file's own clock.
    ///
    /// # Errors
    /// `video_unsupported` if nobody here decodes it.
    pub(super) fn open(
        source: &Path,
        audio: LadderAudio,
        start_s: f64,
        grid: Grid,
        segment_frames: u32,
    ) -> Result<Self, MediaError> {
        let file = File::open(source).map_err(MediaError::Io)?;
        let (container, _) = probe::sniff_file(&file)?;
        let mut input = demux::open(container, &file)?;
        let track = audio.track as usize;
        discard_others(&mut input, track);
        let found = input.stream(track).ok_or_else(|| {
            MediaError::VideoUnsupported(format!("the file has no track {}", audio.track))
        })?;
        let tick = found.time_base();
        let encoding = AacEncoding::new(found.parameters(), tick, audio.kbps)?;
        let configuration = AacConfiguration::new(encoding.configuration()).map_err(failed)?;
        let codecs = configuration.codecs();
        let rate_hz = encoding.rate() as u32;
        let media = Media::Audio(AudioTrack {
            channels: encoding.channels() as u16,
            rate_hz,
            configuration,
            bits_per_second: audio.kbps * 1000,
        });
        let packet_samples = encoding.frame_samples() as u32;
        let times = (rate_hz, packet_samples);
        let segments = TrackSegments::new("audio".into(), "audio/mp4", times, SyncSamples::All);
        let init = init_segment(rate_hz, &media).map_err(failed)?;
        let ticks = u64::from(segment_frames) * u64::from(grid.frame_ticks);
        let mut cutter = Cutter {
            files: vec![segments.init(init)],
            segments,
            packets: 0,
            end: 0,
            number: 0,
            segment_samples: (ticks * u64::from(rate_hz), grid.timescale.into()),
            packet_samples: packet_samples.into(),
        };
        cutter.next();
        let duration_s = audio.duration_ms.map(|ms| ms as f64 / 1000.0);
        let span = Span { start_s, end_s: f64::INFINITY };
        Ok(Self {
            input,
            track,
            tick,
            span,
            duration_s,
            encoding,
            ended: false,
            refused: 0,
            codecs,
            cutter,
        })
    }

    /// Writes the sound up to `until_s`, counted from the start; where there is none, silence.
    ///
    /// # Errors
    /// `Encode`.
    pub(super) fn write_until(&mut self, until_s: f64) -> Result<(), MediaError> {
        let until = self.samples(until_s);
        self.read_until(until);
        self.encoding.give(until, &mut |packet| self.cutter.take(&packet))
    }

    /// Writes what is left, so that the sound ends at `end_s`.
    ///
    /// # Errors
    /// `Encode`.
    pub(super) fn finish(&mut self, end_s: f64) -> Result<(), MediaError> {
        let end = self.samples(end_s);
        self.read_until(end);
        self.encoding.cut_at(end);
        self.encoding.finish(&mut |packet| self.cutter.take(&packet))?;
        self.cutter.finish()
    }

    fn samples(&self, seconds: f64) -> i64 {
        (seconds * self.encoding.rate() as f64).round() as i64
    }

    fn read_until(&mut self, until: i64) {
        let mut packet = Packet::empty();
        while !self.ended && self.encoding.taken() < until {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.track => {}
                Ok(()) => {
                    let fine = self.encoding.take(&packet, self.span, self.tick);
                    self.refused += u64::from(!fine);
                }
                // An end that is an error is the file's, which the picture tells of.
                Err(_) => {
                    self.encoding.take_rest(self.span, self.tick);
                    self.ended = true;
                }
            }
        }
        if self.ended {
            self.encoding.fill_to(until);
        }
    }

    /// Files that are ready.
    pub(super) fn files(&mut self) -> Vec<NewFile> {
        std::mem::take(&mut self.cutter.files)
    }

    /// What was lost, of a picture that ends at `end_s`.
    pub(super) fn warning(&self, end_s: f64) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.refused > 0 {
            warnings.push(format!("{} packets of sound could not be decoded", self.refused));
        }
        if let Some(longer_s) = self.duration_s.map(|s| s - end_s).filter(|s| *s > LOST_S) {
            warnings.push(format!(
                "the sound goes on for {longer_s:.1} s after the last frame; it was cut there"
            ));
        }
        warnings
    }

    pub(super) fn track(&self) -> SoundTrack<'_> {
        SoundTrack {
            channels: self.encoding.channels(),
            rate_hz: self.cutter.segments.timescale,
            codecs: self.codecs.clone(),
            segments: &self.cutter.segments,
        }
    }
}

impl Cutter {
    fn take(&mut self, packet: &Packet) -> Result<(), MediaError> {
        if packet.pts().is_some_and(|pts| pts < 0) {
            return Ok(());
        }
        if self.packets == self.end {
            self.files.extend(self.segments.end_segment()?);
            self.next();
        }
        self.packets += 1;
        self.segments.add(0, |to| {
            to.extend(packet.data().unwrap_or_default());
            Ok(())
        })
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.files.extend(self.segments.end_segment()?);
        Ok(())
    }

    /// Where the next segment ends: one packet behind the last at least.
    fn next(&mut self) {
        self.number += 1;
        let (samples, of) = self.segment_samples;
        let exact = u128::from(samples) * u128::from(self.number);
        let packet = u128::from(of) * u128::from(self.packet_samples);
        let nearest = u64::try_from((2 * exact + packet) / (2 * packet)).unwrap_or(u64::MAX);
        self.end = nearest.max(self.end + 1);
    }
}
