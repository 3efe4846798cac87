//! A video in several sizes, cut into segments that HLS and DASH share.
//!
//! | you look for | file |
//! |---|---|
//! | frames at even times | `even` |
//! | one size: converted, encoded, cut | `rung` |
//! | the sound | `sound` |
//! | segments, what they weigh, where their keyframes lie | `segments` |
//! | playlists of HLS, the manifest of DASH | `hls`, `dash` |
//!
//! The source is decoded once. Frame `n` of every size is shown at `n / rate`, a keyframe is ordered at the same
//! frames of every size, and nothing refers across one: so segments of all sizes begin together, each with an IDR
//! picture. Picture and sound begin at 0; the sound ends with the picture.

mod dash;
mod even;
mod hls;
mod rung;
mod segments;
mod sound;

use std::path::Path;

use panofleet_job_schema::operation::{DamagePolicy, LadderPlan, Rung};
use rayon::prelude::*;

use super::convert::UprightFrame;
use super::frame::VideoFrame;
use super::reader::VideoReader;
use crate::error::MediaError;
use even::EvenFrames;
use rung::RungWork;
use segments::TrackSegments;
use sound::LadderSound;

/// Ticks a second that a track has at least.
const TIMESCALE_MIN: u32 = 10_000;

/// How much longer the sound may be before its loss is told, in seconds.
const LOST_S: f64 = 0.5;

/// A size is made of the smallest one that is so many times as wide: what two filters leave of it is then what one
/// would, and the source is not gone over again for each.
const FINE: f64 = 1.9;

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

/// Makes the files that a plan asks for; `tell` gets each as it is ready, and hears of each frame.
///
/// # Errors
/// `Rejected` errors for what the file is or lacks, for damage if the plan says so; `Encode`; what `tell` says.
pub fn ladder<E: From<MediaError>>(
    source: &Path,
    plan: &LadderPlan,
    threads: usize,
    mut tell: impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<Laddered, E> {
    let tell: Tell<'_, E> = &mut tell;
    let grid = Grid::of(plan);
    let reader = VideoReader::open(source, plan.footage.track, threads)?;
    let mut frames = EvenFrames::new(reader, grid, plan.frames_max);
    let Some(mut shown) = frames.next()? else { return Err(MediaError::NoFrames.into()) };
    let start_s = frames.start_s();
    let mut sound = plan
        .audio
        .map(|audio| LadderSound::open(source, audio, start_s, grid, plan.segment_frames))
        .transpose()?;
    let mut rungs: Vec<RungWork> = Vec::new();
    let mut frame = 0;
    loop {
        let mut pictures = upright(plan, &mut rungs, shown.frame, (grid, threads))?;
        while frame < shown.until {
            let work = rungs.par_iter_mut().zip(&mut pictures);
            work.try_for_each(|(rung, picture)| rung.encode(frame, picture))?;
            for rung in &mut rungs {
                pass_on(rung.files(), tell)?;
            }
            frame += 1;
            if let Some(sound) = &mut sound {
                sound.write_until(grid.seconds(frame))?;
                pass_on(sound.files(), tell)?;
            }
            tell(Piece::Frame)?;
        }
        let Some(next) = frames.next()? else { break };
        shown = next;
    }
    let mut made = Laddered { frames: frame, warnings: Vec::new() };
    judge(plan, &frames, &mut made.warnings)?;
    rungs.par_iter_mut().try_for_each(RungWork::finish)?;
    for rung in &mut rungs {
        pass_on(rung.files(), tell)?;
    }
    if let Some(sound) = &mut sound {
        sound.finish(grid.seconds(frame))?;
        pass_on(sound.files(), tell)?;
        made.warnings.extend(sound.warning(grid.seconds(frame)));
    }
    made.warnings.extend(rungs.first().map(RungWork::warnings).unwrap_or_default());
    let tracks = Tracks {
        grid,
        layout: plan.video_layout.as_deref(),
        rungs: rungs.iter().map(RungWork::track).collect(),
        sound: sound.as_ref().map(LadderSound::track),
    };
    for file in hls::files(&tracks).into_iter().chain([dash::file(&tracks)]) {
        tell_file(&file, tell)?;
    }
    Ok(made)
}

/// Bytes that the encoders of all sizes take at most, where `threads` are used.
///
/// x264 keeps pictures that wait (their planes, and a small copy to look ahead in: 3 bytes a pixel) and pictures that
/// others refer to (with three copies that lie half a pixel off: 7 bytes a pixel).
pub fn encoder_bytes(plan: &LadderPlan, threads: usize) -> u64 {
    // Beside those that are looked ahead at: B-frames, and what is on its way in and out.
    const WAITING: u64 = 8;
    // As many as level 5.2 allows large frames to have, and the one in work.
    const REFERRED: u64 = 6;
    let bytes = |rung: &Rung| {
        let threads = rung::encoder_threads(plan, rung, threads) as u64;
        let waiting = u64::from(rung::lookahead(plan.preset, rung)) + WAITING + threads;
        let each = 3 * waiting + 7 * (REFERRED + threads);
        each * u64::from(rung.width_px) * u64::from(rung.height_px)
    };
    plan.rungs.iter().map(bytes).sum()
}

/// A frame in every size; the first one opens the encoders.
fn upright(
    plan: &LadderPlan,
    rungs: &mut Vec<RungWork>,
    frame: VideoFrame,
    (grid, threads): (Grid, usize),
) -> Result<Vec<ffmpeg_next::util::frame::Video>, MediaError> {
    let converters: Vec<_> = plan.rungs.iter().map(rung::converter).collect::<Result<_, _>>()?;
    let as_it_is = match converters.last() {
        Some(last) => plan.footage.rotation_deg == 0 && last.fits(&frame)?,
        None => false,
    };
    let made = if as_it_is { converters.len() - 1 } else { converters.len() };
    let mut pictures = Vec::with_capacity(converters.len());
    if made > 0 {
        // The source, then what was made of it, each smaller than the one before.
        let mut larger = vec![UprightFrame::of(&frame, plan.footage.rotation_deg)?];
        for converter in converters[..made].iter().rev() {
            let least_px = f64::from(converter.size().width_px()) * FINE;
            let enough = larger.iter().rposition(|one| f64::from(one.width_px()) >= least_px);
            let (picture, made) = converter.make(&larger[enough.unwrap_or(0)], &frame)?;
            pictures.push(picture);
            larger.push(made);
        }
        pictures.reverse();
    }
    if let (true, Some(last)) = (as_it_is, converters.last()) {
        pictures.push(last.convert(frame)?);
    }
    if rungs.is_empty() {
        for (rung, picture) in plan.rungs.iter().zip(&pictures) {
            rungs.push(RungWork::new(plan, rung, picture, (grid, threads))?);
        }
    }
    Ok(pictures)
}

/// Says what was wrong with the video, or refuses it for that.
fn judge(
    plan: &LadderPlan,
    frames: &EvenFrames,
    warnings: &mut Vec<String>,
) -> Result<(), MediaError> {
    warnings.extend(frames.warnings());
    match frames.verdict(plan.declared_frames) {
        Some(said) if plan.damage == DamagePolicy::Reject => Err(MediaError::VideoDamaged(said)),
        said => {
            warnings.extend(said);
            Ok(())
        }
    }
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
    /// Smallest first.
    rungs: Vec<PictureTrack<'a>>,
    sound: Option<SoundTrack<'a>>,
}

/// One size.
struct PictureTrack<'a> {
    width_px: u32,
    height_px: u32,
    codecs: String,
    segments: &'a TrackSegments,
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
