//! A video in several sizes, cut into segments that HLS and DASH share.
//!
//! | you look for | file |
//! |---|---|
//! | frames at even times | `even` |
//! | which sizes are made at once | `share` |
//! | the source gone over once | `pass` |
//! | one size: converted, encoded, cut | `rung` |
//! | the sound | `sound` |
//! | segments, what they weigh, where their keyframes lie | `segments` |
//! | playlists of HLS, the manifest of DASH | `hls`, `dash` |
//!
//! The source is decoded once for as many sizes of a codec as there is memory for. Frame `n` of every size is shown at
//! `n / rate`, a keyframe is ordered at the same frames of every size, and nothing refers across one: so segments of all
//! sizes begin together, each with an IDR picture or AV1's key frame. Picture and sound begin at 0; the sound ends with the
//! picture.

mod dash;
mod even;
mod hls;
mod pass;
mod rung;
mod segments;
mod share;
mod sound;

pub use share::{LadderMeans, encoder_bytes, passes};

use std::path::Path;

use panofleet_job_schema::operation::LadderPlan;

use crate::error::MediaError;
use pass::Pass;
use rung::FinishedRung;
use segments::TrackSegments;
use share::shares;
use sound::LadderSound;

/// Ticks a second that a track has at least.
const TIMESCALE_MIN: u32 = 10_000;

/// How much longer the sound may be before its loss is told, in seconds.
const LOST_S: f64 = 0.5;

/// What comes of a ladder, bit by bit.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A complete file.
    File {
        /// Path from the output's folder; the folder in it may not be there.
        path: &'a str,
        /// What it holds.
        bytes: &'a [u8],
        /// Its media type.
        content_type: &'static str,
    },
    /// A frame that went to the encoders of all sizes.
    Frame,
}

/// What came of a ladder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Laddered {
    /// Frames of each size.
    pub frames: u64,
    /// What was damaged, lost or left out.
    pub warnings: Vec<String>,
}

/// A file that is ready.
#[derive(Debug)]
struct NewFile {
    path: String,
    bytes: Vec<u8>,
    content_type: &'static str,
}

/// What is told of as it comes.
type Tell<'t, E> = &'t mut dyn FnMut(Piece<'_>) -> Result<(), E>;

/// The clock of the pictures.
#[derive(Clone, Copy, Debug)]
struct Grid {
    /// Frames a second, as a fraction.
    rate: (i32, i32),
    /// Ticks a second.
    timescale: u32,
    /// Ticks of a frame.
    frame_ticks: u32,
    /// Frames of a segment.
    segment_frames: u64,
    /// Groups of frames of a segment.
    groups: u64,
}

impl Grid {
    fn of(plan: &LadderPlan) -> Self {
        let (frames, seconds) =
            (plan.frame_rate.0.unsigned_abs(), plan.frame_rate.1.unsigned_abs());
        let mut times = 1;
        while frames.saturating_mul(times) < TIMESCALE_MIN {
            times *= 2;
        }
        Self {
            rate: plan.frame_rate,
            timescale: frames.saturating_mul(times),
            frame_ticks: seconds.saturating_mul(times),
            segment_frames: plan.segment_frames.max(1).into(),
            groups: plan.segment_groups.clamp(1, plan.segment_frames.max(1)).into(),
        }
    }

    /// Whether a keyframe is ordered here: at the start of each group.
    const fn is_key(&self, frame: u64) -> bool {
        let at = frame % self.segment_frames;
        // The group that the frame is in, by where groups begin: at ⌊i · frames / groups⌋.
        let group = ((at + 1) * self.groups - 1) / self.segment_frames;
        group * self.segment_frames / self.groups == at
    }

    const fn begins_segment(&self, frame: u64) -> bool {
        frame.is_multiple_of(self.segment_frames)
    }

    /// When a frame is shown, in seconds.
    fn seconds(&self, frame: u64) -> f64 {
        frame as f64 * f64::from(self.frame_ticks) / f64::from(self.timescale)
    }
}

/// Makes the files that a plan asks for; `tell` gets each as it is ready, and hears of each frame, once in each of the
/// [`passes`].
///
/// # Errors
/// `Rejected` errors for what the file is or lacks, for damage if the plan says so; `Encode`; what `tell` says.
pub fn ladder<E: From<MediaError>>(
    source: &Path,
    plan: &LadderPlan,
    means: LadderMeans,
    mut tell: impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<Laddered, E> {
    let tell: Tell<'_, E> = &mut tell;
    let grid = Grid::of(plan);
    let (mut rungs, mut sound): (Vec<FinishedRung>, Option<LadderSound>) = (Vec::new(), None);
    let mut made = Laddered::default();
    for share in shares(plan, means) {
        let is_first = rungs.is_empty();
        let with_sound = plan.audio.filter(|_| is_first);
        let mut pass = Pass { plan, share, grid, decoder_threads: means.threads, work: Vec::new() };
        let (finished, laddered) = pass.run(source, (with_sound, &mut sound), tell)?;
        rungs.extend(finished);
        if is_first {
            made = laddered;
        }
    }
    made.warnings.extend(rungs.first().map(|rung| rung.warnings.clone()).unwrap_or_default());
    let tracks = Tracks {
        grid,
        layout: plan.video_layout.as_deref(),
        rungs: &rungs,
        sound: sound.as_ref().map(LadderSound::track),
    };
    for file in hls::files(&tracks).into_iter().chain([dash::file(&tracks)]) {
        tell_file(&file, tell)?;
    }
    Ok(made)
}

fn pass_on<E: From<MediaError>>(files: Vec<NewFile>, tell: Tell<'_, E>) -> Result<(), E> {
    files.into_iter().try_for_each(|file| tell_file(&file, tell))
}

fn tell_file<E>(file: &NewFile, tell: Tell<'_, E>) -> Result<(), E> {
    let NewFile { path, bytes, content_type } = file;
    tell(Piece::File { path, bytes, content_type })
}

/// What playlists are made of.
struct Tracks<'a> {
    grid: Grid,
    /// `REQ-VIDEO-LAYOUT`.
    layout: Option<&'a str>,
    /// Those of a codec together, smallest first.
    rungs: &'a [FinishedRung],
    sound: Option<SoundTrack<'a>>,
}

/// The sound.
struct SoundTrack<'a> {
    channels: usize,
    rate_hz: u32,
    codecs: String,
    segments: &'a TrackSegments,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_divide_segments_evenly() {
        let grid = |segment_frames, groups| Grid {
            rate: (30, 1),
            timescale: 15_360,
            frame_ticks: 512,
            segment_frames,
            groups,
        };
        let keys =
            |grid: Grid| (0..grid.segment_frames * 2).filter(move |frame| grid.is_key(*frame));
        let found: Vec<_> = keys(grid(10, 3)).collect();
        assert_eq!(found, [0, 3, 6, 10, 13, 16]);
        assert_eq!(keys(grid(120, 2)).collect::<Vec<_>>(), [0, 60, 120, 180]);
        assert_eq!(keys(grid(1, 1)).collect::<Vec<_>>(), [0, 1]);
        for (segment_frames, groups) in [(7, 7), (97, 5), (240, 4), (599, 5)] {
            let count = keys(grid(segment_frames, groups)).count() as u64;
            assert_eq!(count, 2 * groups, "{segment_frames} {groups}");
        }
    }
}
