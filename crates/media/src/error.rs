//! What can be wrong with a file, in words that its owner can act on.

use std::io;

use panofleet_job_schema::{ErrorClass, Failure, limits};

use crate::sniff::Container;

/// Why a file could not be probed, decoded or encoded.
///
/// All but [`Io`](Self::Io) and [`Encode`](Self::Encode) are the input's fault: a retry cannot help.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// No bytes.
    #[error("the file is empty; its upload probably broke off, so upload it again")]
    Empty,
    /// No signature that we know.
    #[error(
        "the file begins with `{begin}`, which is no format that is read here; convert it to JPEG, PNG, WebP or TIFF"
    )]
    UnknownFormat {
        /// The first bytes, escaped.
        begin: String,
    },
    /// A list of other files.
    #[error("the file is {0}, which only names other files; submit the media file itself")]
    NamesOtherFiles(Container),
    /// A still that is recognised but not decoded.
    #[error(
        "{0} pictures are recognised but not read; convert the file to JPEG, PNG, WebP or TIFF"
    )]
    FormatUnsupported(Container),
    /// A file of a format that is read, in a flavour that is not.
    #[error(
        "the {container} file uses {feature}, which is not read; save it as an 8 or 16 bit RGB or gray {container}"
    )]
    FeatureUnsupported {
        /// The format.
        container: Container,
        /// What it uses.
        feature: String,
    },
    /// The file ends before the picture does.
    #[error(
        "the {container} file is truncated ({said}): it ends before the picture does; upload it again"
    )]
    Truncated {
        /// The format.
        container: Container,
        /// What the decoder says.
        said: String,
    },
    /// The file contradicts itself.
    #[error("the {container} file is damaged ({said}); open it in an editor and save it again")]
    Corrupt {
        /// The format.
        container: Container,
        /// What the decoder says.
        said: String,
    },
    /// More pixels than are held in memory.
    #[error(
        "the picture is {width_px}×{height_px} pixels; the limits are {} on a side and {} in all; make it smaller",
        limits::PICTURE_SIDE_PX_MAX,
        limits::PICTURE_PIXELS_MAX
    )]
    TooLarge {
        /// Width as stored.
        width_px: u64,
        /// Height as stored.
        height_px: u64,
    },
    /// More bytes than a still picture's file may have.
    #[error("the {container} file has {bytes} bytes; the limit is {bytes_max}")]
    FileTooLarge {
        /// The format.
        container: Container,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A video that nobody here decodes, or makes a picture of.
    #[error("the video cannot be used: {0}; convert it to H.264 or HEVC in 4:2:0")]
    VideoUnsupported(String),
    /// A video track from which no frame came.
    #[error(
        "no frame of the video can be decoded; play it to see whether it is damaged, and export it again"
    )]
    NoFrames,
    /// A video of which not all can be decoded, where the job says that it must.
    #[error("the video is {0}; export it again, or set `damage` to `best_effort`")]
    VideoDamaged(String),
    /// The file that is being written.
    #[error("cannot write the result")]
    Write(#[source] io::Error),
    /// The disk or the file system.
    #[error("cannot read the source")]
    Io(#[source] io::Error),
    /// A picture was asked for that the format cannot hold.
    #[error(
        "a {format} picture of {width_px}×{height_px} pixels was asked for; a side of one has at most {side_px_max}; ask for a smaller one or another format"
    )]
    OutputTooLarge {
        /// The format.
        format: &'static str,
        /// Width that was asked for.
        width_px: u32,
        /// Height that was asked for.
        height_px: u32,
        /// The format's limit.
        side_px_max: u32,
    },
    /// An encoder refused pixels that we made.
    #[error("cannot encode {format}: {source}")]
    Encode {
        /// The format.
        format: &'static str,
        /// What the encoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl MediaError {
    /// A stable code for grouping.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "file_empty",
            Self::UnknownFormat { .. } => "format_unknown",
            Self::NamesOtherFiles(_) => "playlist_refused",
            Self::FormatUnsupported(_) | Self::FeatureUnsupported { .. } => "format_unsupported",
            Self::Truncated { .. } => "file_truncated",
            Self::Corrupt { .. } => "file_damaged",
            Self::VideoUnsupported(_) => "video_unsupported",
            Self::NoFrames | Self::VideoDamaged(_) => "video_damaged",
            Self::TooLarge { .. } | Self::FileTooLarge { .. } => "picture_too_large",
            Self::OutputTooLarge { .. } => "output_too_large",
            Self::Io(_) => "source_unreadable",
            Self::Write(_) => "result_unwritable",
            Self::Encode { .. } => "encode_failed",
        }
    }

    /// What the fleet does about it.
    ///
    /// A read error of the worker's own disk may pass on another worker; pixels that an encoder refuses are
    /// our doing.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Io(_) | Self::Write(_) => ErrorClass::Transient,
            Self::Encode { .. } => ErrorClass::Bug,
            Self::Empty
            | Self::UnknownFormat { .. }
            | Self::NamesOtherFiles(_)
            | Self::FormatUnsupported(_)
            | Self::FeatureUnsupported { .. }
            | Self::Truncated { .. }
            | Self::Corrupt { .. }
            | Self::VideoUnsupported(_)
            | Self::NoFrames
            | Self::VideoDamaged(_)
            | Self::TooLarge { .. }
            | Self::FileTooLarge { .. }
            | Self::OutputTooLarge { .. } => ErrorClass::Rejected,
        }
    }

    /// An error while reading `container`: a file that ends too early is the sender's, the rest the disk's.
    pub(crate) fn reading(container: Container, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Self::Truncated { container, said: "end of file".into() }
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Corrupt { container, said: error.to_string() }
            }
            _ => Self::Io(error),
        }
    }

    pub(crate) fn corrupt(container: Container, said: &impl ToString) -> Self {
        Self::Corrupt { container, said: said.to_string() }
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        let message = match &error {
            MediaError::Io(cause) | MediaError::Write(cause) => format!("{error}: {cause}"),
            other => other.to_string(),
        };
        Self::new(error.class(), error.code(), message)
    }
}
