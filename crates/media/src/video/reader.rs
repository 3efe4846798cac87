//! Frames one after the other.

use std::fs::File;
use std::path::Path;

use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::threading;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::packet::Ref as _;
use ffmpeg_next::util::frame::Video as RawFrame;
use ffmpeg_next::util::frame::side_data::Type as FrameDataType;
use ffmpeg_next::{Discard, Error as FfmpegError, Packet, Rational, decoder, ffi};

use super::frame::VideoFrame;
use crate::error::MediaError;
use crate::probe;
use crate::sniff::Container;
use crate::tracks::demux;

/// Packets without a frame after which a decoder is given up: no codec holds back as many.
const SILENT_PACKETS_MAX: u32 = 2000;

/// How often a seek that came out too late is tried again, each time from further back.
const SEEK_TRIES: u32 = 5;

/// How long before the first frame a seek to the start aims, in seconds: further than any codec reorders.
const BEFORE_START_S: f64 = 60.0;

/// Decodes one video track.
pub struct VideoReader {
    input: Input,
    decoder: decoder::Video,
    container: Container,
    track: usize,
    tick: Rational,
    /// Ticks that are time 0.
    start: i64,
    packet: Packet,
    report: DecodeReport,
    /// A frame that was looked at and belongs to a later time.
    ahead: Option<VideoFrame>,
    /// Packets since the last frame.
    silent: u32,
    state: State,
}

impl std::fmt::Debug for VideoReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoReader")
            .field("track", &self.track)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// There are no more packets; the decoder gives what it holds back.
    Draining,
    Done,
}

/// What came out of what went in, since the reader was opened or sought last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodeReport {
    /// Packets of the track that were read.
    pub packets: u64,
    /// Those among them that are decoded and not shown: an edit list begins behind them.
    pub unshown: u64,
    /// Frames that came out.
    pub frames: u64,
    /// Packets that the decoder refused.
    pub refused: u64,
    /// Frames that came out with a fault that the decoder covered up or noted.
    pub damaged: u64,
    /// Why reading ended before the end of the file.
    pub broken_off: Option<String>,
}

impl DecodeReport {
    /// What is wrong with a track that was read from its start to its end; `declared` is how many frames the
    /// file says there are. `None` if nothing is.
    pub fn verdict(&self, declared: Option<u64>) -> Option<String> {
        let whole = self.frames.saturating_sub(self.damaged);
        let expected =
            declared.unwrap_or(self.packets).max(self.packets).saturating_sub(self.unshown);
        if whole >= expected && self.refused == 0 && self.broken_off.is_none() {
            return None;
        }
        let mut said = format!("damaged: {whole} of {expected} frames decoded");
        if self.damaged > 0 {
            said.push_str(&format!(", {} more with faults", self.damaged));
        }
        if let Some(why) = &self.broken_off {
            said.push_str(&format!("; reading broke off: {why}"));
        }
        Some(said)
    }

    /// What is wrong with a part of a track; `None` if nothing is.
    pub fn faults(&self) -> Option<String> {
        let Self { refused, damaged, .. } = self;
        let broken = self
            .broken_off
            .as_ref()
            .map_or_else(String::new, |why| format!("; reading broke off: {why}"));
        (*refused > 0 || *damaged > 0 || self.broken_off.is_some()).then(|| {
            format!("damaged: {refused} packets could not be decoded and {damaged} frames have faults{broken}")
        })
    }
}

impl VideoReader {
    /// Opens track `index` of a file for decoding by `threads` threads.
    ///
    /// # Errors
    /// `Rejected` errors for what the file is or lacks, `video_unsupported` if nobody here decodes it; `Io`.
    pub fn open(path: &Path, index: u32, threads: usize) -> Result<Self, MediaError> {
        let file = File::open(path).map_err(MediaError::Io)?;
        let (container, _) = probe::sniff_file(&file)?;
        Self::of_file(container, &file, index, threads)
    }

    fn of_file(
        container: Container,
        file: &File,
        index: u32,
        threads: usize,
    ) -> Result<Self, MediaError> {
        let mut input = demux::open(container, file)?;
        let track = index as usize;
        discard_others(&mut input, track);
        let stream = input.stream(track).ok_or_else(|| {
            MediaError::VideoUnsupported(format!("the file has no track {index}"))
        })?;
        let tick = stream.time_base();
        let start = Some(stream.start_time()).filter(|start| *start != ffi::AV_NOPTS_VALUE);
        let fail = |error: FfmpegError| demux::judged(container, error);
        let mut context = CodecContext::from_parameters(stream.parameters()).map_err(fail)?;
        let codec = context.id();
        context.set_threading(threading::Config {
            count: threads.max(1),
            ..threading::Config::kind(threading::Type::Frame)
        });
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(tick);
        let decoder = decoder.video().map_err(|error| {
            MediaError::VideoUnsupported(format!(
                "its codec `{}` cannot be decoded: {error}",
                codec.name()
            ))
        })?;
        Ok(Self {
            input,
            decoder,
            container,
            track,
            tick,
            start: start.unwrap_or(0),
            packet: Packet::empty(),
            report: DecodeReport::default(),
            ahead: None,
            silent: 0,
            state: State::Reading,
        })
    }

