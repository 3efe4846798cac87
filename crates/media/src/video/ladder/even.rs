//! Frames at even times.

use super::Grid;
use crate::error::MediaError;
use crate::video::frame::VideoFrame;
use crate::video::reader::VideoReader;

/// How long the last frame may be shown, in seconds, if it says so.
const LAST_S_MAX: f64 = 10.0;

/// A gap that is longer is a slip of the file's clock, in seconds.
const GAP_S_MAX: f64 = 600.0;

/// A time in the middle between two frames belongs to the first, as far as numbers tell.
const MIDDLE: f64 = 0.5 + 1e-3;

/// Gives each frame of a track the numbers at which it is shown: each number has the frame whose time is nearest,
/// and where there is none, the one before.
pub(super) struct EvenFrames {
    reader: VideoReader,
    grid: Grid,
    frames_max: u64,
    /// The frame before, which is shown until the next one's number.
    held: Option<Held>,
    /// When the first frame is shown, which is time 0.
    first_s: f64,
    /// When the last frame that was read is shown.
    last_s: Option<f64>,
    /// What the file's clock has slipped, in seconds.
    slipped_s: f64,
    left_out: u64,
    slips: u64,
}

/// A frame, and the number before which it is shown.
pub(super) struct Shown {
    pub(super) frame: VideoFrame,
    pub(super) until: u64,
}

struct Held {
    frame: VideoFrame,
    number: u64,
    /// How far its time is from its number's, in frames.
    off: f64,
}

impl EvenFrames {
    pub(super) const fn new(reader: VideoReader, grid: Grid, frames_max: u64) -> Self {
        Self {
            reader,
            grid,
            frames_max,
            held: None,
            first_s: 0.0,
            last_s: None,
            slipped_s: 0.0,
            left_out: 0,
            slips: 0,
        }
    }

    /// Time 0 by the file's own clock, once there is a frame.
    pub(super) fn start_s(&self) -> f64 {
        self.reader.start_s() + self.first_s
    }

    /// The next frame that is shown.
    ///
    /// # Errors
    /// As [`VideoReader::next_frame`]; `video_unsupported` for more frames than there may be.
    pub(super) fn next(&mut self) -> Result<Option<Shown>, MediaError> {
        while let Some(frame) = self.reader.next_frame()? {
            let half_tick_s = f64::from(self.reader.tick()) / 2.0;
            let at_s = self.time(&frame);
            if self.last_s.is_some_and(|last_s| at_s <= last_s + half_tick_s) {
                self.left_out += 1;
                continue;
            }
            self.slip(at_s);
            self.last_s = Some(at_s);
            let Some(before) = self.held.take() else {
                self.first_s = at_s;
                self.held = Some(Held { frame, number: 0, off: 0.0 });
                continue;
            };
            let at = (at_s - self.slipped_s - self.first_s) / self.grid.seconds(1);
            let number = (at - MIDDLE).ceil().max(0.0) as u64;
            let off = (at - number as f64).abs();
            if number > before.number {
                self.held = Some(Held { frame, number, off });
                return self.shown(before.frame, number).map(Some);
            }
            self.held = Some(if off < before.off { Held { frame, number, off } } else { before });
        }
        let Some(last) = self.held.take() else { return Ok(None) };
        let lasts = self.lasts(&last.frame);
        self.shown(last.frame, last.number + lasts).map(Some)
    }

    fn shown(&self, frame: VideoFrame, until: u64) -> Result<Shown, MediaError> {
        if until > self.frames_max {
            let seconds = self.grid.seconds(self.frames_max);
            return Err(MediaError::VideoUnsupported(format!(
                "it goes on for longer than it says, and than the {seconds:.0} s that are made of one"
            )));
        }
        Ok(Shown { frame, until })
    }

    /// When a frame is shown; one that does not say comes a frame after the last.
    fn time(&self, frame: &VideoFrame) -> f64 {
        let next_s = || self.last_s.map_or(0.0, |last_s| last_s + self.grid.seconds(1));
        frame.at_s().unwrap_or_else(next_s)
    }

    /// Takes a gap out that is too long to be one.
    fn slip(&mut self, at_s: f64) {
        if let Some(last_s) = self.last_s
            && at_s - last_s > GAP_S_MAX
        {
            self.slipped_s += at_s - last_s - self.grid.seconds(1);
            self.slips += 1;
        }
    }

    /// For how many numbers the last frame is shown.
    fn lasts(&self, frame: &VideoFrame) -> u64 {
        let seconds = frame.raw().packet().duration as f64 * f64::from(self.reader.tick());
        let frames = seconds.min(LAST_S_MAX) / self.grid.seconds(1);
        (frames - MIDDLE).ceil().max(1.0) as u64
    }

    /// What was wrong with times.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.left_out > 0 {
            let count = self.left_out;
            warnings.push(format!("{count} frames came at the time of another and were left out"));
        }
        if self.slips > 0 {
            warnings.push(format!(
                "{} gaps of more than {GAP_S_MAX:.0} s between frames were taken for errors and left out",
                self.slips
            ));
        }
        warnings
    }

    /// As [`VideoReader::verdict`].
    pub(super) fn verdict(&self, declared: Option<u64>) -> Option<String> {
        self.reader.verdict(declared)
    }
}
