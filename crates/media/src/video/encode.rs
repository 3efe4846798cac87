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
        let encoder = video.open_as_with(codec, options).map_err(failed)?;
        Ok(Self { encoder })
    }

    /// Its parameters, for a container.
    pub(crate) fn context(&self) -> &CodecContext {
        &self.encoder
    }

    /// Takes a frame, or the end.
    ///
    /// # Errors
    /// `Encode`.
    pub(crate) fn send(&mut self, frame: Option<&mut RawFrame>) -> Result<(), MediaError> {
        match frame {
            Some(frame) => {
                // The source's own kind of picture would be an order to make the same.
                frame.set_kind(picture::Type::None);
                self.encoder.send_frame(frame).map_err(failed)
            }
            None => self.encoder.send_eof().map_err(failed),
        }
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
