//! Bodies on their way out: a range of an object's file, streamed.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use s3s::StdError;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

/// Bytes that are read at once.
const READ_BYTES: usize = 128 * 1024;

struct FileRange {
    inner: ReaderStream<tokio::io::Take<tokio::fs::File>>,
    left: u64,
}

/// Streams a range of a file. Seeking moves no disk, so this may run on an async thread.
pub(super) fn stream(mut file: File, range: &Range<u64>) -> io::Result<StreamingBlob> {
    file.seek(SeekFrom::Start(range.start))?;
    let left = range.end - range.start;
    let file = tokio::fs::File::from_std(file).take(left);
    Ok(StreamingBlob::new(FileRange { inner: ReaderStream::with_capacity(file, READ_BYTES), left }))
}

impl Stream for FileRange {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = Pin::new(&mut self.inner).poll_next(context);
        if let Poll::Ready(Some(Ok(piece))) = &piece {
            self.left -= piece.len() as u64;
        }
        piece.map(|next| next.map(|piece| piece.map_err(Into::into)))
    }
}

impl ByteStream for FileRange {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
