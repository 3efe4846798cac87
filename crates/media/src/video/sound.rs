//! The sound of a video: AAC is copied, everything else becomes AAC.

use std::fs::File;

use ffmpeg_next::codec::Id;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational};

use super::aac::AacEncoding;
use super::mp4::Mp4Writer;
use crate::error::MediaError;
use crate::sniff::Container;
use crate::tracks::demux;

/// The part of the file's time that is used, by the file's own clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
}

/// The sound track, read beside the picture.
pub(crate) struct Sound {
    input: Input,
    track: usize,
    tick: Rational,
    span: Span,
    mode: Mode,
    /// The stream of the MP4.
    stream: usize,
    ended: bool,
    refused: u64,
}

enum Mode {
    Copy,
    Encode(Box<AacEncoding>),
}

impl Sound {
    /// Opens track `index` of a file beside its picture, and adds a stream to the MP4.
    ///
    /// # Errors
    /// `video_unsupported` if nobody here decodes it.
    pub(crate) fn open(
        (container, file): (Container, &File),
        index: u32,
        span: Span,
        kbps: u32,
        (writer, stream): (&mut Mp4Writer, usize),
    ) -> Result<Self, MediaError> {
        let mut input = demux::open(container, file)?;
        let track = index as usize;
        super::reader::discard_others(&mut input, track);
        let missing = || MediaError::VideoUnsupported(format!("the file has no track {index}"));
        let found = input.stream(track).ok_or_else(missing)?;
        let (tick, parameters) = (found.time_base(), found.parameters());
        let mode = if parameters.id() == Id::AAC {
            writer.add_copy(parameters, tick)?;
            Mode::Copy
        } else {
            let encoding = AacEncoding::new(parameters, tick, kbps)?;
            writer.add_encoder(encoding.context(), encoding.tick())?;
            Mode::Encode(Box::new(encoding))
        };
        if span.start_s > 0.0 {
            let micros = (span.start_s * 1e6) as i64;
            // Where there is nothing to seek to, packets before the start are passed over.
            if input.seek(micros, ..micros).is_err() {
                input.seek(0, ..).map_err(|error| demux::judged(container, error))?;
            }
        }
        Ok(Self { input, track, tick, span, mode, stream, ended: false, refused: 0 })
    }

    /// Packets that a decoder refused.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Writes the sound up to `until_s`, counted from the start.
    ///
    /// # Errors
    /// `Write`; `Encode`.
    pub(crate) fn write_until(
        &mut self,
        until_s: f64,
        writer: &mut Mp4Writer,
    ) -> Result<(), MediaError> {
        let mut packet = Packet::empty();
        while !self.ended {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.track => continue,
                Ok(()) => {}
                // An end that is an error is the file's, which the picture tells of.
                Err(_) => return self.end(writer),
            }
            let at_s = self.seconds(packet.pts().or(packet.dts()));
            if at_s.is_some_and(|at_s| at_s >= self.span.end_s - self.span.start_s) {
                return self.end(writer);
            }
            self.take(&packet, at_s, writer)?;
            if at_s.is_some_and(|at_s| at_s >= until_s) {
                break;
            }
        }
        Ok(())
    }

    fn seconds(&self, ticks: Option<i64>) -> Option<f64> {
        ticks.map(|ticks| ticks as f64 * f64::from(self.tick) - self.span.start_s)
    }

    fn take(
        &mut self,
        packet: &Packet,
        at_s: Option<f64>,
        writer: &mut Mp4Writer,
    ) -> Result<(), MediaError> {
        let tick_s = f64::from(self.tick);
        match &mut self.mode {
            Mode::Copy => {
                let duration = packet.duration();
                // The packet before the first is kept: a decoder needs it to begin, and the index says that it
                // is not played.
                if at_s.is_none_or(|at_s| at_s < -1.5 * duration as f64 * tick_s) {
                    return Ok(());
                }
                let shift = (self.span.start_s / tick_s).round() as i64;
                let mut copy = packet.clone();
                copy.set_pts(packet.pts().map(|ticks| ticks - shift));
                copy.set_dts(packet.dts().or(packet.pts()).map(|ticks| ticks - shift));
                writer.write(self.stream, copy, duration)
            }
            Mode::Encode(encoding) => {
                self.refused += u64::from(!encoding.take(packet, self.span, self.tick));
                let (stream, duration) = (self.stream, encoding.frame_samples() as i64);
                encoding.give(i64::MAX, &mut |packet| writer.write(stream, packet, duration))
            }
        }
    }

    fn end(&mut self, writer: &mut Mp4Writer) -> Result<(), MediaError> {
        self.ended = true;
        let Mode::Encode(encoding) = &mut self.mode else { return Ok(()) };
        encoding.take_rest(self.span, self.tick);
        // An end that nobody asked for lies further away than numbers of samples go.
        let end = (self.span.end_s - self.span.start_s) * encoding.rate() as f64;
        encoding.cut_at(end.round() as i64);
        let (stream, duration) = (self.stream, encoding.frame_samples() as i64);
        encoding.finish(&mut |packet| writer.write(stream, packet, duration))
    }
}
