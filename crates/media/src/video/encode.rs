//! H.264 through x264.

use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::{Flags, threading};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame::Video as RawFrame;
use ffmpeg_next::{Dictionary, Error as FfmpegError, Packet, Rational, codec, color, ffi, picture};

use crate::error::MediaError;
use crate::tracks::demux;

/// What is asked of the encoder.
#[derive(Clone, Debug)]
pub(crate) struct EncoderSettings {
    pub(crate) crf: u8,
    pub(crate) preset: &'static str,
    /// Frames between two keyframes at most.
    pub(crate) keyframe_frames: u32,
    /// Average frames a second.
    pub(crate) frame_rate: Rational,
    /// What the times of frames count in.
    pub(crate) tick: Rational,
    pub(crate) threads: usize,
    /// For frames that are cut into segments: keyframes come where they are ordered and nowhere else.
    pub(crate) segments: Option<SegmentSettings>,
}

/// What segments need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentSettings {
    /// Bits a second, in thousands, that a second may have.
    pub(crate) kbps_max: u32,
    /// Frames that the encoder looks ahead at most; it holds as many.
    pub(crate) lookahead_frames: u32,
}

/// An encoder that takes frames like its first one.
pub(crate) struct VideoEncoder {
    encoder: codec::encoder::video::Encoder,
}

impl VideoEncoder {
    /// For frames of this one's size and colours, which must be 4:2:0 of 8 bits.
    ///
    /// # Errors
    /// `Encode` if x264 does not take the settings.
    pub(crate) fn new(settings: &EncoderSettings, first: &RawFrame) -> Result<Self, MediaError> {
        demux::ready();
        let codec = codec::encoder::find_by_name("libx264").ok_or(FfmpegError::EncoderNotFound);
        let codec = codec.map_err(failed)?;
        let mut context = CodecContext::new_with_codec(codec);
        context.set_threading(threading::Config::count(settings.threads.max(1)));
        // The parameter sets go into the index, not into the samples.
        context.set_flags(Flags::GLOBAL_HEADER);
        let mut video = context.encoder().video().map_err(failed)?;
        video.set_width(first.width());
        video.set_height(first.height());
        video.set_format(first.format());
        video.set_time_base(settings.tick);
        video.set_frame_rate(Some(settings.frame_rate));
        video.set_aspect_ratio(first.aspect_ratio());
        video.set_gop(settings.keyframe_frames);
        video.set_colorspace(first.color_space());
        video.set_color_range(first.color_range());
        video.set_color_primaries(first.color_primaries());
        video.set_color_transfer_characteristic(first.color_transfer_characteristic());
        set_chroma_location(&mut video, first);
        let mut options = Dictionary::new();
        options.set("preset", settings.preset);
        options.set("crf", &settings.crf.to_string());
        if let Some(segments) = settings.segments {
            let bits = u64::from(segments.kbps_max) * 1000;
            options.set("maxrate", &bits.to_string());
            options.set("bufsize", &bits.to_string());
            options.set("forced-idr", "1");
            let lookahead = segments.lookahead_frames;
            let own = format!("scenecut=0:open-gop=0:min-keyint=1:rc-lookahead={lookahead}");
            options.set("x264-params", &own);
        }
        let encoder = video.open_as_with(codec, options).map_err(failed)?;
        Ok(Self { encoder })
    }

    /// Its parameters, for a container.
    pub(crate) fn context(&self) -> &CodecContext {
        &self.encoder
    }

    /// The parameter sets, with start codes.
    #[expect(unsafe_code, reason = "the safe binding does not show an encoder's extra data")]
    pub(crate) fn parameter_sets(&self) -> &[u8] {
        // SAFETY: the context is open as long as `self`, and gives its data up only when it is freed.
        extra_data(unsafe { &*self.encoder.as_ptr() })
    }

    /// Takes a frame, or the end.
    ///
    /// # Errors
    /// `Encode`.
    pub(crate) fn send(&mut self, frame: Option<&mut RawFrame>) -> Result<(), MediaError> {
        match frame {
            // The source's own kind of picture would be an order to make the same.
            Some(frame) => self.send_as(frame, picture::Type::None),
            None => self.encoder.send_eof().map_err(failed),
        }
    }

    /// Takes a frame that becomes a keyframe.
    ///
    /// # Errors
    /// `Encode`.
    pub(crate) fn send_key(&mut self, frame: &mut RawFrame) -> Result<(), MediaError> {
        self.send_as(frame, picture::Type::I)
    }

    fn send_as(&mut self, frame: &mut RawFrame, kind: picture::Type) -> Result<(), MediaError> {
        frame.set_kind(kind);
        self.encoder.send_frame(frame).map_err(failed)
    }

    /// The next packet, if there is one.
    ///
    /// # Errors
    /// `Encode`.
    pub(crate) fn receive(&mut self) -> Result<Option<Packet>, MediaError> {
        let mut packet = Packet::empty();
        match self.encoder.receive_packet(&mut packet) {
            Ok(()) => Ok(Some(packet)),
            Err(FfmpegError::Eof | FfmpegError::Other { errno: ffi::EAGAIN }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// What an encoder says before its first packet.
#[expect(unsafe_code, reason = "the safe binding does not show an encoder's extra data")]
pub(crate) const fn extra_data(context: &ffi::AVCodecContext) -> &[u8] {
    if context.extradata.is_null() || context.extradata_size <= 0 {
        return &[];
    }
    // SAFETY: an open encoder's extra data has as many bytes, and nobody changes it while it is borrowed.
    unsafe {
        std::slice::from_raw_parts(
            context.extradata,
            context.extradata_size.unsigned_abs() as usize,
        )
    }
}

#[expect(unsafe_code, reason = "the safe binding does not set where chroma lies")]
fn set_chroma_location(video: &mut codec::encoder::video::Video, first: &RawFrame) {
    // SAFETY: the encoder's context and the frame are alive; the field is a plain value.
    unsafe {
        (*video.as_mut_ptr()).chroma_sample_location = (*first.as_ptr()).chroma_location;
    }
}

pub(crate) fn failed(error: FfmpegError) -> MediaError {
    MediaError::Encode { format: "H.264", source: error.into() }
}

/// Whether a frame can be encoded as it is.
pub(crate) fn takes(frame: &RawFrame) -> bool {
    matches!(frame.format(), Pixel::YUV420P | Pixel::YUVJ420P)
        && frame.color_space() != color::Space::RGB
}
