//! The boxes of an MP4 or MOV: what FFmpeg passes over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use panofleet_isobmff::{BoxHeader, BoxRef, FourCc, Movie, Track, fragment_samples};
use panofleet_job_schema::media_info::TrackInfo;

use super::sphere;
use crate::error::MediaError;
use crate::header::{block, distance};
use crate::sniff::Container;

/// Boxes of a file that are looked at: a day in fragments of 2 s has 86,400.
const TOP_BOXES_MAX: usize = 200_000;

/// Bytes of a `moov`: that of ten hours at 60 frames a second has some 40 MiB.
const MOOV_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Bytes of one `moof`; others are passed over.
const MOOF_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the boxes of a file say.
pub(crate) struct MovieScan {
    movie: Movie,
    /// Samples of fragments, by track.
    fragments: BTreeMap<u32, u64>,
    /// How far the last box goes beyond the end of the file.
    missing_bytes: u64,
}

/// Reads the heads of all boxes, the `moov`, and each `moof`.
///
/// # Errors
/// `Truncated` or `Corrupt` for a file without a `moov` that can be read; `Io`.
pub(crate) fn scan(container: Container, file: &File) -> Result<MovieScan, MediaError> {
    let file_bytes = file.metadata().map_err(MediaError::Io)?.len();
    let mut reader = file;
    let mut found = Found { moov: None, fragments: BTreeMap::new(), missing_bytes: 0 };
    let (mut at, mut seen) = (0, 0);
    while at + 8 <= file_bytes && seen < TOP_BOXES_MAX {
        seen += 1;
        match found.read_box(&mut reader, at, file_bytes) {
            Ok(Some(next)) => at = next,
            Ok(None) => break,
            Err(error) => return Err(MediaError::reading(container, error)),
        }
    }
    let Some(moov) = found.moov else {
        let said = "it has no `moov`, the index that is written when a recording ends".to_owned();
        return Err(if found.missing_bytes > 0 {
            MediaError::Truncated { container, said }
        } else {
            MediaError::Corrupt { container, said }
        });
    };
    let movie = Movie::parse(&moov).map_err(|error| MediaError::corrupt(container, &error))?;
    Ok(MovieScan { movie, fragments: found.fragments, missing_bytes: found.missing_bytes })
}

struct Found {
    moov: Option<Vec<u8>>,
    fragments: BTreeMap<u32, u64>,
    missing_bytes: u64,
}

impl Found {
    /// Looks at the box at `at`, and says where the next one begins; `None` after the last.
    fn read_box(
        &mut self,
        reader: &mut (impl Read + Seek),
        at: u64,
        file_bytes: u64,
    ) -> io::Result<Option<u64>> {
        distance(at)?;
        reader.seek(SeekFrom::Start(at))?;
        let head = block(reader, BoxHeader::BYTES_MAX.min((file_bytes - at) as usize))?;
        let Ok(header) = BoxHeader::parse(&head) else { return Ok(None) };
        let body_at = at + u64::from(header.head_bytes);
        let room = file_bytes.saturating_sub(body_at);
        let body_bytes = header.body_bytes.unwrap_or(room);
        self.missing_bytes = body_bytes.saturating_sub(room);
        let read = |reader: &mut _, bytes: u64| -> io::Result<Vec<u8>> {
            let reader: &mut _ = reader;
            Seek::seek(reader, SeekFrom::Start(body_at))?;
            block(reader, bytes as usize)
        };
        match &header.kind.0 {
            b"moov" if body_bytes > MOOV_BYTES_MAX => {
                let said = format!("a `moov` of {body_bytes} bytes; the limit is {MOOV_BYTES_MAX}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, said));
            }
            b"moov" if self.missing_bytes > 0 => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            b"moov" if self.moov.is_none() => self.moov = Some(read(reader, body_bytes)?),
            b"moof" if body_bytes <= MOOF_BYTES_MAX.min(room) => {
                self.count_fragment(&read(reader, body_bytes)?);
            }
            _ => {}
        }
        Ok(body_at.checked_add(body_bytes))
    }

    /// A damaged fragment counts nothing; FFmpeg says what it makes of it.
    fn count_fragment(&mut self, body: &[u8]) {
        let moof = BoxRef { kind: FourCc(*b"moof"), body, whole: body };
        for (track, samples) in fragment_samples(&moof).unwrap_or_default() {
            *self.fragments.entry(track).or_default() += samples;
        }
    }
}

impl MovieScan {
    /// Adds to a track what its boxes say; `id` is the number that FFmpeg has for it.
    pub(crate) fn complete(&self, info: &mut TrackInfo, id: i32, warnings: &mut Vec<String>) {
        let Some(track) = u32::try_from(id).ok().and_then(|id| self.movie.track(id)) else {
            return;
        };
        let samples = track.samples + self.fragments.get(&track.id).copied().unwrap_or(0);
        info.frames = (samples > 0).then_some(samples).or(info.frames);
        for fault in track.faults.iter().chain(track.entries.iter().flat_map(|entry| &entry.faults))
        {
            warnings.push(format!("track {}: {fault}; it was ignored", info.index));
        }
        if let Some(audio) = track.entries.iter().find_map(|entry| entry.spatial_audio.as_ref()) {
            info.ambisonic_order = Some(audio.order);
        }
        if info.kind == "video" {
            sphere::of_boxes(track, info, warnings);
        }
        self.check(track, info, warnings);
    }

    fn check(&self, track: &Track, info: &TrackInfo, warnings: &mut Vec<String>) {
        if info.index == 0 && self.missing_bytes > 0 {
            warnings.push(format!(
                "the file ends {} bytes before its last box does: it was cut off, or its sizes are wrong",
                self.missing_bytes
            ));
        }
        if info.kind == "video" && info.frames.is_none() {
            warnings.push(format!("track {} has no frames", info.index));
        }
        if track.edits.len() > 2 {
            warnings.push(format!(
                "track {} has an edit list of {} parts; players differ about those",
                info.index,
                track.edits.len()
            ));
        }
    }

    /// How long the longest track's samples take; `None` if fragments have some, whose times are not added.
    pub(crate) fn samples_ms(&self) -> Option<u64> {
        if self.movie.fragmented {
            return None;
        }
        let played = self.movie.tracks.iter().filter(|track| track.timescale > 0);
        played
            .map(|track| track.samples_duration.saturating_mul(1000) / u64::from(track.timescale))
            .max()
    }
}
