//! What FFmpeg says of a track.

use std::ffi::{CStr, c_char};

use ffmpeg_next::codec::Id;
use ffmpeg_next::codec::context::Context as CodecContext;
use ffmpeg_next::codec::packet::side_data::Type as SideDataType;
use ffmpeg_next::format::stream::{Disposition, Stream};
use ffmpeg_next::{Error as FfmpegError, FieldOrder, Rational, Rescale, ffi, media};
use panofleet_job_schema::media_info::{ColorInfo, DynamicRange, TrackInfo};

/// Bytes of a language that are kept.
const LANGUAGE_BYTES_MAX: usize = 32;

/// Describes a track by its parameters.
///
/// # Errors
/// Parameters that FFmpeg cannot copy, for lack of memory.
pub(crate) fn describe(stream: &Stream<'_>) -> Result<TrackInfo, FfmpegError> {
    let context = CodecContext::from_parameters(stream.parameters())?;
    let medium = context.medium();
    let cover = stream.disposition().contains(Disposition::ATTACHED_PIC);
    let fields = Fields::of(&context);
    let mut track = TrackInfo {
        index: u32::try_from(stream.index()).unwrap_or(u32::MAX),
        kind: if cover { "cover" } else { kind(medium) }.into(),
        codec: context.id().name().into(),
        profile: fields.profile.clone(),
        level: level(context.id(), fields.level),
        frames: u64::try_from(stream.frames()).ok().filter(|frames| *frames > 0),
        start_ms: known(stream.start_time()).map(|start| milliseconds(start, stream)),
        duration_ms: known(stream.duration())
            .and_then(|duration| u64::try_from(milliseconds(duration, stream)).ok()),
        language: language(stream),
        bits_per_second: u64::try_from(fields.bit_rate).ok().filter(|rate| *rate > 0),
        ..TrackInfo::default()
    };
    let positive = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    match medium {
        media::Type::Video => describe_video(&mut track, stream, fields),
        media::Type::Audio => {
            track.sample_rate_hz = positive(fields.sample_rate);
            track.channels = positive(fields.channels);
            track.channel_layout = fields.channel_layout;
        }
        _ => {}
    }
    Ok(track)
}

fn describe_video(track: &mut TrackInfo, stream: &Stream<'_>, fields: Fields) {
    let positive = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    let fraction = |rate: Rational| {
        (rate.numerator() > 0 && rate.denominator() > 0)
            .then(|| (rate.numerator(), rate.denominator()))
    };
    track.width_px = positive(fields.width);
    track.height_px = positive(fields.height);
    // The container's word counts before the codec's, as for players.
    track.pixel_aspect = fraction(container_aspect(stream))
        .or(fraction(fields.pixel_aspect))
        .filter(|(width, height)| width != height);
    track.frame_rate = fraction(stream.avg_frame_rate());
    track.pixel_format = fields.pixel_format;
    track.bits_per_sample = fields.bits_per_sample;
    track.interlaced = !matches!(fields.field_order, FieldOrder::Progressive | FieldOrder::Unknown);
    track.rotation_deg = rotation_deg(stream);
    track.color = Some(color(fields.color, stream));
}

const fn kind(medium: media::Type) -> &'static str {
    match medium {
        media::Type::Video => "video",
        media::Type::Audio => "audio",
        media::Type::Subtitle => "subtitle",
        media::Type::Data | media::Type::Attachment | media::Type::Unknown => "data",
    }
}

fn known(time: i64) -> Option<i64> {
    (time != ffi::AV_NOPTS_VALUE).then_some(time)
}

fn milliseconds(time: i64, stream: &Stream<'_>) -> i64 {
    time.rescale(stream.time_base(), Rational::new(1, 1000))
}

fn language(stream: &Stream<'_>) -> Option<String> {
    let metadata = stream.metadata();
    let said = metadata.get("language")?;
    let text = said.get(..said.floor_char_boundary(LANGUAGE_BYTES_MAX))?.trim();
    (!text.is_empty() && text != "und").then(|| text.to_owned())
}

/// A level as people write it.
///
/// Sources: ITU-T H.264 annex A (ten times the level; 9 is 1b), ITU-T H.265 annex A (thirty times), AV1
/// annex A (`seq_level_idx`).
fn level(codec: Id, level: i32) -> Option<String> {
    match codec {
        Id::H264 if level == 9 => Some("1b".into()),
        Id::H264 if level > 0 => Some(format!("{}.{}", level / 10, level % 10)),
        Id::HEVC if level > 0 => Some(format!("{}.{}", level / 30, level % 30 / 3)),
        Id::AV1 if (0..=23).contains(&level) => Some(format!("{}.{}", 2 + (level >> 2), level & 3)),
        _ => None,
    }
}

