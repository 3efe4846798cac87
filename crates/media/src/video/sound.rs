//! The sound of a video: AAC is copied, everything else becomes AAC.

use std::collections::VecDeque;
use std::fs::File;

use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::{self, Flags, Id};
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::sample::Type as Layout;
use ffmpeg_next::util::format::Sample;
use ffmpeg_next::util::frame::Audio as RawSound;
use ffmpeg_next::{ChannelLayout, Error as FfmpegError, Packet, Rational, decoder, ffi};

use super::mp4::Mp4Writer;
use crate::error::MediaError;
use crate::sniff::Container;
use crate::tracks::demux;

/// Samples of sound that a gap or an overlap must have before it is filled or cut: a twentieth of a second.
const SLIP_SHARE: i64 = 20;

/// Silence that a gap is filled with at most, in seconds; a longer one is a slip of the clock.
const GAP_S_MAX: f64 = 600.0;

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
    Encode(Box<Encoding>),
}

struct Encoding {
    decoder: decoder::Audio,
    encoder: codec::encoder::audio::Encoder,
    layout: ChannelLayout,
    /// Samples that wait for a whole frame, for each channel.
    waiting: Vec<VecDeque<f32>>,
    /// Samples since the start that have come in, and that have gone out.
    taken: i64,
    given: i64,
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
            let encoding = Encoding::new(parameters, kbps)?;
            writer.add_encoder(&encoding.encoder, encoding.tick())?;
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
                if encoding.decoder.send_packet(packet).is_err() {
                    self.refused += 1;
                }
                encoding.drain_decoder(self.span, self.tick);
                encoding.give(self.stream, false, writer)
            }
        }
    }

    fn end(&mut self, writer: &mut Mp4Writer) -> Result<(), MediaError> {
        self.ended = true;
        let Mode::Encode(encoding) = &mut self.mode else { return Ok(()) };
        if encoding.decoder.send_eof().is_ok() {
            encoding.drain_decoder(self.span, self.tick);
        }
        encoding.cut_at(self.span);
        encoding.give(self.stream, true, writer)
    }
}

impl Encoding {
    fn new(parameters: codec::Parameters, kbps: u32) -> Result<Self, MediaError> {
        let name = parameters.id().name();
        let unsupported = |error: FfmpegError| {
            MediaError::VideoUnsupported(format!("its sound (`{name}`) cannot become AAC: {error}"))
        };
        let context = CodecContext::from_parameters(parameters).map_err(unsupported)?;
        let decoder = context.decoder().audio().map_err(unsupported)?;
        let said = decoder.channel_layout();
        let channels = i32::from(decoder.channels());
        let layout = if said.is_empty() { ChannelLayout::default(channels) } else { said };
        let codec = codec::encoder::find(Id::AAC)
            .ok_or(FfmpegError::EncoderNotFound)
            .map_err(unsupported)?;
        let mut context = CodecContext::new_with_codec(codec);
        context.set_flags(Flags::GLOBAL_HEADER);
        let mut audio = context.encoder().audio().map_err(unsupported)?;
        audio.set_rate(decoder.rate().cast_signed());
        audio.set_format(Sample::F32(Layout::Planar));
        audio.set_channel_layout(layout);
        audio.set_bit_rate(kbps as usize * 1000);
        audio.set_time_base(Rational::new(1, decoder.rate().cast_signed().max(1)));
        let encoder = audio.open_as(codec).map_err(unsupported)?;
        let waiting = vec![VecDeque::new(); channels.max(1) as usize];
        Ok(Self { decoder, encoder, layout, waiting, taken: 0, given: 0 })
    }

    fn rate(&self) -> i64 {
        i64::from(self.decoder.rate().max(1))
    }

    fn tick(&self) -> Rational {
        Rational::new(1, self.decoder.rate().cast_signed().max(1))
    }

