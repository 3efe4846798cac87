//! Files with tracks: what is in them.
//!
//! | you look for | file |
//! |---|---|
//! | how a file is opened | `demux` |
//! | what FFmpeg says of a track | `stream` |
//! | what the boxes say that FFmpeg passes over | `movie` |
//! | spherical metadata, of whatever kind | `sphere` |
//! | frame times, and what is missing | `timing` |

use std::fs::File;

use panofleet_job_schema::media_info::{DynamicRange, MediaInfo, TrackInfo};

use crate::error::MediaError;
use crate::sniff::Container;
use crate::video::has_light_levels;

pub(crate) mod demux;
mod movie;
mod sphere;
mod stream;
mod timing;

use movie::MovieScan;

/// Tracks that are described; a file has a handful.
const TRACKS_MAX: usize = 128;

/// A file that claims to play longer than this, and than what is in it, is not believed.
const UNCHECKED_MS_MAX: u64 = 24 * 3600 * 1000;

/// Reads headers, and as many packets as it takes to know what the tracks are.
pub(crate) fn probe(container: Container, file: &File) -> Result<MediaInfo, MediaError> {
    let scan = match container {
        Container::Mp4 | Container::Mov => Some(movie::scan(container, file)?),
        _ => None,
    };
    let mut input = demux::open(container, file)?;
    let mut warnings = Vec::new();
    if input.streams().count() > TRACKS_MAX {
        warnings.push(format!("only the first {TRACKS_MAX} tracks are listed"));
    }
    let mut tracks = input
        .streams()
        .take(TRACKS_MAX)
        .map(|stream| {
            let mut track = stream::describe(&stream)?;
            if let Some(scan) = &scan {
                scan.complete(&mut track, stream.id(), &mut warnings);
            }
            sphere::of_container(&stream, &mut track);
            complete_range(&mut track, container, file);
            Ok(track)
        })
        .collect::<Result<Vec<TrackInfo>, _>>()
        .map_err(|error| demux::judged(container, error))?;
    if tracks.iter().all(|track| track.kind == "data") {
        return Err(MediaError::corrupt(container, &"no video, audio or subtitles in it"));
    }
    timing::measure(&mut input, &mut tracks, file, &mut warnings)?;
    // Microseconds, negative where nobody knows.
    let claimed_ms = u64::try_from(input.duration()).ok().map(|us| us / 1000);
    let duration_ms = believed(claimed_ms, &tracks, scan.as_ref(), &mut warnings);
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

/// Makes PQ of which a frame tells the light levels HDR10.
fn complete_range(track: &mut TrackInfo, container: Container, file: &File) {
    if let Some(color) = &mut track.color
        && color.dynamic_range == DynamicRange::Pq
        && has_light_levels(container, file, track.index)
    {
        color.dynamic_range = DynamicRange::Hdr10;
    }
}

/// The play time, unless it says more than the samples take.
fn believed(
    claimed_ms: Option<u64>,
    tracks: &[TrackInfo],
    scan: Option<&MovieScan>,
    warnings: &mut Vec<String>,
) -> Option<u64> {
    let played_ms = scan.and_then(MovieScan::samples_ms);
    match (claimed_ms, played_ms) {
        (Some(claimed), Some(played)) if claimed > 2 * played + 1000 => {
            warnings.push(format!(
                "the file says that it plays {:.1} s, and its samples play {:.1} s; the samples count",
                claimed as f64 / 1000.0,
                played as f64 / 1000.0
            ));
            Some(played)
        }
        (Some(claimed), None) if claimed > UNCHECKED_MS_MAX => {
            let hours = claimed as f64 / 3_600_000.0;
            warnings.push(format!(
                "the file says that it plays {hours:.0} hours, which nobody checked"
            ));
            Some(claimed)
        }
        (None | Some(0), _) => {
            let longest =
                tracks.iter().filter_map(|track| track.duration_ms).max().filter(|ms| *ms > 0);
            if longest.is_none() {
                warnings.push("nobody knows how long the file plays".into());
            }
            longest
        }
        (claimed, _) => claimed,
    }
}