    /// What came out since the reader was opened or sought last.
    pub const fn report(&self) -> &DecodeReport {
        &self.report
    }

    /// What is wrong with the track, if it was read from its start to its end; `declared` is how many frames
    /// the file says there are, of which an edit list may leave some out. `None` if nothing is.
    pub fn verdict(&self, declared: Option<u64>) -> Option<String> {
        let indexed = self.input.stream(self.track).map_or(0, |stream| indexed_frames(&stream));
        let declared =
            declared.map(|declared| if indexed > 0 { declared.min(indexed) } else { declared });
        self.report.verdict(declared)
    }

    /// What the times of frames count in.
    pub(crate) const fn tick(&self) -> Rational {
        self.tick
    }

    /// Time 0 by the file's own clock.
    pub(crate) fn start_s(&self) -> f64 {
        self.start as f64 * f64::from(self.tick)
    }

    /// The next frame in the order of showing; `None` after the last.
    ///
    /// A packet that is damaged is counted, and decoding goes on behind it.
    ///
    /// # Errors
    /// `video_unsupported` if the decoder takes packet after packet and gives nothing.
    pub fn next_frame(&mut self) -> Result<Option<VideoFrame>, MediaError> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let mut raw = RawFrame::empty();
        loop {
            match self.decoder.receive_frame(&mut raw) {
                Ok(()) => return Ok(Some(self.received(raw))),
                Err(FfmpegError::Eof) => self.state = State::Done,
                Err(FfmpegError::Other { errno: ffi::EAGAIN }) => {}
                // The fault of a packet that a frame thread reports late.
                Err(_) => {
                    self.report.refused += 1;
                    self.count_silence()?;
                }
            }
            match self.state {
                State::Done => return Ok(None),
                // A decoder that neither ends nor gives a frame is at its end.
                State::Draining => self.count_silence()?,
                State::Reading => self.feed()?,
            }
        }
    }

    fn received(&mut self, raw: RawFrame) -> VideoFrame {
        self.silent = 0;
        self.report.frames += 1;
        let faulty = raw.is_corrupt() || raw.has_decode_errors();
        self.report.damaged += u64::from(faulty);
        let at_s = raw.timestamp().map(|ticks| self.seconds(ticks));
        VideoFrame::new(raw, self.container, at_s)
    }

    fn seconds(&self, ticks: i64) -> f64 {
        ticks.saturating_sub(self.start) as f64 * f64::from(self.tick)
    }

    /// Hands one packet to the decoder, or tells it that there are no more.
    fn feed(&mut self) -> Result<(), MediaError> {
        match self.packet.read(&mut self.input) {
            Ok(()) if self.packet.stream() != self.track => Ok(()),
            Ok(()) => {
                self.report.packets += 1;
                self.report.unshown += u64::from(is_unshown(&self.packet));
                if let Err(error) = self.decoder.send_packet(&self.packet) {
                    // The decoder is emptied before each packet, so this is the packet's fault.
                    self.report.refused += u64::from(error != FfmpegError::Eof);
                }
                self.count_silence()
            }
            Err(error) => {
                if error != FfmpegError::Eof {
                    self.report.broken_off = Some(error.to_string());
                }
                self.state = State::Draining;
                // A decoder that refuses to be drained has nothing.
                if self.decoder.send_eof().is_err() {
                    self.state = State::Done;
                }
                Ok(())
            }
        }
    }

    fn count_silence(&mut self) -> Result<(), MediaError> {
        self.silent += 1;
        if self.silent <= SILENT_PACKETS_MAX {
            return Ok(());
        }
        Err(MediaError::VideoUnsupported(format!(
            "{SILENT_PACKETS_MAX} packets in a row gave no frame; the track is damaged or of a kind that is not \
             decoded here"
        )))
    }

    /// Goes to the last keyframe at or before `at_s`, counted from the track's start. The next frame is that
    /// one, or the first that can be decoded.
    ///
    /// # Errors
    /// `Rejected` for a file that cannot be sought in.
    pub fn seek(&mut self, at_s: f64) -> Result<(), MediaError> {
        let start_s = self.start as f64 * f64::from(self.tick);
        let sought = if at_s > 0.0 {
            let micros = ((at_s + start_s) * 1e6) as i64;
            self.input.seek(micros, ..micros)
        } else {
            Err(FfmpegError::InvalidData)
        };
        // Before the first keyframe there is only the start of the file, which lies before all times: packets
        // come in the order of decoding, which begins before the first frame is shown.
        let beginning = ((start_s - BEFORE_START_S) * 1e6) as i64;
        sought
            .or_else(|_| self.input.seek(beginning, ..))
            .map_err(|error| demux::judged(self.container, error))?;
        self.decoder.flush();
        self.ahead = None;
        self.report = DecodeReport::default();
        self.state = State::Reading;
        self.silent = 0;
        Ok(())
    }

    /// Goes to a frame at or before `at_s` from which on all can be decoded; the next frame is that one.
    ///
    /// Indexes give times of decoding, before which a frame may be shown, and some formats have none: so what
    /// comes out is looked at, and if it is too late, the seek aims further back.
    ///
    /// # Errors
    /// As [`seek`](Self::seek) and [`next_frame`](Self::next_frame).
    pub fn seek_before(&mut self, at_s: f64) -> Result<(), MediaError> {
        let mut back_s = 0.0;
        for _ in 0..SEEK_TRIES {
            self.seek((at_s - back_s).max(0.0))?;
            let Some(first) = self.next_frame()? else { break };
            if back_s >= at_s || first.at_s().is_none_or(|first_s| first_s <= at_s) {
                self.ahead = Some(first);
                return Ok(());
            }
            back_s = if back_s == 0.0 { 1.0 } else { back_s * 4.0 };
        }
        self.seek(0.0)
    }

    /// The frame that is shown at `at_s`; the last one if the track is over by then, `None` if it has none.
    ///
    /// # Errors
    /// As [`seek_before`](Self::seek_before).
    pub fn frame_at(&mut self, at_s: f64) -> Result<Option<VideoFrame>, MediaError> {
        self.seek_before(at_s)?;
        let Some(first) = self.next_frame()? else { return Ok(None) };
        self.last_before(first, at_s).map(Some)
    }

    /// The last frame at or before a time, from `frame` on. A frame without a time counts as before it.
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn last_before(
        &mut self,
        mut frame: VideoFrame,
        at_s: f64,
    ) -> Result<VideoFrame, MediaError> {
        while let Some(next) = self.next_frame()? {
            if next.at_s().is_some_and(|next_s| next_s > at_s + 1e-6) {
                self.ahead = Some(next);
                break;
            }
            frame = next;
        }
        Ok(frame)
    }
}