    /// Takes what the decoder has. Gaps become silence and overlaps are cut, so that samples stay where the
    /// file's clock puts them.
    fn drain_decoder(&mut self, span: Span, tick: Rational) {
        let mut sound = RawSound::empty();
        while self.decoder.receive_frame(&mut sound).is_ok() {
            let at = sound.timestamp().map_or(self.taken, |ticks| {
                let at_s = ticks as f64 * f64::from(tick) - span.start_s;
                (at_s * self.rate() as f64).round() as i64
            });
            let slip = at - self.taken;
            let before_start = self.taken == 0 && at < 0;
            let mut skip = 0;
            if before_start || slip < -self.rate() / SLIP_SHARE {
                skip = slip.unsigned_abs() as usize;
            } else if slip > self.rate() / SLIP_SHARE
                && slip < (GAP_S_MAX * self.rate() as f64) as i64
            {
                for channel in &mut self.waiting {
                    channel.extend(std::iter::repeat_n(0.0, slip as usize));
                }
                self.taken += slip;
            }
            let count = sound.samples();
            for (channel, waiting) in self.waiting.iter_mut().enumerate() {
                waiting.extend(samples(&sound, channel).skip(skip).take(count));
            }
            self.taken += count.saturating_sub(skip) as i64;
        }
    }

    /// Leaves out what comes after the end.
    fn cut_at(&mut self, span: Span) {
        let end = (span.end_s - span.start_s) * self.rate() as f64;
        let left = (end - self.given as f64).max(0.0);
        if left < 1e15 {
            self.waiting.iter_mut().for_each(|channel| channel.truncate(left.round() as usize));
        }
    }

    /// Encodes whole frames of what waits; at the end what is left too.
    fn give(&mut self, stream: usize, all: bool, writer: &mut Mp4Writer) -> Result<(), MediaError> {
        let frame_samples = (self.encoder.frame_size() as usize).max(1);
        loop {
            let there = self.waiting.first().map_or(0, VecDeque::len);
            let count = there.min(frame_samples);
            if count == 0 || (count < frame_samples && !all) {
                break;
            }
            let mut sound = RawSound::new(Sample::F32(Layout::Planar), count, self.layout);
            sound.set_rate(self.decoder.rate());
            sound.set_pts(Some(self.given));
            for (channel, waiting) in self.waiting.iter_mut().enumerate() {
                let plane = sound.plane_mut::<f32>(channel);
                plane.iter_mut().zip(waiting.drain(..count)).for_each(|(to, from)| *to = from);
            }
            self.given += count as i64;
            self.encoder.send_frame(&sound).map_err(failed)?;
            self.write_packets(stream, writer)?;
        }
        if all {
            self.encoder.send_eof().map_err(failed)?;
            self.write_packets(stream, writer)?;
        }
        Ok(())
    }

    fn write_packets(&mut self, stream: usize, writer: &mut Mp4Writer) -> Result<(), MediaError> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => writer.write(stream, packet, self.encoder.frame_size().into())?,
                Err(FfmpegError::Eof | FfmpegError::Other { errno: ffi::EAGAIN }) => return Ok(()),
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

fn failed(error: FfmpegError) -> MediaError {
    MediaError::Encode { format: "AAC", source: error.into() }
}

/// The samples of a channel in [−1, 1], whatever their format; of a channel that is not there, silence.
fn samples(sound: &RawSound, channel: usize) -> Box<dyn Iterator<Item = f32> + '_> {
    let (format, channels) = (sound.format(), usize::from(sound.channels()).max(1));
    let planar = sound.is_planar();
    let width = format.bytes();
    if channel >= channels || width == 0 {
        return Box::new(std::iter::repeat_n(0.0, sound.samples()));
    }
    let (plane, first, step) = if planar { (channel, 0, 1) } else { (0, channel, channels) };
    let words =
        sound.data(plane).chunks_exact(width).skip(first).step_by(step).take(sound.samples());
    Box::new(words.map(move |word| match (format, word) {
        (Sample::U8(_), [value]) => (f32::from(*value) - 128.0) / 128.0,
        (Sample::I16(_), [a, b]) => f32::from(i16::from_ne_bytes([*a, *b])) / 32_768.0,
        (Sample::I32(_), [a, b, c, d]) => {
            (f64::from(i32::from_ne_bytes([*a, *b, *c, *d])) / 2_147_483_648.0) as f32
        }
        (Sample::F32(_), [a, b, c, d]) => f32::from_ne_bytes([*a, *b, *c, *d]),
        (Sample::F64(_), [a, b, c, d, e, f, g, h]) => {
            f64::from_ne_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as f32
        }
        _ => 0.0,
    }))
}
