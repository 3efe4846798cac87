//! H.264 through x264, HEVC through x265, AV1 through SVT-AV1.

use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::{Flags, threading};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::frame::Video as RawFrame;
use ffmpeg_next::{Dictionary, Error as FfmpegError, Packet, Rational, codec, color, ffi, picture};
use panofleet_job_schema::operation::{EncoderPreset, VideoCodec};

use crate::error::MediaError;
use crate::tracks::demux;

/// What is asked of the encoder.
#[derive(Clone, Debug)]
pub(crate) struct EncoderSettings {
    pub(crate) codec: VideoCodec,
    /// As x264 counts it.
    pub(crate) crf: u8,
    pub(crate) preset: EncoderPreset,
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

/// x265's rate factor with the same error in mean squares as x264's, and the largest there is. Measured, as below.
const X265_CRF_ABOVE: u8 = 1;
const X265_CRF_MAX: u8 = 51;

/// Rate factors of x264, and those of SVT-AV1 with the same error in mean squares: measured at the preset `fast` with a
/// photographed panorama that turns and a 360° video (`ARCHITECTURE.md`, *Ladders of several codecs*).
const SVT_CRF: [(u8, u8); 7] = [(1, 1), (13, 12), (18, 31), (23, 48), (28, 58), (33, 62), (51, 63)];

/// SVT-AV1's presets in place of the words that x264 and x265 share, fastest first.
const SVT_PRESETS: [u8; 9] = [12, 11, 10, 9, 8, 7, 6, 5, 4];

/// An encoder that takes frames like its first one.
pub(crate) struct VideoEncoder {
    encoder: codec::encoder::video::Encoder,
    codec: VideoCodec,
}

impl VideoEncoder {
    /// For frames of this one's size and colours, which must be 4:2:0 of 8 bits.
    ///
    /// # Errors
    /// `Encode` if the encoder does not take the settings.
    pub(crate) fn new(settings: &EncoderSettings, first: &RawFrame) -> Result<Self, MediaError> {
        demux::ready();
        let name = match settings.codec {
            VideoCodec::H264 => "libx264",
            VideoCodec::Hevc => "libx265",
            VideoCodec::Av1 => "libsvtav1",
        };
        let failed = |error| failed(settings.codec, error);
        let codec = codec::encoder::find_by_name(name).ok_or(FfmpegError::EncoderNotFound);
        let codec = codec.map_err(failed)?;
        let mut context = CodecContext::new_with_codec(codec);
        context.set_threading(threading::Config::count(settings.threads.max(1)));
        // The parameter sets go into the index, not into the samples; and nothing looks back beyond a keyframe.
        context.set_flags(Flags::GLOBAL_HEADER | Flags::CLOSED_GOP);
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
        let options = options(settings);
        let encoder = video.open_as_with(codec, options).map_err(failed)?;
        Ok(Self { encoder, codec: settings.codec })
    }

    /// Its parameters, for a container.
    pub(crate) fn context(&self) -> &CodecContext {
        &self.encoder
    }

    /// The parameter sets of H.264 and HEVC, with start codes; the header of AV1's sequence.
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
            None => self.encoder.send_eof().map_err(|error| failed(self.codec, error)),
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
        self.encoder.send_frame(frame).map_err(|error| failed(self.codec, error))
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
            Err(error) => Err(failed(self.codec, error)),
        }
    }
}

/// SVT-AV1's rate factor for one of x264's: on straight lines between what was measured.
fn svt_crf(crf: u8) -> u8 {
    let above = SVT_CRF.windows(2).find(|pair| crf <= pair[1].0);
    let [(from, low), (to, high)] = above
        .map_or([SVT_CRF[5], SVT_CRF[6]], |pair| [pair[0], pair[1]])
        .map(|(of, is)| (f32::from(of), f32::from(is)));
    let at = f32::from(crf).clamp(from, to);
    (low + (high - low) * (at - from) / (to - from)).round() as u8
}

/// What an encoder is told beside what all codecs have.
fn options(settings: &EncoderSettings) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let EncoderSettings { codec, crf, preset, segments, threads, .. } = settings;
    let (crf, preset) = match codec {
        VideoCodec::H264 => (*crf, preset.as_str().to_owned()),
        VideoCodec::Hevc => ((crf + X265_CRF_ABOVE).min(X265_CRF_MAX), preset.as_str().to_owned()),
        VideoCodec::Av1 => (svt_crf(*crf), SVT_PRESETS[*preset as usize].to_string()),
    };
    options.set("preset", &preset);
    options.set("crf", &crf.to_string());
    let mut own = match codec {
        VideoCodec::H264 => String::new(),
        // No notes in the stream, none on the terminal; as many threads as there are to be, the caller's among them.
        VideoCodec::Hevc if *threads <= 1 => {
            "info=0:log-level=none:pools=none:frame-threads=1".into()
        }
        VideoCodec::Hevc => format!("info=0:log-level=none:pools={threads}:frame-threads=1"),
        VideoCodec::Av1 => format!("lp={threads}"),
    };
    if let Some(SegmentSettings { kbps_max, lookahead_frames }) = segments {
        let bits = u64::from(*kbps_max) * 1000;
        let lookahead = format!("rc-lookahead={lookahead_frames}");
        match codec {
            VideoCodec::H264 | VideoCodec::Hevc => {
                options.set("maxrate", &bits.to_string());
                options.set("bufsize", &bits.to_string());
                options.set("forced-idr", "1");
                own.push_str(&format!(":scenecut=0:open-gop=0:min-keyint=1:{lookahead}"));
                // x265 must look further than it has B-frames in a row: 4 by most presets, 8 by the slowest two.
                if *codec == VideoCodec::Hevc && *lookahead_frames <= 8 {
                    own.push_str(":bframes=4");
                }
            }
            // It counts frames from keyframe to keyframe by itself, and looks ahead as far as it likes.
            VideoCodec::Av1 => own.push_str(&format!(":scd=0:mbr={kbps_max}")),
        }
    }
    if !own.is_empty() {
        let name = match codec {
            VideoCodec::H264 => "x264-params",
            VideoCodec::Hevc => "x265-params",
            VideoCodec::Av1 => "svtav1-params",
        };
        options.set(name, own.trim_start_matches(':'));
    }
    options
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

fn failed(codec: VideoCodec, error: FfmpegError) -> MediaError {
    MediaError::Encode { format: codec.title(), source: error.into() }
}

/// Whether a frame can be encoded as it is.
pub(crate) fn takes(frame: &RawFrame) -> bool {
    matches!(frame.format(), Pixel::YUV420P | Pixel::YUVJ420P)
        && frame.color_space() != color::Space::RGB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_factors_of_av1_lie_on_the_measured_ones_and_between() {
        for (x264, svt) in SVT_CRF {
            assert_eq!(svt_crf(x264), svt);
        }
        assert_eq!((svt_crf(0), svt_crf(20), svt_crf(60)), (1, 38, 63));
        let all: Vec<u8> = (1..=51).map(svt_crf).collect();
        assert!(all.is_sorted(), "{all:?}");
    }
}
