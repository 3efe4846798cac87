//! Files with tracks, through libavformat.
//!
//! FFmpeg reads through our own open file and is given no name and no protocol, so that a playlist or a
//! reference inside of a file leads nowhere. Only demuxers of the formats that [`sniff`](crate::sniff)
//! knows may open it.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Once;

use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::packet::side_data::Type as SideDataType;
use ffmpeg_next::format::context::StreamIo;
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::{Dictionary, Error as FfmpegError, ffi, format, log, media};
use panofleet_job_schema::media_info::{MediaInfo, TrackInfo};

use crate::error::MediaError;
use crate::sniff::Container;

/// FFmpeg's names of the demuxers of these formats.
const DEMUXERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,ogg,flac,mp3,wav,aac";

/// Tracks that are described; a file has a handful.
const TRACKS_MAX: usize = 128;

/// Reads headers, and as many packets as it takes to know what the tracks are.
pub(crate) fn probe(container: Container, mut file: File) -> Result<MediaInfo, MediaError> {
    static READY: Once = Once::new();
    READY.call_once(|| {
        // Error texts; there is nothing else that could fail.
        ffmpeg_next::util::error::register_all();
        log::set_level(log::Level::Quiet);
    });

    file.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let fail = |error: FfmpegError| judged(container, error);
    let mut options = Dictionary::new();
    options.set("format_whitelist", DEMUXERS);
    options.set("protocol_whitelist", "");
    let source = StreamIo::from_read_seek(file).map_err(fail)?;
    let input = format::input_from_stream(source, None, Some(options)).map_err(fail)?;

    let mut warnings = Vec::new();
    if input.streams().count() > TRACKS_MAX {
        warnings.push(format!("only the first {TRACKS_MAX} tracks are listed"));
    }
    let tracks: Vec<TrackInfo> = input
        .streams()
        .take(TRACKS_MAX)
        .map(|stream| track(&stream))
        .collect::<Result<_, _>>()
        .map_err(fail)?;
    if tracks.iter().all(|track| track.kind == kind(media::Type::Data)) {
        return Err(MediaError::corrupt(container, &"no video, audio or subtitles in it"));
    }
    // Microseconds, negative where nobody knows.
    let duration_ms = u64::try_from(input.duration()).ok().map(|us| us / 1000);
    Ok(MediaInfo {
        container: container.name().into(),
        bytes: 0,
        picture: None,
        tracks,
        duration_ms,
        warnings,
        ..MediaInfo::default()
    })
}

fn judged(container: Container, error: FfmpegError) -> MediaError {
    match error {
        FfmpegError::Eof => MediaError::Truncated { container, said: error.to_string() },
        other => MediaError::corrupt(container, &other),
    }
}

fn track(stream: &Stream<'_>) -> Result<TrackInfo, FfmpegError> {
    let context = CodecContext::from_parameters(stream.parameters())?;
    let medium = context.medium();
    let fields = Fields::of(&context);
    let video = medium == media::Type::Video;
    let audio = medium == media::Type::Audio;
    let positive = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    let rate = stream.avg_frame_rate();
    Ok(TrackInfo {
        index: u32::try_from(stream.index()).unwrap_or(u32::MAX),
        kind: kind(medium).into(),
        codec: context.id().name().into(),
        width_px: positive(fields.width).filter(|_| video),
        height_px: positive(fields.height).filter(|_| video),
        frame_rate: (video && rate.numerator() > 0 && rate.denominator() > 0)
            .then(|| (rate.numerator(), rate.denominator())),
        pixel_format: fields.pixel_format.filter(|_| video),
        rotation_deg: rotation_deg(stream).filter(|_| video),
        sample_rate_hz: positive(fields.sample_rate).filter(|_| audio),
        channels: positive(fields.channels).filter(|_| audio),
        bits_per_second: u64::try_from(fields.bit_rate).ok().filter(|rate| *rate > 0),
    })
}

const fn kind(medium: media::Type) -> &'static str {
    match medium {
        media::Type::Video => "video",
        media::Type::Audio => "audio",
        media::Type::Subtitle => "subtitle",
        media::Type::Data | media::Type::Attachment | media::Type::Unknown => "data",
    }
}

/// What the safe binding does not show of a codec's parameters.
struct Fields {
    width: i32,
    height: i32,
    sample_rate: i32,
    channels: i32,
    bit_rate: i64,
    pixel_format: Option<String>,
}

impl Fields {
    #[expect(unsafe_code, reason = "ffmpeg-next shows these fields only for an opened decoder")]
    fn of(context: &CodecContext) -> Self {
        // SAFETY: `context` owns an allocated AVCodecContext for as long as this borrow lasts; its fields
        // are plain values. av_get_pix_fmt_name takes any value and returns null or a static string.
        unsafe {
            let raw = &*context.as_ptr();
            let name = ffi::av_get_pix_fmt_name(raw.pix_fmt);
            Self {
                width: raw.width,
                height: raw.height,
                sample_rate: raw.sample_rate,
                channels: raw.ch_layout.nb_channels,
                bit_rate: raw.bit_rate,
                pixel_format: (!name.is_null())
                    .then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()),
            }
        }
    }
}

/// The clockwise quarter turns that a display matrix asks for, in degrees; `None` without a matrix.
///
/// Source: `av_display_rotation_get` (libavutil/display.c), which counts counter-clockwise.
fn rotation_deg(stream: &Stream<'_>) -> Option<i32> {
    let matrix = stream.side_data().find(|data| data.kind() == SideDataType::DisplayMatrix)?;
    let number = |index: usize| {
        let four = matrix.data().get(4 * index..)?.first_chunk()?;
        Some(f64::from(i32::from_ne_bytes(*four)))
    };
    let (a, b, c, d) = (number(0)?, number(1)?, number(3)?, number(4)?);
    let (x, y) = (a / a.hypot(c), b / b.hypot(d));
    let quarter_turns = (y.atan2(x).to_degrees() / 90.0).round();
    quarter_turns.is_finite().then(|| (quarter_turns as i32).rem_euclid(4) * 90)
}
