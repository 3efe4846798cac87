//! Files with tracks, opened by libavformat.
//!
//! FFmpeg reads through our own open file and is given no name and no protocol, so that a playlist or a
//! reference inside of a file leads nowhere. Only demuxers of the formats that [`sniff`](crate::sniff)
//! knows may open it.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Once;

use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::{Dictionary, Error as FfmpegError, format, log};

use crate::error::MediaError;
use crate::sniff::Container;

/// FFmpeg's names of the demuxers of these formats.
const DEMUXERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,ogg,flac,mp3,wav,aac";

/// Bytes that are read ahead: fewer system calls, and a seek costs no more than this.
const BUFFER_BYTES: usize = 256 * 1024;

/// Opens a file and reads its headers.
///
/// # Errors
/// `Rejected` errors for what FFmpeg cannot make sense of; `Io`.
pub(crate) fn open(container: Container, file: &File) -> Result<Input, MediaError> {
    ready();
    let mut file = file.try_clone().map_err(MediaError::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let fail = |error: FfmpegError| judged(container, error);
    let mut options = Dictionary::new();
    options.set("format_whitelist", DEMUXERS);
    options.set("protocol_whitelist", "");
    let source = StreamIo::from_read_seek_with_capacity(file, BUFFER_BYTES).map_err(fail)?;
    format::input_from_stream(source, None, Some(options)).map_err(fail)
}

/// Sets FFmpeg up for this process.
pub(crate) fn ready() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        // Error texts; there is nothing else that could fail.
        ffmpeg_next::util::error::register_all();
        log::set_level(log::Level::Quiet);
    });
}

/// What an error of FFmpeg says about a file.
pub(crate) fn judged(container: Container, error: FfmpegError) -> MediaError {
    match error {
        FfmpegError::Eof => MediaError::Truncated { container, said: error.to_string() },
        other => MediaError::corrupt(container, &other),
    }
}
