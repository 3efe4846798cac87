//! Frames to the worker, and progress.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use panofleet_job_schema::runner_protocol::{Frame, write_frame};

/// Shortest time between two progress frames.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The worker's end of the pipe; any thread may report.
#[derive(Debug)]
pub(crate) struct Report {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pipe: File,
    work_px: u64,
    done_px: u64,
    last_sent: Option<Instant>,
}

impl Report {
    /// Reports over `pipe`.
    pub(crate) fn new(pipe: File) -> Self {
        let state = State { pipe, work_px: 1, done_px: 0, last_sent: None };
        Self { state: Mutex::new(state) }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// What the pipe says.
    pub(crate) fn send(&self, frame: &Frame) -> io::Result<()> {
        write_frame(&mut self.lock().pipe, frame)
    }

    /// Says how much there is to do, counted in pixels, before any of it is done.
    pub(crate) fn expect(&self, work_px: u64) {
        self.lock().work_px = work_px.max(1);
    }

    /// Counts pixels as done and says so, but not more often than ten times a second.
    ///
    /// # Errors
    /// What the pipe says.
    pub(crate) fn advance(&self, pixels: u64, step: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.done_px = (state.done_px + pixels).min(state.work_px);
        if state.last_sent.is_some_and(|sent| sent.elapsed() < PROGRESS_INTERVAL) {
            return Ok(());
        }
        state.last_sent = Some(Instant::now());
        let fraction = state.done_px as f64 / state.work_px as f64;
        write_frame(&mut state.pipe, &Frame::Progress { fraction, step: step.to_owned() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A frame is written whole or the pipe is gone; a panic between two leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line to standard error, where the worker keeps the last few kilobytes. If even that is gone,
/// nobody is left to tell.
pub(crate) fn last_words(text: &str) {
    writeln!(io::stderr(), "{text}").unwrap_or_default();
}
