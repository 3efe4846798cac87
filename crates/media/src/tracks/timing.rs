//! When frames come, by their packets, and which are missing.

use std::fs::File;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::{Error as FfmpegError, Packet, ffi};
use panofleet_job_schema::media_info::{FrameTiming, TrackInfo};

use crate::error::MediaError;

/// Frames of a track that are looked at: ten seconds at 60 a second.
const FRAMES_MAX: usize = 600;

/// Packets, of all tracks, that are read for them.
const PACKETS_MAX: usize = 10_000;

/// Bytes that are read for them.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Frames at the end of what was read that others may still come between: no codec reorders more.
const REORDERED_MAX: usize = 16;

/// Measures the frame times of video tracks, and looks for frames that the file ends before.
///
/// # Errors
/// `Io`.
pub(crate) fn measure(
    input: &mut Input,
    tracks: &mut [TrackInfo],
    file: &File,
    warnings: &mut Vec<String>,
) -> Result<(), MediaError> {
    let file_bytes = file.metadata().map_err(MediaError::Io)?.len();
    for (stream, track) in input.streams().zip(tracks.iter()) {
        if let Some((missing, listed)) = frames_beyond(&stream, file_bytes) {
            warnings.push(format!(
                "the file is truncated: {missing} of {listed} frames of track {} lie beyond its end",
                track.index
            ));
        }
    }
    let times = frame_times(input, tracks);
    for (track, (ticks, tick_s)) in tracks.iter_mut().zip(times) {
        track.timing = timing(&ticks, tick_s);
        if track.kind == "video"
            && track.timing.is_none()
            && track.frames.is_some_and(|frames| frames > 1)
        {
            warnings.push(format!(
                "the frames of track {} have no times that follow each other",
                track.index
            ));
        }
    }
    Ok(())
}

/// Frames of the index that are not in the file, and all that it lists; `None` if all are there.
///
/// Only MP4 and MOV have an index of all frames; for others there is nothing to compare.
#[expect(unsafe_code, reason = "the safe binding does not show the index")]
fn frames_beyond(stream: &Stream<'_>, file_bytes: u64) -> Option<(usize, usize)> {
    // SAFETY: the stream is alive as long as its borrow, and nothing touches its index meanwhile. Entries
    // below the count exist; a null is passed over all the same.
    let ends = unsafe {
        let raw = stream.as_ptr();
        let count = ffi::avformat_index_get_entries_count(raw);
        let entry = |index| ffi::avformat_index_get_entry(raw.cast_mut(), index).as_ref();
        (0..count)
            .filter_map(entry)
            .map(|entry| entry.pos.saturating_add(entry.size().into()))
            .collect::<Vec<i64>>()
    };
    let missing =
        ends.iter().filter(|end| u64::try_from(**end).is_ok_and(|end| end > file_bytes)).count();
    (missing > 0).then_some((missing, ends.len()))
}

/// For each track the times of its first frames, in ticks, and the length of a tick in seconds.
///
/// A file that cannot be read on is no error here: what was read so far is measured.
fn frame_times(input: &mut Input, tracks: &[TrackInfo]) -> Vec<(Vec<i64>, f64)> {
    let mut times: Vec<_> = input
        .streams()
        .take(tracks.len())
        .map(|stream| (Vec::new(), f64::from(stream.time_base())))
        .collect();
    let wanted = |index: usize| tracks.get(index).is_some_and(|track| track.kind == "video");
    let mut open = (0..tracks.len()).filter(|index| wanted(*index)).count();
    let (mut packets, mut bytes) = (0, 0);
    let mut packet = Packet::empty();
    while open > 0 && packets < PACKETS_MAX && bytes < BYTES_MAX {
        match packet.read(input) {
            Ok(()) => {}
            Err(FfmpegError::Eof) => break,
            Err(_) if packets > 0 => break,
            Err(_) => return times,
        }
        packets += 1;
        bytes += packet.size();
        let index = packet.stream();
        let Some((ticks, _)) = times.get_mut(index).filter(|_| wanted(index)) else { continue };
        if let Some(at) = packet.pts().filter(|_| ticks.len() < FRAMES_MAX) {
            ticks.push(at);
            open -= usize::from(ticks.len() == FRAMES_MAX);
        }
    }
    let cut = open == 0 || packets == PACKETS_MAX || bytes >= BYTES_MAX;
    for (ticks, _) in &mut times {
        ticks.sort_unstable();
        if cut && ticks.len() > 2 * REORDERED_MAX {
            ticks.truncate(ticks.len() - REORDERED_MAX);
        }
    }
    times
}

/// Times count as equal if they differ by less than a tick and a half, or by a twentieth: a rate that no
/// whole number of ticks gives is rounded up and down by turns.
fn timing(ticks: &[i64], tick_s: f64) -> Option<FrameTiming> {
    let mut gaps: Vec<i64> =
        ticks.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0).collect();
    gaps.sort_unstable();
    let (shortest, longest) = (*gaps.first()?, *gaps.last()?);
    let median = gaps[gaps.len() / 2] as f64;
    let tolerance = (median / 20.0).max(1.5);
    let differs = |gap: i64| (gap as f64 - median).abs() > tolerance;
    let milliseconds = |ticks: i64| (ticks as f64 * tick_s * 1e6).round() / 1e3;
    Some(FrameTiming {
        frames: ticks.len() as u32,
        variable: differs(shortest) || differs(longest),
        shortest_ms: milliseconds(shortest),
        longest_ms: milliseconds(longest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_times_are_constant_and_a_pause_is_not() {
        // 29.97 a second in milliseconds.
        let rounded: Vec<i64> =
            (0..100).map(|frame| (f64::from(frame) * 1001.0 / 30.0).round() as i64).collect();
        let constant = timing(&rounded, 0.001).unwrap();
        assert!(!constant.variable, "{constant:?}");
        assert_eq!((constant.shortest_ms, constant.longest_ms), (33.0, 34.0));
        let paused: Vec<i64> =
            rounded.iter().map(|at| if *at > 1000 { at + 33 } else { *at }).collect();
        let variable = timing(&paused, 0.001).unwrap();
        assert!(variable.variable);
        assert_eq!((variable.frames, variable.longest_ms), (100, 66.0));
        assert_eq!(timing(&[5], 0.001), None);
    }
}
