//! What a file is, without decoding it.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use panofleet_job_schema::Failure;
use panofleet_job_schema::media_info::{IccInfo, MediaInfo, PictureInfo, Unstitched};
use panofleet_raster::ExifOrientation;

use crate::error::MediaError;
use crate::exif::Exif;
use crate::gpano;
use crate::header::{self, Header, Metadata};
use crate::icc::Profile;
use crate::insta360;
use crate::sniff::{self, Container, Kind, SNIFF_BYTES};
use crate::tracks;

/// Describes a file by its contents. The name only matters where it contradicts them: that is a warning.
///
/// Sizes beyond the limits are reported, not refused: that is for the operations to do.
///
/// # Errors
/// `Rejected` errors for a file that is empty, unknown, damaged or a list of other files; `Io`.
pub fn probe(path: &Path) -> Result<MediaInfo, MediaError> {
    let file = File::open(path).map_err(MediaError::Io)?;
    let (container, bytes) = sniff_file(&file)?;
    let mut media = match container.kind() {
        Kind::Script => return Err(MediaError::NamesOtherFiles(container)),
        Kind::Tracks => tracks::probe(container, &file)?,
        Kind::Still | Kind::OtherStill => probe_still(container, &file)?,
    };
    media.bytes = bytes;
    if let Some(ending) = path.extension().and_then(|ending| ending.to_str())
        && container.contradicts_ending(ending)
    {
        media.warnings.push(format!("the name ends in .{ending}, but the file is {container}"));
    }
    Ok(media)
}

/// Describes a still picture whose file is in memory.
///
/// # Errors
/// As [`probe`]; a file with tracks is refused by its format.
pub fn probe_bytes(bytes: &[u8]) -> Result<MediaInfo, MediaError> {
    let container = container(&bytes[..bytes.len().min(SNIFF_BYTES)])?;
    match container.kind() {
        Kind::Script => Err(MediaError::NamesOtherFiles(container)),
        Kind::Tracks => Err(MediaError::FormatUnsupported(container)),
        Kind::Still | Kind::OtherStill => {
            let media = probe_still(container, Cursor::new(bytes))?;
            Ok(MediaInfo { bytes: bytes.len() as u64, ..media })
        }
    }
}

fn probe_still(
    container: Container,
    mut source: impl Read + Seek,
) -> Result<MediaInfo, MediaError> {
    match header::read(container, &mut source) {
        Ok(header) => {
            let mut media = still(container, header);
            // Whoever joined the pictures wrote what came out.
            if container == Container::Jpeg && media.gpano.is_none() {
                media.unstitched = insta360::read(&mut source);
            }
            if let Some(Unstitched { maker, .. }) = &media.unstitched {
                media.warnings.push(format!(
                    "the file is from a camera of {maker} and has no GPano metadata: it probably shows what the \
                     camera's lenses saw, and is no panorama yet"
                ));
            }
            Ok(media)
        }
        // Its format is all that can be said about it.
        Err(MediaError::FormatUnsupported(_)) if container.kind() == Kind::OtherStill => {
            Ok(still(container, Header::bare(0, 0)))
        }
        Err(error) => Err(error),
    }
}

/// Refuses a source whose pixels nobody here can read, by the name of its format.
///
/// # Errors
/// `format_unsupported`, with what to do.
pub fn check_has_pixels(media: &MediaInfo) -> Result<(), Failure> {
    match Container::by_name(&media.container) {
        Some(container) if container.kind() == Kind::OtherStill => {
            Err(MediaError::FormatUnsupported(container).into())
        }
        _ => Ok(()),
    }
}

/// The format and size of an open file.
pub(crate) fn sniff_file(file: &File) -> Result<(Container, u64), MediaError> {
    let mut reader = file;
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let mut head = Vec::with_capacity(SNIFF_BYTES);
    reader.take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(MediaError::Io)?;
    Ok((container(&head)?, file.metadata().map_err(MediaError::Io)?.len()))
}

/// The format of a file that begins with `head`.
fn container(head: &[u8]) -> Result<Container, MediaError> {
    if head.is_empty() {
        return Err(MediaError::Empty);
    }
    sniff::sniff(head).ok_or_else(|| MediaError::UnknownFormat {
        begin: head[..head.len().min(12)].escape_ascii().to_string(),
    })
}

/// `Ok` for a format that [`decode`](crate::decode()) reads.
pub(crate) fn check_decoded(container: Container) -> Result<(), MediaError> {
    match container.kind() {
        Kind::Still => Ok(()),
        Kind::OtherStill | Kind::Tracks => Err(MediaError::FormatUnsupported(container)),
        Kind::Script => Err(MediaError::NamesOtherFiles(container)),
    }
}

/// The EXIF orientation, 1 to 8.
pub(crate) fn orientation(metadata: &Metadata) -> u16 {
    metadata.exif.as_ref().and_then(Exif::orientation).unwrap_or(1)
}

fn still(container: Container, header: Header) -> MediaInfo {
    let orientation = orientation(&header.metadata);
    let mut warnings = header.warnings;
    let gpano = gpano::read(&header.metadata.properties, &mut warnings);
    let icc = header.metadata.icc.map(|bytes| icc_info(bytes, &mut warnings));
    let swapped = ExifOrientation::from_tag(orientation).is_some_and(ExifOrientation::swaps_sides);
    let (width_px, height_px) = if swapped {
        (header.height_px, header.width_px)
    } else {
        (header.width_px, header.height_px)
    };
    if let Some(gpano) = &gpano {
        warnings.extend(gpano::contradictions(gpano, width_px, height_px));
    }
    let picture = PictureInfo {
        width_px,
        height_px,
        color: header.color,
        alpha: header.alpha,
        bits_per_sample: header.bits_per_sample,
        orientation: orientation as u8,
        frames: header.frames,
        icc,
        gain_map: header.gain_map,
    };
    MediaInfo {
        container: container.name().into(),
        bytes: 0,
        // A format that is only recognised may not say its size.
        picture: (width_px > 0 && height_px > 0).then_some(picture),
        tracks: Vec::new(),
        duration_ms: None,
        gpano,
        unstitched: None,
        capture: header.metadata.exif.as_ref().and_then(Exif::capture),
        warnings,
    }
}

fn icc_info(bytes: Vec<u8>, warnings: &mut Vec<String>) -> IccInfo {
    let length = bytes.len() as u64;
    let description = match Profile::parse(bytes) {
        Ok(profile) => profile.description().map(str::to_owned),
        Err(said) => {
            warnings.push(format!("the colour profile cannot be read ({said}); taken for sRGB"));
            None
        }
    };
    IccInfo { bytes: length, description }
}
