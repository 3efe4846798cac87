//! A simulated process: a runtime of its own, whose clock stands still but for what the world gives it.
//!
//! Everything that the process has spawned lives in its runtime. So it can be frozen (the runtime is not run, and its
//! clock then leaps), and be killed with all its tasks wherever each of them waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::machine;

/// How a turn of a process ended.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Its time is up.
    Over,
    /// It was killed, by itself: a fault struck at one of its calls, or where it rested.
    Killed,
    /// Its main task ended, and says why if that was an error.
    Ended(Result<(), String>),
}

/// A process that lives.
#[derive(Debug)]
pub(crate) struct Process {
    runtime: Option<Runtime>,
    main: JoinHandle<Result<(), String>>,
    files: Arc<FileWork>,
    kill: Arc<Notify>,
}

impl Process {
    /// Starts a process at `time` since the beginning. It is killed when `kill` is notified.
    pub(crate) fn start<F>(time: Duration, skew_ms: i64, kill: Arc<Notify>, main: F) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let files = Arc::new(FileWork::default());
        machine::on(time, skew_ms, false, || {
            let runtime = runtime(&files, &kill);
            let main = runtime.spawn(main);
            Self { runtime: Some(runtime), main, files, kill }
        })
    }

    /// Lets it run until `time`, in steps that its own timers make.
    pub(crate) fn run_until(&mut self, time: Duration, skew_ms: i64) -> Turn {
        let Some(runtime) = &self.runtime else { return Turn::Killed };
        let (main, kill) = (&mut self.main, &self.kill);
        let until = tokio::time::Instant::from_std(machine::beginning() + time);
        machine::on(time, skew_ms, true, || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = kill.notified() => Turn::Killed,
                    ended = main => Turn::Ended(ended.unwrap_or_else(|error| Err(error.to_string()))),
                    () = tokio::time::sleep_until(until) => Turn::Over,
                }
            })
        })
    }

    /// Its clock leaps to `time`: all this while nothing of it ran.
    pub(crate) fn leap(&mut self, time: Duration, skew_ms: i64) {
        let Some(runtime) = &self.runtime else { return };
        let until = tokio::time::Instant::from_std(machine::beginning() + time);
        machine::on(time, skew_ms, true, || {
            runtime.block_on(async {
                let left = until.saturating_duration_since(tokio::time::Instant::now());
                tokio::time::advance(left).await;
            });
        });
    }

    /// Kills it when it has come to rest `rests` more times: between any two of its steps that wait for something.
    pub(crate) fn kill_after(&self, rests: u64) {
        self.files.state().rests_left = Some(rests);
    }

    /// Where to spawn further work of it.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What was begun on the disk is done: a call of the operating system is not torn in two.
        self.files.settle();
        drop(self.runtime.take());
    }
}

fn runtime(files: &Arc<FileWork>, kill: &Arc<Notify>) -> Runtime {
    let (begins, starts, stops, rests) =
        (Arc::clone(files), Arc::clone(files), Arc::clone(files), Arc::clone(files));
    let kill = Arc::clone(kill);
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        // Work on files comes back in the order in which it was asked for, and only when nothing else can run.
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::ZERO)
        .global_queue_interval(u32::MAX)
        .thread_name_fn(move || {
            begins.state().threads += 1;
            "file-work".to_owned()
        })
        .on_thread_start(move || starts.wait_for_rest())
        .on_thread_stop(move || {
            stops.state().threads -= 1;
            stops.changed.notify_all();
        })
        .on_thread_park(move || {
            if rests.is_last() {
                kill.notify_one();
            }
            rests.settle();
        })
        .build()
        .expect("a runtime needs nothing that could be missing")
}

/// Work on real files, which other threads do. It is let go only while the runtime's own thread rests, and finished
/// before that goes on: otherwise chance would decide which of two tasks goes first.
#[derive(Debug, Default)]
struct FileWork {
    state: Mutex<FileWorkState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct FileWorkState {
    threads: usize,
    may_run: bool,
    rests_left: Option<u64>,
}

impl FileWork {
    fn state(&self) -> MutexGuard<'_, FileWorkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On a thread for files: waits until it may run.
    fn wait_for_rest(&self) {
        let mut state = self.state();
        while !state.may_run {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// On the runtime's thread: lets all such work finish.
    fn settle(&self) {
        let mut state = self.state();
        state.may_run = true;
        self.changed.notify_all();
        while state.threads > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.may_run = false;
    }

    /// Counts a rest, and says whether the process is to be killed at it.
    fn is_last(&self) -> bool {
        let mut state = self.state();
        match &mut state.rests_left {
            Some(0) => state.rests_left.take().is_some(),
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}