fn color(said: ColorFields, stream: &Stream<'_>) -> ColorInfo {
    let has = |kind: SideDataType| stream.side_data().any(|data| data.kind() == kind);
    let dynamic_range = match said.transfer.as_deref() {
        Some("arib-std-b67") => DynamicRange::Hlg,
        Some("smpte2084")
            if has(SideDataType::MasteringDisplayMetadata)
                || has(SideDataType::ContentLightLevel) =>
        {
            DynamicRange::Hdr10
        }
        Some("smpte2084") => DynamicRange::Pq,
        _ => DynamicRange::Sdr,
    };
    let dolby_vision = stream.side_data().find(|data| data.kind() == SideDataType::DOVI_CONF);
    ColorInfo {
        primaries: said.primaries,
        transfer: said.transfer,
        matrix: said.matrix,
        range: said.range,
        chroma_location: said.chroma_location,
        dynamic_range,
        // Two bytes of version go before it (AVDOVIDecoderConfigurationRecord).
        dolby_vision_profile: dolby_vision.and_then(|data| data.data().get(2).copied()),
    }
}

/// What the safe binding does not show of a codec's parameters.
struct Fields {
    width: i32,
    height: i32,
    sample_rate: i32,
    channels: i32,
    channel_layout: Option<String>,
    bit_rate: i64,
    level: i32,
    profile: Option<String>,
    pixel_aspect: Rational,
    pixel_format: Option<String>,
    bits_per_sample: Option<u8>,
    field_order: FieldOrder,
    color: ColorFields,
}

struct ColorFields {
    primaries: Option<String>,
    transfer: Option<String>,
    matrix: Option<String>,
    range: Option<String>,
    chroma_location: Option<String>,
}

impl Fields {
    #[expect(unsafe_code, reason = "ffmpeg-next shows these fields only for an opened decoder")]
    fn of(context: &CodecContext) -> Self {
        // SAFETY: `context` owns an allocated AVCodecContext for as long as this borrow lasts; its fields
        // are plain values. The functions that name values take any value and return null or a static
        // string, and a pixel format's descriptor is null or static too.
        unsafe {
            let raw = &*context.as_ptr();
            let descriptor = ffi::av_pix_fmt_desc_get(raw.pix_fmt);
            Self {
                width: raw.width,
                height: raw.height,
                sample_rate: raw.sample_rate,
                channels: raw.ch_layout.nb_channels,
                channel_layout: channel_layout(&raw.ch_layout),
                bit_rate: raw.bit_rate,
                level: raw.level,
                profile: name(ffi::avcodec_profile_name(raw.codec_id, raw.profile)),
                pixel_aspect: raw.sample_aspect_ratio.into(),
                pixel_format: name(ffi::av_get_pix_fmt_name(raw.pix_fmt)),
                bits_per_sample: (!descriptor.is_null())
                    .then(|| u8::try_from((*descriptor).comp[0].depth).unwrap_or(0))
                    .filter(|bits| *bits > 0),
                field_order: raw.field_order.into(),
                color: ColorFields {
                    primaries: said(ffi::av_color_primaries_name(raw.color_primaries)),
                    transfer: said(ffi::av_color_transfer_name(raw.color_trc)),
                    matrix: said(ffi::av_color_space_name(raw.colorspace)),
                    range: said(ffi::av_color_range_name(raw.color_range)),
                    chroma_location: said(ffi::av_chroma_location_name(raw.chroma_sample_location)),
                },
            }
        }
    }
}

#[expect(unsafe_code, reason = "the safe binding does not show what the container says of pixels")]
fn container_aspect(stream: &Stream<'_>) -> Rational {
    // SAFETY: the stream is alive as long as its borrow; the field is a plain value.
    unsafe { (*stream.as_ptr()).sample_aspect_ratio.into() }
}

/// A name of FFmpeg's; `None` for null.
///
/// # Safety
/// `text` is null or a string that lives as long as the program.
#[expect(unsafe_code, reason = "FFmpeg's names are C strings")]
unsafe fn name(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller says.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A name that says something.
///
/// # Safety
/// As [`name`].
#[expect(unsafe_code, reason = "FFmpeg's names are C strings")]
unsafe fn said(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller says.
    unsafe { name(text) }.filter(|text| !matches!(&**text, "unknown" | "unspecified" | "reserved"))
}

#[expect(unsafe_code, reason = "the safe binding names layouts of channels by numbers")]
fn channel_layout(layout: &ffi::AVChannelLayout) -> Option<String> {
    let mut text = [0_u8; 128];
    // SAFETY: the layout is alive and initialised, and the buffer as long as is said; the text is cut to it
    // and ends with a zero.
    let bytes = unsafe {
        ffi::av_channel_layout_describe(&raw const *layout, text.as_mut_ptr().cast(), text.len())
    };
    let text = CStr::from_bytes_until_nul(&text).ok().filter(|_| bytes > 0)?;
    // A count of channels is no arrangement.
    let known =
        layout.nb_channels > 0 && layout.order != ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC;
    known.then(|| text.to_string_lossy().into_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_as_people_do() {
        for (codec, number, text) in [
            (Id::H264, 41, Some("4.1")),
            (Id::H264, 9, Some("1b")),
            (Id::H264, -99, None),
            (Id::HEVC, 123, Some("4.1")),
            (Id::HEVC, 150, Some("5.0")),
            (Id::AV1, 8, Some("4.0")),
            (Id::AV1, 13, Some("5.1")),
            (Id::MJPEG, 3, None),
        ] {
            assert_eq!(level(codec, number).as_deref(), text, "{codec:?} {number}");
        }
    }
}