/// Frames in the demuxer's index, without those that an edit list leaves out; 0 if there is none.
#[expect(unsafe_code, reason = "the safe binding does not show the index")]
fn indexed_frames(stream: &Stream<'_>) -> u64 {
    // SAFETY: the stream is alive as long as its borrow; the function reads a count.
    let count = unsafe { ffi::avformat_index_get_entries_count(stream.as_ptr()) };
    u64::try_from(count).unwrap_or(0)
}

/// Whether a packet is there for others to be decoded only.
#[expect(unsafe_code, reason = "the safe binding does not know the flag")]
fn is_unshown(packet: &Packet) -> bool {
    // SAFETY: the packet is alive, and the field a plain value.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// Packets of other tracks are not even read, where the format allows for it.
#[expect(unsafe_code, reason = "the safe binding shows a stream's discard, and does not set it")]
pub(super) fn discard_others(input: &mut Input, track: usize) {
    for (index, stream) in input.streams().enumerate() {
        if index != track {
            // SAFETY: the stream belongs to `input`, which is borrowed for writing by this function alone;
            // the field is a plain value that is read at the next packet.
            unsafe {
                (*stream.as_ptr().cast_mut()).discard = Discard::All.into();
            }
        }
    }
}

/// Whether the first frame of a track says how bright its display was, or how bright it gets: what makes PQ
/// HDR10. Files other than MP4 say so in the frames only.
pub(crate) fn has_light_levels(container: Container, file: &File, index: u32) -> bool {
    let first =
        VideoReader::of_file(container, file, index, 1).and_then(|mut reader| reader.next_frame());
    first.ok().flatten().is_some_and(|frame| {
        [FrameDataType::MasteringDisplayMetadata, FrameDataType::ContentLightLevel]
            .into_iter()
            .any(|kind| frame.raw().side_data(kind).is_some())
    })
}
