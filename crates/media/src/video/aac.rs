//! Sound decoded and encoded anew as AAC, each sample where the file's clock puts it.

use std::collections::VecDeque;

use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::{self, Flags, Id};
use ffmpeg_next::format::sample::Type as Layout;
use ffmpeg_next::util::format::Sample;
use ffmpeg_next::util::frame::Audio as RawSound;
use ffmpeg_next::{ChannelLayout, Error as FfmpegError, Packet, Rational, decoder, ffi};

use super::encode::extra_data;
use super::sound::Span;
use crate::error::MediaError;

/// Samples of sound that a gap or an overlap must have before it is filled or cut: a twentieth of a second.
const SLIP_SHARE: i64 = 20;

/// Silence that a gap is filled with at most, in seconds; a longer one is a slip of the clock.
const GAP_S_MAX: f64 = 600.0;

/// What takes an encoder's packets.
pub(super) type Sink<'s> = &'s mut dyn FnMut(Packet) -> Result<(), MediaError>;

/// A decoder, the samples that wait, and an encoder.
pub(super) struct AacEncoding {
    decoder: decoder::Audio,
    encoder: codec::encoder::audio::Encoder,
    layout: ChannelLayout,
    /// Samples that wait for a whole frame, for each channel.
    waiting: Vec<VecDeque<f32>>,
    /// Samples since the start that have come in, and that have gone out.
    taken: i64,
    given: i64,
}

impl AacEncoding {
    /// For a track whose packets count in `tick`.
    ///
    /// # Errors
    /// `video_unsupported` if nobody here decodes it, or AAC cannot hold it.
    pub(super) fn new(
        parameters: codec::Parameters,
        tick: Rational,
        kbps: u32,
    ) -> Result<Self, MediaError> {
        let name = parameters.id().name();
        let unsupported = |error: FfmpegError| {
            MediaError::VideoUnsupported(format!("its sound (`{name}`) cannot become AAC: {error}"))
        };
        let context = CodecContext::from_parameters(parameters).map_err(unsupported)?;
        let mut decoder = context.decoder();
        // What a decoder leaves out of its first samples, it takes off their time.
        decoder.set_packet_time_base(tick);
        let decoder = decoder.audio().map_err(unsupported)?;
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

    /// Its parameters, for a container.
    pub(super) fn context(&self) -> &CodecContext {
        &self.encoder
    }

    /// What the encoder says before its first packet: an `AudioSpecificConfig`.
    #[expect(unsafe_code, reason = "the safe binding does not show an encoder's extra data")]
    pub(super) fn configuration(&self) -> &[u8] {
        // SAFETY: the context is open as long as `self`.
        extra_data(unsafe { &*self.encoder.as_ptr() })
    }

    pub(super) fn channels(&self) -> usize {
        self.waiting.len()
    }

    /// Samples a second.
    pub(super) fn rate(&self) -> i64 {
        i64::from(self.decoder.rate().max(1))
    }

    /// Samples that have come in since the start.
    pub(super) const fn taken(&self) -> i64 {
        self.taken
    }

    /// Samples that a packet stands for.
    pub(super) fn frame_samples(&self) -> usize {
        (self.encoder.frame_size() as usize).max(1)
    }

    /// What packets of the encoder count in.
    pub(super) fn tick(&self) -> Rational {
        Rational::new(1, self.decoder.rate().cast_signed().max(1))
    }

    /// Decodes a packet; false if it cannot be.
    pub(super) fn take(&mut self, packet: &Packet, span: Span, tick: Rational) -> bool {
        let fine = self.decoder.send_packet(packet).is_ok();
        self.drain_decoder(span, tick);
        fine
    }

    /// Takes what the decoder has held back.
    pub(super) fn take_rest(&mut self, span: Span, tick: Rational) {
        if self.decoder.send_eof().is_ok() {
            self.drain_decoder(span, tick);
        }
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
            } else if (self.taken == 0 && slip > 0 || slip > self.rate() / SLIP_SHARE)
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

    /// Leaves out what comes after sample `end`.
    pub(super) fn cut_at(&mut self, end: i64) {
        let left = usize::try_from(end.saturating_sub(self.given)).unwrap_or(0);
        self.waiting.iter_mut().for_each(|channel| channel.truncate(left));
        self.taken = self.taken.min(end.max(self.given));
    }

    /// Puts silence behind what came, so that there are samples up to `end`.
    pub(super) fn fill_to(&mut self, end: i64) {
        let missing = usize::try_from(end.saturating_sub(self.taken)).unwrap_or(0);
        for channel in &mut self.waiting {
            channel.extend(std::iter::repeat_n(0.0, missing));
        }
        self.taken = self.taken.max(end);
    }

    /// Encodes whole frames of what waits, up to sample `until`.
    ///
    /// # Errors
    /// `Encode`; what the sink says.
    pub(super) fn give(&mut self, until: i64, sink: Sink<'_>) -> Result<(), MediaError> {
        let count = self.frame_samples();
        while self.waiting.first().map_or(0, VecDeque::len) >= count
            && self.given + count as i64 <= until
        {
            self.encode(count, sink)?;
        }
        Ok(())
    }

    /// Encodes all that waits, and ends.
    ///
    /// # Errors
    /// `Encode`; what the sink says.
    pub(super) fn finish(&mut self, sink: Sink<'_>) -> Result<(), MediaError> {
        self.give(i64::MAX, sink)?;
        let rest = self.waiting.first().map_or(0, VecDeque::len);
        if rest > 0 {
            self.encode(rest, sink)?;
        }
        self.encoder.send_eof().map_err(failed)?;
        self.pass_on(sink)
    }

    fn encode(&mut self, count: usize, sink: Sink<'_>) -> Result<(), MediaError> {
        let mut sound = RawSound::new(Sample::F32(Layout::Planar), count, self.layout);
        sound.set_rate(self.decoder.rate());
        sound.set_pts(Some(self.given));
        for (channel, waiting) in self.waiting.iter_mut().enumerate() {
            let plane = sound.plane_mut::<f32>(channel);
            plane.iter_mut().zip(waiting.drain(..count)).for_each(|(to, from)| *to = from);
        }
        self.given += count as i64;
        self.encoder.send_frame(&sound).map_err(failed)?;
        self.pass_on(sink)
    }

    fn pass_on(&mut self, sink: Sink<'_>) -> Result<(), MediaError> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => sink(packet)?,
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
