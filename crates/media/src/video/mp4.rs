//! An MP4 being written: packets by libavformat, and then its index put first, with our own boxes in it.
//!
//! libavformat can put the index first too, but not through a file of ours; and it writes no V1 XML, drops
//! what it does not know, and leaks what it does (Dolby Vision's boxes). So the index is edited here.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use ffmpeg_next::codec::{self, context::Context as CodecContext};
use ffmpeg_next::format::context::{Output, StreamIo};
use ffmpeg_next::{Error as FfmpegError, Packet, Rational, ffi, format};
use panofleet_isobmff::{BoxHeader, MovieEdit};

use crate::error::MediaError;

/// Bytes that are moved at a time.
const MOVE_BYTES: usize = 1 << 20;

/// Bytes that the muxer collects before it writes.
const BUFFER_BYTES: usize = 256 * 1024;

/// An MP4 in work.
pub(crate) struct Mp4Writer {
    output: Output,
    file: File,
    /// What the packets of each stream count in, before and after the header is written.
    ticks: Vec<(Rational, Rational)>,
}

impl Mp4Writer {
    /// Writes to an empty file, which must be open for reading too.
    ///
    /// # Errors
    /// `Write`.
    pub(crate) fn new(file: File) -> Result<Self, MediaError> {
        let copy = file.try_clone().map_err(MediaError::Write)?;
        let io = StreamIo::from_write_seek_with_capacity(copy, BUFFER_BYTES).map_err(failed)?;
        let output = format::output_to_stream(io, None, Some("mp4")).map_err(failed)?;
        Ok(Self { output, file, ticks: Vec::new() })
    }

    /// Adds a stream of what an encoder makes, whose packets count in `tick`.
    ///
    /// # Errors
    /// `Write` if there is no memory.
    pub(crate) fn add_encoder(
        &mut self,
        context: &CodecContext,
        tick: Rational,
    ) -> Result<(), MediaError> {
        let mut stream = self.output.add_stream_with(context).map_err(failed)?;
        stream.set_time_base(tick);
        self.ticks.push((tick, tick));
        Ok(())
    }

    /// Adds a stream of packets that are copied.
    ///
    /// # Errors
    /// `Write` if there is no memory.
    #[expect(unsafe_code, reason = "the safe binding does not reset a codec's tag")]
    pub(crate) fn add_copy(
        &mut self,
        parameters: codec::Parameters,
        tick: Rational,
    ) -> Result<(), MediaError> {
        let mut stream = self.output.add_stream(None::<ffmpeg_next::Codec>).map_err(failed)?;
        stream.set_parameters(parameters);
        stream.set_time_base(tick);
        // SAFETY: the stream belongs to `output` and has parameters since it was made; the field is a plain
        // value. Another container's tag means nothing in this one.
        unsafe {
            (*(*stream.as_mut_ptr()).codecpar).codec_tag = 0;
        }
        self.ticks.push((tick, tick));
        Ok(())
    }

    /// Writes what comes before all packets; every stream must be there.
    ///
    /// # Errors
    /// `Write`.
    pub(crate) fn begin(&mut self) -> Result<(), MediaError> {
        self.output.write_header().map_err(failed)?;
        for (stream, ticks) in self.output.streams().zip(&mut self.ticks) {
            ticks.1 = stream.time_base();
        }
        Ok(())
    }

    /// Writes a packet of a stream. `duration` is in the stream's ticks and counts if the packet has none.
    ///
    /// # Errors
    /// `Write`.
    pub(crate) fn write(
        &mut self,
        stream: usize,
        mut packet: Packet,
        duration: i64,
    ) -> Result<(), MediaError> {
        let (from, to) = self.ticks[stream];
        packet.set_stream(stream);
        packet.set_position(-1);
        if packet.duration() == 0 {
            packet.set_duration(duration);
        }
        packet.rescale_ts(from, to);
        packet.write_interleaved(&mut self.output).map_err(failed)
    }

    /// Ends the file, and puts its index first with `edit` in it.
    ///
    /// # Errors
    /// `Write`.
    pub(crate) fn finish(mut self, edit: &MovieEdit) -> Result<File, MediaError> {
        self.output.write_trailer().map_err(failed)?;
        let Self { output, mut file, .. } = self;
        // What the muxer still holds is written when it goes.
        drop(output);
        put_index_first(&mut file, edit).map_err(MediaError::Write)?;
        Ok(file)
    }
}

/// An errno of the disk's stays one, so that a full disk is told from a bug.
fn failed(error: FfmpegError) -> MediaError {
    match error {
        FfmpegError::Other {
            errno: errno @ (ffi::ENOSPC | ffi::EFBIG | ffi::EIO | ffi::EDQUOT),
        } => MediaError::Write(io::Error::from_raw_os_error(errno)),
        other => MediaError::Encode { format: "MP4", source: other.into() },
    }
}

/// Moves what lies between the file's type and its index back by the index's length, and the index before it.
fn put_index_first(file: &mut File, edit: &MovieEdit) -> io::Result<()> {
    let damaged = |said: String| io::Error::new(io::ErrorKind::InvalidData, said);
    let (type_end, index) = index(file)?;
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(index.body_at))?;
    (&*file).take(index.end - index.body_at).read_to_end(&mut body)?;
    let moov = edit.apply(&body, |bytes| bytes).map_err(|error| damaged(error.to_string()))?;
    let by = moov.len() as u64;
    let mut buffer = vec![0; MOVE_BYTES];
    let mut end = index.at;
    while end > type_end {
        let start = end.saturating_sub(MOVE_BYTES as u64).max(type_end);
        let part = &mut buffer[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        file.write_all_at(part, start + by)?;
        end = start;
    }
    file.write_all_at(&moov, type_end)?;
    file.set_len(index.at + by)
}

struct Index {
    at: u64,
    body_at: u64,
    end: u64,
}

/// Where the file's type ends, and where its index lies.
fn index(file: &mut File) -> io::Result<(u64, Index)> {
    let bytes = file.metadata()?.len();
    let (mut at, mut type_end) = (0, 0);
    while at < bytes {
        let mut head = [0; BoxHeader::BYTES_MAX];
        let there = head.len().min((bytes - at) as usize);
        file.read_exact_at(&mut head[..there], at)?;
        let header = BoxHeader::parse(&head[..there]).map_err(io::Error::other)?;
        let body_at = at + u64::from(header.head_bytes);
        let end = header.body_bytes.map_or(bytes, |body| body_at.saturating_add(body));
        match &header.kind.0 {
            b"ftyp" => type_end = end,
            b"moov" => return Ok((type_end, Index { at, body_at, end: end.min(bytes) })),
            _ => {}
        }
        at = end;
    }
    Err(io::Error::other("the muxer wrote no index"))
}
