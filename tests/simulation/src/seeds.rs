//! Many seeds: each in a process of its own, because what a process has counted before must not change a run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What came of a seed's run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether every promise was kept.
    pub is_kept: bool,
    /// Faults that were injected.
    pub faults: u64,
    /// A digest of everything that happened.
    pub digest: String,
    /// Everything that the run said.
    pub said: String,
}

/// What came of many.
#[derive(Clone, Debug, Default)]
pub struct Soaked {
    /// How many were run.
    pub seeds: u64,
    /// Faults that were injected in all of them.
    pub faults: u64,
    /// What those said that broke a promise.
    pub failures: Vec<String>,
}

/// Runs a seed with further options.
///
/// # Panics
/// If the program cannot be started: nothing can be said then.
pub fn run_seed(program: &Path, seed: u64, options: &[&str]) -> Outcome {
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulation's own program, once for each seed"
    )]
    let mut command = Command::new(program);
    command.arg(seed.to_string()).args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the simulation's program is there");
    let output = child.wait_with_output().expect("a child of ours can be waited for");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default().to_owned();
    let word_after = |name: &str| {
        let mut words = first
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .skip_while(|word| *word != name);
        words.nth(1).unwrap_or_default().to_owned()
    };
    Outcome {
        is_kept: output.status.success(),
        faults: word_after("faults").parse().unwrap_or(0),
        digest: word_after("digest"),
        said,
    }
}

/// Runs seeds, one for each core at once.
pub fn run_seeds(program: &Path, seeds: impl Iterator<Item = u64> + Send) -> Soaked {
    let (seeds, soaked) = (Mutex::new(seeds), Mutex::new(Soaked::default()));
    let work = || {
        loop {
            let next = seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(seed) = next else { return };
            let outcome = run_seed(program, seed, &[]);
            let mut soaked = soaked.lock().unwrap_or_else(PoisonError::into_inner);
            soaked.seeds += 1;
            soaked.faults += outcome.faults;
            if !outcome.is_kept {
                soaked.failures.push(format!("seed {seed}:\n{}", outcome.said));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    soaked.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs seeds from `first` on until `length` is over.
pub fn soak(program: &Path, length: Duration, first: u64) -> Soaked {
    let begun = Instant::now();
    let next = AtomicU64::new(first);
    let seeds = std::iter::from_fn(|| {
        (begun.elapsed() < length).then(|| next.fetch_add(1, Ordering::Relaxed))
    });
    run_seeds(program, seeds)
}
